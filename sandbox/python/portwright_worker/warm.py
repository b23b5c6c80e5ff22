"""One small export in the fork server, so that no job pays for what PyTorch and ONNX do once in a process.

The first export of a process fills tables of decompositions and translations and the caches of symbolic arithmetic. A job
that is forked after one finds them filled: it takes a sixth less CPU. What is exported is a module of this file, with a free
axis, since half of what is filled belongs to those.
"""

from __future__ import annotations

import contextlib
import io
import sys
import warnings

import torch
from torch import nn

SIZE = 8


class Block(nn.Module):
    """The operations that most models are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(SIZE, SIZE)
        self.norm = nn.LayerNorm(SIZE)
        self.inner = nn.Linear(SIZE, SIZE)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        batch, length = ids.shape
        hidden = self.norm(self.embedding(ids))
        heads = self.inner(hidden).view(batch, length, 2, SIZE // 2).transpose(1, 2)
        first, second = heads[..., : SIZE // 4], heads[..., SIZE // 4 :]
        angles = torch.arange(length, device=ids.device)[None, :, None].float() @ torch.ones(1, SIZE // 2)
        heads = heads * angles.cos()[:, None] + torch.cat((-second, first), dim=-1) * angles.sin()[:, None]
        places = torch.arange(length, device=ids.device)
        seen = (places[None, :] <= places[:, None]) & mask[:, None, None, :].bool()
        scores = heads @ heads.transpose(-1, -2)
        scores = scores.masked_fill(~seen, torch.finfo(scores.dtype).min)
        weighed = torch.softmax(scores, dim=-1, dtype=torch.float32) @ heads
        joined = weighed.transpose(1, 2).reshape(batch, length, SIZE)
        return nn.functional.gelu(joined) * nn.functional.silu(joined).expand(batch, length, SIZE).contiguous() + hidden * torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + 1e-6)


def _export(ids: torch.Tensor) -> None:
    """Through the library's own exporter, as most jobs do."""
    from transformers import PreTrainedConfig, PreTrainedModel
    from transformers.exporters.exporter_onnx import OnnxConfig, OnnxExporter

    class Model(PreTrainedModel):
        config_class = PreTrainedConfig

        def __init__(self, config: PreTrainedConfig) -> None:
            super().__init__(config)
            self.block = Block()
            self.post_init()

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            from transformers.masking_utils import create_causal_mask

            hidden = self.block.embedding(ids)
            full = create_causal_mask(config=self.config, inputs_embeds=hidden, attention_mask=mask, past_key_values=None)
            return self.block(ids, mask) + full.sum()

    config = PreTrainedConfig()
    config._attn_implementation = "eager"
    model = Model(config).eval()
    OnnxExporter().export(model, {"ids": ids, "mask": ids}, config=OnnxConfig(dynamic=True))


def up() -> None:
    """Exports once, and says on the log where that cannot be done: jobs are then slower, and nothing else."""
    try:
        import tqdm

        # Its monitor is a thread, and a fork copies one.
        tqdm.tqdm.monitor_interval = 0
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        ids = torch.ones(2, 4, dtype=torch.long)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")
            _export(ids)
        torch.set_num_threads(threads)
    except Exception as error:  # noqa: BLE001 - whatever fails here, jobs do without
        print(f"portwright: no export was made beforehand: {error}", file=sys.stderr, flush=True)
