"""Clocks and memory."""

from __future__ import annotations

import ctypes
import gc
import os
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")


def timed(action: Callable[[], T]) -> tuple[float, T]:
    """The seconds that an action took, and its result."""
    began = time.perf_counter()
    result = action()
    return time.perf_counter() - began, result


def repeated(action: Callable[[T], object], arguments: list[T], repeats: int) -> list[float]:
    """The seconds of each repetition of an action on each argument."""
    return [timed(partial(action, argument))[0] for argument in arguments for _ in range(repeats)]


def resident_bytes() -> int:
    """This process's resident memory, after everything unused has been given back to the system."""
    gc.collect()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
