"""Volume nodes to images of the backend (LPS, where they lie in the world) and back."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from DeformationLib.errors import InputError
from DeformationLib.image import Image, as_labels, check_scalar

from .colours import DIVERGING, colour_table
from .ras import (
    array_from_vtk,
    ijk_to_ras,
    image_from_ijk_to_ras,
    is_orthogonal,
    matrix_from_vtk,
    nearest_orthogonal_axes,
    vtk_from_array,
    vtk_from_matrix,
)

MAXIMUM_RESAMPLED_VOXELS = 2**28
"""A transform that blows a volume up past this many voxels is refused: it is a mistake, and would fill the memory."""


def image_from_volume(
    volume_node: slicer.vtkMRMLScalarVolumeNode, parent_node: slicer.vtkMRMLTransformNode | None = None
) -> Image:
    """The image of a scalar or label volume node, (k, j, i), in LPS millimetres, where the node lies in the world.

    Parent transforms are respected and the node is not touched: a linear transform that keeps the voxel axes at right
    angles (rotation, translation, mirror, scaling along them) only changes the geometry of the image; for any other
    (shear, grid, B-spline, composite) the volume is resampled, linearly (labels: nearest neighbour), onto a grid with
    the node's spacing that covers what the transform makes of it; samples from outside the volume get its minimum
    (labels: 0). `parent_node`: the transform above a node that has none of its own, as items of sequences. Raises InputError
    for a missing or empty volume and for one with several components.
    """
    image_data = _checked_image_data(volume_node)
    matrix = vtk.vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    ijk_to_local = matrix_from_vtk(matrix)
    ijk_to_local[:3, 3] += ijk_to_local[:3, :3] @ np.array(image_data.GetExtent()[::2], dtype=float)

    parent = volume_node.GetParentTransformNode() or parent_node
    local_to_world = vtk.vtkMatrix4x4()
    linear = parent is None or bool(parent.GetMatrixTransformToWorld(local_to_world))
    ijk_to_world = matrix_from_vtk(local_to_world) @ ijk_to_local if linear else None
    if linear and is_orthogonal(ijk_to_world):
        return image_from_ijk_to_ras(array_from_vtk(image_data), ijk_to_world)
    return _resampled_in_world(volume_node, image_data, ijk_to_local, parent)


def add_volume(
    scene: slicer.vtkMRMLScene,
    image: Image,
    name: str,
    labels: bool = False,
    like: slicer.vtkMRMLVolumeNode | None = None,
) -> slicer.vtkMRMLScalarVolumeNode:
    """A new volume node in the scene with a copy of `image` and a display node; a label map volume if `labels`.

    `like`: a volume node whose look (window, level, colours, interpolation) is taken over, for example the moving
    volume for the warped one. Without it the window is fitted to the intensities. Raises InputError for an array that
    is not (k, j, i), and for labels that are not whole numbers.
    """
    check_scalar(image, f"The image for '{name}'")
    if labels:
        image = as_labels(image, f"The label map '{name}'")
    node_class = "vtkMRMLLabelMapVolumeNode" if labels else "vtkMRMLScalarVolumeNode"
    node = scene.AddNewNodeByClass(node_class, name)
    update_volume(node, image)
    node.CreateDefaultDisplayNodes()
    _copy_look(node, like)
    return node


def update_volume(volume_node: slicer.vtkMRMLScalarVolumeNode, image: Image) -> None:
    """Replace the voxels and the geometry of an output node by those of `image`; display and references stay.

    For outputs that are shown live (the slider of a latent component) or chosen again by the user. The image lies in
    the world, so the node is taken out of any transform.
    """
    image_data = vtk_from_array(image.array)
    was_modifying = volume_node.StartModify()
    volume_node.SetAndObserveTransformNodeID(None)
    volume_node.SetIJKToRASMatrix(vtk_from_matrix(ijk_to_ras(image)))
    volume_node.SetAndObserveImageData(image_data)
    volume_node.EndModify(was_modifying)


def show_jacobian(volume_node: slicer.vtkMRMLScalarVolumeNode, span: float = 0.8) -> None:
    """Colour a volume of Jacobian determinants: white is 1 and keeps volume, blue is smaller, red larger.

    `span`: how far from 1 the strongest blue and red lie.
    """
    display = volume_node.GetDisplayNode()
    table = colour_table(volume_node.GetScene(), "LatentMotionJacobian", "Jacobian determinant", DIVERGING)
    display.SetAndObserveColorNodeID(table.GetID())
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(1.0 - span, 1.0 + span)
    display.SetInterpolate(True)


def _checked_image_data(volume_node) -> vtk.vtkImageData:
    if volume_node is None:
        raise InputError("No volume is selected; select one.")
    name = volume_node.GetName()
    if not volume_node.IsA("vtkMRMLScalarVolumeNode"):
        raise InputError(f"'{name}' is not a scalar volume; select one with a single value per voxel.")
    image_data = volume_node.GetImageData()
    if image_data is None or image_data.GetNumberOfPoints() == 0 or image_data.GetPointData().GetScalars() is None:
        raise InputError(f"The volume '{name}' is empty; load its image or select another volume.")
    components = image_data.GetNumberOfScalarComponents()
    if components != 1:
        raise InputError(
            f"The volume '{name}' has {components} values per voxel; convert it to a scalar volume "
            "(module Vector to Scalar Volume)."
        )
    return image_data


def _resampled_in_world(volume_node, image_data: vtk.vtkImageData, ijk_to_local: np.ndarray, parent) -> Image:
    """The volume seen through its parent transforms, sampled on a grid with right angles in the world."""
    to_world, from_world = vtk.vtkGeneralTransform(), vtk.vtkGeneralTransform()
    if parent is not None:
        parent.GetTransformToWorld(to_world)
        parent.GetTransformFromWorld(from_world)
    grid, size = _covering_grid(image_data.GetDimensions(), ijk_to_local, to_world, volume_node.GetName())

    source = vtk.vtkImageData()
    source.ShallowCopy(image_data)
    source.SetOrigin(0, 0, 0)
    source.SetSpacing(1, 1, 1)
    source.SetExtent(*(value for length in image_data.GetDimensions() for value in (0, length - 1)))

    path = vtk.vtkGeneralTransform()
    path.PostMultiply()
    path.Concatenate(vtk_from_matrix(grid))
    path.Concatenate(from_world)
    path.Concatenate(vtk_from_matrix(np.linalg.inv(ijk_to_local)))

    labels = volume_node.IsA("vtkMRMLLabelMapVolumeNode")
    reslice = vtk.vtkImageReslice()
    reslice.SetInputData(source)
    reslice.SetResliceTransform(path)
    reslice.SetInterpolationMode(vtk.VTK_RESLICE_NEAREST if labels else vtk.VTK_RESLICE_LINEAR)
    reslice.SetBackgroundLevel(0.0 if labels else image_data.GetScalarRange()[0])
    reslice.SetOutputOrigin(0, 0, 0)
    reslice.SetOutputSpacing(1, 1, 1)
    reslice.SetOutputExtent(*(value for length in size for value in (0, int(length) - 1)))
    reslice.Update()
    return image_from_ijk_to_ras(array_from_vtk(reslice.GetOutput()), grid)


def _covering_grid(dimensions, ijk_to_local: np.ndarray, to_world, name: str) -> tuple[np.ndarray, np.ndarray]:
    """IJK-to-world matrix and size (i, j, k) of a right-angled grid around the transformed volume."""
    surface = _surface_points(np.asarray(dimensions))
    local = surface @ ijk_to_local[:3, :3].T + ijk_to_local[:3, 3]
    world = np.array([to_world.TransformPoint(*point) for point in local])
    if not np.isfinite(world).all():
        raise InputError(f"The transform of the volume '{name}' has values that are not finite; remove or repair it.")

    # The least-squares affine map of the whole volume gives the axes and, for a transform that scales, the spacing.
    design = np.column_stack([surface, np.ones(len(surface))])
    affine = np.vstack([np.linalg.lstsq(design, world, rcond=None)[0].T, [0, 0, 0, 1]])
    axes = nearest_orthogonal_axes(affine)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)

    low, high = (world @ axes).min(axis=0), (world @ axes).max(axis=0)
    size = np.maximum(np.ceil((high - low) / spacing - 0.05), 1).astype(np.int64)
    if size.prod() > MAXIMUM_RESAMPLED_VOXELS:
        raise InputError(f"The transform of the volume '{name}' makes it too large to resample; harden or remove it.")
    first_voxel = (low + high) / 2 - (size - 1) / 2 * spacing
    matrix = np.eye(4)
    matrix[:3, :3] = axes * spacing
    matrix[:3, 3] = axes @ first_voxel
    return matrix, size


def _surface_points(dimensions: np.ndarray, samples: int = 9) -> np.ndarray:
    """Points (n, 3) in voxel indices on a lattice through the volume, from outer voxel face to outer voxel face."""
    lines = [np.linspace(-0.5, length - 0.5, samples) for length in dimensions]
    return np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 3)


def _copy_look(node, like) -> None:
    display = node.GetDisplayNode()
    source = like.GetDisplayNode() if like is not None else None
    if source is None or source.GetClassName() != display.GetClassName():
        return
    display.CopyContent(source)
    if source.GetColorNodeID():
        display.SetAndObserveColorNodeID(source.GetColorNodeID())
