"""Deformations between training subjects, from SimpleITK's B-spline registration guided by their label maps.

A pair's registration cannot be better than the classical one that it comes from, unless that one is told where the
structures are (Krebs 3.2.3): the label maps are painted over the images, each structure so that it stands out from its
neighbours, and the registration looks at the structures and their surroundings alone.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from DeformationLib.cases import CaseSet
from DeformationLib.errors import Cancelled, InputError
from DeformationLib.files import atomic_path, make_folder
from DeformationLib.progress import Progress

from .bspline_field import ControlLattice


@dataclass(frozen=True)
class GuidedRegistration:
    """How ground truth is registered.

    Attributes:
        image_weight: of intensities in [0, 1], against 1 for the difference between structures.
        margin: how far around the structures of both images differences count, voxels.
        sampling: share of the voxels there that are looked at.
        smoothing: standard deviations of the stages, voxels, coarse to fine.
        iterations: of LBFGS-B in each stage.
        bound: largest displacement of a control point, as a share of their distance; what keeps space from folding.
        seed: of the sampling.
    """

    image_weight: float = 0.5
    margin: int = 4
    sampling: float = 0.3
    smoothing: tuple[float, ...] = (2.0, 0.7)
    iterations: int = 25
    bound: float = 0.8
    seed: int = 1


@dataclass(frozen=True)
class GuidedImage:
    """One subject as the registration sees it.

    Attributes:
        name: of the case.
        guide: ``size``, intensities and painted structures, float32.
        structures: ``size``, True in any of the structures.
    """

    name: str
    guide: np.ndarray
    structures: np.ndarray


def guided_image(name: str, image: np.ndarray, labels: np.ndarray, image_weight: float) -> GuidedImage:
    """Paint structures over an image.

    Args:
        name: of the case, for the sentence that refuses it.
        image: ``size``, intensities in [0, 1].
        labels: ``(L, *size)``, indicators of the structures in [0, 1].
        image_weight: factor of the intensities.

    Raises:
        InputError: for a case without any structure.
    """
    structures = labels.sum(axis=0) > 0.5
    if not structures.any():
        raise InputError(f"The label map of {name} is empty on the model's grid: mark the structures, or leave it out.")
    # 1, -1, 2, -2, ...: any two of them, and the background, differ by at least 1.
    levels = np.array([(number // 2 + 1) * (-1) ** number for number in range(len(labels))], dtype=np.float32)
    painted = np.tensordot(levels, labels.astype(np.float32), axes=1)
    return GuidedImage(name, (painted + image_weight * image).astype(np.float32), structures)


def register_pair(
    fixed: GuidedImage,
    moving: GuidedImage,
    lattice: ControlLattice,
    settings: GuidedRegistration = GuidedRegistration(),
    progress: Progress | None = None,
) -> np.ndarray:
    """Control-point displacements ``(D, *lattice)``, voxels, that bring a moving image onto a fixed one (pull-back).

    Raises `Cancelled` through ``progress``, between two iterations.
    """
    progress = progress or Progress()
    transform = lattice.to_sitk()
    around = ndimage.binary_dilation(fixed.structures | moving.structures, iterations=max(settings.margin, 1))
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMeanSquares()
    method.SetMetricFixedMask(sitk.GetImageFromArray(around.astype(np.uint8)))
    if settings.sampling < 1:
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(settings.sampling, settings.seed)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel([1] * len(settings.smoothing))
    method.SetSmoothingSigmasPerLevel(settings.smoothing)
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    limit = settings.bound * min(lattice.spacing)
    method.SetOptimizerAsLBFGSB(
        gradientConvergenceTolerance=1e-7,
        numberOfIterations=settings.iterations,
        maximumNumberOfFunctionEvaluations=3 * settings.iterations,
        costFunctionConvergenceFactor=1e8,
        lowerBound=-limit,
        upperBound=limit,
    )
    method.SetInitialTransform(transform, inPlace=True)
    method.SetNumberOfThreads(1)  # pairs run beside each other
    method.AddCommand(sitk.sitkIterationEvent, lambda: method.Abort() if progress.cancelled else None)
    progress.raise_if_cancelled()
    try:
        method.Execute(sitk.GetImageFromArray(fixed.guide), sitk.GetImageFromArray(moving.guide))
    except RuntimeError as error:
        progress.raise_if_cancelled()
        raise InputError(f"{moving.name} cannot be registered to {fixed.name} ({_last_line(error)}).") from error
    progress.raise_if_cancelled()
    return lattice.from_sitk(transform).astype(np.float32)


def choose_pairs(subjects: int, count: int, seed: int = 0) -> list[tuple[int, int]]:
    """Ordered pairs (fixed, moving) of different subjects, each of them about as often fixed as moving.

    There are at most ``subjects * (subjects - 1)``.  Raises `InputError` for fewer than two subjects.
    """
    if subjects < 2:
        raise InputError(f"Ground truth between subjects needs at least two of them, not {subjects}.")
    generator = np.random.default_rng(seed)
    order = generator.permutation(subjects)
    pairs: list[tuple[int, int]] = []
    # Each distance around the circle of subjects makes every one of them fixed once and moving once.
    for distance in generator.permutation(np.arange(1, subjects)):
        pairs += [(int(order[k]), int(order[(k + distance) % subjects])) for k in range(subjects)]
        if len(pairs) >= count:
            break
    return pairs[:count]


def ground_truth(
    cases: CaseSet,
    pairs: Sequence[tuple[int, int]],
    lattice: ControlLattice,
    folder: str | os.PathLike,
    settings: GuidedRegistration = GuidedRegistration(),
    workers: int = 1,
    progress: Progress | None = None,
) -> np.ndarray:
    """Control-point displacements of pairs, ``(n, D, *lattice)``, from the cache or registered now.

    Every pair is a file in ``folder``, named after what it depends on (both subjects' voxels, lattice, settings), written
    as soon as it is known: a run that was stopped goes on where it was.

    Args:
        cases: subjects on the grid of the lattice, with label maps.
        pairs: indices (fixed, moving).
        lattice: of the control points.
        folder: of the cache.
        settings: of the registration.
        workers: processes that work on different pairs; 1 stays in this one.
        progress: reports and cancels.

    Raises:
        InputError: for a case without structures, or on another grid.
        Cancelled: through ``progress``.
    """
    progress, folder = progress or Progress(), make_folder(folder)
    if tuple(cases.images.shape[2:]) != lattice.size:
        raise InputError(f"The cases lie on {tuple(cases.images.shape[2:])} voxels, the lattice on {lattice.size}.")
    used = sorted({index for pair in pairs for index in pair})
    guided = {
        index: guided_image(
            cases.names[index],
            cases.images[index, 0].float().numpy(),
            cases.labels[index].float().numpy() / 255,
            settings.image_weight,
        )
        for index in used
    }
    digests = {index: _digest(item.guide.tobytes(), item.structures.tobytes()) for index, item in guided.items()}
    common = json.dumps([asdict(lattice), asdict(settings)], sort_keys=True).encode()
    files = [folder / f"{_digest(common, digests[f].encode(), digests[m].encode())}.npy" for f, m in pairs]
    known = [_read(path, lattice) for path in files]
    missing = [number for number, control in enumerate(known) if control is None]
    jobs = [(guided[pairs[number][0]], guided[pairs[number][1]], lattice, settings) for number in missing]
    progress.report(1 - len(missing) / max(len(pairs), 1), f"{len(pairs) - len(missing)} deformations are known")
    results = _in_processes(jobs, workers, progress) if workers > 1 else _one_by_one(jobs, progress)
    for done, (job, control) in enumerate(results, start=1):
        number = missing[job]
        known[number] = control
        with atomic_path(files[number]) as temporary:
            np.save(temporary, control)
        share = 1 - (len(missing) - done) / len(pairs)
        progress.report(share, f"{len(pairs) - len(missing) + done} of {len(pairs)} deformations")
    return np.stack(known) if known else np.zeros((0, lattice.dimension, *lattice.shape), np.float32)


def _one_by_one(jobs: list[tuple], progress: Progress) -> Iterator[tuple[int, np.ndarray]]:
    for number, job in enumerate(jobs):
        yield number, register_pair(*job, progress=progress)


def _in_processes(jobs: list[tuple], workers: int, progress: Progress) -> Iterator[tuple[int, np.ndarray]]:
    # Spawned: a forked process would inherit torch's and ITK's threads in an unknown state.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, max(len(jobs), 1)), context)
    try:
        pending = {pool.submit(register_pair, *job): number for number, job in enumerate(jobs)}
        while pending:
            progress.raise_if_cancelled()
            done, _ = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
            for future in done:
                yield pending.pop(future), future.result()
    except Cancelled:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _read(path: Path, lattice: ControlLattice) -> np.ndarray | None:
    """A cached deformation; None where there is none, or none that can be used."""
    try:
        control = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return control if control.shape == (lattice.dimension, *lattice.shape) and np.isfinite(control).all() else None


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:24]


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip().rstrip(".")
