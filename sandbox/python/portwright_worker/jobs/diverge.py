"""Finds the first module of a model whose values an ONNX file does not give: where an artefact goes wrong.

It answers with a description for people and for the ladder, in the form of an error. It judges nothing.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from portwright_worker import errors, models, tensors

#: A module agrees where its values lie this near, as a part of the largest of them.
NEAR = 1e-3
#: The operators of a module that are named.
NAMED = 6
SCOPES = "pkg.torch.onnx.name_scopes"
STACK = "pkg.torch.onnx.stack_trace"
FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>\S+)\n\s*(?P<code>.*)')


@dataclass
class Value:
    """What a node of the file computes, the modules that it belongs to, and where the library says so."""

    array: np.ndarray
    modules: list[str]
    operator: str
    stack: str


def run(job: dict, work: str) -> dict:
    plan = job["plan"]
    model = models.load(plan, job["source"], job["checkpoint"])
    inputs = tensors.read(job["inputs"][0])
    errors.now("forward")
    expected = _modules(model, inputs, plan.get("call", {}))
    errors.now("execute")
    values = _values(job["artefact"], inputs)
    errors.now("compare")
    return {"found": _first(model, expected, values)}


def _modules(model: Any, inputs: dict, call: dict) -> dict[str, np.ndarray]:
    """The first tensor that each module returns, in the order in which they end; of those that are called once."""
    import torch

    seen: dict[str, list[np.ndarray]] = {}

    def note(name: str):
        def hook(_module: Any, _args: Any, output: Any) -> None:
            first = next((leaf for leaf in tensors.leaves(output).values() if leaf.is_floating_point()), None)
            if first is not None:
                seen.setdefault(name, []).append(first.detach().to(torch.float32).numpy().copy())

        return hook

    hooks = [module.register_forward_hook(note(name)) for name, module in model.named_modules() if name]
    with torch.no_grad():
        model(**inputs, **call)
    for hook in hooks:
        hook.remove()
    return {name: arrays[0] for name, arrays in seen.items() if len(arrays) == 1}


def _values(path: str, inputs: dict) -> list[Value]:
    """Every real tensor that the file computes, in the order of its nodes, without any optimiser of the runtime."""
    import onnx
    import onnxruntime

    model = onnx.load(path)
    known = {output.name for output in model.graph.output}
    nodes = [(node, name) for node in model.graph.node for name in node.output if name]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for _, name in nodes if name not in known)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feeds = {node.name: inputs[node.name.removeprefix("input.")].numpy() for node in session.get_inputs()}
    arrays = dict(zip([output.name for output in session.get_outputs()], session.run(None, feeds), strict=True))
    return [
        Value(arrays[name], _scopes(node), node.op_type, _property(node, STACK))
        for node, name in nodes
        if isinstance(arrays.get(name), np.ndarray) and arrays[name].dtype.kind == "f"
    ]


def _scopes(node: Any) -> list[str]:
    """The modules that a node belongs to, outermost first: an exporter writes them down, the tracer names nodes so."""
    listed = _property(node, SCOPES)
    if listed:
        scopes = [str(scope) for scope in ast.literal_eval(listed)][:-1]
    else:
        parts = node.name.strip("/").split("/")[:-1]
        scopes = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    return scopes


def _property(node: Any, key: str) -> str:
    return next((item.value for item in node.metadata_props if item.key == key), "")


def _first(model: Any, expected: dict[str, np.ndarray], values: list[Value]) -> dict | None:
    """The first module that ends with values which none of its nodes gives; `None` where every module agrees.

    A file of which no node can be told to belong to a module says nothing, and that is an error and no agreement.
    """
    agree, within = 0, _wrapper(set(expected), values)
    for name, array in expected.items():
        inside = [value for value in values if within + name in value.modules]
        own = [value for value in inside if value.array.shape == array.shape]
        if not own:
            continue
        largest = float(np.abs(array).max(initial=0.0))
        # Not always its last node: an optimiser moves nodes, and a view of the result is one more.
        if any(_distance(value.array, array) <= NEAR * largest + 1e-6 for value in own):
            agree += 1
            continue
        operators = list(dict.fromkeys(value.operator for value in inside))
        shown = ", ".join(operators[:NAMED]) + (", …" if len(operators) > NAMED else "")
        kind = type(model.get_submodule(name)).__name__
        distance = _distance(own[-1].array, array)
        return {
            "exception": "Divergence",
            "message": f"the artefact first differs from PyTorch in `{name}` ({kind}), by {distance:.3e} where the "
            f"largest value is {largest:.3e}; {agree} modules before it agree; its operators: {shown}",
            "frames": _frames(own[-1].stack),
            "causes": [],
            "doing": "compare",
        }
    if not agree:
        raise ValueError("no node of the file names a module of the model")
    return None


def _wrapper(names: set[str], values: list[Value]) -> str:
    """What stands before the names of modules in the file: the port may have exported the model inside a module."""
    scopes = {scope for value in values for scope in value.modules if scope}
    wrappers = ["", *sorted({scope.split(".")[0] + "." for scope in scopes})]
    return max(wrappers, key=lambda wrapper: len(scopes & {wrapper + name for name in names}))


def _distance(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference; what is not finite is as far away as can be."""
    difference = np.abs(found.astype(np.float32) - expected)
    return float(difference.max(initial=0.0)) if np.isfinite(difference).all() else float("inf")


def _frames(stack: str) -> list[dict]:
    return [
        {"file": m["file"], "line": int(m["line"]), "function": m["function"], "code": m["code"].strip()}
        for m in FRAME.finditer(stack)
    ]
