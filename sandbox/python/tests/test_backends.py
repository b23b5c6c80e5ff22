"""What executes: the module itself, and OpenVINO. Both run a sum whose result is known."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from server_process import skillset

MODULE = """
import torch

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.one = torch.nn.Parameter(torch.ones(1))
    def forward(self, a, b):
        return a + b * self.one

class Skillset:
    module = Model()
    def infer(self, a, b):
        with torch.no_grad():
            return {"total": self.module(torch.from_numpy(a), torch.from_numpy(b)).numpy()}
    def unload(self):
        pass

def load(backend, device, checkpoint):
    return Skillset()
"""


@pytest.fixture
def inputs(tmp_path):
    path = tmp_path / "set-1.safetensors"
    save_file({"a": torch.tensor([[1.0, 2.0]]), "b": torch.tensor([[3.0, 4.0]])}, path)
    return path


def execute(server, tmp_path, inputs, **job: object) -> dict:
    common = {"kind": "execute", "skillset": None, "artefact": None, "checkpoint": "", "inputs": [str(inputs)]}
    work = tmp_path / "work"
    work.mkdir()
    return server.run(tmp_path.name, {**common, "repeats": 2, "reloads": 3, **job}, work)[-1]["answer"]


def check(answer: dict, tmp_path, device: str) -> None:
    measured = answer["ok"]
    outputs = load_file(tmp_path / "work" / measured["outputs"][0])
    assert outputs["total"].tolist() == [[4.0, 6.0]]
    assert measured["device"] == device and measured["nodes"].keys() == {device} and measured["nodes"][device] > 0
    assert len(measured["latency_seconds"]) == 2 and len(measured["reload_resident_bytes"]) == 3
    assert all(size > 1 << 20 for size in measured["reload_resident_bytes"])


def test_the_module_itself_runs_and_its_modules_are_counted(server, tmp_path, inputs):
    folder = skillset(tmp_path / "summing", __init__=MODULE)
    check(execute(server, tmp_path, inputs, backend="torch-cpu", skillset=str(folder)), tmp_path, "cpu")


def sum_model(folder, prefix: str = "", second: str = "b") -> str:
    openvino = pytest.importorskip("openvino")
    from openvino import opset13

    a = opset13.parameter([-1, 2], openvino.Type.f32)
    b = opset13.parameter([-1, 2], openvino.Type.f32)
    total = opset13.add(a, b)
    for node, name in ((a, f"{prefix and 'input.'}a"), (b, f"{prefix and 'input.'}{second}")):
        node.output(0).set_names({name})
    total.output(0).set_names({f"{prefix and 'output.'}total"})
    path = folder / "model.xml"
    openvino.save_model(openvino.Model([total], [a, b]), path)
    return str(path)


@pytest.mark.parametrize("prefix", ["", "prefixed"])
def test_openvino_runs_an_artefact_by_the_names_of_its_inputs(server, tmp_path, inputs, prefix):
    artefact = sum_model(tmp_path, prefix)
    check(execute(server, tmp_path, inputs, backend="openvino", artefact=artefact), tmp_path, "CPU")


def test_an_input_that_the_artefact_wants_and_nobody_gives_is_an_error(server, tmp_path, inputs):
    artefact = sum_model(tmp_path, second="other")
    error = execute(server, tmp_path, inputs, backend="openvino", artefact=artefact)["error"]
    assert "other" in error["message"] and error["doing"] == "execute"


def test_an_artefact_that_does_not_load_is_an_error_of_its_load(server, tmp_path, inputs):
    (tmp_path / "model.xml").write_text("<net/>")
    error = execute(server, tmp_path, inputs, backend="openvino", artefact=str(tmp_path / "model.xml"))["error"]
    assert error["doing"] == "load"
