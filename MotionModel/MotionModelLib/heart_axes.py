"""Directions in a left ventricle: its long axis, and what is radial, circumferential, longitudinal at a point of its wall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image, as_labels

_THICK = 1.5  # voxels longer than so many widths make a stack of slices
# Hearts point to the left, to the front and down. Only asked where the labels say nothing.
_USUAL_APEX = np.array([1.0, -1.0, -1.0]) / np.sqrt(3.0)


@dataclass(frozen=True)
class HeartLabels:
    """Which label is what; the defaults are those of the ACDC challenge.

    Attributes:
        pool: blood of the left ventricle.
        myocardium: its wall.
        right_ventricle: blood of the right ventricle; None where it is not labelled.
    """

    pool: int = 3
    myocardium: int = 2
    right_ventricle: int | None = 1


@dataclass(frozen=True, eq=False)
class HeartAxes:
    """The axis of a left ventricle.

    Attributes:
        axis: unit vector from base to apex, LPS.
        centre: centre of the pool, a point of the axis, LPS mm.
        planar: directions lie in the image's slices, about the centre of the pool in each.
        centres: of a planar one, of each slice ``(k, 3)``, LPS mm; else None.
    """

    axis: np.ndarray
    centre: np.ndarray
    planar: bool = False
    centres: np.ndarray | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The directions that there are, in the order of `directions`."""
        return ("radial", "circumferential") if self.planar else ("radial", "circumferential", "longitudinal")

    def offsets(self, points: np.ndarray, slices: np.ndarray) -> np.ndarray:
        """From the axis to points ``(P, 3)``, LPS mm, at right angles to the axis; `slices`: each point's k."""
        relative = points - (self.centre if self.centres is None else self.centres[slices])
        return relative - np.multiply.outer(relative @ self.axis, self.axis)

    def directions(self, points: np.ndarray, slices: np.ndarray) -> np.ndarray:
        """Unit vectors ``(P, directions, 3)``, LPS, at points ``(P, 3)`` in slices ``(P,)``; nan on the axis itself.

        Radial ones point outwards; circumferential ones turn from the anterior wall through the septum to the inferior
        one; longitudinal ones point to the apex. The sense does not matter for strain.
        """
        offset = self.offsets(points, slices)
        length = np.linalg.norm(offset, axis=-1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            radial = np.where(length > 1e-6, offset / length, np.nan)
        vectors = [radial, np.cross(self.axis, radial)]
        if not self.planar:
            vectors.append(np.broadcast_to(self.axis, radial.shape))
        return np.stack(vectors, axis=1)

    def angles(self, points: np.ndarray, slices: np.ndarray) -> np.ndarray:
        """Angle in radians about the axis, rising from the anterior wall through the septum; zero is arbitrary but fixed."""
        first, second = self.frame()
        offset = self.offsets(points, slices)
        return np.arctan2(offset @ second, offset @ first)

    def frame(self) -> tuple[np.ndarray, np.ndarray]:
        """Two unit vectors at right angles to the axis and to each other, where angles are 0 and 90 degrees."""
        helper = np.eye(3)[np.abs(self.axis).argmin()]
        first = helper - helper @ self.axis * self.axis
        first = first / np.linalg.norm(first)
        return first, np.cross(self.axis, first)


def stack_axis(geometry: Geometry, planar: bool = False) -> int | None:
    """Axis (0, 1, 2 for i, j, k) across the slices of a stack; None for voxels of about the same length along all axes."""
    spacing = np.asarray(geometry.spacing)
    longest = int(spacing.argmax())
    if planar or geometry.size[2] == 1:
        return 2
    return longest if spacing[longest] > _THICK * np.delete(spacing, longest).max() else None


def check_heart(labels: Image, heart: HeartLabels) -> Image:
    """The label map as whole numbers; raises `InputError` where the left ventricle's labels are not in it."""
    labels = as_labels(labels, "The segmentation")
    present = np.unique(labels.array)
    for label, name in ((heart.pool, "the left ventricle's pool"), (heart.myocardium, "its myocardium")):
        if label not in present:
            has = ", ".join(str(value) for value in present if value) or "none"
            raise InputError(
                f"The segmentation has no voxel of the label {label} for {name} (its labels: {has}): say which labels "
                "are pool and myocardium, or choose a segmentation of the heart."
            )
    return labels


def heart_axes(
    labels: Image, heart: HeartLabels = HeartLabels(), planar: bool | None = None, axis: np.ndarray | None = None
) -> HeartAxes:
    """The axis of the left ventricle's pool.

    Args:
        labels: label map of the reference frame.
        heart: which label is what.
        planar: in the slices along k, about the pool's centre in each; by default where there is one slice only.
        axis: direction of the axis (LPS, either sense), where it is known.

    The slices of a stack are taken for short-axis ones: the axis is the line through the centres of the pool in them.
    Where voxels are about as long along all axes, it is the long axis of pool and wall together. The apex is where the
    pool is narrower.

    Raises:
        InputError: for a label map without pool or myocardium.
    """
    labels = check_heart(labels, heart)
    geometry = labels.geometry
    planar = geometry.size[2] == 1 if planar is None else planar
    pool = np.argwhere(labels.array == heart.pool)[:, ::-1]
    points = geometry.index_to_physical(pool)
    centre = points.mean(axis=0)
    across = stack_axis(geometry, planar)
    if planar:
        direction = geometry.direction[:, 2]
    elif axis is not None:
        direction = np.asarray(axis, dtype=float)
    elif across is not None:
        direction = _through_centres(points, pool[:, across], geometry.direction[:, across])
    else:
        both = np.isin(labels.array, (heart.pool, heart.myocardium))
        direction = _longest(geometry.index_to_physical(np.argwhere(both)[:, ::-1]))
    length = np.linalg.norm(direction)
    if not length > 0:
        raise InputError("The axis of the left ventricle has no length: give a direction, or none.")
    wall = geometry.index_to_physical(np.argwhere(labels.array == heart.myocardium)[:, ::-1]).mean(axis=0)
    direction = _towards_apex(direction / length, points, pool[:, 2] if planar else None, wall)
    centres = _centres(points, pool[:, 2], geometry) if planar else None
    return HeartAxes(direction, centre, planar, centres)


def _through_centres(points: np.ndarray, slices: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Direction of the line through the centres of points in slices, by least squares, larger slices counting more."""
    along = (points - points.mean(axis=0)) @ normal
    variance = float((along**2).mean())
    if variance < 1e-9 or len(np.unique(slices)) < 2:
        return normal
    return (points - points.mean(axis=0)).T @ along / len(points) / variance


def _longest(points: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(np.cov(points.T))
    return vectors[:, values.argmax()]


def _towards_apex(axis: np.ndarray, points: np.ndarray, slices: np.ndarray | None, wall: np.ndarray) -> np.ndarray:
    """The axis in the sense in which the pool becomes narrower; else to the wall's closed end; else to the usual side."""
    relative = points - points.mean(axis=0)
    if slices is not None:  # narrower in itself: the centres of slices may wander
        for number in np.unique(slices):
            chosen = slices == number
            relative[chosen] -= (relative[chosen] - np.outer(relative[chosen] @ axis, axis)).mean(axis=0)
    along = relative @ axis
    squared = (relative**2).sum(axis=1) - along**2
    extent = float(np.ptp(along))
    if extent > 1e-6:
        slope = np.mean((along - along.mean()) * squared) / np.mean(along**2)
        if abs(slope) * extent > 0.05 * squared.mean():
            return -axis if slope > 0 else axis
    closed = float((wall - points.mean(axis=0)) @ axis)
    if abs(closed) > 0.02 * max(extent, 1.0):
        return axis if closed > 0 else -axis
    return axis if axis @ _USUAL_APEX >= 0 else -axis


def _centres(points: np.ndarray, slices: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Centre of the pool in every slice; in those without, the nearest one's, moved across the slices."""
    numbers = np.unique(slices)
    found = np.stack([points[slices == number].mean(axis=0) for number in numbers])
    every = np.arange(geometry.size[2])
    nearest = np.abs(every[:, None] - numbers).argmin(axis=1)
    return found[nearest] + np.multiply.outer(every - numbers[nearest], geometry.step[:, 2])
