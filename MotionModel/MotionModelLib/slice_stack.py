"""Volumes as stacks of slices: which axis runs across them, and where a planar network's grid lies in each."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from DeformationLib.geometry import Geometry
from DeformationLib.pair_grid import PairGrid

_THICK = 1.5  # slices thicker than so many pixels make a stack of slices


def place_of_grid(grid: PairGrid, image: Geometry) -> Geometry:
    """Where a network's grid lies around an image; of a planar grid the stack of it in all of the image's slices."""
    if grid.dimension == 3:
        return grid.around(image)
    image = stack_geometry(image)
    place = grid.around(image)
    # The grid around a stack lies in its middle, which is half a slice off where the number of slices is even.
    normal, step = np.asarray(image.direction)[:, 2], image.spacing[2]
    offset = float((image.centre - place.centre) @ normal) - (image.size[2] - 1) / 2 * step
    origin = np.asarray(place.origin) + normal * offset
    direction = np.column_stack([np.asarray(place.direction)[:, :2], normal])
    return Geometry((*place.size[:2], image.size[2]), (*place.spacing[:2], step), origin, direction)


def tensor_on_grid(array: np.ndarray, grid: PairGrid) -> Tensor:
    """An array (k, j, i) on `place_of_grid` as ``(S, *size)`` in single precision."""
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).view(-1, *grid.size)


def stack_geometry(geometry: Geometry) -> Geometry:
    """The same voxels with the slices along the last axis, counted towards the left, back or head of the patient.

    What the slices are does not depend on how the volume is stored: a single slice, else thick ones, else the axis with
    the fewest voxels.
    """
    last = slice_axis(geometry)
    order = [axis for axis in range(3) if axis != last] + [last]
    direction = np.asarray(geometry.direction)[:, order]
    size, spacing = np.asarray(geometry.size)[order], np.asarray(geometry.spacing)[order]
    origin = np.asarray(geometry.origin)
    normal = direction[:, 2]
    if normal[np.abs(normal).argmax()] < 0:
        origin = origin + normal * spacing[2] * (size[2] - 1)
        direction = direction * (1.0, 1.0, -1.0)
    return Geometry(tuple(size), tuple(spacing), tuple(origin), direction)


def slice_axis(geometry: Geometry) -> int:
    """Which of an image's axes (0 to 2 for i, j, k) runs across the slices that a planar model takes."""
    size, spacing = np.asarray(geometry.size), np.asarray(geometry.spacing)
    if np.count_nonzero(size == 1) == 1:
        return int(np.argmin(size))
    thickest = int(spacing.argmax())
    if spacing[thickest] > _THICK * np.delete(spacing, thickest).max():
        return thickest
    fewest = np.flatnonzero(size == size.min())
    return int(fewest[0]) if len(fewest) == 1 else 2
