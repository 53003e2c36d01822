"""Synthetic anatomy with known labels, for demonstrations, self tests and models that need no data. All of it simulated."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .image import Image

HEAD, BODY = 1, 2
"""Labels of `two_part_phantom`."""


def two_part_phantom(seed: int, size: int = 40, spacing: float = 1.0) -> tuple[Image, Image]:
    """A bent, two-part grey matter structure between brighter and darker tissue, and its label map.

    Length, bend, thickness, tilt, position, contrast and noise vary with ``seed`` as they do between people; head and
    body have the same intensity and differ by shape alone, as in the hippocampus.

    Args:
        seed: of every random draw; the same seed gives the same phantom.
        size: voxels along each axis.
        spacing: mm.

    Returns:
        Image ``(size, size, size)``, float32, and labels 0, `HEAD`, `BODY`, int16, centred on the origin.
    """
    generator = np.random.default_rng(seed)
    axis = (np.arange(size) - (size - 1) / 2) * spacing
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    extent = size * spacing
    distance, along = _distance_to_centreline(np.stack([x, y, z], -1), extent, generator)
    head_share = 0.36 + 0.04 * generator.standard_normal()
    radius = extent * _radius_profile(along, head_share, generator)
    structure = _soft_step(radius - distance, 0.6 * spacing)
    labels = np.where(distance < radius, np.where(along < head_share, HEAD, BODY), 0).astype(np.int16)

    image = 0.62 + 0.05 * _texture(generator, size, 0.16 * size)
    shell = _soft_step(radius + 0.05 * extent - distance, 0.8 * spacing) * _soft_step(along - 0.15, 0.2)
    image = image + (0.9 - image) * shell  # white matter around all but the tip of the head
    pocket = np.linalg.norm(np.stack([x, 0.6 * y, z + 0.27 * extent], -1), axis=-1)
    image = image + (0.12 - image) * _soft_step(
        0.13 * extent * np.exp(0.15 * generator.standard_normal()) - pocket, spacing
    )
    image = image + (0.45 + 0.03 * generator.standard_normal() - image) * structure
    image = image * (1 + 0.04 * _texture(generator, size, 0.3 * size))
    image = 100.0 * image + 2.0 * generator.standard_normal(image.shape)
    origin = (axis[0],) * 3
    place = {"spacing": (spacing,) * 3, "origin": origin}
    return Image(image.astype(np.float32), **place), Image(labels, **place)


def _distance_to_centreline(
    points: np.ndarray, extent: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Distance in mm of points ``(..., 3)`` from a bent line through the centre, and where along it, in [0, 1]."""
    from scipy.spatial import cKDTree

    share = np.linspace(0.0, 1.0, 121)
    length = extent * 0.58 * np.exp(0.08 * generator.standard_normal())
    bend = extent * (0.11 + 0.04 * generator.standard_normal())
    twist = extent * 0.05 * generator.standard_normal()
    t = 2 * share - 1
    line = np.stack([twist * t**3, 0.5 * length * t, bend * (0.4 - t**2)], -1)
    tilt, turn = np.radians(8.0) * generator.standard_normal(2)
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1.0]])
    rotation = rotation @ np.array([[1.0, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    line = line @ rotation.T + 0.025 * extent * generator.standard_normal(3)
    distance, nearest = cKDTree(line).query(points.reshape(-1, 3))
    return distance.reshape(points.shape[:-1]), share[nearest].reshape(points.shape[:-1])


def _radius_profile(along: np.ndarray, head_share: float, generator: np.random.Generator) -> np.ndarray:
    """Radius relative to the extent: a thick head that tapers into a thin body."""
    head = 0.125 * np.exp(0.10 * generator.standard_normal())
    body = 0.085 * np.exp(0.12 * generator.standard_normal())
    return body + (head - body) * _soft_step(head_share - along, 0.08)


def _soft_step(value: np.ndarray, width: float) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(value / (0.5 * width), -40, 40)))


def _texture(generator: np.random.Generator, size: int, smoothness: float) -> np.ndarray:
    texture = ndimage.gaussian_filter(generator.standard_normal((size,) * 3), smoothness / 2, mode="wrap")
    return texture / texture.std()
