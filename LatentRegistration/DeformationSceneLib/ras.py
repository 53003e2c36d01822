"""Matrices and voxel arrays on both sides of the bridge: NumPy in LPS, VTK in RAS."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from DeformationLib.image import Image

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Turns LPS points into RAS points and back: it is its own inverse."""


def matrix_from_vtk(matrix: vtk.vtkMatrix4x4) -> np.ndarray:
    """The 4x4 NumPy copy of a VTK matrix."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def vtk_from_matrix(matrix: np.ndarray) -> vtk.vtkMatrix4x4:
    """The VTK copy of a 4x4 array."""
    result = vtk.vtkMatrix4x4()
    result.DeepCopy(np.asarray(matrix, dtype=float).ravel().tolist())
    return result


def ijk_to_ras(image: Image) -> np.ndarray:
    """The 4x4 matrix from the voxel indices (i, j, k, 1) of an LPS image to RAS millimetres."""
    return RAS_FROM_LPS @ image.geometry.ijk_to_lps


def image_from_ijk_to_ras(array: np.ndarray, matrix: np.ndarray) -> Image:
    """An LPS image of `array` (k, j, i[, c]) whose voxel indices (i, j, k) `matrix` (4x4) takes to RAS millimetres.

    The columns of the matrix must be orthogonal (see `is_orthogonal`); they may be left-handed.
    """
    lps = RAS_FROM_LPS @ matrix
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    return Image(array, tuple(spacing), tuple(lps[:3, 3]), lps[:3, :3] / spacing)


def is_orthogonal(matrix: np.ndarray, tolerance: float = 1e-4) -> bool:
    """Whether the three axes of a 4x4 matrix are finite and at right angles (cosines within `tolerance`)."""
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    if not np.isfinite(matrix).all() or spacing.min() <= 0:
        return False
    axes = matrix[:3, :3] / spacing
    return bool(np.abs(axes.T @ axes - np.eye(3)).max() < tolerance and np.allclose(matrix[3], [0, 0, 0, 1]))


def nearest_orthogonal_axes(matrix: np.ndarray) -> np.ndarray:
    """The orthonormal 3x3 axes (columns) closest to those of a 4x4 matrix, handedness kept (polar decomposition)."""
    axes = matrix[:3, :3] / np.maximum(np.linalg.norm(matrix[:3, :3], axis=0), 1e-12)
    left, _, right = np.linalg.svd(axes)
    return left @ right


def array_from_vtk(image_data: vtk.vtkImageData) -> np.ndarray:
    """A copy of the scalars of a `vtkImageData`: (k, j, i), or (k, j, i, c) where there are several components."""
    scalars = image_data.GetPointData().GetScalars()
    shape = tuple(reversed(image_data.GetDimensions()))
    components = scalars.GetNumberOfComponents()
    array = vtk_to_numpy(scalars).reshape(shape if components == 1 else (*shape, components))
    return array.copy()


def vtk_from_array(array: np.ndarray, image_data: vtk.vtkImageData | None = None) -> vtk.vtkImageData:
    """A `vtkImageData` (or the given one) with a copy of `array`, (k, j, i) or (k, j, i, c); geometry untouched.

    Types that VTK or Slicer's writers do not know are widened or narrowed without loss where it is possible:
    bool to uint8, float16 to float32, 64-bit integers to 32 (or 16) bits when the values fit, else to float64.
    """
    array = storable(array)
    components = array.shape[3] if array.ndim == 4 else 1
    flat = np.ascontiguousarray(array).reshape(-1, components)
    scalars = numpy_to_vtk(flat if components > 1 else flat.ravel(), deep=True)
    scalars.SetName("ImageScalars")
    image_data = vtk.vtkImageData() if image_data is None else image_data
    image_data.SetDimensions(array.shape[2], array.shape[1], array.shape[0])
    image_data.GetPointData().SetScalars(scalars)
    return image_data


def storable(array: np.ndarray) -> np.ndarray:
    """`array` in a type that VTK and Slicer's file writers hold; the same array where nothing has to change."""
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype in (np.int64, np.uint64):
        low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
        for dtype in (np.int16, np.int32):
            if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                return array.astype(dtype)
        return array.astype(np.float64)
    # numpy_to_vtk needs the machine's byte order.
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def oriented_image_data(image: Image) -> slicer.vtkOrientedImageData:
    """The `vtkOrientedImageData` (RAS) of an LPS image, voxels copied."""
    result = slicer.vtkOrientedImageData()
    vtk_from_array(image.array, result)
    result.SetGeometryFromImageToWorldMatrix(vtk_from_matrix(ijk_to_ras(image)))
    return result
