"""Codes of cases as a table node: encoded from volumes of the scene, read from a file, and read back."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from DeformationLib.errors import InputError
from DeformationLib.progress import Progress
from DeformationSceneLib.placement import place_beside, unique_name
from DeformationSceneLib.tables import Column, add_table, fill_table
from DeformationSceneLib.volumes import image_from_volume

if TYPE_CHECKING:
    from LatentRegistrationLib.latent_cases import CodeTable
    from LatentRegistrationLib.probabilistic_model import ProbabilisticModel

_MODEL = "LatentMotion.Model"
_CASE_COLUMNS = ("case", "name")
_CODE, _DEVIATION = re.compile(r"z(\d+)"), re.compile(r"sd(\d+)")


class CaseEncoding:
    """Reads pairs of volumes when it is made, encodes them in any thread, and adds the table to the scene.

    >>> encoding = CaseEncoding([("patient 1", endSystole, endDiastole), ...], groups)  # main thread
    >>> encoding.compute(lambda: model, progress)  # any thread
    >>> tableNode = encoding.addToScene()  # main thread
    """

    def __init__(self, pairs: Sequence[tuple], groups: Sequence[str] | None = None, into=None) -> None:
        """Read the nodes.

        Args:
            pairs: name, fixed and moving volume node of each case.
            groups: of the cases.
            into: table node to overwrite; a new one is made otherwise.

        Raises:
            InputError: without cases, for names that occur twice, unusable volumes, and groups that are not one per case.
        """
        if not pairs:
            raise InputError(_("There are no cases to encode: give a name, a fixed and a moving volume for each."))
        names = [str(name) for name, _fixed, _moving in pairs]
        _check_names(names)
        if groups is not None and len(groups) != len(pairs):
            raise InputError(
                _("There are {cases} cases but {groups} groups: give one group for each case.").format(
                    cases=len(pairs), groups=len(groups)
                )
            )
        self._images = [
            (name, image_from_volume(fixed), image_from_volume(moving))
            for name, (_name, fixed, moving) in zip(names, pairs, strict=True)
        ]
        self._scene, self._beside = pairs[0][1].GetScene(), pairs[0][1]
        self._groups, self._into = groups, into
        self.codes: CodeTable | None = None

    def compute(self, model: Callable[[], ProbabilisticModel], progress: Progress) -> None:
        """Encode; touches no node."""
        from LatentRegistrationLib.latent_cases import encode_cases

        progress.report(0.0, "Loading the model")
        self.codes = encode_cases(checked_model(model()), self._images, self._groups, progress.part(0.1, 1.0))

    def addToScene(self):
        """The table node of the codes."""
        node = add_codes_table(self._scene, self.codes, self._into)
        if self._beside.GetScene() is not None:
            place_beside(node, self._beside)
        return node


class FileEncoding:
    """The same for cases in files: whatever the command ``encode`` takes, or the codes.csv that it has written."""

    def __init__(self, path: str | os.PathLike, scene, into=None) -> None:
        """`path`: folder of cine series, table of them or of pairs, or codes. Raises InputError for one that is not there."""
        self._path, self._scene, self._into = Path(path), scene, into
        if not str(path) or str(path) == "." or not self._path.exists():
            raise InputError(_("Choose a folder of cine series, or a table of cases, that exists."))
        self.codes: CodeTable | None = None

    def compute(self, model: Callable[[], ProbabilisticModel], progress: Progress) -> None:
        """Read and encode; touches no node."""
        if _holds_codes(self._path):
            self.codes = read_codes(self._path)
            return
        progress.report(0.0, "Loading the model")
        loaded = checked_model(model())
        from LatentRegistrationLib.latent_cases import encode_cases
        from LatentRegistrationLib.probabilistic_commands import read_pairs

        progress.report(0.05, "Reading the cases")
        pairs, groups = read_pairs(str(self._path))
        _check_names([name for name, _fixed, _moving in pairs])
        self.codes = encode_cases(loaded, pairs, groups, progress.part(0.3, 1.0))

    def addToScene(self):
        """The table node of the codes."""
        return add_codes_table(self._scene, self.codes, self._into, _("Codes of {name}").format(name=self._path.stem))


def _holds_codes(path: Path) -> bool:
    """Whether a file is a table with a column z1."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            return "z1" in next(csv.reader(stream), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False


def checked_model(model) -> ProbabilisticModel:
    """The model itself. Raises InputError for one that has no codes of pairs."""
    from LatentRegistrationLib.probabilistic_model import ProbabilisticModel

    if not isinstance(model, ProbabilisticModel):
        raise InputError(
            _("The model '{model}' has no codes of cases: choose a probabilistic one.").format(
                model=getattr(model, "name", "")
            )
        )
    return model


def add_codes_table(scene, codes: CodeTable, into=None, name: str = ""):
    """A table node with the columns case, group (if there are any), z1, z2, ... and sd1, sd2, ...; `into`: overwrite."""
    columns = {"case": Column(codes.names)}
    if any(codes.groups):
        columns["group"] = Column(codes.groups)
    for number, values in enumerate(codes.codes.T, 1):
        columns[f"z{number}"] = Column(values, "", "Mean of the code.")
    for number, values in enumerate(codes.deviations.T, 1):
        columns[f"sd{number}"] = Column(values, "", "The encoder's standard deviation of the code.")
    if into is None:
        node = add_table(scene, unique_name(scene, name or _("Codes of cases")), columns)
    else:
        node = into
        fill_table(node, columns)
    if codes.model:
        node.SetAttribute(_MODEL, codes.model)
    else:
        node.RemoveAttribute(_MODEL)
    return node


def group_columns(table_node) -> list[str]:
    """Columns of a table that may hold the groups of its cases: all that are neither names nor codes."""
    if table_node is None:
        return []
    names = [table_node.GetColumnName(index) for index in range(table_node.GetNumberOfColumns())]
    return [
        name
        for name in names
        if name and name not in _CASE_COLUMNS and not _CODE.fullmatch(name) and not _DEVIATION.fullmatch(name)
    ]


def codes_from_table(table_node, group_column: str = "") -> CodeTable:
    """Read a table node back, one of ours or one loaded from the codes.csv of the command line.

    Args:
        table_node: with a column case (or name), and the columns z1, z2, ...
        group_column: whose texts are the groups; none for empty ones.

    Raises:
        InputError: for a table without those columns, and for codes that are not numbers.
    """
    if table_node is None:
        raise InputError(_("Select the table of the cases' codes."))
    columns = {}
    for index in range(table_node.GetNumberOfColumns()):
        array = table_node.GetTable().GetColumn(index)
        columns[table_node.GetColumnName(index)] = _values(array)
    return _codes(columns, group_column, table_node.GetAttribute(_MODEL) or "", table_node.GetName())


def read_codes(path: str | os.PathLike, group_column: str = "group") -> CodeTable:
    """Read the codes.csv that the command ``encode`` has written. Raises InputError for a file that is none."""
    path = Path(path)
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            _("{path} cannot be read as a table of codes: {error}.").format(path=path, error=error)
        ) from None
    columns = {name: [row[name] or "" for row in rows] for name in (rows[0] if rows else {}) if name}
    return _codes(columns, group_column if group_column in columns else "", "", path.name)


def _codes(columns: dict[str, Sequence], group_column: str, model: str, source: str) -> CodeTable:
    from DeformationSceneLib.installation import preload_torch

    preload_torch()
    from LatentRegistrationLib.latent_cases import CodeTable

    case_column = next((name for name in _CASE_COLUMNS if name in columns), None)
    codes = _numbers(columns, _CODE, source)
    if case_column is None or codes is None:
        raise InputError(
            _("'{table}' is no table of codes: it needs a column 'case', and the columns z1, z2, ...").format(
                table=source
            )
        )
    names = [str(name) for name in columns[case_column]]
    _check_names(names)
    if group_column and group_column not in columns:
        raise InputError(
            _("'{table}' has no column '{column}': choose another column for the groups.").format(
                table=source, column=group_column
            )
        )
    groups = tuple(_text(group) for group in columns[group_column]) if group_column else ("",) * len(names)
    deviations = _numbers(columns, _DEVIATION, source)
    if deviations is None or deviations.shape != codes.shape:
        deviations = np.zeros_like(codes)
    return CodeTable(tuple(names), codes, deviations, groups, model)


def _check_names(names: Sequence[str]) -> None:
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise InputError(_("The case '{name}' occurs twice: give each case a name of its own.").format(name=twice[0]))


def _numbers(columns: dict[str, Sequence], pattern: re.Pattern, source: str) -> np.ndarray | None:
    """The numbered columns side by side ``(n, d)``; None where there are none, or one is missing between them."""
    found = sorted((int(pattern.fullmatch(name)[1]), name) for name in columns if name and pattern.fullmatch(name))
    if not found or [number for number, _name in found] != list(range(1, len(found) + 1)):
        return None
    try:
        values = np.array([[float(value) for value in columns[name]] for _number, name in found], dtype=np.float64).T
    except ValueError:
        values = np.full((1, 1), np.nan)
    if not np.all(np.isfinite(values)):
        raise InputError(
            _("Some codes in '{table}' are missing or not numbers: encode the cases again.").format(table=source)
        )
    return values


def _values(array: vtk.vtkAbstractArray) -> list:
    if isinstance(array, vtk.vtkDataArray):
        return vtk_to_numpy(array).tolist()
    if isinstance(array, vtk.vtkStringArray):
        return [array.GetValue(row) for row in range(array.GetNumberOfValues())]
    return [array.GetVariantValue(row).ToString() for row in range(array.GetNumberOfValues())]


def _text(value) -> str:
    """A group as a text: numbers that are whole without a decimal point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def load_codes(path: str | os.PathLike, scene=None):
    """A table node of the codes in a file that the command ``encode`` has written."""
    return add_codes_table(scene or slicer.mrmlScene, read_codes(path), name=Path(path).stem)
