"""Builds the plan's small model, draws its weights and writes a checkpoint that loads back as the same model."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import Any

from portwright_worker import errors, models, weights
from portwright_worker.plain import plain

CHECKPOINT = "checkpoint"
# A model of more weights is no small one: it is drawn, written and loaded again by every job, and at four bytes each it
# does not fit a job's memory several times.
MOST_WEIGHTS = 500_000_000


def run(job: dict, work: str) -> dict:
    import torch

    plan, source = job["plan"], job["source"]
    config = models.build_config(plan, source)
    errors.now("instantiate")
    cls = models.model_class(plan, source)
    # Seeds what the library draws and `weights.draw` leaves alone.
    torch.manual_seed(plan["weights"]["seed"])
    with bounded(MOST_WEIGHTS):
        model = cls._from_config(config, attn_implementation="eager", dtype=torch.float32).eval()
    errors.now("draw")
    weights.draw(model, plan["weights"]["seed"], plan["weights"]["gain"])
    errors.now("save")
    folder = os.path.join(work, CHECKPOINT)
    model.save_pretrained(folder)
    if source["from"] == "folder":
        copy_code(source["path"], folder)
    _check_reload(model, models.load(plan, source, folder))
    return {
        "checkpoint": CHECKPOINT,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "config": plain(model.config.to_dict()),
    }


@contextlib.contextmanager
def bounded(most: int) -> Iterator[None]:
    """Refuses a model of more weights than `most` as soon as it has them, and not when the memory is used up."""
    from torch import nn

    register, count = nn.Module.register_parameter, 0

    def counted(module: Any, name: str, parameter: Any) -> None:
        nonlocal count
        count += 0 if parameter is None else parameter.numel()
        if count > most:
            raise ValueError(f"the configuration makes a model of more than {most:,} weights, which is not a small one")
        register(module, name, parameter)

    nn.Module.register_parameter = counted
    try:
        yield
    finally:
        nn.Module.register_parameter = register


def copy_code(source: str, folder: str) -> None:
    """Puts a local folder's modelling code beside its weights, so that the checkpoint is complete by itself."""
    for name in sorted(os.listdir(source)):
        if name.endswith(".py"):
            shutil.copyfile(os.path.join(source, name), os.path.join(folder, name))


def _check_reload(model: Any, reloaded: Any) -> None:
    """A checkpoint that loads back as another model would make every comparison with it meaningless."""
    import torch

    errors.now("reload")
    saved, loaded = model.state_dict(), reloaded.state_dict()
    wrong = sorted(saved.keys() ^ loaded.keys())
    wrong += [name for name in saved.keys() & loaded.keys() if not torch.equal(saved[name], loaded[name])]
    if wrong:
        raise ValueError(f"{len(wrong)} weights differ after saving and loading: {', '.join(sorted(wrong)[:5])}")
