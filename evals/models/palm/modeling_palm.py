# SPDX-License-Identifier: MIT OR Apache-2.0
"""A PaLM-style decoder: parallel attention and SwiGLU blocks, multi-query attention, rotary positions.

The architecture is that of "PaLM: Scaling Language Modeling with Pathways" (Chowdhery et al., 2022), section 2. The
code was written from the paper's description for Transformers 5.
"""

import torch
from torch import nn
from transformers import Cache, DynamicCache, GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.utils import can_return_tuple
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .configuration_palm import PalmConfig


def rotary_angles(position_ids: torch.Tensor, head_dim: int, theta: float) -> torch.Tensor:
    """The angle by which each pair of a head's elements is turned, `[batch, 1, sequence, head_dim / 2]`."""
    exponents = torch.arange(0, head_dim, 2, device=position_ids.device, dtype=torch.float32) / head_dim
    return (position_ids[..., None].float() * theta**-exponents).unsqueeze(1)


def rotate(states: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Turns the pairs `(i, i + head_dim / 2)` of every head, so that dot products depend on relative positions only."""
    cos, sin = angles.cos().to(states.dtype), angles.sin().to(states.dtype)
    first, second = states.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def eager_attention(module, query, key, value, attention_mask, scaling, dropout=0.0, **kwargs):
    """Plain attention; the one key/value head is broadcast over the query heads."""
    scores = query @ key.transpose(-1, -2) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype)
    return (weights @ value).transpose(1, 2), weights


class PalmAttention(nn.Module):
    """Multi-query attention: a query per head, one key and one value for all of them."""

    def __init__(self, config: PalmConfig, layer_idx: int):
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.head_dim = config.head_dim
        self.scaling = config.head_dim**-0.5
        self.is_causal = True
        # Read by the library's attention functions, which repeat the key/value head where they need to.
        self.num_key_value_groups = config.num_attention_heads
        inner = config.num_attention_heads * config.head_dim
        self.query = nn.Linear(config.hidden_size, inner, bias=False)
        self.key = nn.Linear(config.hidden_size, config.head_dim, bias=False)
        self.value = nn.Linear(config.hidden_size, config.head_dim, bias=False)
        self.out = nn.Linear(inner, config.hidden_size, bias=False)

    def forward(self, hidden_states, attention_mask, angles, past_key_values=None, **kwargs):
        batch, length, _ = hidden_states.shape
        query = self.query(hidden_states).view(batch, length, -1, self.head_dim).transpose(1, 2)
        query = rotate(query, angles)
        key = rotate(self.key(hidden_states).unsqueeze(1), angles)
        value = self.value(hidden_states).unsqueeze(1)
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)
        attention = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention)
        mixed, weights = attention(self, query, key, value, attention_mask, scaling=self.scaling, dropout=0.0, **kwargs)
        return self.out(mixed.reshape(batch, length, -1)), weights


class PalmFeedForward(nn.Module):
    """SwiGLU: a gate through Swish times a linear projection, then back to the hidden size."""

    def __init__(self, config: PalmConfig):
        super().__init__()
        self.gate = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)
        self.activation = ACT2FN[config.hidden_act]

    def forward(self, hidden_states):
        return self.down(self.activation(self.gate(hidden_states)) * self.up(hidden_states))


class PalmBlock(nn.Module):
    """`y = x + attention(norm(x)) + feed_forward(norm(x))`: both halves read the same normalised input."""

    def __init__(self, config: PalmConfig, layer_idx: int):
        super().__init__()
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps, bias=False)
        self.attention = PalmAttention(config, layer_idx)
        self.feed_forward = PalmFeedForward(config)

    def forward(self, hidden_states, attention_mask, angles, past_key_values=None, **kwargs):
        normed = self.norm(hidden_states)
        attended, _ = self.attention(normed, attention_mask, angles, past_key_values, **kwargs)
        return hidden_states + attended + self.feed_forward(normed)


class PalmPreTrainedModel(PreTrainedModel):
    config_class = PalmConfig
    base_model_prefix = "model"
    _no_split_modules = ["PalmBlock"]
    _skip_keys_device_placement = ["past_key_values"]
    _supports_sdpa = True
    _supports_attention_backend = True
    _can_record_outputs = {"hidden_states": PalmBlock, "attentions": PalmAttention}

    @torch.no_grad()
    def _init_weights(self, module):
        """The paper's initialisation: kernels by their fan-in, embeddings from N(0, 1)."""
        if isinstance(module, nn.Linear):
            init.normal_(module.weight, std=module.in_features**-0.5)
        elif isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=1.0)
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)


class PalmModel(PalmPreTrainedModel):
    """The decoder without a head."""

    def __init__(self, config: PalmConfig):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(PalmBlock(config, index) for index in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps, bias=False)
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        use_cache: bool | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPast:
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give exactly one of input_ids and inputs_embeds")
        if inputs_embeds is None:
            inputs_embeds = self.embed_tokens(input_ids)
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        if position_ids is None:
            seen = past_key_values.get_seq_length() if past_key_values is not None else 0
            position_ids = torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device).unsqueeze(0) + seen
        mask = create_causal_mask(
            config=self.config,
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            position_ids=position_ids,
        )
        angles = rotary_angles(position_ids, self.config.head_dim, self.config.rope_theta)
        hidden_states = inputs_embeds
        for layer in self.layers:
            hidden_states = layer(hidden_states, mask, angles, past_key_values, **kwargs)
        return BaseModelOutputWithPast(last_hidden_state=self.norm(hidden_states), past_key_values=past_key_values)


class PalmForCausalLM(PalmPreTrainedModel, GenerationMixin):
    """The decoder with its language-model head, whose weights are those of the input embedding."""

    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}

    def __init__(self, config: PalmConfig):
        super().__init__(config)
        self.model = PalmModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        labels: torch.LongTensor | None = None,
        use_cache: bool | None = None,
        **kwargs,
    ) -> CausalLMOutputWithPast:
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        # The embedding is drawn from N(0, 1) and shared with the head, so the paper scales the logits back down.
        logits = self.lm_head(outputs.last_hidden_state) * self.config.hidden_size**-0.5
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs)
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )


__all__ = ["PalmForCausalLM", "PalmModel", "PalmPreTrainedModel"]
