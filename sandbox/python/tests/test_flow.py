"""Which outputs no value of an input reaches."""

from __future__ import annotations

import pytest
import torch

from portwright_worker import flow


def untouched(forward, **inputs) -> list[str]:
    inputs = inputs or {"x": torch.arange(6.0).reshape(2, 3)}
    return flow.untouched(forward, inputs, {}, dict)


def test_what_follows_from_sizes_and_weights_alone_is_untouched():
    weight = torch.ones(3)

    def forward(x):
        places = torch.ones_like(x).cumsum(-1) * weight
        return {"places": places, "state": x * places, "grid": torch.arange(x.shape[1]).expand(x.shape)}

    assert untouched(forward) == ["grid", "places"]


def test_a_value_is_followed_through_views_and_into_what_is_written():
    def forward(x):
        held, part = torch.zeros(2, 3), torch.zeros(4, 3)
        held.copy_(x)
        part[1:3] = x
        return {"held": held, "part": part.sum(), "view": x.t()[0], "mask": x > 2}

    assert untouched(forward) == []


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.sum().item(),
        lambda x: x.tolist()[0][1],
        lambda x: float(x.numpy()[0, 1]),
        lambda x: bool((x > 2).any()),
        lambda x: len(torch.nonzero(x > 2)),
        lambda x: x[x > 2].shape[0],
        lambda x: torch.equal(x, x),
    ],
)
def test_nothing_is_untouched_once_python_has_seen_a_value(read):
    assert untouched(lambda x: {"chosen": torch.ones(3) * read(x)}) == []


def test_the_choice_of_rows_is_a_value():
    table = torch.randn(10, 4)
    assert untouched(lambda x: {"rows": table[x]}, x=torch.tensor([1, 2])) == []
