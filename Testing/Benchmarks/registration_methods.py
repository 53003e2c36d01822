"""Registration methods behind one function each: two images in, a displacement on the fixed image's grid out.

All start from images whose centres coincide. The settings of the classical methods were chosen on pairs of training
subjects, never on those that the benchmark measures.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from DeformationLib.image import Image

Register = Callable[[Image, Image, np.ndarray], tuple[Image, float]]
"""Fixed image, moving image, and the shift in LPS mm from a point of the fixed image to the same place relative to the
centre of the moving one; gives the displacement (pull-back, LPS mm) and the seconds that the method itself took."""


@dataclass(frozen=True)
class Method:
    """One row of the benchmark.

    Attributes:
        title: for the table.
        kind: a key of `_LOADERS`.
        model: name or folder of a learned model.
        components: principal components kept of a model's code; None keeps the whole code.
    """

    title: str
    kind: str
    model: str = ""
    components: int | None = None

    @property
    def classical(self) -> bool:
        """True for iterative methods, which are measured on fewer pairs."""
        return self.kind in ("affine", "demons", "syn", "syn-cc")

    def missing(self) -> str:
        """Why the method cannot be run here, or nothing."""
        if self.kind.startswith("syn") and importlib.util.find_spec("ants") is None:
            return "antspyx is not installed (pip install 'latentmotion[benchmark]')"
        return ""

    def load(self, threads: int) -> tuple[Register, dict[str, float]]:
        """The function that registers, and the seconds that importing libraries and loading a model took."""
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
        return _LOADERS[self.kind](self, threads)


CLASSICAL = (
    Method("unregistered, as stored", "as-is"),
    Method("unregistered, centres aligned", "centres"),
    Method("SimpleITK affine", "affine"),
    Method("SimpleITK affine + diffeomorphic demons", "demons"),
    Method("ANTs SyN (defaults)", "syn"),
    Method("ANTs SyN (cross-correlation, full resolution)", "syn-cc"),
)


def _load_as_is(method: Method, threads: int) -> tuple[Register, dict[str, float]]:
    return lambda fixed, moving, shift: (_constant(fixed, np.zeros(3)), float("nan")), {}


def _load_centres(method: Method, threads: int) -> tuple[Register, dict[str, float]]:
    return lambda fixed, moving, shift: (_constant(fixed, shift), float("nan")), {}


def _constant(fixed: Image, shift: np.ndarray) -> Image:
    return fixed.with_array(np.broadcast_to(np.float32(shift), (*fixed.array.shape, 3)).copy())


def _load_model(method: Method, threads: int) -> tuple[Register, dict[str, float]]:
    start = time.perf_counter()
    import torch

    from LatentRegistrationLib.model import RegistrationModel

    torch.set_num_threads(threads)
    imported = time.perf_counter()
    model = RegistrationModel.load(method.model, "cpu")
    loaded = time.perf_counter()

    def register(fixed: Image, moving: Image, shift: np.ndarray) -> tuple[Image, float]:
        begun = time.perf_counter()
        result = model.register(fixed, moving, components=method.components)
        return result.displacement, time.perf_counter() - begun

    return register, {"importing libraries": imported - start, "loading the model": loaded - imported}


def _load_sitk(method: Method, threads: int) -> tuple[Register, dict[str, float]]:
    def register(fixed: Image, moving: Image, shift: np.ndarray) -> tuple[Image, float]:
        start = time.perf_counter()
        target = _normalised(fixed)
        source = sitk.HistogramMatching(_normalised(_shifted(moving, shift)), target, 256, 15, False)
        transform = affine(target, source)
        if method.kind == "demons":
            # Mean grey beyond the border pulls less at the contours than black would.
            grey = float(sitk.GetArrayViewFromImage(source).mean())
            resampled = sitk.Resample(source, target, transform, sitk.sitkLinear, grey)
            field = diffeomorphic_demons(target, resampled)
            transform = sitk.CompositeTransform([transform, sitk.DisplacementFieldTransform(field)])
        grid = (target.GetSize(), target.GetOrigin(), target.GetSpacing(), target.GetDirection())
        field = sitk.TransformToDisplacementField(transform, sitk.sitkVectorFloat64, *grid)
        seconds = time.perf_counter() - start
        return _plus_shift(Image.from_sitk(field), shift), seconds

    return register, {}


def affine(fixed: sitk.Image, moving: sitk.Image) -> sitk.Transform:
    """Affine transform that maximises Mattes mutual information, at half and then at full resolution."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 100, 0.5, 1e-4)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([1, 0])
    centre = fixed.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in fixed.GetSize()])
    start = sitk.AffineTransform(3)
    start.SetCenter(centre)
    method.SetInitialTransform(start, inPlace=False)
    return method.Execute(fixed, moving)


def diffeomorphic_demons(fixed: sitk.Image, moving: sitk.Image) -> sitk.Image:
    """Displacement field of diffeomorphic demons, symmetric forces, at half and then at full resolution."""
    field = None
    for shrink, iterations in ((2, 100), (1, 50)):
        demons = sitk.DiffeomorphicDemonsRegistrationFilter()
        demons.SetNumberOfIterations(iterations)
        demons.SetStandardDeviations(DEMONS_SIGMA)
        demons.SetSmoothDisplacementField(True)
        coarse = [
            sitk.Shrink(sitk.SmoothingRecursiveGaussian(image, 0.5 * shrink * image.GetSpacing()[0]), [shrink] * 3)
            if shrink > 1
            else image
            for image in (fixed, moving)
        ]
        if field is None:
            field = demons.Execute(*coarse)
        else:
            field = demons.Execute(*coarse, sitk.Resample(field, coarse[0], sitk.Transform(), sitk.sitkLinear))
    return sitk.Cast(field, sitk.sitkVectorFloat64)


DEMONS_SIGMA = 0.85
"""Standard deviation, in voxels, of the Gaussian that smooths the demons' field after every iteration.

On eight pairs of training subjects the mean Dice was 0.729, 0.745, 0.756, 0.767 and 0.769 at 2, 1.5, 1, 0.85 and 0.7;
below 0.85 only the roughness still grows (SD log J 0.13, 0.21, 0.30, 0.45, 0.51).
"""


def _load_syn(method: Method, threads: int) -> tuple[Register, dict[str, float]]:
    start = time.perf_counter()
    import ants

    seconds = {"importing libraries": time.perf_counter() - start}
    settings: dict[str, Any] = {"type_of_transform": "SyN"}
    if method.kind == "syn-cc":
        # The defaults end at half resolution and compare by mutual information; this is slower and more accurate.
        settings |= {"syn_metric": "CC", "syn_sampling": 2, "reg_iterations": (100, 70, 50)}

    def register(fixed: Image, moving: Image, shift: np.ndarray) -> tuple[Image, float]:
        target = ants.from_sitk(fixed.to_sitk())
        source = ants.from_sitk(_shifted(moving, shift).to_sitk())
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            found = ants.registration(target, source, outprefix=os.path.join(folder, "syn"), **settings)
            taken = time.perf_counter() - begun
            prefix = os.path.join(folder, "whole")
            ants.apply_transforms(target, source, found["fwdtransforms"], compose=prefix)
            field = sitk.ReadImage(str(next(Path(folder).glob("whole*"))))
        return _plus_shift(Image.from_sitk(field), shift), taken

    return register, seconds


_LOADERS: dict[str, Callable[[Method, int], tuple[Register, dict[str, float]]]] = {
    "as-is": _load_as_is,
    "centres": _load_centres,
    "affine": _load_sitk,
    "demons": _load_sitk,
    "syn": _load_syn,
    "syn-cc": _load_syn,
    "model": _load_model,
}


def _shifted(moving: Image, shift: np.ndarray) -> Image:
    """The moving image put where the fixed one is."""
    return replace(moving, origin=tuple(np.asarray(moving.origin) - shift))


def _plus_shift(displacement: Image, shift: np.ndarray) -> Image:
    """The displacement to the moving image where it really is."""
    return displacement.with_array((displacement.array + shift).astype(np.float32))


def _normalised(image: Image) -> sitk.Image:
    """Intensities from 0 at the first to 1 at the 99th percentile, whatever the scanner's scale."""
    low, high = np.percentile(image.array, (1, 99))
    return image.with_array(np.clip((image.array - low) / max(high - low, 1e-6), 0, 1.5).astype(np.float32)).to_sitk()
