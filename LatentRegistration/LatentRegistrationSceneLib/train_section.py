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

    def checkModel(self, folder: Path) -> None:
        """Load a model once."""
        from LatentRegistrationLib.models import load_model

        load_model(folder, "cpu")
