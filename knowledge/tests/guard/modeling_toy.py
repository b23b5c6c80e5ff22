"""The modelling code whose functions the patches of the tests stand in for."""

import math

import torch
from torch import nn

from ...activations import ACT2FN


def rotate_half(x):
    """Rotates half of the last axis."""
    half = x.shape[-1] // 2
    return torch.cat((-x[..., half:], x[..., :half]), dim=-1)


class ToyAttention(nn.Module):
    """Attention in overlapping chunks."""

    def __init__(self, config):
        super().__init__()
        self.scaling = 1 / math.sqrt(config.head_size)
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = ACT2FN[config.hidden_act]

    def _scores(self, hidden_states):
        return self.query(hidden_states) * self.scaling

    def _mask_(self, scores, width):
        scores[:, :width] = -math.inf

    @staticmethod
    def _chunk(hidden_states, window, overlap: bool = True):
        size = torch.div(hidden_states.shape[1], window, rounding_mode="trunc")
        return hidden_states.view(hidden_states.shape[0], size, window, -1)

    def forward(self, hidden_states, attention_mask=None):
        scores = self._scores(hidden_states)
        if attention_mask is not None:
            scores = scores + attention_mask
        return scores.softmax(dim=-1), None
