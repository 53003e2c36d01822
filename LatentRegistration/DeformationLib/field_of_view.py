"""Where a network looks at two images, and how its displacement ends beyond what it sees."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .alignment import InitialAlignment, matching_boxes, moved, one_mask_for_both
from .fields import inverse_error, resize_field
from .geometry import Geometry
from .image import Image
from .masks import mask_box
from .network_field import network_field_to_physical
from .pair_grid import PairGrid
from .preprocessing import NetworkGrid
from .progress import Progress

_LIVE_MARGIN = 16
"""Voxels in which a live displacement ends beyond the model's grid; more would cost more than the model itself."""


def place_grids(
    grid: NetworkGrid,
    fixed: Image,
    moving: Image,
    alignment: InitialAlignment,
    fixed_mask: Image | None = None,
    moving_mask: Image | None = None,
) -> tuple[Geometry, Geometry]:
    """Where a network's grid lies over the fixed image, and where the alignment brings it over the moving one.

    Around the structure in the fixed mask (or in the moving one, brought back), around the fixed image without a mask.
    Where centres are aligned, the moving grid lies around its own box, so that voxels of both coincide with the grid's.
    """
    single = one_mask_for_both(fixed, moving, fixed_mask, moving_mask)
    if alignment.kind == "centres" and not single:
        box_f, box_m = matching_boxes(fixed, moving, fixed_mask, moving_mask)
        return grid.around(box_f), grid.around(box_m)
    focus = fixed.geometry if fixed_mask is None else mask_box(fixed_mask)
    if single and fixed_mask is None:
        centre = moved(mask_box(moving_mask), np.linalg.inv(alignment.matrix)).centre
        focus = replace(focus, origin=tuple(focus.origin + centre - focus.centre))
    start = grid.around(focus)
    return start, moved(start, alignment.matrix)


def reaches_beyond(image: Geometry, grid: Geometry) -> bool:
    """True where an image has voxel centres outside the box of a network's grid."""
    corners = np.array(list(product(*[(0, n - 1) for n in image.size])))
    index = grid.physical_to_index(image.index_to_physical(corners))
    size = np.asarray(grid.size)
    outside = (index < -0.5 - 1e-6) | (index > size - 0.5 + 1e-6)
    return bool(outside[:, size > 1].any())


def fading_margin(displacement: Tensor) -> int:
    """Voxels in which a displacement ``(batch, D, *grid)`` can end beyond its grid without folding anything by it.

    Three times the largest displacement at the edge: the smooth step's slope is 1.5 over its length, so that the
    derivative changes by half at most.
    """
    length = displacement.norm(dim=1)[0]
    largest = max(float(length.movedim(axis, 0)[[0, -1]].max()) for axis in range(length.ndim))
    return min(int(np.ceil(3 * largest)) + 2, max(displacement.shape[2:]))


def faded(displacement: Tensor, margin: int) -> Tensor:
    """A displacement continued by ``margin`` voxels on every side, from its value at the edge smoothly to zero; none for 0."""
    if not margin:
        return displacement
    dimension = displacement.ndim - 2
    result = F.pad(displacement, [margin] * 2 * dimension, mode="replicate")
    for axis in range(2, displacement.ndim):
        length = displacement.shape[axis]
        index = torch.arange(-margin, length + margin, device=result.device)
        share = 1 - torch.maximum(-index, index - (length - 1)).clamp_min(0) / margin
        weight = share * share * (3 - 2 * share)
        result = result * weight.view(-1, *[1] * (displacement.ndim - 1 - axis))
    return result


def ended_soon(displacement: Tensor, grid: Geometry, dimension: int) -> tuple[Tensor, Geometry]:
    """A displacement that ends within a narrow margin, and its grid: for pictures, where a wide one would cost too much."""
    margin = min(fading_margin(displacement), _LIVE_MARGIN)
    return faded(displacement, margin), grown(grid, margin, dimension)


def with_zero_edge(displacement: Tensor) -> Tensor:
    """The same but for the outermost voxels, which are zero: what rounding left there would be continued to infinity."""
    result = displacement.clone()
    for axis in range(2, displacement.ndim):
        result.movedim(axis, 0)[[0, -1]] = 0.0
    return result


def grown(grid: Geometry, margin: int, dimension: int) -> Geometry:
    """A network's grid with ``margin`` more voxels on every side; a slice grows in its plane."""
    extra = np.array([margin, margin, margin if dimension == 3 else 0])
    return Geometry(tuple(grid.size + 2 * extra), grid.spacing, tuple(grid.index_to_physical(-extra)), grid.direction)


def field_on_image(
    grid: PairGrid | NetworkGrid,
    field: Tensor,
    start: Geometry,
    end: Geometry,
    image: Geometry,
    progress: Progress | None = None,
) -> Image:
    """A displacement on a network's grid, or from `faded`, as millimetres on an image's.

    Where the image reaches beyond the network's grid, the displacement fades out to what the grids' places alone say.

    Args:
        grid: the network's.
        field: ``(1, D, *size)`` in voxels of that grid, larger by a margin on every side if it was faded.
        start: where the grid lies over the image that the displacement starts from.
        end: where it lies over the other image.
        image: grid of the result.
        progress: reports and cancels.
    """
    if tuple(field.shape[2:]) == grid.size and reaches_beyond(image, start):
        field = faded(field, fading_margin(field))
    margin = (field.shape[2] - grid.size[0]) // 2
    places = (grown(place, margin, grid.dimension) for place in (start, end))
    return network_field_to_physical(grid.volume_field(field), *places, image, progress)


def inverse_warnings(displacement: Tensor, inverse: Tensor, margin: int) -> list[str]:
    """A sentence where the inverse misses by more than half a voxel at more than one voxel in a hundred.

    The outermost ``margin`` voxels, beyond what the network sees, do not count.
    """
    half = tuple(length // 2 for length in displacement.shape[2:])
    error = inverse_error(resize_field(displacement, half), resize_field(inverse, half))
    seen = tuple(slice(margin // 2, length - margin // 2) for length in half)
    share = float((error[0][seen] > 0.25).float().mean())  # in voxels twice as large
    if share <= 0.01:
        return []
    return [f"The inverse is inexact in {100 * share:.0f} % of the voxels, because the deformation folds there."]
