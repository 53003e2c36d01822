"""Volumes of labelled structures over a series, and what is read from them: end-diastole, end-systole, ejection fraction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import ndimage

from DeformationLib import metrics
from DeformationLib.errors import InputError
from DeformationLib.image import Image, as_labels, check_same_grid
from DeformationLib.masks import cropped
from DeformationLib.progress import Progress
from DeformationLib.sampling import grid_coordinates, inside, interpolate


@dataclass(eq=False)
class VolumeCurves:
    """Volume of each label in each frame.

    Attributes:
        times: of the frames ``(N,)``, in the units of the motion.
        labels: the L labels that the columns belong to.
        volumes: ``(N, L)``, in `unit`.
        unit: ``"ml"``, or ``"mm2"`` where the images are one slice.

    >>> curves = motion.volume_curves(segmentation)
    >>> curves.ejection_fraction(3), curves.es_frame(3)
    """

    times: np.ndarray
    labels: tuple[int, ...]
    volumes: np.ndarray
    unit: str = "ml"

    def __len__(self) -> int:
        return len(self.times)

    def __str__(self) -> str:
        lines = [f"Volumes of {len(self.labels)} labels in {len(self)} frames"]
        for label in self.labels:
            curve = self.of(label)
            lines.append(
                f"  label {label:<3d} {curve.max():.1f} {self.unit} in frame {self.ed_frame(label)}, {curve.min():.1f} "
                f"{self.unit} in frame {self.es_frame(label)}, ejects {self.ejection_fraction(label):.1f} %"
            )
        return "\n".join(lines)

    def of(self, label: int) -> np.ndarray:
        """The curve ``(N,)`` of one label; raises `InputError` for one that was not measured."""
        if label not in self.labels:
            known = ", ".join(map(str, self.labels))
            raise InputError(f"The volume of the label {label} was not measured: choose one of {known}.")
        return self.volumes[:, self.labels.index(label)]

    def ed_frame(self, label: int) -> int:
        """Frame in which the label is largest: end-diastole, if it is the pool of a ventricle."""
        return int(self.of(label).argmax())

    def es_frame(self, label: int) -> int:
        """Frame in which the label is smallest: end-systole, if it is the pool of a ventricle."""
        return int(self.of(label).argmin())

    def ejection_fraction(self, label: int, ed_frame: int | None = None, es_frame: int | None = None) -> float:
        """Share in percent by which the label shrinks between two frames, by default from its largest to its smallest."""
        curve = self.of(label)
        first = self.ed_frame(label) if ed_frame is None else ed_frame
        last = self.es_frame(label) if es_frame is None else es_frame
        return metrics.ejection_fraction(float(curve[first]), float(curve[last]))

    def stroke_volume(self, label: int) -> float:
        """Difference between the largest and the smallest volume, in `unit`."""
        curve = self.of(label)
        return float(curve.max() - curve.min())

    def summary(self) -> dict[str, dict[str, float | int | str]]:
        """Per label what a report holds: extremes, where they are, ejection fraction."""
        return {
            str(label): {
                "unit": self.unit,
                "largest": float(self.of(label).max()),
                "smallest": float(self.of(label).min()),
                "ed_frame": self.ed_frame(label),
                "es_frame": self.es_frame(label),
                "ejection_fraction_percent": self.ejection_fraction(label),
            }
            for label in self.labels
        }


def volume_curves(
    labels: Image,
    displacement: Callable[[int], Image],
    frames: int,
    times: Sequence[float] | np.ndarray | None = None,
    wanted: Iterable[int] | None = None,
    planar: bool = False,
    progress: Progress | None = None,
) -> VolumeCurves:
    """Volumes of labels that a motion carries from the reference through a series.

    Args:
        labels: of the reference frame, on the grid of the displacements.
        displacement: of a frame's number: from the frame to the reference, ``(k, j, i, 3)``, LPS mm.
        frames: how many.
        times: of the frames; by default their numbers.
        wanted: labels to measure; by default every one but 0.
        planar: slices (along k) do not depend on each other.
        progress: reports and cancels.

    A voxel counts for the share of it that the label fills once it is warped (its indicator, linearly interpolated), so
    that curves are smooth where counted voxels would jump. What leaves the image is lost.

    Raises:
        InputError: for labels on another grid, that are no whole numbers, or are not there.
    """
    progress = progress or Progress()
    labels = as_labels(labels, "The segmentation")
    present = [int(label) for label in np.unique(labels.array) if label]
    wanted = present if wanted is None else [int(label) for label in wanted]
    missing = [label for label in wanted if label not in present]
    if missing or not wanted:
        has = ", ".join(map(str, present)) or "none"
        what = f"no voxel of the label {missing[0]}" if missing else "no labelled voxel"
        raise InputError(f"The segmentation has {what} (its labels: {has}): choose the one of the reference frame.")
    volumes = np.empty((frames, len(wanted)))
    for number in range(frames):
        field = displacement(number)
        if number == 0:
            check_same_grid(labels, field, "The segmentation", "the frames")
        volumes[number] = warped_volumes(labels, field, wanted, planar)
        progress.report((number + 1) / frames, "Measuring volumes")
    flat = labels.geometry.size[2] == 1
    size = np.prod(labels.spacing[:2]) if flat else np.prod(labels.spacing) / 1000.0
    times = np.arange(frames, dtype=float) if times is None else np.asarray(times, dtype=float)
    return VolumeCurves(times, tuple(wanted), volumes * size, "mm2" if flat else "ml")


def warped_volumes(labels: Image, displacement: Image, wanted: Sequence[int], planar: bool = False) -> np.ndarray:
    """Voxels, fractions of them counted, that each wanted label fills once the label map is warped.

    Near surfaces the interpolated indicators are summed at two points per voxel and axis, a quarter of a voxel from its
    centre: at the centres, where they have kinks, a small motion would count for too much one way and too little the
    other. Elsewhere a voxel is all of one label.
    """
    array = labels.array
    region = _reach(np.isin(array, list(wanted)), displacement)
    part = displacement.array[region]
    centres = grid_coordinates(labels.geometry, cropped(labels.geometry, region), displacement=part)
    near = ndimage.map_coordinates(_near_surfaces(array), centres, order=0, mode="nearest")
    far = ~near & inside(array.shape, centres)
    sure = ndimage.map_coordinates(array, centres[:, far], order=0, mode="nearest")
    total = np.array([np.count_nonzero(sure == label) for label in wanted], dtype=float)
    reaches = [(0.0,) if n == 1 or (planar and axis == 0) else (-0.25, 0.25) for axis, n in enumerate(array.shape)]
    index = np.argwhere(near).T
    first = np.array([[axis.start] for axis in region])
    to_index = labels.geometry.lps_to_ijk[::-1, :][1:, :3]  # rows k, j, i
    indicators = [(array == label).astype(np.float32) for label in wanted]
    points = list(product(*reaches))
    for offset in points:
        place = index + np.array(offset)[:, None]
        moved = place + first + to_index @ interpolate(part, place).T
        within = moved[:, inside(array.shape, moved)]
        total += [interpolate(each, within).sum(dtype=np.float64) / len(points) for each in indicators]
    return total


def _near_surfaces(labels: np.ndarray) -> np.ndarray:
    """True within two voxels of where a label map changes."""
    size = [min(5, 2 * n - 1) for n in labels.shape]
    return ndimage.maximum_filter(labels, size, mode="nearest") != ndimage.minimum_filter(labels, size, mode="nearest")


def _reach(mask: np.ndarray, displacement: Image) -> tuple[slice, slice, slice]:
    """The slices (k, j, i) of a grid in which points can be that a displacement sends into a mask."""
    index = np.abs(displacement.array @ displacement.geometry.lps_to_ijk[:3, :3].T.astype(displacement.array.dtype))
    most = np.ceil(index.reshape(-1, 3).max(axis=0)).astype(int)[::-1] + 1
    slices = []
    for axis, reach in enumerate(most):
        found = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        slices.append(slice(max(0, int(found[0] - reach)), min(mask.shape[axis], int(found[-1] + 1 + reach))))
    return tuple(slices)
