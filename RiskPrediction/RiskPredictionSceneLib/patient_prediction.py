"""One patient from cine to survival curve, as tables and charts of the scene."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import slicer
from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.image import Image
from DeformationLib.progress import Progress
from DeformationSceneLib.placement import scene_as_it_was_on_failure
from DeformationSceneLib.segmentations import mask_from_node
from DeformationSceneLib.sequence_reading import Series, find_series, read_frames
from DeformationSceneLib.tables import update_table

from .patient_charts import (
    add_dimension_chart,
    add_gauge_chart,
    add_patient_survival_chart,
    add_time_chart,
    contribution_columns,
    figure_columns,
)

if TYPE_CHECKING:
    from MotionModelLib.motion_model import MotionModel
    from RiskPredictionLib.attributions import RiskDrivers
    from RiskPredictionLib.patient import PatientPrediction
    from RiskPredictionLib.risk_bundle import TrainedRisk

    from .logic import RiskPredictionLogic


@dataclass
class PatientNodes:
    """What a prediction has put into the scene.

    Attributes:
        prediction: risk, interval, percentile, survival, warnings; `str` of it is a summary.
        drivers: contributions of times and latent dimensions to the risk.
        trained, motionModel: the models.
        fingerprint: ``(D, T)``.
        frames, reference, mask: images of the series, the frame that motion starts from, and where the heart is in it.
        series: where the series is in the scene; None for one from a file.
        role: what the nodes are kept for, see `plots.update_chart`.
        table: node with the figures of the prediction.
        survival: chart of the patient's curve over those of the training cohort's halves of low and high risk.
        gauge: chart of the patient's risk among those of the training cohort.
        by_time, by_dimension: charts of the drivers.
        contributions: table node of the drivers, a row for each dimension, a column for each time.
        warnings: sentences for the user.
    """

    prediction: PatientPrediction | None = None
    drivers: RiskDrivers | None = None
    trained: TrainedRisk | None = None
    motionModel: MotionModel | None = None
    fingerprint: np.ndarray | None = None
    frames: list[Image] = field(default_factory=list)
    reference: int = 0
    mask: Image | None = None
    series: Series | None = None
    role: str = ""
    table: object = None
    survival: object = None
    gauge: object = None
    by_time: object = None
    by_dimension: object = None
    contributions: object = None
    warnings: list[str] = field(default_factory=list)

    @property
    def case(self) -> str:
        """Name of the patient."""
        return self.prediction.case

    @property
    def volume(self):
        """The volume, or other node, that shows the series; None for one from a file."""
        return None if self.series is None else self.series.volume or self.series.node


class PatientWork:
    """Reads a series of the scene when it is made, predicts in any thread, and adds tables and charts to the scene.

    >>> work = PatientWork(browserNode, logic, "my-risk")  # main thread
    >>> work.compute(progress)  # any thread
    >>> nodes = work.addToScene()  # main thread
    """

    def __init__(
        self,
        series,
        logic: RiskPredictionLogic,
        model: str,
        *,
        referenceIndex: int | None = 0,
        segmentationNode=None,
        motionModel: str | None = None,
        case: str | None = None,
        device: str = "auto",
    ) -> None:
        """Read the series and the structure; arguments and errors as of `RiskPredictionLogic.predictPatient`."""
        self._logic, self._model, self._motion_model, self._device = logic, model, motionModel, device
        self._structure = segmentationNode
        self._nodes = PatientNodes()
        self._path: Path | None = None
        if isinstance(series, (str, os.PathLike)):
            self._read_file(Path(series), referenceIndex, case)
        else:
            self._read_node(series, referenceIndex, case)

    def compute(self, progress: Progress) -> None:
        """Extract, predict and explain; touches no node."""
        progress.report(0.0, "Loading the models")
        nodes = self._nodes
        nodes.trained = self._logic.riskModel(self._model)
        nodes.motionModel = self._loaded_motion_model()
        from RiskPredictionLib.attributions import drivers
        from RiskPredictionLib.fingerprint_extraction import SLICES, MotionFingerprints
        from RiskPredictionLib.patient import predict_patient

        if self._path is not None:
            self._load_frames()
        slices = nodes.trained.slices
        source = MotionFingerprints(nodes.motionModel, SLICES if slices is None else slices)
        part = progress.part(0.1, 0.8)
        nodes.fingerprint = source.fingerprint(nodes.frames, nodes.mask, nodes.reference, part)
        progress.report(0.8, "Predicting")
        nodes.prediction = predict_patient(nodes.trained, nodes.fingerprint, self._case)
        nodes.drivers = drivers(nodes.trained, nodes.fingerprint)
        nodes.warnings += nodes.prediction.warnings
        progress.report(1.0)

    def addToScene(self) -> PatientNodes:
        """Put tables and charts beside the series; on failure the scene is as it was."""
        nodes, role = self._nodes, self._nodes.role
        self._check_in_scene()
        beside, case = nodes.volume, nodes.case
        scene = slicer.mrmlScene if beside is None else beside.GetScene()
        with scene_as_it_was_on_failure(scene):
            of = (case, nodes.prediction, nodes.trained)
            title = _("{case}: predicted risk").format(case=case)
            columns = figure_columns(nodes.prediction, nodes.trained, nodes.motionModel.name)
            nodes.table = update_table(scene, f"{role}/figures", title, columns, beside)
            nodes.survival = add_patient_survival_chart(scene, f"{role}/survival", *of, beside)
            nodes.gauge = add_gauge_chart(scene, f"{role}/gauge", *of, beside)
            nodes.by_time = add_time_chart(scene, f"{role}/by-time", case, nodes.drivers, nodes.trained, beside)
            nodes.by_dimension = add_dimension_chart(
                scene, f"{role}/by-dimension", case, nodes.drivers, nodes.trained, beside
            )
            title = _("{case}: contributions to the risk").format(case=case)
            columns = contribution_columns(nodes.drivers)
            nodes.contributions = update_table(scene, f"{role}/contributions", title, columns, beside)
        return nodes

    def _read_node(self, node, reference: int | None, case: str | None) -> None:
        from MotionModelLib.sequence_time import check_reference

        nodes = self._nodes
        nodes.series = find_series(node)
        nodes.reference = nodes.series.selected if reference is None else reference
        check_reference(nodes.reference, len(nodes.series))
        frames = read_frames(nodes.series)
        nodes.frames, nodes.warnings = frames.images, list(frames.remarks)
        nodes.mask = mask_from_node(self._structure, nodes.frames[nodes.reference])
        nodes.role = f"RiskPrediction/patient/{nodes.series.node.GetID()}"
        self._case = case or nodes.series.name

    def _read_file(self, path: Path, reference: int | None, case: str | None) -> None:
        from RiskPredictionLib.extraction_cases import case_name

        if self._structure is not None:
            raise InputError(
                _("A series from a file cannot be masked by '{name}': load the series into the scene.").format(
                    name=self._structure.GetName()
                )
            )
        self._path, self._nodes.reference = path, reference or 0
        self._nodes.role = f"RiskPrediction/patient/{path.absolute()}"
        self._case = case or case_name(path)

    def _load_frames(self) -> None:
        from RiskPredictionLib.extraction_cases import ExtractionCase

        self._nodes.frames, _mask = ExtractionCase(self._case, self._path).read()

    def _loaded_motion_model(self) -> MotionModel:
        trained = self._nodes.trained
        name = self._motion_model or trained.motion_source
        if not name:
            raise InputError(
                _(
                    "The risk model {name} does not say which motion model its fingerprints come from: choose one."
                ).format(name=trained.name)
            )
        model = self._logic.motionModel(str(name), self._device)
        if trained.motion_model and model.name != trained.motion_model:
            raise InputError(
                _(
                    "The risk model {name} was trained with fingerprints of the motion model {right}, not of {wrong}: "
                    "choose {right}."
                ).format(name=trained.name, right=trained.motion_model, wrong=model.name)
            )
        return model

    def _check_in_scene(self) -> None:
        nodes = [node for node in (self._nodes.volume, self._structure) if node is not None]
        for node in nodes:
            if node.GetScene() is None:
                raise InputError(
                    _("'{name}' was deleted meanwhile: nothing was added to the scene.").format(name=node.GetName())
                )
