"""The images and labels that a model is trained on: found in folders, checked one by one, held in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from DeformationLib.errors import InputError
from DeformationLib.image import Image, check_same_grid
from DeformationLib.image_io import read_image, read_labels
from DeformationLib.progress import Progress

from .preprocessing import NetworkGrid, prepare, prepare_labels

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr", ".png", ".tif", ".tiff")


@dataclass(frozen=True)
class Case:
    """Files of one training case."""

    name: str
    image: Path
    labels: Path | None = None


@dataclass
class CaseSet:
    """Training cases on the network's grid.

    Attributes:
        names: of the cases.
        images: ``(n, 1, *grid)`` in half precision, normalised.
        labels: ``(n, L, *grid)`` indicators as bytes, L may be 0.
        masks: ``(n, 1, *grid)`` as bytes.
        label_values: the value of each label channel.
        skipped: name and reason of each case that could not be used.
    """

    names: list[str]
    images: Tensor
    labels: Tensor
    masks: Tensor
    label_values: list[int]
    skipped: dict[str, str]

    def __len__(self) -> int:
        return len(self.names)

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Images, label indicators and masks of some cases in single precision."""
        chosen = torch.as_tensor(indices)
        return self.images[chosen].float(), self.labels[chosen].float() / 255, self.masks[chosen].float()


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


def load_cases(
    cases: Sequence[Case],
    grid: NetworkGrid | None = None,
    *,
    need_labels: bool = False,
    spacing: float = 0.0,
    factor: int = 16,
    progress: Progress | None = None,
) -> tuple[CaseSet, NetworkGrid]:
    """Read and prepare cases; those that cannot be used are listed, not fatal, unless fewer than two are left.

    Args:
        cases: from `find_cases`.
        grid: the network's; None takes the smallest that holds every image, spacing 0 the median of the images'.
        need_labels: skip cases without a label map.
        spacing: mm of an automatic grid; 0 takes the median of the images'.
        factor: what the lengths of an automatic grid are multiples of.
        progress: reports and cancels.
    """
    progress = progress or Progress()
    skipped: dict[str, str] = {}
    read: dict[str, tuple[Image, Image | None]] = {}
    for number, case in enumerate(cases):
        progress.report(0.5 * number / len(cases), f"Reading {case.name}")
        try:
            read[case.name] = _read(case, need_labels)
        except InputError as error:
            skipped[case.name] = str(error)
    if len(read) < 2:
        reasons = "; ".join(skipped.values()) or "there are no more files"
        raise InputError(f"Training needs at least two usable cases, but {len(read)} could be read ({reasons}).")
    images = [image for image, _ in read.values()]
    if grid is None:
        grid = automatic_grid(images, spacing, factor)
    elif not grid.spacing:
        grid = NetworkGrid(grid.size, median_spacing(images))
    values = sorted({int(value) for _, labels in read.values() if labels for value in np.unique(labels.array)} - {0})
    prepared: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
    for number, (name, (image, labels)) in enumerate(read.items()):
        progress.report(0.5 + 0.5 * number / len(read), f"Preparing {name}")
        try:
            prepared[name] = _prepare(image, labels, values, grid)
        except InputError as error:
            skipped[name] = str(error)
    if len(prepared) < 2:
        reasons = "; ".join(skipped.values())
        raise InputError(
            f"Training needs at least two usable cases, but {len(prepared)} could be prepared ({reasons})."
        )
    intensities, indicators, masks = (torch.cat(parts) for parts in zip(*prepared.values(), strict=True))
    return CaseSet(list(prepared), intensities, indicators, masks, values, skipped), grid


def _read(case: Case, need_labels: bool) -> tuple[Image, Image | None]:
    image = read_image(case.image)
    if case.labels is None:
        if need_labels:
            raise InputError(f"{case.name} has no label map.")
        return image, None
    labels = read_labels(case.labels)
    check_same_grid(labels, image, str(case.labels), str(case.image))
    return image, labels


def _prepare(image: Image, labels: Image | None, values: list[int], grid: NetworkGrid) -> tuple[Tensor, Tensor, Tensor]:
    seen = prepare(image, grid)
    if labels is None:
        indicators = torch.zeros(1, len(values), *grid.size)
    elif values:
        indicators = prepare_labels(labels, values, grid, seen.geometry)
    else:
        indicators = torch.zeros(1, 0, *grid.size)
    return seen.image.half(), (255 * indicators).round().byte(), seen.mask.byte()


def automatic_grid(images: Sequence[Image], spacing: float = 0.0, factor: int = 16) -> NetworkGrid:
    """The smallest grid of multiples of ``factor`` that holds every image, at the median of their spacings."""
    flat = _flat(images)
    spacing = spacing or median_spacing(images)
    extents = [
        np.asarray(image.geometry.size[:2]) * image.spacing[:2]
        if flat
        else np.abs(image.geometry.step) @ np.asarray(image.geometry.size)
        for image in images
    ]
    lengths = np.ceil(np.max(extents, axis=0) / spacing / factor - 1e-6) * factor
    return NetworkGrid(tuple(int(length) for length in lengths[::-1]), spacing)


def median_spacing(images: Sequence[Image]) -> float:
    """Median of the images' finest spacings, mm; in the plane, if all of them are slices."""
    axes = 2 if _flat(images) else 3
    return float(np.median([min(image.spacing[:axes]) for image in images]))


def _flat(images: Sequence[Image]) -> bool:
    return all(image.array.shape[0] == 1 for image in images)


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
