"""The grid on which a probabilistic model sees a pair of images: its voxels may be longer along one axis than along another.

Needs no torch until it makes a tensor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from .errors import InputError
from .geometry import Geometry

if TYPE_CHECKING:
    from torch import Tensor

Frame = Literal["patient", "image"]

_THICK = 1.5  # slices thicker than so many pixels make a stack of slices


@dataclass(frozen=True)
class PairGrid:
    """Size, spacing and orientation of a network's input.

    Attributes:
        size: voxels along k, j, i, or along j, i.
        spacing: mm along the same axes.
        frame: ``"patient"``: the axes are parallel to LPS.  ``"image"``: they follow the axes of the fixed image, which
            short-axis stacks need, whose slices are thick and oblique.  Which of its axes, and in which sense, is read
            from where they point in the body: however a volume is stored, the network sees it the same way.
    """

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    frame: Frame = "patient"

    def __post_init__(self) -> None:
        if len(self.size) not in (2, 3) or len(self.size) != len(self.spacing):
            raise InputError(
                f"A network grid needs two or three lengths and as many spacings, not {self.size} and {self.spacing}."
            )
        if min(self.size) < 1 or min(self.spacing) <= 0:
            raise InputError(f"The lengths {self.size} and spacings {self.spacing} of a network grid must be positive.")
        if self.frame not in get_args(Frame):
            raise InputError(f"The axes of a network grid follow the 'patient' or the 'image', not '{self.frame}'.")

    @classmethod
    def of_card(cls, entry: Mapping[str, Any], frame: Frame) -> PairGrid:
        """The grid of a model's card; ``frame`` where the card says nothing of it."""
        return cls(tuple(entry["size"]), tuple(map(float, entry["spacing_mm"])), entry.get("frame", frame))

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return len(self.size)

    def around(self, image: Geometry) -> Geometry:
        """The grid centred on an image, moved by half a voxel where equal voxels coincide then."""
        if self.dimension == 2:
            axes = canonical_axes(image, flat=True)
            spacing = (*self.spacing[::-1], image.spacing[2])
            size = (*self.size[::-1], 1)
        else:
            axes = np.eye(3) if self.frame == "patient" else canonical_axes(image)
            spacing, size = self.spacing[::-1], self.size[::-1]
        return self._placed(image, np.asarray(size), np.asarray(spacing), axes)

    def at(self, geometry: Geometry, centre: Sequence[float] | np.ndarray) -> Geometry:
        """A grid from `around`, moved to another centre (LPS mm) without a turn."""
        shift = np.asarray(centre) - geometry.centre
        return Geometry(geometry.size, geometry.spacing, np.asarray(geometry.origin) + shift, geometry.direction)

    def tensor(self, array: np.ndarray) -> Tensor:
        """An array (k, j, i) on the grid as ``(1, 1, *size)`` in single precision."""
        import torch

        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).view(1, 1, *self.size)

    def volume_field(self, displacement: Tensor) -> Tensor:
        """A displacement ``(1, 3, k, j, i)``, or ``(k, 2, j, i)`` of slices, as ``(3, k, j, i)``.

        A slice does not move across its plane.
        """
        if self.dimension == 3:
            return displacement[0]
        import torch

        return torch.cat([torch.zeros_like(displacement[:, :1]), displacement], dim=1).movedim(0, 1)

    def _placed(self, image: Geometry, size: np.ndarray, spacing: np.ndarray, axes: np.ndarray) -> Geometry:
        corner = image.centre - axes @ ((size - 1) / 2 * spacing)
        offset = (axes.T @ (np.asarray(image.origin) - corner)) / spacing
        # Only half-way cases, and those always upwards: any other shift would depend on which corner of the image is
        # its origin.
        halfway = np.abs(offset - np.floor(offset) - 0.5) < 1e-3
        return Geometry(tuple(size), tuple(spacing), corner + axes @ (halfway * spacing / 2), axes)


def level_strides(size: Sequence[int], spacing: Sequence[float], levels: int) -> list[tuple[int, ...]]:
    """By how much each level of a network halves each axis: thick slices wait until the other axes are as coarse."""
    spacing, size, strides = list(spacing), list(size), []
    for _ in range(levels):
        finest = min(spacing)
        stride = tuple(
            2 if step < 2.5 * finest and length >= 4 else 1 for step, length in zip(spacing, size, strict=True)
        )
        strides.append(stride)
        spacing = [step * factor for step, factor in zip(spacing, stride, strict=True)]
        size = [length // factor for length, factor in zip(size, stride, strict=True)]
    return strides


def canonical_axes(image: Geometry, flat: bool = False) -> np.ndarray:
    """Directions (columns i, j, k in LPS) of an image's axes, in an order and sense that its storage does not change.

    The slice axis of a stack (the one of the longest voxels, or of the single slice) comes last; what is left is ordered
    by which of the body's axes it is closest to.  Each axis points to the positive side of the body's axis that it is
    closest to (left, posterior, superior).
    """
    direction, spacing = np.asarray(image.direction), np.asarray(image.spacing)
    last = 2 if flat else _slice_axis(spacing)
    best = max(
        (order for order in permutations(range(3)) if last is None or order[2] == last),
        key=lambda order: _closeness(direction[:, order], last is None),
    )
    axes = direction[:, best]
    senses = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(3)])
    return axes * senses


def _slice_axis(spacing: np.ndarray) -> int | None:
    """The axis across the slices; None for voxels of about the same length along all axes."""
    longest = int(spacing.argmax())
    others = np.delete(spacing, longest)
    return longest if spacing[longest] > _THICK * others.max() else None


def _closeness(axes: np.ndarray, all_three: bool) -> float:
    """How well axes i, j(, k) keep to left, posterior(, superior); in a stack only the first two are free."""
    weights = np.abs(axes)
    return float(weights[0, 0] + weights[1, 1] + weights[2, 2]) if all_three else float(weights[0, 0] - weights[0, 1])
