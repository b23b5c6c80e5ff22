"""A checkpoint is loaded whole or refused, whatever the modelling code leaves open."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import BertConfig, BertModel, PreTrainedConfig, PreTrainedModel

from portwright_worker.shared import whole


class OwnConfig(PreTrainedConfig):
    model_type = "own"


class OwnModel(PreTrainedModel):
    """Modelling code that makes in its constructor what is not saved."""

    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        self.mix = nn.Linear(4, 4)
        self.register_buffer("slopes", torch.tensor([0.5, 0.25, 0.125, 0.0625]), persistent=False)
        self.register_buffer("places", torch.arange(9), persistent=False)
        self.register_buffer("seen", torch.tensor([True, False, True]), persistent=False)
        self.register_buffer("all", torch.ones(3, dtype=torch.bool), persistent=False)
        self.register_buffer("most", torch.tensor([torch.iinfo(torch.int64).max]), persistent=False)
        self.scale = torch.tensor(3.0)
        self.extra()
        self.post_init()

    def extra(self):
        pass

    def forward(self, x):
        return (self.mix(x) * self.slopes * self.scale + self.places[:4],)


class Unwritten(OwnModel):
    def extra(self):
        self.register_buffer("hollow", torch.empty(1000), persistent=False)


class Drawn(OwnModel):
    def extra(self):
        self.register_buffer("noise", torch.randn(4), persistent=False)


class Forgetful(OwnModel):
    """Code that has its own missing weights passed over, and draws them."""

    _keys_to_ignore_on_load_missing = ["head"]

    def extra(self):
        self.head = nn.Linear(4, 4)


def saved(folder, model, change=None, config=None):
    model.save_pretrained(folder)
    if change is not None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    if config is not None:
        values = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**values, **config}))
    return folder


def loaded(cls, folder, model_type="own"):
    config = whole.config_of(cls.config_class, folder, model_type)
    return whole.load_whole(cls, config, folder, "eager")


def test_what_the_constructor_makes_and_nobody_saves_is_what_the_constructor_makes(tmp_path):
    built = OwnModel(OwnConfig()).eval()
    model = loaded(OwnModel, saved(tmp_path, built))
    for name, buffer in built.named_buffers():
        assert torch.equal(model.get_buffer(name), buffer), name
    assert model.scale == 3.0
    x = torch.randn(2, 4)
    assert torch.equal(model(x)[0], built(x)[0])


def test_plain_loading_leaves_such_memory_as_it_was(tmp_path):
    """The control: without the cure the mark of new memory is still there."""
    folder = saved(tmp_path, OwnModel(OwnConfig()))
    with whole.marked():
        model = OwnModel.from_pretrained(folder)
    assert whole.is_unwritten(model.slopes) and whole.is_unwritten(model.places)


def test_memory_that_the_constructor_leaves_unwritten_is_refused(tmp_path):
    folder = saved(tmp_path, Unwritten(OwnConfig()))
    with pytest.raises(ValueError, match="hollow of Unwritten"):
        loaded(Unwritten, folder)


def test_a_buffer_that_is_drawn_anew_each_time_is_refused(tmp_path):
    folder = saved(tmp_path, Drawn(OwnConfig()))
    with pytest.raises(ValueError, match="noise of Drawn"):
        loaded(Drawn, folder)


def test_weights_that_are_drawn_behind_the_librarys_back_are_refused(tmp_path):
    def without_head(tensors):
        del tensors["head.weight"], tensors["head.bias"]

    folder = saved(tmp_path, Forgetful(OwnConfig()), without_head)
    with pytest.raises(ValueError, match="head.weight of Forgetful would be random"):
        loaded(Forgetful, folder)


def test_a_value_that_is_no_number_is_named(tmp_path):
    def spoil(tensors):
        tensors["mix.weight"][1, 2] = float("nan")

    with pytest.raises(ValueError, match="mix.weight of OwnModel"):
        loaded(OwnModel, saved(tmp_path, OwnModel(OwnConfig()), spoil))


def test_the_settings_of_torch_are_left_as_they_were(tmp_path):
    loaded(OwnModel, saved(tmp_path, OwnModel(OwnConfig())))
    assert not torch.are_deterministic_algorithms_enabled()


SMALL = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 9}


@pytest.mark.parametrize(
    ("change", "config", "told"),
    [
        (lambda t: t.pop("pooler.dense.bias"), {}, "lacks 1 weights .* pooler.dense.bias"),
        (lambda t: t.update({"pooler.dense.bias": torch.ones(7)}), {}, r"pooler.dense.bias is \(7,\), not \(8,\)"),
        (lambda t: t.update({f"x.{k}": t.pop(k) for k in list(t)}), {}, "it holds x.embeddings"),
        (None, {"vocab_size": 11}, r"word_embeddings.weight is \(9, 8\), not \(11, 8\)"),
        (None, {"model_type": "roberta"}, "of the type 'roberta', not 'bert'"),
        (None, {"quantization_config": {"quant_method": "gptq", "bits": 4}}, r"quantised \(gptq\)"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_by_what_does_not(tmp_path, change, config, told):
    folder = saved(tmp_path, BertModel(BertConfig(**SMALL)), change, config)
    with pytest.raises(ValueError, match=told):
        loaded(BertModel, folder, "bert")


def test_what_the_class_has_no_place_for_is_left(tmp_path):
    folder = saved(tmp_path, BertModel(BertConfig(**SMALL)), lambda t: t.update({"cls.bias": torch.ones(3)}))
    assert loaded(BertModel, folder, "bert").config.hidden_size == 8


def test_weights_that_are_tied_may_be_absent(tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    built = GPT2LMHeadModel(GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=9, n_positions=8)).eval()
    folder = saved(tmp_path, built)
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")
    model = loaded(GPT2LMHeadModel, folder, "gpt2")
    ids = torch.tensor([[1, 2, 3]])
    assert torch.allclose(model(ids).logits, built(ids).logits, atol=1e-6)
    untied = saved(tmp_path, built, config={"tie_word_embeddings": False})
    with pytest.raises(ValueError, match="lm_head.weight"):
        loaded(GPT2LMHeadModel, untied, "gpt2")
