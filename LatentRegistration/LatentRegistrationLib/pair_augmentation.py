"""Random changes of a pair of training images: of two frames the same one in space, as if another body had moved alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from DeformationLib.augmentation import Augmentation
from DeformationLib.fields import identity_grid, sample
from DeformationLib.filters import gaussian_filter

_INTERPOLATION = {2: "bilinear", 3: "trilinear"}


def augment_pair(
    images: Tensor, others: Tensor, spacing: Sequence[float], settings: Augmentation, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Change pairs in space and intensity, and their companions in space alone.

    Lengths in ``settings`` count voxels of the finest axis.  Slices that are far thicker than the pixels are turned in
    their plane only.

    Args:
        images: ``(batch, 2, *size)``, fixed and moving, in [0, 1].
        others: ``(batch, channel, *size)``, masks and labels, taken along; 0 comes in from outside.
        spacing: of the grid, mm.
    """
    positions = _random_positions(images.shape[0], tuple(images.shape[2:]), spacing, settings, generator)
    images = change_intensities(images, spacing, settings, generator)
    return sample(images, positions), sample(others, positions, padding="zeros")


def augment_apart(
    images: Tensor, others: Tensor, spacing: Sequence[float], settings: Augmentation, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Change fixed and moving images of different subjects each in its own way; arguments as in `augment_pair`.

    Args:
        images: ``(batch, 2, *size)``, fixed and moving.
        others: ``(batch, 1 + 2 L, *size)``: a mask of both, then the labels of the fixed and of the moving image.
    """
    mask, fixed_labels, moving_labels = others.split([1, *[others.shape[1] // 2] * 2], dim=1)
    parts = [
        augment_pair(images[:, channel : channel + 1], torch.cat([mask, labels], dim=1), spacing, settings, generator)
        for channel, labels in enumerate((fixed_labels, moving_labels))
    ]
    changed = [part[1] for part in parts]
    both = torch.cat([changed[0][:, :1] * changed[1][:, :1], *(part[:, 1:] for part in changed)], dim=1)
    return torch.cat([part[0] for part in parts], dim=1), both


def change_intensities(
    images: Tensor, spacing: Sequence[float], settings: Augmentation, generator: torch.Generator
) -> Tensor:
    """One gamma for both images of a pair, as one scanner took them; bias fields and noise of their own."""
    shape = (images.shape[0], 1) + (1,) * (images.ndim - 2)
    images = images.clamp_min(1e-6) ** torch.exp(settings.gamma * torch.randn(shape, generator=generator))
    if settings.bias > 0:
        field = smooth_noise(tuple(images.shape), spacing, 32.0 * min(spacing), generator)
        images = images * torch.exp(settings.bias * field)
    if settings.noise > 0:
        level = settings.noise * torch.rand(shape, generator=generator)
        images = images + level * torch.randn(images.shape, generator=generator)
    return images.clamp(0.0, 1.0)


def smooth_noise(
    shape: tuple[int, ...], spacing: Sequence[float], distance: float, generator: torch.Generator
) -> Tensor:
    """Field ``(batch, channel, *size)`` of about unit spread that varies over ``distance`` mm."""
    size = shape[2:]
    control = [max(2, math.ceil(length * step / distance) + 1) for length, step in zip(size, spacing, strict=True)]
    values = torch.randn(*shape[:2], *control, generator=generator)
    field = F.interpolate(values, size=size, mode=_INTERPOLATION[len(size)], align_corners=True)
    return gaussian_filter(field, [0.25 * distance / step for step in spacing])


def _random_positions(
    batch: int, size: tuple[int, ...], spacing: Sequence[float], settings: Augmentation, generator: torch.Generator
) -> Tensor:
    """Voxel positions ``(batch, D, *size)`` at which to sample a pair."""
    dimension, finest = len(size), min(spacing)
    steps = torch.tensor(spacing, dtype=torch.float32).view(1, dimension, 1)
    centre = torch.tensor([(length - 1) / 2 for length in size]).view(1, dimension, 1)
    matrices = torch.stack([_random_matrix(spacing, settings, generator) for _ in range(batch)])
    shifts = settings.translation * finest * torch.randn(batch, dimension, 1, generator=generator)
    millimetres = matrices @ ((identity_grid(size).flatten(2) - centre) * steps) + shifts
    positions = (millimetres / steps + centre).view(batch, dimension, *size)
    if settings.elastic > 0:
        field = smooth_noise((batch, dimension, *size), spacing, settings.elastic_spacing * finest, generator)
        positions = positions + settings.elastic * finest * field / steps.view(1, dimension, *[1] * dimension)
    return positions


def _random_matrix(spacing: Sequence[float], settings: Augmentation, generator: torch.Generator) -> Tensor:
    """Random rotation, zoom and mirroring in millimetres, ``(D, D)``."""
    dimension = len(spacing)
    skew = torch.zeros(dimension, dimension)
    for row in range(dimension):
        for column in range(row):
            angle = math.radians(settings.rotation) * torch.randn((), generator=generator)
            if max(spacing[row], spacing[column]) < 2 * min(spacing[row], spacing[column]):
                skew[row, column], skew[column, row] = angle, -angle
    scales = torch.exp(settings.zoom * torch.randn(dimension, generator=generator))
    mirrored = torch.rand(dimension, generator=generator) < settings.flip
    return torch.linalg.matrix_exp(skew) @ torch.diag(scales * torch.where(mirrored, -1.0, 1.0))
