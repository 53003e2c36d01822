"""Subjects for the tests of the agent's deformations: ellipses of two parts whose shapes vary."""

import numpy as np
import torch

from AgentRegistrationLib.deformation_model import StatisticalDeformationModel
from DeformationLib.cases import CaseSet

SIZE = (24, 32)


def ellipses(count=5, size=SIZE, seed=0, shift=1.0):
    """Cases with an ellipse (or ellipsoid) of two halves on a textured background."""
    generator = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(n, dtype=float) for n in size], indexing="ij"), -1)
    images, labels = [], []
    for _ in range(count):
        centre = (np.array(size) - 1) / 2 + generator.uniform(-shift, shift, len(size))
        radii = np.array(size) / 4 * generator.uniform(0.85, 1.15, len(size))
        relative = (grid - centre) / radii
        inside = np.linalg.norm(relative, axis=-1) <= 1
        halves = [inside & (relative[..., -1] < 0), inside & (relative[..., -1] >= 0)]
        image = 0.2 + 0.4 * halves[0] + 0.7 * halves[1] + 0.02 * generator.standard_normal(size)
        images.append(torch.from_numpy(image.clip(0, 1)).half()[None])
        labels.append(torch.from_numpy(255 * np.stack(halves)).byte())
    masks = torch.ones(count, 1, *size, dtype=torch.uint8)
    names = [f"case_{number}" for number in range(count)]
    return CaseSet(names, torch.stack(images), torch.stack(labels), masks, [1, 2], {})


def random_controls(lattice, count=8, strength=1.0, seed=0):
    """Control points ``(count, D, *lattice)`` of a few strong directions and some noise."""
    generator = torch.Generator().manual_seed(seed)
    shape = (lattice.dimension, *lattice.shape)
    directions = torch.randn(3, *shape, generator=generator)
    amounts = torch.randn(count, 3, generator=generator) * torch.tensor([1.0, 0.6, 0.3])
    noise = 0.05 * torch.randn(count, *shape, generator=generator)
    return strength * (torch.einsum("nm,m...->n...", amounts, directions) + noise)


def random_model(lattice, modes=4, strength=1.0):
    """A model of random deformations."""
    return StatisticalDeformationModel.fit(random_controls(lattice, strength=strength), lattice, modes)
