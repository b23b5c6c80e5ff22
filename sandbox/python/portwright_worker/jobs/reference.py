"""Runs the pristine library's model on each input file: what every backend is compared with."""

from __future__ import annotations

from typing import Any

from portwright_worker import errors, models, tensors


def run(job: dict, work: str) -> dict:
    import torch

    plan = job["plan"]
    model = models.load(plan, job["source"], job["checkpoint"])
    exercised = watch(model)
    outputs = []
    for path in job["inputs"]:
        errors.now("read inputs")
        inputs = tensors.read(path)
        errors.now("forward")
        # A stochastic forward then draws the same numbers for each file, and for each repetition of the job.
        torch.manual_seed(plan["weights"]["seed"])
        with torch.no_grad():
            output = model(**inputs, **plan.get("call", {}))
        errors.now("write outputs")
        outputs.append(tensors.write(work, path, tensors.leaves(output)))
    return {
        "outputs": outputs,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "exercised": sorted(exercised),
    }


def watch(model: Any) -> set[str]:
    """The model types of the modules that are called from here on, which fills as they are."""
    exercised: set[str] = set()

    def called(module: Any, *_: Any) -> None:
        exercised.add(module.config.model_type)

    for module in model.modules():
        if getattr(getattr(module, "config", None), "model_type", None):
            module.register_forward_pre_hook(called)
    return exercised
