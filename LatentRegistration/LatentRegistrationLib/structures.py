"""The anatomical structures whose overlap is measured: unions of labels, five of them in the heart (Krebs figure 4.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

RIGHT_VENTRICLE, MYOCARDIUM, POOL = 1, 2, 3
"""Labels of the ACDC challenge."""


def heart_structures(
    pool: int = POOL, myocardium: int = MYOCARDIUM, right_ventricle: int | None = RIGHT_VENTRICLE
) -> dict[str, tuple[int, ...]]:
    """The structures of the heart whose overlap the thesis measures, by their labels; two fewer without a right ventricle."""
    structures = {"LV myocardium": (myocardium,), "LV epicardium": (myocardium, pool), "LV pool": (pool,)}
    if right_ventricle is None:
        return structures
    return structures | {"RV": (right_ventricle,), "LV + RV": (myocardium, pool, right_ventricle)}


CARDIAC_STRUCTURES = heart_structures()
"""Those of ACDC."""


def structures_of(values: Sequence[int], cardiac: bool) -> dict[str, tuple[int, ...]]:
    """The heart's five structures, or else each label for itself."""
    return dict(CARDIAC_STRUCTURES) if cardiac else {str(value): (value,) for value in values}


def structure_masks(labels: np.ndarray, structures: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray]:
    """Where a label map shows each structure."""
    return {name: np.isin(labels, list(values)) for name, values in structures.items()}


def structure_dice(
    fixed: Tensor, moving: Tensor, values: Sequence[int], structures: Mapping[str, Sequence[int]]
) -> dict[str, float]:
    """Dice of each structure once indicators ``(L, *size)`` are label maps; nan for one that neither image has.

    Args:
        fixed, moving: indicators of the labels ``values``, in their order.
        structures: labels by name.
    """
    a, b = (torch.cat([1.0 - part.sum(0, keepdim=True), part]).argmax(0) for part in (fixed, moving))
    scores = {}
    for name, labels in structures.items():
        channels = torch.tensor([values.index(label) + 1 for label in labels if label in values])
        in_a, in_b = torch.isin(a, channels), torch.isin(b, channels)
        total = int(in_a.sum() + in_b.sum())
        scores[name] = 2 * int((in_a & in_b).sum()) / total if total else float("nan")
    return scores
