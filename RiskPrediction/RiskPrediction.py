"""RiskPrediction: from cine series to predicted risk and survival, and to the motion that drives them."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Union

import slicer
from slicer import vtkMRMLSequenceBrowserNode, vtkMRMLSequenceNode, vtkMRMLTableNode, vtkMRMLVectorVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModule

from DeformationSceneLib.choices import Device, Structure
from DeformationSceneLib.panel_widget import PanelWidget
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


class RiskPredictionWidget(PanelWidget):
    """The panel: cohort, training and evaluation, one patient."""

    parameterNodeClass = RiskPredictionParameterNode

    def makeLogic(self):
        """The module's logic."""
        return RiskPredictionLogic()

    def makeSections(self) -> tuple:
        """The sections of the panel."""
        from RiskPredictionSceneLib.cohort_section import CohortSection
        from RiskPredictionSceneLib.evaluate_section import EvaluateSection
        from RiskPredictionSceneLib.patient_section import PatientSection

        self.cohort = CohortSection(self.ui, self.logic, onFingerprintsChanged=self.onFingerprintsChanged)
        self.evaluate = EvaluateSection(self.ui, self.logic, self.cohort, onModelsChanged=self.onModelsChanged)
        self.patient = PatientSection(self.ui, self.logic)
        return self.cohort, self.evaluate, self.patient

    def selectDefaults(self):
        """Where nothing is selected yet, select the first cohort and sequence."""
        for section in self.sections:
            section.selectDefaults()

    def nodesRemoved(self):
        """A result that was deleted is not shown any longer."""
        for section in self.sections:
            section.nodesRemoved()

    def onFingerprintsChanged(self):
        """Fingerprints were extracted."""
        self.evaluate.fingerprintsChanged()

    def onModelsChanged(self):
        """A model was trained, replaced or removed."""
        self.logic.forgetModels()
        self.patient.modelsChanged()
