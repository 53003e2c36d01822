"""Small probabilistic models and series for the tests."""

import numpy as np
import torch

from DeformationLib.bundle import write_bundle
from DeformationLib.cardiac_phantoms import beating_heart
from DeformationLib.pair_grid import PairGrid
from LatentRegistrationLib.decomposition import LatentDecomposition
from LatentRegistrationLib.probabilistic_model import ProbabilisticModel
from LatentRegistrationLib.velocity_network import VelocityNetwork, VelocityNetworkConfiguration

GRID = PairGrid((4, 32, 32), (10.0, 3.0, 3.0), "image")
FLAT = PairGrid((32, 32), (3.0, 3.0), "image")


def velocity_network(grid=GRID, strength=6.0, seed=0, **changes):
    """A network with random weights whose velocity, for a typical code, is ``strength`` mm at most."""
    torch.manual_seed(seed)
    values = {"widths": (4, 6), "latent": 5, "scales": 2, "smoothing": 6.0} | changes
    network = VelocityNetwork(VelocityNetworkConfiguration(grid.size, grid.spacing, **values)).eval()
    network.requires_grad_(False)
    network.encoder.log_variance.bias.zero_()  # codes with a spread of about one, not as little as before a training
    generator = torch.Generator().manual_seed(seed)
    code, image = (
        torch.randn(1, values["latent"], generator=generator),
        torch.rand(1, 1, *grid.size, generator=generator),
    )
    spacing = torch.tensor(grid.spacing).view(1, -1, *[1] * grid.dimension)
    for _ in range(6):  # the hyperbolic tangent bends the proportion
        largest = float((network.decode(code, image)[0] * spacing).abs().max())
        for head in network.decoder.heads:
            head.weight.mul_(strength / largest)
    return network


def velocity_card(network, grid, name="random velocities"):
    """What a bundle of such a network says about itself."""
    configuration = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(network.configuration).items()}
    return {
        "name": name,
        "purpose": "Tests.",
        "model": {"class": "VelocityNetwork", "configuration": configuration},
        "grid": {
            "size": list(grid.size),
            "axes": "kji"[-grid.dimension :],
            "spacing_mm": list(grid.spacing),
            "frame": grid.frame,
        },
        "training": {},
        "accuracy": {},
    }


def velocity_model(grid=GRID, name="random velocities", precision=torch.float32, **changes):
    """A model in memory, with components of random codes."""
    network = velocity_network(grid, **changes)
    generator = torch.Generator().manual_seed(1)
    codes = torch.randn(12, network.configuration.latent, generator=generator)
    return ProbabilisticModel(
        network, grid, velocity_card(network, grid, name), LatentDecomposition.fit(codes, 4), precision=precision
    )


def velocity_bundle(folder, grid=GRID, card=(), without=()):
    """A bundle on disk."""
    model = velocity_model(grid)
    parts = {"network": model.network.state_dict(), "decomposition": model.decomposition.to_tensors()}
    weights = {name: part for name, part in parts.items() if name not in without}
    return write_bundle(folder / "velocities", model.card | dict(card), weights)


def small_heart(seed=0, frames=4, slices=4, **further):
    """A phantom series of 32 x 32 pixels of 3 mm."""
    return beating_heart(seed, frames, size=(32, 32, slices), spacing=(3.0, 3.0, 10.0), **further)


def series_array(heart):
    """Frames ``(t, k, j, i)``."""
    return np.stack([frame.array for frame in heart.frames])
