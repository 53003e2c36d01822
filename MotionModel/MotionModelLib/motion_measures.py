"""How regular a motion is, and how alike its frames become (Krebs table 5.1's columns)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from DeformationLib.filters import window_in_voxels
from DeformationLib.image import Image
from DeformationLib.progress import Progress
from LatentRegistrationLib.velocity_objective import local_correlation

_WINDOW = 7  # voxels along the finest axis, as the registration models report it


def spatial_gradient(displacement: Image, mask: np.ndarray | None = None, planar: bool = False) -> float:
    """Mean over voxels of the Frobenius norm of ``d u / d x``: mm of displacement per mm, zero for translations.

    Args:
        displacement: ``(k, j, i, 3)``, LPS mm.
        mask: ``(k, j, i)``, the voxels that count; by default all.
        planar: slices (along k) do not depend on each other.

    Central differences, one-sided at the border.
    """
    grid = displacement.geometry
    inverse = np.linalg.inv(grid.step)
    metric = inverse @ inverse.T
    axes = [axis for axis in range(3) if grid.shape_kji[axis] > 1 and not (planar and axis == 0)]
    squared = np.zeros(grid.shape_kji, dtype=np.float32)
    for component in range(3):
        slopes = {axis: np.gradient(displacement.array[..., component], axis=axis) for axis in axes}
        for a in axes:
            for b in axes:
                weight = metric[2 - a, 2 - b]
                if abs(weight) > 1e-12:
                    squared += weight.astype(np.float32) * slopes[a] * slopes[b]
    norm = np.sqrt(np.maximum(squared, 0))
    return float(norm.mean() if mask is None else norm[np.asarray(mask, dtype=bool)].mean())


def temporal_gradient(before: Image, after: Image, mask: np.ndarray | None = None) -> float:
    """Mean over voxels of the length of the change of the displacement from one frame to the next, mm per frame."""
    length = np.linalg.norm(after.array - before.array, axis=-1)
    return float(length.mean() if mask is None else length[np.asarray(mask, dtype=bool)].mean())


def regularity(
    displacement: Callable[[int], Image],
    frames: int,
    reference: int = 0,
    mask: np.ndarray | None = None,
    planar: bool = False,
    progress: Progress | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Spatial gradient of every frame ``(N,)``, nan at the reference, and temporal gradient of every step ``(N - 1,)``."""
    progress = progress or Progress()
    spatial, temporal, before = np.full(frames, np.nan), np.empty(frames - 1), None
    for number in range(frames):
        field = displacement(number)
        if number != reference:
            spatial[number] = spatial_gradient(field, mask, planar)
        if before is not None:
            temporal[number - 1] = temporal_gradient(before, field, mask)
        before = field
        progress.report((number + 1) / frames, "Measuring smoothness")
    return spatial, temporal


def image_similarity(fixed: Image, moving: Image, planar: bool = False) -> float:
    """Mean squared local correlation of two images on one grid, 0..1, greater for more alike; slice by slice if planar."""

    def tensor(image: Image) -> torch.Tensor:
        array = torch.from_numpy(np.ascontiguousarray(image.array, dtype=np.float32))
        scale = float(array.abs().max()) or 1.0
        return (array / scale)[:, None] if planar else (array / scale)[None, None]

    spacing = fixed.spacing_kji[1:] if planar else fixed.spacing_kji
    return float(local_correlation(tensor(fixed), tensor(moving), window_in_voxels(_WINDOW, spacing)).mean())
