"""Runs the pristine library's model on each input file: what every backend is compared with."""

from __future__ import annotations

from portwright_worker import errors, exercised, models, tensors


def run(job: dict, work: str) -> dict:
    import torch

    plan = job["plan"]
    with exercised.construction() as built:
        model = models.load(plan, job["source"], job["checkpoint"])
    called = exercised.watch(model, built)
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
        "exercised": sorted(called),
    }
