"""The reference with less rounding."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from portwright_worker import precise, tensors

PLAN = {"weights": {"seed": 0}}


class Model(nn.Module):
    """A norm that asks for float32 by name, as the library's do."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.dense = nn.Linear(64, 64)

    def forward(self, x):
        hidden = self.dense(x).to(torch.float32)
        return {"y": hidden * torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True)) + torch.zeros(1, dtype=torch.float32)}


class Stubborn(Model):
    def forward(self, x):
        if x.dtype != torch.float32:
            raise TypeError("float32 and nothing else")
        return super().forward(x)


@pytest.mark.parametrize(("model", "way"), [(Model, precise.DOUBLE), (Stubborn, precise.PERTURBED)])
def test_a_model_of_floats_is_computed_with_less_rounding_where_it_lets_itself(tmp_path, model, way):
    path = str(tmp_path / "example.safetensors")
    x = torch.randn(8, 64)
    save_file({"x": x}, path)
    made = model()
    with torch.no_grad():
        example = made(x)
    assert precise.run(model(), model, [path], PLAN, example, str(tmp_path)) == way
    found = load_file(tmp_path / tensors.PRECISE / "example.safetensors")["y"]
    assert found.dtype == torch.float32
    apart = (found - example["y"]).abs().max()
    assert 0 < apart < 1e-5
    assert torch.get_default_dtype() == torch.float32
