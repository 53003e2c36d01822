"""The section Train of the panel: what is particular to training motion models."""

from __future__ import annotations

from pathlib import Path

from slicer.i18n import tr as _

from DeformationSceneLib import train_section
from DeformationSceneLib.training_curves import CurveChart

from .training_choices import COMMAND, TrainingChoices


class TrainSection(train_section.TrainSection):
    """Trains motion models on a folder of cine series."""

    command = COMMAND
    role = "MotionModel/training"
    inputs = (
        "trainCinePathLineEdit",
        "trainOutputPathLineEdit",
        "trainKindComboBox",
        "trainEpochsSpinBox",
        "trainMinutesSpinBox",
        "trainAdvancedGroupBox",
    )

    def readChoices(self, parameters) -> TrainingChoices:
        """Read the parameter node. Raises `InputError` for further options that the panel has a field for."""
        return TrainingChoices.of(parameters)

    def charts(self) -> list[CurveChart]:
        """Loss, accuracy and regularity, from the columns that the command logs."""
        terms = {
            "loss": _("Loss (weighted sum)"),
            "similarity_*": _("Similarity at scale {}"),
            "overlap": _("Overlap of labels"),
            "folding": _("Folding"),
        }
        scores = {"score": _("Mean"), "dice_*": "{}"}
        smoothness = {"temporal_gradient": _("Temporal"), "jacobian_gradient": _("Of the Jacobian")}
        return [
            CurveChart(_("Loss"), _("Mean over the epoch"), list(terms), terms),
            CurveChart(_("Validation"), {"dice_*": _("Dice"), "score": _("Local correlation")}, list(scores), scores),
            CurveChart(
                _("Ejection fraction"), _("Error (%)"), ["ejection_error"], {"ejection_error": _("Mean absolute error")}
            ),
            CurveChart(_("Gradients of the motion"), _("mm"), list(smoothness), smoothness),
        ]

    def checkModel(self, folder: Path) -> None:
        """Load a model once."""
        from MotionModelLib.motion_model import MotionModel

        MotionModel.load(folder, "cpu")
