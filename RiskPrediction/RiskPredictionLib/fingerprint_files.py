"""Fingerprints on disk: one file per case, or one table of many cases."""

from __future__ import annotations

import csv
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path
from DeformationLib.image import Image

TABLE_SUFFIXES = (".npz", ".csv")


class FingerprintSource(Protocol):
    """What makes fingerprints of cine series: a motion model of section 6.2.1, or anything that stands in for it."""

    name: str
    """Of the model; a risk model can be used only with fingerprints of the model that it was trained with."""

    def fingerprint(self, frames: Sequence[Image]) -> np.ndarray:
        """Motion matrix ``(D, T)`` of the frames of a series; raises `InputError` for series that it cannot use."""
        ...


def read_fingerprint(path: str | os.PathLike) -> np.ndarray:
    """The fingerprint ``(D, T)`` of one case, from ``motion_matrix.csv`` as tracking writes it, or a .npy file.

    The sequences of a stack of slices are joined: ``(slices * D, T)``. Raises `InputError` for other files.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy":
        array = _load(path)
        if not isinstance(array, np.ndarray) or array.ndim != 2:
            raise InputError(f"{path} holds no fingerprint (latent dimensions x times): choose another file.")
        return np.asarray(array, np.float64)
    from MotionModelLib.motion_matrix import MotionMatrix

    matrix = MotionMatrix.read(path).mean
    return matrix.reshape(-1, matrix.shape[-1])


def read_fingerprint_table(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Fingerprints ``(D, T)`` of many cases, by their names.

    A .npz file holds ``cases`` ``(n)`` and ``fingerprints`` ``(n, D, T)``; a .csv file has a column ``case`` and one
    column per value, which gives ``(D * T, 1)``. Raises `InputError` for other files, naming row and column.
    """
    path = Path(path)
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise InputError(f"{path} is no table of fingerprints: choose a file with the suffix .npz or .csv.")
    cases, values = _npz_table(path) if path.suffix.lower() == ".npz" else _csv_table(path)
    repeated = {case for case in cases if cases.count(case) > 1}
    if repeated:
        raise InputError(f"{path} has the case '{sorted(repeated)[0]}' more than once: leave one of them.")
    return dict(zip(cases, values))


def write_fingerprint_table(
    path: str | os.PathLike,
    cases: Sequence[str],
    fingerprints: np.ndarray,
    model: str = "",
    slices: int | None = None,
    states: Sequence[str] = (),
) -> Path:
    """Write fingerprints ``(n, D, T)`` as a .npz file in single precision, completely or not at all.

    ``model`` and ``slices`` say what they were extracted with, ``states`` from which files, for `table_states`.
    """
    arrays = {"cases": np.asarray(cases, str), "fingerprints": np.asarray(fingerprints, np.float32)}
    origin = {"model": model, **({} if slices is None else {"slices": slices})} if model else {}
    if len(states):
        origin["states"] = np.asarray(states, str)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays, **origin)
    return Path(path)


def table_origin(path: str | os.PathLike) -> tuple[str, int | None]:
    """Motion model that a table of fingerprints comes from, and slices; an empty name and None where it does not say."""
    if Path(path).suffix.lower() != ".npz":
        return "", None
    archive = _load(Path(path))
    return str(archive["model"]) if "model" in archive else "", int(archive["slices"]) if "slices" in archive else None


def table_states(path: str | os.PathLike) -> dict[str, str]:
    """By case, of which files and by which model a fingerprint was extracted; empty where the table does not say."""
    archive = _load(Path(path))
    return dict(zip(archive["cases"].tolist(), archive["states"].tolist())) if "states" in archive else {}


def _npz_table(path: Path) -> tuple[list[str], np.ndarray]:
    archive = _load(path)
    try:
        cases, values = archive["cases"].astype(str).tolist(), np.asarray(archive["fingerprints"], np.float64)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} lacks the arrays 'cases' and 'fingerprints': write them, or choose a CSV.") from error
    if values.ndim not in (2, 3) or len(values) != len(cases):
        raise InputError(
            f"{path} has {len(cases)} cases with fingerprints of the shape {values.shape}: "
            "write (cases, latent dimensions, times)."
        )
    return cases, values if values.ndim == 3 else values[..., None]


def _csv_table(path: Path) -> tuple[list[str], np.ndarray]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({error}): choose a CSV file.") from error
    if header[:1] != ["case"] or len(header) < 2 or not rows:
        raise InputError(f"{path} is no table of fingerprints: its first column must be 'case', the others values.")
    values = np.empty((len(rows), len(header) - 1))
    for place, row in enumerate(rows):
        if len(row) != len(header):
            raise InputError(f"{path}, row {place + 2}: {len(row)} columns where the header has {len(header)}.")
        for column, text in enumerate(row[1:]):
            try:
                values[place, column] = float(text)
            except ValueError as error:
                raise InputError(
                    f"{path}, row {place + 2}, column '{header[column + 1]}': '{text}' is no number."
                ) from error
    return [row[0] for row in rows], values[..., None]


def _load(path: Path):
    try:
        # Without pickle, which could run code.
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read ({error}): choose a file of fingerprints.") from error
