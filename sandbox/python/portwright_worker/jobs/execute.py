"""Runs a backend on each input file and measures it."""

from __future__ import annotations

import importlib
import importlib.util


def run(job: dict, work: str) -> dict:
    module = f"portwright_worker.backends.{job['backend'].replace('-', '_')}"
    if importlib.util.find_spec(module) is None:
        raise ValueError(f"the Python worker has no module for {job['backend']}")
    return importlib.import_module(module).execute(job, work)
