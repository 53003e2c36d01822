"""The survival autoencoder: fingerprint to code, code to fingerprint, code to risk (Krebs figure 6.1 B)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class MemberLinear(nn.Module):
    """One dense layer for each of M networks that are trained side by side: ``(M, n, inputs)`` to ``(M, n, outputs)``.

    The members share nothing but the call: a small network spends its time in calls, not in arithmetic.
    """

    def __init__(self, members: int, inputs: int, outputs: int, generator: torch.Generator | None = None):
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter((2 * torch.rand(members, inputs, outputs, generator=generator) - 1) * bound)
        self.bias = nn.Parameter((2 * torch.rand(members, 1, outputs, generator=generator) - 1) * bound)

    def forward(self, values: Tensor) -> Tensor:
        """Apply each member's layer to its own values."""
        return torch.baddbmm(self.bias, values, self.weight)


class SurvivalNetwork(nn.Module):
    """M survival autoencoders: dropout, dense layers to a code, mirrored back, and one unit with tanh for the risk.

    Args:
        size: values of a fingerprint, D * T.
        widths: of the encoder's layers, the last one the code; thesis: 180, 10.
        dropout: share of the inputs that training leaves out.
        members: M.
        generator: of the initial weights.
    """

    def __init__(
        self,
        size: int,
        widths: Sequence[int] = (180, 10),
        dropout: float = 0.3,
        members: int = 1,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        self.members, self.dropout = members, dropout
        outwards = [size, *widths]
        inwards = outwards[::-1]
        self.encoder = _layers(members, outwards, generator)
        self.decoder = _layers(members, inwards, generator)
        self.head = MemberLinear(members, outwards[-1], 1, generator)

    def encode(self, fingerprints: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """e(z), the code, ``(M, n, code)``; in training mode with dropout, drawn from ``generator``."""
        values = fingerprints
        if self.training and self.dropout:
            kept = torch.rand(values.shape, generator=generator, device=values.device) >= self.dropout
            values = values * kept / (1 - self.dropout)
        for layer in self.encoder:
            values = layer(values).relu()
        return values

    def decode(self, codes: Tensor) -> Tensor:
        """d(e(z)), the reconstructed fingerprint, ``(M, n, size)``."""
        for layer in self.decoder[:-1]:
            codes = layer(codes).relu()
        return self.decoder[-1](codes)

    def log_hazard(self, codes: Tensor) -> Tensor:
        """r(e(z)), the risk score in -1..1, ``(M, n)``."""
        return self.head(codes).squeeze(-1).tanh()

    def forward(self, fingerprints: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Risk scores ``(M, n)`` and reconstructions of fingerprints ``(M, n, size)``."""
        codes = self.encode(fingerprints, generator)
        return self.log_hazard(codes), self.decode(codes)


def _layers(members: int, sizes: Sequence[int], generator: torch.Generator | None) -> nn.ModuleList:
    return nn.ModuleList(
        MemberLinear(members, inputs, outputs, generator) for inputs, outputs in zip(sizes[:-1], sizes[1:])
    )
