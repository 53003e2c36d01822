"""What slice views show: one volume in the place of another, or a volume that no view shows yet."""

from __future__ import annotations

from collections.abc import Sequence

import slicer


def exchange_in_views(scene: slicer.vtkMRMLScene, shown_node, wanted_node) -> None:
    """Where slice views show one volume, let them show another."""
    for composite in _nodes(scene, "vtkMRMLSliceCompositeNode"):
        if composite.GetBackgroundVolumeID() == shown_node.GetID():
            composite.SetBackgroundVolumeID(wanted_node.GetID())
        if composite.GetForegroundVolumeID() == shown_node.GetID():
            composite.SetForegroundVolumeID(wanted_node.GetID())


def bring_into_views(volume_node: slicer.vtkMRMLVolumeNode, centre: Sequence[float] | None = None) -> None:
    """Show a volume that no slice view shows in all of them, fitted; else leave the views to the user.

    `centre`: a point, RAS mm, that the slices are moved to. Does nothing where there are no views.
    """
    scene = volume_node.GetScene()
    composites = _nodes(scene, "vtkMRMLSliceCompositeNode")
    shown = {layer for node in composites for layer in (node.GetBackgroundVolumeID(), node.GetForegroundVolumeID())}
    if slicer.app.layoutManager() is None or volume_node.GetID() in shown:
        return
    slicer.util.setSliceViewerLayers(background=volume_node, fit=True)
    if centre is not None:
        for slice_node in _nodes(scene, "vtkMRMLSliceNode"):
            slice_node.JumpSliceByOffsetting(*centre)


def _nodes(scene: slicer.vtkMRMLScene, node_class: str) -> list[slicer.vtkMRMLNode]:
    return [scene.GetNthNodeByClass(index, node_class) for index in range(scene.GetNumberOfNodesByClass(node_class))]
