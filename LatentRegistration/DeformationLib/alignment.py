"""Putting one image roughly onto another before a deformable registration: by position, by centre, rigidly or affinely.

An alignment is a 4x4 matrix that brings fixed points to moving ones, LPS mm. Masks say where the structure of interest
is: its box or its mass then counts instead of the whole image's, and the similarity is measured around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
import SimpleITK as sitk

from .affine_search import AffineSearch, SearchImage, shrink_factors
from .errors import InputError
from .geometry import Geometry
from .image import Image, check_overlap
from .masks import cropped, index_slices, mask_box, voxels_around
from .progress import Progress

Alignment = Literal["none", "centres", "mass", "rigid", "affine"]

# What the surroundings of a masked structure add to it on each side, as a share of the diagonal of its box: enough to
# tell a shift from a change of the structure itself.
_SURROUNDINGS = 0.15

# Voxels, grey values of which decide; more do not make an alignment better.
_VOXELS = 400_000

# A map that scales by more, or that keeps less of what overlapped at its start, is not believed.
_LARGEST_SCALING = 2.0
_LEAST_OVERLAP = 0.5


@dataclass(frozen=True)
class InitialAlignment:
    """An alignment, and what came of it.

    matrix    4x4 from fixed to moving points, LPS mm
    kind      what it is in the end, which differs from what was asked for where that failed
    warnings  sentences for the user
    """

    matrix: np.ndarray
    kind: Alignment
    warnings: list[str] = field(default_factory=list)


def initial_alignment(
    fixed: Image,
    moving: Image,
    alignment: Alignment = "centres",
    fixed_mask: Image | None = None,
    moving_mask: Image | None = None,
    progress: Progress | None = None,
) -> InitialAlignment:
    """The map that puts a moving image roughly onto a fixed one.

    alignment    "none" trusts the positions; "centres" puts the centres of the boxes on each other; "mass" the centres of
                 mass (of the masks, where both are given); "rigid" turns and shifts, "affine" also scales and shears, so
                 that the grey values tell the most of each other (Mattes mutual information)
    fixed_mask   bool on the fixed image's grid, see `masks.mask_on_grid`; `moving_mask` on the moving image's

    Two slices are aligned in their plane: "centres" puts the axes i and j of one on those of the other, the rest keeps
    directions in the body where the planes are less than 45 degrees apart. A rigid or affine map is refused, with a
    warning and in favour of the centres, where it scales by more than a factor of two or loses the overlap.

    Raises `InputError` for images without overlap where positions are trusted, and, for a rigid or affine alignment, for
    images too small or all of one value in the mask; `Cancelled` through `progress`. The images have passed
    `image.check_intensities`.
    """
    if alignment not in get_args(Alignment):
        raise ValueError(f"The alignment is one of {get_args(Alignment)}, not {alignment!r}.")
    progress = progress or Progress()
    progress.report(0.0, "Aligning")
    if alignment == "none":
        check_overlap(fixed, moving)
        return InitialAlignment(np.eye(4), "none")
    boxes = matching_boxes(fixed, moving, fixed_mask, moving_mask)
    if alignment == "centres":
        return InitialAlignment(_centres(*boxes), "centres")
    axes = _axes(fixed.geometry, moving.geometry)
    sides = (
        _Side(fixed, fixed_mask, boxes[0], axes[0], "The fixed image"),
        _Side(moving, moving_mask, boxes[1], axes[1], "The moving image"),
    )
    if alignment == "mass":
        return InitialAlignment(_masses(*sides), "mass")
    try:
        return InitialAlignment(_search(*sides, alignment, progress), alignment)
    except _Unbelievable as reason:
        sentence = f"The {alignment} alignment was not used, because it {reason}; the centres were aligned instead."
        return InitialAlignment(_centres(*boxes), "centres", [sentence])


class _Unbelievable(Exception):
    """A search has ended where no alignment of two images can be; says why, without a subject."""


def matching_boxes(
    fixed: Image, moving: Image, fixed_mask: Image | None = None, moving_mask: Image | None = None
) -> tuple[Geometry, Geometry]:
    """The part of each image's grid that corresponds to the other's: around the mask, or the whole image.

    Both are whole images where `one_mask_for_both`.
    """
    whole = fixed.geometry, moving.geometry
    if one_mask_for_both(fixed, moving, fixed_mask, moving_mask):
        return whole
    return _masked_boxes(whole, (fixed_mask, moving_mask))


def one_mask_for_both(fixed: Image, moving: Image, fixed_mask: Image | None, moving_mask: Image | None) -> bool:
    """True where one image alone has a mask and the other shows as much as the first, rather than the structure alone.

    It is taken for what is nearer to it in size, the first image or the mask's box.
    """
    if (fixed_mask is None) == (moving_mask is None):
        return False
    whole = fixed.geometry, moving.geometry

    def difference(boxes: tuple[Geometry, Geometry]) -> float:
        volumes = [abs(np.linalg.det(box.step)) * np.prod(box.size) for box in boxes]
        return abs(np.log(volumes[0] / volumes[1]))

    return difference(whole) <= difference(_masked_boxes(whole, (fixed_mask, moving_mask)))


def _masked_boxes(
    whole: tuple[Geometry, Geometry], masks: tuple[Image | None, Image | None]
) -> tuple[Geometry, Geometry]:
    return tuple(grid if mask is None else mask_box(mask) for grid, mask in zip(whole, masks, strict=True))


def moved(grid: Geometry, matrix: np.ndarray) -> Geometry:
    """Where an affine map brings a grid; its axes are not at right angles where the map shears."""
    step = matrix[:3, :3] @ grid.step
    spacing = np.linalg.norm(step, axis=0)
    origin = matrix[:3, :3] @ grid.origin + matrix[:3, 3]
    return Geometry(grid.size, tuple(spacing), tuple(origin), step / spacing)


@dataclass(frozen=True)
class _Side:
    """One of the two images, and what of it is aligned.

    image  all of it
    mask   bool on the image's grid, or None
    box    the part of the image's grid that corresponds to the other side's
    axes   3x3; columns are the axes of the frame in which the alignment is sought
    name   subject of the sentences
    """

    image: Image
    mask: Image | None
    box: Geometry
    axes: np.ndarray
    name: str

    @property
    def frame(self) -> np.ndarray:
        """4x4 from points of the frame, whose origin is the centre of the box, to LPS."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self.axes, self.box.centre
        return matrix

    def search_image(self, dimension: int, margin: float) -> SearchImage:
        """What lies in the box and a margin in mm around it, in the frame; of the mask what lies as near.

        Raises `InputError` where that is too little to align, or all of one value.
        """
        region = voxels_around(self.image.geometry, self.box, margin)
        part = cropped(self.image.geometry, region)
        size = part.size[:dimension]
        if min(size) < 4:
            raise InputError(
                f"{self.name} has {' x '.join(map(str, size))} voxels to align, too few for a rigid or affine "
                "alignment: choose another."
            )
        image = self._in_frame(self.image.array[region], part, dimension)
        factors = shrink_factors(size, part.spacing[:dimension], _VOXELS)
        stretched = _stretched(sitk.BinShrink(image, factors), self.name)
        if self.mask is None:
            return SearchImage(stretched)
        mask = sitk.BinShrink(self._in_frame(self.mask.array[region], part, dimension), factors) > 0
        distance = sitk.SignedMaurerDistanceMap(mask, squaredDistance=False, useImageSpacing=True)
        return SearchImage(stretched, distance <= margin)

    def _in_frame(self, array: np.ndarray, grid: Geometry, dimension: int) -> sitk.Image:
        """An array on a part of the image's grid as a 2-D or 3-D image of single precision in the frame."""
        image = sitk.GetImageFromArray((array if dimension == 3 else array[0]).astype(np.float32, copy=False))
        image.SetSpacing(grid.spacing[:dimension])
        image.SetOrigin((self.axes.T @ (np.asarray(grid.origin) - self.box.centre))[:dimension].tolist())
        image.SetDirection((self.axes.T @ grid.direction)[:dimension, :dimension].ravel().tolist())
        return image


def _stretched(image: sitk.Image, name: str) -> sitk.Image:
    """Grey values from 0 to 1, so that a few extreme ones do not fill the histogram's bins alone."""
    values = sitk.GetArrayViewFromImage(image)
    low, high = np.percentile(values, (0.5, 99.5))
    if low == high:
        low, high = float(values.min()), float(values.max())
    if low == high:
        raise InputError(
            f"{name} has the value {low:g} everywhere around its structure: choose another mask or alignment."
        )
    return sitk.Clamp(sitk.ShiftScale(image, -float(low), 1 / float(high - low)), sitk.sitkFloat32, 0.0, 1.0)


def _search(fixed: _Side, moving: _Side, kind: Literal["rigid", "affine"], progress: Progress) -> np.ndarray:
    """The best rigid or affine map, 4x4 in LPS mm. Raises `_Unbelievable`."""
    starts = [moving.frame @ np.linalg.inv(fixed.frame), _masses(fixed, moving)]
    if fixed.image.geometry.overlaps(moving.image.geometry):
        starts.append(np.eye(4))
    if not one_mask_for_both(fixed.image, moving.image, fixed.mask, moving.mask):
        return _best(fixed, moving, starts, kind, progress)
    # Both images show more than the structure, and one alone says where that is: known for the other after a first step.
    rough = _best(replace(fixed, mask=None), replace(moving, mask=None), starts, kind, progress.part(0.0, 0.6))
    if fixed.mask is not None:
        box = mask_box(fixed.mask)
        boxes = box, moved(box, rough)
    else:
        box = mask_box(moving.mask)
        boxes = moved(box, np.linalg.inv(rough)), box
    near = (replace(side, box=box) for side, box in zip((fixed, moving), boxes, strict=True))
    try:
        return _best(*near, [rough], kind, progress.part(0.6, 1.0))
    except (InputError, _Unbelievable):  # as where the structure's place in the other image shows nothing
        return rough


def _best(
    fixed: _Side, moving: _Side, starts: Sequence[np.ndarray], kind: Literal["rigid", "affine"], progress: Progress
) -> np.ndarray:
    """The best map from some starts. Raises `_Unbelievable`, also in comparison with the first start."""
    dimension = 3 if max(fixed.image.geometry.size[2], moving.image.geometry.size[2]) > 1 else 2
    axes = np.r_[:dimension, 3]
    into, out_of = np.linalg.inv(moving.frame), np.linalg.inv(fixed.frame)
    local = [(into @ start @ fixed.frame)[np.ix_(axes, axes)] for start in starts]
    local = [
        start for start in local if np.linalg.det(start) > 0.1
    ]  # positions say nothing of slices across each other
    margin = 0.0
    if fixed.mask is not None or moving.mask is not None:
        margin = _SURROUNDINGS * max(np.linalg.norm(side.box.step @ side.box.size) for side in (fixed, moving))
    progress.report(0.0)
    target = fixed.search_image(dimension, margin)
    progress.report(0.0)
    # The moving side shows more around it, or whatever leaves it would count as lost.
    search = AffineSearch(target, moving.search_image(dimension, 2 * margin))
    found, reason = search.run(local, kind, progress)
    if reason:
        raise _Unbelievable(reason)
    scales = np.linalg.svd(found[:-1, :-1], compute_uv=False)
    scaling = max(scales.max(), 1 / max(scales.min(), 1e-6))
    if scaling > _LARGEST_SCALING:
        raise _Unbelievable(f"scales by a factor of {scaling:.3g}")
    if search.overlap(found) < _LEAST_OVERLAP * search.overlap(local[0]):
        raise _Unbelievable("moves the images apart")
    matrix = np.eye(4)
    matrix[np.ix_(axes, axes)] = found
    return moving.frame @ matrix @ out_of


def _centres(fixed: Geometry, moving: Geometry) -> np.ndarray:
    """Centre on centre; of slices also axis on axis, as a network of slices sees them."""
    matrix = np.eye(4)
    if fixed.size[2] == 1 and moving.size[2] == 1:
        matrix[:3, :3] = moving.direction @ np.linalg.inv(fixed.direction)
    matrix[:3, 3] = moving.centre - matrix[:3, :3] @ fixed.centre
    return matrix


def _masses(fixed: _Side, moving: _Side) -> np.ndarray:
    """Centre of mass on centre of mass: of both masks, or of the grey values."""
    both = fixed.mask is not None and moving.mask is not None
    start, end = (_centre_of_mass(side.mask if both else side.image, side.box, both) for side in (fixed, moving))
    matrix = np.eye(4)
    matrix[:3, :3] = moving.axes @ fixed.axes.T
    matrix[:3, 3] = end - matrix[:3, :3] @ start
    return matrix


def _centre_of_mass(image: Image, box: Geometry, mask: bool) -> np.ndarray:
    """Of the voxels of a mask, or of the grey values above the smallest, in a box of its grid; LPS mm."""
    weight = image.array[index_slices(image.geometry, box)]
    # Every so many voxels are enough for the centre of a picture; a mask may be thin, and is quick to add up.
    stride = 1 if mask else max(1, round(float((weight.size / _VOXELS) ** (1 / 3))))
    weight = weight[::stride, ::stride, ::stride]
    if not mask:
        weight = weight.astype(np.float64) - float(weight.min())
    total = float(weight.sum())
    if not total:
        return box.centre
    profiles = [weight.sum(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]
    index = [stride * float(profile @ np.arange(len(profile))) / total for profile in profiles]
    return box.index_to_physical(index[::-1])


def _axes(fixed: Geometry, moving: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Axes of the frames in which both images are aligned: those of the body, or of the slices' planes.

    The moving slice's are the fixed slice's, turned the shortest way into its plane; its own, where that is far.
    """
    if fixed.size[2] > 1 or moving.size[2] > 1:
        return np.eye(3), np.eye(3)
    mine, theirs = (_right_handed(grid.direction) for grid in (fixed, moving))
    normal, other = mine[:, 2], theirs[:, 2]
    if normal @ other < 0:  # the same plane, seen from its other side
        other = -other
    cosine = normal @ other
    if cosine < np.cos(np.radians(45)):
        return mine, theirs
    skew = np.cross(np.eye(3), np.cross(normal, other))  # of the axis, times the sine
    return mine, (np.eye(3) + skew + skew @ skew / (1 + cosine)) @ mine


def _right_handed(direction: np.ndarray) -> np.ndarray:
    """The axes i and j of a slice, made orthonormal, and their normal."""
    i = direction[:, 0] / np.linalg.norm(direction[:, 0])
    j = direction[:, 1] - (direction[:, 1] @ i) * i
    j /= np.linalg.norm(j)
    return np.stack([i, j, np.cross(i, j)], axis=1)
