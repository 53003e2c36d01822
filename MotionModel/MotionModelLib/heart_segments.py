"""The American Heart Association's segments of the left ventricle's wall (Cerqueira 2002), found from label maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy import ndimage

from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image

from .heart_axes import HeartAxes, HeartLabels, check_heart, heart_axes, stack_axis

Level = Literal["basal", "mid", "apical"]

SEGMENT_NAMES = {
    1: "basal anterior",
    2: "basal anteroseptal",
    3: "basal inferoseptal",
    4: "basal inferior",
    5: "basal inferolateral",
    6: "basal anterolateral",
    7: "mid anterior",
    8: "mid anteroseptal",
    9: "mid inferoseptal",
    10: "mid inferior",
    11: "mid inferolateral",
    12: "mid anterolateral",
    13: "apical anterior",
    14: "apical septal",
    15: "apical inferior",
    16: "apical lateral",
    17: "apex",
}

_TOUCHING = 2.0  # mm between voxel centres, or one and a half voxels where they are larger
_FEWEST = 3  # voxels of the wall beside the right ventricle
_LAYERS = 20  # in which the ends of the septum are looked for; the slices of a stack where there are fewer


@dataclass(frozen=True, eq=False)
class HeartSegments:
    """Which segment each voxel of the wall belongs to.

    Attributes:
        segments: int16 on the label map's grid, 1 to 17 in the wall, 0 elsewhere.
        insertions: ``(2, 3)``, LPS mm: where the right ventricle meets the wall in front (anterior), and below (inferior).
        septal_angle: of the middle of the septum, in `HeartAxes.angles`.
        axes: of the ventricle.
    """

    segments: Image
    insertions: np.ndarray
    septal_angle: float
    axes: HeartAxes

    @property
    def numbers(self) -> list[int]:
        """The segments that have voxels."""
        return [int(number) for number in np.unique(self.segments.array) if number]


def heart_segments(
    labels: Image,
    heart: HeartLabels = HeartLabels(),
    axes: HeartAxes | None = None,
    level: Level = "mid",
) -> HeartSegments:
    """Divide the left ventricle's wall into segments.

    The septum's middle lies half-way between the two insertions of the right ventricle. From there six segments of 60
    degrees go round in the basal and the middle third, four of 90 degrees in the apical one. Thirds are those of the
    pool's length as far as it is in the image; the wall beyond the pool's tip, where the image shows it, is segment 17.

    Args:
        labels: label map of the reference frame.
        heart: which label is what.
        axes: of the ventricle; by default found from the labels.
        level: of the segments in an image of one slice.

    Raises:
        InputError: for a label map without pool, wall, or a right ventricle beside the wall.
    """
    if level not in get_args(Level):
        raise ValueError(f"The level is one of {get_args(Level)}, not {level!r}.")
    labels = check_heart(labels, heart)
    axes = axes or heart_axes(labels, heart)
    geometry = labels.geometry
    wall = np.argwhere(labels.array == heart.myocardium)
    points = geometry.index_to_physical(wall[:, ::-1])
    heights = _heights(labels, heart, axes, wall, points)
    contact = _beside_right_ventricle(labels, heart)[tuple(wall.T)] & (heights < 1)
    angles = axes.angles(points, wall[:, 0])
    ends = _septal_ends(angles[contact], np.round(_LAYERS * heights[contact]), heart)
    septal = float(np.mean(ends))
    heights = np.full(len(wall), 0.5) if geometry.size[2] == 1 else heights
    numbers = _numbers(heights, np.degrees(angles - septal), level if geometry.size[2] == 1 else None)
    segments = np.zeros(labels.array.shape, dtype=np.int16)
    segments[tuple(wall.T)] = numbers
    insertions = [_insertion(end, points[contact], wall[contact, 0], angles[contact], axes) for end in ends]
    return HeartSegments(labels.with_array(segments), np.stack(insertions), septal, axes)


def _numbers(heights: np.ndarray, degrees: np.ndarray, level: Level | None) -> np.ndarray:
    """Segments of points at heights (0 base, 1 the pool's tip) and angles from the septum's middle."""
    # Segment 2 ends, and 3 begins, at the middle of the septum; 14 has it in its middle.
    six = np.floor(np.mod(degrees + 120, 360) / 60).astype(int) % 6 + 1
    four = np.floor(np.mod(degrees + 135, 360) / 90).astype(int) % 4 + 13
    if level is not None:
        return {"basal": six, "mid": six + 6, "apical": four}[level]
    numbers = np.select([heights < 1 / 3, heights < 2 / 3, heights < 1], [six, six + 6, four], 17)
    return numbers.astype(np.int16)


def _heights(labels: Image, heart: HeartLabels, axes: HeartAxes, wall: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Of points of the wall, 0 where the pool begins at the base, 1 where it ends towards the apex.

    In a stack every slice has one height.
    """
    geometry = labels.geometry
    across = stack_axis(geometry, axes.planar)
    pool = np.argwhere(labels.array == heart.pool)[:, ::-1]
    if across is None:
        along, own = geometry.index_to_physical(pool) @ axes.axis, points @ axes.axis
        half = 0.5 * min(geometry.spacing)
    else:
        sense = np.sign(axes.axis @ geometry.direction[:, across]) or 1.0
        along, own, half = sense * pool[:, across], sense * wall[:, 2 - across], 0.5
    first, last = along.min() - half, along.max() + half
    return np.maximum((own - first) / (last - first), 0.0)


def _beside_right_ventricle(labels: Image, heart: HeartLabels) -> np.ndarray:
    """Where the right ventricle is as near as the next voxel; raises `InputError` where there is none."""
    right = None if heart.right_ventricle is None else labels.array == heart.right_ventricle
    if right is None or not right.any():
        which = "" if heart.right_ventricle is None else f" (label {heart.right_ventricle})"
        raise InputError(
            f"The segmentation has no right ventricle{which}, which says where segments begin: label it, or use values "
            "of the whole wall."
        )
    spacing = np.asarray(labels.spacing_kji)
    across = stack_axis(labels.geometry)
    reach = max(_TOUCHING, 1.5 * _in_plane(labels.geometry, across))
    if across is not None:
        spacing[2 - across] = max(spacing[2 - across], 2 * reach)  # in its own slice only
    return ndimage.distance_transform_edt(~right, sampling=spacing) <= reach


def _in_plane(geometry: Geometry, across: int | None) -> float:
    spacing = geometry.spacing if across is None else np.delete(geometry.spacing, across)
    return float(np.max(spacing))


def _septal_ends(angles: np.ndarray, layers: np.ndarray, heart: HeartLabels) -> tuple[float, float]:
    """Angles at which the right ventricle's contact with the wall begins and ends: medians over layers of the wall."""
    mean = np.exp(1j * angles).mean() if len(angles) else 0.0
    if len(angles) < _FEWEST or abs(mean) < 0.1:
        raise InputError(
            f"The right ventricle (label {heart.right_ventricle}) does not lie beside the left one's wall (label "
            f"{heart.myocardium}), so that segments cannot be placed: correct the segmentation, or use values of the "
            "whole wall."
        )
    middle = float(np.angle(mean))
    turned = np.angle(np.exp(1j * (angles - middle)))
    groups = [turned[layers == number] for number in np.unique(layers)]
    groups = [group for group in groups if len(group) >= _FEWEST] or [turned]
    # A layer that grazes the right ventricle says little about where it ends.
    groups = [group for group in groups if np.ptp(group) >= 0.5 * max(np.ptp(other) for other in groups)]
    return middle + float(np.median([g.min() for g in groups])), middle + float(np.median([g.max() for g in groups]))


def _insertion(end: float, points: np.ndarray, slices: np.ndarray, angles: np.ndarray, axes: HeartAxes) -> np.ndarray:
    """A point at an end of the septum, as high and as far from the axis as the voxels near it."""
    away = np.abs(np.angle(np.exp(1j * (angles - end))))
    near = away <= np.sort(away)[min(len(away), 5) - 1]
    first, second = axes.frame()
    offset = axes.offsets(points[near], slices[near])
    foot = (points[near] - offset).mean(axis=0)
    return foot + np.linalg.norm(offset, axis=1).mean() * (np.cos(end) * first + np.sin(end) * second)
