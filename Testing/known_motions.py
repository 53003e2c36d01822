"""Motions that are known at every point, as results of a model that never was: of phantoms, affine ones, random ones."""

import numpy as np
import torch
from scipy import ndimage

from DeformationLib.cardiac_phantoms import MYOCARDIUM, POOL, RIGHT_VENTRICLE
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from DeformationLib.pair_grid import PairGrid
from MotionModelLib.motion import Motion


def phantom_motion(heart, planar=False, **further):
    """The motion of a `beating_heart`, its own velocities on its own grid; planar: every slice for itself."""
    geometry = heart.frames[0].geometry
    voxels = heart.velocity.array[..., ::-1] / geometry.spacing_kji
    velocities = torch.from_numpy(np.stack([amount * voxels for amount in heart.amounts])).float()
    if planar:
        grid = PairGrid(geometry.shape_kji[1:], geometry.spacing_kji[1:], "image")
        velocities = velocities[..., 1:].movedim(-1, 2)
    else:
        grid = PairGrid(geometry.shape_kji, geometry.spacing_kji, "image")
        velocities = velocities.movedim(-1, 1)[:, None]
    values = {"frames": heart.frames, "model": "truth"} | further
    return Motion(heart.frames[0], 0, velocities.contiguous(), grid, geometry, **values)


def affine_displacement(geometry, matrix, shift=(0.0, 0.0, 0.0)):
    """Displacement of the map ``p -> matrix (p - c) + c + shift`` about a grid's centre, LPS mm."""
    index = np.moveaxis(np.indices(geometry.shape_kji), 0, -1)[..., ::-1]
    relative = geometry.index_to_physical(index) - geometry.centre
    return Image.on_grid(relative @ (np.asarray(matrix) - np.eye(3)).T + shift, geometry)


def random_motion(frames=5, size=(12, 32, 32), spacing=(4.0, 2.0, 2.0), seed=0, largest=1.5, reference_image=None):
    """Smooth random velocities that vanish at the border of their grid, up to so many voxels of it."""
    generator = np.random.default_rng(seed)
    window = np.ones(size)
    for axis, length in enumerate(size):
        shape = [-1 if a == axis else 1 for a in range(len(size))]
        window = window * np.sin(np.pi * (np.arange(length) + 0.5) / length).reshape(shape) ** 2
    velocities = np.zeros((frames, 1, len(size), *size), dtype=np.float32)
    for index in np.ndindex(frames - 1, len(size)):
        values = ndimage.gaussian_filter(generator.standard_normal(size), [n / 5 for n in size]) * window
        velocities[index[0] + 1, 0, index[1]] = largest * values / np.abs(values).max()
    place = Geometry(size[::-1], spacing[::-1])
    if reference_image is None:
        smooth = ndimage.gaussian_filter(generator.standard_normal(size), 1.5)
        reference_image = Image.on_grid((100 + 100 * smooth / smooth.std()).astype(np.float32), place)
    return Motion(reference_image, 0, torch.from_numpy(velocities), PairGrid(size, spacing), place)


def turned(geometry, angle=0.4, flips=(1, 1, 1)):
    """A grid that covers about the same place with its axes turned about two axes of the body, and some of them reversed."""
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    direction = turn @ np.diag(flips)
    origin = geometry.centre - direction @ ((np.asarray(geometry.size) - 1) / 2 * geometry.spacing)
    return Geometry(geometry.size, geometry.spacing, origin, direction)


def heart_labels(
    geometry, axis=(0.0, 0.0, 1.0), anterior=(0.0, -1.0, 0.0), radius=20.0, wall=9.0, length=70.0, right=True
):
    """A label map of a conical left ventricle about a grid's centre, its tip closed, the right one beside its septum.

    Args:
        geometry: grid.
        axis: from base to apex, LPS.
        anterior: where its anterior wall is, LPS, at right angles to the axis.
        radius, wall, length: of the pool at its base, of the wall, and of the pool, mm.
        right: whether there is a right ventricle, 120 degrees wide.
    """
    axis, anterior = np.asarray(axis) / np.linalg.norm(axis), np.asarray(anterior) / np.linalg.norm(anterior)
    septal = np.cross(axis, anterior)
    index = np.moveaxis(np.indices(geometry.shape_kji), 0, -1)[..., ::-1]
    relative = geometry.index_to_physical(index) - geometry.centre
    height = relative @ axis / length + 0.5
    across = relative - (relative @ axis)[..., None] * axis
    distance = np.linalg.norm(across, axis=-1)
    inner = radius * np.sqrt(np.clip(1 - np.maximum(height, 0) ** 2, 0, None))
    outer = (radius + wall) * np.sqrt(np.clip(1 - np.maximum(height / (1 + wall / length), 0) ** 2, 0, None))
    labels = np.zeros(geometry.shape_kji, dtype=np.int16)
    angle = np.degrees(np.arctan2(across @ anterior, across @ septal))
    if right:
        beside = (np.abs(angle) < 60) & (distance < outer + 15) & (height > 0) & (height < 0.8)
        labels[beside] = RIGHT_VENTRICLE
    labels[(distance < outer) & (height > 0) & (outer > 0)] = MYOCARDIUM
    labels[(distance < inner) & (height > 0)] = POOL
    return Image.on_grid(labels, geometry)
