"""Cine series and their label maps: found in folders or listed in a table, checked, and read; needs no torch."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .case_files import SUFFIXES
from .errors import InputError
from .geometry import Geometry
from .image import Image
from .image_io import read_labels_of


@dataclass(frozen=True)
class CineCase:
    """Files of one patient.

    Attributes:
        name: of the case.
        cine: 4-D file.
        ed_frame, es_frame: of end-diastole and end-systole, from 0.
        labels: label map of a frame, by frame.
        group: of the patient (a diagnosis), or empty.
    """

    name: str
    cine: Path
    ed_frame: int = 0
    es_frame: int | None = None
    labels: dict[int, Path] = field(default_factory=dict)
    group: str = ""


@dataclass
class Cine:
    """A series of images on one grid.

    Attributes:
        name: of the case.
        frames: ``(t, k, j, i)``.
        like: an image that says where the frames lie.
        ed_frame, es_frame: from 0.
        labels: label map of a frame, by frame.
        group: of the patient, or empty.
    """

    name: str
    frames: np.ndarray
    like: Image
    ed_frame: int
    es_frame: int
    labels: dict[int, Image] = field(default_factory=dict)
    group: str = ""

    def frame(self, number: int) -> Image:
        """One frame as an image; raises `InputError` for one that the series does not have."""
        check_frame(number, len(self.frames), f"The frame {number} of {self.name}")
        return self.like.with_array(self.frames[number])


def find_cine_cases(source: str | os.PathLike) -> list[CineCase]:
    """Cine series of a folder or a table.

    Args:
        source: one of
            - a table (.csv) with the columns ``name``, ``cine``, and optionally ``ed_frame``, ``es_frame`` (from 0),
              ``ed_labels``, ``es_labels``, ``group``; paths are relative to the table;
            - a folder with one folder per patient, as the ACDC challenge hands them out (``Info.cfg``,
              ``*_4d.nii.gz``, ``*_frame01_gt.nii.gz``), or with ``info.json``, ``cine.nii.gz``, ``seg_ed.nii.gz`` and
              ``seg_es.nii.gz``;
            - a folder of 4-D files; end-diastole is their first frame.

    Raises:
        InputError: for a source that is missing, unreadable, or holds no series.
    """
    source = Path(source)
    if source.is_file():
        cases = _from_table(source)
    elif source.is_dir():
        folders = sorted(path for path in source.iterdir() if path.is_dir())
        cases = [case for folder in folders if (case := _from_folder(folder)) is not None]
        cases = cases or [
            CineCase(path.name.split(".")[0], path)
            for path in sorted(source.iterdir())
            if path.name.lower().endswith(SUFFIXES)
        ]
    else:
        raise InputError(f"The folder or table of series {source} does not exist: check its name.")
    if not cases:
        raise InputError(f"{source} holds no cine series: give a folder with a folder per patient, or a table.")
    return cases


def read_cine(case: CineCase) -> Cine:
    """Read a series and its label maps.

    Raises `InputError` for a file that is no series, a series of one frame, frames that it does not have, and label maps
    on another grid.
    """
    frames, like = read_frames(case.cine)
    check_phases(case, len(frames))
    es_frame = case.es_frame
    if es_frame is None:
        es_frame = most_different_frame(frames, case.ed_frame)
        check_phases(replace(case, es_frame=es_frame), len(frames))
    labels = {number: read_labels_of(path, like, case.cine) for number, path in case.labels.items()}
    return Cine(case.name, frames, like, case.ed_frame, es_frame, labels, case.group)


def check_phases(case: CineCase, count: int) -> None:
    """Raise `InputError` for a case of ``count`` frames that is no motion from end-diastole to end-systole."""
    if count < 2:
        raise InputError(f"{case.cine} has one frame, but motion needs at least two: choose a cine series.")
    check_frame(case.ed_frame, count, f"The end-diastolic frame {case.ed_frame} of {case.name}")
    if case.es_frame is None:
        return
    check_frame(case.es_frame, count, f"The end-systolic frame {case.es_frame} of {case.name}")
    if case.es_frame == case.ed_frame:
        raise InputError(
            f"End-diastole and end-systole of {case.name} are the same frame ({case.es_frame}): correct one of them."
        )


def read_frames(path: str | os.PathLike) -> tuple[np.ndarray, Image]:
    """Frames ``(t, k, j, i)`` of a 4-D file and an image that says where they lie; a 3-D file is one frame."""
    try:
        image = sitk.ReadImage(os.fspath(path))
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read as an image: check that the file exists and is complete.") from error
    if image.GetDimension() not in (3, 4) or image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(f"{path} is not a series of grey images: choose a 4-D file.")
    array = sitk.GetArrayFromImage(image)
    if image.GetDimension() == 3:
        return array[np.newaxis], Image.from_sitk(image)
    return array, Image.from_sitk(image[:, :, :, 0])


def series_header(path: str | os.PathLike) -> tuple[Geometry, int] | None:
    """Where the frames of a file lie and how many there are, by its header; None for a file that cannot be used."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(os.fspath(path))
    try:
        reader.ReadImageInformation()
        dimension, size = reader.GetDimension(), reader.GetSize()
        if dimension not in (3, 4) or reader.GetNumberOfComponents() != 1:
            return None
        direction = np.reshape(reader.GetDirection(), (dimension, dimension))[:3, :3]
        geometry = Geometry(size[:3], reader.GetSpacing()[:3], reader.GetOrigin()[:3], direction)
    except (RuntimeError, InputError):
        return None
    return geometry, size[3] if dimension == 4 else 1


def most_different_frame(frames: np.ndarray, reference: int) -> int:
    """The frame least like a reference frame: the other end of the motion, where nobody has marked it."""
    difference = np.abs(frames.astype(np.float32) - frames[reference].astype(np.float32))
    return int(difference.reshape(len(frames), -1).mean(axis=1).argmax())


def check_frame(number: int, count: int, what: str) -> None:
    """Raise `InputError`, with ``what`` as its subject, for a frame that a series of ``count`` does not have."""
    if not 0 <= number < count:
        raise InputError(f"{what} is not in the series, whose frames are 0 to {count - 1}: give one of those.")


def _from_table(path: Path) -> list[CineCase]:
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The table {path} cannot be read ({error}).") from error
    if rows and not {"name", "cine"} <= set(rows[0]):
        raise InputError(f"The table {path} needs the columns name and cine, but has {', '.join(rows[0])}.")
    return [_from_row(row, path.parent) for row in rows]


def _from_row(row: dict[str, str], folder: Path) -> CineCase:
    def number(column: str) -> int | None:
        text = (row.get(column) or "").strip()
        try:
            return int(text) if text else None
        except ValueError as error:
            raise InputError(f"The {column} of {row['name']} is '{text}', not a whole number.") from error

    ed, es = number("ed_frame") or 0, number("es_frame")
    labels = {
        frame: folder / row[column]
        for frame, column in ((ed, "ed_labels"), (es, "es_labels"))
        if frame is not None and row.get(column)
    }
    return CineCase(row["name"], folder / row["cine"], ed, es, labels, row.get("group") or "")


def _from_folder(folder: Path) -> CineCase | None:
    """A patient's folder; None for one that is not one."""
    try:
        if (folder / "info.json").is_file():
            return _from_info_json(folder, json.loads((folder / "info.json").read_text(encoding="utf-8")))
        if (folder / "Info.cfg").is_file():
            return _from_info_cfg(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"The description of the series in {folder} cannot be read ({error}).") from error
    return None


def _from_info_json(folder: Path, info: dict) -> CineCase:
    frames = {"ed": int(info["ed_frame"]), "es": int(info["es_frame"])}
    labels = {
        frames[phase]: folder / f"seg_{phase}.nii.gz" for phase in frames if (folder / f"seg_{phase}.nii.gz").is_file()
    }
    return CineCase(
        folder.name, folder / "cine.nii.gz", frames["ed"], frames["es"], labels, str(info.get("group") or "")
    )


def _from_info_cfg(folder: Path) -> CineCase:
    """The ACDC challenge's own layout; its frames count from 1."""
    lines = (folder / "Info.cfg").read_text(encoding="utf-8").splitlines()
    info = {key.strip(): value.strip() for key, value in (line.split(":", 1) for line in lines if ":" in line)}
    frames = [int(info["ED"]), int(info["ES"])]
    cines = sorted(folder.glob("*_4d.nii*"))
    if not cines:
        raise InputError(f"{folder} has no file *_4d.nii.gz with the cine series.")
    labels = {}
    for frame in frames:
        found = sorted(folder.glob(f"*_frame{frame:02d}_gt.nii*"))
        if found:
            labels[frame - 1] = found[0]
    return CineCase(folder.name, cines[0], frames[0] - 1, frames[1] - 1, labels, info.get("Group", ""))


def group_sizes(groups: Sequence[str]) -> dict[str, int]:
    """How many cases each group has, in the order of their names."""
    return {group: list(groups).count(group) for group in sorted(set(groups))}
