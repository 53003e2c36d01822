"""What is measured in the label maps of a heart, at end-diastole and end-systole: volumes, and how its wall moves."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from DeformationLib import metrics
from DeformationLib.cardiac_phantoms import MYOCARDIUM, POOL, RIGHT_VENTRICLE
from DeformationLib.cine_cases import Cine
from DeformationLib.image import Image

SECTORS = 6
"""Of the wall around the axis in each slice, as in the model of 17 segments."""

CLINICAL = ("LVEF", "RVEF", "EDV", "mass / volume", "height", "weight")
"""Six, as table 6.1 has; the volume at end-diastole is nominal where the spacing is not known."""

_FEWEST = 20  # voxels of the pool at end-diastole that make a slice countable


def measures(cine: Cine) -> dict[str, float]:
    """Of one patient: ejection fractions (percent), volume (ml), mass over volume, and the wall's motion.

    ``wall motion`` is by how much the inner radius shortens (percent), mean over sectors; ``uneven wall motion`` is the
    standard deviation over the sectors of a slice (points), mean over slices.
    """
    diastole, systole = (cine.labels[frame] for frame in (cine.ed_frame, cine.es_frame))
    count = {label: [np.count_nonzero(part.array == label) for part in (diastole, systole)] for label in (1, 2, 3)}
    shortening = sector_shortening(diastole, systole)
    return {
        "LVEF": metrics.ejection_fraction(*count[POOL]),
        "RVEF": metrics.ejection_fraction(*count[RIGHT_VENTRICLE]),
        "EDV": count[POOL][0] * float(np.prod(diastole.spacing)) / 1000,
        "mass / volume": count[MYOCARDIUM][0] / count[POOL][0],
        "wall motion": 100 * float(shortening.mean()),
        "uneven wall motion": 100 * float(shortening.std(axis=1).mean()),
    }


def sector_shortening(diastole: Image, systole: Image) -> np.ndarray:
    """By which share the pool's radius shortens in each sector, ``(slices, SECTORS)``, around its middle at end-diastole.

    Slices without enough pool at end-diastole are left out.
    """
    rows = []
    spacing = np.asarray(diastole.spacing)
    for first, second in zip(diastole.array == POOL, systole.array == POOL):
        if np.count_nonzero(first) < _FEWEST:
            continue
        middle = np.argwhere(first).mean(axis=0)
        rows.append(1 - _radii(second, middle, spacing) / np.maximum(_radii(first, middle, spacing), 1e-6))
    if not rows:
        raise ValueError("No slice shows the pool.")
    return np.array(rows)


def _radii(pool: np.ndarray, middle: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Radius of the circle with each sector's area."""
    offsets = (np.argwhere(pool) - middle) * spacing[1::-1]
    sector = ((np.arctan2(offsets[:, 0], offsets[:, 1]) + np.pi) / (2 * np.pi) * SECTORS).astype(int) % SECTORS
    area = np.bincount(sector, minlength=SECTORS) * spacing[0] * spacing[1]
    return np.sqrt(2 * area / (2 * np.pi / SECTORS))


def body_sizes(folder: Path) -> dict[str, tuple[float, float]]:
    """Height (cm) and weight (kg) by patient, from the data's index."""
    with open(folder / "index.csv", newline="", encoding="utf-8") as file:
        return {row["patient"]: (float(row["height_cm"]), float(row["weight_kg"])) for row in csv.DictReader(file)}
