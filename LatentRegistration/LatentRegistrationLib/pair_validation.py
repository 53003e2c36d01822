"""How well a probabilistic network registers pairs that it was not trained on, on its own grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from DeformationLib.fields import exponential, jacobian_determinant, resize_field, spatial_gradient, warp
from DeformationLib.similarity import masked_mean

from .pairs import PairBatch, PairSet
from .structures import structure_dice
from .velocity_network import VelocityNetwork
from .velocity_objective import kl_divergence, local_correlation

VALIDATION_SQUARINGS = 6


@torch.no_grad()
def validate_pairs(
    network: VelocityNetwork,
    data: PairSet,
    pairs: Sequence,
    structures: Mapping[str, Sequence[int]],
    finest: int = 0,
    device: str = "cpu",
    mixed_precision: bool = False,
) -> dict[str, float]:
    """Overlap (or local correlation, without labels) and regularity of pairs, registered with the mean code.

    Args:
        network: on ``device``.
        data: of the pairs.
        pairs: fixed and moving, see `pairs.Pair`; none gives no scores.
        structures: labels by name.
        finest: scales left out, see `VelocityNetwork.decode`.
        device: of the network.
        mixed_precision: bfloat16 in the convolutions.

    Returns:
        ``score`` (mean Dice over structures and pairs), ``dice_<structure>``, ``score_sd`` over pairs,
        ``folding_percent``, ``jacobian_gradient`` (mean, 1/mm), ``kl``, and for the heart ``ejection_error`` (points).
    """
    if not pairs:
        return {}
    rows = []
    for pair in pairs:
        batch = data.batch([pair])
        images = batch.images.to(device)
        with torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=mixed_precision):
            mean, log_variance = network.encode(images[:, :1], images[:, 1:])
            velocity = network.decode(mean, images[:, 1:], finest)[0]
        size = tuple(network.configuration.size)
        displacement = resize_field(exponential(velocity.float(), VALIDATION_SQUARINGS), size).cpu()
        row = _scores(batch, displacement, data.label_values, structures)
        row |= regularity(displacement, network.configuration.spacing)
        rows.append(row | {"kl": float(kl_divergence(mean, log_variance))})
    return mean_scores(rows)


def _scores(
    batch: PairBatch, displacement: Tensor, values: list[int], structures: Mapping[str, Sequence[int]]
) -> dict[str, float]:
    if not batch.fixed_labels.any():
        warped = warp(batch.images[:, 1:], displacement)
        return correlation_score(batch.images[:, :1], warped, batch.mask)
    warped = warp(batch.moving_labels, displacement, padding="zeros")
    return overlap_scores(batch.moving_labels[0], batch.fixed_labels[0], warped[0], values, structures)


def correlation_score(fixed: Tensor, warped: Tensor, mask: Tensor) -> dict[str, float]:
    """``score`` of images without labels: their local correlation where the mask is."""
    correlation = local_correlation(fixed, warped, (7,) * (fixed.ndim - 2))
    return {"score": float(masked_mean(correlation, mask))}


def overlap_scores(
    before: Tensor, target: Tensor, after: Tensor, values: list[int], structures: Mapping[str, Sequence[int]]
) -> dict[str, float]:
    """``score``, ``dice_<structure>`` and, for the heart, ``ejection_error`` of warped labels.

    Args:
        before: indicators ``(L, ...)`` of the moving image.
        target: of the fixed image.
        after: of the moving image, warped.
        values: label of each channel.
        structures: labels by name.
    """
    dice = structure_dice(target, after, values, structures)
    scores = {"score": float(np.nanmean(list(dice.values())))} | {f"dice_{name}": dice[name] for name in dice}
    if "LV pool" in structures:
        pool = values.index(structures["LV pool"][0])
        start, wanted, reached = (float(part[pool].sum()) for part in (before, target, after))
        scores["ejection_error"] = 100.0 * abs(reached - wanted) / max(start, 1e-6)
    return scores


def regularity(displacement: Tensor, spacing: Sequence[float]) -> dict[str, float]:
    """``folding_percent`` and ``jacobian_gradient`` (mean, 1/mm) of displacements in voxels, on a grid of that spacing."""
    determinant = jacobian_determinant(displacement)
    gradient = spatial_gradient(determinant[:, None], tuple(spacing)).norm(dim=2)
    return {
        "folding_percent": 100.0 * float((determinant <= 0).float().mean()),
        "jacobian_gradient": float(gradient.mean()),
    }


def mean_scores(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each score over pairs or cases, and ``score_sd``."""
    result = {name: float(np.nanmean([row[name] for row in rows])) for name in rows[0]}
    result["score_sd"] = float(np.nanstd([row["score"] for row in rows]))
    return {name: round(value, 5) for name, value in result.items()}
