"""The section Train of the panel: what is particular to training registration."""

from __future__ import annotations

from pathlib import Path

from slicer.i18n import tr as _

from DeformationSceneLib import train_section
from DeformationSceneLib.training_curves import CurveChart

from .training_choices import COMMAND, TrainingChoices


class TrainSection(train_section.TrainSection):
    """Trains registration models on a folder of images."""

    command = COMMAND
    role = "LatentRegistration/training"
    inputs = (
        "trainImagesPathLineEdit",
        "trainLabelsPathLineEdit",
        "trainOutputPathLineEdit",
        "trainKindComboBox",
        "trainEpochsSpinBox",
        "trainAdvancedGroupBox",
    )

    def readChoices(self, parameters) -> TrainingChoices:
        """Read the parameter node. Raises `InputError` for further options that the panel has a field for."""
        return TrainingChoices.of(parameters)

    def charts(self) -> list[CurveChart]:
        """Loss and validation, from the columns that the command logs."""
        terms = {
            "loss": _("Loss (weighted sum)"),
            "similarity": _("Similarity"),
            "lcc_*": _("Correlation at scale {}"),
            "overlap": _("Overlap of labels"),
            "anatomy": _("Segmentation"),
            "smoothness": _("Smoothness"),
            "diffusion": _("Diffusion"),
            "folding": _("Folding"),
        }
        scores = {"score": _("Mean"), "dice_*": _("Label {}")}
        return [
            CurveChart(_("Loss"), _("Mean over the epoch"), list(terms), terms),
            CurveChart(_("Validation"), {"dice_*": _("Dice"), "score": _("Local correlation")}, list(scores), scores),
        ]

    def describe(self, summary) -> str:
        """What a `CaseSummary` or a `SeriesSummary` says."""
        return _summary_sentences(summary)

    def checkModel(self, folder: Path) -> None:
        """Load a model once."""
        from LatentRegistrationLib.models import load_model

        load_model(folder, "cpu")


def _summary_sentences(summary) -> str:
    """What a `CaseSummary` or a `SeriesSummary` says."""
    if hasattr(summary, "frames"):
        text = _(
            "{training} series to train on, {validation} to validate on, with {frames} frames together; "
            "{labelled} have label maps; grid of {grid} voxels of {spacing} mm."
        ).format(
            training=summary.training,
            validation=summary.validation,
            frames=summary.frames,
            labelled=summary.labelled,
            grid=_lengths(summary.grid.size),
            spacing=_lengths(summary.grid.spacing),
        )
    else:
        text = _(
            "{training} cases to train on, {validation} to validate on; grid of {grid} voxels of {spacing:.3g} mm."
        ).format(
            training=summary.training,
            validation=summary.validation,
            grid=_lengths(summary.size),
            spacing=summary.spacing,
        )
    if summary.unreadable:
        names = ", ".join(summary.unreadable[:3]) + (", ..." if len(summary.unreadable) > 3 else "")
        text += " " + _("Left out, because it cannot be used or lacks its label map: {count} ({names}).").format(
            count=len(summary.unreadable), names=names
        )
    if summary.validation < 2:
        text += " " + _("There will be no validation curve: that takes two validation cases.")
    return text


def _lengths(kji) -> str:
    """Numbers along k, j, i in the order of Slicer's user, i first."""
    return " × ".join(f"{number:.4g}" for number in reversed(kji))
