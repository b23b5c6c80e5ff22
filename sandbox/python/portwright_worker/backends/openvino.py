"""`openvino`: reads an IR or ONNX file and runs it on OpenVINO's CPU device."""

from __future__ import annotations

import os
from collections import Counter
from functools import partial
from typing import Any

import numpy as np

from portwright_worker import errors, measure, tensors

DEVICE = "CPU"
# Full precision and no cache: the numbers are those of the artefact, and every load is a load.
SETTINGS = {
    "INFERENCE_PRECISION_HINT": "f32",
    "PERFORMANCE_HINT": "LATENCY",
    # As many as every other runtime of a job has.
    "INFERENCE_NUM_THREADS": int(os.environ.get("OMP_NUM_THREADS", "1")),
}
# Nodes that compute nothing.
SHELL = ("Parameter", "Input", "Result", "Output", "Const", "Constant")


def execute(job: dict, work: str) -> dict:
    import openvino

    def load() -> Any:
        core = openvino.Core()
        return core.compile_model(core.read_model(job["artefact"]), DEVICE, SETTINGS)

    errors.now("load")
    # As the artefact says, before compiling: a node folded into an output's own lends the output its name too.
    names = [output_name(port) for port in openvino.Core().read_model(job["artefact"]).outputs]
    load_seconds, model = measure.timed(load)
    example = tensors.read_arrays(job["inputs"][0])
    outputs, refused = [], {}
    corners = set(job.get("corners", ()))
    for path in [*job["inputs"], *job.get("corners", ())]:
        arrays = tensors.read_arrays(path)
        errors.now("execute")
        try:
            produced = infer(model, names, arrays)
        except RuntimeError as error:
            if path not in corners:
                raise
            refused[tensors.set_name(path)] = str(error)
            continue
        errors.now("write outputs")
        outputs.append(tensors.write(work, path, produced))
    devices = list(model.get_property("EXECUTION_DEVICES"))
    nodes = nodes_by_device(model, devices)
    errors.now("time")
    latency = measure.repeated(partial(infer, model, names), [example], job["repeats"])
    del model
    resident = []
    for _ in range(job["reloads"]):
        errors.now("reload")
        again = load()
        infer(again, names, example)
        del again
        resident.append(measure.resident_bytes())
    return {
        "device": ",".join(devices),
        "nodes": nodes,
        "versions": {"openvino": openvino.__version__},
        "load_seconds": load_seconds,
        "latency_seconds": latency,
        "reload_resident_bytes": resident,
        "outputs": outputs,
        "refused": refused,
    }


def infer(model: Any, names: list[str], arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One inference. Inputs the artefact does not have are left out: whether it should is the judge's question.

    On a request of its own: calling the model keeps one inside, and with it some megabytes after the model is gone.
    """
    request = model.create_infer_request()
    feeds = {}
    for index, port in enumerate(model.inputs):
        name = next((name for name in sorted(port.get_names()) if _plain(name, "input") in arrays), None)
        if name is None:
            raise KeyError(f"the artefact wants {sorted(port.get_names())}, and the inputs are {sorted(arrays)}")
        feeds[index] = arrays[_plain(name, "input")]
    request.infer(feeds)
    return {name: np.array(request.get_output_tensor(index).data) for index, name in enumerate(names)}


def output_name(port: Any) -> str:
    """An output's name without the exporter's prefix. Of several names a prefixed one is the exporter's."""
    names = sorted(port.get_names())
    if not names:
        raise KeyError("the artefact has an output without a name")
    return _plain(next((name for name in names if name.startswith("output.")), names[0]), "output")


def nodes_by_device(model: Any, devices: list[str]) -> dict[str, int]:
    """How many nodes of the compiled graph each device executes.

    The CPU plugin compiles a graph as a whole and does not note a device at each node; a node that notes one (a
    heterogeneous compilation does) is counted there.
    """
    counts: Counter[str] = Counter()
    for node in model.get_runtime_model().get_ordered_ops():
        info = node.get_rt_info()
        kind = str(info["layerType"].value) if "layerType" in info else node.get_type_name()
        if kind not in SHELL:
            noted = str(info["affinity"].value) if "affinity" in info else ""
            counts[noted or devices[0]] += 1
    return dict(counts)


def _plain(name: str, prefix: str) -> str:
    return name.removeprefix(f"{prefix}.")
