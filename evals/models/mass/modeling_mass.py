# SPDX-License-Identifier: MIT OR Apache-2.0
"""A MASS encoder-decoder: the encoder reads a sentence with a span masked, the decoder predicts the span.

The architecture and the pre-training are those of "MASS: Masked Sequence to Sequence Pre-training for Language
Generation" (Song et al., 2019), section 3. The code was written from the paper's description for Transformers 5.
"""

import torch
from torch import nn
from transformers import Cache, DynamicCache, EncoderDecoderCache, GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.masking_utils import create_bidirectional_mask, create_causal_mask
from transformers.modeling_outputs import (
    BaseModelOutput,
    BaseModelOutputWithPastAndCrossAttentions,
    Seq2SeqLMOutput,
    Seq2SeqModelOutput,
)
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.utils import can_return_tuple
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs

from .configuration_mass import MassConfig

# What a loss leaves out.
IGNORED = -100


def mask_span(input_ids: torch.Tensor, start: int, end: int, mask_token_id: int) -> dict[str, torch.Tensor]:
    """The inputs and labels by which the model learns the span from `start` up to, not including, `end`.

    The encoder reads the sentence with the span masked. The decoder reads the span shifted by one token: its first
    token is masked, because the encoder has read the one that stood there. The tokens outside the span, all masked for
    the decoder, are left out, and those inside keep the positions that they have in the sentence.
    """
    read = input_ids.clone()
    read[:, start:end] = mask_token_id
    span = input_ids[:, start:end]
    positions = torch.arange(start, end, device=input_ids.device).expand(len(input_ids), -1)
    return {
        "input_ids": read,
        "decoder_input_ids": shift_right(span, mask_token_id),
        "decoder_position_ids": positions,
        "labels": span,
    }


def shift_right(ids: torch.Tensor, first: int) -> torch.Tensor:
    """The ids moved by one to the right, with another one before them."""
    return torch.cat((torch.full_like(ids[:, :1], first), ids[:, :-1]), dim=1)


def eager_attention(module, query, key, value, attention_mask, scaling, dropout=0.0, **kwargs):
    scores = query @ key.transpose(-1, -2) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype)
    weights = nn.functional.dropout(weights, p=dropout, training=module.training)
    return (weights @ value).transpose(1, 2), weights


class MassAttention(nn.Module):
    """Attention with several heads, over the same sequence or over the encoder's."""

    def __init__(self, config: MassConfig, layer_idx: int, is_causal: bool = False):
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.is_causal = is_causal
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(config.hidden_size, config.hidden_size)
        self.value = nn.Linear(config.hidden_size, config.hidden_size)
        self.out = nn.Linear(config.hidden_size, config.hidden_size)

    def heads(self, states):
        return states.view(*states.shape[:2], -1, self.head_dim).transpose(1, 2)

    def forward(self, hidden_states, attention_mask=None, encoder_states=None, past_key_values=None, **kwargs):
        query = self.heads(self.query(hidden_states))
        key, value = self.keys_and_values(hidden_states, encoder_states, past_key_values)
        attention = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention)
        dropout = self.config.dropout if self.training else 0.0
        mixed, weights = attention(
            self, query, key, value, attention_mask, scaling=self.scaling, dropout=dropout, **kwargs
        )
        return self.out(mixed.reshape(hidden_states.shape)), weights

    def keys_and_values(self, hidden_states, encoder_states, past_key_values):
        """Those of the encoder are computed once for a whole generation."""
        source = hidden_states if encoder_states is None else encoder_states
        if past_key_values is None:
            return self.heads(self.key(source)), self.heads(self.value(source))
        if encoder_states is None:
            cache = past_key_values.self_attention_cache
        else:
            cache = past_key_values.cross_attention_cache
            if past_key_values.is_updated.get(self.layer_idx):
                return cache.layers[self.layer_idx].keys, cache.layers[self.layer_idx].values
            past_key_values.is_updated[self.layer_idx] = True
        return cache.update(self.heads(self.key(source)), self.heads(self.value(source)), self.layer_idx)


class MassFeedForward(nn.Module):
    def __init__(self, config: MassConfig):
        super().__init__()
        self.up = nn.Linear(config.hidden_size, config.intermediate_size)
        self.down = nn.Linear(config.intermediate_size, config.hidden_size)
        self.activation = ACT2FN[config.hidden_act]

    def forward(self, hidden_states):
        return self.down(self.activation(self.up(hidden_states)))


class MassEncoderLayer(nn.Module):
    """Attention and feed-forward, each added to what it read and normalised after."""

    def __init__(self, config: MassConfig, layer_idx: int):
        super().__init__()
        self.self_attention = MassAttention(config, layer_idx)
        self.self_attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = MassFeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden_states, attention_mask, **kwargs):
        attended, _ = self.self_attention(hidden_states, attention_mask, **kwargs)
        hidden_states = self.self_attention_norm(hidden_states + self.dropout(attended))
        fed = self.feed_forward(hidden_states)
        return self.feed_forward_norm(hidden_states + self.dropout(fed))


class MassDecoderLayer(nn.Module):
    """The same with attention to the encoder between the two, and no view of later tokens."""

    def __init__(self, config: MassConfig, layer_idx: int):
        super().__init__()
        self.self_attention = MassAttention(config, layer_idx, is_causal=True)
        self.self_attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.cross_attention = MassAttention(config, layer_idx)
        self.cross_attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = MassFeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden_states, attention_mask, encoder_states, encoder_mask, past_key_values=None, **kwargs):
        attended, _ = self.self_attention(hidden_states, attention_mask, past_key_values=past_key_values, **kwargs)
        hidden_states = self.self_attention_norm(hidden_states + self.dropout(attended))
        attended, _ = self.cross_attention(hidden_states, encoder_mask, encoder_states, past_key_values, **kwargs)
        hidden_states = self.cross_attention_norm(hidden_states + self.dropout(attended))
        fed = self.feed_forward(hidden_states)
        return self.feed_forward_norm(hidden_states + self.dropout(fed))


class MassPreTrainedModel(PreTrainedModel):
    config_class = MassConfig
    base_model_prefix = "model"
    _no_split_modules = ["MassEncoderLayer", "MassDecoderLayer"]
    _skip_keys_device_placement = ["past_key_values"]
    _supports_sdpa = True
    _supports_attention_backend = True

    @torch.no_grad()
    def _init_weights(self, module):
        """The usual initialisation of a transformer: kernels by Xavier's rule, embeddings by the hidden size."""
        if isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=self.config.hidden_size**-0.5)
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)


class MassEmbeddings(nn.Module):
    """Tokens and their learned positions."""

    def __init__(self, config: MassConfig):
        super().__init__()
        self.tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.positions = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, inputs_embeds, position_ids):
        return self.dropout(inputs_embeds + self.positions(position_ids))


class MassEncoder(MassPreTrainedModel):
    """Reads the sentence; every token sees every other one."""

    _can_record_outputs = {"hidden_states": MassEncoderLayer, "attentions": MassAttention}

    def __init__(self, config: MassConfig):
        super().__init__(config)
        self.embeddings = MassEmbeddings(config)
        self.layers = nn.ModuleList(MassEncoderLayer(config, index) for index in range(config.encoder_layers))
        self.post_init()

    def get_input_embeddings(self):
        return self.embeddings.tokens

    def set_input_embeddings(self, value):
        self.embeddings.tokens = value

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        **kwargs,
    ) -> BaseModelOutput:
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give exactly one of input_ids and inputs_embeds")
        if inputs_embeds is None:
            inputs_embeds = self.embeddings.tokens(input_ids)
        positions = torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device).unsqueeze(0)
        mask = create_bidirectional_mask(config=self.config, inputs_embeds=inputs_embeds, attention_mask=attention_mask)
        hidden_states = self.embeddings(inputs_embeds, positions)
        for layer in self.layers:
            hidden_states = layer(hidden_states, mask, **kwargs)
        return BaseModelOutput(last_hidden_state=hidden_states)


class MassDecoder(MassPreTrainedModel):
    """Predicts the span token by token, with the encoder's view of the rest."""

    _can_record_outputs = {
        "hidden_states": MassDecoderLayer,
        "attentions": OutputRecorder(MassAttention, index=1, layer_name="self_attention"),
        "cross_attentions": OutputRecorder(MassAttention, index=1, layer_name="cross_attention"),
    }

    def __init__(self, config: MassConfig):
        super().__init__(config)
        self.embeddings = MassEmbeddings(config)
        self.layers = nn.ModuleList(MassDecoderLayer(config, index) for index in range(config.decoder_layers))
        self.post_init()

    def get_input_embeddings(self):
        return self.embeddings.tokens

    def set_input_embeddings(self, value):
        self.embeddings.tokens = value

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        encoder_hidden_states: torch.FloatTensor | None = None,
        encoder_attention_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        use_cache: bool | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPastAndCrossAttentions:
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give exactly one of decoder_input_ids and decoder_inputs_embeds")
        if inputs_embeds is None:
            inputs_embeds = self.embeddings.tokens(input_ids)
        if use_cache and past_key_values is None:
            past_key_values = EncoderDecoderCache(DynamicCache(config=self.config), DynamicCache(config=self.config))
        if position_ids is None:
            seen = past_key_values.get_seq_length() if past_key_values is not None else 0
            position_ids = torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device).unsqueeze(0) + seen
        mask = create_causal_mask(
            config=self.config,
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            past_key_values=past_key_values.self_attention_cache if past_key_values is not None else None,
        )
        encoder_mask = create_bidirectional_mask(
            config=self.config,
            inputs_embeds=inputs_embeds,
            attention_mask=encoder_attention_mask,
            encoder_hidden_states=encoder_hidden_states,
        )
        hidden_states = self.embeddings(inputs_embeds, position_ids)
        for layer in self.layers:
            hidden_states = layer(hidden_states, mask, encoder_hidden_states, encoder_mask, past_key_values, **kwargs)
        return BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=hidden_states, past_key_values=past_key_values
        )


class MassModel(MassPreTrainedModel):
    """The encoder-decoder without a head. Both sides have one embedding of tokens."""

    _tied_weights_keys = {"decoder.embeddings.tokens.weight": "encoder.embeddings.tokens.weight"}

    def __init__(self, config: MassConfig):
        super().__init__(config)
        self.encoder = MassEncoder(config)
        self.decoder = MassDecoder(config)
        self.post_init()

    def get_input_embeddings(self):
        return self.encoder.embeddings.tokens

    def set_input_embeddings(self, value):
        self.encoder.embeddings.tokens = value
        self.decoder.embeddings.tokens = value

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.LongTensor | None = None,
        decoder_attention_mask: torch.Tensor | None = None,
        decoder_position_ids: torch.LongTensor | None = None,
        encoder_outputs: BaseModelOutput | tuple | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        decoder_inputs_embeds: torch.FloatTensor | None = None,
        use_cache: bool | None = None,
        **kwargs,
    ) -> Seq2SeqModelOutput:
        if encoder_outputs is None:
            encoder_outputs = self.encoder(
                input_ids=input_ids, attention_mask=attention_mask, inputs_embeds=inputs_embeds, **kwargs
            )
        elif not isinstance(encoder_outputs, BaseModelOutput):
            encoder_outputs = BaseModelOutput(*encoder_outputs)
        decoded = self.decoder(
            input_ids=decoder_input_ids,
            attention_mask=decoder_attention_mask,
            position_ids=decoder_position_ids,
            encoder_hidden_states=encoder_outputs.last_hidden_state,
            encoder_attention_mask=attention_mask,
            past_key_values=past_key_values,
            inputs_embeds=decoder_inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        return Seq2SeqModelOutput(
            last_hidden_state=decoded.last_hidden_state,
            past_key_values=decoded.past_key_values,
            decoder_hidden_states=decoded.hidden_states,
            decoder_attentions=decoded.attentions,
            cross_attentions=decoded.cross_attentions,
            encoder_last_hidden_state=encoder_outputs.last_hidden_state,
            encoder_hidden_states=encoder_outputs.hidden_states,
            encoder_attentions=encoder_outputs.attentions,
        )


class MassForConditionalGeneration(MassPreTrainedModel, GenerationMixin):
    """The encoder-decoder with its language-model head, whose weights are those of the embedding."""

    _tied_weights_keys = {"lm_head.weight": "model.encoder.embeddings.tokens.weight"}

    def __init__(self, config: MassConfig):
        super().__init__(config)
        self.model = MassModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.LongTensor | None = None,
        decoder_attention_mask: torch.Tensor | None = None,
        decoder_position_ids: torch.LongTensor | None = None,
        encoder_outputs: BaseModelOutput | tuple | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        decoder_inputs_embeds: torch.FloatTensor | None = None,
        labels: torch.LongTensor | None = None,
        use_cache: bool | None = None,
        **kwargs,
    ) -> Seq2SeqLMOutput:
        if labels is not None and decoder_input_ids is None and decoder_inputs_embeds is None:
            shifted = shift_right(labels, self.config.decoder_start_token_id)
            decoder_input_ids = shifted.masked_fill(shifted == IGNORED, self.config.pad_token_id)
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            decoder_input_ids=decoder_input_ids,
            decoder_attention_mask=decoder_attention_mask,
            decoder_position_ids=decoder_position_ids,
            encoder_outputs=encoder_outputs,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            decoder_inputs_embeds=decoder_inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        logits = self.lm_head(outputs.last_hidden_state)
        loss = None
        if labels is not None:
            # The decoder's inputs are shifted already: a logit and its label stand at the same place.
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
        return Seq2SeqLMOutput(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            decoder_hidden_states=outputs.decoder_hidden_states,
            decoder_attentions=outputs.decoder_attentions,
            cross_attentions=outputs.cross_attentions,
            encoder_last_hidden_state=outputs.encoder_last_hidden_state,
            encoder_hidden_states=outputs.encoder_hidden_states,
            encoder_attentions=outputs.encoder_attentions,
        )


__all__ = ["MassForConditionalGeneration", "MassModel", "MassPreTrainedModel", "mask_span"]
