"""The cardiac cases that the reproductions measure: read once, end-diastole moving, end-systole fixed."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from DeformationLib import metrics
from DeformationLib.cine_cases import Cine, find_cine_cases, read_cine
from DeformationLib.image import Image
from DeformationLib.registration import jacobian_determinant, warp_labels
from LatentRegistrationLib.structures import CARDIAC_STRUCTURES, POOL, structure_masks

VALIDATION = 5
"""Patients whose number is a multiple of this validate."""


@dataclass(frozen=True)
class Heart:
    """One patient.

    Attributes:
        name, group: of the patient.
        fixed, moving: end-systolic and end-diastolic image, on one grid.
        fixed_labels, moving_labels: their label maps.
        spacing_known: where it is not, millimetres are nominal.
    """

    name: str
    group: str
    fixed: Image
    moving: Image
    fixed_labels: Image
    moving_labels: Image
    spacing_known: bool

    @property
    def ejection_fraction(self) -> float:
        """From the label maps, percent."""
        volumes = [np.count_nonzero(part.array == POOL) for part in (self.moving_labels, self.fixed_labels)]
        return metrics.ejection_fraction(*volumes)


def hearts(folder: str | Path, validation: bool | None = None) -> list[Heart]:
    """Patients of the folder: those that validate, those that do not, or all (None)."""
    known = {}
    index = Path(folder) / "index.csv"
    if index.is_file():
        with open(index, newline="", encoding="utf-8") as stream:
            known = {row["patient"]: row["spacing_known"] == "True" for row in csv.DictReader(stream)}
    cases = [case for case in find_cine_cases(folder) if validation is None or validates(case.name) == validation]
    return [heart_of(read_cine(case), known.get(case.name, False)) for case in cases]


def validates(name: str) -> bool:
    """Whether a patient is one of those that no training has seen."""
    return int("".join(letter for letter in name if letter.isdigit())) % VALIDATION == 0


def validation_cines(folder: str | Path) -> list[Cine]:
    """Whole series of the patients that no training has seen; those without both label maps are left out."""
    cines = [read_cine(case) for case in find_cine_cases(folder) if validates(case.name)]
    return [cine for cine in cines if {cine.ed_frame, cine.es_frame} <= set(cine.labels)]


def heart_of(cine: Cine, spacing_known: bool = False) -> Heart:
    """The two labelled frames of a series."""
    fixed, moving = cine.es_frame, cine.ed_frame
    return Heart(
        cine.name,
        cine.group,
        cine.frame(fixed),
        cine.frame(moving),
        cine.labels[fixed],
        cine.labels[moving],
        spacing_known,
    )


def measure(heart: Heart, displacement: Image) -> dict[str, float]:
    """Dice and 95 % Hausdorff distance (mm) per structure and on average, regularity, and the ejection fraction's error.

    ``roughness`` is the mean |grad det J| in 1/mm, ``ejection_error`` in points.
    """
    warped = warp_labels(heart.moving_labels, displacement)
    ours = structure_masks(warped.array, CARDIAC_STRUCTURES)
    true = structure_masks(heart.fixed_labels.array, CARDIAC_STRUCTURES)
    row: dict[str, float] = {}
    for name in CARDIAC_STRUCTURES:
        a, b = ours[name].astype(np.uint8), true[name].astype(np.uint8)
        row[f"dice {name}"] = metrics.dice(a, b, [1])[1]
        row[f"hd95 {name}"] = metrics.hausdorff95(a, b, warped.spacing_kji)
    row["dice"] = float(np.nanmean([row[f"dice {name}"] for name in CARDIAC_STRUCTURES]))
    row["hd95"] = float(np.nanmean([row[f"hd95 {name}"] for name in CARDIAC_STRUCTURES]))
    determinant = jacobian_determinant(displacement).array
    row["roughness"] = metrics.mean_gradient_of_jacobian(determinant, displacement.spacing_kji)
    row["folding"] = metrics.folding_percent(determinant)
    volumes = [np.count_nonzero(part.array == POOL) for part in (heart.moving_labels, warped)]
    row["ejection_error"] = abs(metrics.ejection_fraction(*volumes) - heart.ejection_fraction)
    return row
