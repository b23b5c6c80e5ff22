"""Runs the pristine library's model on each input file: what every backend is compared with."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from portwright_worker import branches, draws, errors, exercised, flow, models, precise, rows, tables, tensors


def run(job: dict, work: str) -> dict:
    import torch

    plan = job["plan"]

    def make() -> Any:
        return models.load(plan, job["source"], job["checkpoint"])

    with exercised.construction() as built:
        model = make()
    # Copied before it has run: a model may keep something of a forward.
    twin = precise.copied(model, make)
    called = exercised.watch(model, built)
    lookups = tables.Lookups(model)
    outputs, answered, refused = [], [], {}
    still = Still()
    first: dict[str, Any] = {}
    # The very first outputs: what the model gives later for the same inputs is held against them.
    once: dict[str, Any] = {}
    extra: list[str] = []
    corners = set(job.get("corners", ()))
    for path in [*job["inputs"], *job.get("corners", ())]:
        errors.now("read inputs")
        inputs = tensors.read(path)
        errors.now("forward")
        if not outputs:
            once = _check_repeatable(model, inputs, plan)
        lookups.watch(inputs)
        # A stochastic forward then draws the same numbers for each file, and for each repetition of the job.
        torch.manual_seed(plan["weights"]["seed"])
        try:
            with torch.no_grad():
                output = model(**inputs, **plan.get("call", {}))
        except Exception as error:  # noqa: BLE001 - a corner may be refused in whatever way the model refuses it
            if path not in corners:
                raise
            refused[tensors.set_name(path)] = f"{type(error).__name__}: {error}"
            continue
        errors.now("write outputs")
        leaves = tensors.leaves(output)
        still.note(leaves)
        if not outputs:
            first, extra = leaves, tensors.not_tensors(output)
        outputs.append(tensors.write(work, path, leaves))
        answered.append(path)
    found = {
        "outputs": outputs,
        "refused": refused,
        "not_tensors": extra,
        "unsteady": _unsteady(job, model, once),
        "untouched": _untouched(job, still.names()),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "exercised": sorted(called),
        "tables": lookups.end(),
        "declared": _declared(model),
    }
    errors.now("compute with less rounding")
    found["precise"] = precise.run(twin, make, answered, plan, first, work)
    # The last thing asked of the model, which may keep something of a forward.
    errors.now("compare the rows")
    found["mixes_rows"] = rows.mix(model, tensors.read(job["inputs"][0]), plan, first)
    # Its memory is needed for the models that are asked from here on.
    del model, twin
    if job.get("branches"):
        errors.now("look at the branches")
        sets = [functools.partial(tensors.read, path) for path in answered]
        found["branches"] = branches.look(make, plan, sets)
    return found


class Still:
    """The floating outputs that are the same for all inputs of the same sizes."""

    def __init__(self) -> None:
        self.first: dict[str, Any] | None = None

    def note(self, leaves: dict[str, Any]) -> None:
        import torch

        if self.first is None:
            self.first = {name: tensor for name, tensor in leaves.items() if tensor.is_floating_point()}
            return
        for name, tensor in list(self.first.items()):
            other = leaves.get(name)
            if other is None or (other.shape == tensor.shape and not torch.equal(other, tensor)):
                del self.first[name]

    def names(self) -> list[str]:
        return sorted(self.first or ())


def _unsteady(job: dict, model: Any, first: dict[str, Any]) -> dict | None:
    """What the model gives otherwise for the first inputs, now that it was called on others; `None` where all is the
    same.

    A fresh model tells the two causes apart: one that keeps something starts from the beginning, and one that is random
    does not.
    """
    plan = job["plan"]
    inputs = tensors.read(job["inputs"][0])

    def again(model: Any) -> dict[str, Any]:
        import torch

        torch.manual_seed(plan["weights"]["seed"])
        with torch.no_grad():
            return tensors.leaves(model(**inputs, **plan.get("call", {})))

    errors.now("forward")
    if not (moved := _moved(first, again(model))):
        return None
    fresh = models.load(plan, job["source"], job["checkpoint"])
    errors.now("forward")
    return {"random": bool(_moved(first, again(fresh))), "outputs": moved[:5]}


def _moved(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """The outputs that differ by more than rounding does."""
    import torch

    def same(a: Any, b: Any) -> bool:
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        if torch.equal(a, b) or not (a.is_floating_point() or a.is_complex()):
            return torch.equal(a, b)
        finite = a.abs()[a.isfinite()]
        largest = float(finite[finite < 1e30].max()) if (finite < 1e30).any() else 0.0
        return torch.allclose(a, b, rtol=0, atol=1e-7 + 1e-6 * largest, equal_nan=True)

    return [name for name in first if name not in second or not same(first[name], second[name])]


def _untouched(job: dict, still: list[str]) -> list[str]:
    """Those of the outputs that stay the same which no value of an input reaches.

    A model of its own is asked, which has seen no inputs: what another keeps of an earlier forward could be taken for
    its own.
    """
    if not still:
        return []
    plan = job["plan"]
    errors.now("follow the inputs")
    model = models.load(plan, job["source"], job["checkpoint"])
    inputs = tensors.read(job["inputs"][0])
    untouched = flow.untouched(model, inputs, plan.get("call", {}), tensors.leaves)
    return [name for name in untouched if name in still]


def _declared(model: Any) -> dict:
    """What the class says that it takes in: its modalities, and the parameters of its `forward`."""
    modalities = getattr(model, "input_modalities", None) or ()
    return {
        "modalities": [modalities] if isinstance(modalities, str) else [str(name) for name in modalities],
        "parameters": list(inspect.signature(type(model).forward).parameters),
    }


def _check_repeatable(model: Any, inputs: dict, plan: dict) -> dict[str, Any]:
    """The outputs of a first forward. It is refused where they depend on random numbers: no other run could be compared
    with it."""
    import torch

    def once(seed: int) -> tuple[dict, bool]:
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        with torch.no_grad():
            found = tensors.leaves(model(**inputs, **plan.get("call", {})))
        # A copy: what a model returns of its own memory changes with a later call.
        found = {name: tensor.clone() for name, tensor in found.items()}
        return found, not torch.equal(before, torch.get_rng_state())

    first, drew = once(plan["weights"]["seed"])
    if not drew:
        return first
    second, _ = once(plan["weights"]["seed"] + 1)
    moved = [name for name in first if name not in second or not _same(first[name], second[name])]
    if moved:
        with draws.Places() as drawn, torch.no_grad():
            model(**inputs, **plan.get("call", {}))
        raise ValueError(
            f"the forward draws random numbers, on which its outputs depend: {', '.join(moved[:2])}{drawn.told()}"
        )
    return first


def _same(a: Any, b: Any) -> bool:
    import torch

    return a.shape == b.shape and torch.allclose(a.float(), b.float(), rtol=1e-4, atol=1e-5, equal_nan=True)
