"""How a motion model sees a sequence: checked, every frame brought once to the network's grid, intensities as in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image, check_dimensions, check_intensities, inside_mask, resample
from DeformationLib.masks import mask_box, mask_on_grid
from DeformationLib.pair_grid import PairGrid
from DeformationLib.preprocessing import normalise
from DeformationLib.progress import Progress

from .sequence_time import check_count, check_reference
from .slice_stack import place_of_grid, stack_geometry, tensor_on_grid


@dataclass(frozen=True)
class SequenceView:
    """A sequence on a network's grid.

    Attributes:
        frames: the images as they came.
        reference: which of them motion starts from.
        grid: the network's.
        place: where it lies; a planar grid in each of the stack's slices.
        images: ``(B, 1, *size)`` in [0, 1], edge values in the padding, of each frame that is shown, by its number; B
            slices for a planar model, else 1.
        inside: ``(B, 1, *size)`` 1 where the frames have voxels.
    """

    frames: list[Image]
    reference: int
    grid: PairGrid
    place: Geometry
    images: dict[int, Tensor]
    inside: Tensor

    @property
    def moving(self) -> Tensor:
        """The reference frame, ``(B, 1, *size)``."""
        return self.images[self.reference]

    def of(self, numbers: Sequence[int] | np.ndarray) -> Tensor:
        """Some of the frames that are shown, maybe none, ``(n, B, 1, *size)``."""
        images = [self.images[int(number)] for number in numbers]
        return torch.stack(images) if images else self.moving.new_zeros(0, *self.moving.shape)


def look_at(
    frames: Sequence[Image],
    grid: PairGrid,
    reference: int = 0,
    mask: Image | None = None,
    given: np.ndarray | None = None,
    shown: np.ndarray | None = None,
    progress: Progress | None = None,
    place: Geometry | None = None,
) -> SequenceView:
    """Check a sequence and resample it to a network's grid.

    Args:
        frames: two or more images on one grid, in the order of time.
        grid: the network's.
        reference: the frame that motion starts from.
        mask: where the anatomy is in the reference frame, on any grid; the network looks around its middle.
        given: ``(N,)``, frames that are checked; the intensities of the others are never looked at. None for all.
        shown: ``(N,)``, frames that are resampled, of those given; None for all of those.
        progress: reports and cancels, between frames.
        place: where the grid lies, instead of around the images or the mask.

    Raises:
        InputError: for fewer than two frames, frames on different grids, NaN, constant and vector images, one slice where
            the network wants a volume, a reference that the sequence does not have, and an unusable mask.
        Cancelled: through ``progress``.
    """
    progress, frames = progress or Progress(), list(frames)
    check_count(len(frames))
    check_reference(reference, len(frames))
    given = np.ones(len(frames), dtype=bool) if given is None else given
    shown = given if shown is None else given & shown
    check_grids(frames, reference)
    check_image(frames[reference], grid, f"Frame {reference}")
    place = placed(frames[reference], grid, mask) if place is None else place
    inside = inside_mask(frames[reference].geometry, place)
    images = {}
    for number, frame in enumerate(frames):
        progress.report(number / len(frames), f"Reading frame {number + 1} of {len(frames)}")
        if given[number] and number != reference:
            check_image(frame, grid, f"Frame {number}")
        if shown[number] or number == reference:
            images[number] = on_place(frame, grid, place, inside, f"Frame {number}")
    progress.report(1.0)
    return SequenceView(frames, reference, grid, place, images, tensor_on_grid(inside, grid).unsqueeze(1))


def look_at_image(image: Image, grid: PairGrid, mask: Image | None = None, place: Geometry | None = None) -> Tensor:
    """One image as `SequenceView.moving`, where `placed` (or ``place``) says; checks and errors as in `look_at`."""
    check_image(image, grid, "The image")
    place = placed(image, grid, mask) if place is None else place
    return on_place(image, grid, place, inside_mask(image.geometry, place), "The image")


def placed(image: Image, grid: PairGrid, mask: Image | None = None) -> Geometry:
    """Where a network's grid lies: around the image, or around the anatomy in a mask on any grid.

    A planar grid lies in all slices of a stack, also in those without anatomy.
    """
    geometry = image.geometry if grid.dimension == 3 else stack_geometry(image.geometry)
    if mask is not None:
        whole = geometry
        geometry = mask_box(mask_on_grid(mask, image, "The mask", "the sequence"))
        if grid.dimension == 2:
            geometry = _in_all_slices(geometry, whole)
    return place_of_grid(grid, geometry)


def check_grids(frames: Sequence[Image], reference: int) -> None:
    """Raise `InputError` unless all frames lie on the reference frame's grid."""
    like = frames[reference]
    for number, frame in enumerate(frames):
        if frame.same_grid(like):
            continue
        sizes = [" x ".join(map(str, image.geometry.size)) for image in (frame, like)]
        if sizes[0] != sizes[1]:
            what = f"has {sizes[0]} voxels, but the reference frame {reference} has {sizes[1]}"
        else:
            what = f"lies elsewhere in the body than the reference frame {reference}, or has other voxels"
        raise InputError(f"Frame {number} {what}: the frames of a sequence must share one grid; resample them to one.")


def check_image(image: Image, grid: PairGrid, name: str) -> None:
    """Raise `InputError` for images that a model cannot use; ``name`` is the subject of the sentence."""
    check_intensities(image, name)
    if grid.dimension == 3:
        check_dimensions(image, 3, name)


def on_place(image: Image, grid: PairGrid, place: Geometry, inside: np.ndarray, name: str) -> Tensor:
    """An image on a network's grid, ``(B, 1, *size)``, normalised over all voxels ``inside`` it."""
    array = resample(image, place, antialias=True).array
    seen = array[inside]
    if not seen.size or seen.min() == seen.max():
        raise InputError(
            f"{name} shows nothing where the model looks at it: check its spacing, or choose another mask or none."
        )
    return tensor_on_grid(normalise(array, inside), grid).unsqueeze(1)


def _in_all_slices(box: Geometry, stack: Geometry) -> Geometry:
    """A box around anatomy, along the stack's axes, as the part of the stack around it in its plane, in every slice."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in box.size])).reshape(3, -1).T
    index = np.rint(stack.physical_to_index(box.index_to_physical(corners)))
    low, high = index.min(axis=0), index.max(axis=0)
    low[2], high[2] = 0, stack.size[2] - 1
    return Geometry(
        tuple((high - low + 1).astype(int)), stack.spacing, tuple(stack.index_to_physical(low)), stack.direction
    )
