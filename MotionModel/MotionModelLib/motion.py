"""The motion of a series, and what can be done with it: warp, follow, measure, write."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from DeformationLib.errors import InputError
from DeformationLib.field_of_view import reaches_beyond
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image, check_same_grid
from DeformationLib.network_field import network_field_to_physical
from DeformationLib.pair_grid import PairGrid
from DeformationLib.progress import Progress
from DeformationLib.registration import jacobian_determinant, warp_image, warp_labels
from DeformationLib.sampling import interpolate
from LatentRegistrationLib.probabilistic_model import Flow

from . import motion_measures
from .motion_matrix import MotionMatrix
from .volume_curves import VolumeCurves, volume_curves

if TYPE_CHECKING:
    from .heart_axes import HeartLabels
    from .heart_segments import Level
    from .strain import StrainCurves

__all__ = ["Motion", "MotionMatrix"]

_CACHE = 256 * 2**20  # bytes of displacements that are kept: all of a small series, one sense of a large one
_TOGETHER = 2**19  # points whose displacements are integrated at once: many small fields cost hardly more than one


@dataclass(eq=False, repr=False)
class Motion:
    """How a series of N frames moves, relative to one of them, the reference.

    Frames are numbered from 0.  ``displacement(n)`` goes from frame n to the reference: the reference warped by it looks
    like frame n.  ``inverse_displacement(n)`` goes from the reference to frame n: it says where tissue is by then.  Both
    are exponentials of one velocity, each the other's exact inverse, and are computed when they are asked for.

    Attributes:
        reference: the reference frame; all results lie on its grid.
        reference_index: its number.
        velocities: ``(N, B, dimension, *size)``, zero at the reference; B is the number of slices where a 2-D model sees
            a stack, else 1. On the model's grid, or on one over the same extent whose voxels, which are their unit, are
            larger by whole numbers: smooth velocities need no more.
        grid: the model's.
        place: where that lies in the body: of a 2-D grid, the stack of B slices.
        frames: what was tracked; None for simulated or transported motion.
        times: of the frames ``(N,)``, in slots of the model, 0 at the reference.
        given: ``(N,)``, which frames the model was shown.
        matrix: what the encoder said, if it was asked.
        model: name of what made it.
        seconds: what each step took.
        warnings: sentences for the user.
        similarity_before, similarity_after: of each frame ``(N,)`` to the reference, and to the warped reference;
            `measure_similarity` fills them.

    >>> motion = model.track(frames, reference=0)
    >>> motion.volume_curves(segmentation).ejection_fraction(3)
    >>> motion.warp_labels(segmentation, 12)
    """

    reference: Image
    reference_index: int
    velocities: Tensor
    grid: PairGrid
    place: Geometry
    frames: list[Image] | None = None
    times: np.ndarray | None = None
    given: np.ndarray | None = None
    matrix: MotionMatrix | None = None
    model: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    similarity_before: np.ndarray | None = None
    similarity_after: np.ndarray | None = None
    similarity_name: str = "local correlation"

    def __post_init__(self) -> None:
        count, size = len(self.velocities), self.grid.size
        slices = self.place.size[2] if self.grid.dimension == 2 else 1
        coarse = tuple(self.velocities.shape[3:])
        fits = len(coarse) == len(size) and all(length % part == 0 for length, part in zip(size, coarse, strict=True))
        if self.velocities.shape[:3] != (count, slices, len(size)) or not fits or count < 2:
            raise ValueError(
                f"Velocities {tuple(self.velocities.shape)} do not fit {slices} sequences of the grid {size}."
            )
        if self.place.shape_kji != (size if len(size) == 3 else (slices, *size)):
            raise ValueError(f"The place {self.place.size} (i, j, k) does not fit the grid {size}.")
        if self.frames is not None and len(self.frames) != count:
            raise ValueError(f"{len(self.frames)} frames do not fit {count} velocities.")
        if not 0 <= self.reference_index < count:
            raise ValueError(f"The reference {self.reference_index} is none of {count} frames.")
        self.times = (
            np.arange(count, dtype=float) - self.reference_index if self.times is None else np.asarray(self.times)
        )
        self.given = np.ones(count, dtype=bool) if self.given is None else np.asarray(self.given, dtype=bool)
        self._fades = reaches_beyond(self.reference.geometry, self.place)
        factors = [length // part for length, part in zip(size, coarse, strict=True)]
        spacing = tuple(step * factor for step, factor in zip(self.grid.spacing, factors, strict=True))
        self._field_grid = PairGrid(coarse, spacing, self.grid.frame)
        self._field_place = self.place.coarser([*factors[::-1], 1][:3])
        self._cache: OrderedDict[tuple[int, float], Image] = OrderedDict()
        self._integrated: dict[float, tuple[range, Flow, Tensor]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.velocities)

    @property
    def planar(self) -> bool:
        """True where slices move in their own plane only, each for itself: of 2-D models."""
        return self.grid.dimension == 2

    def __str__(self) -> str:
        lengths = self.lengths()
        lines = [
            f"Motion of {len(self)} frames by {self.model or 'an unnamed model'} in {sum(self.seconds.values()):.2f} s",
            f"  reference           frame {self.reference_index}",
            f"  displacement        {lengths.max():.2f} mm on average in frame {int(lengths.argmax())}, the furthest",
        ]
        if not self.given.all():
            lines.append(f"  frames shown        {int(self.given.sum())} of {len(self)}")
        if self.similarity_before is not None and self.similarity_after is not None:
            before, after = (
                np.nanmean(self._others(self.similarity_before)),
                np.nanmean(self._others(self.similarity_after)),
            )
            lines.append(f"  {self.similarity_name:<19s} {before:.4f} before, {after:.4f} after")
        return "\n".join(lines + [f"  warning: {warning}" for warning in self.warnings])

    def one_line(self) -> str:
        """Frames, seconds and similarity in one line, as under a progress bar.

        >>> motion.one_line()
        '30 frames in 1.21 s · local correlation 0.61 → 0.82'
        """
        parts = [f"{len(self)} frames in {sum(self.seconds.values()):.2f} s"]
        if self.similarity_before is not None and self.similarity_after is not None:
            before, after = (np.nanmean(self._others(v)) for v in (self.similarity_before, self.similarity_after))
            parts.append(f"{self.similarity_name} {before:.2f} → {after:.2f}")
        return " · ".join(parts)

    def displacement(self, frame: int, progress: Progress | None = None) -> Image:
        """From a frame to the reference: ``(k, j, i, 3)``, LPS mm, on the reference's grid.  Do not change its array."""
        return self._exponential(frame, 1.0, progress)

    def inverse_displacement(self, frame: int, progress: Progress | None = None) -> Image:
        """From the reference to a frame: ``(k, j, i, 3)``, LPS mm, on the reference's grid.  Do not change its array."""
        return self._exponential(frame, -1.0, progress)

    @torch.no_grad()
    def velocity(self, frame: int, progress: Progress | None = None) -> Image:
        """The stationary velocity whose exponential is ``displacement(frame)``, in the same units."""
        flow = self._flow(range(self._checked(frame), frame + 1))
        return self._physical(flow, flow.velocity, progress)

    def warp(
        self, image: Image, frame: int, padding: float | Literal["edge"] = "edge", progress: Progress | None = None
    ) -> Image:
        """An image that lies with the reference, on any grid, as it looks in a frame; float32 on the reference's grid."""
        return warp_image(image, self.displacement(frame), padding, progress)

    def warp_labels(self, labels: Image, frame: int, progress: Progress | None = None) -> Image:
        """A segmentation of the reference, on any grid, as that of a frame; 0 where the label map does not reach."""
        return warp_labels(labels, self.displacement(frame), progress)

    def compensate(self, frame: int, image: Image | None = None, progress: Progress | None = None) -> Image:
        """A frame (or another image that lies with it) with its motion undone, as it would look in the reference.

        Raises:
            InputError: without an image, where the motion is of no frames (simulated or transported).
        """
        if image is None:
            image = self.tracked_frames()[self._checked(frame)]
        return warp_image(image, self.inverse_displacement(frame), "edge", progress)

    def compensated(self, progress: Progress | None = None) -> list[Image]:
        """All frames with their motion undone."""
        return list(self._reporting((self.compensate(n) for n in range(len(self))), "Undoing the motion", progress))

    def warped_frames(self, progress: Progress | None = None) -> Iterator[Image]:
        """The reference warped to each frame, one after the other."""
        return self._reporting((self.warp(self.reference, n) for n in range(len(self))), "Warping", progress)

    def tracked_frames(self) -> list[Image]:
        """The frames; raises `InputError` where there are none."""
        if self.frames is None:
            raise InputError(
                "This motion was simulated or transported, so there are no frames that show it: track a series."
            )
        return self.frames

    def jacobian(
        self, frame: int, of: Literal["tissue", "frame"] = "tissue", progress: Progress | None = None
    ) -> Image:
        """Jacobian determinant: 1 keeps volume, below 1 shrinks, 0 or less folds.

        Args:
            frame: which.
            of: ``"tissue"``: by how much the tissue at a point of the reference has grown by that frame (of
                ``inverse_displacement``).  ``"frame"``: of ``displacement``, at the points of the frame; the reciprocal.
            progress: reports and cancels.
        """
        if of not in ("tissue", "frame"):
            raise ValueError(f"The Jacobian is of the 'tissue' or of the 'frame', not {of!r}.")
        return jacobian_determinant(
            self.inverse_displacement(frame) if of == "tissue" else self.displacement(frame), progress
        )

    def tracks(self, points: np.ndarray, start: int | None = None, progress: Progress | None = None) -> np.ndarray:
        """Where points are in every frame.

        Args:
            points: ``(P, 3)``, LPS mm, in the frame `start`.
            start: by default the reference.
            progress: reports and cancels.

        Returns:
            ``(N, P, 3)``, LPS mm.
        """
        points = np.atleast_2d(np.asarray(points, dtype=float))
        if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
            raise InputError(f"Points need three coordinates each in LPS mm, not an array of shape {points.shape}.")
        if start is not None and start != self.reference_index:
            points = points + _values_at(self.displacement(start), points)
        moved = (points + _values_at(self.inverse_displacement(n), points) for n in range(len(self)))
        return np.stack(list(self._reporting(moved, "Following the points", progress)))

    def lengths(self) -> np.ndarray:
        """Mean length ``(N,)`` of the velocity in mm: about how far frames are displaced, without computing them."""
        spacing = self.velocities.new_tensor(self._field_grid.spacing).view(-1, *[1] * self.grid.dimension)
        return np.array([float((v * spacing).norm(dim=1).mean()) for v in self.velocities])

    def volume_curves(
        self, labels: Image, wanted: Iterable[int] | None = None, progress: Progress | None = None
    ) -> VolumeCurves:
        """Volumes of the labels of the reference's segmentation in all frames; see `volume_curves.volume_curves`."""
        check_same_grid(labels, self.reference, "The segmentation", "the frames")
        return volume_curves(labels, self.displacement, len(self), self.times, wanted, self.planar, progress)

    def strain(
        self,
        labels: Image,
        heart: HeartLabels | None = None,
        axis: np.ndarray | None = None,
        level: Level = "mid",
        progress: Progress | None = None,
    ) -> StrainCurves:
        """Strain of a left ventricle's wall in all frames; see `strain.strain_curves`; labels are ACDC's by default."""
        from .heart_axes import HeartLabels
        from .strain import strain_curves

        check_same_grid(labels, self.reference, "The segmentation", "the frames")
        planar = self.planar or self.reference.geometry.size[2] == 1
        return strain_curves(
            labels,
            self.inverse_displacement,
            len(self),
            heart or HeartLabels(),
            planar,
            self.times,
            axis,
            level,
            progress,
        )

    def regularity(
        self, mask: np.ndarray | None = None, progress: Progress | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Spatial gradients ``(N,)`` and temporal gradients ``(N - 1,)`` of ``displacement``; see `motion_measures`."""
        return motion_measures.regularity(
            self.displacement, len(self), self.reference_index, mask, self.planar, progress
        )

    def spatial_gradient(self, mask: np.ndarray | None = None) -> float:
        """Mean norm of the displacement's derivative, mm per mm, over voxels and frames other than the reference."""
        return float(np.nanmean(self.regularity(mask)[0]))

    def temporal_gradient(self, mask: np.ndarray | None = None) -> float:
        """Mean length of the displacement's change from frame to frame, mm per frame, over voxels and steps."""
        return float(self.regularity(mask)[1].mean())

    def measure_similarity(self, progress: Progress | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Similarity ``(N,)`` of each frame to the reference, and to the reference warped to it; computed once.

        Mean squared local correlation, 0..1, greater for more alike.  Raises `InputError` without frames.
        """
        frames = self.tracked_frames()
        if self.similarity_before is None or self.similarity_after is None:
            pairs = (
                [
                    motion_measures.image_similarity(frame, moving, self.planar)
                    for moving in (self.reference, self.warp(self.reference, n))
                ]
                for n, frame in enumerate(frames)
            )
            values = np.array(list(self._reporting(pairs, "Comparing the frames", progress)))
            self.similarity_before, self.similarity_after = values.T
        return self.similarity_before, self.similarity_after

    def report(
        self, labels: Image | None = None, heart: HeartLabels | None = None, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Everything measurable about the motion, as nested dictionaries that JSON can hold; see `motion_files.report`."""
        from .motion_files import report

        return report(self, labels, heart, progress)

    def write(
        self, folder: str | os.PathLike, labels: Image | None = None, heart: HeartLabels | None = None, **further: Any
    ) -> dict[str, Path]:
        """Write the motion into a folder, see `motion_files.write_motion`; returns the path of each file by its name."""
        from .motion_files import write_motion

        return write_motion(self, folder, labels, heart, **further)

    @torch.no_grad()
    def _exponential(self, frame: int, sense: float, progress: Progress | None) -> Image:
        key = self._checked(frame), sense
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        if key[0] == self.reference_index:
            result = self.reference.with_array(np.zeros((*self.reference.array.shape[:3], 3), dtype=np.float32))
        else:
            result = self._physical(*self._exponential_on_grid(frame, sense), progress)
        with self._lock:
            self._cache[key] = result
            while len(self._cache) * result.array.nbytes > _CACHE and len(self._cache) > 2:
                self._cache.popitem(last=False)
        return result

    def _exponential_on_grid(self, frame: int, sense: float) -> tuple[Flow, Tensor]:
        """A displacement on the velocities' grid; its neighbours' are computed with it and kept for their turn."""
        slices, size = self.velocities.shape[1], self.velocities.shape[3:]
        count = max(1, _TOGETHER // (slices * int(np.prod(size))))
        with self._lock:
            kept = self._integrated.get(sense)
        if kept is None or frame not in kept[0]:
            start = frame - frame % count
            frames = range(start, min(start + count, len(self)))
            flow = self._flow(frames)
            kept = frames, flow, flow.exponential(sense).unflatten(0, (len(frames), slices))
            with self._lock:
                self._integrated[sense] = kept
        frames, flow, displacements = kept
        return flow, displacements[frame - frames.start]

    def _flow(self, frames: range) -> Flow:
        """Of some frames, all their slices one after the other."""
        velocity = self.velocities[frames.start : frames.stop].flatten(0, 1).float()
        if self._fades:
            return Flow.fading_out(self._field_grid, velocity)
        return Flow(self._field_grid, velocity, (0,) * self.grid.dimension)

    def _physical(self, flow: Flow, values: Tensor, progress: Progress | None) -> Image:
        place = flow.grown(self._field_place)
        return network_field_to_physical(
            self.grid.volume_field(values), place, place, self.reference.geometry, progress
        )

    def _checked(self, frame: int) -> int:
        if not 0 <= frame < len(self):
            raise InputError(
                f"There is no frame {frame}: the series has {len(self)}, numbered from 0 to {len(self) - 1}."
            )
        return int(frame)

    def _others(self, values: Sequence[float] | np.ndarray) -> np.ndarray:
        return np.delete(np.asarray(values), self.reference_index)

    def _reporting(self, items: Iterable, message: str, progress: Progress | None) -> Iterator:
        progress = progress or Progress()
        for number, item in enumerate(items):
            progress.report((number + 1) / len(self), message)
            yield item


def _values_at(image: Image, points: np.ndarray) -> np.ndarray:
    """Values of a field at points ``(P, 3)``, LPS mm; beyond its grid those at its edge."""
    index = image.geometry.physical_to_index(points)[:, ::-1]
    return interpolate(image.array, index.T).astype(float)
