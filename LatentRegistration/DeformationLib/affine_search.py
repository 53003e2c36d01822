"""Rigid and affine maps between two images, found by SimpleITK: mutual information, several starts, coarse to fine.

Works in a frame of its own with 2 or 3 axes (see `alignment.py`, which knows of slices, masks and what to do when the
search has failed). Deterministic: one work unit, seeded samples.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import SimpleITK as sitk

from .progress import Progress

_BINS = 32
_SEED = 20231

# Voxels of an image on the coarse level, where many starts are compared, and samples of the fixed one on the fine level.
# On pairs of hippocampi more samples made no better overlap.
_COARSE_VOXELS = 4_000
_FINE_SAMPLES = 10_000

# Degrees about each axis, and about all at once: what a local search from the next one still captures.
_TURNS = (-25.0, 25.0)

# Starts that are followed on the coarse level, and steps of one local search.
_FOLLOWED = 3
_ITERATIONS = 60

_SECONDS_BETWEEN_REPORTS = 0.05

# Length of the first step in voxels. With longer ones an affine map went astray on the fine level, to a quarter of the
# size, in some of 24 pairs of hippocampi.
_FIRST_STEP = {"coarse": 1.0, "fine": 0.25}


@dataclass(frozen=True)
class SearchImage:
    """One image of a search, in the frame of the search.

    image  float32, 2-D or 3-D, cropped to what matters
    mask   uint8 on the same grid, not 0 where grey values count; or None
    """

    image: sitk.Image
    mask: sitk.Image | None = None

    def shrunk(self, voxels: int) -> SearchImage:
        """Bins of whole voxels, nearly as long along each axis, so that about `voxels` remain."""
        factors = shrink_factors(self.image.GetSize(), self.image.GetSpacing(), voxels)
        if max(factors) == 1:
            return self
        mask = None
        if self.mask is not None:
            mask = sitk.BinShrink(sitk.Cast(self.mask, sitk.sitkFloat32), factors) > 0.0
        return SearchImage(sitk.BinShrink(self.image, factors), mask)

    @property
    def step(self) -> np.ndarray:
        """(D, D); its columns are the steps in mm from a voxel to the next along i, j, k."""
        dimension = self.image.GetDimension()
        return np.reshape(self.image.GetDirection(), (dimension, dimension)) * self.image.GetSpacing()

    def points(self) -> np.ndarray:
        """Centres (n, D) of the voxels, of those in the mask where there is one."""
        size = self.image.GetSize()[::-1]
        kept = np.ones(size, bool) if self.mask is None else sitk.GetArrayViewFromImage(self.mask) > 0
        return np.argwhere(kept)[:, ::-1] @ self.step.T + self.image.GetOrigin()


def shrink_factors(size: Sequence[int], spacing: Sequence[float], voxels: int) -> list[int]:
    """How many voxels to merge along each axis to be left with about so many, of nearly equal sides.

    No axis is left with fewer than eight voxels by it.
    """
    size, spacing = np.asarray(size), np.asarray(spacing, float)
    limits = np.maximum(size // 8, 1)
    low, high = spacing.min(), (size * spacing).max()
    for _ in range(40):  # bisection on the side of the merged voxel
        side = np.sqrt(low * high)
        factors = np.clip(np.rint(side / spacing), 1, limits).astype(int)
        low, high = (side, high) if np.prod(size // factors) > voxels else (low, side)
    return np.clip(np.rint(high / spacing), 1, limits).astype(int).tolist()


class AffineSearch:
    """The search for the map from fixed to moving points with which two images tell the most of each other.

    Matrices are homogeneous, (D + 1, D + 1), in mm of the frame.
    """

    def __init__(self, fixed: SearchImage, moving: SearchImage):
        self.dimension = fixed.image.GetDimension()
        self._coarse = fixed.shrunk(_COARSE_VOXELS), moving.shrunk(_COARSE_VOXELS)
        self._fine = fixed, moving
        self._points = self._coarse[0].points()
        self.centre = self._points.mean(axis=0)

    def score(self, matrix: np.ndarray, level: Literal["coarse", "fine"] = "fine") -> float:
        """Mutual information of a map times the share of the fixed samples that it brings into the moving image.

        Without the share, two images that touch with a corner could score well. Greater is better; 0 where nothing
        overlaps.
        """
        fixed, moving = self._coarse if level == "coarse" else self._fine
        method = self._method(fixed, moving, level)
        method.SetInitialTransform(self._affine(matrix))
        try:
            value = method.MetricEvaluate(fixed.image, moving.image)
        except RuntimeError:  # too few samples lie in both images
            return 0.0
        return max(-value, 0.0) * self.overlap(matrix) if np.isfinite(value) else 0.0

    def overlap(self, matrix: np.ndarray) -> float:
        """Share of the fixed voxels (in the mask) that a map brings into the moving image (and its mask), in 0..1."""
        # SimpleITK's own count of valid points crashes unless a registration was executed before.
        moving = self._coarse[1]
        landed = self._points @ matrix[:-1, :-1].T + matrix[:-1, -1]
        index = np.rint((landed - moving.image.GetOrigin()) @ np.linalg.inv(moving.step).T).astype(int)
        inside = ((index >= 0) & (index < moving.image.GetSize())).all(axis=1)
        if moving.mask is not None:
            mask = sitk.GetArrayViewFromImage(moving.mask)
            inside[inside] = mask[tuple(index[inside].T[::-1])] > 0
        return float(inside.mean())

    def run(
        self, starts: Sequence[np.ndarray], kind: Literal["rigid", "affine"], progress: Progress
    ) -> tuple[np.ndarray, str]:
        """The best map found from some starts, as they are and turned, and why there is none, or nothing.

        By `score` never worse than any of the starts. Raises `Cancelled` through `progress`.
        """
        candidates = [turned for start in starts for turned in self._turned(start)]
        scores = []
        for number, candidate in enumerate(candidates):
            progress.report(0.4 * number / len(candidates), "Aligning")
            scores.append(self.score(candidate, "coarse"))
        if max(scores) <= 0.0:
            return starts[0], "finds nothing that the images have in common"
        best = [candidates[index] for index in np.argsort(scores, kind="stable")[::-1][:_FOLLOWED]]
        found = []
        for number, start in enumerate(best):
            part = progress.part(0.4 + 0.3 * number / len(best), 0.4 + 0.3 * (number + 1) / len(best))
            found.append(self._optimise(start, "rigid", "coarse", part))
        coarse = max(found, key=lambda matrix: self.score(matrix, "coarse"))
        matrix = self._optimise(coarse, kind, "fine", progress.part(0.7, 1.0))
        return max([matrix, coarse, *starts], key=self.score), ""

    def _turned(self, matrix: np.ndarray) -> list[np.ndarray]:
        """A map, and the map after turns of the fixed points about the centre."""
        angles = 1 if self.dimension == 2 else 3
        turns = [np.zeros(angles), *(turn * axis for axis in np.eye(angles) for turn in _TURNS)]
        if angles == 3:
            turns += [0.7 * np.array(turn) for turn in product(_TURNS, repeat=3)]
        result = []
        for degrees in turns:
            turn = self._rigid(np.eye(self.dimension + 1))
            turn.SetParameters([*np.radians(degrees), *[0.0] * self.dimension])
            result.append(matrix @ self._matrix(turn))
        return result

    def _method(self, fixed: SearchImage, moving: SearchImage, level: str) -> sitk.ImageRegistrationMethod:
        """A registration that lacks its transform and optimiser."""
        method = sitk.ImageRegistrationMethod()
        method.SetNumberOfWorkUnits(1)  # sums in the order in which threads happen to finish differ in the last digit
        method.SetMetricAsMattesMutualInformation(_BINS)
        method.SetInterpolator(sitk.sitkLinear)
        method.MetricUseFixedImageGradientFilterOff()
        method.MetricUseMovingImageGradientFilterOff()
        voxels = fixed.image.GetNumberOfPixels()
        if fixed.mask is not None:
            method.SetMetricFixedMask(fixed.mask)
            voxels = int(np.count_nonzero(sitk.GetArrayViewFromImage(fixed.mask)))
        if moving.mask is not None:
            method.SetMetricMovingMask(moving.mask)
        if level == "fine" and voxels > _FINE_SAMPLES:
            method.SetMetricSamplingStrategy(method.RANDOM)
            method.SetMetricSamplingPercentage(_FINE_SAMPLES / voxels, _SEED)
        return method

    def _optimise(
        self, matrix: np.ndarray, kind: Literal["rigid", "affine"], level: Literal["coarse", "fine"], progress: Progress
    ) -> np.ndarray:
        """A local maximum of the mutual information near a map; the map itself where SimpleITK gives up."""
        progress.report(0.0)
        fixed, moving = self._coarse if level == "coarse" else self._fine
        method = self._method(fixed, moving, level)
        side = float(np.exp(np.log(fixed.image.GetSpacing()).mean()))
        method.SetOptimizerAsRegularStepGradientDescent(_FIRST_STEP[level] * side, 0.01 * side, _ITERATIONS, 0.6, 1e-6)
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetInitialTransform(self._affine(matrix) if kind == "affine" else self._rigid(matrix), inPlace=False)

        failures: list[BaseException] = []
        reported = time.monotonic()

        def iteration() -> None:
            # No exception comes through ITK: stop here, raise behind.
            nonlocal reported
            if failures or time.monotonic() - reported < _SECONDS_BETWEEN_REPORTS:
                return
            try:
                progress.report(method.GetOptimizerIteration() / _ITERATIONS)
            except BaseException as failure:
                failures.append(failure)
                method.StopRegistration()
            reported = time.monotonic()

        method.AddCommand(sitk.sitkIterationEvent, iteration)
        try:
            transform = method.Execute(fixed.image, moving.image)
        except RuntimeError:  # too few samples left in both images
            transform = None
        method.RemoveAllCommands()
        if failures:
            raise failures[0]
        progress.report(1.0)
        return matrix if transform is None else self._matrix(transform)

    def _affine(self, matrix: np.ndarray) -> sitk.AffineTransform:
        transform = sitk.AffineTransform(self.dimension)
        transform.SetCenter(self.centre.tolist())
        transform.SetMatrix(matrix[:-1, :-1].ravel().tolist())
        transform.SetTranslation(self._translation(matrix))
        return transform

    def _rigid(self, matrix: np.ndarray) -> sitk.Euler2DTransform | sitk.Euler3DTransform:
        transform = sitk.Euler2DTransform() if self.dimension == 2 else sitk.Euler3DTransform()
        transform.SetCenter(self.centre.tolist())
        u, _, v = np.linalg.svd(matrix[:-1, :-1])  # the nearest rotation, as ITK wants it to the last digit
        transform.SetMatrix((u @ v).ravel().tolist())
        transform.SetTranslation(self._translation(matrix))
        return transform

    def _translation(self, matrix: np.ndarray) -> list[float]:
        """Where a map brings the centre, from there."""
        return (matrix[:-1, :-1] @ self.centre + matrix[:-1, -1] - self.centre).tolist()

    def _matrix(self, transform: sitk.Transform) -> np.ndarray:
        """Homogeneous matrix of a linear transform, by where it brings the origin and the unit vectors."""
        zero = np.array(transform.TransformPoint((0.0,) * self.dimension))
        matrix = np.eye(self.dimension + 1)
        matrix[:-1, -1] = zero
        for axis, unit in enumerate(np.eye(self.dimension)):
            matrix[:-1, axis] = np.array(transform.TransformPoint(unit.tolist())) - zero
        return matrix
