"""The cohort's CSV file: read, checked row by row, and written."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path

from .cohort import Cohort
from .fingerprint_files import read_fingerprint, read_fingerprint_table

CASE, TIME, EVENT, CINE, FINGERPRINT, SIMULATED = "case", "time", "event", "cine", "fingerprint", "simulated_risk"
ED_FRAME, MASK = "ed_frame", "mask"
TABLE_START = 2
"""Row of the first case, as a spreadsheet counts."""
_REQUIRED = (CASE, TIME, EVENT)
_OWN = (CASE, TIME, EVENT, CINE, FINGERPRINT, SIMULATED, ED_FRAME, MASK)
_SHOWN = 5
_EVENT_WORDS = {"1": True, "0": False, "1.0": True, "0.0": False, "true": True, "false": False}


@dataclass(frozen=True)
class Problem:
    """Something in a table that has to be corrected: row as a spreadsheet counts (the header is 1), 0 for no row."""

    row: int
    column: str
    text: str

    def __str__(self) -> str:
        places = ([f"row {self.row}"] if self.row else []) + ([f"column '{self.column}'"] if self.column else [])
        text = f"{', '.join(places)}: {self.text}" if places else self.text
        return text[0].upper() + text[1:]


def read_cohort(path: str | os.PathLike, fingerprints: str | os.PathLike | None = None) -> Cohort:
    """Read a table with the columns case, time, event, and optionally cine, fingerprint, and clinical variables.

    Paths of cine series, their masks and fingerprints are relative to the table; ``ed_frame`` is the frame of the series
    that motion starts from. All other columns are clinical variables: numbers, categories coded as numbers.
    ``simulated_risk`` marks a table with simulated outcomes.

    Args:
        path: of the CSV.
        fingerprints: table of fingerprints, instead of the column; see `fingerprint_files`.

    Raises:
        InputError: with the first problems, each with its row and column.
    """
    path = Path(path)
    header, rows = read_rows(path)
    cohort = cohort_of(header, rows, path.parent, path.name)
    if fingerprints is not None:
        return cohort.with_fingerprints(read_fingerprint_table(fingerprints))
    named = named_fingerprints(header, rows, path.parent)
    return cohort.with_fingerprints(named) if named else cohort


def cohort_of(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    folder: str | os.PathLike,
    name: str,
    series: Collection[str] = (),
) -> Cohort:
    """The cohort of a table's cells, still without fingerprints.

    Args:
        header, rows: cells as texts.
        folder: that paths are relative to.
        name: of the table, for sentences.
        series: that need no file, see `find_problems`; they stay in ``Cohort.cine`` and ``masks`` as they are.

    Raises:
        InputError: as `read_cohort`.
    """
    problems = find_problems(header, rows, folder, series)
    if problems:
        more = f"\n... and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise InputError(f"{name} has to be corrected:\n" + "\n".join(map(str, problems[:_SHOWN])) + more)
    return _cohort(header, rows, Path(folder), series)


def named_fingerprints(
    header: Sequence[str], rows: Sequence[Sequence[str]], folder: str | os.PathLike
) -> dict[str, np.ndarray]:
    """Fingerprints ``(D, T)`` by case from the files in the column fingerprint; empty where there is no such column.

    Raises `InputError` for files that cannot be read.
    """
    if FINGERPRINT not in header:
        return {}
    places = header.index(CASE), header.index(FINGERPRINT)
    files = {row[places[0]].strip(): Path(folder) / row[places[1]].strip() for row in rows}
    return {case: read_fingerprint(file) for case, file in files.items()}


def write_cohort(path: str | os.PathLike, cohort: Cohort) -> Path:
    """Write a cohort's table, without its fingerprints, completely or not at all."""
    with_cine, simulated = any(cohort.cine), cohort.simulated
    series = {CINE: cohort.cine if with_cine else None, ED_FRAME: cohort.ed_frames, MASK: cohort.masks}
    series = {name: column for name, column in series.items() if column is not None}
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        own = [CASE, *series, TIME, EVENT, *([SIMULATED] if simulated else [])]
        table.writerow([*own, *cohort.clinical_names])
        for row, case in enumerate(cohort.cases):
            cine = [column[row] for column in series.values()]
            risk = [f"{cohort.simulated_risk[row]:.9g}"] if simulated else []
            clinical = [f"{value:.9g}" for value in cohort.clinical[row]]
            table.writerow([case, *cine, f"{cohort.time[row]:.9g}", int(cohort.event[row]), *risk, *clinical])
    return Path(path)


def find_problems(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    folder: str | os.PathLike,
    series: Collection[str] = (),
) -> list[Problem]:
    """All that has to be corrected before the table can be used, in the order of rows; empty for a good table.

    ``series`` are names that cells of the columns cine and mask may have instead of a file, for what is at hand otherwise.
    """
    problems = _header_problems(header)
    if problems:
        return problems
    if not rows:
        return [Problem(0, "", "the table has no case: add one row per case")]
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=TABLE_START):
        if any(cell.strip() for cell in row):
            cells = dict(zip(header, row))
            cells = {
                name: cell for name, cell in cells.items() if name not in (CINE, MASK) or cell.strip() not in series
            }
            problems += _row_problems(number, cells, len(row), len(header), seen, Path(folder))
        else:
            problems.append(Problem(number, "", "the row is empty: remove it"))
    return problems or _column_problems(header, rows)


def _header_problems(header: Sequence[str]) -> list[Problem]:
    problems = [
        Problem(1, name, "the column is missing: add it (needed are case, time and event)")
        for name in _REQUIRED
        if name not in header
    ]
    for place, name in enumerate(header):
        if not name:
            problems.append(Problem(1, str(place + 1), "the column has no name: name it or remove it"))
        elif header.index(name) != place:
            problems.append(Problem(1, name, "there are two columns of this name: rename or remove one"))
    return problems


def _row_problems(
    number: int, cells: dict[str, str], found: int, expected: int, seen: dict[str, int], folder: Path
) -> list[Problem]:
    if found != expected:
        text = f"{found} columns where the header has {expected}: check commas and quotes"
        return [Problem(number, "", text)]
    problems = []
    case = cells[CASE].strip()
    if not case:
        problems.append(Problem(number, CASE, "the case has no name: give every case one of its own"))
    elif case in seen:
        problems.append(Problem(number, CASE, f"'{case}' is already in row {seen[case]}: leave one of them"))
    seen.setdefault(case, number)
    for name, text in cells.items():
        problem = _cell_problem(name, text.strip(), folder)
        if problem:
            problems.append(Problem(number, name, problem))
    return problems


def _cell_problem(name: str, text: str, folder: Path) -> str | None:
    if name == CASE or (name == MASK and not text):
        return None
    if name == ED_FRAME:
        return frame_number(text)[1]
    if name in (CINE, FINGERPRINT, MASK):
        if not text:
            return "no file is named: name one, or leave out the case"
        return None if (folder / text).exists() else f"the file '{text}' does not exist: check its name"
    if name == EVENT:
        known = text.lower() in _EVENT_WORDS
        return None if known else f"'{text}' is neither 1 (event) nor 0 (censored)"
    if not text:
        return "the value is missing: fill it in, or leave out the case or the column"
    try:
        value = float(text)
    except ValueError:
        return f"'{text}' is no number: write numbers only, with a decimal point, categories as 0, 1, ..."
    if not math.isfinite(value):
        return f"'{text}' is no finite number: fill in a value, or leave out the case or the column"
    if name == TIME and value < 0:
        return f"the time {text} is negative: times count from the image on"
    return None


def frame_number(text: str) -> tuple[int, str | None]:
    """The frame that a cell names, 0 for an empty one, and what is wrong with it."""
    if text.isdecimal() or not text:
        return int(text or 0), None
    return 0, f"'{text}' is no frame: write a whole number, 0 for the first frame"


def _column_problems(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Problem]:
    """What only shows when all rows are looked at."""
    events = [_EVENT_WORDS[row[header.index(EVENT)].strip().lower()] for row in rows]
    problems = []
    if not any(events):
        problems.append(Problem(0, EVENT, "no case has an event: risk can be learned only where events were observed"))
    elif all(events):
        problems.append(
            Problem(0, EVENT, "all cases have an event: check that censored cases, with their last time, are there")
        )
    for place, name in enumerate(header):
        if name not in _OWN and len({float(row[place]) for row in rows}) == 1:
            text = f"all cases have the value {rows[0][place].strip()}: remove the column"
            problems.append(Problem(0, name, text))
    return problems


def _cohort(header: Sequence[str], rows: Sequence[Sequence[str]], folder: Path, series: Collection[str] = ()) -> Cohort:
    columns = {name: [row[place].strip() for row in rows] for place, name in enumerate(header)}
    clinical = [name for name in header if name not in _OWN]
    cine = [name if name in series else str(folder / name) for name in columns.get(CINE, [])] or [""] * len(rows)
    return Cohort(
        tuple(columns[CASE]),
        np.array(columns[TIME], float),
        np.array([_EVENT_WORDS[text.lower()] for text in columns[EVENT]]),
        tuple(clinical),
        np.array([columns[name] for name in clinical], float).reshape(len(clinical), len(rows)).T,
        tuple(cine),
        None,
        np.array(columns[SIMULATED], float) if SIMULATED in columns else None,
        tuple(frame_number(text)[0] for text in columns[ED_FRAME]) if ED_FRAME in columns else None,
        tuple(str(folder / name) if name and name not in series else name for name in columns[MASK])
        if MASK in columns
        else None,
    )


def read_rows(path: str | os.PathLike) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a CSV file as texts; raises `InputError` for a file that cannot be read, and an empty one."""
    path = Path(path)
    try:
        # A byte order mark is what spreadsheets write before UTF-8.
        text = path.read_text(encoding="utf-8-sig")
        first = text.split("\n", 1)[0]
        separator = ";" if first.count(";") > first.count(",") else ","
        rows = list(csv.reader(io.StringIO(text, newline=None), delimiter=separator))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"The cohort table {path} cannot be read ({reason}): choose a CSV file in UTF-8.") from error
    # Empty rows at the end are nothing; in between they stay, so that rows are counted as a spreadsheet does.
    while rows and not any(cell.strip() for cell in rows[-1]):
        rows.pop()
    if not rows:
        raise InputError(f"The cohort table {path} is empty: it needs a header and one row per case.")
    return [name.strip() for name in rows[0]], rows[1:]
