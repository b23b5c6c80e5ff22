# SPDX-License-Identifier: MIT OR Apache-2.0
"""The configuration of a MASS encoder-decoder."""

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class MassConfig(PreTrainedConfig):
    """Sizes of a MASS encoder-decoder; the defaults are those that the paper gives.

    The decoder starts with the mask: the token before a span was read by the encoder, so the decoder does not see it.
    """

    model_type = "mass"
    keys_to_ignore_at_inference = ["past_key_values"]
    attribute_map = {"num_hidden_layers": "encoder_layers"}

    vocab_size: int = 60000
    hidden_size: int = 1024
    intermediate_size: int = 4096
    encoder_layers: int = 6
    decoder_layers: int = 6
    num_attention_heads: int = 8
    hidden_act: str = "gelu"
    dropout: float | int = 0.1
    max_position_embeddings: int = 512
    layer_norm_eps: float = 1e-5
    use_cache: bool = True
    is_encoder_decoder: bool | None = True
    tie_word_embeddings: bool = True
    bos_token_id: int | None = 0
    eos_token_id: int | list[int] | None = 1
    pad_token_id: int | None = 2
    mask_token_id: int = 5
    decoder_start_token_id: int | None = 5

    def validate_architecture(self):
        """Refuses what `strict` cannot see field by field: the heads share the hidden size evenly."""
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size must be a multiple of num_attention_heads, not {self.hidden_size} for "
                f"{self.num_attention_heads} heads"
            )


__all__ = ["MassConfig"]
