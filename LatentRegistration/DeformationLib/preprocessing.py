"""What a network sees of an image: its own grid, its own intensities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from .errors import InputError
from .geometry import Geometry, network_geometry
from .image import Image, check_dimensions, check_intensities, inside_mask, resample
from .progress import Progress


@dataclass(frozen=True)
class NetworkGrid:
    """Size and spacing of a network's input.

    Its axes are parallel to LPS in 3-D; in 2-D it lies in the plane of the slice and follows the slice's own axes.

    Attributes:
        size: voxels along k, j, i, or along j, i.
        spacing: mm, the same along all axes.
    """

    size: tuple[int, ...]
    spacing: float
    frame: ClassVar[str] = "patient"
    """Whose axes the grid has, see `pair_grid.PairGrid`."""

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return len(self.size)

    def around(self, image: Geometry) -> Geometry:
        """The grid centred on an image, moved by half a voxel where equal voxels coincide then."""
        if self.dimension == 2:
            spacing = (self.spacing, self.spacing, image.spacing[2])
            size = (*self.size[::-1], 1)
            corner = image.direction @ ((np.asarray(size) - 1) / 2 * spacing)
            return Geometry(size, spacing, image.centre - corner, image.direction)
        grid = network_geometry(self.size, self.spacing, image.centre)
        offset = (np.asarray(image.origin) - np.asarray(grid.origin)) / self.spacing
        # Only half-way cases, and those always upwards: any other shift would depend on which corner of the image is
        # its origin.
        halfway = np.abs(offset - np.floor(offset) - 0.5) < 1e-3
        return network_geometry(self.size, self.spacing, image.centre + halfway * self.spacing / 2)

    def tensor(self, array: np.ndarray) -> Tensor:
        """An array (k, j, i) on the grid as ``(1, 1, *size)`` in single precision."""
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).view(1, 1, *self.size)

    def volume_field(self, displacement: Tensor) -> Tensor:
        """A displacement ``(1, D, *size)`` as ``(3, k, j, i)``; a slice does not move across its plane."""
        if self.dimension == 3:
            return displacement[0]
        return torch.cat([torch.zeros_like(displacement[0, :1]), displacement[0]]).unsqueeze(1)


@dataclass(frozen=True)
class NetworkInput:
    """One image as a network sees it.

    Attributes:
        image: ``(1, 1, *grid)`` intensities in [0, 1], edge values in the padding.
        mask: ``(1, 1, *grid)`` 1 where the original image has voxels.
        geometry: where the grid lies.
    """

    image: Tensor
    mask: Tensor
    geometry: Geometry


def prepare(
    image: Image,
    grid: NetworkGrid,
    name: str = "The image",
    geometry: Geometry | None = None,
    progress: Progress | None = None,
) -> NetworkInput:
    """Bring an image to a network's grid and intensities.

    Args:
        image: any geometry, any scalar type.
        grid: the network's.
        name: subject of the sentences about unusable images.
        geometry: where to put the grid; by default around the image.
        progress: reports and cancels.

    Raises:
        InputError: for one slice where the network wants a volume, NaN, constant and vector images, and for a grid that
            sees nothing of the image, or one value alone.
        Cancelled: through ``progress``.
    """
    check_intensities(image, name)
    check_dimensions(image, grid.dimension, name)
    geometry = geometry or grid.around(image.geometry)
    resampled = resample(image, geometry, antialias=True, progress=progress).array
    inside = inside_mask(image.geometry, geometry)
    seen = resampled[inside]
    if not seen.size or seen.min() == seen.max():
        raise InputError(
            f"{name} shows nothing where the model looks at it: choose another mask, or another initial alignment."
        )
    return NetworkInput(grid.tensor(normalise(resampled, inside)), grid.tensor(inside), geometry)


def prepare_mask(mask: Image, grid: NetworkGrid, geometry: Geometry) -> Tensor:
    """1 in the voxels of a mask where a network's grid lies, else 0, ``(1, 1, *grid)``."""
    return grid.tensor(resample(mask, geometry, "nearest", padding=0).array)


def prepare_labels(labels: Image, values: Sequence[int], grid: NetworkGrid, geometry: Geometry) -> Tensor:
    """Indicators ``(1, len(values), *grid)`` of label values where a network's grid lies; linearly interpolated, 0 outside."""
    indicators = [labels.with_array((labels.array == value).astype(np.float32)) for value in values]
    return torch.cat([grid.tensor(resample(image, geometry, padding=0).array) for image in indicators], dim=1)


def normalise(array: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Intensities to [0, 1]: z-score, clip to [-5, 5], then minimum to 0 and maximum to 1 (Estienne, section 4).

    The moments and extremes are those of the voxels ``inside``; padding does not count.
    """
    values = array[inside] if inside.any() else array
    # In double precision: sums over images with values in the millions lose their last digits otherwise.
    mean, deviation = values.mean(dtype=np.float64), values.std(dtype=np.float64)
    low, high = (np.clip((extreme - mean) / max(deviation, 1e-12), -5, 5) for extreme in (values.min(), values.max()))
    scores = np.clip((array - mean) / max(deviation, 1e-12), low, high)
    return ((scores - low) / max(high - low, 1e-12)).astype(np.float32)
