"""Whether the rows of a batch stand alone: a user who batches requests has to know."""

from __future__ import annotations

from typing import Any

from portwright_worker import tensors


def mix(model: Any, inputs: dict, plan: dict, together: dict) -> bool:
    """Whether a row of the batch does not give alone what it gives in `together`, e.g. where a model averages over it.

    Where not every input of the plan is a batch, or the batch is one row, there is nothing to compare.
    """
    import torch

    size = min(len(tensor) if tensor.dim() else 0 for tensor in inputs.values())
    if size < 2 or any(spec["shape"][:1] != ["batch"] for spec in plan["inputs"]):
        return False
    row = {name: tensor[:1] for name, tensor in inputs.items()}
    torch.manual_seed(plan["weights"]["seed"])
    try:
        with torch.no_grad():
            alone = tensors.leaves(model(**row, **plan.get("call", {})))
    except Exception:
        # A row that PyTorch refuses alone does not give what it gives among others. No verdict hangs on this answer.
        return True
    return any(
        tensor.is_floating_point()
        and tensor.shape[:1] == (size,)
        and alone[name].shape[:1] == (1,)
        and not _near(alone[name], tensor[:1])
        for name, tensor in together.items()
        if name in alone
    )


def _near(found: Any, expected: Any) -> bool:
    """Whether two tensors differ by no more than the skillset's own tests allow."""
    if found.shape != expected.shape:
        return False
    if expected.numel() == 0:
        return True
    values = expected.double()
    allowed = 1e-5 + 1e-3 * float(values.max() - values.min())
    return float((found.double() - values).abs().max()) <= allowed
