"""Masks that say where the structure of interest is: brought onto an image's grid, and the box around them."""

from __future__ import annotations

import numpy as np

from .errors import InputError
from .geometry import Geometry
from .image import Image, check_scalar, resample
from .progress import Progress


def mask_on_grid(
    mask: Image,
    image: Image,
    name: str = "The mask",
    image_name: str = "the image",
    progress: Progress | None = None,
) -> Image:
    """A mask, on any grid, as True and False on an image's grid: every value but 0 counts, the nearest voxel decides.

    A structure smaller than the image's voxels keeps those that it touches. `name` and `image_name` are the subjects of
    the sentences.

    Raises `InputError` for vectors, NaN, a mask without a voxel, and one without a voxel in the image; `Cancelled`
    through `progress`.
    """
    check_scalar(mask, name)
    if np.issubdtype(mask.array.dtype, np.inexact) and np.isnan(mask.array).any():
        raise InputError(f"{name} has voxels that are NaN: choose a mask of zeros and ones.")
    inside = mask.array != 0
    if not inside.any():
        raise InputError(f"{name} is empty: mark the structure of interest in it, or choose no mask.")
    mask = mask.with_array(inside)
    # Only what lies around the structure has to be carried over.
    box = mask_box(mask)
    region = voxels_around(image.geometry, box)
    result = np.zeros(image.geometry.shape_kji, dtype=bool)
    if all(axis.stop > axis.start for axis in region):
        target = cropped(image.geometry, region)
        result[region] = resample(mask, target, "nearest", 0, progress=progress).array
        if not result.any():
            points = box.index_to_physical(np.argwhere(mask.array[index_slices(mask.geometry, box)])[:, ::-1])
            index = np.rint(image.geometry.physical_to_index(points)).astype(int)
            index = index[((index >= 0) & (index < image.geometry.size)).all(axis=1)]
            result[tuple(index.T[::-1])] = True
    if not result.any():
        raise InputError(f"{name} lies outside {image_name}: choose the mask that belongs to it, or no mask.")
    return image.with_array(result)


def mask_box(mask: Image) -> Geometry:
    """The part of a mask's grid that just holds its voxels; the mask has some."""
    slices = []
    for axis in range(3):
        present = np.flatnonzero(mask.array.any(axis=tuple({0, 1, 2} - {axis})))
        slices.append(slice(int(present[0]), int(present[-1]) + 1))
    return cropped(mask.geometry, tuple(slices))


def cropped(grid: Geometry, region: tuple[slice, slice, slice]) -> Geometry:
    """The part of a grid in a region of slices (k, j, i) with a start and a stop."""
    first = [axis.start for axis in region[::-1]]
    size = [axis.stop - axis.start for axis in region[::-1]]
    return Geometry(tuple(size), grid.spacing, tuple(grid.index_to_physical(first)), grid.direction)


def index_slices(grid: Geometry, part: Geometry) -> tuple[slice, slice, slice]:
    """The slices (k, j, i) of a grid that one of its parts, from `cropped`, lies in."""
    first = np.rint(grid.physical_to_index(part.origin)).astype(int)[::-1]
    return tuple(slice(int(start), int(start) + n) for start, n in zip(first, part.shape_kji, strict=True))


def voxels_around(grid: Geometry, box: Geometry, margin: float = 0.0) -> tuple[slice, slice, slice]:
    """The slices (k, j, i) of a grid that hold another's box, and a margin in mm around it; empty ones where they are apart.

    The slices lie along the grid's own axes, around the box however it is turned.
    """
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in box.size])).reshape(3, -1).T
    index = grid.physical_to_index(box.index_to_physical(corners))
    reach = margin / np.asarray(grid.spacing)
    low = np.floor(index.min(axis=0) - reach - 1e-6).astype(int)
    high = np.ceil(index.max(axis=0) + reach + 1e-6).astype(int) + 1
    low, high = np.clip(low, 0, grid.size), np.clip(high, 0, grid.size)
    return tuple(slice(int(start), int(max(stop, start))) for start, stop in zip(low[::-1], high[::-1], strict=True))
