"""Runs a skillset's own tests, as a person would with plain pytest."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree

from portwright_worker import errors, skillsets

REPORT = "junit.xml"
# Some tests failed, none were collected: a report is still there to read.
READABLE = (0, 1, 5)


def run(job: dict, work: str) -> dict:
    import pytest

    errors.now("test")
    report = os.path.join(work, REPORT)
    folder = within(job["skillset"], work)
    # A subprocess of a test must not write beside the sources either: the skillset's folder is read-only.
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    code = pytest.main(
        [
            folder,
            f"--rootdir={folder}",
            # Imported as `skillsets.NAME`, with nothing of its parent's folder on the path: a type may be called like
            # an optional library, which the models would believe to be installed.
            "--import-mode=importlib",
            "-o",
            "consider_namespace_packages=true",
            "-o",
            f"pythonpath={os.path.dirname(os.path.dirname(folder))}",
            f"--junitxml={report}",
            f"--basetemp={os.path.join(work, '.worker', 'pytest')}",
            "-p",
            "no:cacheprovider",
            "-q",
            "--tb=short",
        ]
    )
    errors.now("read report")
    if code not in READABLE:
        raise RuntimeError(f"pytest ended with {int(code)} ({getattr(code, 'name', 'unknown')}); the log says why")
    return read(report)


def within(skillset: str, work: str) -> str:
    """The skillset's folder, below a folder that is called as it is for a person: `from skillsets.bert import load`."""
    holder, name = os.path.split(os.path.normpath(skillset))
    link = os.path.join(work, ".worker", skillsets.PARENT)
    os.makedirs(os.path.dirname(link), exist_ok=True)
    os.symlink(holder, link)
    return os.path.join(link, name)


def read(report: str) -> dict:
    """Counts what a JUnit file reports and keeps the messages of what did not pass."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    messages = []
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        name = "::".join(part for part in (case.get("classname"), case.get("name")) if part)
        bad = case.find("failure") if case.find("failure") is not None else case.find("error")
        skipped = case.find("skipped")
        if bad is not None:
            counts["failed"] += 1
            messages.append(f"{name}: {bad.get('message') or (bad.text or '').strip()[:300]}")
        elif skipped is not None:
            counts["skipped"] += 1
            messages.append(f"{name}: skipped: {skipped.get('message') or ''}")
        else:
            counts["passed"] += 1
    return {**counts, "messages": messages}
