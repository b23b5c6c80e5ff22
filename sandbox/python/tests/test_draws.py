"""Where random numbers are drawn."""

from __future__ import annotations

import torch

from portwright_worker import draws


def test_the_line_that_draws_is_told_with_what_scales_it():
    spread = 0.5
    with draws.Places() as drawn:
        still = torch.ones(2)
        still + spread * torch.randn(2)
    assert len(drawn.places) == 1
    assert "spread * torch.randn(2)" in drawn.told()


def test_dropout_inside_torch_is_told_at_the_line_that_calls_it():
    with draws.Places() as drawn:
        torch.nn.Dropout(0.5)(torch.ones(4))
    assert "torch.nn.Dropout" in drawn.told()


def test_what_draws_nothing_is_not_told():
    with draws.Places() as drawn:
        torch.ones(2) + 1
    assert drawn.told() == ""
