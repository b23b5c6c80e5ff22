"""Starts the real server for the tests, as the Rust pool does, and speaks its protocol."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
START = "import sys; sys.path.insert(0, sys.argv[1]); from portwright_worker.server import main; main()"
ENVIRONMENT = {
    "PATH": os.defpath,
    "LANG": "C.UTF-8",
    "CI": "true",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


class ServerProcess:
    def __init__(self, log: Path) -> None:
        self.log = log.open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-c", START, str(PACKAGE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=ENVIRONMENT,
        )
        self.ready = self.event()

    def send(self, line: str) -> None:
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def event(self) -> dict:
        line = self.process.stdout.readline()
        assert line, "the server ended"
        event = json.loads(line)
        if isinstance(event.get("answer"), str):
            event["answer"] = _read(event["answer"])
        return event

    def run(self, identity: str, job: dict, work: Path, **changes: object) -> list[dict]:
        """The events of one job, until it has exited or was refused."""
        self.send(json.dumps(request(identity, job, work, **changes)))
        events = [self.event()]
        while events[-1]["event"] not in ("exited", "refused"):
            events.append(self.event())
        return events

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


def _read(answer: str) -> object:
    """A job's answer; `None` for a text that is none."""
    try:
        return json.loads(answer)
    except (ValueError, RecursionError):
        return None


def request(identity: str, job: dict, work: Path, **changes: object) -> dict:
    """A request for a job that runs without a cage."""
    return {
        "protocol": 1,
        "id": identity,
        "job": job,
        "work": str(work),
        "policy": "allow_unprotected=1\n",
        "cage": None,
        "log": str(work / "log"),
        "most": 8 << 20,
        **changes,
    }


def skillset(folder: Path, **files: str) -> Path:
    """A package with these files, `__init__` included."""
    folder.mkdir(parents=True)
    for name, text in {"__init__": "", **files}.items():
        (folder / f"{name}.py").write_text(text)
    return folder
