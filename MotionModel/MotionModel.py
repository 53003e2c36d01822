"""MotionModel: track, complete, simulate and transport the motion in series of images."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Union

import slicer
from slicer import (
    vtkMRMLScalarVolumeNode,
    vtkMRMLSequenceBrowserNode,
    vtkMRMLSequenceNode,
    vtkMRMLVectorVolumeNode,
)
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModule

from DeformationSceneLib.choices import DeformationDisplay, Device, Structure
from DeformationSceneLib.panel_widget import PanelWidget
from MotionModelSceneLib.logic import MotionModelLogic
from MotionModelSceneLib.sample_data import registerSampleData
from MotionModelSceneLib.self_test import MotionModelTest

__all__ = ["MotionModel", "MotionModelLogic", "MotionModelParameterNode", "MotionModelTest", "MotionModelWidget"]


class MotionModel(ScriptedLoadableModule):
    """Title, help and acknowledgement of the module."""

    def __init__(self, parent):
        super().__init__(parent)
        parent.title = _("Motion Model")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        parent.dependencies = ["Sequences"]
        parent.contributors = ["LatentMotion contributors"]
        parent.helpText = _(
            "Follow tissue and structures through a series of images, predict frames that are missing, simulate the "
            "motion of a single image, transport a motion to another subject, and train models of your own. "
            "The bundled models know the beating heart in short-axis cine MR. Sample Data has a simulated beating "
            "heart; real series come from the ACDC challenge, which everybody has to request there: "
            "{address}. For research only, not for clinical use."
        ).format(address="https://www.creatis.insa-lyon.fr/Challenge/acdc/")
        parent.acknowledgementText = _(
            "Method: J. Krebs et al., Learning a Generative Motion Model from Image Sequences based on a Latent Motion "
            "Matrix, IEEE Transactions on Medical Imaging 2021. Bundled models: trained on the ACDC challenge "
            "(O. Bernard et al., IEEE Transactions on Medical Imaging 2018)."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


class GivenFrames(Enum):
    """Which frames the model may look at when it completes a sequence; the values are those of `given_frames`."""

    EVERY_SECOND = "every-second"
    EVERY_FIFTH = "every-fifth"
    FIRST = "first"
    NUMBERS = "numbers"

    def label(self) -> str:
        """What the panel calls it."""
        return {
            "every-second": _("Every 2nd"),
            "every-fifth": _("Every 5th"),
            "first": _("The first"),
            "numbers": _("These numbers"),
        }[self.value]


class MotionOrigin(Enum):
    """Where a simulated motion comes from."""

    IMAGE = "image"
    PRIOR = "prior"

    def label(self) -> str:
        """What the panel calls it."""
        return {"image": _("Expected for the image"), "prior": _("Drawn at random")}[self.value]


class TrainingKind(Enum):
    """What the panel's Train section trains; the values are those of `training_choices`."""

    SLICES = "slices"
    VOLUMES = "volumes"
    FINGERPRINT = "fingerprint"

    def label(self) -> str:
        """What the panel calls it."""
        return {
            "slices": _("Motion tracking in slices (2-D)"),
            "volumes": _("Motion tracking in volumes (3-D)"),
            "fingerprint": _("Fingerprint of motion in volumes"),
        }[self.value]


Cine = Union[  # noqa: UP007 - combo boxes know no A | B
    vtkMRMLSequenceBrowserNode, vtkMRMLSequenceNode, vtkMRMLVectorVolumeNode, None
]
"""A browser with a volume sequence, a volume sequence, a volume whose components are frames, or nothing."""


@parameterNodeWrapper
class MotionModelParameterNode:
    """What the user has chosen; saved with the scene.

    The first block belongs to the section Track and is used by Complete; given... belong to Complete, simulate... and
    transport... to Simulate and transport, train... to Train. Frames are counted from 0.
    """

    cine: Cine
    reference: Annotated[int, WithinRange(0, 9999)] = 0
    segmentation: Structure
    model: str = "cardiac-cine-2d"
    device: Device = Device.AUTO
    makeSegmentation: bool = True
    makeWarped: bool = False
    makeJacobian: bool = False
    makeCompensated: bool = False
    makeCurves: bool = True
    makeStrain: bool = True
    makeMatrix: bool = False
    display: DeformationDisplay = DeformationDisplay.GRID
    showContours: bool = True

    givenPattern: GivenFrames = GivenFrames.EVERY_SECOND
    givenCount: Annotated[int, WithinRange(1, 9999)] = 5
    givenNumbers: str

    simulateImage: vtkMRMLScalarVolumeNode
    simulateSegmentation: Structure
    simulateFrames: Annotated[int, WithinRange(2, 500)] = 35
    simulateOrigin: MotionOrigin = MotionOrigin.IMAGE
    simulateSeed: Annotated[int, WithinRange(0, 999999)] = 0
    transportSource: Cine
    transportReference: Annotated[int, WithinRange(0, 9999)] = 0
    transportSegmentation: Structure

    trainCine: Path
    trainOutput: Path
    trainKind: TrainingKind = TrainingKind.SLICES
    trainName: str = "my-motion-model"
    trainPurpose: str
    trainEpochs: Annotated[int, WithinRange(1, 10000)] = 100
    trainMinutes: Annotated[int, WithinRange(0, 100000)] = 0
    trainDevice: Device = Device.AUTO
    trainMixedPrecision: bool = True
    trainOptions: str


class MotionModelWidget(PanelWidget):
    """The panel: tracking, completion, simulation and transport, training."""

    parameterNodeClass = MotionModelParameterNode

    def makeLogic(self):
        """The module's logic."""
        return MotionModelLogic()

    def makeSections(self) -> tuple:
        """The sections of the panel."""
        from MotionModelSceneLib.complete_section import CompleteSection
        from MotionModelSceneLib.simulate_section import SimulateSection
        from MotionModelSceneLib.track_section import TrackSection
        from MotionModelSceneLib.train_section import TrainSection

        self.track = TrackSection(self.ui, self.logic)
        self.complete = CompleteSection(self.ui, self.logic)
        self.simulate = SimulateSection(self.ui, self.logic, self.track.resultOf)
        self.train = TrainSection(self.ui, self.logic, onModelsChanged=self.onModelsChanged)
        return self.track, self.complete, self.simulate, self.train

    def selectDefaults(self):
        """Where nothing is selected yet, select the first sequence."""
        self.track.selectDefaults()

    def nodesRemoved(self):
        """A result that was deleted is not shown any longer."""
        for section in (self.track, self.complete, self.simulate):
            section.nodesRemoved()

    def onModelsChanged(self):
        """A model was installed, replaced or removed."""
        self.logic.forgetModels()
        self.track.modelsChanged()
