"""Small synthetic images with awkward geometry, for tests of the bridge to the scene."""

from __future__ import annotations

import numpy as np

from DeformationLib.geometry import Geometry
from DeformationLib.image import Image

_ANGLE = 0.4
_TILT = np.array(
    [
        [np.cos(_ANGLE), -np.sin(_ANGLE), 0.0],
        [np.sin(_ANGLE) * np.cos(0.3), np.cos(_ANGLE) * np.cos(0.3), -np.sin(0.3)],
        [np.sin(_ANGLE) * np.sin(0.3), np.cos(_ANGLE) * np.sin(0.3), np.cos(0.3)],
    ]
)

DIRECTIONS = {
    "axis-aligned": np.eye(3),
    "oblique": _TILT,
    "left-handed": np.diag([1.0, 1.0, -1.0]),
    "oblique and left-handed": _TILT @ np.diag([1.0, -1.0, 1.0]),
    "permuted": np.eye(3)[:, [2, 0, 1]],
}


def geometry(direction: str = "oblique", size: tuple[int, int, int] = (22, 26, 18)) -> Geometry:
    """An anisotropic grid away from the origin, with one of `DIRECTIONS`."""
    return Geometry(size, (1.2, 0.9, 1.7), (-30.0, 12.5, 45.0), DIRECTIONS[direction])


def points(grid: Geometry) -> np.ndarray:
    """LPS positions (k, j, i, 3) of a grid's voxels."""
    indices = np.stack(np.meshgrid(*map(np.arange, grid.shape_kji), indexing="ij"), axis=-1)[..., ::-1]
    return grid.index_to_physical(indices)


def blob(grid: Geometry, offset_mm: tuple[float, float, float] = (0.0, 0.0, 0.0), width_mm: float = 5.0) -> Image:
    """A smooth bright blob of height 100 that is not symmetric, `offset_mm` (LPS) away from the grid's centre."""
    distance = points(grid) - grid.centre - np.asarray(offset_mm)
    squared = (distance**2 * np.array([1.0, 0.6, 1.5])).sum(axis=-1)
    tail = ((distance - np.array([3.0, 2.0, -2.0])) ** 2).sum(axis=-1)
    values = 80.0 * np.exp(-squared / (2 * width_mm**2)) + 20.0 * np.exp(-tail / (2 * (0.6 * width_mm) ** 2))
    return Image.on_grid(values.astype(np.float32), grid)


def two_labels(grid: Geometry) -> Image:
    """Two touching boxes, labels 1 and 2, around the centre of a grid."""
    labels = np.zeros(grid.shape_kji, np.int16)
    (k, j, i), (depth, height, width) = ((n // 4 for n in grid.shape_kji), (n // 2 for n in grid.shape_kji))
    labels[k : k + depth, j : j + height, i : i + width // 2] = 1
    labels[k : k + depth, j : j + height, i + width // 2 : i + width] = 2
    return Image.on_grid(labels, grid)


def smooth_displacement(grid: Geometry, size_mm: float = 2.5) -> Image:
    """A smooth displacement (k, j, i, 3), LPS mm, of about `size_mm`, different along every axis."""
    position = (points(grid) - grid.centre) / 12.0
    x, y, z = np.moveaxis(position, -1, 0)
    field = np.stack([np.sin(1.1 * y + 0.4), 0.8 * np.cos(z + 0.3 * x), 0.6 * np.sin(x - 0.7 * y)], axis=-1)
    return Image.on_grid((size_mm * field).astype(np.float32), grid)
