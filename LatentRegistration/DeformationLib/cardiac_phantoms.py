"""Synthetic short-axis cine series of a beating heart whose motion is known at every point. All of it simulated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .errors import InputError
from .geometry import Geometry
from .image import Image

RIGHT_VENTRICLE, MYOCARDIUM, POOL = 1, 2, 3
"""Labels, numbered as in the ACDC challenge."""


@dataclass(frozen=True)
class BeatingHeart:
    """A phantom series.

    Attributes:
        frames: images, end-diastole first.
        labels: label maps of the frames.
        displacements: of each frame: where a point of the frame was at end-diastole, ``(k, j, i, 3)``, LPS mm on the grid
            of the frames; what registering the first frame (moving) to the frame (fixed) should find.
        es_frame: the frame of the strongest contraction.
        contraction: how far the heart contracts, 1 for a healthy one.
        velocity: stationary velocity ``(k, j, i, 3)``, LPS mm, of the whole contraction; the displacement of a frame is
            the flow of its amount times this.
        amounts: of the contraction in each frame, 0..1.
    """

    frames: list[Image]
    labels: list[Image]
    displacements: list[Image]
    es_frame: int
    contraction: float
    velocity: Image
    amounts: tuple[float, ...]


def beating_heart(
    seed: int,
    frames: int = 8,
    contraction: float | None = None,
    size: tuple[int, int, int] = (96, 96, 7),
    spacing: tuple[float, float, float] = (1.6, 1.6, 10.0),
    noise: float = 2.0,
) -> BeatingHeart:
    """A left ventricle with its wall, a right ventricle beside it, lung, liver and chest wall around them.

    Sizes, positions, contrast, texture and the motion vary with the seed.  The motion is the flow of a stationary velocity
    field, as much of it in every frame as the heart has contracted by then: smooth, invertible, and known.

    Args:
        seed: of every random draw.
        frames: of the series; at least two.
        contraction: 1 for a healthy heart, 0 for none; None draws it between 0.3 and 1.2.
        size: voxels along i, j, k; one along k is a slice, a 2-D series.
        spacing: mm along i, j, k.
        noise: standard deviation of the noise of every frame, where blood has about 90.
    """
    if frames < 2:
        raise InputError(f"A beating heart needs at least two frames, not {frames}.")
    generator = np.random.default_rng(seed)
    strength = float(generator.uniform(0.3, 1.2)) if contraction is None else contraction
    origin = tuple(-(n - 1) / 2 * step for n, step in zip(size, spacing, strict=True))
    geometry = Geometry(size, spacing, origin)
    anatomy = _Anatomy.draw(generator)
    points = _points(geometry)
    labels, tissue = anatomy.draw_tissue(points, generator)
    velocity = strength * anatomy.velocity(points, generator)
    es_frame = max(1, round(0.4 * (frames - 1)))
    series, maps, truths, amounts = [], [], [], []
    for number in range(frames):
        phase = number / es_frame if number <= es_frame else (frames - number) / (frames - es_frame)
        amount = float(np.sin(0.5 * np.pi * min(phase, 1.0)) ** 2)
        amounts.append(amount)
        displacement = flow(amount * velocity, spacing)
        where = _indices(geometry, displacement)
        frame = ndimage.map_coordinates(tissue, where, order=1, mode="nearest")
        frame = frame + noise * generator.standard_normal(frame.shape)
        series.append(Image.on_grid(frame.astype(np.float32), geometry))
        maps.append(Image.on_grid(anatomy.labels_at(points + displacement), geometry))
        truths.append(Image.on_grid(displacement.astype(np.float32), geometry))
    maps[0] = Image.on_grid(labels, geometry)
    field = Image.on_grid(velocity.astype(np.float32), geometry)
    return BeatingHeart(series, maps, truths, es_frame, strength, field, tuple(amounts))


def flow(velocity: np.ndarray, spacing: tuple[float, float, float], squarings: int = 6) -> np.ndarray:
    """Displacement ``(k, j, i, 3)`` in mm of the exponential of a velocity in mm, components x, y, z along i, j, k."""
    steps = np.asarray(spacing)
    grid = np.moveaxis(np.indices(velocity.shape[:3]).astype(np.float64), 0, -1)
    displacement = velocity / 2**squarings
    for _ in range(squarings):
        where = np.moveaxis(grid + (displacement / steps)[..., ::-1], -1, 0)
        moved = [ndimage.map_coordinates(displacement[..., c], where, order=1, mode="nearest") for c in range(3)]
        displacement = displacement + np.stack(moved, axis=-1)
    return displacement


@dataclass(frozen=True)
class _Anatomy:
    """The left ventricle is a cone of circles around `centre`, the right one a crescent on the side of `angle`; mm."""

    centre: np.ndarray
    inner: float
    wall: float
    angle: float
    right: float
    taper: float

    @classmethod
    def draw(cls, generator: np.random.Generator) -> _Anatomy:
        return cls(
            generator.normal(0, 4, 2) + (8.0, 2.0),
            generator.uniform(20, 29),
            generator.uniform(8, 13),
            np.pi + generator.normal(0, 0.25),
            generator.uniform(0.8, 1.1),
            generator.uniform(0.10, 0.25),
        )

    def labels_at(self, points: np.ndarray) -> np.ndarray:
        """Labels of points ``(..., 3)``, mm, at end-diastole."""
        radius, right = self._distances(points)
        inner, outer = self._radii(points)
        result = np.zeros(radius.shape, dtype=np.int16)
        result[(right < 1) & (radius > outer)] = RIGHT_VENTRICLE
        result[radius <= outer] = MYOCARDIUM
        result[radius < inner] = POOL
        return result

    def draw_tissue(self, points: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Labels and intensities at end-diastole."""
        labels = self.labels_at(points)
        x, y = points[..., 0] - self.centre[0], points[..., 1] - self.centre[1]
        shape = labels.shape

        def texture(width: float) -> np.ndarray:
            sigma = [0.4 if shape[0] > 1 else 0.0, width, width]
            values = ndimage.gaussian_filter(generator.standard_normal(shape), sigma)
            return values / values.std()

        tissue = 45.0 + 6.0 * texture(3.0)
        lung = 1 / (1 + np.exp(-(x - 48 + 0.15 * y + 3 * texture(8.0)) / 3))
        tissue = tissue + (12.0 - tissue) * lung
        liver = 1 / (1 + np.exp(-(y - 44 + 0.3 * x + 3 * texture(8.0)) / 3))
        tissue = tissue + (58.0 + 3 * texture(2.0) - tissue) * liver * (1 - lung)
        blood = generator.uniform(80, 100)
        heart = {RIGHT_VENTRICLE: blood, MYOCARDIUM: generator.uniform(25, 38), POOL: blood}
        for label, value in heart.items():
            inside = ndimage.gaussian_filter((labels == label).astype(np.float64), [0, 0.6, 0.6])
            tissue = tissue + (value + 3.0 * texture(1.5) - tissue) * inside
        for turn in (0.7, 2.3):  # papillary muscles
            place = 0.6 * self.inner * np.array([np.cos(self.angle + turn), np.sin(self.angle + turn)])
            distance = np.hypot(x - place[0], y - place[1])
            tissue = tissue + (35.0 - tissue) / (1 + np.exp((distance - 4.0) / 0.8))
        return labels, tissue * (1 + 0.08 * texture(25.0))

    def velocity(self, points: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Velocity ``(k, j, i, 3)`` in mm of a full contraction; points from a contracted heart back to end-diastole."""
        radius, _ = self._distances(points)
        inner, outer = self._radii(points)
        x, y = points[..., 0] - self.centre[0], points[..., 1] - self.centre[1]
        direction = np.stack([x, y, np.zeros_like(x)], axis=-1) / np.maximum(radius, 1e-6)[..., None]
        # Outwards, since the field says where tissue came from; largest at the inner wall, fading to the outside.
        rise = np.clip(radius / (0.75 * inner), 0, 1)
        fall = 1 / (1 + np.exp((radius - outer + 1.0) / 4.0))
        share = np.where(radius < 0.75 * inner, np.sin(0.5 * np.pi * rise), 1.0) * (0.25 + 0.75 * fall)
        share = share * np.exp(-0.5 * (np.maximum(radius - outer, 0) / 18.0) ** 2)
        amount = generator.uniform(7.0, 10.0) * (1 + 0.15 * np.cos(np.arctan2(y, x) - generator.uniform(0, 6.3)))
        velocity = direction * (share * amount)[..., None]
        turn = generator.normal(0.0, 0.06) * share * radius  # torsion
        velocity = velocity + np.stack([-direction[..., 1], direction[..., 0], 0 * x], axis=-1) * turn[..., None]
        velocity[..., 2] = generator.uniform(1.0, 3.0) * share if points.shape[0] > 1 else 0.0
        sigma = [0.5 if points.shape[0] > 1 else 0.0, 2.0, 2.0]
        return np.stack([ndimage.gaussian_filter(velocity[..., c], sigma, mode="nearest") for c in range(3)], axis=-1)

    def _radii(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shrink = 1 - self.taper * points[..., 2] / 30.0
        return self.inner * shrink, (self.inner + self.wall) * shrink

    def _distances(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From the left ventricle's axis in mm, and from the right one's centre relative to its size."""
        x, y = points[..., 0] - self.centre[0], points[..., 1] - self.centre[1]
        outer = self._radii(points)[1]
        along = x * np.cos(self.angle) + y * np.sin(self.angle)
        across = -x * np.sin(self.angle) + y * np.cos(self.angle)
        size = self.right * outer
        return np.hypot(x, y), np.hypot((along - 0.75 * outer) / (0.8 * size), across / (1.05 * size))


def _points(geometry: Geometry) -> np.ndarray:
    """Places of the voxels, ``(k, j, i, 3)``, mm."""
    index = np.moveaxis(np.indices(geometry.shape_kji), 0, -1)[..., ::-1]
    return geometry.index_to_physical(index)


def _indices(geometry: Geometry, displacement: np.ndarray) -> np.ndarray:
    """Fractional indices ``(3, k, j, i)`` of the displaced voxels."""
    index = (
        np.moveaxis(np.indices(geometry.shape_kji), 0, -1) + (displacement / np.asarray(geometry.spacing))[..., ::-1]
    )
    return np.moveaxis(index, -1, 0)
