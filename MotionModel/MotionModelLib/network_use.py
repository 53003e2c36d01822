"""A motion network run piece by piece: memory stays modest, progress is reported, and the work can be cancelled in between."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from DeformationLib.devices import autocast
from DeformationLib.progress import Progress
from LatentRegistrationLib.velocity_network import pyramid

from .motion_network import MotionNetwork, Posterior, evened, temporal_weights

_VOXELS = {"cpu": 2**18, "cuda": 2**23}
"""Of frames decoded at once: a few tenths of a second, and some hundred megabytes."""


@torch.inference_mode()
def encode(
    network: MotionNetwork,
    frames: Tensor,
    moving: Tensor,
    slots: np.ndarray | Sequence[int] = (),
    progress: Progress | None = None,
    precision: torch.dtype = torch.float32,
) -> Posterior:
    """The posterior of a reference ``(B, 1, *size)`` and frames ``(n, B, 1, *size)``, maybe none, in slots 1..T."""
    progress, device = progress or Progress(), _device(network)
    index = torch.as_tensor(np.asarray(slots, dtype=np.int64) - 1, device=device)
    batch = moving.shape[0]
    voxels = max(1, len(frames)) * int(np.prod(moving.shape[2:]))
    step = max(1, 4 * _voxels(device) // voxels)
    parts = []
    for start in range(0, batch, step):
        progress.report(start / batch, "Encoding the motion")
        part = slice(start, start + step)
        with autocast(device, precision):
            parts.append(network.encode(frames[:, part].movedim(1, 0).to(device), moving[part].to(device), index))
    progress.report(1.0)
    return Posterior(*(torch.cat([p.float() for p in values]) for values in zip(*parts, strict=True)))


@torch.inference_mode()
def decode_times(
    network: MotionNetwork,
    matrix: Tensor,
    moving: Tensor,
    times: np.ndarray,
    progress: Progress | None = None,
    precision: torch.dtype = torch.float32,
) -> Tensor:
    """Velocities ``(M, B, dim, *size)`` at times ``(M,)`` in slots, smoothed over time as `MotionNetwork.decode` does.

    They are in voxels of the network's finest scale, on whose grid they lie.

    Args:
        network: on its device.
        matrix: ``(B, D, T)``.
        moving: ``(B, 1, *size)``, the reference.
        times: in slots, positive.
        progress: reports and cancels, between frames.
        precision: bfloat16 or single, of the convolutions.
    """
    progress, device = progress or Progress(), _device(network)
    times = torch.as_tensor(np.asarray(times, dtype=np.float64))
    codes = network.codes_at(matrix.float().to(device), times.to(device))
    batch, count = codes.shape[:2]
    pair = network.configuration.pair
    size = pair.level(pair.finest)[0]
    result = torch.empty(count, batch, len(size), *size, device=device)
    weights = temporal_weights(evened(times), network.configuration.temporal_smoothing).to(result)
    step = max(2, _voxels(device) // int(np.prod(size)))
    for number in range(batch):
        levels = pyramid(moving[number : number + 1].to(device), pair)
        for start in range(0, count, step):
            progress.report((number + start / count) / batch, "Decoding the motion")
            part = slice(start, start + step)
            with autocast(device, precision):
                result[part, number] = network.decoder(codes[number, part].contiguous(), levels, pair.finest)[0].float()
        result[:, number] = (weights @ result[:, number].reshape(count, -1)).view(count, len(size), *size)
    progress.report(1.0)
    return result


def _device(network: MotionNetwork) -> torch.device:
    return next(network.parameters()).device


def _voxels(device: torch.device) -> int:
    return _VOXELS.get(device.type, _VOXELS["cpu"])
