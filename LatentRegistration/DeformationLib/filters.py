"""Separable filters of images and fields: Gaussian smoothing and local means, each axis with its own width.

Each axis is multiplied by a small banded matrix.  On the grids that networks see this is several times faster than
pooling or convolving along the axis, the border is exact, and an axis may be shorter than the filter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor


def gaussian_filter(field: Tensor, sigma: Sequence[float]) -> Tensor:
    """Convolve each channel with a Gaussian, beyond the border the value at the border (Krebs eq. 4.11).

    Args:
        field: ``(batch, channel, *spatial)``.
        sigma: standard deviation along each spatial axis in voxels; below a tenth of a voxel an axis is left alone.
    """
    matrices = [
        _gaussian_matrix(length, float(width)) if width >= 0.1 and length > 1 else None
        for length, width in zip(field.shape[2:], sigma, strict=True)
    ]
    return _multiply(field, matrices)


def box_filter(image: Tensor, window: Sequence[int]) -> Tensor:
    """Mean over a window of odd widths around each voxel; voxels outside the image do not count.

    Args:
        image: ``(batch, channel, *spatial)``.
        window: width along each spatial axis in voxels.
    """
    if any(width % 2 == 0 for width in window):
        raise ValueError(f"The widths of a window must be odd, but they are {tuple(window)}.")
    matrices = [
        _box_matrix(length, int(width)) if width > 1 and length > 1 else None
        for length, width in zip(image.shape[2:], window, strict=True)
    ]
    return _multiply(image, matrices)


def window_in_voxels(width: int, spacing: Sequence[float]) -> tuple[int, ...]:
    """Odd widths of a window that is ``width`` voxels along the finest axis and as many millimetres along the others.

    An axis whose voxels are longer than the window still gets its neighbours: three voxels.
    """
    finest = min(spacing)
    halves = [max(1, round((width // 2) * finest / step)) if width > 1 else 0 for step in spacing]
    return tuple(2 * half + 1 for half in halves)


def _multiply(image: Tensor, matrices: Sequence[Tensor | None]) -> Tensor:
    """Multiply each spatial axis by a matrix whose column says what one output voxel is made of."""
    # Half the digits of a mean of squares are gone in bfloat16.
    with torch.autocast(image.device.type, enabled=False):
        dtype = image.dtype if image.dtype == torch.float64 else torch.float32
        image = image.to(dtype)
        for axis, matrix in enumerate(matrices):
            if matrix is None:
                continue
            matrix = matrix.to(image)
            if axis == len(matrices) - 1:
                image = image @ matrix
            elif axis == len(matrices) - 2:
                image = matrix.t() @ image
            else:
                image = (image.movedim(2 + axis, -1) @ matrix).movedim(-1, 2 + axis)
        return image


@lru_cache(maxsize=64)
def _gaussian_matrix(length: int, sigma: float) -> Tensor:
    radius = max(1, math.ceil(4 * sigma))
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (offsets / sigma) ** 2)
    weights = weights / weights.sum()
    matrix = torch.zeros(length, length, dtype=torch.float64)
    target = torch.arange(length)
    for offset, weight in zip(range(-radius, radius + 1), weights, strict=True):
        matrix.index_put_(((target + offset).clamp(0, length - 1), target), weight, accumulate=True)
    return matrix


@lru_cache(maxsize=64)
def _box_matrix(length: int, width: int) -> Tensor:
    position = torch.arange(length)
    near = ((position[:, None] - position).abs() <= width // 2).double()
    return near / near.sum(0)
