"""The nodes of a MRML scene as an item model with a filter, as node selectors show them.

The rows are those of Slicer's model: extra items ("None"), one item per node in the scene's order, and extra items again
("Create new ..."). Slicer puts them below one item for the scene, which is left out here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import slicer
import vtk

from .pyside import QtCore, shiboken6

NODE_ID_ROLE = int(QtCore.Qt.UserRole) + 1
ACTION_ROLE = NODE_ID_ROLE + 1


@dataclass(frozen=True)
class Row:
    """One item: a node (with its ID), or an extra item with what it stands for; `separator` is a line."""

    text: str
    node_id: str = ""
    action: str = ""
    separator: bool = False
    selectable: bool = True


class SceneModel(QtCore.QAbstractListModel):
    """Follows a scene: nodes added, removed, renamed, the scene closed or read.

    Only nodes for which `is_wanted` is true are observed; the filter hides the others anyway.
    """

    def __init__(self, is_wanted: Callable[[slicer.vtkMRMLNode], bool], parent=None):
        super().__init__(parent)
        self.scene: slicer.vtkMRMLScene | None = None
        self._is_wanted = is_wanted
        self._before: list[Row] = []
        self._nodes: list[Row] = []
        self._after: list[Row] = []
        self._scene_tags: list[int] = []
        self._observed: dict[str, tuple[slicer.vtkMRMLNode, int, tuple]] = {}

    # The model

    def rowCount(self, parent: QtCore.QModelIndex | None = None) -> int:
        if parent is not None and parent.isValid():
            return 0
        return len(self._before) + len(self._nodes) + len(self._after)

    def row(self, index: int) -> Row:
        return (self._before + self._nodes + self._after)[index]

    def data(self, index: QtCore.QModelIndex, role: int = 0):
        if not index.isValid():
            return None
        row = self.row(index.row())
        if role in (int(QtCore.Qt.DisplayRole), int(QtCore.Qt.EditRole)):
            return row.text
        if role == NODE_ID_ROLE:
            return row.node_id
        if role == ACTION_ROLE:
            return row.action
        return "separator" if row.separator and role == int(QtCore.Qt.AccessibleDescriptionRole) else None

    def flags(self, index: QtCore.QModelIndex):
        enabled, selectable = QtCore.Qt.ItemIsEnabled, QtCore.Qt.ItemIsSelectable
        return enabled | selectable if index.isValid() and self.row(index.row()).selectable else enabled

    # The scene

    def set_scene(self, scene: slicer.vtkMRMLScene | None) -> None:
        """Observe this scene instead of the one before; None: none."""
        if scene is self.scene:
            return
        for tag in self._scene_tags:
            self.scene.RemoveObserver(tag)
        self._scene_tags = []
        self.scene = scene
        if scene is None:
            self._replace("_before", [])
            self._replace("_after", [])
        self.update_scene()
        if scene is not None:
            for event, method in (
                (scene.NodeAddedEvent, self._on_node_added),
                (scene.NodeAboutToBeRemovedEvent, self._on_node_about_to_be_removed),
                (scene.EndImportEvent, self._on_scene_changed),
                (scene.EndCloseEvent, self._on_scene_changed),
            ):
                self._scene_tags.append(scene.AddObserver(event, _with_node(self, method)))

    def update_scene(self) -> None:
        """Take the nodes anew, extra items kept."""
        for node, tag, _ in self._observed.values():
            node.RemoveObserver(tag)
        self._observed = {}
        self._replace("_nodes", [])
        for index in range(self.scene.GetNumberOfNodes() if self.scene is not None else 0):
            self._insert(self.scene.GetNthNode(index), index)

    def observe_again(self) -> None:
        """To be called when `is_wanted` has changed its mind."""
        for node, tag, _ in self._observed.values():
            node.RemoveObserver(tag)
        self._observed = {}
        for row in self._nodes:
            self._observe(self.scene.GetNodeByID(row.node_id))

    def extra_count(self) -> int:
        return len(self._before) + len(self._after)

    def set_rows_before(self, rows: list[Row]) -> None:
        if self.scene is not None and rows != self._before:
            self._replace("_before", rows)

    def set_rows_after(self, rows: list[Row]) -> None:
        if self.scene is not None and rows != self._after:
            self._replace("_after", rows)

    def node_of_row(self, index: int) -> slicer.vtkMRMLNode | None:
        node_id = self.row(index).node_id
        return self.scene.GetNodeByID(node_id) if node_id else None

    def _replace(self, name: str, rows: list[Row]) -> None:
        """Remove all rows of one of the three lists, then insert the new ones one by one, as Slicer's model does."""
        current = getattr(self, name)
        first = {"_before": 0, "_nodes": len(self._before), "_after": len(self._before) + len(self._nodes)}[name]
        if current:
            self.beginRemoveRows(QtCore.QModelIndex(), first, first + len(current) - 1)
            setattr(self, name, [])
            self.endRemoveRows()
        for offset, row in enumerate(rows):
            self.beginInsertRows(QtCore.QModelIndex(), first + offset, first + offset)
            getattr(self, name).append(row)
            self.endInsertRows()

    def _insert(self, node: slicer.vtkMRMLNode, position: int) -> None:
        position = min(position, len(self._nodes))
        index = len(self._before) + position
        self._observe(node)
        self.beginInsertRows(QtCore.QModelIndex(), index, index)
        self._nodes.insert(position, Row(node.GetName() or "", node.GetID()))
        self.endInsertRows()

    def _observe(self, node: slicer.vtkMRMLNode) -> None:
        if self._is_wanted(node):
            tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, _with_caller(self, self._on_node_modified))
            self._observed[node.GetID()] = (node, tag, _appearance(node))

    def _position(self, node_id: str) -> int | None:
        return next((index for index, row in enumerate(self._nodes) if row.node_id == node_id), None)

    def _on_node_added(self, node) -> None:
        # IDs are not final while a scene is read.
        if not self.scene.IsImporting():
            self._insert(node, self.scene.GetNodes().IndexOfFirstOccurrence(node))

    def _on_node_about_to_be_removed(self, node) -> None:
        if self.scene.IsClosing():
            return
        observed = self._observed.pop(node.GetID(), None)
        if observed is not None:
            node.RemoveObserver(observed[1])
        position = self._position(node.GetID())
        if position is not None:
            index = len(self._before) + position
            self.beginRemoveRows(QtCore.QModelIndex(), index, index)
            del self._nodes[position]
            self.endRemoveRows()

    def _on_scene_changed(self, _) -> None:
        self.update_scene()

    def _on_node_modified(self, node) -> None:
        if self.scene is None or self.scene.IsClosing() or self.scene.IsImporting() or node.GetScene() is None:
            return
        position, observed = self._position(node.GetID()), self._observed.get(node.GetID())
        if position is None or observed is None or observed[2] == _appearance(node):
            return
        self._observed[node.GetID()] = (node, observed[1], _appearance(node))
        self._nodes[position] = Row(node.GetName() or "", node.GetID())
        index = self.index(len(self._before) + position, 0)
        self.dataChanged.emit(index, index)


class NodeFilter(QtCore.QSortFilterProxyModel):
    """Shows the nodes of some classes, that are not hidden and have the attributes asked for, and all extra items."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.node_types: list[str] = []
        self.hide_child_node_types: list[str] = []
        self.show_hidden = False
        self.show_child_node_types = True
        self.attributes: dict[str, tuple[str, str | None]] = {}
        self.setDynamicSortFilter(True)

    def change(self, name: str, value) -> None:
        """Set one of the conditions and filter anew."""
        if getattr(self, name) != value:
            setattr(self, name, value)
            self.sourceModel.observe_again()
            self.invalidateFilter()

    def filterAcceptsRow(self, row: int, parent: QtCore.QModelIndex) -> bool:
        node = self.sourceModel.node_of_row(row)
        return node is None or self.accepts(node)

    def has_class(self, node: slicer.vtkMRMLNode) -> bool:
        """Whether the node's class is shown, now or with other attributes."""
        return not self.node_types or any(node.IsA(node_type) for node_type in self.node_types)

    def accepts(self, node: slicer.vtkMRMLNode) -> bool:
        if not self.show_hidden and node.GetHideFromEditors():
            return False
        if not self.node_types:
            return True
        # The first type that fits decides.
        for node_type in self.node_types:
            if not node.IsA(node_type):
                continue
            if not self.show_child_node_types and node.GetClassName() != node_type:
                continue
            if self.show_child_node_types and any(node.IsA(hidden) for hidden in self.hide_child_node_types):
                return False
            name, value = self.attributes.get(node_type, (None, None))
            if name is None:
                return True
            own = node.GetAttribute(name)
            return own is not None and value in (None, own)
        return False


def _appearance(node: slicer.vtkMRMLNode) -> tuple:
    """What a change of a node has to change for its row to change."""
    names = node.GetAttributeNames()
    return node.GetName(), node.GetHideFromEditors(), tuple((name, node.GetAttribute(name)) for name in names)


def _with_node(model: SceneModel, method: Callable) -> Callable:
    """A VTK observer that hands over the node of the event, as long as the model exists in C++."""

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def observe(caller, event, node=None):
        if shiboken6.isValid(model):
            method(node)

    return observe


def _with_caller(model: SceneModel, method: Callable) -> Callable:
    def observe(caller, event):
        if shiboken6.isValid(model):
            method(caller)

    return observe
