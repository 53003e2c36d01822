"""A plane through a deformed volume, sampled finely enough to be printed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from DeformationLib.geometry import Geometry, network_geometry
from DeformationLib.image import Image
from DeformationLib.sampling import sample_on_grid

Plane = Literal["sagittal", "coronal", "axial"]

# By plane: the normal axis of LPS, the axes that run across and up the picture, and what lies at its left, right,
# bottom and top (the patient's left is at the viewer's right, the front at the left of a sagittal view).
_PLANES = {
    "sagittal": (0, 1, 2, ("A", "P", "I", "S")),
    "coronal": (1, 0, 2, ("R", "L", "I", "S")),
    "axial": (2, 0, 1, ("R", "L", "P", "A")),
}
_SAMPLES_PER_VOXEL = 2
_ARROWS_ACROSS = 14


@dataclass(frozen=True)
class Section:
    """One slice of a volume.

    Attributes:
        geometry: of its samples, one voxel thick, parallel to the axes of LPS unless the image is a slice itself.
        extent: left, right, bottom, top in mm, for matplotlib with the origin below.
        across: direction of the picture's horizontal in LPS.
        up: direction of its vertical.
        ends: letters of the directions at the left, right, bottom and top; empty for an image that is a slice.
    """

    geometry: Geometry
    extent: tuple[float, float, float, float]
    across: np.ndarray
    up: np.ndarray
    ends: tuple[str, str, str, str]

    @classmethod
    def through(cls, image: Image, labels: Image | None = None, plane: Plane = "sagittal") -> Section:
        """The section of an image where the labels have their largest area, or through its centre."""
        if image.geometry.size[2] == 1:
            return cls._of_slice(image.geometry)
        normal, across, up, ends = _PLANES[plane]
        ranges = [(-0.5, n - 0.5) for n in image.geometry.size]
        corners = image.geometry.index_to_physical(list(product(*ranges)))
        low, high = corners.min(axis=0), corners.max(axis=0)
        centre = (low + high) / 2
        centre[normal] = _largest_area(labels, normal) if labels is not None else centre[normal]
        step = min(image.spacing) / _SAMPLES_PER_VOXEL
        size = np.ceil((high - low) / step - 1e-6).astype(int)
        size[normal] = 1
        geometry = network_geometry(size[::-1], step, centre)
        axes = np.eye(3)
        axes[1] *= -1 if plane == "axial" else 1
        return cls(geometry, _extent(size[across], size[up], step), axes[across], axes[up], ends)

    @classmethod
    def _of_slice(cls, slice_: Geometry) -> Section:
        step = min(slice_.spacing[:2]) / _SAMPLES_PER_VOXEL
        size = np.ceil(np.multiply(slice_.size, slice_.spacing)[:2] / step - 1e-6).astype(int)
        spacing = (step, step, slice_.spacing[2])
        corner = slice_.direction @ ((np.array([*size, 1]) - 1) / 2 * spacing)
        geometry = Geometry((*size, 1), spacing, slice_.centre - corner, slice_.direction)
        # Rows of a slice run down the picture.
        return cls(geometry, _extent(*size, step), slice_.direction[:, 0], -slice_.direction[:, 1], ("",) * 4)

    @property
    def _flipped(self) -> bool:
        """True where the array's rows run against the picture's vertical."""
        rows = self.geometry.direction[:, 1 if self.geometry.size[2] == 1 else 2]
        return bool(rows @ self.up < 0)

    def _picture(self, array: np.ndarray) -> np.ndarray:
        """Samples on the geometry as ``(rows, columns[, components])``, the first row at the bottom."""
        thin = self.geometry.size.index(1)
        array = np.squeeze(array, axis=2 - thin)
        return array[::-1] if self._flipped else array

    def displacement(self, displacement: Image) -> np.ndarray:
        """A displacement on the section's samples, ``(k, j, i, 3)``, components x, y, z, LPS mm."""
        return sample_on_grid(displacement.array, displacement.geometry, self.geometry)

    def sample(self, image: Image, displacement: np.ndarray | None = None) -> np.ndarray:
        """An image on the section, ``(rows, columns)`` from below, through a displacement from `displacement`."""
        return self._picture(sample_on_grid(image.array, image.geometry, self.geometry, displacement))

    def indicator(self, labels: Image, value: int, displacement: np.ndarray | None = None) -> np.ndarray:
        """Like `sample`, of the indicator of a label: its contour at one half is the label's outline."""
        mask = (labels.array == value).astype(np.float32)
        return self._picture(sample_on_grid(mask, labels.geometry, self.geometry, displacement, padding=0))

    @property
    def _arrow_step(self) -> int:
        return max(1, round(max(self.geometry.size) / _ARROWS_ACROSS))

    @property
    def arrow_spacing(self) -> float:
        """Distance of the arrows in mm."""
        return self._arrow_step * self.geometry.spacing[1]

    def arrows(self, displacement: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Motion of the tissue at regular places, for arrows whose tips are there.

        Returns:
            Places ``(n, 2)`` in mm across and up, motion there ``(n, 2)`` in mm within the plane, and its length in
            space ``(n,)``. Tissue at the place p came from p + u(p), so that it moved by -u(p).
        """
        motion = -self._picture(displacement)
        rows, columns = motion.shape[:2]
        step = self._arrow_step
        row, column = np.mgrid[step // 2 : rows : step, step // 2 : columns : step]
        row, column = row.ravel(), column.ravel()
        left, right, bottom, top = self.extent
        places = np.stack(
            [left + (column + 0.5) / columns * (right - left), bottom + (row + 0.5) / rows * (top - bottom)], axis=1
        )
        chosen = motion[row, column]
        return places, np.stack([chosen @ self.across, chosen @ self.up], axis=1), np.linalg.norm(chosen, axis=1)


def _extent(columns: int, rows: int, step: float) -> tuple[float, float, float, float]:
    return (-columns * step / 2, columns * step / 2, -rows * step / 2, rows * step / 2)


def _largest_area(labels: Image, normal: int) -> float:
    """Position in mm along an axis of LPS where most labelled voxels lie side by side."""
    voxels = np.argwhere(labels.array != 0)[:, ::-1]
    if not len(voxels):
        return float(labels.geometry.centre[normal])
    positions = labels.geometry.index_to_physical(voxels)[:, normal]
    bins = np.rint((positions - positions.min()) / min(labels.spacing)).astype(int)
    return float(positions.min() + np.bincount(bins).argmax() * min(labels.spacing))
