"""Small agents for tests: a synthetic space of deformations, a network that knows the way without training, a training."""

import importlib.util
from pathlib import Path

import numpy as np
import torch
from torch import nn

from AgentRegistrationLib.agent_network import AgentNetwork, AgentNetworkConfiguration
from AgentRegistrationLib.agent_walk import Agent
from AgentRegistrationLib.decision_process import rewards
from AgentRegistrationLib.deformation_space import DeformationSpace
from DeformationLib.augmentation import smooth_random_field
from DeformationLib.image import Image
from DeformationLib.image_io import write_image


def smooth_space(size=(24, 20), modes=4, strength=1.5, seed=0):
    """A space of smooth random displacements, the first modes the largest, whose steps are a quarter of a deviation."""
    generator = torch.Generator().manual_seed(seed)
    fields = smooth_random_field((modes, len(size), *size), strength, 8.0, generator)
    deviations = torch.linspace(1.5, 0.5, modes)
    return DeformationSpace(torch.zeros(1, len(size), *size), fields, 0.25 * deviations, deviations)


def smooth_image(size=(24, 20), seed=0):
    """A smooth random image ``(1, 1, *size)`` in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    image = smooth_random_field((1, 1, *size), 1.0, 4.0, generator)
    return (image - image.min()) / (image.max() - image.min())


def random_network(space, seed=0, **configuration):
    """An untrained network for a space."""
    torch.manual_seed(seed)
    chosen = {"widths": (4, 6), "dense": (12, 8)} | configuration
    network = AgentNetwork(AgentNetworkConfiguration(space.size, 2 * len(space), **chosen), float(space.steps.mean()))
    for layer in network.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
            layer.running_mean.uniform_(-0.1, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
    return network.requires_grad_(False)


class KnowingNetwork(nn.Module):
    """Gives the true rewards of the walk that it is told of, whatever the images show."""

    def __init__(self, space, target):
        super().__init__()
        self.configuration = AgentNetworkConfiguration(space.size, 2 * len(space), widths=(1,), dense=(1,))
        self.space, self.target = space, target
        self.walk = None

    def see(self, images, found=None):
        return images

    def encode_fixed(self, fixed):
        return torch.zeros(len(fixed), 1, 1)

    def forward(self, encoded, moving):
        return rewards(self.walk.theta[None], self.target[None], self.space.steps)


def knowing_walk(space, target, options, image=None):
    """A walk towards a target, of an agent that knows the rewards."""
    network = KnowingNetwork(space, target)
    agent = Agent(network, space)
    moving = smooth_image(space.size) if image is None else image
    fixed = space.warp(moving, space.sampling(target[None]))
    walk = agent.begin(agent.look(fixed, moving), options)[0]
    network.walk = walk
    return walk


def ellipse_slice(seed, length=24, spacing=2.0):
    """A bright ellipse with a darker core on a gradient, as one slice, and its label map (1 rim, 2 core); all by seed."""
    generator = np.random.default_rng(seed)
    axis = (np.arange(length) - (length - 1) / 2) / length
    y, x = np.meshgrid(axis, axis, indexing="ij")
    centre, radii = generator.uniform(-0.04, 0.04, 2), generator.uniform(0.2, 0.3, 2)
    radius = np.hypot((y - centre[0]) / radii[0], (x - centre[1]) / radii[1])
    labels = np.where(radius < 0.5, 2, np.where(radius < 1, 1, 0)).astype(np.int16)
    image = 60 / (1 + np.exp(12 * (radius - 1))) - 30 / (1 + np.exp(12 * (radius - 0.5))) + 10 * x
    place = {"spacing": (spacing, spacing, 5.0), "origin": (10.0, -20.0, 30.0)}
    noise = generator.standard_normal(image.shape)
    return Image((image + noise).astype(np.float32)[None], **place), Image(labels[None], **place)


def write_slices(folder, count=6):
    """Folders ``images`` and ``labels`` of slices; returns both."""
    for number in range(count):
        image, labels = ellipse_slice(number)
        write_image(image, folder / "images" / f"case_{number}.nii.gz")
        write_image(labels, folder / "labels" / f"case_{number}.nii.gz")
    return folder / "images", folder / "labels"


TINY = (
    "--grid 24,24 --spacing 2 --modes 3 --control-spacing 6 --pairs 8 --iterations 8 --widths 4,6 --dense 12,8 "
    "--group-size 4 --batches 4 --epochs 2 --validation-rule 3:1 --validation-pairs 2 --validation-steps 15 "
    "--warmup 2 --device cpu"
)
"""A training of seconds."""


def training_command():
    """The training command as a module."""
    path = Path(__file__).parents[1] / "AgentRegistrationTrain" / "AgentRegistrationTrain.py"
    specification = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
