"""What a processor makes of one synthetic sample: the names, element types and shapes of a model's inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Neither square nor a multiple of a patch, so that what a processor pads, cuts or reports shows in the shapes.
HEIGHT, WIDTH = 150, 200
FRAMES = 4
SECONDS = 1


def processed(processor: Any, modality: str) -> dict[str, dict]:
    """Each tensor that the processor returns, by its name."""
    answer = _run(processor, modality)
    found = {}
    for name, value in answer.items():
        if isinstance(value, list | tuple) and value and hasattr(value[0], "shape"):
            value = value[0][None]
        if hasattr(value, "shape"):
            dtype = str(value.dtype).removeprefix("torch.")
            found[name] = {"dtype": dtype, "shape": list(value.shape), "modality": modality}
    return found


def _run(processor: Any, modality: str) -> Any:
    random = np.random.default_rng(0)
    if modality == "audio":
        rate = getattr(processor, "sampling_rate", 16000)
        wave = random.standard_normal(SECONDS * rate).astype(np.float32)
        return processor(wave, sampling_rate=rate, return_tensors="pt")
    image = random.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    if modality == "video":
        frames = random.integers(0, 255, (FRAMES, HEIGHT, WIDTH, 3), dtype=np.uint8)
        return processor(videos=[frames], do_sample_frames=False, return_tensors="pt")
    return processor(images=[image], return_tensors="pt")
