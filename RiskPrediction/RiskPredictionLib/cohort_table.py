"""The cohort's CSV file: read, checked row by row, and written."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path

from .cohort import Cohort
from .fingerprint_files import read_fingerprint, read_fingerprint_table

CASE, TIME, EVENT, CINE, FINGERPRINT, SIMULATED = "case", "time", "event", "cine", "fingerprint", "simulated_risk"
_REQUIRED = (CASE, TIME, EVENT)
_OWN = (CASE, TIME, EVENT, CINE, FINGERPRINT, SIMULATED)
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

    Paths of cine series and fingerprints are relative to the table. All other columns are clinical variables: numbers,
    categories coded as numbers. ``simulated_risk`` marks a table with simulated outcomes.

    Args:
        path: of the CSV.
        fingerprints: table of fingerprints, instead of the column; see `fingerprint_files`.

    Raises:
        InputError: with the first problems, each with its row and column.
    """
    path = Path(path)
    header, rows = _read_rows(path)
    problems = find_problems(header, rows, path.parent)
    if problems:
        more = f"\n... and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise InputError(f"{path.name} has to be corrected:\n" + "\n".join(map(str, problems[:_SHOWN])) + more)
    cohort = _cohort(header, rows, path.parent)
    if fingerprints is not None:
        return cohort.with_fingerprints(read_fingerprint_table(fingerprints))
    if FINGERPRINT in header:
        place = header.index(FINGERPRINT)
        files = {row[header.index(CASE)].strip(): path.parent / row[place].strip() for row in rows}
        return cohort.with_fingerprints({case: read_fingerprint(file) for case, file in files.items()})
    return cohort


def write_cohort(path: str | os.PathLike, cohort: Cohort) -> Path:
    """Write a cohort's table, without its fingerprints, completely or not at all."""
    with_cine, simulated = any(cohort.cine), cohort.simulated
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        own = [CASE, *([CINE] if with_cine else []), TIME, EVENT, *([SIMULATED] if simulated else [])]
        table.writerow([*own, *cohort.clinical_names])
        for row, case in enumerate(cohort.cases):
            cine = [cohort.cine[row]] if with_cine else []
            risk = [f"{cohort.simulated_risk[row]:.9g}"] if simulated else []
            clinical = [f"{value:.9g}" for value in cohort.clinical[row]]
            table.writerow([case, *cine, f"{cohort.time[row]:.9g}", int(cohort.event[row]), *risk, *clinical])
    return Path(path)


def find_problems(header: Sequence[str], rows: Sequence[Sequence[str]], folder: str | os.PathLike) -> list[Problem]:
    """All that has to be corrected before the table can be used, in the order of rows; empty for a good table."""
    problems = _header_problems(header)
    if problems:
        return problems
    if not rows:
        return [Problem(0, "", "the table has no case: add one row per case")]
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):
        if any(cell.strip() for cell in row):
            problems += _row_problems(number, dict(zip(header, row)), len(row), len(header), seen, Path(folder))
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
    if name == CASE:
        return None
    if name in (CINE, FINGERPRINT):
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


def _cohort(header: Sequence[str], rows: Sequence[Sequence[str]], folder: Path) -> Cohort:
    columns = {name: [row[place].strip() for row in rows] for place, name in enumerate(header)}
    clinical = [name for name in header if name not in _OWN]
    cine = [str(folder / name) for name in columns[CINE]] if CINE in columns else [""] * len(rows)
    return Cohort(
        tuple(columns[CASE]),
        np.array(columns[TIME], float),
        np.array([_EVENT_WORDS[text.lower()] for text in columns[EVENT]]),
        tuple(clinical),
        np.array([columns[name] for name in clinical], float).reshape(len(clinical), len(rows)).T,
        tuple(cine),
        None,
        np.array(columns[SIMULATED], float) if SIMULATED in columns else None,
    )


def _read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
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
