"""The files that a model is trained on: found in folders, split, and looked at without reading a voxel; needs no torch."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import InputError
from .geometry import Geometry
from .progress import Progress

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr", ".png", ".tif", ".tiff")


@dataclass(frozen=True)
class Case:
    """Files of one training case."""

    name: str
    image: Path
    labels: Path | None = None


def find_cases(images: str | Path, labels: str | Path | None = None) -> list[Case]:
    """Images of a folder in the order of their names, each with the label map of the same name, if there is one.

    Raises `InputError` for a folder that is missing or holds no image.
    """
    found = _files_by_name(images, "images")
    label_files = _files_by_name(labels, "labels") if labels else {}
    return [Case(name, path, label_files.get(name)) for name, path in found.items()]


def _files_by_name(folder: str | Path, what: str) -> dict[str, Path]:
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"The folder of {what} {folder} does not exist: check its name.")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        suffix = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)
        if suffix and path.is_file() and not path.name.startswith("."):
            files.setdefault(path.name[: -len(suffix)], path)
    if not files:
        raise InputError(f"The folder of {what} {folder} holds no image ({', '.join(SUFFIXES)}).")
    return files


def smallest_grid(
    geometries: Sequence[Geometry], spacing: float = 0.0, factor: int = 16
) -> tuple[tuple[int, ...], float]:
    """Size (k, j, i; or j, i if all are slices) in multiples of ``factor`` that holds every image, and spacing in mm.

    A spacing of 0 takes the median of the images' spacings.
    """
    flat = _flat(geometries)
    spacing = spacing or median_spacing(geometries)
    extents = [
        np.asarray(geometry.size[:2]) * geometry.spacing[:2] if flat else np.abs(geometry.step) @ geometry.size
        for geometry in geometries
    ]
    lengths = np.ceil(np.max(extents, axis=0) / spacing / factor - 1e-6) * factor
    return tuple(int(length) for length in lengths[::-1]), spacing


def median_spacing(geometries: Sequence[Geometry]) -> float:
    """Median of the images' finest spacings, mm; in the plane, if all of them are slices."""
    axes = 2 if _flat(geometries) else 3
    return float(np.median([min(geometry.spacing[:axes]) for geometry in geometries]))


def _flat(geometries: Sequence[Geometry]) -> bool:
    return all(geometry.size[2] == 1 for geometry in geometries)


def split_cases(
    names: Sequence[str], rule: str = "10:1", file: str | Path | None = None
) -> tuple[list[int], list[int]]:
    """Indices of the training and of the validation cases.

    Args:
        names: of all cases, in their order.
        rule: ``"N:R"`` validates on the cases whose position in the list leaves remainder R when divided by N; ``"none"``
            validates on nothing.
        file: JSON with a list ``"validation"`` of names (and optionally ``"training"``), or a text file with one name of a
            validation case per line; overrides the rule.

    Raises:
        InputError: for an unreadable rule or file, unknown names, or fewer than two training cases.
    """
    if file:
        validation, training = _read_split(Path(file), names)
    elif rule == "none":
        validation, training = [], list(range(len(names)))
    else:
        try:
            period, remainder = (int(part) for part in rule.split(":"))
            if not 0 <= remainder < period:
                raise ValueError(rule)
            validation = [index for index in range(len(names)) if index % period == remainder]
        except ValueError as error:
            raise InputError(
                f"The validation rule '{rule}' is not understood: write N:R, for example 10:1, or none."
            ) from error
        training = [index for index in range(len(names)) if index % period != remainder]
    if len(training) < 2:
        raise InputError(f"The split leaves {len(training)} training cases: training needs at least two.")
    return training, validation


def _read_split(path: Path, names: Sequence[str]) -> tuple[list[int], list[int]]:
    try:
        text = path.read_text(encoding="utf-8")
        split = json.loads(text) if path.suffix == ".json" else {"validation": text.split()}
        held_out = [str(name) for name in split["validation"]]
        chosen = [str(name) for name in split.get("training", [name for name in names if name not in held_out])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"The split file {path} cannot be read ({error}).") from error
    if shared := sorted(set(held_out) & set(chosen)):
        raise InputError(f"The split file {path} uses {', '.join(shared)} both for training and for validation.")
    unknown = [name for name in [*held_out, *chosen] if name not in names]
    if unknown:
        raise InputError(f"The split file {path} names cases that are not there: {', '.join(unknown[:5])}.")
    return [names.index(name) for name in held_out], [names.index(name) for name in chosen]


def validation_pairs(count: int) -> list[tuple[int, int]]:
    """Pairs of different cases: each is fixed twice, with the next case and with the one seven further as moving."""
    if count < 2:
        return []
    steps = sorted({1, 7 % count} - {0})
    return [(index, (index + step) % count) for step in steps for index in range(count)]


def suggested_rule(count: int) -> str:
    """A validation rule that leaves at least two cases on either side wherever that is possible."""
    if count >= 12:
        return "10:1"
    return f"{count - 2}:1" if count >= 4 else "none"


@dataclass(frozen=True)
class CaseSummary:
    """What a training would find, as far as the headers of the files tell.

    Attributes:
        training, validation: number of cases on each side of the split.
        labelled: how many cases have a label map.
        size: of the smallest grid that holds all images, k, j, i (or j, i).
        spacing: of that grid, mm.
        unreadable: names of the cases that a training would skip.
    """

    training: int
    validation: int
    labelled: int
    size: tuple[int, ...]
    spacing: float
    unreadable: tuple[str, ...] = ()


def summarize_cases(
    images: str | os.PathLike,
    labels: str | os.PathLike | None = None,
    *,
    rule: str = "",
    split_file: str | os.PathLike | None = None,
    spacing: float = 0.0,
    factor: int = 16,
    progress: Progress | None = None,
) -> CaseSummary:
    """Look at the headers of all images of a folder.

    Args:
        images, labels: folders, as in `find_cases`; with labels, cases without a label map count as unreadable.
        rule, split_file: as in `split_cases`; an empty rule takes the suggested one.
        spacing, factor: as in `smallest_grid`.
        progress: reports and cancels.

    Raises:
        InputError: when a training on these folders would be refused.
    """
    progress = progress or Progress()
    cases = find_cases(images, labels)
    names = [case.name for case in cases]
    geometries: dict[str, Geometry] = {}
    for number, case in enumerate(cases):
        progress.report(number / len(cases), f"Looking at {case.name}")
        geometry = _header(case.image)
        if geometry is not None and (case.labels is not None or not labels):
            geometries[case.name] = geometry
    if labels and not any(case.labels for case in cases):
        raise InputError(
            f"No label map in {labels} has the name of an image in {images}: "
            "give each label map the name of its image, or train without labels."
        )
    if len(geometries) < 2:
        raise InputError(
            f"Training needs at least two usable cases, but {images} holds {len(geometries)}: add images"
            + (" and their label maps." if labels else ".")
        )
    sides = split_cases(names, rule or suggested_rule(len(names)), split_file)
    training, validation = (sum(names[index] in geometries for index in side) for side in sides)
    if training < 2:
        raise InputError(f"The split leaves {training} usable training cases: training needs at least two.")
    size, spacing = smallest_grid(list(geometries.values()), spacing, factor)
    return CaseSummary(
        training,
        validation,
        sum(case.labels is not None for case in cases),
        size,
        spacing,
        tuple(name for name in names if name not in geometries),
    )


def _header(path: Path) -> Geometry | None:
    """Where an image lies, from the header of its file; None for one that cannot be used."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(os.fspath(path))
    try:
        reader.ReadImageInformation()
        dimension, size, spacing = reader.GetDimension(), reader.GetSize(), reader.GetSpacing()
        if reader.GetNumberOfComponents() != 1 or dimension < 2 or any(length != 1 for length in size[3:]):
            return None
        direction = np.eye(3)
        axes = min(dimension, 3)
        direction[:axes, :axes] = np.reshape(reader.GetDirection(), (dimension, dimension))[:axes, :axes]
        return Geometry((*size, 1)[:3], (*spacing, 1.0)[:3], (*reader.GetOrigin(), 0.0)[:3], direction)
    except (RuntimeError, InputError):
        return None
