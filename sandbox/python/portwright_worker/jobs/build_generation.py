"""Exports a generative model as two ONNX files, a prefill and a decode step, with the cache as inputs and outputs."""

from __future__ import annotations

import os
import time
from typing import Any

from portwright_worker import errors, generation, models, tensors
from portwright_worker.shared.decomposed import decomposed
from portwright_worker.shared.spelled import spelled

ARTEFACT = "artefact"
#: ONNX keeps larger weights outside the model's file.
LARGEST_FILE = 2**31 - 2**20


def run(job: dict, work: str) -> dict:
    began = time.perf_counter()
    made = build(job, os.path.join(work, ARTEFACT))
    return {
        **{name: os.path.join(ARTEFACT, file) for name, file in made.items()},
        "files": sorted(os.path.join(ARTEFACT, name) for name in os.listdir(os.path.join(work, ARTEFACT))),
        "seconds": time.perf_counter() - began,
    }


def build(job: dict, folder: str) -> dict[str, str]:
    import torch
    from transformers.exporters.exporter_dynamo import register_cache_pytrees_for_model

    export = job["export"]
    os.makedirs(folder, exist_ok=True)
    model = models.load(job["plan"], job["source"], job["checkpoint"], attention=export["attention"])
    for adaptation in job["plan"].get("adaptations", ()):
        if adaptation["kind"]["is"] == "experts-implementation":
            model.set_experts_implementation(adaptation["kind"]["name"])
    register_cache_pytrees_for_model(model)
    sizes = [generation.steps(tensors.read(path)) for path in job["inputs"]]
    errors.now("forward")
    with torch.no_grad():
        script = export["strategy"] == "torch-script"
        generator, traced = _traced(model, job["plan"].get("call", {}), sizes, export["dynamic"] or script)
    # Under the tracer of TorchScript a model does not make the state itself.
    generator.makes_cache = generator.makes_cache or (script and "past_key_values" in traced["decode"][0])
    errors.now("export")
    write = {"transformers": _with_transformers, "torch-dynamo": _with_torch, "torch-script": _with_script}[
        export["strategy"]
    ]
    for name, (example, other) in traced.items():
        free = _free_axes(example, other) if export["dynamic"] else None
        write(generator, example, free, export, os.path.join(folder, f"{name}.onnx"))
    return {name: f"{name}.onnx" for name in traced}


def _traced(model: Any, call: dict, sizes: list[list[generation.Step]], whole: bool) -> tuple[Any, dict]:
    """What each file is traced with, in the example's and in the other sizes."""
    generator = generation.Generator(model, call)
    decodes = [generator.next_inputs(of) for of in sizes]
    # The length of a sliding window's past is a number of Python's, which tracing fixes. With free axes the state must
    # be all tensors: such a layer keeps its whole past, and the mask hides what lies outside the window. TorchScript's
    # tracer would also make one output of the equal numbers that such layers hold.
    if whole and generation.keeps_whole_past(decodes[0].get("past_key_values")) is False:
        generator = generation.Generator(model, call, whole_cache=True)
        decodes = [generator.next_inputs(of) for of in sizes]
    return generator, {"prefill": [of[0][1] for of in sizes], "decode": decodes}


def _free_axes(example: Any, other: Any) -> Any:
    import torch

    return generation.free_axes(example, other, lambda: torch.export.Dim.DYNAMIC)


def _with_transformers(generator: Any, inputs: dict, free: Any, export: dict, path: str) -> None:
    import onnx_ir
    from transformers.exporters.exporter_onnx import OnnxConfig, OnnxExporter

    model = generator.model
    model.forward = generator.step
    try:
        with decomposed():
            exported = OnnxExporter().export(
                model,
                dict(inputs),
                config=OnnxConfig(
                    dynamic=free is not None,
                    dynamic_shapes=free,
                    optimize=export["optimize"],
                    **({"opset_version": export["opset"]} if export.get("opset") else {}),
                ),
            )
    finally:
        model.forward = generator.forward
    # Releases differ in what they return, and both hold the graph.
    graph = exported.program if hasattr(exported, "program") else exported.model
    apart = f"{os.path.basename(path)}.data" if _bytes(model) > LARGEST_FILE else None
    onnx_ir.save(graph, path, external_data=apart)


def _with_torch(generator: Any, inputs: dict, free: Any, export: dict, path: str) -> None:
    import torch

    module = _flat(generator, inputs)
    with torch.no_grad():
        program = torch.export.export(
            module,
            tuple(module.tensors),
            dynamic_shapes=None if free is None else (tuple(_axes(free)),),
            strict=False,
        )
    with decomposed():
        torch.onnx.export(
            program,
            (),
            path,
            **module.names,
            external_data=_bytes(generator.model) > LARGEST_FILE,
            optimize=export["optimize"],
            dynamo=True,
            **({"opset_version": export["opset"]} if export.get("opset") else {}),
        )


def _with_script(generator: Any, inputs: dict, free: Any, export: dict, path: str) -> None:
    import torch

    module = _flat(generator, inputs)
    axes = [] if free is None else _axes(free)
    with torch.no_grad(), spelled():
        torch.onnx.export(
            module,
            tuple(module.tensors),
            path,
            **module.names,
            dynamic_axes=dict(zip(module.names["input_names"], map(list, axes), strict=False)),
            do_constant_folding=export["optimize"],
            dynamo=False,
            **({"opset_version": export["opset"]} if export.get("opset") else {}),
        )


def _axes(free: Any) -> list[dict]:
    """The leaves of a structure of free axes, in the order of the tensors."""
    if isinstance(free, dict) and all(isinstance(key, int) for key in free):
        return [free]
    if free is None:
        return []
    children = free.values() if isinstance(free, dict) else free
    return [axes for child in children for axes in _axes(child)]


def _flat(generator: Any, inputs: dict) -> Any:
    import torch
    from torch.utils import _pytree as pytree

    values, structure = pytree.tree_flatten(inputs)

    class Flat(torch.nn.Module):
        """Takes a step's tensors in a fixed order and returns those of its output."""

        def __init__(self) -> None:
            super().__init__()
            self.model = generator.model
            self.tensors = [value for value in values if isinstance(value, torch.Tensor)]
            with torch.no_grad():
                outputs = list(self.leaves(*self.tensors))
            given = list(tensors.leaves(inputs))
            #: What the file calls its inputs and outputs: a state is both.
            self.names = {
                "input_names": [f"input.{name}" if name in outputs else name for name in given],
                "output_names": [f"output.{name}" if name in given else name for name in outputs],
            }

        def leaves(self, *given: Any) -> dict[str, Any]:
            from transformers.exporters.utils import duplicate_leaf_tensors

            left = iter(given)
            filled = [next(left) if isinstance(value, torch.Tensor) else value for value in values]
            # A structure of its own for each call: a cache is changed in place.
            own = [value.clone() if isinstance(value, torch.Tensor) else value for value in filled]
            inputs = pytree.tree_unflatten(own, structure)
            return tensors.leaves(duplicate_leaf_tensors(generator.step(**inputs)))

        def forward(self, *given: Any) -> tuple:
            return tuple(self.leaves(*given).values())

    return Flat()


def _bytes(model: Any) -> int:
    held = [*model.parameters(), *model.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in held)
