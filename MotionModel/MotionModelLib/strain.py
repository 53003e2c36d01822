"""Green-Lagrange strain of a moving left ventricle: radial, circumferential, longitudinal; of all the wall and by segment.

``E = (F^T F - 1) / 2``, where ``F = d x / d X`` is the derivative of where a material point of the reference frame is, by
where it was, both in millimetres. Along a unit direction d, ``d^T E d = (|F d|^2 - 1) / 2``: what was as long as 1 becomes
``sqrt(1 + 2 E)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image, check_same_grid
from DeformationLib.progress import Progress

from .heart_axes import HeartAxes, HeartLabels, check_heart, heart_axes
from .heart_segments import HeartSegments, Level, heart_segments


@dataclass(eq=False)
class StrainCurves:
    """Strain over the frames of a series, without unit: 0.3 is a strain of 30 %.

    Attributes:
        times: of the frames ``(N,)``.
        directions: ``("radial", "circumferential")``, and ``"longitudinal"`` in three dimensions.
        whole: means over the wall, ``(N, directions)``.
        segments: means by segment, ``(N, directions, S)``; S may be 0.
        segment_numbers: AHA's numbers of the S segments.
        map: where the segments are; None without any.
        notes: sentences: why there are no segments, for instance.

    >>> strain = motion.strain(segmentation)
    >>> strain.peak("circumferential"), strain.segment_peaks("radial")
    """

    times: np.ndarray
    directions: tuple[str, ...]
    whole: np.ndarray
    segments: np.ndarray
    segment_numbers: list[int]
    map: HeartSegments | None = None
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.times)

    def __str__(self) -> str:
        peaks = [
            f"  {name:<16s} {100 * self.peak(name):+.1f} % in frame {self.peak_frame(name)}" for name in self.directions
        ]
        return "\n".join([f"Peak strain of {len(self)} frames", *peaks, *[f"  note: {note}" for note in self.notes]])

    def of(self, direction: str, segment: int | None = None) -> np.ndarray:
        """The curve ``(N,)`` of a direction, of the whole wall or of a segment; raises `InputError` for ones not there."""
        if direction not in self.directions:
            raise InputError(f"There is no {direction} strain here: choose one of {', '.join(self.directions)}.")
        column = self.directions.index(direction)
        if segment is None:
            return self.whole[:, column]
        if segment not in self.segment_numbers:
            known = ", ".join(map(str, self.segment_numbers)) or "none"
            raise InputError(f"Strain of the segment {segment} was not measured (segments: {known}).")
        return self.segments[:, column, self.segment_numbers.index(segment)]

    def peak_frame(self, direction: str, segment: int | None = None) -> int:
        """Frame in which a curve is furthest from zero."""
        curve = np.abs(self.of(direction, segment))
        return 0 if np.isnan(curve).all() else int(np.nanargmax(curve))

    def peak(self, direction: str, segment: int | None = None) -> float:
        """The value that is furthest from zero, with its sign."""
        return float(self.of(direction, segment)[self.peak_frame(direction, segment)])

    def segment_peaks(self, direction: str) -> dict[int, float]:
        """Peak by segment, as the bull's-eye picture shows it."""
        return {number: self.peak(direction, number) for number in self.segment_numbers}

    def segment_values(self, direction: str, frame: int) -> dict[int, float]:
        """Strain by segment in one frame."""
        return {number: float(self.of(direction, number)[frame]) for number in self.segment_numbers}

    def summary(self) -> dict:
        """What a report holds: peaks in percent, where they are, by segment, notes."""
        result: dict = {
            name: {
                "peak_percent": 100 * self.peak(name),
                "peak_frame": self.peak_frame(name),
                "segment_peaks_percent": {str(n): 100 * value for n, value in self.segment_peaks(name).items()},
            }
            for name in self.directions
        }
        return result | {"notes": list(self.notes)}


def strain_curves(
    labels: Image,
    displacement: Callable[[int], Image],
    frames: int,
    heart: HeartLabels = HeartLabels(),
    planar: bool | None = None,
    times: Sequence[float] | np.ndarray | None = None,
    axis: np.ndarray | None = None,
    level: Level = "mid",
    progress: Progress | None = None,
) -> StrainCurves:
    """Strain of the left ventricle's wall over a series.

    Args:
        labels: of the reference frame, on the grid of the displacements.
        displacement: of a frame's number: from the reference to the frame, ``(k, j, i, 3)``, LPS mm.
        frames: how many.
        heart: which label is what.
        planar: only in the slices along k, as of 2-D models; by default where there is one slice only.
        times: of the frames; by default their numbers.
        axis: direction of the ventricle's axis, LPS, where it is known.
        level: of the segments of a single slice.
        progress: reports and cancels.

    Raises:
        InputError: for labels on another grid, and without pool or myocardium.  Without a right ventricle there are no
            segments, and a note says so.
    """
    progress = progress or Progress()
    field_0 = displacement(0)
    check_same_grid(labels, field_0, "The segmentation", "the frames")
    labels = check_heart(labels, heart)
    axes = heart_axes(labels, heart, planar, axis)
    wall = np.argwhere(labels.array == heart.myocardium)
    directions = wall_directions(wall, labels.geometry, axes)
    notes, segments = _segments(labels, heart, axes, level)
    numbers = [] if segments is None else segments.numbers
    own = None if segments is None else segments.segments.array[tuple(wall.T)]
    groups = [np.ones(len(wall), dtype=bool), *[own == number for number in numbers]]
    means = np.empty((frames, len(axes.names), len(groups)))
    for number in range(frames):
        strain = directional_strain(displacement(number) if number else field_0, wall, directions, axes.planar)
        means[number] = np.stack([_mean(strain[group]) for group in groups], axis=-1)
        progress.report((number + 1) / frames, "Measuring strain")
    times = np.arange(frames, dtype=float) if times is None else np.asarray(times, dtype=float)
    return StrainCurves(times, axes.names, means[..., 0], means[..., 1:], numbers, segments, notes)


def strain_map(
    displacement: Image,
    labels: Image,
    direction: str,
    heart: HeartLabels = HeartLabels(),
    axes: HeartAxes | None = None,
) -> Image:
    """Strain in one direction at every voxel of the wall, nan elsewhere; arguments as in `strain_curves`."""
    check_same_grid(labels, displacement, "The segmentation", "the frames")
    labels = check_heart(labels, heart)
    axes = axes or heart_axes(labels, heart)
    if direction not in axes.names:
        raise InputError(f"There is no {direction} strain here: choose one of {', '.join(axes.names)}.")
    wall = np.argwhere(labels.array == heart.myocardium)
    chosen = wall_directions(wall, labels.geometry, axes)[:, [axes.names.index(direction)]]
    result = np.full(labels.array.shape, np.nan, dtype=np.float32)
    result[tuple(wall.T)] = directional_strain(displacement, wall, chosen, axes.planar)[:, 0]
    return labels.with_array(result)


def wall_directions(wall: np.ndarray, geometry: Geometry, axes: HeartAxes) -> np.ndarray:
    """Unit vectors ``(P, directions, 3)``, LPS, at voxels ``(P, 3)`` given by their k, j, i."""
    return axes.directions(geometry.index_to_physical(wall[:, ::-1]), wall[:, 0])


def directional_strain(
    displacement: Image, voxels: np.ndarray, directions: np.ndarray, planar: bool = False
) -> np.ndarray:
    """``d^T E d`` of unit vectors ``(P, directions, 3)``, LPS, at voxels ``(P, 3)`` (k, j, i): ``(P, directions)``."""
    gradient = deformation_gradient(displacement, voxels, planar)
    stretched = np.einsum("pab,pdb->pda", gradient, directions)
    return 0.5 * ((stretched**2).sum(axis=-1) - (directions**2).sum(axis=-1))


def green_lagrange(displacement: Image, voxels: np.ndarray, planar: bool = False) -> np.ndarray:
    """The strain tensor E at voxels ``(P, 3)`` (k, j, i), ``(P, 3, 3)`` in LPS axes; in the slice's plane if planar."""
    gradient = deformation_gradient(displacement, voxels, planar)
    return 0.5 * (np.einsum("pab,pac->pbc", gradient, gradient) - np.eye(3))


def deformation_gradient(displacement: Image, voxels: np.ndarray, planar: bool = False) -> np.ndarray:
    """``F = 1 + d u / d X`` at voxels ``(P, 3)`` (k, j, i): ``(P, 3, 3)``, row: component, column: derivative, LPS axes.

    Central differences, one-sided at the border of the grid; exact for affine motions.  Planar: slices (along k) neither
    leave their plane nor depend on each other.
    """
    grid = displacement.geometry
    low = np.maximum(voxels.min(axis=0) - 1, 0)
    high = np.minimum(voxels.max(axis=0) + 2, grid.shape_kji)
    part = displacement.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))].astype(np.float64)
    normal = np.cross(grid.direction[:, 0], grid.direction[:, 1])
    if planar:
        part = part - np.multiply.outer(part @ normal, normal)
    place = tuple((voxels - low).T)
    derivative = np.zeros((len(voxels), 3, 3))  # by the index along i, j, k
    for column, axis in enumerate((2, 1, 0)):
        if part.shape[axis] > 1 and not (planar and axis == 0):
            derivative[:, :, column] = np.gradient(part, axis=axis)[place]
    return np.eye(3) + derivative @ np.linalg.inv(grid.step)


def _segments(
    labels: Image, heart: HeartLabels, axes: HeartAxes, level: Level
) -> tuple[list[str], HeartSegments | None]:
    try:
        segments = heart_segments(labels, heart, axes, level)
    except InputError as error:
        return [f"Strain is given for the whole wall only. {error}"], None
    if labels.geometry.size[2] > 1:
        return [], segments
    return [f"The one slice is taken for a {level} one: its segments are named so."], segments


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over points, without those on the axis, which have no radial direction."""
    known = values[np.isfinite(values).all(axis=1)]
    return known.mean(axis=0) if len(known) else np.full(values.shape[1], np.nan)
