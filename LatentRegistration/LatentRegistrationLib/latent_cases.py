"""Many cases in one latent space: their codes, samples of new ones, and which cases are alike."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path
from DeformationLib.image import Image
from DeformationLib.progress import Progress

from .decomposition import LatentDecomposition
from .probabilistic_model import ProbabilisticModel


@dataclass(frozen=True)
class CodeTable:
    """Codes of cases.

    Attributes:
        names: of the cases.
        codes: means, ``(n, latent)``.
        deviations: the encoder's standard deviations, ``(n, latent)``.
        groups: of the cases, may be empty strings.
        model: name of the model that encoded them.
    """

    names: tuple[str, ...]
    codes: np.ndarray
    deviations: np.ndarray
    groups: tuple[str, ...]
    model: str = ""

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Row of a case; raises `InputError` for an unknown one."""
        if name not in self.names:
            raise InputError(f"There is no case '{name}': choose one of {', '.join(self.names[:8])}...")
        return self.names.index(name)

    def nearest(self, name: str, count: int = 5) -> list[tuple[str, float]]:
        """Names of the cases most like a case, and their distances, see `nearest_cases`; the case itself is left out."""
        row = self.index(name)
        order = nearest_cases(self.codes, self.codes[row], count + 1)
        return [(self.names[number], distance) for number, distance in order if number != row][:count]

    def write(self, path: str | os.PathLike) -> Path:
        """Write as a table with one row per case (.csv)."""
        latent = range(1, self.codes.shape[1] + 1)
        header = ["name", "group", *(f"z{n}" for n in latent), *(f"sd{n}" for n in latent)]
        with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(header)
            for name, group, code, deviation in zip(self.names, self.groups, self.codes, self.deviations, strict=True):
                writer.writerow([name, group, *(f"{value:.6g}" for value in (*code, *deviation))])
        return Path(path)


def encode_cases(
    model: ProbabilisticModel,
    pairs: Iterable[tuple[str, Image, Image]],
    groups: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> CodeTable:
    """Codes of many pairs.

    Args:
        model: that encodes.
        pairs: name, fixed and moving image of each case (for the heart: end-systole, end-diastole).
        groups: of the cases.
        progress: reports and cancels.
    """
    progress = progress or Progress()
    pairs = list(pairs)
    if groups is not None and len(groups) != len(pairs):
        raise InputError(f"There are {len(pairs)} cases but {len(groups)} groups: give one group for each case.")
    encoded = []
    for number, (name, fixed, moving) in enumerate(pairs):
        progress.report(number / len(pairs), f"Encoding {name}")
        encoded.append(model.encode(fixed, moving))
    progress.report(1.0)
    return CodeTable(
        tuple(name for name, _, _ in pairs),
        np.array([code.mean for code in encoded]).reshape(len(encoded), model.latent),
        np.array([code.standard_deviation for code in encoded]).reshape(len(encoded), model.latent),
        tuple(groups) if groups is not None else ("",) * len(pairs),
        model.name,
    )


def prior_codes(latent: int, count: int, generator: np.random.Generator) -> np.ndarray:
    """Codes ``(count, latent)`` from the prior ``N(0, I)`` (eq. 4.1)."""
    return generator.standard_normal((count, latent))


def population_codes(decomposition: LatentDecomposition, count: int, generator: np.random.Generator) -> np.ndarray:
    """Codes ``(count, latent)`` from a normal distribution like that of the training codes: what is usual there."""
    coefficients = decomposition.standard_deviations * generator.standard_normal((count, decomposition.count))
    return decomposition.mean + coefficients @ decomposition.components


def nearest_cases(codes: ArrayLike, code: ArrayLike, count: int = 5) -> list[tuple[int, float]]:
    """Rows of the codes nearest to a code, and their distances, nearest first.

    Euclidean: the prior gives all dimensions of the code the same unit, and a dimension that the model does not use
    varies little and counts little.
    """
    codes = np.atleast_2d(np.asarray(codes, dtype=np.float64))
    code = np.asarray(code, dtype=np.float64)
    if codes.shape[1] != code.shape[-1]:
        raise InputError(
            f"A code of {code.shape[-1]} values cannot be compared with codes of {codes.shape[1]}: use one model for all."
        )
    distances = np.linalg.norm(codes - code, axis=1)
    return [(int(row), float(distances[row])) for row in np.argsort(distances, kind="stable")[:count]]
