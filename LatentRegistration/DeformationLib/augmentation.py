"""Random but anatomically harmless changes of training images: the same one for an image, its mask and its labels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .fields import identity_grid, sample
from .similarity import windowed_mean


@dataclass(frozen=True)
class Augmentation:
    """Strengths of the random changes; zero switches one off.

    Attributes:
        rotation: standard deviation of the rotation about each axis, degrees.
        translation: standard deviation along each axis, voxels.
        zoom: standard deviation of the logarithm of the scale along each axis.
        elastic: standard deviation of the control points of a smooth random displacement, voxels.
        elastic_spacing: distance of those control points, voxels.
        flip: probability of mirroring a whole batch along each axis (both images of a pair alike).
        gamma: standard deviation of the logarithm of the exponent of a power law.
        bias: standard deviation of the logarithm of a smooth multiplicative field.
        noise: largest standard deviation of additive white noise, in units of the normalised intensity.
    """

    rotation: float = 8.0
    translation: float = 1.5
    zoom: float = 0.08
    elastic: float = 2.5
    elastic_spacing: float = 12.0
    flip: float = 0.0
    gamma: float = 0.25
    bias: float = 0.2
    noise: float = 0.03


def augment(image: Tensor, others: Tensor, settings: Augmentation, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Change a batch of images in space and intensity, and their companions in space alone.

    Args:
        image: ``(batch, 1, *spatial)`` intensities in [0, 1].
        others: ``(batch, channel, *spatial)`` soft labels and mask, resampled along.
    """
    positions = random_positions(image.shape[2:], image.shape[0], settings, generator)
    # What comes from outside is no anatomy: neither label nor valid voxel.
    stacked = torch.cat([sample(image, positions), sample(others, positions, padding="zeros")], dim=1)
    axes = [2 + axis for axis in range(image.ndim - 2) if torch.rand((), generator=generator) < settings.flip]
    stacked = stacked.flip(axes) if axes else stacked
    return change_intensity(stacked[:, :1], settings, generator), stacked[:, 1:].contiguous()


def random_positions(size: tuple[int, ...], batch: int, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """Voxel positions ``(batch, D, *size)`` at which to sample an image for a random affine and elastic change."""
    dimension = len(size)
    centre = torch.tensor([(length - 1) / 2 for length in size]).view(1, dimension, 1)
    matrices = torch.stack([_random_matrix(dimension, settings, generator) for _ in range(batch)])
    shifts = settings.translation * torch.randn(batch, dimension, 1, generator=generator)
    moved = matrices @ (identity_grid(size).flatten(2) - centre) + centre + shifts
    positions = moved.view(batch, dimension, *size)
    if settings.elastic > 0:
        shape = (batch, dimension, *size)
        positions = positions + smooth_random_field(shape, settings.elastic, settings.elastic_spacing, generator)
    return positions


def smooth_random_field(shape: tuple[int, ...], strength: float, spacing: float, generator: torch.Generator) -> Tensor:
    """Field ``(batch, channel, *spatial)`` between normal control points ``spacing`` voxels apart, smoothly interpolated."""
    size = shape[2:]
    control = [math.ceil(length / spacing) + 3 for length in size]
    values = strength * torch.randn(*shape[:2], *control, generator=generator)
    fine = [max(length, round((count - 1) * spacing)) for length, count in zip(size, control, strict=True)]
    mode = "bilinear" if len(size) == 2 else "trilinear"
    field = F.interpolate(values, size=fine, mode=mode, align_corners=True)
    for axis, length in enumerate(size):
        field = field.narrow(2 + axis, (field.shape[2 + axis] - length) // 2, length)
    window = 2 * (int(spacing) // 4) + 1  # rounds the corners of linear interpolation
    return windowed_mean(field, window)


def change_intensity(image: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """Gamma, smooth multiplicative bias and white noise on intensities in [0, 1]; the result stays in [0, 1]."""
    shape = (image.shape[0],) + (1,) * (image.ndim - 1)
    exponent = torch.exp(settings.gamma * torch.randn(shape, generator=generator))
    image = image.clamp_min(1e-6) ** exponent
    if settings.bias > 0:
        image = image * torch.exp(smooth_random_field(image.shape, settings.bias, 24.0, generator))
    if settings.noise > 0:
        level = settings.noise * torch.rand(shape, generator=generator)
        image = image + level * torch.randn(image.shape, generator=generator)
    return image.clamp(0.0, 1.0)


def _random_matrix(dimension: int, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """Random rotation times anisotropic zoom, ``(D, D)``."""
    skew = torch.zeros(dimension, dimension)
    for row in range(dimension):
        for column in range(row):
            angle = math.radians(settings.rotation) * torch.randn((), generator=generator)
            skew[row, column], skew[column, row] = angle, -angle
    scales = torch.exp(settings.zoom * torch.randn(dimension, generator=generator))
    return torch.linalg.matrix_exp(skew) @ torch.diag(scales)
