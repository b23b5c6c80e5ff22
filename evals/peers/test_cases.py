"""What the peers are given is what the sweep judged, or a sentence that says why it cannot be."""

import hashlib
import json
from pathlib import Path

import cases
import pytest

SKILLSET = """
TASK = "base"
#: Sizes.
CONFIG: dict[str, object] = {"hidden_size": 64}
Arrays = dict[str, int]
"""


def put(ledger: Path, content: str) -> str:
    digest = hashlib.sha256(content.encode()).hexdigest()
    file = ledger / "store" / digest[:2] / digest[2:]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return digest


def row(ledger: Path, module: str = SKILLSET) -> dict:
    files = [{"path": "skillset.py", "digest": put(ledger, module)}]
    evidence = {"artefact": put(ledger, json.dumps({"files": files})), "plan": "p"}
    cells = [{"check": "port", "backend": name, "passed": True, "evidence": dict(evidence)} for name in cases.BACKENDS]
    return {"model_type": "bert", "class": "BertModel", "cells": cells}


def test_a_case_holds_the_sizes_that_were_judged(tmp_path):
    swept = row(tmp_path)
    folder = cases.skillset(swept, tmp_path, tmp_path / "skillset")
    case = cases.case(swept, folder)
    assert case == {
        "model_type": "bert",
        "class": "BertModel",
        "config": {"hidden_size": 64},
        "task": "feature-extraction",
    }


def test_a_type_that_did_not_pass_everywhere_is_left_out(tmp_path):
    swept = row(tmp_path)
    swept["cells"][2]["passed"] = False
    with pytest.raises(cases.LeftOut, match="does not pass on openvino"):
        cases.skillset(swept, tmp_path, tmp_path / "skillset")


def test_a_type_whose_backends_have_different_plans_is_left_out(tmp_path):
    swept = row(tmp_path)
    swept["cells"][1]["evidence"]["plan"] = "q"
    with pytest.raises(cases.LeftOut, match="different plans"):
        cases.skillset(swept, tmp_path, tmp_path / "skillset")


def test_a_task_without_a_counterpart_is_left_out(tmp_path):
    swept = row(tmp_path, SKILLSET.replace("base", "text-to-waveform"))
    folder = cases.skillset(swept, tmp_path, tmp_path / "skillset")
    with pytest.raises(cases.LeftOut, match="text-to-waveform"):
        cases.case(swept, folder)
