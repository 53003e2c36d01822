"""What is measured of a tracked series, in the same way for every method: overlap, regularity in space and time, volumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from heart_data import heart_of, measure

from DeformationLib import metrics
from DeformationLib.cine_cases import Cine
from DeformationLib.image import Image
from DeformationLib.registration import jacobian_determinant, warp_labels
from DeformationLib.sampling import sample_on_grid
from LatentRegistrationLib.structures import CARDIAC_STRUCTURES, POOL, structure_masks
from MotionModelLib.motion import Motion
from MotionModelLib.motion_measures import regularity
from MotionModelLib.volume_curves import VolumeCurves, volume_curves


@dataclass(frozen=True)
class Tracked:
    """A tracked patient.

    Attributes:
        cine: what was tracked.
        displacements: ``(N, k, j, i, 3)``, LPS mm, from every frame to the end-diastolic one.
        seconds: of processor time.
    """

    cine: Cine
    displacements: np.ndarray
    seconds: float

    def displacement(self, number: int) -> Image:
        """Of one frame."""
        return self.cine.like.with_array(self.displacements[number])

    def curves(self) -> VolumeCurves:
        """Volumes of the end-diastolic labels over the series."""
        return volume_curves(self.cine.labels[self.cine.ed_frame], self.displacement, len(self.displacements))


def unmoved(cine: Cine) -> Tracked:
    """The series as it is before any registration."""
    return Tracked(cine, np.zeros((*cine.frames.shape, 3), np.float32), float("nan"))


def along_axes(cine: Cine, displacements: np.ndarray, seconds: float) -> Tracked:
    """From displacements in mm along the axes i, j, k of the grid instead of LPS."""
    direction = cine.like.direction.astype(np.float32)
    if not np.array_equal(direction, np.eye(3, dtype=np.float32)):
        displacements = displacements @ direction.T
    return Tracked(cine, displacements, seconds)


def measure_tracked(tracked: Tracked) -> dict[str, float]:
    """One row of the tables: measures at end-systole and over all frames.

    ``dice``, ``hd95``, ``dice <structure>`` ... as `heart_data.measure` has them, of volumes at end-systole;
    ``slice dice`` and ``slice hd95`` their means over slices, each a series of its own; ``rmse`` of intensities at
    end-systole; ``spatial_gradient`` (mm per mm, within the plane) and ``temporal_gradient`` (mm per frame), see
    `MotionModelLib.motion_measures`; ``jitter``, the mean length of the second difference in time (mm per frame squared);
    ``folding`` in percent of all voxels of all frames; ``seconds``.
    """
    cine = tracked.cine
    es = tracked.displacement(cine.es_frame)
    row = measure(heart_of(cine), es)
    row |= slice_scores(cine, es)
    row["rmse"] = intensity_error(cine, es)
    count = len(tracked.displacements)
    # Within the plane for all, so that methods of two and three dimensions can be compared.
    spatial, temporal = regularity(tracked.displacement, count, cine.ed_frame, planar=True)
    row["spatial_gradient"], row["temporal_gradient"] = float(np.nanmean(spatial)), float(temporal.mean())
    row["jitter"] = float(np.linalg.norm(np.diff(tracked.displacements, n=2, axis=0), axis=-1).mean())
    others = [number for number in range(count) if number != cine.ed_frame]
    row["folding"] = float(
        np.mean([metrics.folding_percent(jacobian_determinant(tracked.displacement(n)).array) for n in others])
    )
    row["seconds"] = tracked.seconds
    return row


def slice_scores(cine: Cine, displacement: Image) -> dict[str, float]:
    """Mean Dice and HD95 (mm) over the slices that show the heart at end-systole, each for itself, as in table 5.1."""
    warped = warp_labels(cine.labels[cine.ed_frame], displacement)
    ours = structure_masks(warped.array, CARDIAC_STRUCTURES)
    true = structure_masks(cine.labels[cine.es_frame].array, CARDIAC_STRUCTURES)
    overlaps, distances = [], []
    for k in range(len(warped.array)):
        pairs = [(ours[name][k : k + 1], true[name][k : k + 1]) for name in CARDIAC_STRUCTURES]
        if not any(b.any() for _, b in pairs):
            continue
        overlaps.append(np.nanmean([metrics.dice(a.astype(int), b.astype(int), [1])[1] for a, b in pairs]))
        both = [pair for pair in pairs if pair[0].any() and pair[1].any()]
        if both:
            distances.append(np.mean([metrics.hausdorff95(a, b, warped.spacing_kji) for a, b in both]))
    return {"slice dice": float(np.mean(overlaps)), "slice hd95": float(np.mean(distances))}


def intensity_error(cine: Cine, displacement: Image) -> float:
    """Root mean square difference of the warped and the real end-systolic frame; 1 is the series' 99th percentile."""
    geometry = displacement.geometry
    moving = cine.frames[cine.ed_frame].astype(np.float32)
    warped = sample_on_grid(moving, geometry, geometry, displacement.array, "linear", "edge", None)
    difference = (warped - cine.frames[cine.es_frame]) / max(float(np.percentile(cine.frames, 99)), 1e-6)
    return float(np.sqrt(np.mean(difference**2)))


def tracked_by(cine: Cine, motion: Motion, seconds: float = float("nan")) -> Tracked:
    """What a motion model found."""
    displacements = np.stack([motion.displacement(number).array for number in range(len(motion))])
    return Tracked(cine, displacements, seconds)


def frames_of(cine: Cine) -> list[Image]:
    """All frames of a series as images."""
    return [cine.frame(number) for number in range(len(cine.frames))]


def labelled_ejection_fraction(cine: Cine) -> float:
    """From the label maps, percent."""
    volumes = [np.count_nonzero(cine.labels[frame].array == POOL) for frame in (cine.ed_frame, cine.es_frame)]
    return metrics.ejection_fraction(*volumes)
