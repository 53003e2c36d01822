"""Fingerprint sources of the tests that processes of their own can import, and small series on disk."""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from DeformationLib.errors import InputError


@dataclass(frozen=True)
class MeanSource:
    """Means of frames in place of a motion model; a mean above 900 is a crash, one above 800 takes long."""

    name: str = "means"

    def fingerprint(self, frames):
        mean = float(np.mean([frame.array for frame in frames]))
        if mean > 900:
            os._exit(9)
        if mean > 800:
            import time

            time.sleep(60)
        if mean > 700:
            raise ValueError("nobody thought of this")
        if mean > 600:
            raise InputError("Frame 1 shows nothing.")
        return np.full((2, 3), mean)


def write_cine(path, mean=100.0, frames=3, seed=0):
    """A 4-D file of small noisy images; returns its path."""
    array = mean + np.random.default_rng(seed).normal(size=(frames, 2, 5, 6)).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    volumes = [sitk.GetImageFromArray(frame) for frame in array]
    sitk.WriteImage(sitk.JoinSeries(volumes), str(path))
    return path


def motion_model_fixtures():
    """The fixtures of the tests of motion models, which lie beside those."""
    path = Path(__file__).parents[1] / "MotionModel" / "Testing" / "motion_model_fixtures.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
