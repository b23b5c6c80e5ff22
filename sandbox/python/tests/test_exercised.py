"""What a forward exercises, on small modules of the library's own kinds."""

from __future__ import annotations

import torch
from torch import nn
from transformers import BertConfig, PreTrainedConfig, T5Config, ViTConfig

from portwright_worker import exercised


class Keeps(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.inner = nn.Linear(2, 2)

    def encode(self, x):
        return self.inner(x)


class Forgets(nn.Module):
    def __init__(self, config: PreTrainedConfig):
        super().__init__()
        self.inner = nn.Linear(2, 2)

    def forward(self, x):
        return self.inner(x)


class Whole(nn.Module):
    def __init__(self, config, text, vision):
        super().__init__()
        self.text, self.vision = Keeps(text), Forgets(vision)

    def forward(self, x, see):
        x = self.text.encode(x)
        return self.vision(x) if see else x


def called(see: bool) -> set[str]:
    with exercised.construction() as built:
        model = Whole(T5Config(), BertConfig(), ViTConfig())
    found = exercised.watch(model, built)
    model(torch.zeros(1, 2), see)
    return found


def test_a_module_that_keeps_no_configuration_counts_when_it_is_called():
    assert called(True) == {"t5", "bert", "vit"}


def test_a_module_that_is_not_called_does_not_count():
    assert called(False) == {"t5", "bert"}


def test_a_configuration_that_no_module_takes_counts_where_it_is_read():
    class Reader(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.size = size.hidden.num_layers

        def forward(self, x):
            return x

    class Pair:
        hidden = T5Config()

    with exercised.construction() as built:
        model = nn.Sequential(Reader(Pair()))
    found = exercised.watch(model, built)
    model(torch.zeros(1))
    assert found == {"t5"}


class Detail(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.size = config.hidden_size

    def forward(self, x):
        return x


class Part(nn.Module):
    """Takes its configuration out of the whole's, reads it, and hands it on to a detail that it does not call."""

    def __init__(self, whole, fields):
        super().__init__()
        config = whole.part
        self.detail = Detail(config)
        for field in fields:
            getattr(config, field)

    def forward(self, x):
        return x


def called_part(*fields: str) -> set[str]:
    class Composite:
        part = BertConfig()

    with exercised.construction() as built:
        model = nn.Sequential(Part(Composite(), fields))
    found = exercised.watch(model, built)
    model(torch.zeros(1))
    return found


def test_a_part_that_takes_its_configuration_out_of_the_wholes_counts_when_it_is_called():
    assert called_part("hidden_size", "num_hidden_layers") == {"bert"}


def test_a_whole_that_reads_less_of_a_configuration_than_what_it_makes_of_it_is_not_that_part():
    assert called_part() == set()


def test_the_library_is_as_before_afterwards():
    before = nn.Module.__init__, PreTrainedConfig.__getattribute__
    called(True)
    assert (nn.Module.__init__, PreTrainedConfig.__getattribute__) == before
