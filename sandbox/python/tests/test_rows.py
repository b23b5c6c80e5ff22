"""Rows of a batch that stand alone, and rows that do not."""

from __future__ import annotations

from collections.abc import Callable

import torch

from portwright_worker import rows

X = torch.tensor([[1.0, 2.0], [3.0, 5.0]])


def mix(forward: Callable[..., torch.Tensor], first_axis: str = "batch", **inputs: torch.Tensor) -> bool:
    plan = {"weights": {"seed": 1}, "inputs": [{"name": name, "shape": [first_axis, 2]} for name in inputs]}
    return rows.mix(lambda **given: {"y": forward(**given)}, inputs, plan, {"y": forward(**inputs)})


def test_rows_that_are_computed_apart_do_not_mix():
    assert not mix(lambda x: x * 2, x=X)


def test_an_average_over_the_batch_mixes_rows():
    assert mix(lambda x: x - x.mean(0), x=X)


def test_rows_that_mix_too_little_for_the_tests_of_a_skillset_stand_alone():
    assert not mix(lambda x: x + 1e-7 * x.mean(0), x=X)


def test_a_row_that_cannot_stand_alone_mixes():
    def pair(x: torch.Tensor) -> torch.Tensor:
        first, second = x
        return torch.stack([first, second])

    assert mix(pair, x=X)


def test_an_output_without_a_batch_says_nothing_of_rows():
    assert not mix(lambda x: x.mean(), x=X)


def test_inputs_that_are_no_batch_are_not_compared():
    assert not mix(lambda x: x - x.mean(0), first_axis="frames", x=X)


def test_a_batch_of_one_row_has_nothing_to_compare():
    assert not mix(lambda x: x - x.mean(0), x=X[:1])
