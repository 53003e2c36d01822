"""The result of any registration, and what can be done with it: warp, measure, write, report."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk

from . import metrics
from .files import make_folder, write_json
from .image import Image, as_labels, check_same_grid, resample
from .image_io import write_image
from .masks import cropped
from .progress import Progress
from .sampling import grid_coordinates, inside, interpolate, sample_on_grid

# Of the Jacobian's derivatives, computed in slabs that fit the processor's cache.
_VOXELS_PER_SLAB = 2**17


class _ComputedWhenAsked:
    """A field of a dataclass whose value may be given as a function, called when it is first read.

    The function takes the object and a `Progress`.  A default makes the field optional.
    """

    def __init__(self, *default):
        self._default = default

    def __set_name__(self, owner, name):
        self._name = f"_{name}"

    def __get__(self, instance, owner=None):
        if instance is None:
            if self._default:
                return self._default[0]
            raise AttributeError(self._name)  # so that dataclasses see no default
        value = vars(instance)[self._name]
        if callable(value):
            value = vars(instance)[self._name] = value(instance, Progress())
        return value

    def __set__(self, instance, value):
        vars(instance)[self._name] = value


@dataclass(eq=False)
class RegistrationResult:
    """Two images, the deformation between them, and what finding it took.

    fixed, moving         the images as they were given, each on its own grid
    displacement          (k, j, i, 3) on the fixed grid, components x, y, z, LPS mm, from fixed to moving: the point p
                          of the fixed image shows what lies at p + displacement(p) in the moving image
    inverse_displacement  the same on the moving grid, from moving to fixed; given as an image, or as a function of the
                          result and a progress that computes it when it is first asked for
    velocity              stationary velocity field, in the same units, of models that have one; or a function as above
    model                 name of what registered them
    seconds               what each step took
    warnings              sentences for the user: inputs unlike the training data, and so on
    similarity_before     the model's similarity of the images before and after the deformation, greater for more alike;
    similarity_after      both after the initial alignment
    similarity_name       what that is
    alignment             what was done first, see `alignment.initial_alignment`
    alignment_matrix      4x4 from fixed to moving points, LPS mm; a part of the displacement
    deformed              slices (k, j, i) of the fixed grid outside which the displacement is no more than that; all of
                          the grid where None

    >>> result = model.register(fixed, moving)
    >>> aligned = result.warp(moving)
    >>> result.write("output", moving_labels=moving_labels, fixed_labels=fixed_labels)
    """

    fixed: Image
    moving: Image
    displacement: Image
    inverse_displacement: Image = _ComputedWhenAsked()
    velocity: Image | None = _ComputedWhenAsked(None)
    model: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    similarity_before: float | None = None
    similarity_after: float | None = None
    similarity_name: str = "similarity"
    alignment: str = ""
    alignment_matrix: np.ndarray | None = None
    deformed: tuple[slice, slice, slice] | None = None

    def __post_init__(self):
        _check_displacement(self.displacement, self.fixed, "fixed")
        if not callable(vars(self)["_inverse_displacement"]):
            _check_displacement(self.inverse_displacement, self.moving, "moving")

    def __str__(self) -> str:
        length = np.linalg.norm(self.displacement.array, axis=-1)
        inverse_consistency = self.inverse_consistency()
        lines = [
            f"Registration with {self.model or 'an unnamed model'} in {sum(self.seconds.values()):.2f} s",
            f"  displacement        {length.mean():.2f} mm on average, {length.max():.2f} mm at most",
            f"  folded voxels       {self.folding_percent():.3f} %",
            f"  inverse consistency {inverse_consistency:.3f} mm",
        ]
        if self.similarity_before is not None and self.similarity_after is not None:
            lines.append(
                f"  similarity          {self.similarity_before:.4f} before, {self.similarity_after:.4f} after"
            )
        if self.alignment:
            lines.append(f"  initial alignment   {self.alignment}")
        return "\n".join(lines + [f"  warning: {warning}" for warning in self.warnings])

    def one_line(self) -> str:
        """Seconds, similarity and folding in one line, as under a progress bar.

        >>> result.one_line()
        '0.21 s · local correlation 0.31 → 0.58 · 0.00 % folded'
        """
        parts = [f"{sum(self.seconds.values()):.2f} s"]
        before, after = (
            "–" if value is None or np.isnan(value) else f"{value:.2f}"
            for value in (self.similarity_before, self.similarity_after)
        )
        if after != "–":
            parts.append(f"{self.similarity_name} {before} → {after}")
        return " · ".join([*parts, f"{self.folding_percent():.2f} % folded"])

    def warp(
        self,
        image: Image,
        labels: bool = False,
        padding: float | Literal["edge"] = "edge",
        progress: Progress | None = None,
    ) -> Image:
        """Bring an image that lies with the moving image, on any grid, onto the fixed grid.

        labels   True for label maps, see `warp_labels`; else linear interpolation, float32
        padding  what points outside the image get: the value at its "edge" or a number; labels always get 0
        """
        if labels:
            return warp_labels(image, self.displacement, progress)
        return warp_image(image, self.displacement, padding, progress)

    def inverse_warp(
        self,
        image: Image,
        labels: bool = False,
        padding: float | Literal["edge"] = "edge",
        progress: Progress | None = None,
    ) -> Image:
        """Bring an image that lies with the fixed image, on any grid, onto the moving grid; options as in `warp`."""
        if labels:
            return warp_labels(image, self.inverse_displacement, progress)
        return warp_image(image, self.inverse_displacement, padding, progress)

    def invert(self, progress: Progress | None = None) -> Image:
        """`inverse_displacement`, where it takes time with a progress that reports and cancels."""
        given = vars(self)["_inverse_displacement"]
        if callable(given):
            self.inverse_displacement = given(self, progress or Progress())
        return self.inverse_displacement

    def jacobian(self, progress: Progress | None = None) -> Image:
        """Jacobian determinant of the deformation on the fixed grid: 1 keeps volume, below 0 folds."""
        return jacobian_determinant(self.displacement, progress)

    def folding_percent(self, progress: Progress | None = None) -> float:
        """Share of the fixed image's voxels where the Jacobian determinant is 0 or less; computed once."""
        if "_folding_percent" not in vars(self):
            shape = self.displacement.geometry.shape_kji
            region = self.deformed or tuple(slice(0, n) for n in shape)
            # A voxel more on each side, for the differences.
            wider = tuple(slice(max(a.start - 1, 0), min(a.stop + 1, n)) for a, n in zip(region, shape, strict=True))
            grid = cropped(self.displacement.geometry, wider) if all(a.stop > a.start for a in region) else None
            folded = 0
            if grid is not None:
                part = Image.on_grid(self.displacement.array[wider], grid)
                folded = int(np.count_nonzero(jacobian_determinant(part, progress).array <= 0))
            self._folding_percent = 100 * folded / self.displacement.array[..., 0].size
        return self._folding_percent

    def inverse_consistency(self) -> float:
        """Mean distance in mm from a fixed point to where the deformation and then its inverse bring it.

        Over the fixed voxels that land inside the moving grid; nan when none does.
        """
        forward = self.displacement
        moving = self.inverse_displacement.geometry
        coordinates = grid_coordinates(moving, forward.geometry, displacement=forward.array)
        landed = inside(moving.shape_kji, coordinates)
        if not landed.any():
            return float("nan")
        backward = interpolate(self.inverse_displacement.array, coordinates[:, landed])
        return float(np.linalg.norm(forward.array[landed] + backward, axis=-1).mean())

    def report(self, fixed_labels: Image | None = None, moving_labels: Image | None = None) -> dict[str, Any]:
        """Everything measurable about the registration, as nested dictionaries that JSON can hold.

        With label maps of both images, on their grids, also Dice and the 95 % Hausdorff distance of each label before
        and after; before means without any deformation, in physical space. Raises `InputError` for labels on other
        grids.
        """
        warped = None if moving_labels is None else self._warp_moving_labels(moving_labels)
        return self._report(self.jacobian(), fixed_labels, moving_labels, warped)

    def write(
        self,
        folder: str | os.PathLike,
        fixed_labels: Image | None = None,
        moving_labels: Image | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Path]:
        """Write the result into a folder, made when missing, and return the path of each file by its name.

        warped.nii.gz                the moving image on the fixed grid
        displacement.nii.gz          LPS mm on the fixed grid, as `SimpleITK.DisplacementFieldTransform` takes it
        inverse_displacement.nii.gz  the same on the moving grid
        jacobian.nii.gz              Jacobian determinant on the fixed grid
        warped_labels.nii.gz         with `moving_labels`: the moving labels on the fixed grid
        report.json                  see `report`

        Each file is complete or absent. Raises `InputError` for an unwritable folder and for labels on other grids.
        """
        folder = make_folder(folder)
        progress = progress or Progress()
        progress.report(0.0, "Warping")
        images = {
            "warped": self.warp(self.moving, progress=progress.part(0.0, 0.1)),
            "displacement": self.displacement,
            "inverse_displacement": self.invert(progress.part(0.1, 0.2)),
            "jacobian": self.jacobian(progress.part(0.2, 0.3)),
        }
        if moving_labels is not None:
            images["warped_labels"] = self._warp_moving_labels(moving_labels, progress.part(0.3, 0.4))
        report = self._report(images["jacobian"], fixed_labels, moving_labels, images.get("warped_labels"))
        paths = {}
        for number, (name, image) in enumerate(images.items()):
            progress.report(0.4 + 0.6 * number / len(images), f"Writing {name}.nii.gz")
            paths[name] = write_image(image, folder / f"{name}.nii.gz")
        paths["report"] = write_json(report, folder / "report.json")
        progress.report(1.0)
        return paths

    def _warp_moving_labels(self, moving_labels: Image, progress: Progress | None = None) -> Image:
        check_same_grid(moving_labels, self.moving, "The moving label map", "the moving image")
        return warp_labels(moving_labels, self.displacement, progress)

    def _report(
        self, jacobian: Image, fixed_labels: Image | None, moving_labels: Image | None, warped_labels: Image | None
    ) -> dict[str, Any]:
        length = np.linalg.norm(self.displacement.array, axis=-1)
        # First, since computing the inverse may take time and give warnings.
        inverse_consistency = self.inverse_consistency()
        report = {
            "model": self.model,
            "alignment": self.alignment,
            "alignment_matrix": None if self.alignment_matrix is None else self.alignment_matrix.tolist(),
            "seconds": dict(self.seconds),
            "warnings": list(self.warnings),
            "similarity": {
                "measure": self.similarity_name,
                "before": self.similarity_before,
                "after": self.similarity_after,
            },
            "displacement_mm": {
                "mean": float(length.mean()),
                "percentile_95": float(np.percentile(length, 95)),
                "maximum": float(length.max()),
            },
            "jacobian_determinant": {
                "minimum": float(jacobian.array.min()),
                "maximum": float(jacobian.array.max()),
                "folding_percent": metrics.folding_percent(jacobian.array),
                "sd_log": metrics.sd_log_jacobian(jacobian.array),
                "mean_gradient_per_mm": metrics.mean_gradient_of_jacobian(jacobian.array, jacobian.spacing_kji),
            },
            "inverse_consistency_mm": inverse_consistency,
        }
        if fixed_labels is not None:
            check_same_grid(fixed_labels, self.fixed, "The fixed label map", "the fixed image")
            if warped_labels is not None:
                report["labels"] = _compare_labels(fixed_labels, moving_labels, warped_labels)
                for when in ("before", "after"):
                    dice = [entry[f"dice_{when}"] for entry in report["labels"].values()]
                    report[f"mean_dice_{when}"] = float(np.mean(dice)) if dice else None
        return report


def warp_image(
    image: Image,
    displacement: Image,
    padding: float | Literal["edge"] = "edge",
    progress: Progress | None = None,
) -> Image:
    """The image seen through a displacement: at each point p of its grid, the image at p + displacement(p).

    displacement  (k, j, i, 3), components x, y, z, LPS mm; the result is on its grid, float32
    padding       what points outside the image get: the value at its "edge", or a number
    """
    grid = displacement.geometry
    sampled = sample_on_grid(image.array, image.geometry, grid, displacement.array, "linear", padding, progress)
    return Image.on_grid(sampled, grid)


def warp_labels(labels: Image, displacement: Image, progress: Progress | None = None) -> Image:
    """A label map seen through a displacement; 0 outside the label map.

    Each point takes the label whose indicator, linearly interpolated, is the largest (see `sampling.vote`). Raises
    `InputError` for values that are no whole numbers.
    """
    labels = as_labels(labels)
    grid = displacement.geometry
    sampled = sample_on_grid(labels.array, labels.geometry, grid, displacement.array, "label", 0, progress)
    return Image.on_grid(sampled, grid)


def jacobian_determinant(displacement: Image, progress: Progress | None = None) -> Image:
    """Determinant of d phi / d p for phi(p) = p + displacement(p), by physical position p, on the same grid.

    displacement  (k, j, i, 3), components x, y, z, LPS mm; the grid may be oblique, anisotropic or left-handed
    returns       (k, j, i), without unit; 1 for the identity and for translations

    Central differences, one-sided at the border; exact for affine maps. Of a single slice it is the change of area, in
    the plane into which most of the slice is carried and as seen from the side that most of it shows. Raises `Cancelled`
    through `progress`.
    """
    grid = displacement.geometry
    determinant = np.empty(grid.shape_kji, dtype=np.float32)
    # Slab by slab, with a slice more on each side for the central differences: nine derivatives of a large volume at
    # once would take gigabytes.
    slices = max(1, _VOXELS_PER_SLAB // (grid.size[0] * grid.size[1]))
    for start in range(0, grid.size[2], slices):
        first = max(start - 1, 0)
        slab = np.moveaxis(displacement.array[first : start + slices + 1], -1, 0)
        done = _determinant(np.ascontiguousarray(slab), grid.step)[start - first :][:slices]
        determinant[start : start + slices] = done
        if progress is not None:
            progress.report(min(1.0, (start + slices) / grid.size[2]))
    return displacement.with_array(determinant)


def _determinant(displacement: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Jacobian determinant of p + displacement(p), (3, k, j, i) in LPS mm, on a grid whose columns of steps are `step`.

    With q the voxel index, d phi / d p = (d p / d q + d u / d q) (d p / d q)^-1, and d p / d q is the constant `step`.
    """
    columns = []
    for axis in range(3):
        column = np.broadcast_to(step[:, axis].reshape(3, 1, 1, 1), displacement.shape)
        if displacement.shape[3 - axis] > 1:
            column = column + np.gradient(displacement, axis=3 - axis)
        columns.append(column)
    a, b, c = columns
    if displacement.shape[1] == 1 and min(displacement.shape[2:]) > 1:
        area = np.cross(a, b, axis=0)
        normal = area.mean(axis=(1, 2, 3))
        length = np.linalg.norm(normal) * np.linalg.norm(np.cross(step[:, 0], step[:, 1]))
        return np.tensordot(normal / max(length, 1e-12), area, 1)
    determinant = a[0] * (b[1] * c[2] - b[2] * c[1])
    determinant += a[1] * (b[2] * c[0] - b[0] * c[2])
    determinant += a[2] * (b[0] * c[1] - b[1] * c[0])
    return determinant / np.linalg.det(step)


def displacement_to_sitk(displacement: Image) -> sitk.Image:
    """A displacement as the image of double vectors that `SimpleITK.DisplacementFieldTransform` takes.

    SimpleITK moves the pixels of the image that it is given into the transform: hand it a fresh one each time.
    """
    return sitk.Cast(displacement.to_sitk(), sitk.sitkVectorFloat64)


def _compare_labels(fixed_labels: Image, moving_labels: Image, warped_labels: Image) -> dict[int, dict[str, float]]:
    """Overlap and distance of each label of the fixed image, with the moving labels before and after."""
    fixed = as_labels(fixed_labels, "The fixed label map")
    moving = as_labels(moving_labels, "The moving label map")
    before = resample(moving, fixed.geometry, "label", padding=0)
    table: dict[int, dict[str, float]] = {}
    for when, labels in (("before", before), ("after", warped_labels)):
        # A label that one image lacks has Dice 0 and no distance: the user should see that it was not found.
        wanted = sorted((set(np.unique(fixed.array)) | set(np.unique(moving.array))) - {0})
        for label, dice in metrics.dice(labels.array, fixed.array, wanted).items():
            entry = table.setdefault(label, {})
            entry[f"dice_{when}"] = dice
            entry[f"hausdorff95_{when}_mm"] = metrics.hausdorff95(labels.array, fixed.array, fixed.spacing_kji, label)
    return table


def _check_displacement(displacement: Image, image: Image, name: str) -> None:
    """A wrong displacement is a mistake of a programmer, not of the user: no `InputError`."""
    if displacement.components != 3 or not displacement.same_grid(image):
        raise ValueError(f"The displacement on the {name} grid needs 3 components and the grid of the {name} image.")
