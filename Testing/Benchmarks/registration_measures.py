"""Runs one method over pairs of subjects, in a process of its own, and measures every registration."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import repeat
from pathlib import Path

import numpy as np
from process_measures import peak_memory
from registration_methods import Method

from DeformationLib.image import Image
from DeformationLib.image_io import read_image, read_labels
from DeformationLib.metrics import dice, folding_percent, hausdorff95, sd_log_jacobian
from DeformationLib.registration import jacobian_determinant, warp_labels

STRUCTURES = {1: "head", 2: "body"}


@dataclass(frozen=True)
class Subject:
    """Name, and the files of the image and its label map."""

    name: str
    image: Path
    labels: Path


@dataclass(frozen=True)
class Pair:
    """Two subjects, and the shift in LPS mm from the fixed image's place to the moving image's when centres are aligned."""

    fixed: Subject
    moving: Subject
    shift: tuple[float, float, float]


@dataclass
class Run:
    """What a method did.

    Attributes:
        rows: one per pair: fixed, moving, dice_head, dice_body, dice_mean, hd95_head, hd95_body, hd95_mean (mm),
            folding (%), sd_log_jacobian, seconds.
        startup: seconds that importing libraries and loading a model took.
        memory: largest resident memory of the process, MiB.
    """

    rows: list[dict] = field(default_factory=list)
    startup: dict[str, float] = field(default_factory=dict)
    memory: float = float("nan")


def run_apart(methods: Sequence[Method], pairs: Sequence[Pair], threads: int) -> list[Run]:
    """`run` for methods that share one fresh process; alone in it, a method is charged with its own memory only."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        return list(executor.map(run, methods, repeat(pairs), repeat(threads)))


def run(method: Method, pairs: Sequence[Pair], threads: int) -> Run:
    """Register and measure every pair."""
    register, startup = method.load(threads)
    result = Run(startup=startup)
    for pair in pairs:
        fixed, moving = _read(pair.fixed)[0], _read(pair.moving)[0]
        displacement, seconds = register(fixed, moving, np.asarray(pair.shift))
        row = {"fixed": pair.fixed.name, "moving": pair.moving.name}
        result.rows.append({**row, **measure(displacement, pair), "seconds": seconds})
    result.memory = peak_memory()
    return result


def measure(displacement: Image, pair: Pair) -> dict[str, float]:
    """Accuracy and regularity of a displacement on the fixed image's grid."""
    fixed = _read(pair.fixed)[1]
    warped = warp_labels(_read(pair.moving)[1], displacement)
    overlap = dice(warped.array, fixed.array, STRUCTURES)
    measures = {f"dice_{STRUCTURES[label]}": value for label, value in overlap.items()}
    measures["dice_mean"] = float(np.mean(list(measures.values())))
    distances = {
        f"hd95_{name}": hausdorff95(warped.array, fixed.array, fixed.spacing_kji, label)
        for label, name in STRUCTURES.items()
    }
    jacobian = jacobian_determinant(displacement).array
    return {
        **measures,
        **distances,
        "hd95_mean": float(np.mean(list(distances.values()))),
        "folding": folding_percent(jacobian),
        "sd_log_jacobian": sd_log_jacobian(jacobian),
    }


@cache
def _read(subject: Subject) -> tuple[Image, Image]:
    return read_image(subject.image), read_labels(subject.labels)
