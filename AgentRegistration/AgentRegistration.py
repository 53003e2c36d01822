"""AgentRegistration: an agent that walks, step by step and watched, to the registration of two volumes."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import slicer
from slicer import vtkMRMLGridTransformNode, vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModule

from AgentRegistrationSceneLib.logic import AgentRegistrationLogic
from AgentRegistrationSceneLib.sample_data import registerSampleData
from AgentRegistrationSceneLib.self_test import AgentRegistrationTest
from DeformationSceneLib.choices import DeformationDisplay, Device, Structure
from DeformationSceneLib.panel_widget import PanelWidget

__all__ = [
    "AgentRegistration",
    "AgentRegistrationLogic",
    "AgentRegistrationParameterNode",
    "AgentRegistrationTest",
    "AgentRegistrationWidget",
]


class AgentRegistration(ScriptedLoadableModule):
    """Title, help and acknowledgement of the module."""

    def __init__(self, parent):
        super().__init__(parent)
        parent.title = _("Agent Registration")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        parent.dependencies = ["Sequences", "Tables", "Plots"]
        parent.contributors = ["LatentMotion contributors"]
        parent.helpText = _(
            "An artificial agent registers two volumes of different subjects: step by step it changes one mode of a "
            "statistical deformation model, the one that a network holds best. Watch it walk, let it wait, undo steps, "
            "take actions by hand and let it go on from there. For research only, not for clinical use."
        )
        parent.acknowledgementText = _(
            "Method: J. Krebs et al., Robust non-rigid registration through agent-based action learning, MICCAI 2017; "
            "J. Krebs, doctoral thesis, Université Côte d'Azur 2020, chapter 3. Bundled models: trained on the Medical "
            "Segmentation Decathlon, Task 04 (A. L. Simpson et al., 2019, CC BY-SA 4.0), and on the Automatic Cardiac "
            "Diagnosis Challenge (O. Bernard et al., 2018, CC BY-NC-SA 4.0, non-commercial research)."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


class InitialAlignment(Enum):
    """What is done before the agent starts; the values are the backend's names, an empty one leaves it to the model."""

    MODEL = ""
    TRANSLATION = "translation"
    NONE = "none"
    CENTRES = "centres"
    MASS = "mass"
    RIGID = "rigid"
    AFFINE = "affine"

    def label(self) -> str:
        """What the panel calls it."""
        return {
            "": _("As the model was trained"),
            "translation": _("Translation by the intensities"),
            "none": _("None: trust the positions"),
            "centres": _("Centres of the volumes"),
            "mass": _("Centres of mass"),
            "rigid": _("Rigid"),
            "affine": _("Affine"),
        }[self.value]


class TrainingKind(Enum):
    """What the panel's Train section trains."""

    VOLUMES = "volumes"
    SLICES = "slices"

    def label(self) -> str:
        """What the panel calls it."""
        return {
            "volumes": _("Agent of images with label maps"),
            "slices": _("Agent of the middle slices of cine series"),
        }[self.value]


@parameterNodeWrapper
class AgentRegistrationParameterNode:
    """What the user has chosen; saved with the scene.

    The first block belongs to the section Register, those named explore... to Modes, train... to Train. Amplitudes are in
    standard deviations of the model's training population, one for each mode from the first.
    """

    fixedVolume: vtkMRMLScalarVolumeNode
    movingVolume: vtkMRMLScalarVolumeNode
    movingSegmentation: Structure
    fixedMask: Structure
    movingMask: Structure
    model: str = "hippocampus-agent"
    alignment: InitialAlignment = InitialAlignment.MODEL
    device: Device = Device.AUTO
    recommended: bool = True
    steps: Annotated[int, WithinRange(1, 10000)] = 200
    starts: Annotated[int, WithinRange(1, 32)] = 1
    greedy: bool = False
    fuzzy: bool = True
    tightness: Annotated[float, WithinRange(0.1, 10.0)] = 1.5
    shrinks: Annotated[int, WithinRange(0, 10)] = 0
    overlap: Annotated[float, WithinRange(0.0, 10000.0)] = 0.0
    seed: Annotated[int, WithinRange(0, 999999)] = 0
    pace: Annotated[int, WithinRange(0, 1000)] = 30
    makeTransform: bool = True
    makeWarpedVolume: bool = True
    makeWarpedSegmentation: bool = True
    makeInverseTransform: bool = False
    makeJacobian: bool = False
    makeTrajectory: bool = True
    outputTransform: vtkMRMLGridTransformNode
    outputWarpedVolume: vtkMRMLScalarVolumeNode
    outputWarpedSegmentation: Structure
    outputInverseTransform: vtkMRMLGridTransformNode
    outputJacobian: vtkMRMLScalarVolumeNode
    replayTransform: vtkMRMLGridTransformNode

    exploreModel: str = "hippocampus-agent"
    exploreVolume: vtkMRMLScalarVolumeNode
    exploreStructure: Structure
    exploreComponent: int = 0
    exploreAmplitudes: list[float]
    exploreDisplay: DeformationDisplay = DeformationDisplay.ARROWS
    exploreShowImage: bool = False

    trainImages: Path
    trainLabels: Path
    trainOutput: Path
    trainKind: TrainingKind = TrainingKind.VOLUMES
    trainName: str = "my-agent"
    trainPurpose: str
    trainEpochs: Annotated[int, WithinRange(1, 10000)] = 100
    trainDevice: Device = Device.AUTO
    trainMixedPrecision: bool = True
    trainOptions: str = "--joint --structure-epochs 4"


class AgentRegistrationWidget(PanelWidget):
    """The panel: registration by an agent, its replay, modes, training."""

    parameterNodeClass = AgentRegistrationParameterNode

    def makeLogic(self):
        """The module's logic."""
        return AgentRegistrationLogic()

    def makeSections(self) -> tuple:
        """The sections of the panel."""
        from AgentRegistrationSceneLib.modes_section import ModesSection
        from AgentRegistrationSceneLib.replay import ReplaySection
        from AgentRegistrationSceneLib.train_section import TrainSection
        from AgentRegistrationSceneLib.walk_section import WalkSection

        self.replay = ReplaySection(self.ui)
        self.walk = WalkSection(self.ui, self.logic, onFinished=self.replay.offer, onStarted=self.replay.stop)
        self.explore = ModesSection(self.ui, self.logic)
        self.train = TrainSection(self.ui, self.logic, onModelsChanged=self.onModelsChanged)
        return self.walk, self.replay, self.explore, self.train

    def selectDefaults(self):
        """Where nothing is selected yet, select the first volumes."""
        self.walk.selectDefaults()

    def nodesRemoved(self):
        """What was deleted is not shown any longer."""
        for section in (self.walk, self.replay):
            section.nodesRemoved()

    def onModelsChanged(self):
        """A model was installed, replaced or removed."""
        self.logic.forgetModels()
        self.walk.modelsChanged()
        self.explore.modelsChanged()
