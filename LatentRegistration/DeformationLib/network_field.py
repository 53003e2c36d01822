"""A network's displacement, in voxels of its own grid, as millimetres on the grid of an image."""

from __future__ import annotations

from typing import Any

import numpy as np

from .geometry import Geometry
from .image import Image
from .masks import cropped, voxels_around
from .progress import Progress
from .sampling import sample_on_grid

_SLICES_PER_REPORT = 8


def network_field_to_physical(
    u_kji: Any, fixed_grid: Geometry, moving_grid: Geometry, target: Geometry, progress: Progress | None = None
) -> Image:
    """A network's displacement in millimetres on the grid of an image.

    u_kji        (3, k, j, i) NumPy array or torch tensor: displacement along k, j, i in voxels of the network grid
    fixed_grid   where the network saw the fixed image, and where `u_kji` lives
    moving_grid  where it saw the moving image; both have the same size, not necessarily the same place or shape
    target       the grid wanted, usually the fixed image's
    returns      (k, j, i, 3), components x, y, z, LPS mm, float32

    A point of the target becomes an index x of the fixed network grid, x + u(x) an index of the moving network grid,
    and that a point again. With the moving grid where an affine map A brings the fixed one, p is displaced to
    A(p + v(p)), v being u in millimetres. u is linearly interpolated, and outside the network grid it has its value at
    the edge. Raises `Cancelled` through `progress`.
    """
    if hasattr(u_kji, "detach"):
        u_kji = u_kji.detach().float().cpu().numpy()
    u_kji = np.asarray(u_kji)
    if u_kji.shape != (3, *fixed_grid.shape_kji) or fixed_grid.size != moving_grid.size:
        raise ValueError(
            f"A displacement of shape {u_kji.shape} does not fit network grids of shape {fixed_grid.shape_kji} and "
            f"{moving_grid.shape_kji}."
        )
    progress = progress or Progress()
    # Turned into millimetres on the network grid, which is the smaller one: interpolation commutes with that.
    u_mm = np.moveaxis(u_kji[::-1], 0, -1) @ moving_grid.step.T.astype(np.float32)
    progress.report(0.0)
    array = np.zeros((*target.shape_kji, 3), dtype=np.float32)
    region = tuple(slice(0, n) for n in target.shape_kji)
    if vanishes_at_edge(u_kji):
        region = voxels_around(target, fixed_grid)
    if all(axis.stop > axis.start for axis in region):
        for start in range(region[0].start, region[0].stop, _SLICES_PER_REPORT):
            slab = (slice(start, min(start + _SLICES_PER_REPORT, region[0].stop)), *region[1:])
            array[slab] = sample_on_grid(u_mm, fixed_grid, cropped(target, slab))
            progress.report(0.8 * slab[0].stop / len(array))
    if moving_grid is fixed_grid:
        return Image.on_grid(array, target)
    # Everything else is affine in the target's index: the way through both network grids, less the point itself.
    through = (moving_grid.ijk_to_lps @ fixed_grid.lps_to_ijk - np.eye(4)) @ target.ijk_to_lps
    i, j, k = (np.multiply.outer(np.arange(n), step) for n, step in zip(target.size, through[:3, :3].T, strict=True))
    first = (through[:3, 3] + j[:, None] + i).astype(np.float32)
    for slice_k, (plane, step) in enumerate(zip(array, k.astype(np.float32), strict=True)):
        plane += first + step
        if slice_k % _SLICES_PER_REPORT == 0:
            progress.report(0.8 + 0.2 * slice_k / len(array))
    return Image.on_grid(array, target)


def vanishes_at_edge(u_kji: np.ndarray) -> bool:
    """True where a field (D, ...) is zero on the faces of its grid, and so beyond them; axes of one voxel have no faces."""
    axes = [axis for axis in range(1, u_kji.ndim) if u_kji.shape[axis] > 1]
    return bool(axes) and not any(np.take(u_kji, (0, -1), axis=axis).any() for axis in axes)
