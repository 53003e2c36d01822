"""What a headless slice view draws over its image: nodes of its own, so that those shown stay untouched."""

from __future__ import annotations

import numpy as np
import slicer

from DeformationSceneLib.transforms import style_transform_display


def add_outline(
    scene: slicer.vtkMRMLScene,
    node: slicer.vtkMRMLNode,
    view_id: str,
    colour: tuple[float, float, float] | None,
    thickness: float,
    fill_opacity: float,
    smoothing: float,
) -> slicer.vtkMRMLSegmentationNode:
    """A hidden copy of a segmentation or label volume, shown in one slice view only, as smooth contours."""
    copy = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "HeadlessHost outline")
    copy.SetHideFromEditors(True)
    copy.SetSaveWithScene(False)
    if node.IsA("vtkMRMLSegmentationNode"):
        copy.GetSegmentation().DeepCopy(node.GetSegmentation())
    elif node.IsA("vtkMRMLLabelMapVolumeNode"):
        slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(node, copy)
    else:
        raise TypeError(f"Outlines are drawn of segmentations and label volumes, not of a {node.GetClassName()}.")
    copy.SetAndObserveTransformNodeID(node.GetTransformNodeID())

    segmentation = copy.GetSegmentation()
    converter = slicer.vtkSegmentationConverter
    surface = converter.GetClosedSurfaceRepresentationName()
    if segmentation.ContainsRepresentation(converter.GetBinaryLabelmapRepresentationName()):
        segmentation.SetConversionParameter("Smoothing factor", str(smoothing))
        segmentation.CreateRepresentation(surface, True)
    copy.CreateDefaultDisplayNodes()
    display = copy.GetDisplayNode()
    display.SetSaveWithScene(False)
    display.SetViewNodeIDs([view_id])
    display.SetPreferredDisplayRepresentationName2D(surface)
    display.SetVisibility2DOutline(True)
    display.SetVisibility2DFill(fill_opacity > 0)
    display.SetOpacity2DFill(fill_opacity)
    display.SetSliceIntersectionThickness(max(1, round(thickness)))
    display.SetAllSegmentsVisibility(True)
    for segment_id in segmentation.GetSegmentIDs():
        if colour is not None:
            segmentation.GetSegment(segment_id).SetColor(*colour)
            display.SetSegmentOverrideColor(segment_id, *colour)
    display.SetVisibility(True)
    return copy


def add_transform_display(
    scene: slicer.vtkMRMLScene,
    transform_node: slicer.vtkMRMLTransformNode,
    view_id: str,
    display: str,
    thickness: float,
    **settings,
) -> slicer.vtkMRMLTransformDisplayNode:
    """A second display node of a transform, for one slice view only; the first one, which the user sees, stays."""
    node = slicer.vtkMRMLTransformDisplayNode()
    node.SetName("HeadlessHost transform display")
    node.SetSaveWithScene(False)
    scene.AddNode(node)
    node.SetDefaultColors()
    style_transform_display(node, transform_node, display, **settings)
    node.SetSliceIntersectionThickness(max(1, round(thickness)))
    node.SetViewNodeIDs([view_id])
    node.SetVisibility2D(True)
    node.SetVisibility(True)
    transform_node.AddAndObserveDisplayNodeID(node.GetID())
    return node


def field_box(transform_node: slicer.vtkMRMLTransformNode) -> tuple[np.ndarray, np.ndarray] | None:
    """RAS-to-index matrix and largest index (i, j, k) of a transform's displacement grid; None for other transforms."""
    grid = transform_node.GetTransformFromParentAs("vtkOrientedGridTransform", False, False)
    data = grid.GetDisplacementGrid() if grid is not None else None
    if data is None:
        return None
    directions = grid.GetGridDirectionMatrix()
    to_ras = np.eye(4)
    for row in range(3):
        for column in range(3):
            cosine = directions.GetElement(row, column) if directions else float(row == column)
            to_ras[row, column] = cosine * data.GetSpacing()[column]
    to_ras[:3, 3] = data.GetOrigin()
    return np.linalg.inv(to_ras), np.array(data.GetDimensions()) - 1


def visible_display_nodes(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLDisplayNode]:
    """Display nodes that a slice view would draw besides its image layers."""
    nodes = [node for node in nodes_of(scene) if node.IsA("vtkMRMLDisplayNode") and node.GetVisibility()]
    return [node for node in nodes if not node.IsA("vtkMRMLVolumeDisplayNode") and not node.IsA("vtkMRMLColorNode")]


def nodes_of(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLNode]:
    """All nodes of a scene, in its order."""
    return [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
