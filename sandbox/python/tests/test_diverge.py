"""Where an artefact goes wrong, found in files that really go wrong there."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from safetensors.torch import save_file
from test_jobs import LIBRARY, answer, checkpoint, plan  # noqa: F401

IDS = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])


class Port(torch.nn.Module):
    """As a port wraps its model."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids):
        return self.model(input_ids=input_ids, use_cache=False)[0]


@pytest.fixture(scope="module", params=["dynamo", "tracer"])
def artefact(request, checkpoint, tmp_path_factory):  # noqa: F811
    from transformers import BertModel

    model = BertModel.from_pretrained(checkpoint[1], attn_implementation="eager").eval()
    path = tmp_path_factory.mktemp(request.param) / "model.onnx"
    torch.onnx.export(
        Port(model),
        (IDS,),
        path,
        input_names=["input_ids"],
        dynamo=request.param == "dynamo",
        external_data=False,
    )
    return path


def ran(server, checkpoint, artefact, work):  # noqa: F811
    work.mkdir(exist_ok=True)
    save_file({"input_ids": IDS}, work / "set-1.safetensors")
    job = {
        "kind": "diverge",
        "plan": plan(call={"use_cache": False}),
        "source": LIBRARY,
        "checkpoint": str(checkpoint[1]),
        "artefact": str(artefact),
        "inputs": [str(work / "set-1.safetensors")],
    }
    return answer(server, work.name, job, work)


def found(server, checkpoint, artefact, work):  # noqa: F811
    return ran(server, checkpoint, artefact, work)["ok"]["found"]


def test_a_sound_artefact_diverges_nowhere(server, checkpoint, artefact, tmp_path):  # noqa: F811
    assert found(server, checkpoint, artefact, tmp_path / "sound") is None


def test_the_first_module_that_differs_is_named_with_its_operators(server, checkpoint, artefact, tmp_path):  # noqa: F811
    model = onnx.load(artefact)
    bias = next(
        weight for weight in model.graph.initializer if weight.name.endswith("encoder.layer.1.intermediate.dense.bias")
    )
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(1.0), bias.name))
    onnx.save(model, tmp_path / "wrong.onnx")
    error = found(server, checkpoint, tmp_path / "wrong.onnx", tmp_path / "wrong")
    assert error["exception"] == "Divergence"
    assert "`encoder.layer.1.intermediate.dense` (Linear), by 1.000e+00" in error["message"]
    assert " 0 modules before it agree" not in error["message"]


def test_a_file_that_names_no_module_is_an_error_and_no_agreement(server, checkpoint, artefact, tmp_path):  # noqa: F811
    model = onnx.load(artefact)
    for at, node in enumerate(model.graph.node):
        del node.metadata_props[:]
        node.name = f"node_{at}"
    onnx.save(model, tmp_path / "bare.onnx")
    error = ran(server, checkpoint, tmp_path / "bare.onnx", tmp_path / "bare")["error"]
    assert "names a module" in error["message"]
