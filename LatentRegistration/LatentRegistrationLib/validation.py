"""How well a network registers cases that it was not trained on, during training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from DeformationLib.case_files import validation_pairs
from DeformationLib.cases import CaseSet, label_dice
from DeformationLib.fields import jacobian_determinant, warp
from DeformationLib.similarity import local_correlation, masked_mean

from .gradient_network import GradientNetwork


@torch.no_grad()
def validate_network(
    network: GradientNetwork, data: CaseSet, cases: Sequence[int], size: tuple[int, ...], device: str = "cpu"
) -> dict[str, float]:
    """Mean Dice (or local correlation, without labels) of validation pairs, and folding, on the network's grid.

    Args:
        network: on ``device``.
        data: the cases.
        cases: which of them validate; fewer than two give no scores.
        size: of the network's grid.
        device: of the network.

    Returns:
        ``score`` (mean over labels and pairs), ``dice_<label>``, ``score_sd`` over pairs and ``folding_percent``.
    """
    if len(cases) < 2:
        return {}
    images, labels, masks = (part.to(device) for part in data.batch(cases))
    encoded = [network.encode(image[None]) for image in images]
    scores, folding = [], []
    for fixed, moving in validation_pairs(len(cases)):
        difference = tuple(m - f for m, f in zip(encoded[moving], encoded[fixed], strict=True))
        displacement, _ = network.decode(difference, size)
        folding.append(float((jacobian_determinant(displacement) <= 0).float().mean()))
        if labels.shape[1]:
            scores.append(label_dice(labels[fixed], warp(labels[moving][None], displacement, padding="zeros")[0]))
        else:
            warped = warp(images[moving][None], displacement)
            valid = masks[fixed][None] * warp(masks[moving][None], displacement, padding="zeros")
            scores.append([float(masked_mean(local_correlation(images[fixed][None], warped, mask=valid), valid))])
    table = np.asarray(scores)
    result = {"score": np.nanmean(table)}
    result |= {f"dice_{value}": np.nanmean(table[:, i]) for i, value in enumerate(data.label_values)}
    result |= {"score_sd": np.nanmean(table, axis=1).std(), "folding_percent": 100 * np.mean(folding)}
    return {name: round(float(value), 5) for name, value in result.items()}
