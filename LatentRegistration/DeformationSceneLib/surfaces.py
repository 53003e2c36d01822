"""Smooth closed surfaces of a segmentation or label map, for pictures that have to follow a slider."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import slicer
import vtk

from DeformationLib.errors import InputError

from .segmentations import add_segmentation
from .volumes import image_from_volume

RED = (0.90, 0.10, 0.12)
"""Contours before a deformation."""
GOLD = (1.00, 0.78, 0.10)
"""Contours after it."""

MAXIMUM_POINTS = 30_000
"""Surfaces with more points are made coarser: a deformation moves every one of them at each change."""

# Removes the steps of the voxels; 0.5, Slicer's default, would take a twentieth off a structure of a thousand voxels.
_SMOOTHING = "0.3"
# A closed surface that is clustered in n^3 boxes keeps about so many points for each n^2.
_POINTS_PER_DIVISION = 5.0


def add_surfaces(scene: slicer.vtkMRMLScene, structure_node: slicer.vtkMRMLNode, name: str):
    """A new segmentation node of closed surfaces, in the world, of a segmentation or label map volume.

    Segments keep their IDs, names and terminology, and their overlap; those without voxels are left out. Label maps are
    smoothed by less than a voxel; a segmentation that holds surfaces only gives those. Parent transforms are applied.
    The input is not changed. Raises InputError for another kind of node and for one without any voxel.
    """
    if structure_node.IsA("vtkMRMLSegmentationNode"):
        node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
        node.GetSegmentation().DeepCopy(structure_node.GetSegmentation())
    elif structure_node.IsA("vtkMRMLLabelMapVolumeNode"):
        node = add_segmentation(scene, image_from_volume(structure_node), name, like=structure_node)
    else:
        raise InputError(
            f"'{structure_node.GetName()}' is neither a segmentation nor a label map; select one of the two."
        )
    _keep_surfaces_only(node.GetSegmentation(), structure_node.GetName())
    if structure_node.IsA("vtkMRMLSegmentationNode") and structure_node.GetParentTransformNode() is not None:
        node.SetAndObserveTransformNodeID(structure_node.GetTransformNodeID())
        node.HardenTransform()
    _limit_points(node.GetSegmentation(), MAXIMUM_POINTS)
    return node


def show_surfaces(
    node: slicer.vtkMRMLSegmentationNode, colour: Sequence[float], opacity_3d: float = 1.0, thickness: int = 3
) -> None:
    """Show surfaces as contours in slice views, in tones of one colour, and in 3-D views."""
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    surface = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
    was_modifying = display.StartModify()
    display.SetPreferredDisplayRepresentationName2D(surface)
    display.SetPreferredDisplayRepresentationName3D(surface)
    display.SetVisibility2DOutline(True)
    display.SetVisibility2DFill(False)
    display.SetSliceIntersectionThickness(thickness)
    display.SetOpacity3D(opacity_3d)
    segmentation = node.GetSegmentation()
    for segment_id, tone in zip(segmentation.GetSegmentIDs(), tones(colour, segmentation.GetNumberOfSegments())):
        segmentation.GetSegment(segment_id).SetColor(*tone)
    display.EndModify(was_modifying)


def tones(colour: Sequence[float], count: int) -> list[tuple[float, float, float]]:
    """`count` tones of a colour (0..1): itself, then lighter ones, which stay bright on a grey image."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*colour)
    steps = [0.6 * number / max(count - 1, 2) for number in range(count)]
    return [colorsys.hls_to_rgb(hue, lightness + (0.92 - lightness) * step, saturation) for step in steps]


def surface_bounds(node: slicer.vtkMRMLSegmentationNode) -> list[float]:
    """Bounds of all surfaces of a node, RAS mm: low and high R, low and high A, low and high S."""
    box = vtk.vtkBoundingBox()
    for polydata in surfaces_of(node).values():
        box.AddBounds(polydata.GetBounds())
    bounds = [0.0] * 6
    box.GetBounds(bounds)
    return bounds


def surfaces_of(node: slicer.vtkMRMLSegmentationNode) -> dict[str, vtk.vtkPolyData]:
    """The closed surface of each segment, by segment ID."""
    surface = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
    segmentation = node.GetSegmentation()
    return {key: segmentation.GetSegment(key).GetRepresentation(surface) for key in segmentation.GetSegmentIDs()}


def _keep_surfaces_only(segmentation, name: str) -> None:
    """Make the closed surfaces of a segmentation its only representation."""
    converter = slicer.vtkSegmentationConverter
    surface, label_map = (
        converter.GetClosedSurfaceRepresentationName(),
        converter.GetBinaryLabelmapRepresentationName(),
    )
    if segmentation.ContainsRepresentation(label_map):
        segmentation.RemoveRepresentation(surface)
        segmentation.SetSourceRepresentationName(label_map)
        segmentation.SetConversionParameter("Smoothing factor", _SMOOTHING)
        segmentation.SetConversionParameter("Decimation factor", "0.0")
        segmentation.SetConversionParameter("Joint smoothing", "0")
        segmentation.SetConversionParameter("Conversion method", "0")
    if segmentation.GetNumberOfSegments() == 0 or not segmentation.CreateRepresentation(surface):
        raise InputError(f"'{name}' has no segments that could be shown; add one or select another.")
    segmentation.SetSourceRepresentationName(surface)
    segmentation.RemoveRepresentation(label_map)
    for segment_id in segmentation.GetSegmentIDs():
        polydata = segmentation.GetSegment(segment_id).GetRepresentation(surface)
        if polydata is None or polydata.GetNumberOfPoints() == 0:
            segmentation.RemoveSegment(segment_id)
    if segmentation.GetNumberOfSegments() == 0:
        raise InputError(f"'{name}' is empty: no voxel is marked. Mark some or select another.")


def _limit_points(segmentation, maximum: int) -> None:
    """Cluster the points of surfaces that have more of them than pictures can follow."""
    surface = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
    surfaces = [segmentation.GetSegment(key).GetRepresentation(surface) for key in segmentation.GetSegmentIDs()]
    total = sum(polydata.GetNumberOfPoints() for polydata in surfaces)
    if total <= maximum:
        return
    for polydata in surfaces:
        share = maximum * polydata.GetNumberOfPoints() / total
        divisions = max(int((share / _POINTS_PER_DIVISION) ** 0.5), 8)
        clustering = vtk.vtkQuadricClustering()
        clustering.SetInputData(polydata)
        clustering.SetNumberOfDivisions(divisions, divisions, divisions)
        # Boxes of the same size along all axes, however long the structure is.
        clustering.AutoAdjustNumberOfDivisionsOn()
        normals = vtk.vtkPolyDataNormals()
        normals.SetInputConnection(clustering.GetOutputPort())
        normals.SplittingOff()
        normals.Update()
        polydata.ShallowCopy(normals.GetOutput())
