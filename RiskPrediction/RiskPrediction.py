"""RiskPrediction: from cine series to predicted risk and survival, and to the motion that drives them."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Union

import slicer
import vtk
from slicer import vtkMRMLSequenceBrowserNode, vtkMRMLSequenceNode, vtkMRMLTableNode, vtkMRMLVectorVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from DeformationSceneLib.choices import Device, Structure
from RiskPredictionSceneLib.logic import RiskPredictionLogic
from RiskPredictionSceneLib.sample_data import registerSampleData
from RiskPredictionSceneLib.self_test import RiskPredictionTest

__all__ = [
    "RiskPrediction",
    "RiskPredictionLogic",
    "RiskPredictionParameterNode",
    "RiskPredictionTest",
    "RiskPredictionWidget",
]


class RiskPrediction(ScriptedLoadableModule):
    """Title, help and acknowledgement of the module."""

    def __init__(self, parent):
        super().__init__(parent)
        parent.title = _("Risk Prediction")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        parent.dependencies = ["Sequences", "Tables", "Plots"]
        parent.contributors = ["LatentMotion contributors"]
        parent.helpText = _(
            "Learn from the motion in cine series, and from what became of the patients, how risk follows from motion: "
            "extract a fingerprint of every series of a cohort, evaluate by cross-validation how well it predicts beside "
            "clinical variables, train a model, and look at one patient: risk, survival, what drives the risk, and the "
            "motion that would raise or lower it. Sample Data has a simulated cohort; its outcomes are made up. "
            "For research only: not a medical device, not for decisions about patients."
        )
        parent.acknowledgementText = _(
            "Method: J. Krebs, Robust image registration and motion analysis by probabilistic deep learning, PhD thesis, "
            "Université Côte d'Azur 2020, chapter 6; after G. A. Bello et al., Deep-learning cardiac motion analysis for "
            "human survival prediction, Nature Machine Intelligence 2019."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


class RiskKind(Enum):
    """How the panel trains models of fingerprints."""

    USUAL = "usual"
    THESIS = "thesis"

    def label(self) -> str:
        """What the panel calls it."""
        return {
            "usual": _("Survival autoencoder"),
            "thesis": _("Survival autoencoder, learning rate and batches of the thesis (slow)"),
        }[self.value]


Cine = Union[  # noqa: UP007 - combo boxes know no A | B
    vtkMRMLSequenceBrowserNode, vtkMRMLSequenceNode, vtkMRMLVectorVolumeNode, None
]
"""A browser with a volume sequence, a volume sequence, a volume whose components are frames, or nothing."""


@parameterNodeWrapper
class RiskPredictionParameterNode:
    """What the user has chosen; saved with the scene.

    The first block belongs to the section Cohort, the second to Train and evaluate, the third to Patient. Frames are
    counted from 0; a horizon of 0 is the middle of the follow-up.
    """

    cohortTable: vtkMRMLTableNode
    cohortFile: Path
    motionModel: str = "fingerprint"
    fingerprintsFile: Path
    extractionFolder: Path
    processes: Annotated[int, WithinRange(1, 64)] = 1
    device: Device = Device.AUTO

    riskKind: RiskKind = RiskKind.USUAL
    folds: Annotated[int, WithinRange(2, 100)] = 6
    members: Annotated[int, WithinRange(1, 100)] = 5
    epochs: Annotated[int, WithinRange(1, 10000)] = 100
    alpha: Annotated[float, WithinRange(0.0, 1000.0)] = 1.0
    dropout: Annotated[float, WithinRange(0.0, 0.95)] = 0.3
    trials: Annotated[int, WithinRange(0, 1000)] = 0
    resamplings: Annotated[int, WithinRange(1, 100000)] = 1000
    horizon: Annotated[float, WithinRange(0.0, 1000000.0)] = 0.0
    seed: Annotated[int, WithinRange(0, 999999)] = 0
    reportFolder: Path
    riskName: str = "my-risk-model"

    patient: Cine
    patientReference: Annotated[int, WithinRange(0, 9999)] = 0
    patientSegmentation: Structure
    riskModel: str
    riskChange: Annotated[float, WithinRange(1.1, 20.0)] = 2.7


class RiskPredictionWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: loads the .ui, keeps the parameter node connected, and leaves the rest to its sections."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.sections = ()
        self._parameterNode = None
        self._guiTag = None

    def setup(self):
        """Build the panel. Called when the module is opened for the first time."""
        from RiskPredictionSceneLib.cohort_section import CohortSection
        from RiskPredictionSceneLib.evaluate_section import EvaluateSection
        from RiskPredictionSceneLib.patient_section import PatientSection

        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/RiskPrediction.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)

        self.logic = RiskPredictionLogic()
        self.cohort = CohortSection(self.ui, self.logic, onFingerprintsChanged=self.onFingerprintsChanged)
        self.evaluate = EvaluateSection(self.ui, self.logic, self.cohort, onModelsChanged=self.onModelsChanged)
        self.patient = PatientSection(self.ui, self.logic)
        self.sections = (self.cohort, self.evaluate, self.patient)

        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeRemovedEvent, self.onNodeRemoved)
        self.initializeParameterNode()

    def cleanup(self):
        """Called when the application closes and the module widget is destroyed."""
        for section in self.sections:
            section.cleanup()
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self):
        """Called each time the user opens this module."""
        self.initializeParameterNode()

    def exit(self):
        """Called each time the user opens a different module; work that is running goes on."""
        self.setParameterNode(None)

    def onSceneStartClose(self, caller, event):
        for section in self.sections:
            section.sceneClosing()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, caller, event):
        """A scene was loaded: its parameter node takes the place of the present one's content."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onNodeRemoved(self, caller, event):
        """A result that was deleted is not shown any longer."""
        if not slicer.mrmlScene.IsClosing():
            for section in self.sections:
                section.nodesRemoved()

    def initializeParameterNode(self):
        """Connect the scene's parameter node; where nothing is selected yet, select the first cohort and sequence."""
        self.setParameterNode(RiskPredictionParameterNode(self.logic.getParameterNode()))
        for section in self.sections:
            section.selectDefaults()

    def setParameterNode(self, parameterNode):
        """Connect the panel with a parameter node, or with none."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)
        self._parameterNode = parameterNode
        if parameterNode:
            self._guiTag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)
        for section in self.sections:
            section.setParameterNode(parameterNode)
        self.onParametersChanged()

    def onParametersChanged(self, caller=None, event=None):
        if self._parameterNode:
            for section in self.sections:
                section.parametersChanged()

    def onFingerprintsChanged(self):
        """Fingerprints were extracted."""
        self.evaluate.fingerprintsChanged()

    def onModelsChanged(self):
        """A model was trained, replaced or removed."""
        self.logic.forgetModels()
        self.patient.modelsChanged()
