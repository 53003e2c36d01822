"""The motion that raises and the motion that lowers a patient's predicted risk, in the patient's own images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from DeformationLib.errors import InputError
from DeformationLib.files import make_folder, write_json
from DeformationLib.image import Image
from DeformationLib.image_io import write_image
from DeformationLib.progress import Progress
from MotionModelLib.motion import Motion
from MotionModelLib.motion_files import write_series
from MotionModelLib.motion_matrix import MotionMatrix
from MotionModelLib.motion_model import MotionModel

from .changed_fingerprints import ChangedFingerprints, changed_fingerprints
from .fingerprint_extraction import SLICES, MotionFingerprints, middle_slices
from .report import RESEARCH_USE, SIMULATED_MODEL
from .risk_bundle import TrainedRisk


@dataclass(frozen=True, eq=False)
class RiskMotions:
    """One image moving in three ways, at the same times.

    Attributes:
        own: as the patient's fingerprint says.
        up, down: as fingerprints of higher and of lower risk say.
        risk, up_risk, down_risk: log hazard ratios of the three fingerprints.
        fingerprints: what was changed.
        warnings: sentences for the user.
    """

    own: Motion
    up: Motion
    down: Motion
    risk: float
    up_risk: float
    down_risk: float
    fingerprints: ChangedFingerprints
    warnings: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.own)

    def difference(self, frame: int) -> Image:
        """Where tissue goes by a frame in the motion of higher risk, less where it goes in that of lower risk.

        ``(k, j, i, 3)``, LPS mm, on the reference's grid.
        """
        up, down = self.up.inverse_displacement(frame), self.down.inverse_displacement(frame)
        return up.with_array(up.array - down.array)

    def mean_difference(self, progress: Progress | None = None) -> Image:
        """Length of `difference`, mm, the mean over all frames but the reference: where motion matters for the risk."""
        progress, frames = progress or Progress(), [n for n in range(len(self)) if n != self.own.reference_index]
        total = 0.0
        for number, frame in enumerate(frames):
            progress.report(number / len(frames), "Comparing the motions")
            total = total + np.linalg.norm(self.difference(frame).array, axis=-1)
        return self.own.reference.with_array(np.asarray(total / len(frames), np.float32))

    def write(self, folder: str | os.PathLike, frame_spacing: float = 1.0, progress: Progress | None = None) -> Path:
        """Write the motions into a folder, made when missing, each file completely or not at all; returns the folder.

        own.nii.gz, up.nii.gz, down.nii.gz          4-D, the reference moving
        own_matrix.csv, up_matrix.csv, down_matrix.csv   motion matrices
        difference.nii.gz                           `mean_difference`
        risk_motions.json                           log hazard ratios, warnings

        Raises `InputError` for a folder that cannot be written, `Cancelled` through ``progress``.
        """
        folder, progress = make_folder(folder), progress or Progress()
        for number, name in enumerate(("own", "up", "down")):
            motion = getattr(self, name)
            frames = list(motion.warped_frames(progress.part(number / 4, (number + 1) / 4)))
            write_series(frames, folder / f"{name}.nii.gz", frame_spacing)
            motion.matrix.write(folder / f"{name}_matrix.csv")
        write_image(self.mean_difference(progress.part(0.75, 1.0)), folder / "difference.nii.gz")
        content = {
            "research_use": RESEARCH_USE,
            "motion_model": self.own.model,
            "log_hazard_ratio": {"own": self.risk, "up": self.up_risk, "down": self.down_risk},
            "frames": len(self),
            "warnings": self.warnings,
        }
        write_json(content, folder / "risk_motions.json")
        progress.report(1.0)
        return folder

    def __str__(self) -> str:
        names = (("own", self.risk), ("raised", self.up_risk), ("lowered", self.down_risk))
        text = ", ".join(f"{name} {risk:.2f} (hazard ratio {np.exp(risk):.2f})" for name, risk in names)
        return "\n".join([f"log hazard ratios: {text}", *(f"  {warning}" for warning in self.warnings)])


def risk_motions(
    trained: TrainedRisk,
    motion_model: MotionModel,
    frames: Sequence[Image] | Image,
    fingerprint: np.ndarray | None = None,
    amount: float = 1.0,
    frames_count: int | None = None,
    mask: Image | None = None,
    reference: int = 0,
    slices: int | None = None,
    progress: Progress | None = None,
) -> RiskMotions:
    """Simulate a patient's motion with a fingerprint of higher and with one of lower risk.

    With the frames of a series each slice of a stack keeps a motion matrix of its own, to which the change of the
    fingerprint is added. With one image all slices move by the fingerprint.

    Args:
        trained: the risk model.
        motion_model: that its fingerprints come from.
        frames: of the patient's series, or its reference frame alone.
        fingerprint: ``(D, T)``; by default that of the frames.
        amount: of log hazard by which the risk shall rise and fall, see `changed_fingerprints`.
        frames_count: of the simulated motions; by default as many as the series has, or T + 1.
        mask: where the heart is in the reference frame, on any grid.
        reference: the frame that motion starts from; it becomes the first one.
        slices: of a stack, that the fingerprint is the mean of, see `fingerprint_extraction`; by default as the risk
            model's.
        progress: reports and cancels.

    Raises:
        InputError: for a motion model that does not belong to the risk model, one image without a fingerprint, series
            and fingerprints that cannot be used, fewer than two frames, and an amount that is not above 0.
        Cancelled: through ``progress``.
    """
    progress = progress or Progress()
    _check_models(trained, motion_model)
    if isinstance(frames, Image):
        if fingerprint is None:
            raise InputError(
                "One image has no fingerprint of its own: give the frames of the series, or a fingerprint."
            )
        image, count = frames, motion_model.slots + 1
        matrices = trained.checked(fingerprint).reshape(-1, motion_model.latent, motion_model.slots)
    else:
        source, frames = MotionFingerprints(motion_model), list(frames)
        matrices = source.matrices(frames, mask, reference, progress.part(0.0, 0.3))
        image, count = frames[reference], len(frames)
        if fingerprint is None:
            usual = SLICES if trained.slices is None else trained.slices
            fingerprint = _fingerprint(matrices, usual if slices is None else slices, trained)
    changed = changed_fingerprints(trained, fingerprint, amount)
    count = count if frames_count is None else frames_count
    motions = []
    for number, values in enumerate((fingerprint, changed.up, changed.down)):
        part = progress.part(0.3, 1.0).part(number / 3, (number + 1) / 3)
        matrix = _matrix(matrices, np.asarray(values, float) - fingerprint, motion_model)
        motions.append(motion_model.simulate(image, count, matrix, mask=mask, progress=part))
    progress.report(1.0)
    warnings = [*changed.warnings, *motions[0].warnings]
    if trained.simulated:
        warnings.append(SIMULATED_MODEL)
    return RiskMotions(*motions, changed.risk, changed.up_risk, changed.down_risk, changed, warnings)


def _check_models(trained: TrainedRisk, motion_model: MotionModel) -> None:
    if trained.motion_model and trained.motion_model != motion_model.name:
        raise InputError(
            f"The risk model {trained.name} was trained with fingerprints of the motion model {trained.motion_model}, "
            f"which {motion_model.name} cannot decode: choose {trained.motion_model}."
        )
    rows, slots = (*trained.shape, 1)[:2]
    if slots != motion_model.slots or rows % motion_model.latent:
        raise InputError(
            f"The risk model {trained.name} was trained with fingerprints of {rows} x {slots} values, but the motion model "
            f"{motion_model.name} makes {motion_model.latent} x {motion_model.slots}: choose the motion model that the "
            "fingerprints came from."
        )


def _fingerprint(matrices: np.ndarray, slices: int, trained: TrainedRisk) -> np.ndarray:
    """Of a series as the risk model was trained with: the mean of the middle slices, or all slices joined."""
    mean = matrices[middle_slices(len(matrices), slices)].mean(axis=0)
    return trained.checked(mean if mean.shape == tuple(trained.shape) else matrices.reshape(-1, matrices.shape[2]))


def _matrix(matrices: np.ndarray, change: np.ndarray, model: MotionModel) -> MotionMatrix:
    """Motion matrices ``(S, D, T)`` with the change of a fingerprint, the same for all slices or each slice's own."""
    parts = change.reshape(-1, model.latent, model.slots)
    if len(parts) not in (1, len(matrices)):
        raise InputError(
            f"The fingerprint is of {len(parts)} slices, but the series has {len(matrices)}: use the series that it is from."
        )
    mean = matrices + parts
    deviation = np.zeros(mean.shape[:2] if model.network.has_process else mean.shape)
    return MotionMatrix(mean, deviation, model.name)
