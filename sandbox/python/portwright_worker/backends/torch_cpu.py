"""`torch-cpu`: the generated module itself, on the CPU."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

from portwright_worker import errors, measure, skillsets, tensors


def execute(job: dict, work: str) -> dict:
    import torch
    import transformers

    package = skillsets.load(job["skillset"])

    def load() -> Any:
        return package.load(backend="torch-cpu", device="cpu", checkpoint=job["checkpoint"])

    errors.now("load")
    load_seconds, skillset = measure.timed(load)
    example = tensors.read_arrays(job["inputs"][0])
    outputs = []

    def answer(skillset: Any, paths: list[str]) -> None:
        for path in paths:
            arrays = tensors.read_arrays(path)
            errors.now("execute")
            produced = _infer(skillset, arrays)
            errors.now("write outputs")
            outputs.append(tensors.write(work, path, produced))

    # The module itself takes what the reference takes: a corner is a set like any other. Half of the corners come after
    # the repeated calls, and half after the module was loaded again: code may keep count of either.
    corners = list(job.get("corners", ()))
    half = len(corners) // 2 if job["reloads"] else len(corners)
    called, loaded = corners[:half], corners[half:]
    answer(skillset, job["inputs"])
    nodes = modules_by_device(getattr(skillset, "module", None))
    errors.now("time")
    latency = measure.repeated(partial(_infer, skillset), [example], job["repeats"])
    answer(skillset, called)
    errors.now("unload")
    skillset.unload()
    del skillset
    resident = []
    for _ in range(job["reloads"]):
        errors.now("reload")
        again = load()
        again.infer(**example)
        answer(again, loaded)
        loaded = []
        again.unload()
        del again
        resident.append(measure.resident_bytes())
    return {
        "device": ",".join(sorted(nodes)) or "unknown",
        "nodes": nodes,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "load_seconds": load_seconds,
        "latency_seconds": latency,
        "reload_resident_bytes": resident,
        "outputs": outputs,
    }


def _infer(skillset: Any, arrays: dict) -> dict:
    return skillset.infer(**arrays)


def modules_by_device(module: Any) -> dict[str, int]:
    """How many modules hold parameters or buffers of their own on each device; a module without any is nowhere."""
    import torch

    if not isinstance(module, torch.nn.Module):
        return {}
    counts: Counter[str] = Counter()
    for part in module.modules():
        held = [*part.parameters(recurse=False), *part.buffers(recurse=False)]
        for device in {tensor.device.type for tensor in held}:
            counts[device] += 1
    return dict(counts)
