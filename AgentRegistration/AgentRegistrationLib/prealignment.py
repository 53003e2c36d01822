"""Translation of one image onto another before the agent starts: the shift of the best masked correlation.

All shifts of whole voxels within a reach are compared at once by Fourier transforms (Padfield 2012), so that there is no
starting point and no local optimum; a parabola through the neighbours of the best one gives the fraction of a voxel.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from DeformationLib.fields import warp

_REACH = 0.25  # of the grid's length along an axis
_LEAST_OVERLAP = 0.5  # of the smaller mask, for a shift to count


def best_translation(
    fixed: Tensor,
    moving: Tensor,
    fixed_mask: Tensor | None = None,
    moving_mask: Tensor | None = None,
    reach: Sequence[int] | None = None,
) -> Tensor:
    """The shift that makes two images correlate best, ``(D,)`` in voxels, pull-back: ``moving(x + shift)`` fits ``fixed(x)``.

    Args:
        fixed, moving: ``(1, 1, *size)`` intensities.
        fixed_mask, moving_mask: ``(1, 1, *size)``, 1 where there is an image; None for everywhere.
        reach: the largest shift along each axis; by default a quarter of the grid.
    """
    size = tuple(fixed.shape[2:])
    reach = tuple(int(_REACH * length) for length in size) if reach is None else tuple(reach)
    scores = _correlations(fixed, moving, fixed_mask, moving_mask, reach)
    best = torch.stack(torch.unravel_index(scores.argmax(), scores.shape)).tolist()
    shift = [float(index - limit) for index, limit in zip(best, reach, strict=True)]
    return torch.tensor([value + _vertex(scores, best, axis) for axis, value in enumerate(shift)])


def translate(image: Tensor, shift: Tensor, padding: str = "border") -> Tensor:
    """An image ``(1, C, *size)`` at ``x + shift``; see `fields.warp` for ``padding``."""
    size = image.shape[2:]
    field = shift.to(image.dtype).view(1, -1, *[1] * len(size)).expand(1, len(size), *size)
    return warp(image, field, padding=padding)


def _correlations(
    fixed: Tensor, moving: Tensor, fixed_mask: Tensor | None, moving_mask: Tensor | None, reach: tuple[int, ...]
) -> Tensor:
    """Correlation coefficient where both masks are, of all shifts from ``-reach`` to ``reach``; -1 with little overlap."""
    size = tuple(fixed.shape[2:])
    padded = tuple(length + limit for length, limit in zip(size, reach, strict=True))
    a, b = fixed[0, 0].double(), moving[0, 0].double()
    mask_a = torch.ones_like(a) if fixed_mask is None else fixed_mask[0, 0].double()
    mask_b = torch.ones_like(b) if moving_mask is None else moving_mask[0, 0].double()
    a, b = (a - a[mask_a > 0].mean()) * mask_a, (b - b[mask_b > 0].mean()) * mask_b
    spectra = [torch.fft.rfftn(part, s=padded) for part in (mask_a, a, a * a, mask_b, b, b * b)]

    def correlate(first: int, second: int) -> Tensor:
        # moving(x + shift) against fixed(x): the conjugate is the fixed one's.
        values = torch.fft.irfftn(spectra[first].conj() * spectra[second], s=padded)
        return _centred(values, reach)

    count = correlate(0, 3).clamp_min(1e-9)
    sum_a, sum_b = correlate(1, 3), correlate(0, 4)
    covariance = correlate(1, 4) - sum_a * sum_b / count
    variances = (correlate(2, 3) - sum_a**2 / count) * (correlate(0, 5) - sum_b**2 / count)
    scores = covariance / variances.clamp_min(1e-12).sqrt()
    return torch.where(count < _LEAST_OVERLAP * min(mask_a.sum(), mask_b.sum()), -1.0, scores)


def _centred(values: Tensor, reach: tuple[int, ...]) -> Tensor:
    """Shifts from ``-reach`` to ``reach`` of a circular correlation."""
    values = torch.roll(values, reach, dims=tuple(range(values.ndim)))
    return values[tuple(slice(0, 2 * limit + 1) for limit in reach)]


def _vertex(scores: Tensor, best: Sequence[int], axis: int) -> float:
    """Where, in voxels from the best whole shift, a parabola along an axis has its top."""
    if not 0 < best[axis] < scores.shape[axis] - 1:
        return 0.0
    before, here, after = (float(scores[(*best[:axis], best[axis] + step, *best[axis + 1 :])]) for step in (-1, 0, 1))
    curvature = before - 2 * here + after
    return 0.5 * (before - after) / curvature if curvature < -1e-12 else 0.0
