from __future__ import annotations

import torch
from torch import nn

from portwright_worker import weights


def stack(layers: int, width: int = 64) -> nn.Sequential:
    return nn.Sequential(nn.Embedding(50, width), *(nn.Linear(width, width) for _ in range(layers)))


def drawn(model: nn.Module, seed: int = 3, gain: float = 1.0) -> nn.Module:
    weights.draw(model, seed, gain)
    return model


def same(first: nn.Module, second: nn.Module) -> bool:
    other = second.state_dict()
    return all(torch.equal(value, other[name]) for name, value in first.state_dict().items())


def test_two_constructions_have_the_same_bytes():
    torch.manual_seed(0)
    first = drawn(stack(6))
    torch.manual_seed(1)
    assert same(first, drawn(stack(6)))


def test_another_seed_draws_other_weights():
    assert not same(drawn(stack(2), seed=3), drawn(stack(2), seed=4))


def test_the_order_of_construction_does_not_matter():
    first, second = nn.Module(), nn.Module()
    for name in ("a", "b"):
        first.add_module(name, nn.Linear(4, 4))
    for name in ("b", "a"):
        second.add_module(name, nn.Linear(4, 4))
    assert same(drawn(first), drawn(second))


def test_a_signal_survives_six_layers():
    model = drawn(stack(6))
    first, second = model(torch.tensor([[1, 2, 3]])), model(torch.tensor([[4, 5, 6]]))
    assert 0.3 < first.std().item() < 3
    assert (first - second).abs().max().item() > 0.3


def test_a_signal_survives_six_convolutions():
    model = drawn(nn.Sequential(*(nn.Conv2d(8, 8, 3, padding=1) for _ in range(6))))
    assert 0.1 < model(torch.randn(1, 8, 16, 16)).std().item() < 10


def test_a_signal_survives_convolutions_whose_weights_are_normalised():
    for norm in (nn.utils.parametrizations.weight_norm, nn.utils.weight_norm):
        for dim in (0, 2):
            layers = (norm(nn.Conv1d(8, 8, 5, padding=2), dim=dim) for _ in range(6))
            model = drawn(nn.Sequential(*layers))
            assert 0.3 < model(torch.randn(1, 8, 200)).std().item() < 3


def test_memory_that_the_library_never_fills_is_drawn():
    for left in (float("nan"), float("inf"), 3e38):
        model = nn.Module()
        model.experts = nn.Parameter(torch.full((2, 8, 4), 1.0))
        model.bias = nn.Parameter(torch.full((8,), 1.0))
        for parameter in model.parameters():
            parameter.data[::2] = left
        model = drawn(model)
        assert model.experts.isfinite().all() and 0.1 < model.experts.std().item() < 1
        assert model.bias.isfinite().all()


def test_tied_weights_stay_tied():
    model = stack(0)
    model.add_module("head", nn.Linear(64, 50, bias=False))
    model.head.weight = model[0].weight
    assert drawn(model).head.weight is model[0].weight
    assert model.head.weight.std().item() > 0.5


def test_norms_biases_and_statistics_are_no_longer_neutral():
    model = drawn(nn.BatchNorm2d(32))
    for value, neutral in ((model.weight, 1), (model.bias, 0), (model.running_mean, 0), (model.running_var, 1)):
        assert 0 < (value - neutral).abs().max().item() < 1


def test_a_silent_layer_scale_is_woken():
    model = nn.Module()
    model.scale = nn.Parameter(1e-6 * torch.ones(32))
    assert 0.5 < drawn(model).scale.mean().item() < 1.5


def test_structured_parameters_keep_their_structure():
    model = nn.Module()
    model.decay = nn.Parameter(torch.log(torch.arange(1.0, 9.0)).repeat(4, 1))
    model.slopes = nn.Parameter(torch.linspace(0.1, 1, 16))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    drawn(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_bias_beyond_what_torch_draws_is_structured():
    model = nn.Linear(4, 8)
    with torch.no_grad():
        model.bias.copy_(torch.linspace(-6, -3, 8))
    before = model.bias.clone()
    assert torch.equal(drawn(model).bias, before)


def test_what_the_library_computed_is_left_alone():
    model = nn.Embedding(8, 8)
    model.weight.requires_grad = False
    before = model.weight.clone()
    assert torch.equal(drawn(model).weight, before)


def test_the_row_of_a_padding_token_stays_zero():
    embedding = drawn(nn.Sequential(nn.Embedding(10, 4, padding_idx=2)))[0]
    assert embedding.weight[2].abs().max() == 0
    assert embedding.weight[3].abs().max() > 0
