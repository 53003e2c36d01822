"""Cohorts as tables: nodes of the scene or CSV files, whose series may be in the scene."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from DeformationLib.errors import InputError

if TYPE_CHECKING:
    from RiskPredictionLib.cohort import Cohort
    from RiskPredictionLib.cohort_table import Problem

_SERIES = ("vtkMRMLSequenceBrowserNode", "vtkMRMLSequenceNode", "vtkMRMLScalarVolumeNode")
"""Whose names stand for series, in this order: a browser and its sequence may have the same name."""
_MASKS = ("vtkMRMLSegmentationNode", "vtkMRMLLabelMapVolumeNode")


@dataclass(frozen=True)
class CohortTable:
    """The cells of a cohort's table, and the series of the scene that they name.

    Attributes:
        name: of the table, for sentences and titles.
        key: that tells it from other tables: ID of the node, or the path.
        header, rows: cells as texts.
        folder: that paths are relative to.
        series: nodes of the scene by the names in the column cine.
        masks: segmentations and label maps of the scene by the names in the column mask.
        ambiguous: names in these columns that several nodes have.
        scene: that it was read in.
        node: the table node; None for a file.
    """

    name: str
    key: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    folder: Path
    series: dict[str, object]
    masks: dict[str, object]
    ambiguous: frozenset[str]
    scene: object
    node: object = None

    @classmethod
    def read(cls, source) -> CohortTable:
        """From a table node, or the path of a CSV file. Raises InputError for anything else."""
        from RiskPredictionLib.cohort_table import CINE, MASK, read_rows

        if not source:
            raise InputError(_("No cohort is selected; select a table node or a CSV file."))
        if isinstance(source, (str, os.PathLike)):
            path, node, scene = Path(source), None, slicer.mrmlScene
            header, rows = read_rows(path)
            name, key, folder = path.name, str(path.absolute()), path.parent
        else:
            node, scene = _checked_table(source), source.GetScene() or slicer.mrmlScene
            header, rows = _cells(node)
            name, key, folder = node.GetName(), node.GetID() or "", _folder_of(node)
        series, several_series = _nodes_named(scene, _column(header, rows, CINE), _SERIES)
        masks, several_masks = _nodes_named(scene, _column(header, rows, MASK), _MASKS)
        ambiguous = several_series | several_masks
        return cls(name, key, tuple(header), tuple(map(tuple, rows)), folder, series, masks, ambiguous, scene, node)

    def problems(self) -> list[Problem]:
        """All that has to be corrected, in the order of rows; empty for a good table."""
        from RiskPredictionLib.cohort_table import find_problems

        problems = [*find_problems(self.header, self.rows, self.folder, self._at_hand()), *self._ambiguities()]
        return sorted(problems, key=lambda problem: problem.row)

    def cohort(self) -> Cohort:
        """Without fingerprints; cine is the name of a series in `series`, or a path. Raises InputError for problems."""
        from RiskPredictionLib.cohort_table import cohort_of

        cohort = cohort_of(self.header, self.rows, self.folder, self.name, self._at_hand())
        self.check_names()
        return cohort

    def check_names(self) -> None:
        """Raise InputError where a name stands for several nodes."""
        if self.ambiguous:
            first = self._ambiguities()[0]
            raise InputError(_("{name} has to be corrected:").format(name=self.name) + f"\n{first}")

    def named_fingerprints(self) -> dict[str, np.ndarray]:
        """Fingerprints ``(D, T)`` by case from the column fingerprint; empty without it. Raises InputError."""
        from RiskPredictionLib.cohort_table import named_fingerprints

        return named_fingerprints(self.header, self.rows, self.folder)

    def cell(self, row: int, column: str) -> str:
        """The text of a row, counted as a spreadsheet does, in a column; empty where there is none."""
        cells = dict(zip(self.header, self.rows[row - 2], strict=False))
        return cells.get(column, "").strip()

    def check_in_scene(self) -> None:
        """Raise InputError where the table was deleted while its cases were worked on."""
        if self.node is not None and self.node.GetScene() is None:
            raise InputError(
                _("'{name}' was deleted meanwhile: nothing was added to the scene.").format(name=self.name)
            )

    def _at_hand(self) -> set[str]:
        return {*self.series, *self.masks}

    def _ambiguities(self) -> list[Problem]:
        from RiskPredictionLib.cohort_table import CINE, MASK, Problem

        text = _("several nodes of the scene are called '{name}': rename one, and write the name of the right one")
        return [
            Problem(row, column, text.format(name=self.cell(row, column)))
            for row in range(2, len(self.rows) + 2)
            for column in (CINE, MASK)
            if self.cell(row, column) in self.ambiguous
        ]


def _checked_table(node):
    if not node.IsA("vtkMRMLTableNode"):
        raise InputError(_("'{name}' is not a table; select the table of a cohort.").format(name=node.GetName()))
    if node.GetNumberOfColumns() == 0 or node.GetNumberOfRows() == 0:
        raise InputError(
            _("The table '{name}' is empty: it needs the columns case, time and event, and a row per case.").format(
                name=node.GetName()
            )
        )
    return node


def _cells(node) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table node as texts."""
    table = node.GetTable()
    columns = [table.GetColumn(number) for number in range(table.GetNumberOfColumns())]
    header = [(column.GetName() or "").strip() for column in columns]
    rows = [list(row) for row in zip(*map(_texts, columns), strict=True)]
    # As in a file: empty rows at the end are nothing.
    while rows and not any(cell.strip() for cell in rows[-1]):
        rows.pop()
    return header, rows


def _texts(column: vtk.vtkAbstractArray) -> list[str]:
    if isinstance(column, (vtk.vtkFloatArray, vtk.vtkDoubleArray)):
        # As Python prints them: all digits that count, and no more.
        return [str(value) for value in vtk_to_numpy(column)]
    return [column.GetVariantValue(number).ToString() for number in range(column.GetNumberOfTuples())]


def _folder_of(node) -> Path:
    """Where the file of a table node is, else where the scene's is."""
    storage = node.GetStorageNode()
    path = storage.GetFullNameFromFileName() if storage is not None and storage.GetFileName() else ""
    if path:
        return Path(path).parent
    scene = node.GetScene()
    return Path(scene.GetRootDirectory() or ".") if scene is not None else Path(".")


def _column(header: list[str], rows: list[list[str]], name: str) -> set[str]:
    """What is written in a column; empty without it."""
    if name not in header:
        return set()
    place = header.index(name)
    return {row[place].strip() for row in rows if place < len(row)} - {""}


def _nodes_named(scene, names: Collection[str], classes: Collection[str]) -> tuple[dict[str, object], frozenset[str]]:
    """Nodes of the scene by name, of the first of the classes that has the name; and names that several have there."""
    found, several = {}, set()
    for node_class in classes:
        of_class: dict[str, list] = {}
        for number in range(scene.GetNumberOfNodesByClass(node_class) if names else 0):
            node = scene.GetNthNodeByClass(number, node_class)
            if node.GetName() in names and _may_be_meant(node, node_class):
                of_class.setdefault(node.GetName(), []).append(node)
        for name, nodes in of_class.items():
            if name not in found:
                found[name] = nodes[0]
                several |= {name} if len(nodes) > 1 else set()
    return found, frozenset(several)


def _may_be_meant(node, node_class: str) -> bool:
    """Volumes stand for a series if they play or have components; other nodes always may be meant."""
    if node_class != "vtkMRMLScalarVolumeNode":
        return True
    if node.IsA("vtkMRMLLabelMapVolumeNode"):
        return False
    if slicer.modules.sequences.logic().GetFirstBrowserNodeForProxyNode(node) is not None:
        return True
    data = node.GetImageData()
    return data is not None and data.GetNumberOfScalarComponents() > 1
