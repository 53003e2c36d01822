"""Image files in every format that SimpleITK reads and writes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import InputError
from .files import atomic_path
from .image import Image, as_labels, check_intensities, check_same_grid, check_scalar


def read_image(path: str | os.PathLike) -> Image:
    """Read intensities from a file: a volume, or a 2-D picture as one slice; any scalar type becomes float32.

    Raises `InputError` for a missing file, one that is no image, several volumes, vector or complex pixels, NaN or
    infinite voxels, and an image of one value.
    """
    image = _read(path)
    # Checked before the cast as well as after: complex numbers would lose their phase, large ones become infinite.
    check_intensities(image, str(path))
    with np.errstate(over="ignore"):
        image = replace(image, array=image.array.astype(np.float32))
    check_intensities(image, str(path))
    return image


def read_labels(path: str | os.PathLike) -> Image:
    """Read a label map from a file: int16 where the labels fit, else int32; whole numbers stored as floats are rounded.

    Raises `InputError` for a missing file, one that is no image, several volumes, vector pixels, and values that are no
    whole numbers.
    """
    return as_labels(_read(path), str(path))


def read_labels_of(path: str | os.PathLike, image: Image, image_path: str | os.PathLike) -> Image:
    """Read the label map of an image that was read from ``image_path``; raises `InputError` for one on another grid."""
    labels = read_labels(path)
    check_same_grid(labels, image, str(path), str(image_path))
    return labels


def read_mask(path: str | os.PathLike) -> Image:
    """Read a mask from a file, as it is: every value but 0 counts (see `masks.mask_on_grid`).

    Raises `InputError` for a missing file, one that is no image, several volumes, and vector pixels.
    """
    mask = _read(path)
    check_scalar(mask, str(path))
    return mask


def write_image(image: Image, path: str | os.PathLike) -> Path:
    """Write an image, label map or displacement, compressed, completely or not at all, and return the path.

    The suffix chooses the format. Raises `InputError` where the folder, the format or the disk refuses.
    """
    path = Path(path)
    with atomic_path(path) as temporary:
        try:
            sitk.WriteImage(image.to_sitk(), os.fspath(temporary), useCompression=True)
        except RuntimeError as error:
            raise InputError(
                f"{path} cannot be written ({_reason(error, temporary).replace(temporary.name, path.name)}): "
                "choose another folder, or a format such as .nii.gz."
            ) from error
    return path


def _read(path: str | os.PathLike) -> Image:
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist: check the name of the file.")
    if path.is_dir():
        raise InputError(f"{path} is a folder: choose one image file in it.")
    try:
        image = sitk.ReadImage(os.fspath(path))
    except RuntimeError as error:
        raise InputError(
            f"{path} cannot be read as an image ({_reason(error, path)}): choose a .nii.gz, .nrrd, .mha or .png file."
        ) from error
    try:
        return Image.from_sitk(image)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _reason(error: RuntimeError, path: Path) -> str:
    """What ITK says in the last line of an exception, after its source files and addresses, of the file at `path`."""
    last_line = str(error).strip().splitlines()[-1]
    return last_line.rpartition("ERROR: ")[2].replace(os.fspath(path), path.name).strip().rstrip(".")
