"""The motion matrix: what the encoder says of a whole series, a trajectory through the latent space (Krebs section 5.2)."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path


@dataclass(eq=False)
class MotionMatrix:
    """Latent codes of every slot of a series.

    Attributes:
        mean: ``(B, D, T)``; B sequences (the slices of a stack, or 1), D latent dimensions, T slots.
        deviation: standard deviations, ``(B, D)`` where one holds for all slots, else ``(B, D, T)``.
        model: name of the model that made it, the only one that can decode it.
        runs: 2 where the frames before the reference are sequences of their own, whose rows follow after the others'.
    """

    mean: np.ndarray
    deviation: np.ndarray
    model: str = ""
    runs: int = 1

    def __post_init__(self) -> None:
        self.mean, self.deviation = np.asarray(self.mean, np.float64), np.asarray(self.deviation, np.float64)
        if self.mean.ndim != 3 or self.deviation.shape not in (self.mean.shape, self.mean.shape[:2]):
            raise ValueError(
                f"A motion matrix (B, D, T) with deviations (B, D) or (B, D, T) is needed, not {self.mean.shape} with "
                f"{self.deviation.shape}."
            )

    @property
    def sequences(self) -> int:
        """B: how many sequences it describes, one per slice of a stack and run."""
        return self.mean.shape[0]

    @property
    def latent(self) -> int:
        """D: dimension of the codes."""
        return self.mean.shape[1]

    @property
    def slots(self) -> int:
        """T: how many moments of the motion it describes, without the reference."""
        return self.mean.shape[2]

    def write(self, path: str | os.PathLike) -> Path:
        """Write a table (CSV) with a row per slice and latent dimension, and return its path.

        Columns: model, run, slice, dimension, slot_1..slot_T, then sigma, or sigma_1..sigma_T where it differs by slot.
        """
        several = self.deviation.ndim == 3
        sigma = [f"sigma_{slot + 1}" for slot in range(self.slots)] if several else ["sigma"]
        with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(
                ["model", "run", "slice", "dimension", *[f"slot_{slot + 1}" for slot in range(self.slots)], *sigma]
            )
            slices = self.sequences // self.runs
            for b, d in np.ndindex(self.mean.shape[:2]):
                # Nine digits bring back the single precision that models compute in.
                numbers = [f"{value:.9g}" for value in (*self.mean[b, d], *np.atleast_1d(self.deviation[b, d]))]
                table.writerow([self.model, b // slices, b % slices, d, *numbers])
        return Path(path)

    @classmethod
    def read(cls, path: str | os.PathLike) -> MotionMatrix:
        """Read what `write` wrote.

        Raises:
            InputError: for a file that is missing, or no such table.
        """
        try:
            with open(path, newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            slots = sum(name.startswith("slot_") for name in rows[0])
            sigmas = [name for name in rows[0] if name.startswith("sigma")]
            runs, slices, latent = (1 + max(int(row[name]) for row in rows) for name in ("run", "slice", "dimension"))
            size = runs * slices, latent
            mean, deviation = np.full((*size, slots), np.nan), np.full((*size, len(sigmas)), np.nan)
            for row in rows:
                place = int(row["run"]) * slices + int(row["slice"]), int(row["dimension"])
                mean[place] = [float(row[f"slot_{slot + 1}"]) for slot in range(slots)]
                deviation[place] = [float(row[name]) for name in sigmas]
            if not (slots and np.isfinite(mean).all() and np.isfinite(deviation).all()):
                raise ValueError("numbers are missing")
        except OSError as error:
            raise InputError(
                f"{path} cannot be read ({error.strerror or error}): check the name of the file."
            ) from error
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise InputError(
                f"{path} is no motion matrix ({error}): choose a motion_matrix.csv as the tracking writes it."
            ) from error
        return cls(mean, deviation if len(sigmas) > 1 or slots == 1 else deviation[..., 0], rows[0]["model"], runs)
