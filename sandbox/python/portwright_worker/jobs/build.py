"""Has a generated skillset make a backend's artefact."""

from __future__ import annotations

import os
import time

from portwright_worker import branches_kept, errors, skillsets

ARTEFACT = "artefact"


def optional(job: dict, name: str) -> dict:
    return {name: job[name]} if job.get(name) is not None else {}


def run(job: dict, work: str) -> dict:
    skillset = skillsets.load(job["skillset"])
    out_dir = os.path.join(work, ARTEFACT)
    os.makedirs(out_dir, exist_ok=True)
    errors.now("export")
    began = time.perf_counter()
    with branches_kept.noted(job["skillset"]) as kept:
        made = skillset.build(job["backend"], out_dir, checkpoint=job["checkpoint"], **optional(job, "onnx"))
    seconds = time.perf_counter() - began
    errors.now("check artefact")
    main, files = made["main"], list(made["files"])
    for name in {main, *files}:
        path = os.path.join(out_dir, name)
        if os.path.isabs(name) or not os.path.isfile(path):
            raise FileNotFoundError(f"the skillset names `{name}` as part of its artefact, and wrote no such file")
    return {
        "main": os.path.join(ARTEFACT, main),
        "files": sorted({os.path.join(ARTEFACT, name) for name in {main, *files}}),
        "seconds": seconds,
        "notes": [str(note) for note in made.get("notes", ())],
        "specialised": kept.told(),
    }
