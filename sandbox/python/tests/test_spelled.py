"""Every stand-in computes what the function computes that it stands for."""

from __future__ import annotations

import pytest
import torch

from portwright_worker.shared import spelled

torch.manual_seed(0)
X = torch.randn(2, 6, 4)
FLAGS = X > 0
PLACES = torch.tensor([[0, 2], [1, 3]])


def triangle(size: int) -> torch.Tensor:
    return torch.randn(3, size, size) / size + 2 * torch.eye(size)


CASES = {
    "pooled": (torch.nn.functional.max_pool2d, spelled.pooled, (X, 2), {}),
    "padded": (torch._C._nn.pad_sequence, spelled.padded, ([X[0], X[1, :3]], True, 0.5, "left"), {}),
    "differences": (torch.diff, spelled.differences, (X,), {"n": 2, "dim": 1, "prepend": X}),
    "differences of flags": (torch.diff, spelled.differences, (FLAGS,), {}),
    "summed": (torch.cumsum, spelled.summed, (FLAGS, 1), {}),
    "scattered": (torch.Tensor.scatter, spelled.scattered, (FLAGS[:, 0], 1, PLACES, True), {}),
    "scattered numbers": (torch.Tensor.scatter, spelled.scattered, (X[:, 0], 1, PLACES), {"value": 3.0}),
    "windows": (torch.Tensor.unfold, spelled.windows, (X, 1, 3, 2), {}),
    "filled": (torch.full, spelled.filled, ((2, 3), 7), {}),
    "filled with flags": (torch.full, spelled.filled, ((2, 3), True), {}),
    "filled like": (torch.full_like, spelled.filled_like, (X, True), {}),
    "masked": (torch.masked_fill, spelled.masked, (FLAGS, X > 1, False), {}),
    "masked with": (torch.masked_fill, spelled.masked, (FLAGS, X < 1, True), {}),
    "masked with one": (torch.masked_fill, spelled.masked, (FLAGS, X < 1, torch.tensor(True)), {}),
    "masked numbers": (torch.masked_fill, spelled.masked, (X, FLAGS, 3.0), {}),
    "chosen": (torch.where, spelled.chosen, (FLAGS, ~FLAGS, X > 1), {}),
    "chosen by name": (torch.where, spelled.chosen, (FLAGS,), {"input": X, "other": 2 * X}),
    "chosen numbers": (torch.where, spelled.chosen, (FLAGS, X, 2 * X), {}),
    "conjugated": (torch.conj, spelled.conjugated, (X,), {}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_stand_in_computes_what_it_stands_for(name):
    function, stand_in, args, kwargs = CASES[name]
    expected, found = function(*args, **kwargs), stand_in(*args, **kwargs)
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("size", [1, 2, 5, 8])
@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("unit", [True, False])
def test_a_triangle_is_solved(size, upper, left, unit):
    A, B = triangle(size), torch.randn(3, size, size)
    how = {"upper": upper, "left": left, "unitriangular": unit}
    torch.testing.assert_close(spelled.solved(A, B, **how), torch.linalg.solve_triangular(A, B, **how))


def test_what_is_changed_in_place_is_changed():
    flags = FLAGS[:, 0].clone()
    assert spelled.scattered_in_place(flags, 1, PLACES, True) is flags
    assert flags[0, 0] and flags[1, 3]


def test_complex_numbers_are_turned_as_their_parts():
    def rotated(angle: torch.Tensor, constant: torch.Tensor) -> torch.Tensor:
        turned = torch.polar(torch.ones_like(angle), angle)[:, None] * 0.5
        pair = torch.view_as_complex(X.reshape(2, 6, 2, 2))
        return torch.view_as_real(torch.conj(pair * turned.to(X.device)) * constant).flatten(2)

    angle, constant = torch.randn(2, 2), torch.randn(2, dtype=torch.complex64)
    expected = rotated(angle, constant)
    with spelled.spelled():
        found = rotated(angle, constant)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("size", [6, 7])
def test_a_transform_is_a_product_with_waves(size):
    def twice(x: torch.Tensor) -> torch.Tensor:
        seen = torch.fft.rfft(x, n=size, dim=1)
        return torch.fft.irfft(seen * torch.conj(seen), n=size, dim=1)

    x = torch.randn(2, size, 3)
    expected = twice(x)
    with spelled.spelled():
        found = twice(x)
    torch.testing.assert_close(found, expected)


def test_everything_is_as_it_was_afterwards():
    names = ("diff", "cumsum", "scatter", "scatter_", "__ior__")
    before = [getattr(torch.Tensor, name) for name in names], torch.full, torch.fft.rfft
    with pytest.raises(KeyError), spelled.spelled():
        assert torch.full is spelled.filled
        raise KeyError
    assert before == ([getattr(torch.Tensor, name) for name in names], torch.full, torch.fft.rfft)
