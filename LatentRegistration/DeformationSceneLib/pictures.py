"""Drawn pictures as colour volumes of the scene, and texts in them; needs no window and no screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from .ras import vtk_from_array
from .tables import node_in_role

FAR_BELOW_MM = -10000.0
"""Where pictures lie along S: segmentations and models, which lie in the body, do not reach there."""


def add_picture(scene: slicer.vtkMRMLScene, role: str, name: str, picture: np.ndarray):
    """The volume node that the scene keeps for a role, with a picture (height, width, 3) uint8, first row on top.

    It lies in an axial plane far below the body, 1 mm per pixel, so that an axial view shows it upright and alone.
    """
    node = node_in_role(scene, "vtkMRMLVectorVolumeNode", role, name)
    if node.GetName() != name:
        node.SetName(name)
    height, width = picture.shape[:2]
    was_modifying = node.StartModify()
    matrix = vtk.vtkMatrix4x4()
    # Columns of the picture go to the patient's left, rows to the back, as axial views are seen.
    for row, value in enumerate((-1.0, -1.0, 1.0)):
        matrix.SetElement(row, row, value)
    matrix.SetElement(0, 3, (width - 1) / 2)
    matrix.SetElement(1, 3, (height - 1) / 2)
    matrix.SetElement(2, 3, FAR_BELOW_MM)
    node.SetIJKToRASMatrix(matrix)
    node.SetAndObserveImageData(vtk_from_array(np.ascontiguousarray(picture)[np.newaxis]))
    node.EndModify(was_modifying)
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    return node


def show_picture(node, view: str = "Red", hide: Sequence[slicer.vtkMRMLDisplayNode] = ()) -> None:
    """Show a drawn picture, or another volume that is one, in a slice view, axial and fitted; nothing without views.

    `hide`: display nodes of transforms, which are drawn everywhere: they are left to the other slice views.
    """
    manager = slicer.app.layoutManager()
    widget = manager.sliceWidget(view) if manager is not None else None
    if widget is None:
        return
    logic = widget.sliceLogic()
    # First, since the view takes notice when it has something new to draw.
    for display in hide:
        keep_out_of_view(display, logic.GetSliceNode())
    composite, slice_node = logic.GetSliceCompositeNode(), logic.GetSliceNode()
    composite.SetLinkedControl(False)
    composite.SetBackgroundVolumeID(node.GetID())
    composite.SetForegroundVolumeID(None)
    composite.SetLabelVolumeID(None)
    slice_node.SetOrientation("Axial")
    logic.FitSliceToBackground()
    bounds = np.zeros(6)
    node.GetRASBounds(bounds)
    slice_node.JumpSliceByCentering(*map(float, bounds.reshape(3, 2).mean(axis=1)))


def keep_out_of_view(display_node: slicer.vtkMRMLDisplayNode, slice_node: slicer.vtkMRMLSliceNode) -> None:
    """Let a display node that slice views draw leave out one of them; `show_in_all_views` undoes it."""
    scene = slice_node.GetScene()
    if not display_node.IsDisplayableInView(slice_node.GetID()):
        return
    others = []
    for node_class in ("vtkMRMLSliceNode", "vtkMRMLViewNode"):
        for number in range(scene.GetNumberOfNodesByClass(node_class)):
            node = scene.GetNthNodeByClass(number, node_class)
            if node is not slice_node and display_node.IsDisplayableInView(node.GetID()):
                others.append(node.GetID())
    _draw_in(display_node, others)


def show_in_all_views(display_node: slicer.vtkMRMLDisplayNode) -> None:
    """Undo `keep_out_of_view`."""
    if display_node.GetNumberOfViewNodeIDs():
        _draw_in(display_node, [])


def _draw_in(display_node, view_ids: list[str]) -> None:
    scene = display_node.GetScene()
    # Slicer's views of transforms read these only when they draw the scene anew, as at the end of a batch.
    scene.StartState(slicer.vtkMRMLScene.BatchProcessState)
    display_node.RemoveAllViewNodeIDs()
    for identifier in view_ids:
        display_node.AddViewNodeID(identifier)
    scene.EndState(slicer.vtkMRMLScene.BatchProcessState)


def draw_text(
    picture: np.ndarray,
    text: str,
    place: tuple[float, float],
    size: int = 14,
    colour: tuple[float, float, float] = (0.0, 0.0, 0.0),
    anchor: Literal["left", "centre", "right"] = "centre",
    bold: bool = False,
) -> None:
    """Draw a line of text into a picture (height, width, 3) uint8.

    `place`: column and row of the middle of the text's height, and of what `anchor` says of its width. `size` in pixels.
    """
    covered = _coverage(text, size, bold)
    height, width = covered.shape
    left = round(place[0] - {"left": 0.0, "centre": width / 2, "right": float(width)}[anchor])
    top = round(place[1] - height / 2)
    rows = slice(max(top, 0), min(top + height, picture.shape[0]))
    columns = slice(max(left, 0), min(left + width, picture.shape[1]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    share = covered[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left, np.newaxis]
    below = picture[rows, columns]
    picture[rows, columns] = np.rint((1 - share) * below + share * 255.0 * np.asarray(colour)).astype(np.uint8)


def _coverage(text: str, size: int, bold: bool) -> np.ndarray:
    """How much of each pixel a text covers, (height, width), 0..1."""
    properties = vtk.vtkTextProperty()
    properties.SetFontFamilyToArial()
    properties.SetFontSize(size)
    properties.SetBold(bold)
    properties.SetColor(1.0, 1.0, 1.0)
    image, used = vtk.vtkImageData(), [0, 0]
    renderer = vtk.vtkTextRenderer.GetInstance()
    if not text or renderer is None or not renderer.RenderString(properties, text, image, used, 72):
        return np.zeros((0, 0))
    columns, rows, _one = image.GetDimensions()
    alpha = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)[..., 3]
    # The image is larger than the text, which begins at its lower left corner; VTK's rows go up.
    return alpha[: used[1], : used[0]][::-1] / 255.0
