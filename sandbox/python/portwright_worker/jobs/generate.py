"""Runs cached generation with the library's own class and its own cache: `torch-cpu`."""

from __future__ import annotations

from portwright_worker import errors, generation, measure, models, tensors
from portwright_worker.backends.torch_cpu import modules_by_device


def run(job: dict, work: str) -> dict:
    import torch
    import transformers

    plan = job["plan"]
    load_seconds, model = measure.timed(lambda: models.load(plan, job["source"], job["checkpoint"]))
    generator = generation.Generator(model, plan.get("call", {}))
    sets = [generation.steps(tensors.read(path)) for path in job["inputs"]]

    def logits(of: list[generation.Step]) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            return {f"{step}.{generation.LOGITS}": left[generation.LOGITS] for step, left in generator.run(of)}

    outputs = []
    for path, of in zip(job["inputs"], sets, strict=True):
        errors.now("execute")
        made = logits(of)
        errors.now("write outputs")
        outputs.append(tensors.write(work, path, made))
    errors.now("time")
    latency = measure.repeated(logits, sets[:1], job["repeats"])
    nodes = modules_by_device(model)
    return {
        "device": ",".join(sorted(nodes)) or "unknown",
        "nodes": nodes,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "load_seconds": load_seconds,
        "latency_seconds": latency,
        "outputs": outputs,
    }
