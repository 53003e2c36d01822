"""Weights of one network as the beginning of another: a pairwise model's for a motion model, a volume's for slices."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def motion_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a `VelocityNetwork` under a motion network's names: encoder and decoder are the same there."""
    return {name: value for name, value in weights.items() if name.startswith(("encoder.", "decoder."))}


def flattened(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a network of volumes for the same network of slices, where the shapes ask for it.

    The slice's network then does what the volume's does with a volume whose slices are all alike, but for the edges:
    kernels are summed across the slices (transposed ones, of which a voxel meets one plane, averaged), so are the dense
    weights of the encoder, and of the velocities the part in the plane is kept.

    Args:
        weights: by name.
        wanted: of the network that is to be filled; says what is flat there.
    """
    maps = _code_maps(wanted)
    result = {}
    for name, value in weights.items():
        target = wanted.get(name)
        if target is None or target.shape == value.shape:
            result[name] = value
        elif ".heads." in name:
            part = value[1:] if value.shape[0] == target.shape[0] + 1 else value
            result[name] = part.sum(2) if part.ndim == 5 else part
        elif value.ndim == 5:
            result[name] = value.mean(2) if ".up." in name else value.sum(2)
        elif value.ndim == 2 and value.shape[0] == target.shape[0] and value.shape[1] % target.shape[1] == 0:
            # Dense, codes from maps.
            result[name] = value.view(len(value), maps, -1, target.shape[1] // maps).sum(2).flatten(1)
        elif value.shape[1:] == target.shape[1:] and len(value) % len(target) == 0:  # dense, maps from codes
            planes = value.view(maps, -1, len(target) // maps, *value.shape[1:])
            result[name] = planes.mean(1).flatten(0, 1)
    return result


def _code_maps(weights: Mapping[str, Tensor]) -> int:
    """Maps of the encoder's last convolution."""
    convolutions = [name for name in weights if name.startswith("encoder.convolutions.") and name.endswith(".bias")]
    return len(weights[max(convolutions, key=lambda name: int(name.split(".")[2]))])
