"""Which branches on sizes and values no input set takes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from portwright_worker import branches

PLAN = {
    "weights": {"seed": 0},
    "inputs": [{"name": name, "shape": ["batch", "length"]} for name in ("ids", "mask")],
}


def inputs(batch: int, length: int, *, zeros: int = 0) -> dict:
    drawn = torch.randint(10, 70, (batch, length), generator=torch.Generator().manual_seed(batch * length))
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[:, length - zeros :] = 0
    return {"ids": drawn, "mask": mask}


SETS = [inputs(2, 8, zeros=2), inputs(3, 11, zeros=1), inputs(2, 11)]


class Model(torch.nn.Module):
    def __init__(self, chooses) -> None:
        super().__init__()
        self.chooses = chooses
        self.table = torch.nn.Embedding(70, 16)

    def forward(self, ids, mask):
        return self.table(ids) * (2.0 if self.chooses(ids, mask, self) else 1.0)


def look(chooses, sets=SETS, plan=PLAN) -> dict:
    return branches.look(lambda: Model(chooses), plan, [lambda given=given: given for given in sets])


def untaken(chooses, sets=SETS) -> list[tuple]:
    found = look(chooses, sets)
    assert found["checked"], found["why"]
    return [(entry["side"], entry["wish"]) for entry in found["untaken"] if "1.0" not in entry["condition"]]


def sizes(**wanted: int) -> dict:
    return {"sizes": wanted}


def ids(*wanted: int) -> dict:
    return {"ids": {"ids": list(wanted)}}


@pytest.mark.parametrize(
    ("wish", "chooses"),
    [
        (sizes(batch=1), lambda ids, mask, model: True if ids.shape[0] == 1 else None),
        (sizes(length=25), lambda ids, mask, model: True if ids.size(1) > 24 else None),
        (sizes(length=25), lambda ids, mask, model: True if len(ids[0]) // 25 else None),
        (sizes(length=25), lambda ids, mask, model: True if len(ids[0].tolist()) > 24 else None),
        (sizes(length=25), lambda ids, mask, model: True if int(ids.shape[1] * 2) >= 50 else None),
        (sizes(length=24), lambda ids, mask, model: model.table(ids)[:, :24] is None),
        (sizes(length=16), lambda ids, mask, model: True if ids.shape[1] % 16 == 0 else None),
        (sizes(length=12), lambda ids, mask, model: True if max(ids.shape[1], 12) != 12 else None),
        (None, lambda ids, mask, model: True if ids.shape[1] in {30, 31} else None),
        (None, lambda ids, mask, model: True if len(ids.split(24, 1)) > 1 else None),
        (None, lambda ids, mask, model: True if torch.arange(ids.shape[1]).max() > 24 else None),
        (None, lambda ids, mask, model: True if int(mask.sum()) == 1 else None),
        (None, lambda ids, mask, model: True if torch.equal(ids[0], ids[1]) else None),
        (ids(7, 9), lambda ids, mask, model: bool(((ids[:, :-1] == 7) & (ids[:, 1:] == 9)).any())),
        (ids(5, 6), lambda ids, mask, model: (ids == 5).any() and (ids == 6).any()),
        (ids(89, 90, 91), lambda ids, mask, model: True if ids.max().item() > 90 else None),
        (ids(99), lambda ids, mask, model: True if 99 in ids[0].tolist() else None),
        (ids(7), lambda ids, mask, model: bool(torch.isin(ids, torch.tensor([7])).any())),
        ({"ids": {"mask": [0]}}, lambda ids, mask, model: bool((mask[:, 0] == 0).any())),
    ],
)
def test_a_side_that_no_set_took_is_told_with_what_would_take_it(wish, chooses):
    found = untaken(chooses)
    assert wish in [wished for _, wished in found], found


@pytest.mark.parametrize(
    "chooses",
    [
        lambda ids, mask, model: True if ids.shape[0] == 2 else None,
        lambda ids, mask, model: True if mask.all() else None,
        # The configuration decides, or a size that is the same whatever the inputs.
        lambda ids, mask, model: True if model.table.weight.shape[0] > 24 else None,
        lambda ids, mask, model: True if model.table(ids).shape[-1] == 32 else None,
        lambda ids, mask, model: True if bool((model.table.weight > 1e9).any()) else None,
        # Two sizes that are one and the same.
        lambda ids, mask, model: True if ids.shape[1] - mask.shape[1] > 0 else None,
        lambda ids, mask, model: True if torch.ones(ids.shape).any() else None,
    ],
)
def test_a_branch_that_is_taken_both_ways_or_that_no_input_decides_is_settled(chooses):
    assert untaken(chooses) == []


def checks(ids, mask, model):
    if ids.shape[1] > 24:
        raise ValueError("too long")
    if not ids.shape[1] <= 24:
        warnings.warn("long", stacklevel=1)
    if model.table(ids).shape != (*ids.shape, 16):
        raise ValueError("of another size")
    assert ids.shape[0] < 100
    torch._check(ids.shape[0] < 100)


def test_a_side_that_only_refuses_or_tells_is_no_branch():
    assert untaken(checks) == []


def otherwise(ids, mask, model):
    if ids.shape[1] <= 24:
        return None
    return True


def test_the_way_past_an_early_return_is_a_side():
    [(side, wish)] = untaken(otherwise)
    assert side is False and wish == sizes(length=25)


def test_the_place_is_named_by_file_line_function_and_condition():
    [entry] = look(otherwise)["untaken"]
    assert entry["file"] == "test_branches.py" and entry["function"] == "otherwise"
    assert entry["condition"] == "ids.shape[1] <= 24"
    assert entry["line"] == otherwise.__code__.co_firstlineno + 1


def nested(ids, mask, model):
    if ids.shape[0] == 3:
        return True if ids.shape[1] > 24 else None


def test_a_condition_that_few_sets_come_to_is_seen():
    assert untaken(nested) == [(True, sizes(length=25))]


def test_settled_lines_are_told_and_open_ones_are_not():
    found = look(checks)
    lines = {entry["line"] - checks.__code__.co_firstlineno for entry in found["settled"]}
    assert {1, 3, 5} <= lines
    assert {entry["line"] for entry in look(otherwise)["untaken"]}.isdisjoint(
        entry["line"] for entry in look(otherwise)["settled"]
    )


def test_values_that_cannot_be_followed_are_told():
    found = look(lambda ids, mask, model: bool(np.any(ids.numpy() > 90)))
    assert [entry["how"] for entry in found["unfollowed"]] == ["`numpy`"]


def test_one_that_marked_numbers_break_is_not_checked_and_says_why():
    found = look(lambda ids, mask, model: {int: 1}[type(ids.shape[0])])
    assert not found["checked"] and "KeyError" in found["why"] and found["untaken"] == []


def test_what_the_stand_ins_break_is_checked_without_them():
    assert look(lambda ids, mask, model: torch.zeros(1, dtype=int) is None)["checked"]


def test_marks_change_no_number_and_leave_nothing_behind():
    seen = []

    def chooses(ids, mask, model):
        seen.append((ids.shape[1] * 2 - 1, ids.size(0) / 2, int(mask.sum()), isinstance(ids.shape[0], int)))

    look(chooses, [SETS[0]])
    assert seen == [(15, 1.0, 12, True)]
    assert "int" not in globals() and type(SETS[0]["ids"].shape[0]) is int
