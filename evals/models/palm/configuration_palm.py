# SPDX-License-Identifier: MIT OR Apache-2.0
"""The configuration of a PaLM-style decoder."""

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class PalmConfig(PreTrainedConfig):
    """Sizes of a PaLM-style decoder; the defaults are those that the paper gives for its 8B model.

    There is no number of key/value heads: multi-query attention means that there is one. `head_dim` is a field of its
    own because the paper's larger models do not divide the hidden size evenly among their heads.
    """

    model_type = "palm"
    keys_to_ignore_at_inference = ["past_key_values"]

    vocab_size: int = 256000
    hidden_size: int = 4096
    intermediate_size: int = 16384
    num_hidden_layers: int = 32
    num_attention_heads: int = 16
    head_dim: int = 256
    hidden_act: str = "silu"
    max_position_embeddings: int = 2048
    rope_theta: float = 10000.0
    layer_norm_eps: float = 1e-5
    use_cache: bool = True
    tie_word_embeddings: bool = True
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2

    def validate_architecture(self):
        """Refuses what `strict` cannot see field by field: a rotary embedding turns pairs of elements."""
        if self.head_dim % 2:
            raise ValueError(f"head_dim must be even for the rotary embedding, not {self.head_dim}")


__all__ = ["PalmConfig"]
