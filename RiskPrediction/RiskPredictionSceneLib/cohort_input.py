"""A cohort with its fingerprints, wherever they come from: what evaluation and training start with."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from DeformationLib.errors import InputError

from .cohort_extraction import ExtractionNodes
from .cohort_nodes import CohortTable

if TYPE_CHECKING:
    from RiskPredictionLib.cohort import Cohort


@dataclass(frozen=True)
class CohortInput:
    """What a model is fitted to.

    Attributes:
        table: that was read.
        cohort: with fingerprints, if there are any; without the cases that could not be extracted.
        motionModel: which fingerprints come from; empty if unknown.
        slices: of a stack, that they were averaged over; None if unknown.
        warnings: sentences for the user.
    """

    table: CohortTable
    cohort: Cohort
    motionModel: str = ""
    slices: int | None = None
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, source, fingerprints: ExtractionNodes | str | os.PathLike | None = None) -> CohortInput:
        """From a table node or a CSV file, and fingerprints as in `RiskPredictionLogic.evaluateCohort`.

        Raises InputError for problems of the table, and where fingerprints do not belong to it.
        """
        table = CohortTable.read(source)
        cohort = table.cohort()
        if isinstance(fingerprints, ExtractionNodes):
            return _extracted(table, cohort, fingerprints)
        if fingerprints:
            from RiskPredictionLib.fingerprint_files import read_fingerprint_table, table_origin

            cohort = cohort.with_fingerprints(read_fingerprint_table(fingerprints))
            return cls(table, cohort, *table_origin(fingerprints))
        named = table.named_fingerprints()
        return cls(table, cohort.with_fingerprints(named) if named else cohort)


def _extracted(table: CohortTable, cohort: Cohort, nodes: ExtractionNodes) -> CohortInput:
    found = nodes.extraction.fingerprints
    places = [place for place, case in enumerate(cohort.cases) if case in found]
    if not places:
        raise InputError(
            _("The fingerprints of '{other}' are not those of '{name}': extract them from this cohort.").format(
                other=nodes.cohort, name=table.name
            )
        )
    warnings = []
    if len(places) < len(cohort):
        missing = next(case for case in cohort.cases if case not in found)
        warnings.append(
            _("{missing} of {count} cases have no fingerprint and were left out, the first is '{case}'.").format(
                missing=len(cohort) - len(places), count=len(cohort), case=missing
            )
        )
    cohort = cohort.subset(places).with_fingerprints(found)
    return CohortInput(table, cohort, nodes.motionModel, nodes.extraction.slices, warnings)
