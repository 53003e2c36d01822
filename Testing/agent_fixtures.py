"""Small agents with random weights, and pairs of images for them, for the tests of AgentRegistration's Slicer side."""

from __future__ import annotations

import numpy as np
import torch

from DeformationLib.bundle import write_bundle
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from DeformationLib.pair_grid import PairGrid

CUBE, SQUARE = (16, 20, 16), (24, 24)
SPACING = 2.0
MODES = 4
VOLUMES, SLICES = "hippocampus-agent", "cardiac-slice-agent"
"""Names of the random models, those of the bundled ones that they stand for."""


def agent_parts(size, modes: int = MODES, seed: int = 0, structures: int = 0, **walk):
    """Card, network and deformation model of an agent that chooses at random but always the same way."""
    from AgentRegistrationLib.agent_network import AgentNetwork, AgentNetworkConfiguration
    from AgentRegistrationLib.bspline_field import ControlLattice
    from AgentRegistrationLib.deformation_model import StatisticalDeformationModel

    torch.manual_seed(seed)
    lattice = ControlLattice.with_spacing(size, 8.0)
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(modes, lattice.dimension, *lattice.shape, generator=generator)
    amounts = torch.randn(4 * modes, modes, generator=generator) * torch.linspace(2.4, 0.8, modes)
    controls = torch.einsum("nm,m...->n...", amounts, directions)
    deformation = StatisticalDeformationModel.fit(controls, lattice, modes)
    configuration = AgentNetworkConfiguration(
        size, 2 * modes, (4, 6), (12,), structures=structures, structure_widths=(4, 6)
    )
    network = AgentNetwork(configuration, 0.5)
    frame = "patient" if len(size) == 3 else "image"
    shape = {**vars(configuration), "size": list(size), "widths": [4, 6], "dense": [12], "structure_widths": [4, 6]}
    card = {
        "purpose": "Tests.",
        "model": {"class": "AgentNetwork", "configuration": shape, "walk": {"steps": 12} | walk},
        "grid": {"size": list(size), "axes": "kji"[-len(size) :], "spacing_mm": [SPACING] * len(size), "frame": frame},
        "training": {},
        "accuracy": {},
    }
    return card, network, deformation, PairGrid(size, (SPACING,) * len(size), frame)


def agent_bundle(folder, name: str, size, **further):
    """A random agent on disk."""
    card, network, deformation, _grid = agent_parts(size, **further)
    parts = {"network": network.state_dict(), "deformation": deformation.state()}
    return write_bundle(folder / name, {"name": name} | card, parts)


def write_agents(folder):
    """Two random agents, of volumes and of slices, of which the second finds a structure; returns the folder."""
    agent_bundle(folder, VOLUMES, CUBE)
    agent_bundle(folder, SLICES, SQUARE, structures=1, overlap=30.0, shrinks=1)
    return folder


def blob(geometry: Geometry, centre=(0.0, 0.0, 0.0), radii=(9.0, 11.0, 8.0)) -> tuple[Image, Image]:
    """A soft ellipsoid with a bump around a point in LPS mm, and its label map (1 ellipsoid, 2 core), on any grid."""
    points = geometry.index_to_physical(np.moveaxis(np.indices(geometry.shape_kji), 0, -1)[..., ::-1])
    relative = (points - np.asarray(centre)) / radii
    radius = np.linalg.norm(relative, axis=-1)
    values = 100 / (1 + np.exp(6 * (radius - 1)))
    values = values + 40 * np.exp(-4 * np.sum((relative - (0.4, 0.2, -0.3)) ** 2, axis=-1))
    labels = np.where(radius < 0.5, 2, np.where(radius < 1, 1, 0)).astype(np.int16)
    return Image.on_grid(values.astype(np.float32), geometry), Image.on_grid(labels, geometry)


def centred(size_ijk, spacing=SPACING, direction=None) -> Geometry:
    """A grid around the origin; ``spacing`` one number, or one for each axis."""
    steps = np.broadcast_to(spacing, 3).astype(float)
    axes = np.eye(3) if direction is None else np.asarray(direction, dtype=float)
    corner = -axes @ ((np.asarray(size_ijk) - 1) / 2 * steps)
    return Geometry(tuple(size_ijk), tuple(steps), tuple(corner), axes)


OTHER = {"centre": (3.0, -2.0, 1.0), "radii": (7.5, 12.0, 9.0)}
"""The moving subject."""


def volume_images():
    """Fixed and moving volume with their label maps."""
    grid = centred(CUBE[::-1])
    return blob(grid), blob(grid, **OTHER)


def slice_images():
    """Fixed and moving slice with their label maps."""
    grid = centred((24, 24, 1), (SPACING, SPACING, 6.0))
    return blob(grid), blob(grid, (2.0, -3.0, 0.0), (7.0, 13.0, 9.0))


def add_agent_pair(scene, images=None):
    """Fixed and moving volume and the moving segmentation, in the scene."""
    from DeformationSceneLib.segmentations import add_segmentation
    from DeformationSceneLib.volumes import add_volume

    (fixed, _), (moving, labels) = images or volume_images()
    fixedNode, movingNode = add_volume(scene, fixed, "Fixed"), add_volume(scene, moving, "Moving")
    names = {1: "Rim", 2: "Core"}
    return (
        fixedNode,
        movingNode,
        add_segmentation(scene, labels, "Labels", names=names, reference_volume_node=movingNode),
    )
