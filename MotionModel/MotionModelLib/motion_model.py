"""A trained motion model in use: track a sequence, complete one, simulate motion, carry it to another subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from DeformationLib.pair_grid import PairGrid
from DeformationLib.progress import Progress, Stopwatch
from DeformationLib.trained_model import TrainedModel

from .heart_axes import HeartLabels
from .matrix_use import cut, joined, matched_slices, matrix_of, posterior_from, tensor_of
from .motion import Motion
from .motion_matrix import MotionMatrix
from .motion_network import MotionNetwork, Posterior, configuration_of
from .network_use import decode_times, encode
from .sequence_time import Run, frames_shown, given_mask, plan_runs, sequence_times, stretched_times
from .sequence_view import SequenceView, look_at, look_at_image, placed
from .sequence_warnings import image_warnings, sequence_warnings


class MotionModel(TrainedModel):
    """A motion network with its card.

    >>> model = MotionModel.load("cardiac-cine-2d")
    >>> motion = model.track(frames, reference=0)
    >>> motion.write("tracked", segmentation)
    >>> completed = model.track(frames, given=[0, 10])
    >>> beating = model.simulate(frames[0], frames=30, seed=1)
    >>> carried = model.transport(motion, another_end_diastole)
    """

    kind, usual = "MotionNetwork", "cardiac-cine-2d"

    @staticmethod
    def _network_and_grid(card: dict[str, Any]) -> tuple[MotionNetwork, PairGrid]:
        grid = PairGrid.of_card(card["grid"], frame="image")
        return MotionNetwork(configuration_of(card["model"]["configuration"])), grid

    @property
    def slots(self) -> int:
        """T, columns of a motion matrix."""
        return self.network.configuration.slots

    @property
    def latent(self) -> int:
        """D, rows of a motion matrix."""
        return self.network.configuration.latent

    @property
    def dimension(self) -> int:
        """2 for slices, each of which moves by itself, 3 for volumes."""
        return self.grid.dimension

    @property
    def periodic(self) -> bool:
        """Whether the motion that the model knows returns to where it began, as a heartbeat does."""
        return bool((self.card.get("sequence") or {}).get("periodic", False))

    @property
    def heart(self) -> HeartLabels | None:
        """Which label is what in segmentations of the hearts that the model knows; None where its card speaks of none.

        The card's entry is ``"heart": {"pool": 3, "myocardium": 2, "right_ventricle": 1}``.
        """
        labels = self.card.get("heart")
        try:
            return HeartLabels(**labels) if labels else None
        except TypeError as error:
            raise InputError(f"The card of the model {self.name} names no labels of a heart: {error}.") from error

    def track(
        self,
        frames: Sequence[Image],
        reference: int = 0,
        given: Sequence[int] | np.ndarray | None = None,
        mask: Image | None = None,
        periodic: bool | None = None,
        progress: Progress | None = None,
    ) -> Motion:
        """The motion of a sequence.

        Args:
            frames: two or more images on one grid, in the order of time.
            reference: the frame that motion starts from, for hearts end-diastole.
            given: the frames that the model may look at; the motion of the others is predicted. None for all.
            mask: where the anatomy is in the reference frame, on any grid: the model looks around its middle.
            periodic: whether the sequence ends where it began, so that frames before the reference follow after the last
                one; by default what the model was trained on. Else those frames are tracked backwards, as a second run.
            progress: reports and cancels.

        Raises:
            InputError: for sequences and masks that cannot be used, see `sequence_view.look_at`, and for frames that the
                sequence does not have.
            Cancelled: through ``progress``.
        """
        progress, watch = progress or Progress(), Stopwatch()
        view, runs = self._look(frames, reference, given, mask, periodic, progress.part(0.0, 0.4))
        watch.lap("preparing")
        posterior = self._encode(view, runs, progress.part(0.4, 0.6))
        watch.lap("encoder")
        times = sequence_times(runs, len(view.frames))
        matrix = self.network.matrix(posterior)
        velocities = self._decode(matrix, view.moving, times, progress.part(0.6, 1.0))
        watch.lap("decoder")
        return self._motion(
            view.frames[reference],
            reference,
            velocities,
            view.place,
            times,
            self._matrix(matrix, posterior, len(runs)),
            frames=view.frames,
            given=frames_shown(runs, len(times), reference),
            seconds=watch.seconds,
            warnings=sequence_warnings(view, runs, self.card, mask is not None),
        )

    def encode(
        self,
        frames: Sequence[Image],
        reference: int = 0,
        given: Sequence[int] | np.ndarray | None = None,
        mask: Image | None = None,
        periodic: bool | None = None,
        progress: Progress | None = None,
    ) -> MotionMatrix:
        """The motion matrix of a sequence alone; arguments and errors as in `track`.

        Its rows are the slices of a stack, for a planar model. A sequence in two runs has twice as many: those after the
        reference, then those before it.
        """
        progress = progress or Progress()
        view, runs = self._look(frames, reference, given, mask, periodic, progress.part(0.0, 0.7))
        posterior = self._encode(view, runs, progress.part(0.7, 1.0))
        return self._matrix(self.network.matrix(posterior), posterior, len(runs))

    def interpolate(
        self, motion: Motion, count: int, progress: Progress | None = None, periodic: bool | None = None
    ) -> Motion:
        """The same motion at another number of frames; nothing is encoded again.

        ``periodic`` is as in `track`: new frames also lie between the last frame and the first.

        Raises `InputError` for fewer than two frames, and for the motion of another model.
        """
        matrix = self._matrix_of(motion)
        periodic = self.periodic if periodic is None else periodic
        times, reference = stretched_times(motion.times, motion.reference_index, count, self.slots, periodic)
        return self._moved(motion.reference, motion.place, matrix, times, reference, progress, warnings=motion.warnings)

    def simulate(
        self,
        image: Image,
        frames: int = 35,
        matrix: MotionMatrix | None = None,
        seed: int | None = None,
        mask: Image | None = None,
        progress: Progress | None = None,
    ) -> Motion:
        """A motion of one image.

        Args:
            image: that moves; it becomes the first frame.
            frames: how many.
            matrix: what to decode. Without it and without ``seed`` it is what the image alone makes likely: the motion
                of a sequence whose other frames are all missing.
            seed: draws the motion from the prior; all slices of a stack then move by the same matrix.
            mask: as in `track`.
            progress: reports and cancels.

        Raises:
            InputError: for an image that cannot be used, fewer than two frames, and the matrix of another model.
            Cancelled: through ``progress``.
        """
        times = sequence_times(plan_runs(frames, 0, self.slots, True), frames)
        moving = look_at_image(image, self.grid, mask)
        place = placed(image, self.grid, mask)
        if matrix is not None:
            matrix = matched_slices(cut(self._matrix_of(matrix))[0], len(moving))
        elif seed is not None:
            matrix = self._drawn(moving, seed)
        else:
            posterior = encode(self.network, moving.new_zeros(0, *moving.shape), moving, precision=self.precision)
            matrix = self._matrix(self.network.matrix(posterior), posterior)
        warnings = image_warnings(image, moving, self.grid, place, self.card, mask is not None)
        return self._moved(image, place, matrix, times, 0, progress, moving, warnings=warnings)

    @torch.inference_mode()
    def sample(self, motion: Motion, count: int, seed: int = 0, progress: Progress | None = None) -> list[Motion]:
        """Motions drawn from what the encoder holds possible of a tracked one: their spread is its uncertainty.

        Raises `InputError` for the motion of another model, and of a motion that was not tracked where the model's prior
        needs the frames again.
        """
        if count < 1:
            raise InputError(f"At least one sample is needed, not {count}.")
        progress, generator = progress or Progress(), torch.Generator().manual_seed(seed)
        matrix = self._matrix_of(motion)
        posterior = posterior_from(matrix, self.device) if self.network.has_process else self._again(motion)
        result = []
        for number in range(count):
            drawn = self._matrix(self.network.sample(posterior, generator), posterior, matrix.runs)
            part = progress.part(number / count, (number + 1) / count)
            result.append(
                self._moved(
                    motion.reference, motion.place, drawn, motion.times, motion.reference_index, part, like=motion
                )
            )
        return result

    def transport(
        self,
        motion: Motion | MotionMatrix,
        image: Image,
        frames: int | None = None,
        mask: Image | None = None,
        progress: Progress | None = None,
    ) -> Motion:
        """The motion of one subject in the image of another.

        The slices of a stack take the motion of the slices at the same share of the way through the source's stack.

        Args:
            motion: of the source, or its matrix.
            image: the other subject's reference frame, in the same phase as the source's.
            frames: how many; by default as many as the source has, at the same times (T + 1 for a matrix).
            mask: as in `track`, of the image.
            progress: reports and cancels.

        Raises:
            InputError: for the motion of another model, and an image that cannot be used.
            Cancelled: through ``progress``.
        """
        parts = cut(self._matrix_of(motion))
        if isinstance(motion, MotionMatrix):
            # Alone it does not say how many frames there were before the reference.
            parts, count = parts[:1], self.slots + 1 if frames is None else frames
            times, reference = sequence_times(plan_runs(count, 0, self.slots, True), count), 0
        elif frames is None:
            times, reference = motion.times, motion.reference_index
        else:
            times, reference = stretched_times(motion.times, motion.reference_index, frames, self.slots, self.periodic)
        moving = look_at_image(image, self.grid, mask)
        whole = joined([matched_slices(part, len(moving)) for part in parts])
        place = placed(image, self.grid, mask)
        warnings = image_warnings(image, moving, self.grid, place, self.card, mask is not None)
        return self._moved(image, place, whole, times, reference, progress, moving, warnings=warnings)

    def _look(
        self,
        frames: Sequence[Image],
        reference: int,
        given: Sequence[int] | np.ndarray | None,
        mask: Image | None,
        periodic: bool | None,
        progress: Progress,
    ) -> tuple[SequenceView, list[Run]]:
        frames = list(frames)
        runs = plan_runs(len(frames), reference, self.slots, self.periodic if periodic is None else periodic, given)
        allowed, shown = given_mask(given, len(frames), reference), frames_shown(runs, len(frames), reference)
        return look_at(frames, self.grid, reference, mask, allowed, shown, progress), runs

    def _encode(self, view: SequenceView, runs: Sequence[Run], progress: Progress) -> Posterior:
        """Of all runs one after the other along the batch."""
        parts = []
        for number, run in enumerate(runs):
            part = progress.part(number / len(runs), (number + 1) / len(runs))
            images = view.of(run.frames[run.shown])
            parts.append(encode(self.network, images, view.moving, run.slots, part, self.precision))
        return Posterior(*(torch.cat(values) for values in zip(*parts, strict=True)))

    @torch.inference_mode()
    def _decode(self, matrix: Tensor, moving: Tensor, times: np.ndarray, progress: Progress) -> Tensor:
        """Velocities ``(N, B, dim, *size)`` of all frames, in the order of the sequence; 0 at the reference."""
        senses, pair = _senses(times), self.network.configuration.pair
        size = pair.level(pair.finest)[0]
        result = torch.zeros(len(times), len(moving), self.dimension, *size, device=self.device)
        for number, (sense, part) in enumerate(zip(senses, matrix.chunk(len(senses)), strict=True)):
            index = np.flatnonzero(sense * times > 0)
            section = progress.part(number / len(senses), (number + 1) / len(senses))
            result[torch.as_tensor(index, device=self.device)] = decode_times(
                self.network, part, moving, sense * times[index], section, self.precision
            )
        return result

    def _moved(
        self,
        image: Image,
        place: Geometry,
        matrix: MotionMatrix,
        times: np.ndarray,
        reference: int,
        progress: Progress | None = None,
        moving: Tensor | None = None,
        like: Motion | None = None,
        warnings: Sequence[str] = (),
    ) -> Motion:
        """What a motion matrix does to an image; ``like`` is the tracked motion that it is a variant of."""
        watch = Stopwatch()
        moving = look_at_image(image, self.grid, place=place) if moving is None else moving
        watch.lap("preparing")
        velocities = self._decode(tensor_of(matrix.mean, self.device), moving, times, progress or Progress())
        watch.lap("decoder")
        given = np.arange(len(times)) == reference
        return self._motion(
            image,
            reference,
            velocities,
            place,
            times,
            matrix,
            frames=like.frames if like else None,
            given=like.given.copy() if like else given,
            seconds=watch.seconds,
            warnings=list(like.warnings if like else warnings),
        )

    def _motion(
        self,
        image: Image,
        reference: int,
        velocities: Tensor,
        place: Geometry,
        times: np.ndarray,
        matrix: MotionMatrix,
        **others,
    ) -> Motion:
        return Motion(
            reference=image,
            reference_index=reference,
            velocities=velocities,
            grid=self.grid,
            place=place,
            times=np.array(times),
            matrix=matrix,
            model=self.name,
            **others,
        )

    def _matrix(self, matrix: Tensor, posterior: Posterior, runs: int = 1) -> MotionMatrix:
        return matrix_of(matrix, posterior.deviation, self.name, runs)

    def _matrix_of(self, motion: Motion | MotionMatrix) -> MotionMatrix:
        """The matrix of a motion, checked: only the model that made it can read it."""
        matrix = motion if isinstance(motion, MotionMatrix) else motion.matrix
        made_by = motion.model or (matrix.model if matrix else "")
        if matrix is None:
            raise InputError("The motion has no motion matrix: track it with a motion model first.")
        if made_by != self.name or (matrix.latent, matrix.slots) != (self.latent, self.slots):
            raise InputError(
                f"The motion was made by the model {made_by or 'of another kind'}, whose motion matrices the model "
                f"{self.name} cannot read: use one model for both."
            )
        return matrix

    @torch.inference_mode()
    def _drawn(self, moving: Tensor, seed: int) -> MotionMatrix:
        """A matrix from the prior, by the same random numbers in every slice."""
        parts = [
            self.network.sample_prior(image[None].to(self.device), torch.Generator().manual_seed(seed))
            for image in moving
        ]
        matrix = torch.cat(parts)
        return matrix_of(matrix, torch.ones_like(matrix[..., 0] if self.network.has_process else matrix), self.name)

    def _again(self, motion: Motion) -> Posterior:
        """The posterior of a tracked motion, encoded once more from its frames."""
        if motion.frames is None:
            raise InputError(f"The model {self.name} draws samples of tracked motion only: track a sequence first.")
        periodic = not (motion.times < 0).any()
        runs = plan_runs(len(motion.times), motion.reference_index, self.slots, periodic, motion.given)
        progress = Progress()
        view = look_at(
            motion.frames, self.grid, motion.reference_index, given=motion.given, progress=progress, place=motion.place
        )
        return self._encode(view, runs, progress)


def _senses(times: np.ndarray) -> list[int]:
    """The runs of a motion: 1 after the reference, -1 before it; in the order of the motion matrix."""
    return [sense for sense in (1, -1) if (sense * times > 0).any()]
