"""The network that tells an agent what each action is worth: two streams, one for each image (Krebs 3.2.1 and 3.3)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from DeformationLib.errors import InputError

from .coarsening import averaged
from .structure_network import StructureNetwork

_CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}
_NORMALISATION = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_POOLING = {2: nn.MaxPool2d, 3: nn.MaxPool3d}


@dataclass(frozen=True)
class AgentNetworkConfiguration:
    """Shape of the network.

    Attributes:
        size: of the grid, (k, j, i) or (j, i).
        actions: two per parameter.
        widths: channels of each stream's convolutions; all but the last are followed by max-pooling.
        dense: units of the fully connected layers before the last.
        stride: of the first convolution: 2 makes it eight times cheaper in 3-D.
        dropout: share of the streams' features that are left out in training.
        members: networks whose Q-values are averaged.
        joint: whether the moving image's stream sees the fixed image beside it. Where two images differ, and which way, is
            a local matter; streams that meet in the dense layers alone (the thesis's) have to learn it place by place.
        structures: that are found in either image and seen beside the intensities, see `StructureNetwork`; 0 for none.
        structure_widths: channels of the network that finds them.
        structure_fine: it looks at images on a grid so many times finer, once before a walk: the edge of a small structure
            is lost on the grid on which an agent walks.
    """

    size: tuple[int, ...]
    actions: int
    widths: tuple[int, ...] = (32, 64, 64)
    dense: tuple[int, ...] = (128, 128, 64)
    stride: int = 2
    dropout: float = 0.0
    members: int = 1
    joint: bool = False
    structures: int = 0
    structure_widths: tuple[int, ...] = (8, 16, 32)
    structure_fine: int = 1

    def __post_init__(self) -> None:
        if len(self.size) not in (2, 3):
            raise InputError(f"An agent sees slices or volumes, not {len(self.size)} dimensions.")
        counts = (self.actions, self.stride, self.members, self.structure_fine, *self.widths, *self.dense)
        if min(counts, default=0) < 1:
            raise InputError("The numbers of actions, channels, units and networks must be positive.")
        if min(self.coarse_size) < 1:
            raise InputError(
                f"A grid of {self.size} is too small for {len(self.widths)} convolutions: choose a finer spacing."
            )

    @property
    def coarse_size(self) -> tuple[int, ...]:
        """Size of a stream's last feature maps."""
        size = [(length + self.stride - 1) // self.stride for length in self.size]
        return tuple(length // 2 ** (len(self.widths) - 1) for length in size)

    @property
    def features(self) -> int:
        """Numbers that each stream makes of an image."""
        return self.widths[-1] * math.prod(self.coarse_size)

    @property
    def channels(self) -> int:
        """What the streams see of an image: intensities and structures."""
        return 1 + self.structures


class ImageStream(nn.Sequential):
    """Convolutions with batch normalisation and ReLU, max-pooling between them; gives ``(batch, features)``."""

    def __init__(self, configuration: AgentNetworkConfiguration, channels: int) -> None:
        dimension = len(configuration.size)
        layers: list[nn.Module] = []
        for level, width in enumerate(configuration.widths):
            if level:
                layers.append(_POOLING[dimension](2))
            stride = configuration.stride if level == 0 else 1
            convolution = _CONVOLUTION[dimension](channels, width, 3, stride, 1, padding_mode="replicate", bias=False)
            layers += [convolution, _NORMALISATION[dimension](width), nn.ReLU()]
            channels = width
        super().__init__(*layers, nn.Flatten(), nn.Dropout(configuration.dropout))


class DualStreamNetwork(nn.Module):
    """Q-values of all actions from the fixed image and the moving image warped so far."""

    def __init__(self, configuration: AgentNetworkConfiguration) -> None:
        super().__init__()
        self.size, self.features, self.joint = configuration.size, configuration.features, configuration.joint
        self.channels = configuration.channels
        self.fixed = ImageStream(configuration, self.channels)
        self.moving = ImageStream(configuration, self.channels * (1 + configuration.joint))
        layers: list[nn.Module] = []
        units = 2 * configuration.features
        for width in configuration.dense:
            layers += [nn.Linear(units, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
            units = width
        self.head = nn.Sequential(*layers, nn.Linear(units, configuration.actions))

    def encode_fixed(self, fixed: Tensor) -> Tensor:
        """What every state needs of fixed images ``(batch, channels, *size)``: their features and, if joint, their voxels."""
        features = self.fixed(fixed)
        return torch.cat([features, fixed.flatten(1).to(features)], dim=1) if self.joint else features

    def streams(self, encoded: Tensor, moving: Tensor) -> tuple[Tensor, Tensor]:
        """Features ``(batch, features)`` of either stream; arguments as of `forward`."""
        features = encoded[:, : self.features]
        if self.joint:
            fixed = encoded[:, self.features :].view(-1, self.channels, *self.size)
            moving = torch.cat([fixed.to(moving), moving], dim=1)
        return features, self.moving(moving)

    def forward(self, encoded: Tensor, moving: Tensor) -> Tensor:
        """Q-values ``(batch, actions)`` from `encode_fixed` and from moving images ``(batch, channels, *size)``."""
        return self.head(torch.cat(self.streams(encoded, moving), dim=1))


class AgentNetwork(nn.Module):
    """One dual-stream network, or the mean of several (an ensemble).

    Args:
        configuration: of each member.
        scale: of the rewards, the mean step: members predict rewards in units of it.
    """

    def __init__(self, configuration: AgentNetworkConfiguration, scale: float = 1.0) -> None:
        super().__init__()
        self.configuration = configuration
        self.members = nn.ModuleList(DualStreamNetwork(configuration) for _ in range(configuration.members))
        self.finder = (
            StructureNetwork(len(configuration.size), configuration.structures, configuration.structure_widths)
            if configuration.structures
            else None
        )
        self.register_buffer("scale", torch.tensor(float(scale)))

    def find(self, images: Tensor) -> Tensor:
        """Probabilities ``(batch, L, *size)`` of structures in images ``(batch, 1, *finer)`` in [0, 1] on the finder's grid."""
        return averaged(torch.sigmoid(self.finder(images)), self.configuration.structure_fine)

    def see(self, images: Tensor, found: Tensor | None = None) -> Tensor:
        """What the streams see of images, ``(batch, channels, *size)``.

        Args:
            images: ``(batch, 1, *size)`` in [0, 1].
            found: structures in them, from `find`; None for those that are found in ``images`` themselves.

        Raises:
            ValueError: where the structures must be found on another grid.
        """
        if self.finder is None:
            return images
        if found is None:
            if self.configuration.structure_fine != 1:
                raise ValueError(f"Structures are found on a grid {self.configuration.structure_fine} times finer.")
            found = self.find(images)
        return torch.cat([images, found.to(images)], dim=1)

    def encode_fixed(self, fixed: Tensor) -> Tensor:
        """What all steps of a walk need of the fixed images, from `see`: ``(batch, members, numbers)``."""
        return torch.stack([member.encode_fixed(fixed) for member in self.members], dim=1)

    def member_values(self, encoded: Tensor, moving: Tensor) -> Tensor:
        """What each member predicts, ``(batch, members, actions)``, in units of the scale."""
        return torch.stack([member(encoded[:, n], moving) for n, member in enumerate(self.members)], dim=1)

    def forward(self, encoded: Tensor, moving: Tensor) -> Tensor:
        """Q-values ``(batch, actions)`` in the rewards' units, from `encode_fixed` and moving images, from `see`, warped."""
        return self.scale * self.member_values(encoded, moving).mean(dim=1)
