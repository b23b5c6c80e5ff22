"""What is decomposed operator by operator computes what the model does, and what cannot be goes PyTorch's own way."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from portwright_worker import warm
from portwright_worker.shared import decomposed


class Converts(nn.Module):
    """Has operators that ONNX lacks: conversions, one of them of what it has already, and an `and` of truth values."""

    def forward(self, ids, mask):
        kept = mask.bool() & (ids > 2)
        scores = ids.to(torch.float32).to(torch.float32)
        return (scores * kept).softmax(-1), kept


class InPlace(nn.Module):
    """Changes a tensor in place."""

    def forward(self, ids, mask):
        found = torch.zeros(ids.shape)
        found.add_(ids.to(torch.float32))
        return found * mask, mask > 0


class Products(nn.Module):
    """Multiplies by the names of axes, what was changed in place too."""

    def __init__(self, changes):
        super().__init__()
        self.changes = changes

    def forward(self, ids, mask):
        if self.changes:
            ids = torch.zeros_like(ids).add_(ids)
        rows = torch.einsum("bs,bt->bst", ids.to(torch.float32), mask.to(torch.float32))
        return rows, torch.einsum("bst->bs", rows)


def exported(module, folder):
    ids, mask = torch.arange(12).reshape(2, 6), torch.ones(2, 6, dtype=torch.long)
    mask[0, 2:] = 0
    axes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    path = str(folder / "model.onnx")
    torch.onnx.export(
        module,
        (ids, mask),
        path,
        input_names=["ids", "mask"],
        dynamic_shapes=(axes, axes),
        dynamo=True,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    # Other sizes than those that were traced.
    ids, mask = ids.reshape(3, 4), mask.reshape(3, 4)
    found = session.run(None, {"ids": ids.numpy(), "mask": mask.numpy()})
    for one, right in zip(found, module(ids, mask), strict=True):
        np.testing.assert_allclose(one, right.numpy(), rtol=1e-6)


@pytest.mark.parametrize(("module", "whole"), [(Converts(), 0), (InPlace(), 1)])
def test_a_program_is_decomposed_as_a_whole_only_where_it_must_be(module, whole, tmp_path, monkeypatch):
    from torch.onnx._internal.exporter import _fx_passes as passes

    asked = []
    own = passes.decompose_with_registry
    monkeypatch.setattr(passes, "decompose_with_registry", lambda *args: asked.append(0) or own(*args))
    with decomposed.decomposed():
        exported(module.eval(), tmp_path)
    assert len(asked) == whole


@pytest.mark.parametrize("changes", [False, True])
def test_products_are_written_with_what_all_runtimes_have(changes, tmp_path):
    with decomposed.decomposed():
        exported(Products(changes), tmp_path)
    operators = {node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node}
    assert "Einsum" not in operators


def test_a_program_that_does_not_say_what_it_computes_is_decomposed_as_a_whole():
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    given = torch.arange(6).reshape(2, 3), torch.ones(2, 3, dtype=torch.long)
    registry = ONNXRegistry.from_torchlib()
    decomposed.take_apart(torch.export.export(Converts(), given), registry)
    program = torch.export.export(Converts(), given)
    for node in program.graph.find_nodes(op="call_function", target=torch.ops.aten.gt.Scalar):
        del node.meta["val"]
    with pytest.raises(decomposed.Undecomposed):
        decomposed.take_apart(program, registry)


def test_the_exporter_has_its_own_way_back_also_after_an_error():
    from torch.onnx._internal.exporter import _fx_passes as passes

    own = passes.decompose_with_registry
    with pytest.raises(ValueError), decomposed.decomposed():
        assert passes.decompose_with_registry is not own
        raise ValueError
    assert passes.decompose_with_registry is own


def test_an_export_succeeds_beforehand(monkeypatch, capfd):
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    monkeypatch.setattr(ONNXRegistry, "from_torchlib", ONNXRegistry.from_torchlib)
    warm.up()
    assert "no export was made" not in capfd.readouterr().err


def test_what_one_export_registers_is_in_no_other_registry(monkeypatch):
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    monkeypatch.setattr(ONNXRegistry, "from_torchlib", ONNXRegistry.from_torchlib)
    warm._keep_registries()
    first, second = ONNXRegistry.from_torchlib(), ONNXRegistry.from_torchlib()
    target = torch.ops.aten.to.dtype
    assert first.functions == second.functions and not second.is_registered(target)
    added = next(iter(first.functions))
    first.functions[target] = list(first.functions[added])
    first.functions[added].clear()
    assert not second.is_registered(target) and second.functions[added]
    assert ONNXRegistry().from_torchlib(opset_version=20).opset_version == 20
