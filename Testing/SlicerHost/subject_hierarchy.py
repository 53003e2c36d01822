"""Keeps the subject hierarchy of the scene complete, as the application's (Qt) plugin logic does."""

from __future__ import annotations

import slicer
import vtk

_SHOWN_CLASSES = (
    "vtkMRMLVolumeNode",
    "vtkMRMLTransformNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLModelNode",
    "vtkMRMLMarkupsNode",
    "vtkMRMLTableNode",
    "vtkMRMLTextNode",
    "vtkMRMLPlotChartNode",
    "vtkMRMLPlotSeriesNode",
    "vtkMRMLSequenceNode",
    "vtkMRMLSequenceBrowserNode",
)


class SubjectHierarchyKeeper:
    """Gives every data node that is added to the scene its item on the top level, and takes it away with the node."""

    def __init__(self, scene: slicer.vtkMRMLScene):
        self._scene = scene
        scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, self._on_node_added)
        scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, self._on_node_about_to_be_removed)
        scene.AddObserver(slicer.vtkMRMLScene.EndCloseEvent, self._on_close_ended)
        scene.AddObserver(slicer.vtkMRMLScene.EndImportEvent, self._on_import_ended)
        scene.AddObserver(slicer.vtkMRMLScene.EndBatchProcessEvent, self._on_import_ended)

    def _add_item(self, node) -> None:
        if node.GetHideFromEditors() or not any(map(node.IsA, _SHOWN_CLASSES)):
            return
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)
        if hierarchy.GetItemByDataNode(node) == hierarchy.GetInvalidItemID():
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_added(self, scene, event, node) -> None:
        # While a scene is read, its own hierarchy is on the way.
        if not scene.IsImporting():
            self._add_item(node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_about_to_be_removed(self, scene, event, node) -> None:
        if scene.IsClosing() or node.IsA("vtkMRMLSubjectHierarchyNode"):
            return
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        item = hierarchy.GetItemByDataNode(node)
        if item != hierarchy.GetInvalidItemID():
            hierarchy.RemoveItem(item, False, False)

    def _on_close_ended(self, scene, event) -> None:
        # Closing has removed the hierarchy node as well; without a new one the scene goes on handing out the old one.
        slicer.vtkMRMLSubjectHierarchyNode.ResolveSubjectHierarchy(scene)

    def _on_import_ended(self, scene, event) -> None:
        if scene.IsBatchProcessing():
            return  # The items that were read can be taken over only afterwards.
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.ResolveSubjectHierarchy(scene)
        self._remove_orphans(hierarchy)
        for index in range(scene.GetNumberOfNodes()):
            self._add_item(scene.GetNthNode(index))

    @staticmethod
    def _remove_orphans(hierarchy) -> None:
        """Remove items that are no folders and have no node: those of nodes that are not saved with a scene."""
        virtual = slicer.vtkMRMLSubjectHierarchyConstants.GetSubjectHierarchyVirtualBranchAttributeName()
        items = vtk.vtkIdList()
        hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
        for item in [items.GetId(index) for index in range(items.GetNumberOfIds())]:
            is_folder = hierarchy.GetItemLevel(item) or hierarchy.HasItemAttribute(item, virtual)
            if not is_folder and hierarchy.GetItemDataNode(item) is None:
                hierarchy.RemoveItem(item, False, False)
