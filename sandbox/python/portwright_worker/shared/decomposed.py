"""Decomposes what ONNX has no operator for, and leaves the rest as it is.

Before it translates a program, PyTorch traces the whole of it twice more to take apart
the operators that ONNX lacks, which is about a third of an export. Most programs have
few of those, such as a conversion of an element type. Here each is taken apart by
itself, by the functions that PyTorch would use. A program that changes something in
place or has programs within it is decomposed as a whole by PyTorch, and so is one of
which a part cannot be taken apart alone.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Iterator
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.node import map_arg

#: What is taken apart can leave operators that are taken apart in turn.
DEEPEST = 8
#: Operators that ONNX has and many runtimes do not. What they are made of is matrix
#: products, which all runtimes have.
RARE = frozenset({torch.ops.aten.einsum.default})


@contextlib.contextmanager
def decomposed() -> Iterator[None]:
    """Puts this way of decomposing in the place of the exporter's own."""
    try:
        from torch.onnx._internal.exporter import _fx_passes as passes
    except ImportError:
        passes = None
    whole = getattr(passes, "decompose_with_registry", None)
    if whole is None:
        # A release that keeps it elsewhere: it decomposes in its own way.
        yield
        return

    def decompose(program: Any, registry: Any) -> Any:
        with contextlib.suppress(Undecomposed):
            take_apart(program, registry)
            return program
        return whole(program, registry)

    passes.decompose_with_registry = decompose
    try:
        yield
    finally:
        passes.decompose_with_registry = whole


class Undecomposed(Exception):
    """A program that has to be decomposed as a whole."""


def take_apart(program: Any, registry: Any) -> None:
    """Takes apart what is rare in a program, and what the registry does not know."""
    for node in [node for node in program.graph.nodes if node.target in RARE]:
        replace(program, node)
    if not all(is_plain(node) for node in program.graph.nodes):
        raise Undecomposed
    for _ in range(DEEPEST):
        unknown = [node for node in program.graph.nodes if not is_known(node, registry)]
        if not unknown:
            return
        for node in unknown:
            replace(program, node)
    raise Undecomposed


def is_plain(node: Any) -> bool:
    """Whether a node computes something from values and changes none of them.

    What an exporter put in by itself may not say what it computes.
    """
    if node.op != "call_function":
        return node.op in ("placeholder", "output")
    if isinstance(node.target, torch._ops.OpOverload):
        schema = node.target._schema
        return not schema.is_mutable and ("val" in node.meta or not schema.returns)
    return not isinstance(node.target, torch._ops.HigherOrderOperator)


def is_known(node: Any, registry: Any) -> bool:
    """Whether a node is translated as it is.

    What is done with sizes is, and an assertion, which gives nothing, is left out.
    """
    if not isinstance(node.target, torch._ops.OpOverload):
        return True
    return not node.target._schema.returns or registry.is_registered(node.target)


def replace(program: Any, node: Any) -> None:
    """Puts what an operator is made of in its place."""
    graph = program.graph
    inner = traced(node)
    sources = zip(inner.find_nodes(op="placeholder"), node.all_input_nodes, strict=True)
    given = dict(sources)
    with graph.inserting_before(node):
        results = graph.graph_copy(inner, given)
    for new in inner.nodes:
        if new in given and new.op == "call_function":
            # It has its own value, and its place in the source is that of the whole.
            given[new].meta = {**node.meta, **new.meta}
    if isinstance(results, (tuple, list)):
        for user in list(node.users):
            if user.target is not operator.getitem or is_output(user):
                raise Undecomposed
            user.replace_all_uses_with(results[user.args[1]])
            graph.erase_node(user)
    else:
        if is_output(node) and results.op != "call_function":
            # An input would be an output under its own name.
            raise Undecomposed
        node.replace_all_uses_with(results)
        program.graph_signature.replace_all_uses(node.name, results.name)
    graph.erase_node(node)


def is_output(node: Any) -> bool:
    return any(user.op == "output" for user in node.users)


def traced(node: Any) -> torch.fx.Graph:
    """What an operator is made of for the values that a node gives it."""
    function = taken_apart_by(node.target)
    sources = node.all_input_nodes
    values = [source.meta.get("val") for source in sources]
    modes = [value.fake_mode for value in values if hasattr(value, "fake_mode")]
    if function is None or not modes:
        raise Undecomposed

    def call(*given: Any) -> Any:
        of = dict(zip(sources, given, strict=True))
        args, kwargs = map_arg((node.args, node.kwargs), of.__getitem__)
        return function(*args, **kwargs)

    try:
        with modes[0], torch.no_grad():
            graph = make_fx(call)(*values).graph
    except Exception as error:
        # Whatever it is, PyTorch's own way may do without it.
        raise Undecomposed from error
    if not all(is_plain(inner) for inner in graph.nodes):
        raise Undecomposed
    return graph


def taken_apart_by(target: Any) -> Any:
    """The function that takes an operator apart, where PyTorch has one."""
    table = torch._decomp.decomposition_table
    if target in table:
        return table[target]
    return target.decompose if target._can_decompose() else None
