"""What the peers are given: the skillset that a sweep judged, and what makes its small model under another release."""

from __future__ import annotations

import ast
import json
from pathlib import Path

BACKENDS = ("torch-cpu", "onnxruntime", "openvino")
#: The task of a skillset as `optimum-cli` names it. A type whose task is not here is left out.
TASKS = {
    "base": "feature-extraction",
    "causal-lm": "text-generation",
    "masked-lm": "fill-mask",
    "seq2seq-lm": "text2text-generation",
}
INIT = "from .skillset import Skillset, backends, build, load\n"


class LeftOut(Exception):
    """Why a type cannot be compared; the reason is a sentence for the report."""


def skillset(row: dict, ledger: Path, folder: Path) -> Path:
    """Writes the skillset of a sweep's row below a folder, out of the ledger's store, as the artefact of torch-cpu."""
    cells = {cell["backend"]: cell for cell in row["cells"] if cell["check"] == "port"}
    failed = [backend for backend in BACKENDS if not cells.get(backend, {}).get("passed")]
    if failed:
        raise LeftOut(f"Portwright does not pass on {', '.join(failed)}")
    if len({cells[backend]["evidence"]["plan"] for backend in BACKENDS}) > 1:
        raise LeftOut("its backends passed with different plans")
    folder.mkdir(parents=True, exist_ok=True)
    for file in json.loads(stored(ledger, cells["torch-cpu"]["evidence"]["artefact"]))["files"]:
        (folder / file["path"]).write_bytes(stored(ledger, file["digest"]))
    (folder / "__init__.py").write_text(INIT)
    return folder


def stored(ledger: Path, digest: str) -> bytes:
    return (ledger / "store" / digest[:2] / digest[2:]).read_bytes()


def case(row: dict, folder: Path) -> dict:
    """What another release needs to make the same small model, read from the skillset's constants."""
    constants = literals(folder / "skillset.py")
    task = TASKS.get(constants["TASK"])
    if task is None:
        raise LeftOut(f"its task here, {constants['TASK']}, has no counterpart")
    return {
        "model_type": row["model_type"],
        "class": row["class"],
        "config": constants["CONFIG"],
        "task": task,
    }


def literals(module: Path) -> dict:
    """The constants of a module whose values are literals, by name."""
    found = {"CONFIG": {}}
    for node in ast.parse(module.read_text()).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and node.value is not None:
            try:
                found[target.id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found
