#!/usr/bin/env python3
"""Registers the validation pairs of Krebs, chapter 3, with classical methods, from the agent's translation; kept pair by pair.

B-splines that maximise mutual information, with control points every 8 and every 16 voxels, and diffeomorphic demons, all by
SimpleITK and by intensities alone.  What they find does not depend on an agent, only on where the translation puts the
images; agent.py reads what this has written, or registers what is missing.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from agent_data import Anatomy, Pair, Seen, add_data_options, anatomies, name_of, named, pairs_of

from AgentRegistrationLib.agent_model import AgentModel
from AgentRegistrationLib.bspline_field import BSplineField, ControlLattice
from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path, make_folder
from DeformationLib.preprocessing import NetworkInput

STEP = 0.002
"""Displacements are kept as 16-bit multiples of this, in voxels: far finer than any method's error."""

NEAR = 0.1
"""Two translations of a pair that differ by less, mm, are the same: templates are stored with half precision."""

BSPLINE = {"bins": 32, "smoothing": (2.0, 1.0), "iterations": 30, "share": 0.3, "seed": 1, "bound": 0.8}
"""Of the histogram; of the images by stage, voxels; of LBFGS-B in each stage; share of the voxels that are looked at; largest
displacement of a control point, as a share of the final distance of control points.

On training pairs, bounds of 0.4, 0.8 and 1.6 gave a mean Dice of 0.489, 0.510 and 0.536 in 2-D (ten pairs, distance 8; at 1.6
with 3 % of folds), 0.745 and 0.752 in 3-D (two pairs, 0.4 and 0.8).
"""

DEMONS = {"shrink": (2, 1), "iterations": (100, 50), "sigma": 0.85}
"""By level; standard deviation, voxels, of the Gaussian on the field after each iteration.

On training pairs, 2, 1.5, 1 and 0.85 gave a mean Dice of 0.586, 0.594, 0.599 and 0.601 in 2-D (17 pairs), 0.719, 0.748, 0.759
and 0.767 in 3-D (four pairs).
"""


@dataclass(frozen=True)
class Found:
    """What a method has found for a pair: displacement ``(D, *size)``, voxels of the agent's grid, processor seconds."""

    displacement: np.ndarray
    seconds: float


Peer = Callable[[Seen], np.ndarray]
"""Two images; displacement ``(D, *size)`` from the fixed to the moving one, in voxels."""


def peers() -> dict[str, tuple[Peer, str]]:
    """All methods by their names in files and tables, and the settings that make what is kept worth keeping."""
    return {
        "B-spline, 16 voxels": (bspline(16.0), str(BSPLINE)),
        "B-spline, 8 voxels": (bspline(8.0), str(BSPLINE)),
        "demons": (demons, str(DEMONS)),
    }


def bspline(spacing: float) -> Peer:
    """B-splines by Mattes' mutual information and LBFGS-B, from twice the distance of control points to ``spacing`` voxels."""

    def register(seen: Seen) -> np.ndarray:
        fixed, moving = (sitk.GetImageFromArray(part.image[0, 0].numpy()) for part in (seen.fixed, seen.moving))
        control, lattice = None, None
        for factor, smoothing in zip((2, 1), BSPLINE["smoothing"], strict=True):
            finer = ControlLattice.with_spacing(seen.grid.size, factor * spacing)
            if control is not None:
                # The coarser displacement as control points of the finer lattice.
                dense = BSplineField(lattice)(torch.from_numpy(control)[None].float())
                control = BSplineField(finer).fit(dense)[0].numpy()
            lattice, transform = finer, finer.to_sitk(control)
            method = sitk.ImageRegistrationMethod()
            method.SetMetricAsMattesMutualInformation(BSPLINE["bins"])
            method.SetMetricFixedMask(_mask(seen.fixed))
            method.SetMetricMovingMask(_mask(seen.moving))
            method.SetMetricSamplingStrategy(method.REGULAR)
            method.SetMetricSamplingPercentage(BSPLINE["share"], BSPLINE["seed"])
            method.SetInterpolator(sitk.sitkLinear)
            method.SetShrinkFactorsPerLevel([1])
            method.SetSmoothingSigmasPerLevel([smoothing])
            method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
            bound = BSPLINE["bound"] * spacing
            method.SetOptimizerAsLBFGSB(
                gradientConvergenceTolerance=1e-5,
                numberOfIterations=BSPLINE["iterations"],
                maximumNumberOfFunctionEvaluations=2 * BSPLINE["iterations"],
                costFunctionConvergenceFactor=1e7,
                lowerBound=-bound,
                upperBound=bound,
            )
            method.SetInitialTransform(transform, inPlace=True)
            method.Execute(fixed, moving)
            control = lattice.from_sitk(transform)
        return BSplineField(lattice)(torch.from_numpy(control)[None].float())[0].numpy()

    return register


def demons(seen: Seen) -> np.ndarray:
    """Diffeomorphic demons after matching the histograms, coarse to fine."""
    fixed, moving = (sitk.GetImageFromArray(part.image[0, 0].numpy()) for part in (seen.fixed, seen.moving))
    return along_axes(demons_between(fixed, sitk.HistogramMatching(moving, fixed, 128, 8, False)))


def demons_between(fixed: sitk.Image, moving: sitk.Image) -> sitk.Image:
    """Diffeomorphic demons, coarse to fine; the displacement field."""
    field = None
    for shrink, iterations in zip(DEMONS["shrink"], DEMONS["iterations"], strict=True):
        method = sitk.DiffeomorphicDemonsRegistrationFilter()
        method.SetNumberOfIterations(iterations)
        method.SetSmoothDisplacementField(True)
        method.SetStandardDeviations(DEMONS["sigma"])
        images = [_shrunk(image, shrink) for image in (fixed, moving)]
        if field is None:
            field = method.Execute(*images)
        else:
            field = method.Execute(*images, sitk.Resample(field, images[0], sitk.Transform(), sitk.sitkLinear))
    return field


def along_axes(field: sitk.Image) -> np.ndarray:
    """A field of SimpleITK on a grid of unit spacing, ``(D, *size)`` with the array's order of axes."""
    return np.moveaxis(sitk.GetArrayFromImage(field)[..., ::-1], -1, 0).astype(np.float32)


def _mask(seen: NetworkInput) -> sitk.Image:
    return sitk.GetImageFromArray((seen.mask[0, 0] > 0).numpy().astype(np.uint8))


def _shrunk(image: sitk.Image, factor: int) -> sitk.Image:
    if factor == 1:
        return image
    return sitk.Shrink(sitk.SmoothingRecursiveGaussian(image, 0.5 * factor), [factor] * image.GetDimension())


def registered_once(anatomy: Anatomy, pair: Pair, matrix: np.ndarray, name: str, folder: str | Path) -> Found:
    """What a method finds for a pair after its translation: read where it is kept, or else registered now and kept."""
    register, settings = peers()[name]
    place = Path(folder) / anatomy.name / name.replace(",", "").replace(" ", "-")
    path = place / f"{pair[0].name}-{pair[1].name}.npz"
    known = _read(path, matrix, settings)
    if known is None:
        seen = anatomy.seen(pair, matrix)
        start = time.process_time()
        displacement = register(seen)
        known = Found(displacement, time.process_time() - start)
        _write(path, known, matrix, settings)
        print(f"{name:20s} {anatomy.name} {name_of(pair)} {known.seconds:8.1f} s", flush=True)
    return known


def _read(path: Path, matrix: np.ndarray, settings: str) -> Found | None:
    """What is kept; None where nothing is, or other settings or another translation made it."""
    if not path.is_file():
        return None
    with np.load(path) as stored:
        same = str(stored["settings"]) == settings and np.allclose(stored["matrix"], matrix, 0, NEAR)
        return Found(stored["steps"].astype(np.float32) * STEP, float(stored["seconds"])) if same else None


def _write(path: Path, found: Found, matrix: np.ndarray, settings: str) -> None:
    make_folder(path.parent)
    steps = np.clip(np.rint(found.displacement / STEP), -32767, 32767).astype(np.int16)
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, steps=steps, seconds=found.seconds, matrix=matrix, settings=np.array(settings))


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add_data_options(parser)
    parser.add_argument("--agents", default="", help="3-D=name or folder;2-D=...: whose translations to start from")
    parser.add_argument("--output", default="training/agent/peers", help="folder for what is found")
    return parser


def main(words: list[str]) -> int:
    """Register everything; 0 when it succeeded, 2 after one sentence about what is wrong."""
    arguments = build_parser().parse_args(words)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        given = named(arguments.agents)
        for anatomy in anatomies(arguments.hippocampus, arguments.hearts):
            name = given.get(anatomy.name)
            translate = anatomy.translator(AgentModel.load(name, "cpu") if name else None)
            for pair in pairs_of(anatomy, arguments):
                matrix = translate(pair)
                for name in peers():
                    registered_once(anatomy, pair, matrix, name, arguments.output)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
