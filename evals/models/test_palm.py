# SPDX-License-Identifier: MIT OR Apache-2.0
"""What makes the model a PaLM, shown on a small one that is loaded as `trust_remote_code` loads it."""

from pathlib import Path

import onnxruntime
import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM
from transformers.exporters import OnnxConfig, OnnxExporter

FOLDER = Path(__file__).parent / "palm"
SMALL = {
    "vocab_size": 99,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "head_dim": 6,
}


@pytest.fixture(params=["eager", "sdpa"])
def model(request):
    return build(request.param)


def build(attention, auto=AutoModelForCausalLM, **overrides):
    config = AutoConfig.from_pretrained(FOLDER, trust_remote_code=True, **{**SMALL, **overrides})
    torch.manual_seed(0)
    return auto.from_config(config, trust_remote_code=True, attn_implementation=attention).eval()


def tokens(batch=2, length=7, seed=1):
    return torch.randint(3, 99, (batch, length), generator=torch.Generator().manual_seed(seed))


def run(model, ids, **kwargs):
    with torch.no_grad():
        return model(input_ids=ids, use_cache=False, **kwargs)


def test_a_later_token_does_not_change_an_earlier_logit(model):
    ids = tokens()
    changed = ids.clone()
    changed[:, 5] = (changed[:, 5] + 1) % 99
    before, after = run(model, ids).logits, run(model, changed).logits
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert (before[:, 5:] - after[:, 5:]).abs().amax() > 1e-3


def test_an_earlier_token_changes_a_later_logit(model):
    ids = tokens()
    changed = ids.clone()
    changed[:, 0] = (changed[:, 0] + 1) % 99
    assert (run(model, ids).logits[:, -1] - run(model, changed).logits[:, -1]).abs().amax() > 1e-4


def test_padding_on_the_left_does_not_change_the_tokens_after_it(model):
    ids = tokens()
    padded = torch.cat((torch.full((2, 3), 7), ids), dim=1)
    mask = torch.ones_like(padded)
    mask[:, :3] = 0
    torch.testing.assert_close(run(model, padded, attention_mask=mask).logits[:, 3:], run(model, ids).logits)


def test_a_masked_token_is_not_seen(model):
    ids = tokens()
    mask = torch.ones_like(ids)
    mask[:, 2] = 0
    changed = ids.clone()
    changed[:, 2] = (changed[:, 2] + 1) % 99
    before, after = run(model, ids, attention_mask=mask), run(model, changed, attention_mask=mask)
    torch.testing.assert_close(before.logits[:, 3:], after.logits[:, 3:])


def test_only_relative_positions_matter(model):
    ids = tokens()
    positions = torch.arange(7).expand(2, -1)
    here, shifted = (run(model, ids, position_ids=positions + offset).logits for offset in (0, 40))
    torch.testing.assert_close(here, shifted, atol=1e-5, rtol=1e-5)
    stretched = run(model, ids, position_ids=positions * 3).logits
    assert (here - stretched).abs().amax() > 1e-4


def test_all_heads_share_one_key_and_one_value(model):
    attention = model.model.layers[0].attention
    assert attention.query.out_features == 4 * 6
    assert attention.key.out_features == attention.value.out_features == 6
    with torch.no_grad():
        cache = model(input_ids=tokens(), use_cache=True).past_key_values
    assert cache.layers[0].keys.shape == cache.layers[0].values.shape == (2, 1, 7, 6)


def test_attention_and_feed_forward_read_the_same_normalised_input(model):
    block = model.model.layers[0]
    states = torch.randn(2, 7, 32, generator=torch.Generator().manual_seed(2))
    seen = []
    hooks = [
        part.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        for part in (block.attention, block.feed_forward)
    ]
    with torch.no_grad():
        block(states, None, torch.zeros(1, 1, 7, 3))
    for hook in hooks:
        hook.remove()
    assert len(seen) == 2 and seen[0] is seen[1]


def test_eager_and_sdpa_agree():
    ids, mask = tokens(), torch.ones(2, 7, dtype=torch.long)
    mask[1, 5:] = 0
    eager, sdpa = (run(build(name), ids, attention_mask=mask).logits for name in ("eager", "sdpa"))
    torch.testing.assert_close(eager, sdpa, atol=1e-5, rtol=1e-5)


def test_the_cache_gives_what_the_whole_sequence_gives(model):
    ids = tokens()
    with torch.no_grad():
        first = model(input_ids=ids[:, :4], use_cache=True)
        rest = model(input_ids=ids[:, 4:], past_key_values=first.past_key_values, use_cache=True)
    whole = run(model, ids).logits
    torch.testing.assert_close(torch.cat((first.logits, rest.logits), dim=1), whole, atol=1e-5, rtol=1e-5)


def test_the_model_generates(model):
    ids = tokens(batch=1)
    generated = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=3, min_new_tokens=3, do_sample=False
    )
    assert generated.shape == (1, 10)


def test_there_is_no_bias_and_the_head_is_the_embedding(model):
    assert not [name for name, _ in model.named_parameters() if name.endswith("bias")]
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_a_saved_model_gives_the_same_logits(model, tmp_path):
    model.save_pretrained(tmp_path)
    attention = model.config._attn_implementation
    again = AutoModelForCausalLM.from_pretrained(tmp_path, trust_remote_code=True, attn_implementation=attention).eval()
    torch.testing.assert_close(run(model, tokens()).logits, run(again, tokens()).logits)


def test_hidden_states_and_attention_weights_are_returned_when_asked_for():
    base = build("eager", auto=AutoModel)
    outputs = run(base, tokens(), output_hidden_states=True, output_attentions=True)
    assert len(outputs.hidden_states) == 3
    assert outputs.attentions[0].shape == (2, 4, 7, 7)
    torch.testing.assert_close(outputs.attentions[0].sum(-1), torch.ones(2, 4, 7))


def test_the_loss_has_a_gradient_everywhere():
    model = build("eager").train()
    model(input_ids=tokens(), labels=tokens()).loss.backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_an_odd_head_size_is_refused():
    config_class = type(AutoConfig.from_pretrained(FOLDER, trust_remote_code=True))
    with pytest.raises(StrictDataclassClassValidationError, match="even"):
        config_class(head_dim=5)


def test_the_defaults_are_those_of_the_8b_model():
    config = type(AutoConfig.from_pretrained(FOLDER, trust_remote_code=True))()
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (4096, 32, 16)
    assert config.intermediate_size == 4 * config.hidden_size


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_an_export_with_free_axes_agrees_at_other_sizes(attention, tmp_path):
    model = build(attention)
    ids = tokens()
    example = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    model.config.use_cache = False
    path = tmp_path / "palm.onnx"
    OnnxExporter().export(model, example, config=OnnxConfig(dynamic=True, output_path=str(path)))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch, length in ((2, 7), (3, 11)):
        ids = tokens(batch, length, seed=batch)
        mask = torch.ones_like(ids)
        mask[1:, -2:] = 0
        feeds = {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
        (logits,) = session.run(["logits"], feeds)
        torch.testing.assert_close(
            torch.from_numpy(logits), run(model, ids, attention_mask=mask).logits, atol=1e-5, rtol=1e-5
        )
