"""How alike two images are: losses to minimise, all differentiable, all with an optional mask of valid voxels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_POOL = {2: F.avg_pool2d, 3: F.avg_pool3d}


def windowed_mean(image: Tensor, window: int) -> Tensor:
    """Mean over a cubic window of odd width, one axis after the other; voxels outside the image do not count.

    Separable pooling costs ``D * window`` instead of ``window ** D`` operations per voxel.
    """
    if window % 2 == 0:
        raise ValueError(f"window must be odd, got {window}")
    dimension = image.ndim - 2
    for axis in range(dimension):
        if image.shape[2 + axis] < window:
            image = _short_mean(image, window, 2 + axis)
            continue
        kernel, padding = [1] * dimension, [0] * dimension
        kernel[axis], padding[axis] = window, window // 2
        image = _POOL[dimension](image, kernel, stride=1, padding=padding, count_include_pad=False)
    return image


def _short_mean(image: Tensor, window: int, axis: int) -> Tensor:
    """The same along an axis that is shorter than the window, which pooling refuses."""
    position = torch.arange(image.shape[axis], device=image.device)
    near = ((position[:, None] - position).abs() <= window // 2).to(image.dtype)
    return (image.movedim(axis, -1) @ (near / near.sum(0))).movedim(-1, axis)


def local_correlation(fixed: Tensor, moving: Tensor, window: int = 7, mask: Tensor | None = None) -> Tensor:
    """Squared correlation coefficient of every voxel's neighbourhood, in [0, 1], same shape as the images.

    With ``mask`` (1 valid, 0 not) a neighbourhood's moments are taken over its valid voxels alone, so that padding
    around the anatomy drives nothing.
    """
    weight = torch.ones_like(fixed) if mask is None else mask.expand_as(fixed).to(fixed.dtype)
    weighted_f, weighted_m = weight * fixed, weight * moving
    stack = [weight, weighted_f, weighted_m, weighted_f * fixed, weighted_m * moving, weighted_f * moving]
    moments = windowed_mean(torch.cat(stack, dim=1), window).chunk(6, dim=1)
    share = moments[0].clamp_min(1e-6)
    mean_f, mean_m, square_f, square_m, product = (moment / share for moment in moments[1:])
    covariance = product - mean_f * mean_m
    variance_f = (square_f - mean_f * mean_f).clamp_min(0)
    variance_m = (square_m - mean_m * mean_m).clamp_min(0)
    floor = 1e-5  # noise of constant neighbourhoods must not count as structure
    return covariance * covariance / ((variance_f + floor) * (variance_m + floor))


def local_correlation_loss(fixed: Tensor, moving: Tensor, window: int = 7, mask: Tensor | None = None) -> Tensor:
    """One minus the mean squared local correlation over the valid voxels (LCC; Krebs eq. 4.7, Estienne's L_sim)."""
    return 1.0 - masked_mean(local_correlation(fixed, moving, window, mask), mask)


def global_correlation(fixed: Tensor, moving: Tensor, mask: Tensor | None = None) -> Tensor:
    """Pearson correlation of whole images over the valid voxels, shape ``(batch,)``, in [-1, 1]."""
    weight = torch.ones_like(fixed) if mask is None else mask.expand_as(fixed).to(fixed.dtype)
    axes = tuple(range(1, fixed.ndim))
    total = weight.sum(axes, keepdim=True).clamp_min(1e-6)
    centred_f = (fixed - (weight * fixed).sum(axes, keepdim=True) / total) * weight
    centred_m = (moving - (weight * moving).sum(axes, keepdim=True) / total) * weight
    norms = (centred_f.square().sum(axes) * centred_m.square().sum(axes)).sqrt()
    return (centred_f * centred_m).sum(axes) / norms.clamp_min(1e-8)


def mean_squared_difference(fixed: Tensor, moving: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean squared difference over the valid voxels (SSD divided by their number)."""
    return masked_mean((fixed - moving).square(), mask)


def dice_terms(fixed: Tensor, moving: Tensor) -> tuple[Tensor, Tensor]:
    """Numerator and denominator of the Dice overlap of soft segmentations ``(batch, label, *spatial)``, ``(batch, label)``."""
    axes = tuple(range(2, fixed.ndim))
    return 2.0 * (fixed * moving).sum(axes), fixed.square().sum(axes) + moving.square().sum(axes)


def soft_dice_loss(fixed: Tensor, moving: Tensor) -> Tensor:
    """One minus the Dice overlap of soft segmentations ``(batch, label, *spatial)``, mean over labels and batch.

    A label absent from the fixed segmentation is not counted.
    """
    axes = tuple(range(2, fixed.ndim))
    overlap, total = dice_terms(fixed, moving)
    present = (fixed.sum(axes) > 0).to(fixed.dtype)
    loss = 1.0 - (overlap + 1e-5) / (total + 1e-5)
    return (present * loss).sum() / present.sum().clamp_min(1.0)


def masked_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Mean of the values, over the voxels where ``mask`` is not zero if one is given."""
    if mask is None:
        return values.mean()
    weight = mask.expand_as(values).to(values.dtype)
    return (values * weight).sum() / weight.sum().clamp_min(1e-6)
