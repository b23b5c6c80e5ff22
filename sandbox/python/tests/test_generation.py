"""Cached generation with the library's own caches, and what is exported of it."""

from __future__ import annotations

import onnx
import pytest
import torch
from safetensors.torch import save_file
from transformers import (
    DynamicCache,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.modeling_outputs import BaseModelOutput

from portwright_worker import generation
from portwright_worker.generation import Generator, free_axes, keeps_whole_past, steps
from portwright_worker.jobs import build_generation

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "vocab_size": 50}
ATTENTION = {"num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 32, "sliding_window": 64}


def model(cls, config):
    torch.manual_seed(0)
    return cls._from_config(config, attn_implementation="eager", dtype=torch.float32).eval()


def mistral():
    return model(MistralForCausalLM, MistralConfig(**SIZES, **ATTENTION))


def mamba():
    return model(MambaForCausalLM, MambaConfig(**SIZES, state_size=4))


def of_steps(ids: torch.Tensor) -> list[generation.Step]:
    prefill = ids.shape[1] - 2
    tensors = {"prefill.input_ids": ids[:, :prefill], "prefill.attention_mask": torch.ones_like(ids[:, :prefill])}
    for step in range(2):
        end = prefill + step + 1
        tensors[f"decode.{step}.input_ids"] = ids[:, end - 1 : end]
        tensors[f"decode.{step}.attention_mask"] = torch.ones_like(ids[:, :end])
    return steps(tensors)


@pytest.mark.parametrize("make", [mistral, mamba])
def test_steps_with_a_cache_equal_one_forward_without(make):
    ids = torch.randint(0, 50, (2, 8))
    with torch.no_grad():
        whole = make()(input_ids=ids, use_cache=False).logits
        made = {name: left["logits"] for name, left in Generator(make(), {}).run(of_steps(ids))}
    torch.testing.assert_close(torch.cat(list(made.values()), dim=1), whole)


def test_a_cache_that_keeps_its_whole_past_computes_the_same():
    ids = torch.randint(0, 50, (2, 8))
    with torch.no_grad():
        own, whole = (list(Generator(mistral(), {}, whole_cache=whole).run(of_steps(ids))) for whole in (False, True))
    for (_, a), (_, b) in zip(own, whole, strict=True):
        torch.testing.assert_close(a["logits"], b["logits"])


def test_a_window_is_told_from_a_whole_past_and_from_other_states():
    with torch.no_grad():
        left = {
            make: Generator(make(), {}).step(input_ids=torch.ones(1, 3, dtype=torch.long)) for make in (mistral, mamba)
        }
    assert keeps_whole_past(left[mistral]["past_key_values"]) is False
    assert keeps_whole_past(left[mamba]["cache_params"]) is None
    assert keeps_whole_past(DynamicCache()) is True


def test_a_recurrent_model_is_given_no_mask_after_its_prefill():
    with torch.no_grad():
        given = Generator(mamba(), {}).next_inputs(of_steps(torch.ones(2, 8, dtype=torch.long)))
    assert sorted(given) == ["cache_params", "input_ids"]


def test_a_class_that_counts_positions_its_own_way_goes_on_from_the_prefills_last():
    class Spread(MistralForCausalLM):
        """Every token is two positions long, which a decode step alone cannot know."""

        def _prepare_position_ids_for_generation(self, inputs_tensor, model_kwargs):
            return 2 * super()._prepare_position_ids_for_generation(inputs_tensor, model_kwargs)

    spread = model(Spread, MistralConfig(**SIZES, **ATTENTION))
    with torch.no_grad():
        generator = Generator(spread, {})
        given = generator.next_inputs(of_steps(torch.ones(2, 8, dtype=torch.long)))
        assert given["position_ids"].tolist() == [[11], [11]]
        left = generator.step(**given)
    assert left["position_ids"].tolist() == [[12], [12]]


def test_an_encoders_output_is_carried_whole():
    config = T5Config(
        **{"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2, "vocab_size": 50},
        decoder_start_token_id=0,
    )
    generator = Generator(model(T5ForConditionalGeneration, config), {})

    class Shorter(BaseModelOutput):
        """What an encoder returns beside its states, such as the mask of fewer frames."""

    encoder = generator.model.get_encoder()
    encoder.register_forward_hook(lambda _module, _args, output: Shorter(output[0], output[0] + 1))
    ids = torch.ones(1, 3, dtype=torch.long)
    with torch.no_grad():
        left = generator.step(input_ids=ids, decoder_input_ids=ids)
        again = generator.step(decoder_input_ids=ids[:, :1], **{k: v for k, v in left.items() if k != "logits"})
    assert type(left["encoder_outputs"]) is Shorter and len(left["encoder_outputs"]) == 2
    assert again["encoder_outputs"] is left["encoder_outputs"]


def test_steps_come_in_their_order():
    names = [name for name, _ in steps({f"decode.{step}.x": 0 for step in (10, 2, 0)} | {"prefill.x": 0})]
    assert names == ["prefill", "decode.0", "decode.2", "decode.10"]


def test_axes_that_differ_are_free():
    example, other = {"a": torch.ones(2, 4), "b": [torch.ones(3)]}, {"a": torch.ones(3, 4), "b": [torch.ones(3)]}
    assert free_axes(example, other, lambda: "free") == {"a": {0: "free"}, "b": [{}]}


def test_states_of_two_structures_have_no_free_axes():
    with pytest.raises(ValueError, match="two structures"):
        free_axes({"a": torch.ones(2)}, {"a": torch.ones(2, 2)}, lambda: "free")


def test_a_model_without_logits_is_refused_by_name():
    config = MistralConfig(**SIZES, **ATTENTION)
    from transformers import MistralModel

    with pytest.raises(KeyError, match="MistralModel"):
        Generator(model(MistralModel, config), {}).step(input_ids=torch.ones(1, 3, dtype=torch.long))


@pytest.mark.parametrize(
    ("strategy", "dynamic"), [("transformers", True), ("torch-dynamo", False), ("torch-script", True)]
)
def test_an_export_has_the_cache_as_inputs_and_outputs(tmp_path, strategy, dynamic):
    mistral().save_pretrained(tmp_path / "checkpoint")
    sets = []
    for name, shape in (("example", (2, 8)), ("other", (3, 11))):
        sets.append(str(tmp_path / f"{name}.safetensors"))
        ids = torch.randint(0, 50, shape)
        flat = {f"{step}.{key}": value for step, of in of_steps(ids)[:2] for key, value in of.items()}
        save_file({key: value.contiguous() for key, value in flat.items()}, sets[-1])
    plan = {
        "model_type": "mistral",
        "class": "MistralForCausalLM",
        "module": "transformers.models.mistral.modeling_mistral",
        "config_class": "MistralConfig",
    }
    job = {
        "plan": plan,
        "source": {"from": "library"},
        "checkpoint": str(tmp_path / "checkpoint"),
        "export": {"strategy": strategy, "dynamic": dynamic, "attention": "eager", "optimize": True},
        "inputs": sets,
    }
    made = build_generation.run(job, str(tmp_path))
    assert {made["prefill"], made["decode"]} <= set(made["files"])

    def names(file, kind):
        graph = onnx.load(tmp_path / made[file], load_external_data=False).graph
        return {value.name.removeprefix("input.").removeprefix("output.") for value in getattr(graph, kind)}

    cache = {f"past_key_values.layers.{layer}.{part}" for layer in range(2) for part in ("keys", "values")}
    assert cache <= names("prefill", "output") and not cache & names("prefill", "input")
    assert cache <= names("decode", "input") and cache <= names("decode", "output")
