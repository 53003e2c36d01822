"""How well a motion network tracks series that it was not trained on, on its own grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from DeformationLib.fields import exponential, resize_field, warp
from LatentRegistrationLib.pair_validation import (
    VALIDATION_SQUARINGS,
    correlation_score,
    mean_scores,
    overlap_scores,
    regularity,
)

from .motion_cases import SequenceSet
from .motion_network import MotionNetwork
from .sequence_time import plan_runs

_LEADING = 5
"""Frames that are given where the rest is to be completed."""


@torch.no_grad()
def validate_sequences(
    network: MotionNetwork,
    data: SequenceSet,
    cases: Sequence[int],
    structures: Mapping[str, Sequence[int]],
    finest: int = 0,
    device: str = "cpu",
    mixed_precision: bool = False,
    periodic: bool = True,
) -> dict[str, float]:
    """Overlap (or local correlation, without labels) and regularity of the reference tracked to the farthest frame.

    Args:
        network: on ``device``.
        data: of the cases.
        cases: their numbers; none gives no scores.
        structures: labels by name.
        finest: scales left out, see `MotionNetwork.decode`.
        device: of the network.
        mixed_precision: bfloat16 in the convolutions.
        periodic: whether the last frame is followed by the first one.

    Returns:
        ``score`` (mean Dice over structures and cases with all frames given), ``dice_<structure>``, ``score_sd``,
        ``completed`` (the score when only the first five frames were given), ``folding_percent``,
        ``jacobian_gradient`` (mean, 1/mm), ``temporal_gradient`` (mean length of the displacement's change from slot to
        slot, mm), ``kl``, and for the heart ``ejection_error`` (points).
    """
    rows = [
        _validate(network, data, case, structures, finest, torch.device(device), mixed_precision, periodic)
        for case in cases
    ]
    return mean_scores(rows) if rows else {}


def _validate(
    network: MotionNetwork,
    data: SequenceSet,
    case: int,
    structures: Mapping[str, Sequence[int]],
    finest: int,
    device: torch.device,
    mixed_precision: bool,
    periodic: bool,
) -> dict[str, float]:
    reference, farthest = data.references[case]
    series = data.frames[case].float().movedim(1, 0)[:, :, None]  # (S, t, 1, *size)
    runs = plan_runs(series.shape[1], reference, network.configuration.slots, periodic)
    run = next(run for run in runs if farthest in run.frames)
    moving, shown = series[:, reference].to(device), series[:, run.frames[run.shown]].to(device)
    target = float(run.times[run.frames == farthest][0])
    near = run.times[np.abs(run.times - target) <= 3 * network.configuration.temporal_smoothing + 1]
    wanted, place = torch.as_tensor(near), int(np.flatnonzero(near == target)[0])
    row: dict[str, float] = {}
    for name, given in (("score", None), ("completed", torch.as_tensor(run.shown < _LEADING))):
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=mixed_precision):
            posterior = network.encode(shown, moving, torch.as_tensor(run.slots - 1), given)
            codes = network.codes_at(network.matrix(posterior), wanted)
            velocities = network.decode(codes, moving, wanted, finest)[0].float()
        size = tuple(network.configuration.pair.size)
        displacement = resize_field(exponential(velocities[:, place], VALIDATION_SQUARINGS), size).cpu()
        scores = _scores(data, case, series[:, reference], series[:, farthest], displacement, structures)
        if name == "completed":
            row["completed"] = scores["score"]
            continue
        row |= scores | {"kl": float(network.divergence(posterior).mean())}
        row |= regularity(displacement, network.configuration.pair.spacing)
        row["temporal_gradient"] = _change(velocities, near, size, network.configuration.pair.spacing)
    return row


def _scores(
    data: SequenceSet, case: int, moving: Tensor, fixed: Tensor, displacement: Tensor, structures: Mapping
) -> dict[str, float]:
    before, target = (data.indicators(case, frame) for frame in data.references[case])
    if before is None or target is None:
        mask = data.masks[case].float()[:, None]
        return correlation_score(fixed, warp(moving, displacement), mask)
    after = warp(before.movedim(1, 0), displacement, padding="zeros").movedim(0, 1)
    return overlap_scores(before, target, after, data.label_values, structures)


def _change(velocities: Tensor, times: np.ndarray, size: tuple[int, ...], spacing: Sequence[float]) -> float:
    """Mean length in mm of the velocities' change from slot to slot."""
    if len(times) < 2:
        return 0.0
    scale = [step * full / here for step, full, here in zip(spacing, size, velocities.shape[3:], strict=True)]
    steps = velocities.new_tensor(scale).view(1, 1, -1, *[1] * len(size))
    change = (velocities * steps).diff(dim=1).norm(dim=2).flatten(2).mean(dim=(0, 2))
    return float((change / velocities.new_tensor(np.diff(times))).mean())
