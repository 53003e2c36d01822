"""Where the voxels of an image lie in the body: SimpleITK's convention, LPS axes, millimetres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

import numpy as np

from .errors import InputError


@dataclass(frozen=True, eq=False)
class Geometry:
    """A regular grid of voxels in physical space, oblique, anisotropic or left-handed as it may be.

    size       voxels along the axes i, j, k (an array on this grid has the reverse shape, `shape_kji`)
    spacing    mm between voxel centres along i, j, k
    origin     centre of voxel (0, 0, 0), LPS mm
    direction  3x3; its columns are the directions of the axes i, j, k in LPS

    Raises `InputError` for a grid without voxels, or whose voxels have no volume.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: np.ndarray = field(default_factory=lambda: np.eye(3))

    def __post_init__(self):
        # A frozen dataclass can only be completed through object.__setattr__.
        object.__setattr__(self, "size", tuple(int(n) for n in self.size))
        object.__setattr__(self, "spacing", tuple(float(s) for s in self.spacing))
        object.__setattr__(self, "origin", tuple(float(x) for x in self.origin))
        object.__setattr__(self, "direction", np.array(self.direction, dtype=np.float64).reshape(3, 3))
        if len(self.size) != 3 or min(self.size) < 1:
            raise InputError(f"The image is empty (its size is {_by(self.size)} voxels): choose one that holds voxels.")
        if not np.isfinite(self.ijk_to_lps).all() or min(self.spacing) <= 0.0 or self.handedness == 0.0:
            raise InputError(
                f"The image has no usable geometry (spacing {_by(self.spacing)} mm): correct its spacing and direction."
            )

    @property
    def shape_kji(self) -> tuple[int, int, int]:
        """Shape (k, j, i) of an array on this grid."""
        return self.size[::-1]

    @property
    def spacing_kji(self) -> tuple[float, float, float]:
        """Spacing in mm in the order of the array's axes (k, j, i)."""
        return self.spacing[::-1]

    @property
    def step(self) -> np.ndarray:
        """3x3; its columns are the steps in LPS mm from a voxel to the next along i, j, k."""
        return self.direction * np.asarray(self.spacing)

    @property
    def handedness(self) -> float:
        """1 for a right-handed grid, -1 for a left-handed one, 0 for a flat one."""
        determinant = np.linalg.det(self.direction)
        return 0.0 if abs(determinant) < 1e-6 else float(np.sign(determinant))

    @cached_property
    def ijk_to_lps(self) -> np.ndarray:
        """4x4 matrix from a voxel index (i, j, k, 1) to a point (x, y, z, 1) in LPS mm; read-only."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.step
        matrix[:3, 3] = self.origin
        return _fixed(matrix)

    @cached_property
    def lps_to_ijk(self) -> np.ndarray:
        """4x4 matrix from a point (x, y, z, 1) in LPS mm to a (fractional) voxel index (i, j, k, 1); read-only."""
        return _fixed(np.linalg.inv(self.ijk_to_lps))

    @property
    def centre(self) -> np.ndarray:
        """Centre of the grid, LPS mm."""
        return self.index_to_physical((np.asarray(self.size) - 1) / 2)

    def index_to_physical(self, index: Sequence[float] | np.ndarray) -> np.ndarray:
        """Points in LPS mm, shape (..., 3), of voxel indices (i, j, k), shape (..., 3)."""
        return _transform(self.ijk_to_lps, index)

    def physical_to_index(self, point: Sequence[float] | np.ndarray) -> np.ndarray:
        """Fractional voxel indices (i, j, k), shape (..., 3), of points in LPS mm, shape (..., 3)."""
        return _transform(self.lps_to_ijk, point)

    def index_map(self, other: Geometry) -> np.ndarray:
        """4x4 matrix from an index (i, j, k, 1) of this grid to the index of the same point in the `other` grid."""
        return other.lps_to_ijk @ self.ijk_to_lps

    def coarser(self, factors: Sequence[int]) -> Geometry:
        """The same extent in voxels that are larger by whole `factors` along i, j, k."""
        factors = np.asarray(factors)
        return Geometry(
            tuple(np.asarray(self.size) // factors),
            tuple(np.asarray(self.spacing) * factors),
            tuple(self.index_to_physical((factors - 1) / 2)),
            self.direction,
        )

    def same_grid(self, other: Geometry, tolerance: float = 1e-3) -> bool:
        """True when both have the same size and no voxel of one lies more than `tolerance` voxels from the other's."""
        if self.size != other.size:
            return False
        # The offset is affine in the index, so that it is largest at a corner.
        corners = np.array(list(product(*[(0, n - 1) for n in self.size])), dtype=np.float64)
        return bool(np.abs(_transform(self.index_map(other), corners) - corners).max() <= tolerance)

    def overlaps(self, other: Geometry) -> bool:
        """True when the boxes that the voxels of both grids fill share a volume."""
        # Two convex bodies are apart exactly when a plane separates them; for boxes it is parallel to a face of one,
        # or to an edge of each (separating axis theorem).
        normals = [np.cross(step[:, a - 2], step[:, a - 1]) for step in (self.step, other.step) for a in range(3)]
        normals += [np.cross(a, b) for a in self.direction.T for b in other.direction.T]
        for normal in normals:
            length = np.linalg.norm(normal)
            if length < 1e-9:
                continue
            mine, theirs = self._box() @ normal / length, other._box() @ normal / length
            if mine.max() <= theirs.min() or theirs.max() <= mine.min():
                return False
        return True

    def _box(self) -> np.ndarray:
        """The eight corners, (8, 3) LPS mm, of the box that the voxels fill (half a voxel around their centres)."""
        return self.index_to_physical(np.array(list(product(*[(-0.5, n - 0.5) for n in self.size]))))


def network_geometry(
    size_kji: Sequence[int], spacing_kji: float | Sequence[float], centre: Sequence[float] | np.ndarray
) -> Geometry:
    """The grid that a network sees: parallel to the axes of LPS, around a centre.

    size_kji     voxels along the array's axes (k, j, i), as model cards list them
    spacing_kji  mm, one number or three along (k, j, i)
    centre       LPS mm, usually `image.geometry.centre`
    """
    size = np.asarray(size_kji, dtype=int)[::-1]
    spacing = np.broadcast_to(np.asarray(spacing_kji, dtype=np.float64), 3)[::-1]
    origin = np.asarray(centre, dtype=np.float64) - (size - 1) / 2 * spacing
    return Geometry(tuple(size), tuple(spacing), tuple(origin))


def _fixed(matrix: np.ndarray) -> np.ndarray:
    matrix.flags.writeable = False
    return matrix


def _transform(matrix: np.ndarray, points: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.asarray(points, dtype=np.float64) @ matrix[:3, :3].T + matrix[:3, 3]


def _by(values: Sequence[float]) -> str:
    return " x ".join(f"{value:g}" for value in values)
