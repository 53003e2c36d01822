"""Displacement images of the backend (LPS, millimetres) as grid transform nodes, their display, and back.

Direction, once and for all: a registration's displacement maps points of the fixed image to the moving one, p + u(p).
That map is the *FromParent* of the node, so that the moving volume put under the node appears aligned with the fixed
one. What Slicer draws for the node (arrows, grid, contours) is the opposite map, ToParent: where the anatomy goes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from DeformationLib.errors import InputError
from DeformationLib.image import Image

from .ras import RAS_FROM_LPS, array_from_vtk, ijk_to_ras, image_from_ijk_to_ras, vtk_from_array, vtk_from_matrix

TransformDisplay = Literal["arrows", "grid", "contours"]

_LPS_SIGNS = np.diag(RAS_FROM_LPS)[:3]


def add_displacement_transform(
    scene: slicer.vtkMRMLScene,
    displacement: Image,
    name: str,
    fixed_node: slicer.vtkMRMLNode | None = None,
    moving_node: slicer.vtkMRMLNode | None = None,
) -> slicer.vtkMRMLGridTransformNode:
    """A new grid transform node whose FromParent is p -> p + `displacement`(p), a (k, j, i, 3) image in LPS mm.

    `fixed_node` and `moving_node` are recorded as the node's registration references. For the inverse of a
    registration hand in its inverse displacement and the two nodes exchanged. Raises InputError for a wrong shape or
    values that are not finite.
    """
    checked_displacement(displacement, name)
    node = scene.AddNewNodeByClass("vtkMRMLGridTransformNode", name)
    set_displacement(node, displacement)
    set_registration_references(node, fixed_node, moving_node)
    return node


def set_registration_references(transform_node: slicer.vtkMRMLTransformNode, fixed_node, moving_node) -> None:
    """Record which nodes a transform registers; None leaves the role empty."""
    roles = slicer.vtkMRMLTransformNode
    for role, node in (
        (roles.GetFixedNodeReferenceRole(), fixed_node),
        (roles.GetMovingNodeReferenceRole(), moving_node),
    ):
        transform_node.SetNodeReferenceID(role, node.GetID() if node is not None else None)


def set_displacement(transform_node: slicer.vtkMRMLTransformNode, displacement: Image) -> None:
    """Replace what a transform node does by FromParent: p -> p + `displacement`(p), (k, j, i, 3), LPS mm.

    Stored in single precision, a micrometre at most: half the size of the scene on disk.
    """
    array = checked_displacement(displacement, transform_node.GetName())
    grid_data = vtk_from_array((array * _LPS_SIGNS).astype(np.float32))
    matrix = ijk_to_ras(displacement)
    grid_data.SetSpacing(*(float(value) for value in displacement.spacing))
    grid_data.SetOrigin(*matrix[:3, 3].tolist())
    directions = np.eye(4)
    directions[:3, :3] = matrix[:3, :3] / np.asarray(displacement.spacing, dtype=float)

    transform = slicer.vtkOrientedGridTransform()
    transform.SetGridDirectionMatrix(vtk_from_matrix(directions))
    transform.SetDisplacementGridData(grid_data)
    transform.SetInterpolationModeToLinear()
    transform_node.SetAndObserveTransformFromParent(transform)


def checked_displacement(displacement: Image, name: str) -> np.ndarray:
    """The (k, j, i, 3) array of a displacement image. Raises InputError for another shape, NaN or infinity."""
    array = np.asarray(displacement.array)
    if array.ndim != 4 or array.shape[3] != 3:
        raise InputError(f"The displacement of '{name}' needs three values per voxel; its shape is {array.shape}.")
    if not np.isfinite(array).all():
        raise InputError(f"The displacement of '{name}' has values that are not finite; register again.")
    return array


def displacement_from_transform(transform_node: slicer.vtkMRMLTransformNode, reference: Image | None = None) -> Image:
    """The displacement of a transform node (its map from the world, parents included), (k, j, i, 3), LPS mm.

    Without `reference`: the stored grid of a grid transform node without parents, exactly. With it (any LPS image):
    any transform, sampled at the voxel centres of `reference`; a node given by its ToParent is inverted numerically.
    Raises InputError where a reference is needed and missing.
    """
    if reference is not None:
        return _sampled_displacement(transform_node, reference)
    grid = transform_node.GetTransformFromParentAs("vtkOrientedGridTransform", False, True)
    if grid is None or grid.GetDisplacementGrid() is None or transform_node.GetParentTransformNode() is not None:
        raise InputError(
            f"The transform '{transform_node.GetName()}' does not store a displacement grid; "
            "choose a volume to sample it on."
        )
    data = grid.GetDisplacementGrid()
    directions = grid.GetGridDirectionMatrix()
    matrix = np.eye(4)
    for row in range(3):
        for column in range(3):
            cosine = directions.GetElement(row, column) if directions else float(row == column)
            matrix[row, column] = cosine * data.GetSpacing()[column]
    matrix[:3, 3] = data.GetOrigin()
    array = array_from_vtk(data) * grid.GetDisplacementScale() + grid.GetDisplacementShift()
    return image_from_ijk_to_ras(array * _LPS_SIGNS.astype(array.dtype), matrix)


def transform_points(transform_node: slicer.vtkMRMLTransformNode, points_lps: np.ndarray) -> np.ndarray:
    """Where the node's map from the world takes points (n, 3), LPS mm: for a registration, fixed to moving."""
    transform = vtk.vtkGeneralTransform()
    transform_node.GetTransformFromWorld(transform)
    # A copy, since VTK reads the buffer of a temporary otherwise.
    points_ras = np.ascontiguousarray(points_lps * _LPS_SIGNS, dtype=float)
    points, moved = vtk.vtkPoints(), vtk.vtkPoints()
    points.SetDataTypeToDouble()
    moved.SetDataTypeToDouble()
    points.SetData(numpy_to_vtk(points_ras, deep=True))
    transform.TransformPoints(points, moved)
    return vtk_to_numpy(moved.GetData()).copy() * _LPS_SIGNS


def show_transform(
    transform_node: slicer.vtkMRMLTransformNode,
    display: TransformDisplay | None = "arrows",
    slices: bool = True,
    three_d: bool = False,
    region_node: slicer.vtkMRMLNode | None = None,
    **settings,
) -> slicer.vtkMRMLTransformDisplayNode:
    """Show a transform in Slicer's views as arrows, contours of the displacement or a deformed grid; None hides it.

    `slices`, `three_d`: in which views. `region_node`: a volume or ROI that limits the 3-D display, which needs one.
    `settings`: those of `style_transform_display`.
    """
    if transform_node.GetDisplayNode() is None:
        transform_node.CreateDefaultDisplayNodes()
    node = transform_node.GetDisplayNode()
    if display is None:
        node.SetVisibility(False)
        return node
    if node.GetColorNode() is None:
        node.SetDefaultColors()
    was_modifying = node.StartModify()
    style_transform_display(node, transform_node, display, **settings)
    node.SetAndObserveRegionNode(region_node)
    node.SetVisibility2D(slices)
    node.SetVisibility3D(three_d)
    node.SetVisibility(slices or three_d)
    node.EndModify(was_modifying)
    return node


def style_transform_display(
    node: slicer.vtkMRMLTransformDisplayNode,
    transform_node: slicer.vtkMRMLTransformNode,
    display: TransformDisplay = "arrows",
    spacing_mm: float | None = None,
    scale_percent: float = 100.0,
    maximum_mm: float | None = None,
) -> None:
    """Set how a display node draws a transform; its visibility stays.

    `spacing_mm`: distance of arrows or grid lines (default: about 24 along the longest side of the field).
    `scale_percent`: length of the arrows and bend of the grid, 100 is true to scale. `maximum_mm`: the displacement
    that gets the last colour (default: the largest of the field); give it where pictures are to be compared.
    """
    largest_mm, extent_mm = _magnitude_and_extent(transform_node)
    spacing_mm = spacing_mm or max(extent_mm / 24.0, 0.1)
    maximum_mm = maximum_mm or max(largest_mm, 0.1)
    modes = {"arrows": node.VIS_MODE_GLYPH, "grid": node.VIS_MODE_GRID, "contours": node.VIS_MODE_CONTOUR}
    node.SetVisualizationMode(modes[display])
    node.SetGlyphType(node.GLYPH_TYPE_ARROW)
    node.SetGlyphSpacingMm(spacing_mm)
    node.SetGlyphScalePercent(scale_percent)
    # Below a thirtieth of the colour range an arrow is a dot that only hides the image.
    node.SetGlyphDisplayRangeMinMm(maximum_mm / 30.0)
    node.SetGlyphDisplayRangeMaxMm(max(100.0, 2.0 * largest_mm))
    node.SetGlyphDiameterMm(spacing_mm / 3.0)
    node.SetGridSpacingMm(spacing_mm)
    node.SetGridScalePercent(scale_percent)
    node.SetGridResolutionMm(spacing_mm / 4.0)
    node.SetGridLineDiameterMm(spacing_mm / 12.0)
    node.SetContourResolutionMm(spacing_mm / 2.0)
    node.SetContourLevelsMmFromString(" ".join(f"{level:.3g}" for level in np.linspace(0.0, maximum_mm, 6)[1:]))
    node.SetSliceIntersectionThickness(2)
    node.SetColorMap(_norm_colours(maximum_mm))


def _norm_colours(maximum_mm: float) -> vtk.vtkColorTransferFunction:
    """Colours of the displacement's norm, 0..`maximum_mm`: blue, cyan, yellow, orange, readable on grey images."""
    colours = vtk.vtkColorTransferFunction()
    stops = [(0.25, 0.45, 1.0), (0.1, 0.85, 0.95), (0.55, 0.95, 0.35), (1.0, 0.9, 0.15), (1.0, 0.45, 0.05)]
    for position, colour in zip(np.linspace(0.0, maximum_mm, len(stops)), stops):
        colours.AddRGBPoint(float(position), *colour)
    return colours


def _magnitude_and_extent(transform_node) -> tuple[float, float]:
    """Largest displacement and longest side of the field, both in mm; 10 mm and 240 mm for a transform without grid."""
    grid = transform_node.GetTransformFromParentAs("vtkOrientedGridTransform", False, False)
    data = grid.GetDisplacementGrid() if grid is not None else None
    if data is None:
        return 10.0, 240.0
    vectors = vtk_to_numpy(data.GetPointData().GetScalars())
    extent = max(spacing * size for spacing, size in zip(data.GetSpacing(), data.GetDimensions()))
    return float(np.linalg.norm(vectors, axis=1).max(initial=0.0)), extent


def _sampled_displacement(transform_node, reference: Image) -> Image:
    geometry = reference.geometry
    indices = np.stack(np.meshgrid(*map(np.arange, geometry.shape_kji), indexing="ij"), axis=-1)[..., ::-1]
    points = geometry.index_to_physical(indices.reshape(-1, 3))
    displacement = transform_points(transform_node, points) - points
    return Image.on_grid(displacement.reshape(*geometry.shape_kji, 3).astype(np.float32), geometry)
