"""Library values as JSON: what JSON cannot say becomes text, and nothing raises."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 12


def plain(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth < MAX_DEPTH:
        if isinstance(value, Mapping):
            return {str(key): plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item, depth + 1) for item in value]
        if isinstance(value, set | frozenset):
            return sorted((plain(item, depth + 1) for item in value), key=str)
        if hasattr(value, "to_dict"):
            return plain(value.to_dict(), depth + 1)
        if hasattr(value, "tolist"):
            return plain(value.tolist(), depth + 1)
    return str(value)
