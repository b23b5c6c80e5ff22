"""What the TorchScript tracer meets in the place of what its exporter cannot write.

The exporter has no word for some functions that others are made of, for complex
numbers, and for a truth value where a number is meant; and what it writes for some more
is refused by runtimes. Each stand-in computes what the function computes, in words that
it has.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

_pool = nn.functional.max_pool2d
_pad_sequence = torch._C._nn.pad_sequence
_diff = torch.diff
_cumsum = torch.cumsum
_scatter = torch.Tensor.scatter
_full = torch.full
_full_like = torch.full_like
_unfold = torch.Tensor.unfold
_masked_fill = torch.Tensor.masked_fill
_where = torch.where
_solve = torch.linalg.solve_triangular
_polar = torch.polar
_complex = torch.complex
_view_as_complex = torch.view_as_complex
_view_as_real = torch.view_as_real
_conj = torch.conj
_rfft = torch.fft.rfft
_irfft = torch.fft.irfft


#: The first opset that has what the words below are made of, `CastLike` last.
OPSET = 15


@contextlib.contextmanager
def spelled() -> Iterator[None]:
    """Puts the stand-ins in place."""
    places = [
        (nn.functional, "max_pool2d", pooled),
        # Models have the function itself by its name, and it has this one.
        (torch._C._nn, "pad_sequence", padded),
        (torch, "diff", differences),
        (torch.Tensor, "diff", differences),
        (torch, "cumsum", summed),
        (torch.Tensor, "cumsum", summed),
        (torch.Tensor, "scatter", scattered),
        (torch.Tensor, "scatter_", scattered_in_place),
        (torch.Tensor, "unfold", windows),
        (torch, "full", filled),
        (torch, "full_like", filled_like),
        (torch, "masked_fill", masked),
        (torch.Tensor, "masked_fill", masked),
        (torch, "where", chosen),
        (torch.linalg, "solve_triangular", solved),
        (torch, "polar", polar),
        (torch, "complex", Complex),
        (torch, "view_as_complex", as_complex),
        (torch, "view_as_real", as_real),
        (torch, "conj", conjugated),
        (torch.fft, "rfft", waves),
        (torch.fft, "irfft", of_waves),
        # What is changed in place is named anew by its own statement.
        (torch.Tensor, "__ior__", torch.Tensor.__or__),
        (torch.Tensor, "__iand__", torch.Tensor.__and__),
    ]
    before = [(owner, name, vars(owner).get(name)) for owner, name, _ in places]
    for owner, name, function in places:
        setattr(owner, name, function)
    words = {"aten::lift_fresh": _itself, "aten::copy": _copied}
    for name, word in words.items():
        torch.onnx.register_custom_op_symbolic(name, word, OPSET)
    try:
        yield
    finally:
        for name in words:
            torch.onnx.unregister_custom_op_symbolic(name, OPSET)
        for owner, name, function in before:
            if function is None:
                # It is inherited.
                delattr(owner, name)
            else:
                setattr(owner, name, function)


def _itself(graph: Any, value: Any) -> Any:
    """A constant that is lifted into the graph is the constant."""
    return value


def _copied(graph: Any, target: Any, source: Any, non_blocking: Any = None) -> Any:
    """What takes the place of another tensor has its shape and its element type."""
    cast = graph.op("CastLike", source, target)
    return graph.op("Expand", cast, graph.op("Shape", target))


@functools.wraps(_pool)
def pooled(input: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    """The pooling of a picture without a batch is written as if it had one."""
    if input.dim() != 3 or kwargs.get("return_indices"):
        return _pool(input, *args, **kwargs)
    return _pool(input.unsqueeze(0), *args, **kwargs).squeeze(0)


def padded(
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> torch.Tensor:
    longest = max(int(one.shape[0]) for one in sequences)
    rows = []
    for one in sequences:
        absent = longest - int(one.shape[0])
        ends = [0, absent] if padding_side == "right" else [absent, 0]
        around = [0, 0] * (one.dim() - 1) + ends
        rows.append(nn.functional.pad(one, around, value=padding_value))
    return torch.stack(rows, dim=0 if batch_first else 1)


@functools.wraps(_diff)
def differences(
    input: torch.Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: torch.Tensor | None = None,
    append: torch.Tensor | None = None,
) -> torch.Tensor:
    if input.dtype is torch.bool:
        return _diff(input, n, dim, prepend, append)
    parts = [part for part in (prepend, input, append) if part is not None]
    left = torch.cat(parts, dim)
    for _ in range(n):
        size = left.shape[dim] - 1
        left = left.narrow(dim, 1, size) - left.narrow(dim, 0, size)
    return left


@functools.wraps(_cumsum)
def summed(input: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """The sum of truth values is written as one that adds truth values."""
    numbers = input.long() if input.dtype is torch.bool else input
    return _cumsum(numbers, *args, **kwargs)


@functools.wraps(_scatter)
def scattered(
    input: torch.Tensor, dim: int, index: torch.Tensor, *source: Any, **kwargs: Any
) -> torch.Tensor:
    value = source[0] if source else kwargs.get("value")
    if not isinstance(value, bool):
        return _scatter(input, dim, index, *source, **kwargs)
    ones = _full_like(index, int(value), dtype=torch.int64)
    return _scatter(input.long(), dim, index, ones).to(input.dtype)


def scattered_in_place(
    input: torch.Tensor, dim: int, index: torch.Tensor, *source: Any, **kwargs: Any
) -> torch.Tensor:
    return input.copy_(scattered(input, dim, index, *source, **kwargs))


@functools.wraps(_unfold)
def windows(input: torch.Tensor, dimension: int, size: int, step: int) -> torch.Tensor:
    """Windows are written only over axes whose length the exporter sees."""
    dim = dimension % input.dim()
    count = (int(input.shape[dim]) - size) // step + 1
    starts = step * torch.arange(count, device=input.device).unsqueeze(1)
    index = starts + torch.arange(size, device=input.device)
    picked = input.index_select(dim, index.flatten()).unflatten(dim, (count, size))
    return picked.movedim(dim + 1, -1)


@functools.wraps(_full)
def filled(size: Any, fill_value: Any, **kwargs: Any) -> torch.Tensor:
    """Whole numbers without an element type are written as real ones."""
    if kwargs.get("dtype") is None and isinstance(fill_value, int):
        truth = isinstance(fill_value, bool)
        kwargs["dtype"] = torch.bool if truth else torch.int64
    return _full(size, fill_value, **kwargs)


@functools.wraps(_full_like)
def filled_like(input: torch.Tensor, fill_value: Any, **kwargs: Any) -> torch.Tensor:
    if not isinstance(fill_value, bool):
        return _full_like(input, fill_value, **kwargs)
    dtype = kwargs.pop("dtype", None) or input.dtype
    return _full_like(input, int(fill_value), dtype=torch.int64, **kwargs).to(dtype)


@functools.wraps(_masked_fill)
def masked(input: torch.Tensor, mask: torch.Tensor, value: Any) -> torch.Tensor:
    if input.dtype is not torch.bool:
        return _masked_fill(input, mask, value)
    if isinstance(value, torch.Tensor):
        return (input & ~mask) | (mask & value.bool())
    return input | mask if value else input & ~mask


@functools.wraps(_where)
def chosen(condition: torch.Tensor, *between: Any, **named: Any) -> Any:
    """Runtimes choose between numbers and not between truth values."""
    between = between + tuple(named[key] for key in ("input", "other") if key in named)
    truth = [isinstance(x, torch.Tensor) and x.dtype is torch.bool for x in between]
    if len(between) != 2 or not all(truth):
        return _where(condition, *between)
    return (condition & between[0]) | (~condition & between[1])


@functools.wraps(_solve)
def solved(
    A: torch.Tensor,
    B: torch.Tensor,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
) -> torch.Tensor:
    """The powers of a strict triangle end; their sum is a product of few factors."""
    if not left:
        turned = solved(A.mT, B.mT, upper=not upper, unitriangular=unitriangular)
        return turned.mT
    strict = A.triu(1) if upper else A.tril(-1)
    if not unitriangular:
        scale = A.diagonal(dim1=-2, dim2=-1).unsqueeze(-1)
        strict, B = strict / scale, B / scale
    power, size = -strict, 1
    B = B + power @ B
    while 2 * size < A.shape[-1]:
        power, size = power @ power, 2 * size
        B = B + power @ B
    return B


class Complex:
    """Complex numbers as their two parts: no runtime has a type for them."""

    #: What is done with either part alone.
    EACH = (
        "to",
        "view",
        "reshape",
        "unsqueeze",
        "squeeze",
        "transpose",
        "permute",
        "expand",
        "contiguous",
    )

    def __init__(self, real: Any, imag: Any) -> None:
        self.real = real
        self.imag = imag

    @classmethod
    def of(cls, value: Any) -> Complex:
        """A constant of the model, or a number without an imaginary part."""
        if isinstance(value, cls):
            return value
        if isinstance(value, torch.Tensor) and value.is_complex():
            held = value.detach().resolve_conj().numpy()
            parts = (torch.from_numpy(part.copy()) for part in (held.real, held.imag))
            return cls(*parts)
        return cls(value, 0.0)

    def __mul__(self, other: Any) -> Complex:
        other = Complex.of(other)
        real = self.real * other.real - self.imag * other.imag
        return Complex(real, self.real * other.imag + self.imag * other.real)

    __rmul__ = __mul__

    def __getitem__(self, index: Any) -> Complex:
        return Complex(self.real[index], self.imag[index])

    def __getattr__(self, name: str) -> Any:
        if name not in self.EACH:
            return getattr(self.real, name)
        parts = (getattr(self.real, name), getattr(self.imag, name))
        return lambda *args, **kwargs: Complex(*(f(*args, **kwargs) for f in parts))

    def conj(self) -> Complex:
        return Complex(self.real, -self.imag)


@functools.wraps(_polar)
def polar(abs: torch.Tensor, angle: torch.Tensor) -> Complex:
    return Complex(abs * angle.cos(), abs * angle.sin())


@functools.wraps(_view_as_complex)
def as_complex(input: torch.Tensor) -> Complex:
    return Complex(input[..., 0], input[..., 1])


@functools.wraps(_view_as_real)
def as_real(input: Any) -> torch.Tensor:
    pair = Complex.of(input)
    return torch.stack([pair.real, pair.imag], dim=-1)


@functools.wraps(_conj)
def conjugated(input: Any) -> Any:
    return input.conj() if isinstance(input, Complex) else _conj(input)


def _turns(n: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """The cosines and sines of every wave with which ``n`` samples are compared."""
    samples = torch.arange(n, dtype=torch.float64)
    angles = 2 * torch.pi * torch.outer(samples, samples[: n // 2 + 1]) / n
    return angles.cos().to(dtype), angles.sin().to(dtype)


@functools.wraps(_rfft)
def waves(
    input: torch.Tensor, n: int | None = None, dim: int = -1, norm: str | None = None
) -> Any:
    """The transform of samples, as products with the waves."""
    size = int(input.shape[dim])
    if norm is not None or n not in (None, size):
        return _rfft(input, n, dim, norm)
    cosines, sines = _turns(size, input.dtype)
    last = input.transpose(dim, -1)
    parts = (last @ cosines, -(last @ sines))
    return Complex(*(part.transpose(dim, -1) for part in parts))


@functools.wraps(_irfft)
def of_waves(
    input: Any, n: int | None = None, dim: int = -1, norm: str | None = None
) -> torch.Tensor:
    """The samples of which a transform is; all waves but the ends count twice."""
    if not isinstance(input, Complex) or norm is not None:
        return _irfft(input, n, dim, norm)
    count = int(input.real.shape[dim])
    n = 2 * (count - 1) if n is None else int(n)
    cosines, sines = _turns(n, input.real.dtype)
    weights = _full((n // 2 + 1,), 2.0 / n, dtype=cosines.dtype)
    weights[0] = 1.0 / n
    if n % 2 == 0:
        weights[-1] = 1.0 / n
    real = input.real.transpose(dim, -1)[..., : n // 2 + 1] * weights
    imag = input.imag.transpose(dim, -1)[..., : n // 2 + 1] * weights
    return (real @ cosines.T - imag @ sines.T).transpose(dim, -1)
