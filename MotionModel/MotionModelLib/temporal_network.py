"""The network along time: features of single frames in, features that know the whole sequence out (Krebs figure 5.3a)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DILATIONS = (1, 2, 4, 8)
KERNEL = 3


class TemporalNetwork(nn.Module):
    """Non-causal temporal convolutional network: four dilated convolutions with skip connections, zeros beyond the ends.

    Args:
        inputs: channels in.
        width: channels inside and out.

    >>> TemporalNetwork(10, 64)(torch.zeros(1, 10, 34)).shape
    torch.Size([1, 64, 34])
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.entry = nn.Conv1d(inputs, width, 1)
        self.layers = nn.ModuleList(
            nn.Conv1d(width, width, KERNEL, padding=dilation, dilation=dilation) for dilation in DILATIONS
        )
        self.mixing = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in DILATIONS)

    def forward(self, features: Tensor) -> Tensor:
        """Features ``(batch, inputs, T)`` of any length to ``(batch, width, T)``."""
        # A few thousand numbers: half precision would save nothing.
        with torch.autocast(features.device.type, enabled=False):
            maps = self.entry(features.to(self.entry.weight.dtype))
            for layer, mix in zip(self.layers, self.mixing, strict=True):
                maps = maps + mix(F.leaky_relu(layer(F.leaky_relu(maps, 0.1)), 0.1))
            return maps


def receptive_field() -> int:
    """How many slots one output slot sees, itself included."""
    return 1 + (KERNEL - 1) * sum(DILATIONS)
