"""Where a conversion keeps one side of a branch, or one value."""

from __future__ import annotations

import importlib.util
import warnings

import pytest
import torch

from portwright_worker import branches_kept

#: No test's own file lies here.
WRITTEN = "/nowhere/skillset"
DYNAMIC = torch.export.Dim.DYNAMIC


def trace(model, ids) -> None:
    torch.jit.trace(model, (ids,), check_trace=False)


def export(model, ids) -> None:
    torch.export.export(model, (ids,), dynamic_shapes=({0: DYNAMIC, 1: DYNAMIC},), strict=False)


def kept(convert, chooses) -> list[tuple[int, str]]:
    class Model(torch.nn.Module):
        def forward(self, ids):
            return ids * (2.0 if chooses(ids) else 1.0)

    with branches_kept.noted(WRITTEN) as found:
        convert(Model(), torch.ones(2, 8))
    line = chooses.__code__.co_firstlineno
    return [(place["line"] - line, place["why"]) for place in found.told() if place["file"] == "test_branches_kept.py"]


def on_a_value(ids):
    if (ids[:, 0] == 0).any():
        return True


def on_a_size(ids):
    if ids.shape[1] > 24:
        return True


def test_a_value_that_a_tracer_makes_a_constant_is_told_with_its_line():
    [(line, why)] = kept(trace, on_a_value)
    assert line == 1 and "Python boolean" in why


def test_a_number_that_a_tracer_makes_a_constant_is_told():
    assert [line for line, _ in kept(trace, lambda ids: int(ids.sum()) > 3)] == [0]


def test_a_size_that_an_export_guards_is_told_with_the_guard():
    [(line, why)] = kept(export, on_a_size)
    assert line == 1 and "<= 24" in why


@pytest.mark.parametrize("convert", [trace, export])
def test_a_model_without_branches_has_none(convert):
    assert kept(convert, lambda ids: False) == []


def test_what_was_patched_is_as_before_and_other_warnings_are_shown(recwarn):
    before = warnings.showwarning, torch.fx.experimental.symbolic_shapes.ShapeEnv._log_guard
    with branches_kept.noted(WRITTEN) as found:
        warnings.warn("another", stacklevel=1)
    assert (warnings.showwarning, torch.fx.experimental.symbolic_shapes.ShapeEnv._log_guard) == before
    assert found.told() == []


def test_what_a_stand_in_keeps_is_told_where_the_model_calls_it(tmp_path):
    (tmp_path / "spelled.py").write_text("def first(x):\n    return int(x.flatten()[0])\n", encoding="utf-8")
    spec = importlib.util.spec_from_file_location("spelled", tmp_path / "spelled.py")
    spelled = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(spelled)

    class Model(torch.nn.Module):
        def forward(self, ids):
            return ids * spelled.first(ids)

    with branches_kept.noted(str(tmp_path)) as found:
        trace(Model(), torch.ones(2, 8))
    [place] = found.told()
    assert (place["file"], place["line"]) == ("test_branches_kept.py", Model.forward.__code__.co_firstlineno + 1)
