"""Registration methods for frames of the heart: two images in, a displacement on the fixed image's grid and seconds out."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable

import numpy as np
import SimpleITK as sitk

from DeformationLib.image import Image
from LatentRegistrationLib.probabilistic_model import ProbabilisticModel

Register = Callable[[Image, Image], tuple[Image, float]]

DEMONS = {"iterations": 100, "sigma": 1.5}
"""Iterations, and standard deviation in voxels of the Gaussian on the field after each."""


def unregistered() -> Register:
    """No deformation."""
    return lambda fixed, moving: (fixed.with_array(np.zeros((*fixed.array.shape, 3), np.float32)), float("nan"))


def demons(threads: int) -> Register:
    """SimpleITK's diffeomorphic demons after matching the histograms."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)

    def register(fixed: Image, moving: Image) -> tuple[Image, float]:
        start = time.perf_counter()
        target, source = (sitk.Cast(image.to_sitk(), sitk.sitkFloat32) for image in (fixed, moving))
        method = sitk.DiffeomorphicDemonsRegistrationFilter()
        method.SetNumberOfIterations(DEMONS["iterations"])
        method.SetSmoothDisplacementField(True)
        method.SetStandardDeviations(DEMONS["sigma"])
        field = method.Execute(target, sitk.HistogramMatching(source, target, 128, 8))
        return Image.from_sitk(sitk.Cast(field, sitk.sitkVectorFloat32)), time.perf_counter() - start

    return register


def syn(threads: int) -> Register:
    """ANTs SyN as antspyx has it by default: affine, then deformable by mutual information."""
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(threads)
    import ants

    def register(fixed: Image, moving: Image) -> tuple[Image, float]:
        target, source = (ants.from_sitk(sitk.Cast(image.to_sitk(), sitk.sitkFloat32)) for image in (fixed, moving))
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            found = ants.registration(target, source, type_of_transform="SyN", outprefix=os.path.join(folder, "syn"))
            seconds = time.perf_counter() - start
            path = ants.apply_transforms(target, source, found["fwdtransforms"], compose=os.path.join(folder, "whole"))
            field = sitk.ReadImage(str(path))
        return Image.from_sitk(sitk.Cast(field, sitk.sitkVectorFloat32)), seconds

    return register


def learned(model: ProbabilisticModel, threads: int) -> Register:
    """A probabilistic model."""
    import torch

    torch.set_num_threads(threads)

    def register(fixed: Image, moving: Image) -> tuple[Image, float]:
        start = time.perf_counter()
        result = model.register(fixed, moving)
        return result.displacement, time.perf_counter() - start

    return register
