"""Images with their place in physical space, brought to other grids, and refused with a sentence when unusable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Literal

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from .errors import InputError
from .geometry import Geometry
from .progress import Progress
from .sampling import Interpolation, inside_grid, sample_on_grid


@dataclass(eq=False)
class Image:
    """An array with its place in physical space, in SimpleITK's convention (LPS, mm).

    array      (k, j, i), or (k, j, i, components) for displacements; (j, i) becomes one slice
    spacing    mm along i, j, k
    origin     centre of voxel (0, 0, 0), LPS mm
    direction  3x3; its columns are the directions of the axes i, j, k in LPS

    Raises `InputError` for an array of another dimension or without voxels, and for a spacing that is not positive.
    """

    array: np.ndarray
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: np.ndarray = field(default_factory=lambda: np.eye(3))

    def __post_init__(self):
        self.array = np.asarray(self.array)
        if self.array.ndim == 2:
            self.array = self.array[np.newaxis]
        if self.array.ndim == 4 and self.array.shape[3] == 1:
            self.array = self.array[..., 0]
        if self.array.ndim not in (3, 4):
            raise InputError(f"An image needs 2 or 3 dimensions, not {self.array.ndim}: choose one volume or slice.")
        self._geometry = Geometry(self.array.shape[2::-1], self.spacing, self.origin, self.direction)
        self.spacing, self.origin = self._geometry.spacing, self._geometry.origin
        self.direction = self._geometry.direction.copy()

    @property
    def geometry(self) -> Geometry:
        """The grid that the array lies on."""
        known = self._geometry
        same = (known.size, known.spacing, known.origin) == (self.array.shape[2::-1], self.spacing, self.origin)
        if not same or not np.array_equal(known.direction, self.direction):
            self._geometry = Geometry(self.array.shape[2::-1], self.spacing, self.origin, self.direction)
        return self._geometry

    @property
    def spacing_kji(self) -> tuple[float, float, float]:
        """Spacing in mm in the order of the array's axes (k, j, i)."""
        return self.spacing[::-1]

    @property
    def components(self) -> int:
        """Values per voxel: 1 for an image or a label map, 3 for a displacement."""
        return self.array.shape[3] if self.array.ndim == 4 else 1

    def __repr__(self) -> str:
        components = f" x {self.components} components" if self.components > 1 else ""
        return f"Image({_describe(self)}, {self.array.dtype}{components})"

    @classmethod
    def on_grid(cls, array: np.ndarray, geometry: Geometry) -> Image:
        """An image of an `array` (k, j, i[, components]) that lies on the grid `geometry`."""
        if tuple(np.shape(array)[:3]) != geometry.shape_kji:
            raise ValueError(f"An array of shape {np.shape(array)} does not fit a grid of shape {geometry.shape_kji}.")
        return cls(array, geometry.spacing, geometry.origin, geometry.direction)

    def with_array(self, array: np.ndarray) -> Image:
        """Another array (k, j, i[, components]) on the same grid."""
        return Image.on_grid(array, self.geometry)

    def same_grid(self, other: Image, tolerance: float = 1e-3) -> bool:
        """True when no voxel of one image lies more than `tolerance` voxels from the same voxel of the other."""
        return self.geometry.same_grid(other.geometry, tolerance)

    @classmethod
    def from_sitk(cls, image: sitk.Image) -> Image:
        """An image from a SimpleITK image of 2 (one slice) or 3 dimensions, or 4 of which the last has one volume.

        Pixels keep their type and their components. Raises `InputError` for more volumes than one, and for none.
        """
        dimension = image.GetDimension()
        if dimension > 3:
            volumes = int(np.prod(image.GetSize()[3:]))
            if volumes != 1:
                raise InputError(
                    f"The image has {dimension} dimensions ({volumes} volumes): choose one volume, or save one frame."
                )
            image = image[(slice(None),) * 3 + (0,) * (dimension - 3)]
        array = sitk.GetArrayFromImage(image)
        if dimension > 2:
            return cls(array, image.GetSpacing(), image.GetOrigin(), image.GetDirection())
        direction = np.eye(3)
        direction[:2, :2] = np.reshape(image.GetDirection(), (2, 2))
        return cls(array[np.newaxis], (*image.GetSpacing(), 1.0), (*image.GetOrigin(), 0.0), direction)

    def to_sitk(self) -> sitk.Image:
        """This image as a 3-D SimpleITK image; types unknown to ITK become the next that it knows."""
        known = {np.dtype(bool): np.uint8, np.dtype(np.float16): np.float32}
        array = self.array.astype(known.get(self.array.dtype, self.array.dtype), copy=False)
        image = sitk.GetImageFromArray(array, isVector=self.array.ndim == 4)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction.ravel().tolist())
        return image


def resample(
    image: Image,
    geometry: Geometry,
    interpolation: Interpolation = "linear",
    padding: float | Literal["edge"] = "edge",
    antialias: bool = False,
    progress: Progress | None = None,
) -> Image:
    """The same physical picture on another grid.

    interpolation  "linear" (gives float32), "nearest", or "label" for label maps: the label whose indicator, linearly
                   interpolated, is the largest (see `sampling.vote`)
    padding        what points outside the image get: the value at its "edge", or a number
    antialias      smooth first, along the axes that the new grid samples more coarsely, so that detail that it cannot
                   hold does not come back as noise; only for "linear"

    Raises `InputError` for "label" with values that are no whole numbers, and `Cancelled` through `progress`.
    """
    array = as_labels(image).array if interpolation == "label" else image.array
    source, progress = image.geometry, progress or Progress()
    if antialias and interpolation == "linear":
        array, source = _smooth(array, source, geometry, progress.part(0.0, 0.5))
        progress = progress.part(0.5, 1.0)
    sampled = sample_on_grid(array, source, geometry, None, interpolation, padding, progress)
    return Image.on_grid(sampled, geometry)


# Of smoothing: about 0.1 s between two reports.
_VOXELS_PER_REPORT = 2**22


def _smooth(array: np.ndarray, source: Geometry, target: Geometry, progress: Progress) -> tuple[np.ndarray, Geometry]:
    """Give an array, along each axis, the point spread of the coarser target grid; and the grid of what is returned.

    A voxel is taken for a Gaussian whose full width at half maximum is its size; the widths squared subtract. Of a source
    that is much larger than the target, only what lies around the target is returned.
    """
    steps = np.abs(target.index_map(source)[:3, :3]).max(axis=1)[::-1]
    sigma = np.sqrt(np.maximum(steps**2 - 1, 0)) / (2 * np.sqrt(2 * np.log(2)))
    if sigma.max() < 0.1:
        return array, source
    # What a Gaussian of four sigma and the interpolation reach beyond the target's outermost voxel centres.
    corners = np.array(list(product(*[(0, n - 1) for n in target.size])))
    index = source.physical_to_index(target.index_to_physical(corners))[:, ::-1]
    reach = np.ceil(4 * sigma) + 2
    end = np.asarray(array.shape[:3]) - 1
    index = np.clip(index, 0, end)  # beyond an edge, the values at the edge are wanted
    first = np.clip(np.floor(index.min(axis=0) - reach), 0, end).astype(int)
    last = np.clip(np.ceil(index.max(axis=0) + reach), 0, end).astype(int)
    array = array[tuple(slice(low, high + 1) for low, high in zip(first, last, strict=True))].astype(np.float32)
    origin = source.index_to_physical(first[::-1])
    part = Geometry(array.shape[2::-1], source.spacing, tuple(origin), source.direction)
    for axis in np.flatnonzero(sigma >= 0.1):
        across = 0 if axis else 1
        slices = max(1, _VOXELS_PER_REPORT * array.shape[across] // array.size)
        for start in range(0, array.shape[across], slices):
            slab = (slice(None),) * across + (slice(start, start + slices),)
            array[slab] = ndimage.gaussian_filter1d(array[slab], sigma[axis], axis, mode="nearest")
            progress.report((axis + (start + 1) / array.shape[across]) / 3)
    return array, part


def inside_mask(image_geometry: Geometry, geometry: Geometry) -> np.ndarray:
    """True, (k, j, i), where a voxel of `geometry` has its centre in one of the voxels of `image_geometry`."""
    return inside_grid(image_geometry, geometry)


def as_labels(image: Image, name: str = "The label map") -> Image:
    """The same image with integer values, int16 where they fit, else int32; values are rounded by up to 0.001.

    Raises `InputError`, with `name` as the subject of its sentence, for values that are no integers, NaN, more than one
    component, or values beyond 32 bits.
    """
    check_scalar(image, name)
    array = image.array
    if not np.issubdtype(array.dtype, np.integer):
        rounded = np.rint(array)
        with np.errstate(invalid="ignore"):
            # Not "> 1e-3", which lets NaN through.
            noisy = ~(np.abs(array - rounded) <= 1e-3)
        if noisy.any():
            raise InputError(
                f"{name} has the value {array[noisy].flat[0]:g}, but labels are whole numbers: choose a label map, "
                "not an image."
            )
        array = rounded
    low, high = array.min(), array.max()
    for dtype in (np.int16, np.int32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return replace(image, array=array.astype(dtype))
    raise InputError(f"{name} has the label {high:g}, beyond 32 bits: number its labels anew.")


def check_scalar(image: Image, name: str = "The image") -> None:
    """Raise `InputError` unless each voxel has one real value. `name` is the subject of the sentence."""
    if image.components != 1:
        raise InputError(
            f"{name} has {image.components} components per voxel (colour or vectors): convert it to one grey value."
        )
    if np.iscomplexobj(image.array):
        raise InputError(f"{name} has complex voxels: choose its magnitude image.")


def check_intensities(image: Image, name: str = "The image") -> None:
    """Raise `InputError` for voxels that are vectors, NaN or infinite, or all of one value.

    `name` is the subject of the sentence: "The fixed image", a path.
    """
    check_scalar(image, name)
    if np.issubdtype(image.array.dtype, np.inexact):
        bad = int(np.count_nonzero(~np.isfinite(image.array)))
        if bad:
            raise InputError(
                f"{name} has {bad} voxels that are NaN or infinite: replace them, for example by the background value."
            )
    if image.array.min() == image.array.max():
        raise InputError(
            f"{name} has the value {image.array.flat[0]:g} everywhere, which shows nothing to register: choose another."
        )


def check_dimensions(image: Image, dimensions: int = 3, name: str = "The image") -> None:
    """Raise `InputError` unless an image suits a model of 2 (one slice) or 3 dimensions."""
    size = image.geometry.size
    if dimensions == 3 and min(size) == 1:
        raise InputError(f"{name} has one slice, but the model is three-dimensional: choose a volume or a 2-D model.")
    if dimensions == 2 and size[2] != 1:
        raise InputError(f"{name} has {size[2]} slices, but the model is two-dimensional: choose one slice.")


def check_same_grid(
    labels: Image, image: Image, labels_name: str = "The label map", image_name: str = "the image"
) -> None:
    """Raise `InputError` unless every voxel of `labels` lies on one of `image` (to a thousandth of a voxel)."""
    if not labels.same_grid(image):
        raise InputError(
            f"{labels_name} is on another grid ({_describe(labels)}) than {image_name} ({_describe(image)}): "
            "resample it to the image, or choose the labels that belong to it."
        )


def check_overlap(
    fixed: Image, moving: Image, fixed_name: str = "The fixed image", moving_name: str = "the moving image"
) -> None:
    """Raise `InputError` where the boxes of two images share no volume in physical space."""
    if not fixed.geometry.overlaps(moving.geometry):
        apart = np.linalg.norm(fixed.geometry.centre - moving.geometry.centre)
        raise InputError(
            f"{fixed_name} and {moving_name} do not overlap (their centres are {apart:.0f} mm apart): align them "
            "first, for example by their centres."
        )


def _describe(image: Image) -> str:
    def by(values: Sequence[float]) -> str:
        return " x ".join(f"{value:.4g}" for value in values)

    origin = ", ".join(f"{x:.4g}" for x in image.origin)
    return f"{by(image.geometry.size)} voxels of {by(image.spacing)} mm at ({origin})"
