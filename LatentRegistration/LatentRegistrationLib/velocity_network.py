"""The probabilistic multi-scale network (Krebs chapter 4): a conditional variational autoencoder of velocity fields.

An encoder looks at both images and gives mean and log-variance of a code ``z``.  A decoder, which sees the moving image
again at every scale, turns a code into a stationary velocity field per scale; ``exp(v)`` is the deformation and
``exp(-v)`` its exact inverse.  Everything that depends on millimetres (smoothing, largest velocity, which axes are halved
from level to level) is read from the grid's spacing, so that thick slices and cubic voxels take the same code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from DeformationLib.errors import InputError
from DeformationLib.fields import resize_field
from DeformationLib.filters import gaussian_filter
from DeformationLib.pair_grid import level_strides

_CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_POOL = {2: F.avg_pool2d, 3: F.avg_pool3d}

_INITIAL_LOG_VARIANCE = -4.0

_THICK = 3.0
"""Slices so many times thicker than the pixels count as thick."""


@dataclass(frozen=True)
class VelocityNetworkConfiguration:
    """What defines the network besides its weights.

    Attributes:
        size: of the grid, k, j, i or j, i.
        spacing: of the grid, mm, along the same axes.
        widths: maps of the encoder's strided levels, and of the decoder's in reverse; as many halvings of the grid.
        code_maps: maps of the last convolution before the dense layers.
        latent: dimension d of the code.
        scales: velocity fields, at the full grid and at 1/2, 1/4, ... of it; at most as many as there are levels.
        finest: leaves out so many of the fine ones for good; what is decoded is then brought to the full grid.
        smoothing: standard deviation of the Gaussian on every velocity field, mm (sigma_G).
        largest_velocity: bound of each component before smoothing, mm, in what each scale adds.
        through_plane: the same of the component across slices that are far thicker than their pixels.  Shifts of less
            than a slice cannot be seen, and what a network makes of them does harm: the heart's overlap falls.
        squarings: of the exponential (N).
        context: maps of features of the moving image, per level from fine to coarse, that the decoder sees beside the
            image itself; empty for the image alone, as in the thesis.
    """

    size: tuple[int, ...] = (32, 128, 128)
    spacing: tuple[float, ...] = (3.15, 1.5, 1.5)
    widths: tuple[int, ...] = (16, 32, 32)
    code_maps: int = 4
    latent: int = 32
    scales: int = 3
    finest: int = 0
    smoothing: float = 3.0
    largest_velocity: float = 20.0
    through_plane: float = 20.0
    squarings: int = 4
    context: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.size) not in (2, 3) or len(self.spacing) != len(self.size):
            raise InputError(
                f"A network needs two or three lengths and as many spacings, not {self.size}, {self.spacing}."
            )
        if not 1 <= self.scales <= len(self.widths):
            raise InputError(
                f"A network of {len(self.widths)} levels has 1 to {len(self.widths)} scales, not {self.scales}: "
                "give more widths for more scales."
            )
        if not 0 <= self.finest < self.scales:
            raise InputError(f"Of {self.scales} scales at most {self.scales - 1} can be left out, not {self.finest}.")
        if self.latent < 1 or min(self.widths) < 1 or self.code_maps < 1:
            raise InputError("A network needs at least one map on each level and one latent dimension.")
        if len(self.context) not in (0, len(self.widths)):
            raise InputError(f"The context needs as many widths as the network, {len(self.widths)}, or none.")
        for axis, length in enumerate(self.size):
            factor = self.sizes_divisor[axis]
            if length % factor:
                raise InputError(
                    f"The length {length} of the network grid {self.size} is not a multiple of {factor}, as "
                    f"{len(self.widths)} levels need: choose other lengths or fewer levels."
                )

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return len(self.size)

    @property
    def strides(self) -> list[tuple[int, ...]]:
        """By how much each level halves each axis: thick slices wait until the other axes are as coarse."""
        return level_strides(self.size, self.spacing, len(self.widths))

    @property
    def sizes_divisor(self) -> list[int]:
        """What the grid's lengths must be multiples of."""
        return np.prod(self.strides, axis=0).tolist()

    def level(self, number: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Size and spacing of the grid after ``number`` halvings."""
        size, spacing = list(self.size), list(self.spacing)
        for stride in self.strides[:number]:
            size = [length // factor for length, factor in zip(size, stride, strict=True)]
            spacing = [step * factor for step, factor in zip(spacing, stride, strict=True)]
        return tuple(size), tuple(spacing)

    def kernel(self, number: int) -> tuple[int, ...]:
        """Kernel of convolutions on a level: slices far thicker than the pixels are not mixed yet."""
        size, spacing = self.level(number)
        return tuple(
            3 if step < _THICK * min(spacing) and length > 1 else 1 for step, length in zip(spacing, size, strict=True)
        )

    @property
    def bounds(self) -> tuple[float, ...]:
        """Largest velocity along each axis, mm."""
        thick = _THICK * min(self.spacing)
        return tuple(self.through_plane if step >= thick else self.largest_velocity for step in self.spacing)


def configuration_of(values: Mapping[str, Any]) -> VelocityNetworkConfiguration:
    """A network configuration from a card, where tuples are lists."""
    return VelocityNetworkConfiguration(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    )


class VelocityNetwork(nn.Module):
    """Encoder and decoder; see the module's docstring."""

    def __init__(self, configuration: VelocityNetworkConfiguration | None = None) -> None:
        super().__init__()
        self.configuration = configuration or VelocityNetworkConfiguration()
        self.encoder = Encoder(self.configuration)
        self.decoder = VelocityDecoder(self.configuration)

    def encode(self, fixed: Tensor, moving: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the code of pairs, each ``(batch, latent)``.

        Args:
            fixed, moving: ``(batch, 1, *size)`` normalised to [0, 1].
        """
        return self.encoder(fixed, moving)

    def decode(self, code: Tensor, moving: Tensor, finest: int = 0) -> list[Tensor]:
        """Smoothed velocities ``(batch, D, *grid of the scale)`` in voxels of their grid, from fine to coarse.

        Args:
            code: ``(batch, latent)``.
            moving: ``(batch, 1, *size)``.
            finest: leave out so many of the fine scales (faster, for the first part of a training).
        """
        return self.decoder(code, pyramid(moving, self.configuration), finest)

    def forward(self, fixed: Tensor, moving: Tensor) -> list[Tensor]:
        """Velocities of the mean code, as `decode` gives them."""
        return self.decode(self.encode(fixed, moving)[0], moving)


def sample_code(mean: Tensor, log_variance: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """A code drawn from the encoder's distribution, ``mu + sigma * epsilon`` (the reparametrisation of eq. 4.9)."""
    noise = torch.randn(mean.shape, generator=generator).to(mean)
    return mean + (0.5 * log_variance).exp() * noise


def pyramid(image: Tensor, configuration: VelocityNetworkConfiguration, levels: int | None = None) -> list[Tensor]:
    """The image on the grid and after each halving, from fine to coarse (linear down-sampling)."""
    images = [image]
    for stride in configuration.strides[:levels]:
        images.append(_POOL[configuration.dimension](images[-1], stride))
    return images


class Encoder(nn.Module):
    """Strided convolutions over both images, then dense layers to mean and log-variance."""

    def __init__(self, configuration: VelocityNetworkConfiguration) -> None:
        super().__init__()
        dimension, widths = configuration.dimension, configuration.widths
        blocks, inputs = [], 2
        for level, (width, stride) in enumerate(zip(widths, configuration.strides, strict=True)):
            blocks += [
                _convolution(dimension, inputs, width, configuration.kernel(level), stride),
                _activation(),
                _convolution(dimension, width, width, configuration.kernel(level + 1)),
                _activation(),
            ]
            inputs = width
        coarsest = len(widths)
        blocks += [
            _convolution(dimension, inputs, configuration.code_maps, configuration.kernel(coarsest)),
            _activation(),
        ]
        self.convolutions = nn.Sequential(*blocks)
        values = configuration.code_maps * _product(configuration.level(coarsest)[0])
        self.mean = nn.Linear(values, configuration.latent)
        self.log_variance = nn.Linear(values, configuration.latent)
        with torch.no_grad():
            # Little noise at first: in codes that drown in it there is nothing to learn from.
            self.log_variance.weight.mul_(0.1)
            self.log_variance.bias.fill_(_INITIAL_LOG_VARIANCE)

    def forward(self, fixed: Tensor, moving: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.convolutions(_centred(torch.cat([fixed, moving], dim=1))).flatten(1)
        # Far beyond these bounds only the exponential would overflow.
        return _single(self.mean(maps)), _single(self.log_variance(maps)).clamp(-12.0, 6.0)


class VelocityDecoder(nn.Module):
    """From a code and the moving image at every scale to a velocity field at every scale.

    Each scale adds to the velocities of the coarser one, so that no scale has to find again what another has found.
    """

    def __init__(self, configuration: VelocityNetworkConfiguration) -> None:
        super().__init__()
        self.configuration = configuration
        dimension, widths = configuration.dimension, configuration.widths
        levels = len(widths)
        self.coarsest = configuration.level(levels)[0]
        self.entry = nn.Linear(configuration.latent, configuration.code_maps * _product(self.coarsest))
        self.context = MovingFeatures(configuration) if configuration.context else None
        seen = [1, *(1 + width for width in configuration.context)] if configuration.context else [1] * (levels + 1)
        self.merge = nn.ModuleList()  # from coarse to fine, the coarsest grid first
        self.up = nn.ModuleList()
        self.heads = nn.ModuleList()
        inputs = configuration.code_maps
        for level in range(levels, configuration.finest - 1, -1):
            width = widths[max(level - 1, 0)]
            kernel = configuration.kernel(level)
            self.merge.append(
                nn.Sequential(_convolution(dimension, inputs + seen[level], width, kernel), _activation())
            )
            if level < configuration.scales:
                self.heads.append(_convolution(dimension, width, dimension, kernel))
                with torch.no_grad():  # start near the identity
                    self.heads[-1].weight.mul_(0.1)
                    self.heads[-1].bias.zero_()
            if level > configuration.finest:
                stride = configuration.strides[level - 1]
                inputs = widths[max(level - 2, 0)]
                self.up.append(_TRANSPOSED[dimension](width, inputs, stride, stride=stride))

    def forward(self, code: Tensor, moving: list[Tensor], finest: int = 0) -> list[Tensor]:
        """Velocities from fine to coarse; ``moving`` holds the image on every level, from fine to coarse.

        The first is on the grid of the level ``finest``, whatever the configuration leaves out.
        There may be several codes for each moving image, one image's after the other: what is seen of it is computed once.
        """
        configuration = self.configuration
        levels = len(configuration.widths)
        context = self.context(moving[0]) if self.context is not None else [None] * (levels + 1)
        repeats = len(code) // len(moving[0])
        maps = self.entry(code).view(len(code), -1, *self.coarsest)
        velocities: list[Tensor] = []
        for step, level in enumerate(range(levels, max(finest, configuration.finest) - 1, -1)):
            seen = [_centred(moving[level])] + ([context[level]] if context[level] is not None else [])
            if step:
                maps = F.leaky_relu(self.up[step - 1](maps), 0.1)
            seen = [part.repeat_interleave(repeats, dim=0) for part in seen] if repeats > 1 else seen
            maps = self.merge[step](torch.cat([maps, *seen], dim=1))
            if level < configuration.scales:
                head = _single(self.heads[configuration.scales - 1 - level](maps))
                velocities.insert(0, self._velocity(head, level, velocities[0] if velocities else None))
        velocities[0] = resize_field(velocities[0], configuration.level(finest)[0])
        return velocities

    def _velocity(self, head: Tensor, level: int, coarser: Tensor | None) -> Tensor:
        """Bounded, added to the coarser scale's, and smoothed (eq. 4.11); in voxels of the level's grid."""
        size, spacing = self.configuration.level(level)
        bounds = [bound / step for bound, step in zip(self.configuration.bounds, spacing, strict=True)]
        velocity = head.new_tensor(bounds).view(1, -1, *[1] * len(size)) * torch.tanh(head)
        if coarser is not None:
            velocity = velocity + resize_field(coarser, size)
        return gaussian_filter(velocity, [self.configuration.smoothing / step for step in spacing])


class MovingFeatures(nn.Module):
    """Features of the moving image on every level but the finest."""

    def __init__(self, configuration: VelocityNetworkConfiguration) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        inputs = 1
        for level, (width, stride) in enumerate(zip(configuration.context, configuration.strides, strict=True)):
            self.blocks.append(
                nn.Sequential(
                    _convolution(configuration.dimension, inputs, width, configuration.kernel(level), stride),
                    _activation(),
                    _convolution(configuration.dimension, width, width, configuration.kernel(level + 1)),
                    _activation(),
                )
            )
            inputs = width

    def forward(self, moving: Tensor) -> list[Tensor | None]:
        maps: list[Tensor | None] = [None]
        features = _centred(moving)
        for block in self.blocks:
            features = block(features)
            maps.append(features)
        return maps


def _convolution(
    dimension: int, inputs: int, outputs: int, kernel: Sequence[int], stride: Sequence[int] | int = 1
) -> nn.Module:
    # A halved axis needs a kernel that looks at both voxels of the pair.
    strides = (stride,) * dimension if isinstance(stride, int) else tuple(stride)
    widths = tuple(3 if step > 1 else width for width, step in zip(kernel, strides, strict=True))
    padding = tuple(width // 2 for width in widths)
    return _CONVOLUTION[dimension](inputs, outputs, widths, stride=strides, padding=padding)


def _activation() -> nn.Module:
    return nn.LeakyReLU(0.1, inplace=True)


def _centred(image: Tensor) -> Tensor:
    """Intensities in [0, 1] to about zero mean and unit spread."""
    return 4.0 * (image - 0.4)


def _single(values: Tensor) -> Tensor:
    """At least single precision: codes and velocities need it."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def _product(lengths: Sequence[int]) -> int:
    result = 1
    for length in lengths:
        result *= length
    return result
