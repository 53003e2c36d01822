"""The section Train of the panel: what is particular to training agents."""

from __future__ import annotations

from pathlib import Path

from slicer.i18n import tr as _

from DeformationSceneLib import train_section
from DeformationSceneLib.training_curves import CurveChart

from .training_choices import COMMAND, SliceSummary, TrainingChoices


class TrainSection(train_section.TrainSection):
    """Trains agents on a folder of images with label maps."""

    command = COMMAND
    role = "AgentRegistration/training"
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
        """Loss, gain and validation, from the columns that the command logs."""
        scores = {"score": _("Mean"), "score_before": _("Before registration"), "dice_*": _("Label {}")}
        return [
            CurveChart(_("Loss"), _("Error of the Q-values"), ["loss"], {"loss": _("Loss")}),
            CurveChart(_("Gain"), _("Share of the best reward"), ["gain"], {"gain": _("Gain of the chosen actions")}),
            CurveChart(_("Validation"), _("Dice"), list(scores), scores),
        ]

    def describe(self, summary) -> str:
        """What the summary of the choices says in sentences."""
        if not isinstance(summary, SliceSummary):
            return super().describe(summary)
        text = _("{training} slices to train on, {validation} to validate on.").format(
            training=summary.training, validation=summary.validation
        )
        if summary.unusable:
            text += " " + _("Left out, because they lack a label map of end-diastole: {count} ({names}).").format(
                count=len(summary.unusable), names=", ".join(summary.unusable[:3])
            )
        return text

    def checkModel(self, folder: Path) -> None:
        """Load a model once."""
        from AgentRegistrationLib.agent_model import AgentModel

        AgentModel.load(folder, "cpu")
