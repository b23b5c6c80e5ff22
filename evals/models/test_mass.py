# SPDX-License-Identifier: MIT OR Apache-2.0
"""What makes the model a MASS, shown on a small one that is loaded as `trust_remote_code` loads it."""

import sys
from pathlib import Path

import onnxruntime
import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM
from transformers.exporters import OnnxConfig, OnnxExporter

FOLDER = Path(__file__).parent / "mass"
MASK = 5
SMALL = {
    "vocab_size": 99,
    "hidden_size": 32,
    "intermediate_size": 64,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}


@pytest.fixture(params=["eager", "sdpa"])
def model(request):
    return build(request.param)


def build(attention, auto=AutoModelForSeq2SeqLM, **overrides):
    config = AutoConfig.from_pretrained(FOLDER, trust_remote_code=True, **{**SMALL, **overrides})
    torch.manual_seed(0)
    return auto.from_config(config, trust_remote_code=True, attn_implementation=attention).eval()


def tokens(batch=2, length=9, seed=1):
    return torch.randint(6, 99, (batch, length), generator=torch.Generator().manual_seed(seed))


def mask_span(model, ids, start, end):
    return sys.modules[type(model).__module__].mask_span(ids, start, end, MASK)


def run(model, ids, decoder_ids, **kwargs):
    with torch.no_grad():
        return model(input_ids=ids, decoder_input_ids=decoder_ids, use_cache=False, **kwargs)


def other(ids, column):
    changed = ids.clone()
    changed[:, column] = (changed[:, column] + 1) % 99
    return changed


def test_the_encoder_reads_the_sentence_with_the_span_masked(model):
    ids = tokens()
    made = mask_span(model, ids, 3, 7)
    assert (made["input_ids"][:, 3:7] == MASK).all()
    assert (made["input_ids"][:, :3] == ids[:, :3]).all() and (made["input_ids"][:, 7:] == ids[:, 7:]).all()
    assert (ids != MASK).all()


def test_the_decoder_reads_the_span_shifted_and_predicts_it(model):
    ids = tokens()
    made = mask_span(model, ids, 3, 7)
    assert (made["labels"] == ids[:, 3:7]).all()
    assert (made["decoder_input_ids"][:, 0] == MASK).all()
    assert (made["decoder_input_ids"][:, 1:] == ids[:, 3:6]).all()


def test_the_span_keeps_its_positions(model):
    made = mask_span(model, tokens(), 3, 7)
    assert made["decoder_position_ids"].tolist() == [[3, 4, 5, 6]] * 2
    labels = made.pop("labels")
    with torch.no_grad():
        here = model(**made, labels=labels, use_cache=False)
        made["decoder_position_ids"] = made["decoder_position_ids"] - 3
        elsewhere = model(**made, labels=labels, use_cache=False)
    assert (here.logits - elsewhere.logits).abs().amax() > 1e-3
    assert here.loss != elsewhere.loss


def test_the_model_learns_to_predict_masked_spans():
    model = build("eager", dropout=0.0).train()
    sentences = tokens(batch=8, length=10, seed=4)
    made = mask_span(model, sentences, 2, 7)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = model(**made, use_cache=False).loss
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 10
    predicted = run(
        model.eval(), made["input_ids"], made["decoder_input_ids"], decoder_position_ids=made["decoder_position_ids"]
    ).logits.argmax(-1)
    assert (predicted == made["labels"]).float().mean() > 0.9


def test_a_later_token_of_the_decoder_does_not_change_an_earlier_logit(model):
    ids, decoder_ids = tokens(), tokens(length=6, seed=2)
    before, after = run(model, ids, decoder_ids).logits, run(model, ids, other(decoder_ids, 4)).logits
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert (before[:, 4:] - after[:, 4:]).abs().amax() > 1e-3


def test_every_token_of_the_encoder_changes_every_logit(model):
    ids, decoder_ids = tokens(), tokens(length=6, seed=2)
    before = run(model, ids, decoder_ids).logits
    for column in (0, 8):
        moved = (before - run(model, other(ids, column), decoder_ids).logits).abs().amax(dim=-1)
        assert (moved > 1e-5).all()


def test_a_masked_token_of_the_encoder_is_not_seen(model):
    ids, decoder_ids = tokens(), tokens(length=6, seed=2)
    mask = torch.ones_like(ids)
    mask[:, 6:] = 0
    before = run(model, ids, decoder_ids, attention_mask=mask).logits
    after = run(model, other(ids, 7), decoder_ids, attention_mask=mask).logits
    torch.testing.assert_close(before, after)
    torch.testing.assert_close(before, run(model, ids[:, :6], decoder_ids).logits, atol=1e-5, rtol=1e-5)


def test_eager_and_sdpa_agree():
    ids, decoder_ids, mask = tokens(), tokens(length=6, seed=2), torch.ones(2, 9, dtype=torch.long)
    mask[1, 5:] = 0
    eager, sdpa = (run(build(name), ids, decoder_ids, attention_mask=mask).logits for name in ("eager", "sdpa"))
    torch.testing.assert_close(eager, sdpa, atol=1e-5, rtol=1e-5)


def test_the_cache_gives_what_the_whole_sequence_gives(model):
    ids, decoder_ids = tokens(), tokens(length=6, seed=2)
    with torch.no_grad():
        first = model(input_ids=ids, decoder_input_ids=decoder_ids[:, :4], use_cache=True)
        rest = model(
            encoder_outputs=(first.encoder_last_hidden_state,),
            decoder_input_ids=decoder_ids[:, 4:],
            past_key_values=first.past_key_values,
            use_cache=True,
        )
    whole = run(model, ids, decoder_ids).logits
    torch.testing.assert_close(torch.cat((first.logits, rest.logits), dim=1), whole, atol=1e-5, rtol=1e-5)


def test_generation_takes_the_most_likely_token_each_time(model):
    ids = tokens(batch=1)
    generated = model.generate(ids, max_new_tokens=4, min_new_tokens=4, do_sample=False, num_beams=1)
    assert generated.shape == (1, 5) and generated[0, 0] == MASK
    logits = run(model, ids, generated[:, :-1]).logits
    # The end is forbidden until the least number of tokens is reached.
    logits[..., 1] = -torch.inf
    assert (logits.argmax(-1) == generated[:, 1:]).all()


def test_labels_alone_are_shifted_behind_the_mask(model):
    ids, labels = tokens(), tokens(length=6, seed=2)
    shifted = torch.cat((torch.full((2, 1), MASK), labels[:, :-1]), dim=1)
    with torch.no_grad():
        torch.testing.assert_close(model(input_ids=ids, labels=labels).logits, run(model, ids, shifted).logits)
        labels[:, -1] = -100
        short = model(input_ids=ids, labels=labels).loss
    torch.testing.assert_close(
        short,
        torch.nn.functional.cross_entropy(
            run(model, ids, shifted).logits[:, :-1].flatten(0, 1), labels[:, :-1].flatten()
        ),
    )


def test_one_embedding_serves_encoder_decoder_and_head(model):
    tokens_of_encoder = model.model.encoder.embeddings.tokens.weight
    assert model.model.decoder.embeddings.tokens.weight is tokens_of_encoder
    assert model.lm_head.weight is tokens_of_encoder


@pytest.mark.parametrize("auto", [AutoModel, AutoModelForSeq2SeqLM])
def test_a_saved_model_gives_the_same_outputs(auto, tmp_path):
    model = build("eager", auto=auto)
    model.save_pretrained(tmp_path)
    again = auto.from_pretrained(tmp_path, trust_remote_code=True, attn_implementation="eager").eval()
    ids, decoder_ids = tokens(), tokens(length=6, seed=2)
    before, after = run(model, ids, decoder_ids)[0], run(again, ids, decoder_ids)[0]
    torch.testing.assert_close(before, after)


def test_hidden_states_and_attention_weights_are_returned_when_asked_for():
    outputs = run(
        build("eager", auto=AutoModel), tokens(), tokens(length=6), output_hidden_states=True, output_attentions=True
    )
    assert (len(outputs.encoder_hidden_states), len(outputs.decoder_hidden_states)) == (3, 4)
    assert outputs.decoder_attentions[0].shape == (2, 4, 6, 6)
    assert outputs.cross_attentions[0].shape == (2, 4, 6, 9)
    torch.testing.assert_close(outputs.cross_attentions[0].sum(-1), torch.ones(2, 4, 6))


def test_the_loss_has_a_gradient_everywhere():
    model = build("eager").train()
    model(**mask_span(model, tokens(), 3, 7)).loss.backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_heads_that_do_not_share_the_hidden_size_evenly_are_refused():
    config_class = type(AutoConfig.from_pretrained(FOLDER, trust_remote_code=True))
    with pytest.raises(StrictDataclassClassValidationError, match="multiple"):
        config_class(hidden_size=30, num_attention_heads=4)


def test_the_defaults_are_those_of_the_paper():
    config = type(AutoConfig.from_pretrained(FOLDER, trust_remote_code=True))()
    assert (config.hidden_size, config.intermediate_size, config.vocab_size) == (1024, 4096, 60000)
    assert (config.encoder_layers, config.decoder_layers) == (6, 6)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_an_export_with_free_axes_agrees_at_other_sizes(attention, tmp_path):
    model = build(attention)
    ids = tokens()
    example = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "decoder_input_ids": tokens(length=6, seed=2),
    }
    model.config.use_cache = False
    path = tmp_path / "mass.onnx"
    OnnxExporter().export(model, example, config=OnnxConfig(dynamic=True, output_path=str(path)))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch, length in ((2, 9), (3, 11)):
        ids, decoder_ids = tokens(batch, length, seed=batch), tokens(batch, length - 4, seed=length)
        mask = torch.ones_like(ids)
        mask[1:, -2:] = 0
        feeds = {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": decoder_ids}
        (logits,) = session.run(["logits"], {name: value.numpy() for name, value in feeds.items()})
        expected = run(model, ids, decoder_ids, attention_mask=mask).logits
        torch.testing.assert_close(torch.from_numpy(logits), expected, atol=1e-5, rtol=1e-5)
