"""Fixtures of the backend's tests: blobs with two labels, and small random networks that move things by whole voxels."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from DeformationLib.bundle import write_bundle
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from DeformationLib.image_io import write_image
from DeformationLib.preprocessing import NetworkGrid
from LatentRegistrationLib.decomposition import LatentDecomposition
from LatentRegistrationLib.gradient_network import GradientNetwork, GradientNetworkConfiguration
from LatentRegistrationLib.model import RegistrationModel

SMALL = GradientNetworkConfiguration(3, (4, 6), 4)
CUBE = Geometry((16, 16, 16))
COMMAND = Path(__file__).parents[1] / "LatentRegistrationTrain" / "LatentRegistrationTrain.py"


def blob_values(points, centre, radii):
    """A bright ellipsoid with a soft edge and an off-centre bump, as a function of LPS mm: no grid is involved."""
    relative = (np.asarray(points) - centre) / radii
    radius = np.linalg.norm(relative, axis=-1)
    bump = np.exp(-4 * np.sum((relative - (0.4, 0.2, -0.3)) ** 2, axis=-1))
    return 100 / (1 + np.exp(6 * (radius - 1))) + 40 * bump


def blob_pair(geometry=CUBE, shift=(0.0, 0.0, 0.0), radii=(5.0, 4.0, 4.5)):
    """Image and label map (1 on the left of the blob's middle, 2 on its right) around the grid's centre plus a shift."""
    points = geometry.index_to_physical(np.moveaxis(np.indices(geometry.shape_kji), 0, -1)[..., ::-1])
    centre = geometry.centre + shift
    inside = np.linalg.norm((points - centre) / radii, axis=-1) <= 1
    labels = np.where(inside, np.where(points[..., 0] < centre[0], 1, 2), 0).astype(np.int16)
    return Image.on_grid(blob_values(points, centre, np.asarray(radii)).astype(np.float32), geometry), Image.on_grid(
        labels, geometry
    )


def random_network(configuration=SMALL, size=(16, 16, 16), strength=2.0, seed=0):
    """A network with random weights whose largest activation, between two random images, is `strength`."""
    torch.manual_seed(seed)
    network = GradientNetwork(configuration).eval().requires_grad_(False)
    images = torch.rand(2, 1, *size)
    encoded = network.encode(images)
    largest = network.activations(tuple(part[:1] - part[1:] for part in encoded)).abs().max()
    # The decoder is homogeneous: its last layer sets the amplitude of everything.
    network.decoder.exit.weight *= strength / largest
    return network


def random_decomposition(network, size=(16, 16, 16), count=3, cases=6):
    """Components of the codes of random images."""
    images = torch.rand(cases, 1, *size, generator=torch.Generator().manual_seed(1))
    return LatentDecomposition.fit(network.encode(images)[0], count)


def card_of(network, size, spacing):
    """What a bundle of a random network says about itself."""
    configuration = dict(vars(network.configuration))
    return {
        "name": "random",
        "purpose": "Tests.",
        "model": {
            "class": "GradientNetwork",
            "configuration": configuration | {"widths": list(configuration["widths"])},
        },
        "grid": {"size": list(size), "axes": "kji"[-len(size) :], "spacing_mm": spacing},
        "training": {},
        "accuracy": {},
    }


@pytest.fixture
def blobs():
    """Factory of blob images, see `blob_pair`."""
    return blob_pair


@pytest.fixture
def make_network():
    """Factory of random networks, see `random_network`."""
    return random_network


@pytest.fixture
def make_model():
    """Factory of models in memory: a random network with a decomposition, on a grid of a given size and spacing."""

    def make(size=(16, 16, 16), spacing=1.0, skips=False, strength=2.0, seed=0):
        configuration = GradientNetworkConfiguration(len(size), (4, 6), 4, skips)
        network = random_network(configuration, size, strength, seed)
        card = card_of(network, size, spacing)
        single = torch.float32  # tests compare with the network itself
        return RegistrationModel(
            network, NetworkGrid(size, spacing), card, random_decomposition(network, size), precision=single
        )

    return make


@pytest.fixture
def make_bundle(tmp_path):
    """Factory of bundles on disk, returns the folder; changes to the card and the weights are applied before writing."""

    def make(card=(), without=(), size=(16, 16, 16)):
        network = random_network(size=size)
        parts = {"network": network.state_dict(), "decomposition": random_decomposition(network, size).to_tensors()}
        weights = {name: part for name, part in parts.items() if name not in without}
        return write_bundle(tmp_path / "random", card_of(network, size, 1.0) | dict(card), weights)

    return make


@pytest.fixture
def blob_folders(tmp_path):
    """Folders `images` and `labels` with five cases, blobs of different size and place, on 16^3 voxels."""
    generator = np.random.default_rng(0)
    for number in range(5):
        radii = (5.0, 4.0, 4.5) * generator.uniform(0.8, 1.2, 3)
        image, labels = blob_pair(shift=tuple(generator.uniform(-1, 1, 3)), radii=tuple(radii))
        write_image(image, tmp_path / "images" / f"case_{number}.nii.gz")
        write_image(labels, tmp_path / "labels" / f"case_{number}.nii.gz")
    return tmp_path / "images", tmp_path / "labels"


@pytest.fixture(scope="session")
def command():
    """The training command as a module, so that torch is not imported again for every test."""
    specification = importlib.util.spec_from_file_location("LatentRegistrationTrain", COMMAND)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
