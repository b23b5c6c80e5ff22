"""The kinds of job, each in a file of its own with a `run(job, work)` that returns its answer as JSON values."""

from __future__ import annotations

import importlib

KINDS = {
    "catalogue": "catalogue",
    "introspect": "introspect",
    "materialise": "materialise",
    "reference": "reference",
    "build": "build",
    "execute": "execute",
    "diverge": "diverge",
    "build-generation": "build_generation",
    "generate": "generate",
    "pytest": "pytest_job",
}


def run(job: dict, work: str) -> object:
    """Does a job in its work folder."""
    module = importlib.import_module(f"{__name__}.{KINDS[job['kind']]}")
    return module.run(job, work)
