"""What a known rotation, translation or scaling of an image does to its coefficients (Estienne et al. 2021, figure 5).

An image ``X`` is transformed into ``X'``, both are encoded, and the change ``a_j(X') - a_j(X)`` says which components
of the latent space the model uses to express that transformation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from DeformationLib.errors import InputError
from DeformationLib.fields import identity_grid, sample
from DeformationLib.image import Image
from DeformationLib.preprocessing import NetworkInput
from DeformationLib.progress import Progress

if TYPE_CHECKING:
    from .model import RegistrationModel

_AXES = {3: "zyx", 2: "yx"}
"""Physical axes (LPS, or the slice's own) along the array's axes of a network's grid."""


@dataclass(frozen=True)
class KnownTransformation:
    """A similarity transformation of an image about the centre of the network's grid.

    Attributes:
        name: for tables and figures.
        rotation: degrees about ``axis``, right-handed in LPS; in 2-D within the slice.
        translation: voxels of the network's grid along ``axis``.
        scaling: relative growth of everything, 0.2 for 1.2 times as large.
        axis: ``"x"`` (right to left), ``"y"`` (front to back) or ``"z"`` (foot to head).
    """

    name: str
    rotation: float = 0.0
    translation: float = 0.0
    scaling: float = 0.0
    axis: str = "z"

    def __post_init__(self) -> None:
        if self.axis not in ("x", "y", "z"):
            raise InputError(f"'{self.axis}' is not an axis: choose x, y or z.")
        if not self.scaling > -1:
            raise InputError(f"A scaling of {self.scaling:g} leaves nothing of the image: choose one above -1.")

    def apply(self, image: Tensor) -> Tensor:
        """An image ``(batch, channel, *grid)`` transformed; linear interpolation, edge values where nothing is known.

        Raises `InputError` for a translation across the plane of a 2-D image.
        """
        size = tuple(image.shape[2:])
        matrix, shift = self._matrix(len(size)).to(image), self._shift(len(size)).to(image)
        centre = image.new_tensor([(length - 1) / 2 for length in size]).view(1, -1, 1)
        target = identity_grid(size, dtype=image.dtype, device=image.device).flatten(2)
        # The picture moves forward where it is sampled backward.
        source = matrix.T @ (target - centre - shift) / (1.0 + self.scaling) + centre
        return sample(image, source.view(1, len(size), *size).expand(len(image), *[-1] * (1 + len(size))))

    def _matrix(self, dimension: int) -> Tensor:
        """Rotation matrix ``(D, D)`` that acts on the array's axes (k, j, i)."""
        cosine, sine = math.cos(math.radians(self.rotation)), math.sin(math.radians(self.rotation))
        axes = _AXES[dimension]
        # A right-handed rotation about an axis turns the next axis of the cycle x, y, z towards the one after it.
        turned = ("xyz" * 2)["xyz".index(self.axis if dimension == 3 else "z") + 1 :][:2]
        first, second = axes.index(turned[0]), axes.index(turned[1])
        matrix = torch.eye(dimension, dtype=torch.float64)
        matrix[first, first] = matrix[second, second] = cosine
        matrix[second, first], matrix[first, second] = sine, -sine
        return matrix

    def _shift(self, dimension: int) -> Tensor:
        """Translation ``(1, D, 1)`` along the array's axes, voxels."""
        shift = torch.zeros(dimension, dtype=torch.float64)
        if self.translation:
            if self.axis not in _AXES[dimension]:
                raise InputError("A slice cannot be moved along z: choose x or y.")
            shift[_AXES[dimension].index(self.axis)] = self.translation
        return shift.view(1, -1, 1)


ESTIENNE_TRANSFORMATIONS = (
    KnownTransformation("rotation", rotation=20.0),
    KnownTransformation("translation", translation=10.0),
    KnownTransformation("scaling", scaling=0.2),
)
"""The three of the paper: 20 degrees and 10 voxels on the z axis, and a scaling of 0.2, taken as 20 % larger."""


def coefficient_changes(
    model: RegistrationModel,
    images: Sequence[Image],
    transformations: Sequence[KnownTransformation] = ESTIENNE_TRANSFORMATIONS,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Change of every coefficient of every image under every transformation.

    The transformation acts on the image as the network sees it, on the network's grid, so that it moves the padding
    along and takes nothing from the model but what leaves that grid.

    Args:
        model: one with a decomposition.
        images: any geometry.
        transformations: with different names.
        progress: reports and cancels.

    Returns:
        By name of the transformation, ``a_j(X') - a_j(X)``, ``(image, component)``, in units of the code.

    Raises:
        InputError: for a model without a decomposition, and for unusable images.
    """
    if model.decomposition is None:
        raise InputError(f"The model {model.name} has no latent decomposition: choose another model.")
    progress = progress or Progress()
    changes: dict[str, list[np.ndarray]] = {transformation.name: [] for transformation in transformations}
    for number, image in enumerate(images):
        progress.report(number / len(images), f"image {number + 1} of {len(images)}")
        seen = model.prepare(image)
        reference = model.decomposition.project(model.encode(seen))[0]
        for transformation in transformations:
            moved = NetworkInput(transformation.apply(seen.image), transformation.apply(seen.mask), seen.geometry)
            changes[transformation.name].append(model.decomposition.project(model.encode(moved))[0] - reference)
    progress.report(1.0)
    return {name: np.array(rows) for name, rows in changes.items()}


def effective_components(changes: np.ndarray) -> np.ndarray:
    """How many components share a change: 1 when one takes all of it, K when all K take the same.

    The participation ratio ``(sum_j c_j^2)^2 / sum_j c_j^4`` over the last axis; nan where nothing changes.
    """
    energy = np.asarray(changes, dtype=np.float64) ** 2
    with np.errstate(invalid="ignore"):
        return energy.sum(-1) ** 2 / (energy**2).sum(-1)
