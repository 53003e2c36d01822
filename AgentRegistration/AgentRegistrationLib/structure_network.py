"""The network that finds structures in an image, so that an agent sees them beside the intensities.

Rewards say little about what structures look like; label maps say it voxel by voxel.  What this network has found in the
moving image is warped along with it: then the agent only has to see which way to go.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from DeformationLib.similarity import soft_dice_loss

_CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}
_NORMALISATION = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
_POOLING = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_MODE = {2: "bilinear", 3: "trilinear"}


class StructureNetwork(nn.Module):
    """Convolutions at full, half, quarter, ... resolution and back up, added to what was seen there on the way down.

    Args:
        dimension: 2 or 3.
        structures: L, to be found.
        widths: channels at each resolution, from the full one.
    """

    def __init__(self, dimension: int, structures: int, widths: tuple[int, ...] = (8, 16, 32)) -> None:
        super().__init__()
        self.dimension = dimension
        convolution = _CONVOLUTION[dimension]
        self.down = nn.ModuleList(
            nn.Sequential(_layer(dimension, before, width), _layer(dimension, width, width))
            for before, width in zip((1, *widths), widths, strict=False)
        )
        self.pool = _POOLING[dimension](2)
        self.narrow = nn.ModuleList(
            convolution(below, width, 1) for width, below in zip(widths, widths[1:], strict=False)
        )
        self.up = nn.ModuleList(_layer(dimension, width, width) for width in widths[:-1])
        self.last = convolution(widths[0], structures, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(batch, L, *size)`` of images ``(batch, 1, *size)`` in [0, 1]."""
        seen, features = [], images
        for level, layers in enumerate(self.down):
            features = layers(self.pool(features) if level else features)
            seen.append(features)
        for level in reversed(range(len(self.up))):
            size = seen[level].shape[2:]
            coarse = F.interpolate(
                self.narrow[level](features), size=size, mode=_MODE[self.dimension], align_corners=False
            )
            features = self.up[level](seen[level] + coarse)
        return self.last(features)


def structure_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy and `similarity.soft_dice_loss` of the structures that were found; scalar.

    Args:
        logits: ``(batch, L, *size)``.
        labels: ``(batch, L, *size)`` indicators in [0, 1].
    """
    logits = logits.float()
    return F.binary_cross_entropy_with_logits(logits, labels) + soft_dice_loss(labels, torch.sigmoid(logits))


def _layer(dimension: int, before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        _CONVOLUTION[dimension](before, after, 3, padding=1, padding_mode="replicate", bias=False),
        _NORMALISATION[dimension](after, affine=True),
        nn.ReLU(inplace=True),
    )
