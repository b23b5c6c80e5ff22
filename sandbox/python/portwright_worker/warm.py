"""One small export in the fork server, so that no job pays for what PyTorch and ONNX do once in a process.

The first export of a process fills tables of decompositions and translations and the caches of symbolic arithmetic. A
job that is forked after one finds them filled, and takes about a tenth less CPU. What is exported is a model of this
file, with free axes, since half of what is filled belongs to those. The registry of the operators that ONNX has is made
anew for each export, the same every time, and is another tenth: it is made here, and each export is given its own copy.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import sys
import warnings
from typing import Any

import torch
from torch import nn
from torch.nn import functional

SIZE = 8


def up() -> None:
    """Exports once, and says on the log where that cannot be done: jobs are then slower, and nothing else."""
    try:
        import tqdm

        # Its monitor is a thread, and a fork copies one.
        tqdm.tqdm.monitor_interval = 0
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")
            _keep_registries()
            _export()
        torch.set_num_threads(threads)
    except Exception as error:  # noqa: BLE001 - whatever fails here, jobs do without
        print(f"portwright: no export was made beforehand: {error}", file=sys.stderr, flush=True)


def _keep_registries() -> None:
    """Makes the registry of an opset once; what one export adds to its own is in no other's."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    made = functools.cache(ONNXRegistry.from_torchlib)

    def copied(*args: Any, **kwargs: Any) -> Any:
        registry = copy.copy(made(*args, **kwargs))
        registry.functions = {target: list(known) for target, known in registry.functions.items()}
        return registry

    # It is asked of the class and of an object of it alike.
    ONNXRegistry.from_torchlib = staticmethod(copied)


def _export() -> None:
    """Through the library's own exporter, as most jobs do."""
    from transformers import PreTrainedConfig, PreTrainedModel
    from transformers.exporters.exporter_onnx import OnnxConfig, OnnxExporter
    from transformers.masking_utils import create_causal_mask

    from .shared.decomposed import decomposed

    class Model(PreTrainedModel):
        """The operations that most models are made of."""

        config_class = PreTrainedConfig

        def __init__(self, config: PreTrainedConfig) -> None:
            super().__init__(config)
            self.embedding = nn.Embedding(SIZE, SIZE)
            self.norm = nn.LayerNorm(SIZE)
            self.inner = nn.Linear(SIZE, SIZE)
            self.post_init()

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            batch, length = ids.shape
            hidden = self.norm(self.embedding(ids))
            heads = self.inner(hidden).view(batch, length, 2, SIZE // 2).transpose(1, 2)
            heads = _rotated(heads, torch.arange(length, device=ids.device))
            scores = heads @ heads.transpose(-1, -2)
            scores = scores.masked_fill(~mask[:, None, None, :].bool(), torch.finfo(scores.dtype).min)
            causal = create_causal_mask(self.config, hidden, mask, past_key_values=None)
            weights = torch.softmax(scores + causal, dim=-1, dtype=torch.float32)
            joined = (weights @ heads).transpose(1, 2).reshape(batch, length, SIZE)
            scale = torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + 1e-6)
            return functional.gelu(joined) * functional.silu(joined).expand(batch, length, SIZE) + hidden * scale

    config = PreTrainedConfig()
    config._attn_implementation = "eager"
    ids = torch.ones(2, 4, dtype=torch.long)
    with decomposed():
        OnnxExporter().export(Model(config).eval(), {"ids": ids, "mask": ids}, config=OnnxConfig(dynamic=True))


def _rotated(heads: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    first, second = heads[..., : SIZE // 4], heads[..., SIZE // 4 :]
    angles = places[None, :, None].float() @ torch.ones(1, SIZE // 2)
    return heads * angles.cos()[:, None] + torch.cat((-second, first), dim=-1) * angles.sin()[:, None]
