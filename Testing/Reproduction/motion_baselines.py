#!/usr/bin/env python3
"""Tracks the validation patients of a cine set with classical methods and keeps the displacements, patient by patient.

SyN of every frame of every patient takes an hour; motion.py reads what this has written, and whoever stops it can start it
again where it was.  Without arguments about methods it runs all of them, in the order in which the tables need them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import motion_methods
import numpy as np
import SimpleITK as sitk
from heart_data import validation_cines

from DeformationLib.cine_cases import Cine
from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path, make_folder

STEP_MM = 0.002
"""Displacements are kept as 16-bit multiples of this: up to 65 mm, a hundred times finer than any method's error."""


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with a folder per patient")
    parser.add_argument("--output", default="training/motion/baselines", help="folder for the displacements")
    parser.add_argument("--methods", default="", help="which, with semicolons; all of them where empty")
    parser.add_argument("--threads", type=int, default=1)
    return parser


def main(words: list[str]) -> int:
    """Track everything; 0 when it succeeded, 2 after one sentence about what is wrong."""
    arguments = build_parser().parse_args(words)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(arguments.threads)
    try:
        known = motion_methods.methods()
        wanted = [name.strip() for name in arguments.methods.split(";") if name.strip()] or list(known)
        cines = validation_cines(arguments.data)
        for name in wanted:
            if name not in known:
                raise InputError(f"There is no method '{name}': choose from {'; '.join(known)}.")
            for cine in cines:
                tracked_once(cine, name, arguments.output, known[name])
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def tracked_once(cine: Cine, method: str, folder: str | Path, track: motion_methods.Track) -> tuple[np.ndarray, float]:
    """Displacements ``(N, k, j, i, 3)``, mm along i, j, k, of a patient and their seconds: read, or else computed and kept."""
    path = cache_path(folder, method, cine.name)
    if not path.is_file():
        found = motion_methods.timed(track, cine.frames.astype(np.float32), cine.like.spacing, cine.ed_frame)
        _write(path, *found)
        print(f"{method:40s} {cine.name} {found[1]:8.1f} s", flush=True)
    return read(path)


def cached(cines: Sequence[Cine], folder: str | Path) -> list[str]:
    """Names of the methods that have tracked every one of the patients."""
    return [
        name
        for name in motion_methods.methods()
        if all(cache_path(folder, name, cine.name).is_file() for cine in cines)
    ]


def cache_path(folder: str | Path, method: str, patient: str) -> Path:
    """Where a method's displacements of a patient lie."""
    return Path(folder) / method.replace(",", "").replace(" ", "-") / f"{patient}.npz"


def read(path: Path) -> tuple[np.ndarray, float]:
    """Displacements ``(N, k, j, i, 3)``, mm, and seconds."""
    with np.load(path) as stored:
        return stored["steps"].astype(np.float32) * np.float32(STEP_MM), float(stored["seconds"])


def _write(path: Path, displacements: np.ndarray, seconds: float) -> None:
    make_folder(path.parent)
    steps = np.clip(np.rint(displacements / STEP_MM), -32767, 32767).astype(np.int16)
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, steps=steps, seconds=seconds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
