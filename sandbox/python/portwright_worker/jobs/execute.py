"""Runs a backend on each input file and measures it."""

from __future__ import annotations

import importlib

BACKENDS = {"torch-cpu": "torch_cpu", "openvino": "openvino"}


def run(job: dict, work: str) -> dict:
    name = BACKENDS.get(job["backend"])
    if name is None:
        raise ValueError(f"the Python worker runs {', '.join(BACKENDS)}, not {job['backend']}")
    backend = importlib.import_module(f"portwright_worker.backends.{name}")
    return backend.execute(job, work)
