"""The spatial-gradient registration network (Estienne et al. 2021), in 2-D and 3-D.

An encoder sees one image at a time.  Two codes are fused late, by subtraction, and a decoder turns their difference into
a deformation: ``phi = D(E(M) - E(F))`` forward and ``D(E(F) - E(M))`` backward.  The decoder has neither biases nor
normalisation, so that two things hold for any weights: ``D(0)`` is the identity, and the activations in front of the
final sigmoid grow in proportion to the length of the code.

The encoder is an hourglass (a small U-Net of its own, blind to the other image) followed by a contracting path to the
code.  Skip connections between encoder and decoder exist only in the variant with ``skips``: there the differences of
the contracting path's feature maps reach the decoder beside the code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from DeformationLib.errors import InputError

from .integration import integrate_gradients

_CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_NORM = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}


@dataclass(frozen=True)
class GradientNetworkConfiguration:
    """What defines the network besides its weights.

    Attributes:
        dimension: 2 or 3.
        widths: channels of the levels at 1/2, 1/4, 1/8, ... of the grid; the last level holds the code.
        code_channels: channels of the code.
        skips: whether feature differences reach the decoder beside the code.
    """

    dimension: int = 3
    widths: tuple[int, ...] = (16, 32, 64, 128)
    code_channels: int = 64
    skips: bool = False

    def check_grid(self, size: tuple[int, ...]) -> None:
        """Refuse a network grid that the levels do not divide, or of which they leave a single voxel."""
        factor = 2 ** len(self.widths)
        if len(size) != self.dimension or any(length % factor or length < factor for length in size):
            raise InputError(
                f"The network grid {tuple(size)} does not fit a {self.dimension}-D network of {len(self.widths)} levels: "
                f"give {self.dimension} lengths that are multiples of {factor}."
            )
        # Instance normalisation needs more than one voxel to normalise over.
        if all(length == factor for length in size):
            raise InputError(
                f"The network grid {tuple(size)} is too small for {len(self.widths)} levels: give at least one length of "
                f"{2 * factor} or more, or fewer levels."
            )


class GradientNetwork(nn.Module):
    """Encoder, decoder and integration; see the module's docstring."""

    def __init__(self, configuration: GradientNetworkConfiguration | None = None) -> None:
        super().__init__()
        self.configuration = configuration or GradientNetworkConfiguration()
        dimension, widths = self.configuration.dimension, self.configuration.widths
        self.stem = _normalised(dimension, 1, widths[0], kernel=4, stride=2)
        self.hourglass = Hourglass(dimension, widths)
        self.contraction = Contraction(dimension, widths, self.configuration.code_channels)
        self.decoder = Decoder(dimension, widths, self.configuration.code_channels, self.configuration.skips)

    def features(self, image: Tensor) -> Tensor:
        """Feature map of one image at half resolution, ``(batch, widths[0], *half)``."""
        return self.hourglass(self.stem(image))

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """Code of each image, then, with skips, its feature maps from coarse to fine.

        Args:
            image: ``(batch, 1, *grid)`` normalised to [0, 1].
        """
        return self.contract(self.features(image))

    def contract(self, features: Tensor) -> tuple[Tensor, ...]:
        """Second half of `encode`, from the half-resolution feature map."""
        code, maps = self.contraction(features)
        return (code, *maps) if self.configuration.skips else (code,)

    def decode(self, difference: tuple[Tensor, ...], size: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Displacement ``(batch, D, *size)`` in voxels of ``size``, and the diagonal gradients of ``phi`` behind it.

        Args:
            difference: code ``E(M) - E(F)`` and, optionally, differences of the maps; missing maps count as zero.
            size: the network grid, or the same extent sampled more coarsely.
        """
        return integrate_gradients(self.activations(difference), size)

    def activations(self, difference: tuple[Tensor, ...]) -> Tensor:
        """Activations ``(batch, 2 D, *half)`` in single precision: the sigmoid and the sums behind them need it."""
        return self.decoder(*difference).float()

    def forward(self, fixed: Tensor, moving: Tensor) -> tuple[Tensor, Tensor]:
        """Forward (fixed to moving) and backward displacement, each ``(batch, D, *grid)`` in voxels."""
        encoded_f, encoded_m = self.encode(fixed), self.encode(moving)
        difference = tuple(m - f for m, f in zip(encoded_m, encoded_f, strict=True))
        both = tuple(torch.cat([part, -part]) for part in difference)
        displacement, _ = self.decode(both, tuple(fixed.shape[2:]))
        forward, backward = displacement.chunk(2)
        return forward, backward


class Hourglass(nn.Module):
    """A U-Net over the half-resolution features of one image; its last map describes the anatomy at every voxel."""

    def __init__(self, dimension: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.entry = _normalised(dimension, widths[0], widths[0])
        self.down = nn.ModuleList(
            nn.Sequential(_normalised(dimension, fine, coarse, stride=2), _normalised(dimension, coarse, coarse))
            for fine, coarse in zip(widths, widths[1:], strict=False)
        )
        self.up = nn.ModuleList(
            _TRANSPOSED[dimension](coarse, fine, 2, stride=2) for fine, coarse in zip(widths, widths[1:], strict=False)
        )
        self.merge = nn.ModuleList(_normalised(dimension, 2 * width, width) for width in widths[:-1])

    def forward(self, features: Tensor) -> Tensor:
        maps = [self.entry(features)]
        for block in self.down:
            maps.append(block(maps[-1]))
        result = maps.pop()
        for level in reversed(range(len(maps))):
            result = self.merge[level](torch.cat([self.up[level](result), maps[level]], dim=1))
        return result


class Contraction(nn.Module):
    """From the half-resolution feature map to the code, keeping the maps on the way."""

    def __init__(self, dimension: int, widths: tuple[int, ...], code_channels: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            nn.Sequential(_normalised(dimension, fine, coarse, stride=2), _normalised(dimension, coarse, coarse))
            for fine, coarse in zip(widths[:-2], widths[1:-1], strict=True)
        )
        # Normalising over the few voxels of the last level would erase what they have in common, translation first.
        self.last = nn.Sequential(
            _convolution(dimension, widths[-2], widths[-1], stride=2, bias=True),
            nn.LeakyReLU(0.1, inplace=True),
            _convolution(dimension, widths[-1], code_channels, bias=False),
        )

    def forward(self, features: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Code, and the feature maps from coarse to fine."""
        maps = [features]
        for block in self.down:
            maps.append(block(maps[-1]))
        return self.last(maps[-1]), maps[::-1]


class Decoder(nn.Module):
    """From a difference of codes to the activations behind the spatial gradients; positively homogeneous.

    Output: ``(batch, 2 D, *half)``, first the gradients' activations, then the anchors of `integrate_gradients`.
    """

    def __init__(self, dimension: int, widths: tuple[int, ...], code_channels: int, skips: bool) -> None:
        super().__init__()
        self.entry = _plain(dimension, code_channels, widths[-1])
        reversed_widths = widths[::-1]
        pairs = list(zip(reversed_widths, reversed_widths[1:], strict=False))
        self.up = nn.ModuleList(_TRANSPOSED[dimension](coarse, fine, 2, stride=2, bias=False) for coarse, fine in pairs)
        self.merge = nn.ModuleList(_plain(dimension, fine, fine) for _, fine in pairs)
        self.skip = nn.ModuleList(
            _convolution(dimension, fine, fine, bias=False) for _, fine in pairs if skips
        )  # one linear map per level, added: zero differences leave the code alone
        self.exit = _convolution(dimension, widths[0], 2 * dimension, bias=False)
        with torch.no_grad():
            self.exit.weight.mul_(0.1)  # start near the identity

    def forward(self, code: Tensor, *maps: Tensor) -> Tensor:
        result = self.entry(code)
        for level, (up, merge) in enumerate(zip(self.up, self.merge, strict=True)):
            result = up(result)
            if maps and len(self.skip):
                result = result + self.skip[level](maps[level])
            result = merge(nn.functional.leaky_relu(result, 0.1))
        return self.exit(result)


def _convolution(
    dimension: int, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, bias: bool
) -> nn.Module:
    padding = (kernel - 1) // 2
    return _CONVOLUTION[dimension](
        inputs, outputs, kernel, stride=stride, padding=padding, bias=bias, padding_mode="replicate"
    )


def _normalised(dimension: int, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        _convolution(dimension, inputs, outputs, kernel=kernel, stride=stride, bias=False),
        _NORM[dimension](outputs, affine=True),
        nn.LeakyReLU(0.1, inplace=True),
    )


def _plain(dimension: int, inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_convolution(dimension, inputs, outputs, bias=False), nn.LeakyReLU(0.1, inplace=True))
