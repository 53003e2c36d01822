"""What the module does, without any window: for the panel, the Python console, and scripts."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationSceneLib.model_logic import ModelLogic

from .cohort_evaluation import CohortEvaluation, EvaluationNodes, show_predictor
from .cohort_extraction import CohortExtraction, ExtractionNodes
from .cohort_nodes import CohortTable
from .patient_prediction import PatientNodes, PatientWork
from .risk_motion_nodes import RiskMotionNodes, RiskMotionWork
from .risk_training import RiskTraining, RiskTrainingNodes

if TYPE_CHECKING:
    from RiskPredictionLib.cohort_table import Problem

MOTION_MODEL = "fingerprint"
"""Whose motion matrices are the fingerprints, unless another is named."""

_RISK, _MOTION = "SurvivalNetwork", "MotionNetwork"


class RiskPredictionLogic(ModelLogic):
    """Extracts fingerprints, evaluates and trains risk models, and predicts the risk of a patient; needs no window.

    >>> logic = RiskPredictionLogic()
    >>> extracted = logic.extractFingerprints(cohortTableNode)
    >>> evaluated = logic.evaluateCohort(cohortTableNode, extracted)
    >>> logic.trainModel(cohortTableNode, "my-risk", extracted)
    >>> patient = logic.predictPatient(browserNode, "my-risk")
    >>> logic.writePatientReport(patient, "patient.pdf")

    Every method that takes long is there twice: `prepare...` reads the nodes, on the main thread, and gives work whose
    `compute(progress)` touches no node and runs in any thread; `finish(work)` then puts what it gave into the scene, on
    the main thread. The method without `prepare` does all three. Inputs are not changed. All methods raise InputError, a
    sentence for the user, for inputs that cannot be used, and Cancelled when `progress` was cancelled; the scene is then
    as it was.

    A cohort is a table node, or the path of a CSV file, with the columns case, time, event, optionally cine and
    fingerprint, and clinical variables. Cells of cine are names of sequences or sequence browsers in the scene, or paths
    relative to the file of the table.
    """

    # `RiskPredictionLib.risk_bundle.KIND`, named here without torch
    kinds, usualModel = (_RISK,), "risk"

    def loadModel(self, name: str, device: str):
        """Load a `RiskPredictionLib.risk_bundle.TrainedRisk`, or the `MotionModel` that makes its fingerprints."""
        from DeformationLib.catalogue import find_bundle, kind_of

        if kind_of(find_bundle(name)) == _MOTION:
            from MotionModelLib.motion_model import MotionModel

            return MotionModel.load(name, device)
        from RiskPredictionLib.risk_bundle import TrainedRisk

        return TrainedRisk.load(name)

    def riskModel(self, name: str | None = None):
        """The loaded `TrainedRisk` of a name or folder, by default `usualModel`. Raises InputError."""
        trained = self.model(name)
        if not hasattr(trained, "distance"):
            raise InputError(_("'{name}' is a motion model: choose a risk model.").format(name=name))
        return trained

    def motionModel(self, name: str = MOTION_MODEL, device: str = "auto"):
        """The loaded `MotionModel` of a name or folder. Raises InputError."""
        model = self.model(name, device)
        if not hasattr(model, "encode"):
            raise InputError(_("'{name}' is a risk model: choose a motion model.").format(name=name))
        return model

    def motionModelNames(self) -> list[str]:
        """Names of the installed motion models, whose motion matrices can be fingerprints."""
        from DeformationLib.catalogue import catalogue

        return list(catalogue((_MOTION,)))

    def checkCohort(self, cohort) -> list[Problem]:
        """All that has to be corrected in a cohort, each with its row, its column and a sentence; empty if nothing.

        Rows are counted as a spreadsheet does, the header is row 1. Raises InputError for a table that cannot be read.
        """
        return CohortTable.read(cohort).problems()

    def describeCohort(self, cohort) -> str:
        """Cases, events, follow-up, and whether outcomes are simulated, in a line; InputError for problems."""
        return str(CohortTable.read(cohort).cohort())

    def prepareExtraction(
        self, cohort, motionModel: str = MOTION_MODEL, *, processes: int = 1, device: str = "cpu", folder=None
    ) -> CohortExtraction:
        """See `extractFingerprints`; the series that are in the scene are read now."""
        return CohortExtraction(cohort, self, motionModel, processes, device, folder)

    def extractFingerprints(
        self,
        cohort,
        motionModel: str = MOTION_MODEL,
        *,
        processes: int = 1,
        device: str = "cpu",
        folder: str | os.PathLike | None = None,
        progress=None,
    ) -> ExtractionNodes:
        """Fingerprints of the series of a cohort; cases that fail are listed in a table node and the others go on.

        Args:
            cohort: table node or path of a CSV, with the column cine.
            motionModel: name or folder of the motion model.
            processes: that work on the files at the same time; series of the scene are worked on in this one.
            device: "cpu", "cuda", ...
            folder: where fingerprints.npz and failures.csv are written; None for nowhere.
            progress: `DeformationLib.progress.Progress`, to report and to cancel.

        Raises:
            InputError: for a cohort with problems, and where no case at all could be extracted.
        """
        return self._finished(
            self.prepareExtraction(cohort, motionModel, processes=processes, device=device, folder=folder), progress
        )

    def prepareEvaluation(self, cohort, fingerprints=None, **options) -> CohortEvaluation:
        """See `evaluateCohort`, whose options it takes."""
        return CohortEvaluation(cohort, fingerprints, **options)

    def evaluateCohort(
        self,
        cohort,
        fingerprints: ExtractionNodes | str | os.PathLike | None = None,
        *,
        folds: int = 6,
        seed: int = 0,
        settings: dict | None = None,
        search: int = 0,
        horizon: float | None = None,
        resamplings: int = 1000,
        reportFolder: str | os.PathLike | None = None,
        progress=None,
    ) -> EvaluationNodes:
        """Cross-validate clinical variables, fingerprint and both, everything fitted inside the folds (table 6.1).

        Args:
            cohort: table node or path of a CSV.
            fingerprints: what `extractFingerprints` gave; or a table of fingerprints (.npz, .csv). None for the column
                fingerprint of the cohort; without it only clinical variables are evaluated. Cases without a fingerprint
                are left out, with a warning.
            folds, seed: of the cross-validation.
            settings: of `RiskPredictionLib.survival_model.FingerprintCox`, by name; the others as they are there.
            search: trials of the search for hyper-parameters inside each fold; 0 for none.
            horizon: time of the calibration; by default the middle of the follow-up.
            resamplings: of the bootstrap.
            reportFolder: where the report and its CSV files are written; None for nowhere.
            progress: as in `extractFingerprints`.
        """
        work = self.prepareEvaluation(
            cohort,
            fingerprints,
            folds=folds,
            seed=seed,
            settings=settings,
            search=search,
            horizon=horizon,
            resamplings=resamplings,
            reportFolder=reportFolder,
        )
        return self._finished(work, progress)

    def showPredictor(self, evaluated: EvaluationNodes, name: str) -> None:
        """Show another predictor, one of `evaluated.predictors`, in the charts of survival and calibration."""
        show_predictor(evaluated, name)

    def writeReport(self, evaluated: EvaluationNodes, folder: str | os.PathLike) -> Path:
        """Write the HTML page of an evaluation, with its figures inside, and its CSV files; returns the page's path."""
        from RiskPredictionLib.report import write_report

        return write_report(evaluated.evaluation, folder, evaluated.title)

    def prepareTraining(self, cohort, name: str, fingerprints=None, **options) -> RiskTraining:
        """See `trainModel`, whose options it takes."""
        return RiskTraining(cohort, name, fingerprints, **options)

    def trainModel(
        self,
        cohort,
        name: str,
        fingerprints: ExtractionNodes | str | os.PathLike | None = None,
        *,
        settings: dict | None = None,
        motionModel: str | None = None,
        output: str | os.PathLike | None = None,
        install: bool = True,
        progress=None,
    ) -> RiskTrainingNodes:
        """Train a risk model with all cases.

        Args:
            cohort, fingerprints, settings, progress: as in `evaluateCohort`; fingerprints are needed.
            name: of the model: letters, digits, - and _.
            motionModel: which the fingerprints come from; by default what the extraction says.
            output: folder that the model is written to as well; it must not exist, or be empty. None for nowhere.
            install: put it among the user's models, where `modelNames` finds it; a model of this name there is replaced.
        """
        work = self.prepareTraining(
            cohort, name, fingerprints, settings=settings, motionModel=motionModel, output=output, install=install
        )
        return self._finished(work, progress)

    def preparePrediction(self, series, model: str | None = None, **options) -> PatientWork:
        """See `predictPatient`, whose options it takes; a series of the scene is read now."""
        return PatientWork(series, self, self.usualModel if model is None else model, **options)

    def predictPatient(
        self,
        series,
        model: str | None = None,
        *,
        referenceIndex: int | None = 0,
        segmentationNode=None,
        motionModel: str | None = None,
        case: str | None = None,
        device: str = "auto",
        progress=None,
    ) -> PatientNodes:
        """Risk, survival, and what drives the risk of one patient, from cine to curve.

        Args:
            series: sequence of volumes, sequence browser, proxy volume, volume of several components; or a path.
            model: name or folder of the risk model.
            referenceIndex: end-diastole, counted from 0; None for the frame that is shown.
            segmentationNode: segmentation or label map volume of that frame: the model looks around its middle.
            motionModel: that makes the fingerprint; by default the one that the risk model was trained with.
            case: name of the patient in tables and reports; by default that of the series.
            device: of the motion model.
            progress: as in `extractFingerprints`.
        """
        work = self.preparePrediction(
            series,
            model,
            referenceIndex=referenceIndex,
            segmentationNode=segmentationNode,
            motionModel=motionModel,
            case=case,
            device=device,
        )
        return self._finished(work, progress)

    def prepareRiskMotion(self, patient: PatientNodes, amount: float = 1.0, **options) -> RiskMotionWork:
        """See `simulateRiskMotion`, whose options it takes."""
        return RiskMotionWork(patient, amount, **options)

    def simulateRiskMotion(
        self,
        patient: PatientNodes,
        amount: float = 1.0,
        *,
        frames: int | None = None,
        replace: RiskMotionNodes | None = None,
        progress=None,
    ) -> RiskMotionNodes:
        """The motion that would raise and the one that would lower the predicted risk, on the patient's own image.

        Args:
            patient: from `predictPatient`.
            amount: by how much the log hazard goes up and down.
            frames: how many; by default as many as the series has.
            replace: of an earlier run: its nodes go when the new ones are there.
            progress: as in `extractFingerprints`.

        Three sequences, the patient's own motion, risk-up and risk-down, are played by one browser.
        """
        return self._finished(self.prepareRiskMotion(patient, amount, frames=frames, replace=replace), progress)

    def writePatientReport(
        self, patient: PatientNodes, path: str | os.PathLike, riskMotion: RiskMotionNodes | None = None
    ) -> Path:
        """Write what was predicted as a page, .html or .pdf: risk, survival, drivers, and the risk motions if given."""
        from RiskPredictionLib.patient_report import write_patient_report

        motions = riskMotion.motions if riskMotion is not None else None
        return write_patient_report(patient.prediction, patient.trained, path, patient.drivers, motions)

    def finish(self, work):
        """Put computed work into the scene and its warnings into the log; returns its nodes."""
        nodes = work.addToScene()
        if isinstance(work, RiskTraining):
            # A model of this name may have been loaded before.
            self.forgetModels()
        for warning in nodes.warnings:
            logging.warning(warning)
        return nodes

    def _finished(self, work, progress):
        from DeformationLib.progress import Progress

        work.compute(progress or Progress())
        return self.finish(work)
