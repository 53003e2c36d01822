"""What slice views show: one volume in the place of another, or a volume that no view shows yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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


def show_in_plane(volume_node: slicer.vtkMRMLVolumeNode) -> None:
    """Show a volume in the slice views, the red one in the plane of its slices.

    Slices of a heart are seldom in the planes of the body. Does nothing where there are no views, or the volume is shown.
    """
    if slicer.app.layoutManager() is None:
        return
    bring_into_views(volume_node)
    turn_red_view(volume_node)


def turn_red_view(volume_node: slicer.vtkMRMLVolumeNode) -> None:
    """Turn the red slice view into the plane of a volume's slices, if it shows the volume; nothing without views."""
    manager = slicer.app.layoutManager()
    red = manager.sliceWidget("Red") if manager is not None else None
    if red is not None and red.sliceLogic().GetSliceCompositeNode().GetBackgroundVolumeID() == volume_node.GetID():
        red.sliceLogic().GetSliceNode().RotateToVolumePlane(volume_node)
        red.sliceLogic().FitSliceToAll()


class HiddenNodes:
    """Displayable nodes that are not to be seen for a while, and whether they were.

    >>> hidden = HiddenNodes([segmentation, None])
    >>> hidden.restore()
    """

    def __init__(self, nodes: Iterable[slicer.vtkMRMLDisplayableNode | None]) -> None:
        """Hide nodes; None, and those that are gone or have no display, are left out."""
        there = [node for node in nodes if node is not None and node.GetScene() is not None]
        self._before = [(node, node.GetDisplayVisibility()) for node in there if node.GetDisplayNode() is not None]
        for node, _visible in self._before:
            node.SetDisplayVisibility(False)

    def restore(self) -> None:
        """Show again what was shown, as far as it is still there."""
        for node, visible in self._before:
            if node.GetScene() is not None:
                node.SetDisplayVisibility(visible)
        self._before = []


class SliceLayers:
    """What slice views show at the moment, to be shown again later.

    >>> before = SliceLayers(scene)
    >>> slicer.util.setSliceViewerLayers(background=volume)
    >>> before.restore()
    """

    def __init__(self, scene: slicer.vtkMRMLScene) -> None:
        self._scene = scene
        self._layers = [
            (node, node.GetBackgroundVolumeID(), node.GetForegroundVolumeID(), node.GetForegroundOpacity())
            for node in _nodes(scene, "vtkMRMLSliceCompositeNode")
        ]

    def restore(self) -> None:
        """Show it again, as far as it is still there."""
        for node, background, foreground, opacity in self._layers:
            if self._scene.IsNodePresent(node):
                node.SetBackgroundVolumeID(self._there(background))
                node.SetForegroundVolumeID(self._there(foreground))
                node.SetForegroundOpacity(opacity)

    def _there(self, identifier: str | None) -> str | None:
        return identifier if identifier and self._scene.GetNodeByID(identifier) is not None else None


def _nodes(scene: slicer.vtkMRMLScene, node_class: str) -> list[slicer.vtkMRMLNode]:
    return [scene.GetNthNodeByClass(index, node_class) for index in range(scene.GetNumberOfNodesByClass(node_class))]
