"""What images of a kind look like, in a few robust numbers: to notice sequences unlike those that a model was trained on.

The numbers are taken from normalised images on a network's grid. A card keeps their middle and their usual range over the
training cases; a sequence far outside them is of another modality, or shows another anatomy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

_FAR = 4.0
"""Half ranges from the middle: beyond what validation cases of the same kind reach."""

_LEAST_RANGE = 0.03
"""Half ranges are not taken to be smaller: the numbers all lie between about 0 and 1."""


def appearance_of(images: Tensor, inside: Tensor, reference: int = 0) -> dict[str, float]:
    """The numbers of a sequence.

    Args:
        images: ``(N, B, 1, *size)`` or ``(N, B, *size)``, in [0, 1].
        inside: ``(B, 1, *size)`` or ``(B, *size)``, 1 where the frames have voxels.
        reference: which frame motion starts from.

    Returns:
        - ``lower``, ``median``, ``upper``: quartiles of the intensities of the reference;
        - ``dark``: share of voxels as dark as the darkest (a sector of ultrasound has much of it);
        - ``detail``: difference of neighbours in the plane relative to the spread of intensities (speckle, noise);
        - ``change``: difference between frames and the reference relative to that spread (strength of motion).
    """
    size = images.shape[-2:]
    images = images.float().reshape(len(images), -1, *size)
    where = inside.reshape(-1, *size) > 0.5
    still = images[reference]
    values = still[where]
    lower, median, upper = np.quantile(values.cpu().numpy(), (0.25, 0.5, 0.75))
    spread = float(values.std()) + 1e-6
    steps = [
        (still.diff(dim=axis).abs())[where.narrow(axis, 1, size[axis] - 1) & where.narrow(axis, 0, size[axis] - 1)]
        for axis in (-1, -2)
    ]
    others = [number for number in range(len(images)) if number != reference]
    changes = [float((images[number] - still).abs()[where].mean()) for number in others]
    return {
        "lower": float(lower),
        "median": float(median),
        "upper": float(upper),
        "dark": float((values < 0.01).float().mean()),
        "detail": float(torch.cat(steps).mean()) / spread,
        "change": float(np.mean(changes)) / spread if changes else float("nan"),
    }


def usual_appearance(cases: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """The card's entry ``training.image_statistics``: middle and half the range of 5 to 95 % of each number."""
    result = {}
    for name in cases[0] if cases else ():
        values = np.array([case[name] for case in cases], dtype=float)
        low, middle, high = np.nanquantile(values, (0.05, 0.5, 0.95))
        result[name] = {
            "middle": round(float(middle), 4),
            "half_range": round(max(float(high - low) / 2, _LEAST_RANGE), 4),
        }
    return result


def appearance_warnings(appearance: Mapping[str, float], card: Mapping[str, Any]) -> list[str]:
    """A sentence for a sequence unlike the training data that a card describes; none where the card is silent."""
    training = card.get("training") or {}
    usual = training.get("image_statistics") or {}
    far = {}
    for name, entry in usual.items():
        if name in appearance and np.isfinite(appearance[name]):
            far[name] = abs(appearance[name] - entry["middle"]) / max(entry["half_range"], 1e-6)
    if not far or max(far.values()) <= _FAR:
        return []
    data = training.get("data")
    known = f" but on {data}" if isinstance(data, str) and data else ""
    worst = max(far, key=far.get)
    words = {"dark": "share of black", "detail": "fine detail", "change": "change from frame to frame"}
    return [
        f"The model {card.get('name', '')} was not trained on images like these{known}: their "
        f"{words.get(worst, 'distribution of intensities')} is {far[worst]:.0f} times as far from the middle as there. "
        "Look at the result before you trust it."
    ]
