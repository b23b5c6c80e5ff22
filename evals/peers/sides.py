"""The three sides of the comparison: how each is set up and started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
#: What Portwright gives its own jobs, so that no side pays for threads that wait, or asks the network for anything.
SHARED = {
    "CI": "true",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}


class Failed(Exception):
    """A command that did not do its work; the message has the end of what it said."""


@dataclass
class Sides:
    """Where everything is: Portwright's program and its Python, uv, and the folder for all that is made."""

    portwright: str
    python: str
    uv: str
    cache: Path

    @property
    def optimum(self) -> Path:
        return self.cache / "optimum-env" / "bin"

    def prepare(self) -> None:
        """Builds the environment of optimum, and has Portwright make its catalogue: neither is measured."""
        done = self.cache / "optimum-env" / "complete"
        if not done.exists():
            self.call(self.uv, "venv", "--quiet", "--clear", "--python", "3.11", str(done.parent))
            lock = str(HERE / "optimum.lock")
            install = ("pip", "install", "--quiet", "--compile-bytecode", "--python", str(self.optimum / "python"))
            self.call(self.uv, *install, "-r", lock)
            done.touch()
        self.call(self.portwright, "catalogue", "list")

    def sweep(self, names: list[str], ledger: Path) -> list[str]:
        limits = ["--no-generation", "--limit-seconds", "150"]
        return [self.portwright, "sweep", *names, *limits, "--ledger", str(ledger)]

    def report(self, ledger: Path) -> dict[str, dict]:
        """The rows of the latest sweep in a ledger, by name."""
        text = self.call(self.portwright, "report", "--format", "json", "--ledger", str(ledger))
        return {row["name"]: row for row in json.loads(text)["rows"]}

    def save_checkpoint(self, case: Path, folder: Path) -> None:
        self.call(str(self.optimum / "python"), str(HERE / "save_checkpoint.py"), str(case), str(folder))

    def export(self, checkpoint: Path, task: str, folder: Path) -> list[str]:
        """One file, as Portwright makes it, validated as optimum does unless it is told not to."""
        command = [str(self.optimum / "optimum-cli"), "export", "onnx", "--monolith", "--library-name", "transformers"]
        return [*command, "--model", str(checkpoint), "--task", task, str(folder)]

    def plain(self, skillset: Path) -> list[str]:
        # No bytecode is written: the environment is Portwright's, and came with all of it.
        return [self.python, "-B", str(HERE / "plain.py"), str(skillset)]

    def imports(self) -> dict[str, list[str]]:
        """What each peer imports before it does anything, by itself."""
        return {
            "plain": [
                self.python,
                "-B",
                "-c",
                "import numpy, torch, transformers.exporters.exporter_onnx, onnx, onnxscript, onnxruntime, openvino",
            ],
            "optimum": [str(self.optimum / "python"), "-c", "from optimum.exporters.onnx import main_export"],
        }

    def call(self, *command: str) -> str:
        """Runs a command that is not measured."""
        done = subprocess.run(command, env=os.environ | SHARED, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(last_line(done.stderr) or f"{command[0]} ended with {done.returncode}")
        return done.stdout


def measured(command: list[str], accepted: tuple[int, ...] = (0,)) -> dict:
    """Runs a command through `measure.py`; answers with its measurements."""
    with tempfile.TemporaryDirectory() as work:
        result = Path(work, "result.json")
        wrapped = [sys.executable, str(HERE / "measure.py"), str(result), *command]
        done = subprocess.run(wrapped, env=os.environ | SHARED, capture_output=True, text=True, check=False)
        if not result.exists():
            raise Failed(last_line(done.stderr) or "it could not be measured")
        found = json.loads(result.read_text())
    if found["code"] not in accepted:
        raise Failed(last_line(done.stderr) or f"it ended with {found['code']}")
    return found


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:160] if lines else ""
