"""Whether the rows of a batch stand alone: a user who batches requests has to know."""

from __future__ import annotations

from typing import Any

from portwright_worker import tensors


def mix(model: Any, inputs: dict, plan: dict, together: dict) -> bool:
    """Whether a row of the batch gives something else alone than `together`, as where a model averages over the batch.

    Where the inputs have no batch in common there is nothing to compare.
    """
    import torch

    sizes = {len(tensor) if tensor.dim() else 0 for tensor in inputs.values()}
    if len(sizes) != 1 or max(sizes) < 2:
        return False

    row = {name: tensor[:1] for name, tensor in inputs.items()}
    torch.manual_seed(plan["weights"]["seed"])
    try:
        with torch.no_grad():
            alone = tensors.leaves(model(**row, **plan.get("call", {})))
    except Exception:  # A row that cannot stand alone gives nothing that could be compared.
        return True
    return any(
        tensor.is_floating_point()
        and tensor.shape[:1] == (*sizes,)
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
