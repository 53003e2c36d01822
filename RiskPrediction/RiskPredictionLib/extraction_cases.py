"""Which series fingerprints are extracted from: rows of a cohort's table, files, or images in memory."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from DeformationLib.cine_cases import read_frames
from DeformationLib.errors import InputError
from DeformationLib.image import Image
from DeformationLib.image_io import read_mask

from .cohort import Cohort
from .cohort_table import CASE, CINE, ED_FRAME, MASK, TABLE_START, frame_number, read_rows

_NAMELESS = ("cine", "motion_matrix", "image", "series", "")
"""File names that tell nothing: the folder names the case."""


@dataclass(frozen=True, eq=False)
class ExtractionCase:
    """A series.

    Attributes:
        name: of the case.
        cine: 4-D file, or its frames.
        row: of the table, as a spreadsheet counts; 0 without a table.
        ed_frame: end-diastole, that motion starts from.
        mask: of the heart in that frame: file, image, or None.
        problem: why it cannot be read, known before it is tried; empty if nothing is known.
    """

    name: str
    cine: Path | Sequence[Image]
    row: int = 0
    ed_frame: int = 0
    mask: Path | Image | None = None
    problem: str = ""

    @property
    def path(self) -> str:
        """Of the file; empty for images in memory."""
        return str(self.cine) if isinstance(self.cine, Path) else ""

    @property
    def place(self) -> str:
        """Row and case, for messages."""
        return f"Row {self.row}, case '{self.name}'" if self.row else f"Case '{self.name}'"

    @property
    def state(self) -> str:
        """A text that changes with the files and what is read from them; empty for images in memory."""
        if not isinstance(self.cine, Path) or isinstance(self.mask, Image):
            return ""
        files = [self.cine, *([self.mask] if self.mask else [])]
        try:
            stamps = [f"{os.stat(file).st_size} {os.stat(file).st_mtime_ns}" for file in files]
        except OSError:
            return ""
        return ", ".join([*map(str, files), *stamps, f"frame {self.ed_frame}"])

    def read(self) -> tuple[list[Image], Image | None]:
        """Frames and mask; raises `InputError` for files that cannot be used."""
        if self.problem:
            raise InputError(self.problem)
        mask = read_mask(self.mask) if isinstance(self.mask, Path) else self.mask
        if not isinstance(self.cine, Path):
            return list(self.cine), mask
        if not self.cine.is_file():
            what = "is a folder" if self.cine.is_dir() else "does not exist"
            raise InputError(f"{self.cine} {what}: name the 4-D file of the series.")
        array, like = read_frames(self.cine)
        if len(array) < 2:
            raise InputError(
                f"{self.cine} has one frame, but motion needs at least two: choose a 4-D file of a series."
            )
        return [like.with_array(frame) for frame in array], mask


def cases_of(
    source: Cohort | str | os.PathLike | Mapping | Sequence[ExtractionCase],
    series: Mapping[str, Sequence[Image]] | None = None,
) -> list[ExtractionCase]:
    """The series of a cohort, of a cohort's table (see `cases_of_rows`), or of a mapping from name to file or frames.

    ``series`` holds the frames of those that a cohort's column cine names without a file.

    Raises `InputError` for tables that cannot be read, and where there is no series at all.
    """
    if isinstance(source, Cohort):
        ed_frames, masks = source.ed_frames or (0,) * len(source), source.masks or ("",) * len(source)
        parts = zip(source.cases, source.cine, ed_frames, masks, strict=True)
        cases = [
            _case(name, cine, row, frame, Path(mask) if mask else None, frames=(series or {}).get(cine))
            for row, (name, cine, frame, mask) in enumerate(parts, TABLE_START)
        ]
    elif isinstance(source, Mapping):
        cases = [
            ExtractionCase(str(name), Path(cine) if isinstance(cine, (str, os.PathLike)) else cine)
            for name, cine in source.items()
        ]
    elif isinstance(source, (str, os.PathLike)):
        header, rows = read_rows(Path(source))
        cases = cases_of_rows(header, rows, Path(source).parent)
    else:
        cases = list(source)
    if not cases:
        raise InputError("There is no series to extract a fingerprint from: name at least one.")
    return cases


def cases_of_rows(
    header: Sequence[str], rows: Sequence[Sequence[str]], folder: str | os.PathLike
) -> list[ExtractionCase]:
    """The series that a table names in its columns ``case``, ``cine``, and optionally ``ed_frame`` and ``mask``.

    The other columns are not looked at, and may have gaps. A row that cannot be used becomes a case with a ``problem``.

    Raises `InputError` for a table without the columns.
    """
    for column in (CASE, CINE):
        if column not in header:
            raise InputError(
                f"Row 1, column '{column}': the column is missing: a table to extract fingerprints from needs the columns "
                "case and cine, the 4-D file of each case."
            )
    cases, seen = [], {}
    for row, cells in enumerate(rows, start=TABLE_START):
        if not any(cell.strip() for cell in cells):
            continue
        cases.append(_case_of_row(row, {name: cell.strip() for name, cell in zip(header, cells)}, Path(folder), seen))
        seen.setdefault(cases[-1].name, row)
    return cases


def case_name(path: str | os.PathLike) -> str:
    """The name of the case in a file: the file's, or where that says nothing its folder's."""
    path = Path(os.path.abspath(path))
    stem = path.name.split(".")[0]
    return path.parent.name if stem.lower() in _NAMELESS and path.parent.name else stem


def _case_of_row(row: int, cells: dict[str, str], folder: Path, seen: Mapping[str, int]) -> ExtractionCase:
    name = cells.get(CASE, "")
    frame, problem = frame_number(cells.get(ED_FRAME, ""))
    if not name:
        problem = "the case has no name: give every case one of its own"
    elif name in seen:
        problem = f"'{name}' is already in row {seen[name]}: leave one of them"
    mask = cells.get(MASK, "")
    return _case(name, cells.get(CINE, ""), row, frame, folder / mask if mask else None, problem, folder)


def _case(
    name: str,
    cine: str,
    row: int,
    frame: int,
    mask: Path | None,
    problem: str | None = None,
    folder: Path = Path(),
    frames: Sequence[Image] | None = None,
) -> ExtractionCase:
    if not cine:
        problem = problem or "no series is named: name its 4-D file in the column cine"
    return ExtractionCase(name, folder / cine if frames is None else frames, row, frame, mask, problem or "")
