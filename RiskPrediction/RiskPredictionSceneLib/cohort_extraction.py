"""Fingerprints of the series of a cohort, from the scene and from files; cases that fail are listed in a table."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.progress import Progress
from DeformationSceneLib.placement import scene_as_it_was_on_failure
from DeformationSceneLib.segmentations import mask_from_node
from DeformationSceneLib.sequence_reading import find_series, read_frames
from DeformationSceneLib.tables import Column, update_table

from .cohort_nodes import CohortTable

if TYPE_CHECKING:
    from RiskPredictionLib.extraction_cases import ExtractionCase
    from RiskPredictionLib.fingerprint_extraction import Extraction

    from .logic import RiskPredictionLogic


@dataclass
class ExtractionNodes:
    """What extraction gave.

    Attributes:
        extraction: fingerprints by case, and failures; `str` of it is a sentence.
        failures: table node: case, row, series and reason of every case that failed; without rows where none did.
        cohort: name of the cohort.
        motionModel: name of the motion model.
        warnings: sentences for the user.
    """

    extraction: Extraction | None = None
    failures: object = None
    cohort: str = ""
    motionModel: str = ""
    warnings: list[str] = field(default_factory=list)


class CohortExtraction:
    """Reads the series that are in the scene when it is made, extracts in any thread, and lists failures in the scene.

    >>> extraction = CohortExtraction(tableNode, logic, "fingerprint", processes=2)  # main thread
    >>> extraction.compute(progress)  # any thread
    >>> nodes = extraction.addToScene()  # main thread
    """

    def __init__(
        self,
        cohort,
        logic: RiskPredictionLogic,
        motionModel: str,
        processes: int = 1,
        device: str = "cpu",
        folder: str | os.PathLike | None = None,
    ) -> None:
        """Read the table and the series of the scene; arguments and errors as of `logic.extractFingerprints`."""
        self._logic, self._model, self._device = logic, motionModel, device
        self._processes, self._folder = processes, folder
        self._table = CohortTable.read(cohort)
        self._table.check_names()
        self._nodes = ExtractionNodes(cohort=self._table.name)
        self._cases = self._read_cases()

    def compute(self, progress: Progress) -> None:
        """Extract; touches no node. Raises InputError where no case at all could be extracted."""
        progress.report(0.0, "Loading the model")
        model = self._logic.motionModel(self._model, self._device)
        from RiskPredictionLib.fingerprint_extraction import MotionFingerprints, extract

        several = self._processes > 1 and len(self._cases) > 1
        # A model of its own for every process; alone, the one that is there already.
        source = MotionFingerprints(self._model, device=self._device) if several else MotionFingerprints(model)
        nodes = self._nodes
        extraction = extract(self._cases, source, self._processes, progress.part(0.02, 0.99))
        nodes.extraction, nodes.motionModel = self._named(extraction), model.name
        if self._folder is not None:
            extraction.write(self._folder)
        if extraction.failures:
            nodes.warnings.append(str(extraction))
        progress.report(1.0)

    def addToScene(self) -> ExtractionNodes:
        """List the failures in a table beside the cohort's; on failure the scene is as it was."""
        self._table.check_in_scene()
        nodes, failures = self._nodes, self._nodes.extraction.failures
        with scene_as_it_was_on_failure(self._table.scene):
            nodes.failures = update_table(
                self._table.scene,
                f"RiskPrediction/failures/{self._table.key}",
                _("{cohort}: cases without fingerprint").format(cohort=self._table.name),
                {
                    _("Case"): [failure.case for failure in failures],
                    _("Row"): Column([failure.row for failure in failures], "", _("Of the table; its header is row 1")),
                    _("Series"): [failure.path for failure in failures],
                    _("Reason"): [failure.reason for failure in failures],
                },
                self._table.node,
            )
        return nodes

    def _read_cases(self) -> list[ExtractionCase]:
        """The cases of the table, those of the scene with their images; what cannot be used is a failure later on."""
        from RiskPredictionLib.extraction_cases import cases_of_rows

        table = self._table
        return [self._with_nodes(case) for case in cases_of_rows(table.header, table.rows, table.folder)]

    def _with_nodes(self, case: ExtractionCase) -> ExtractionCase:
        series = self._table.series.get(self._table.cell(case.row, "cine"))
        structure = self._table.masks.get(self._table.cell(case.row, "mask"))
        if series is None and structure is None:
            return case
        try:
            if series is None:
                raise InputError(_("A segmentation of the scene needs a series of the scene: load the series."))
            frames = read_frames(find_series(series))
            mask = case.mask
            if structure is not None:
                mask = mask_from_node(structure, frames.images[min(case.ed_frame, len(frames.images) - 1)])
        except InputError as error:
            return replace(case, problem=case.problem or str(error))
        self._nodes.warnings += frames.remarks
        return replace(case, cine=frames.images, mask=mask)

    def _named(self, extraction: Extraction) -> Extraction:
        """Failures with what the table calls their series, also where that is in the scene."""
        extraction.failures = [
            replace(failure, path=self._table.cell(failure.row, "cine")) for failure in extraction.failures
        ]
        return extraction
