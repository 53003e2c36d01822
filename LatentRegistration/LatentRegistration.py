"""LatentRegistration: learned deformable registration whose latent space can be looked into."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import slicer
from slicer import (
    vtkMRMLGridTransformNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLTableNode,
)
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModule

from DeformationSceneLib.choices import DeformationDisplay, Device, Structure
from DeformationSceneLib.panel_widget import PanelWidget
from LatentRegistrationSceneLib.logic import LatentRegistrationLogic
from LatentRegistrationSceneLib.sample_data import registerSampleData
from LatentRegistrationSceneLib.self_test import LatentRegistrationTest

__all__ = [
    "LatentRegistration",
    "LatentRegistrationLogic",
    "LatentRegistrationParameterNode",
    "LatentRegistrationTest",
    "LatentRegistrationWidget",
]


class LatentRegistration(ScriptedLoadableModule):
    """Title, help and acknowledgement of the module."""

    def __init__(self, parent):
        super().__init__(parent)
        parent.title = _("Latent Registration")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        parent.dependencies = []
        parent.contributors = ["LatentMotion contributors"]
        parent.helpText = _(
            "Learned deformable registration whose latent space can be looked into: register two volumes, deform an "
            "image along the components of deformation that a model has found in its training population, and train "
            "models of your own. For research only, not for clinical use."
        )
        parent.acknowledgementText = _(
            "Methods: T. Estienne et al., Exploring Deep Registration Latent Spaces, DART at MICCAI 2021; J. Krebs, doctoral "
            "thesis, chapter 4 (probabilistic models). Bundled models: trained on the Medical Segmentation Decathlon, Task 04 "
            "(A. L. Simpson et al., 2019, CC BY-SA 4.0), and on the Automatic Cardiac Diagnosis Challenge (O. Bernard et al., "
            "2018, CC BY-NC-SA 4.0, non-commercial research)."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


class InitialAlignment(Enum):
    """What is done before the learned registration; the values are the backend's names."""

    NONE = "none"
    CENTRES = "centres"
    MASS = "mass"
    RIGID = "rigid"
    AFFINE = "affine"

    def label(self) -> str:
        """What the panel calls it."""
        return {
            "none": _("None: trust the positions"),
            "centres": _("Centres of the volumes"),
            "mass": _("Centres of mass"),
            "rigid": _("Rigid"),
            "affine": _("Affine"),
        }[self.value]


class SimulatedCodes(Enum):
    """Where the codes of simulated deformations come from; the values are the logic's names."""

    PRIOR = "prior"
    POPULATION = "population"

    def label(self) -> str:
        """What the panel calls it."""
        return {"prior": _("Prior of the model"), "population": _("Training population")}[self.value]


class TrainingKind(Enum):
    """What the panel's Train section trains."""

    EXPLORABLE = "explorable"
    ACCURATE = "accurate"
    PROBABILISTIC = "probabilistic"

    def label(self) -> str:
        """What the panel calls it."""
        return {
            "explorable": _("Registration that can be explored"),
            "accurate": _("Registration with skip connections (more accurate)"),
            "probabilistic": _("Probabilistic registration (cine series or image pairs)"),
        }[self.value]


class LatentMapKind(Enum):
    """The plane in which the latent map shows cases."""

    PRINCIPAL = "principal"
    CANONICAL = "canonical"

    def label(self) -> str:
        """What the panel calls it."""
        return {
            "principal": _("Principal components"),
            "canonical": _("Canonical components, which tell the groups apart"),
        }[self.value]


@parameterNodeWrapper
class LatentRegistrationParameterNode:
    """What the user has chosen; saved with the scene.

    The first block belongs to the section Register, those named explore... and map... to Explore, train... to Train.
    Amplitudes are in standard deviations of the model's training population, one for each component from the first.
    """

    fixedVolume: vtkMRMLScalarVolumeNode
    movingVolume: vtkMRMLScalarVolumeNode
    movingSegmentation: Structure
    fixedMask: Structure
    movingMask: Structure
    model: str = "hippocampus"
    alignment: InitialAlignment = InitialAlignment.CENTRES
    device: Device = Device.AUTO
    makeTransform: bool = True
    makeWarpedVolume: bool = True
    makeWarpedSegmentation: bool = True
    makeInverseTransform: bool = False
    makeJacobian: bool = False
    outputTransform: vtkMRMLGridTransformNode
    outputWarpedVolume: vtkMRMLScalarVolumeNode
    outputWarpedSegmentation: Structure
    outputInverseTransform: vtkMRMLGridTransformNode
    outputJacobian: vtkMRMLScalarVolumeNode

    exploreModel: str = "hippocampus"
    exploreVolume: vtkMRMLScalarVolumeNode
    exploreStructure: Structure
    exploreComponent: int = 0
    exploreAmplitudes: list[float]
    exploreDisplay: DeformationDisplay = DeformationDisplay.ARROWS
    exploreShowImage: bool = False
    explorePlotFirst: Annotated[int, WithinRange(1, 1000)] = 1
    explorePlotSecond: Annotated[int, WithinRange(1, 1000)] = 2

    mapCases: Path
    mapCodes: vtkMRMLTableNode
    mapGroupColumn: str
    mapKind: LatentMapKind = LatentMapKind.PRINCIPAL

    simulateCount: Annotated[int, WithinRange(1, 50)] = 5
    simulateSeed: Annotated[int, WithinRange(0, 999999)] = 0
    simulateCodes: SimulatedCodes = SimulatedCodes.PRIOR
    simulateImages: bool = False
    simulateSourceFixed: vtkMRMLScalarVolumeNode
    simulateSourceMoving: vtkMRMLScalarVolumeNode
    simulateSourceStructure: Structure
    simulatePart: str
    simulateUncertaintySamples: Annotated[int, WithinRange(2, 200)] = 20

    trainImages: Path
    trainLabels: Path
    trainOutput: Path
    trainKind: TrainingKind = TrainingKind.EXPLORABLE
    trainName: str = "my-model"
    trainPurpose: str
    trainEpochs: Annotated[int, WithinRange(1, 10000)] = 100
    trainDevice: Device = Device.AUTO
    trainMixedPrecision: bool = True
    trainOptions: str


class LatentRegistrationWidget(PanelWidget):
    """The panel: registration, exploring, simulation, the latent map, training."""

    parameterNodeClass = LatentRegistrationParameterNode

    def makeLogic(self):
        """The module's logic."""
        return LatentRegistrationLogic()

    def makeSections(self) -> tuple:
        """The sections of the panel."""
        from LatentRegistrationSceneLib.explore_section import ExploreSection
        from LatentRegistrationSceneLib.map_section import MapSection
        from LatentRegistrationSceneLib.register_section import RegisterSection
        from LatentRegistrationSceneLib.simulate_section import SimulateSection
        from LatentRegistrationSceneLib.train_section import TrainSection

        self.register = RegisterSection(self.ui, self.logic)
        self.explore = ExploreSection(self.ui, self.logic)
        self.simulate = SimulateSection(self.ui, self.logic)
        self.map = MapSection(self.ui, self.logic, self.explore)
        self.train = TrainSection(self.ui, self.logic, onModelsChanged=self.onModelsChanged)
        return self.register, self.explore, self.simulate, self.map, self.train

    def selectDefaults(self):
        """Where nothing is selected yet, select the first volumes."""
        self.register.selectDefaults()

    def onModelsChanged(self):
        """A model was installed, replaced or removed."""
        self.logic.forgetModels()
        self.register.modelsChanged()
        self.explore.modelsChanged()
        self.simulate.modelsChanged()
