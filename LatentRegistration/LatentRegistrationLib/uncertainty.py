"""How sure a registration is: the spread of deformations sampled from the code's posterior, and whether it can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from DeformationLib.alignment import Alignment
from DeformationLib.errors import InputError
from DeformationLib.image import Image
from DeformationLib.progress import Progress

from .probabilistic_model import ProbabilisticModel


@dataclass(frozen=True)
class Uncertainty:
    """Spread of sampled deformations on the fixed image's grid, all in mm.

    Attributes:
        magnitude: mean length of the displacement, ``(k, j, i)``.
        deviation: standard deviation of that length.
        spread: root of the summed variance of the displacement's components: also turns of the vector count.
        displacements: the samples, ``(k, j, i, 3)`` each, LPS mm.
    """

    magnitude: Image
    deviation: Image
    spread: Image
    displacements: tuple[Image, ...]


def uncertainty(
    model: ProbabilisticModel,
    fixed: Image,
    moving: Image,
    samples: int = 20,
    seed: int = 0,
    alignment: Alignment = "none",
    progress: Progress | None = None,
    **masks: Image,
) -> Uncertainty:
    """Draw codes from the encoder's distribution and decode each.

    Args:
        model: that registers.
        fixed, moving, alignment, masks: as in `ProbabilisticModel.register`.
        samples: at least two.
        seed: of the draws.
        progress: reports and cancels.
    """
    if samples < 2:
        raise InputError(f"A spread needs at least two samples, not {samples}.")
    progress = progress or Progress()
    view = model.look(fixed, moving, alignment, **masks, progress=progress.part(0.0, 0.2))
    code = model.encode_view(view)
    drawn = []
    for number, one in enumerate(code.sample(samples, np.random.default_rng(seed))):
        progress.report(0.2 + 0.8 * number / samples, f"Sample {number + 1} of {samples}")
        drawn.append(model.displacement_of_view(one, view))
    arrays = np.stack([image.array for image in drawn])
    lengths = np.linalg.norm(arrays, axis=-1)
    progress.report(1.0)
    return Uncertainty(
        fixed.with_array(lengths.mean(axis=0)),
        fixed.with_array(lengths.std(axis=0, ddof=1)),
        fixed.with_array(np.sqrt(arrays.var(axis=0, ddof=1).sum(axis=-1))),
        tuple(drawn),
    )


@dataclass(frozen=True)
class Calibration:
    """Predicted spread against true error, both in mm.

    Attributes:
        predicted: root mean square of the predicted spread, per bin of voxels with similar spread.
        observed: root mean square of the true error in the same bin.
        counts: voxels per bin.
        rank_correlation: Spearman's, over voxels: whether larger spread goes with larger error; 1 at best, 0 for none.
        scale: by which the spread must be multiplied to have the error's size on the whole; 1 for a calibrated one,
            above 1 where the model is too sure of itself.
    """

    predicted: np.ndarray
    observed: np.ndarray
    counts: np.ndarray
    rank_correlation: float
    scale: float


def calibration(spreads: Sequence[np.ndarray], errors: Sequence[np.ndarray], bins: int = 10) -> Calibration:
    """Whether the spread predicts the error, over the voxels of some cases with known motion.

    Args:
        spreads: predicted, any shapes.
        errors: lengths of the true errors, the same shapes.
        bins: of equally many voxels each.
    """
    spread = np.concatenate([np.ravel(part) for part in spreads]).astype(np.float64)
    error = np.concatenate([np.ravel(part) for part in errors]).astype(np.float64)
    if len(spread) != len(error):
        raise ValueError(f"There are {len(spread)} spreads but {len(error)} errors.")
    if len(spread) < 2 * bins:
        raise InputError(f"{len(spread)} voxels are too few for {bins} bins: use more cases or fewer bins.")
    parts = np.array_split(np.argsort(spread, kind="stable"), bins)

    def root_mean_square(values: np.ndarray) -> float:
        return float(np.sqrt(np.mean(values**2)))

    return Calibration(
        np.array([root_mean_square(spread[part]) for part in parts]),
        np.array([root_mean_square(error[part]) for part in parts]),
        np.array([len(part) for part in parts]),
        float(spearmanr(spread, error).statistic),
        root_mean_square(error) / max(root_mean_square(spread), 1e-12),
    )
