"""Small motion networks with random weights, their bundles, and series for the tests."""

import numpy as np
import torch

from DeformationLib.bundle import write_bundle
from DeformationLib.cardiac_phantoms import beating_heart
from DeformationLib.image import Image
from DeformationLib.pair_grid import PairGrid
from LatentRegistrationLib.velocity_network import VelocityNetworkConfiguration
from MotionModelLib.motion_model import MotionModel
from MotionModelLib.motion_network import MotionNetwork, MotionNetworkConfiguration
from MotionModelLib.sequence_view import look_at

FLAT = PairGrid((32, 32), (3.0, 3.0), "image")
SOLID = PairGrid((4, 32, 32), (10.0, 3.0, 3.0), "image")
SLOTS = 8


def motion_network(grid=FLAT, strength=6.0, seed=0, slots=SLOTS, **changes):
    """A network with random weights whose velocities, for typical codes, are ``strength`` mm at most."""
    torch.manual_seed(seed)
    pair = VelocityNetworkConfiguration(
        grid.size, grid.spacing, widths=(4, 6), latent=5, scales=2, smoothing=6.0, context=(4, 4)
    )
    values = {"slots": slots, "length_scale": 2.0, "temporal_smoothing": 1.0, "width": 8} | changes
    network = MotionNetwork(MotionNetworkConfiguration(pair, **values)).eval().requires_grad_(False)
    # Codes that depend on what is seen, and velocities that depend on the codes.
    network.mean.weight.normal_(0.0, 0.2)
    images = look_at(small_heart(seed=9).frames, grid).of(range(5))
    linear, seen = network.encoder.mean, network.encoder(images[1:, 0], images[:1, 0].expand(4, *images.shape[2:]))[0]
    scale = 1.0 / seen.std(dim=0)
    linear.weight.mul_(scale[:, None])
    linear.bias.sub_(seen.mean(dim=0)).mul_(scale)
    network.decoder.entry.weight.mul_(4.0)
    generator = torch.Generator().manual_seed(seed)
    code, image = torch.randn(1, 1, 5, generator=generator), torch.rand(1, 1, *grid.size, generator=generator)
    spacing = torch.tensor(grid.spacing).view(-1, *[1] * grid.dimension)
    for _ in range(6):  # the hyperbolic tangent bends the proportion
        velocity = network.decode(code, image, torch.tensor([1.0]))[0]
        largest = float((velocity * spacing).abs().max())
        for head in network.decoder.heads:
            head.weight.mul_(strength / largest)
    return network


def motion_card(network, grid, name="random motion", periodic=True, **training):
    """What a bundle of such a network says about itself."""
    configuration = {**vars(network.configuration), "pair": dict(vars(network.configuration.pair))}
    return {
        "name": name,
        "purpose": "Tests.",
        "model": {"class": "MotionNetwork", "configuration": configuration},
        "grid": {
            "size": list(grid.size),
            "axes": "kji"[-grid.dimension :],
            "spacing_mm": list(grid.spacing),
            "frame": grid.frame,
        },
        "sequence": {"slots": network.configuration.slots, "periodic": periodic},
        "training": training,
        "accuracy": {},
    }


def motion_model(grid=FLAT, name="random motion", periodic=True, training=None, **changes):
    """A model in memory, in single precision."""
    network = motion_network(grid, **changes)
    card = motion_card(network, grid, name, periodic, **(training or {}))
    return MotionModel(network, grid, card, precision=torch.float32)


def motion_bundle(folder, grid=FLAT, name="random-motion", without=(), card=(), **changes):
    """A bundle on disk; returns its folder."""
    network = motion_network(grid, **changes)
    weights = {key: part for key, part in {"network": network.state_dict()}.items() if key not in without}
    return write_bundle(folder / name, motion_card(network, grid, name) | dict(card), weights)


def small_heart(frames=5, seed=0, slices=4, size=32, spacing=3.0):
    """A phantom series of small slices."""
    return beating_heart(seed, frames, size=(size, size, slices), spacing=(spacing, spacing, 10.0))


def stored_otherwise(image, order=(2, 0, 1), flips=(True, False, True)):
    """The same voxels in the same places of the body, with the axes of the array (k, j, i) in another order and sense."""
    geometry = image.geometry
    array = image.array.transpose(order)
    axes = [2 - axis for axis in order]  # i, j, k index of each new array axis
    axes = axes[::-1]
    direction, spacing = geometry.direction[:, axes], np.asarray(geometry.spacing)[axes]
    origin = np.asarray(geometry.origin, dtype=float)
    for axis, flipped in enumerate(flips):  # of the new i, j, k
        if flipped:
            origin = origin + direction[:, axis] * spacing[axis] * (array.shape[2 - axis] - 1)
            direction = direction * np.where(np.arange(3) == axis, -1.0, 1.0)
            array = np.flip(array, 2 - axis)
    return Image(np.ascontiguousarray(array), tuple(spacing), tuple(origin), direction)
