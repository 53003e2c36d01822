"""Which cohort the panel works on: a table node, or else a CSV file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _

from DeformationSceneLib.training_choices import chosen_folder

_NEEDED = {"case", "time", "event"}


@dataclass(frozen=True)
class CohortChoice:
    """What is selected in the section Cohort.

    Attributes:
        table: node; None where a file is to be read.
        file: path; None where none is chosen.
    """

    table: object
    file: Path | None

    @classmethod
    def of(cls, parameters) -> CohortChoice:
        """Read the parameters; None stands for nothing chosen."""
        if parameters is None:
            return cls(None, None)
        return cls(parameters.cohortTable, chosen_folder(parameters.cohortFile))

    @property
    def source(self):
        """What the logic calls a cohort; None without any."""
        return self.table if self.table is not None else self.file

    @property
    def reason(self) -> str:
        """What speaks against using it; empty where nothing does."""
        if self.source is None:
            return _("Select the table of a cohort, or choose a CSV file, in the section Cohort.")
        if self.table is None and not self.file.is_file():
            return _("The file {path} does not exist: choose another in the section Cohort.").format(path=self.file)
        return ""


def is_cohort(table_node) -> bool:
    """Whether a table node has the columns that every cohort has."""
    return {table_node.GetColumnName(number) for number in range(table_node.GetNumberOfColumns())} >= _NEEDED
