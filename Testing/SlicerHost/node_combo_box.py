"""Stand-in of qMRMLNodeComboBox."""

from __future__ import annotations

import logging

import slicer

from .ctk_buttons import ctkComboBox
from .pyside import QtCore, QtWidgets
from .scene_model import ACTION_ROLE, NODE_ID_ROLE, NodeFilter, Row, SceneModel
from .stand_in import StandInSignal, cpp_property, stand_in


@stand_in
class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Chooses a node of a scene, by class and attributes; can create, rename, edit and delete nodes.

    Without "None" the first node that fits is chosen by itself if nothing else is in the list, as by Slicer's.
    """

    currentNodeChanged = StandInSignal("currentNodeChanged(vtkMRMLNode*)", "currentNodeChanged(bool)")
    currentNodeIDChanged = StandInSignal("currentNodeIDChanged(QString)")
    nodeActivated = StandInSignal("nodeActivated(vtkMRMLNode*)")
    nodeAdded = StandInSignal("nodeAdded(vtkMRMLNode*)")
    nodeAddedByUser = StandInSignal("nodeAddedByUser(vtkMRMLNode*)")
    nodeAddedByUserAction = StandInSignal("nodeAddedByUserAction(vtkMRMLNode*)")
    nodeAboutToBeRemoved = StandInSignal("nodeAboutToBeRemoved(vtkMRMLNode*)")
    nodeAboutToBeEdited = StandInSignal("nodeAboutToBeEdited(vtkMRMLNode*)")
    currentNodeRenamed = StandInSignal("currentNodeRenamed(QString)")

    _model = None
    _filter = None
    _combo = None
    _requested_id = ""
    _switching_scene = False
    _none_enabled = False
    _none_display = "None"
    _add_enabled = True
    _remove_enabled = True
    _edit_enabled = False
    _rename_enabled = False
    _select_new = True
    _base_names = None
    _type_labels = None
    _new_attributes = None
    _user_actions = None
    _interaction_tag = "Singleton"

    def __init__(self, parent=None):
        super().__init__(parent)
        self._base_names, self._type_labels, self._new_attributes, self._user_actions = {}, {}, {}, []
        self._filter = NodeFilter(self)
        self._model = SceneModel(self._filter.has_class, self)
        self._filter.setSourceModel(self._model)
        self._combo = ctkComboBox(self)
        self._combo.elideMode = int(QtCore.Qt.ElideMiddle)
        self._combo.setModel(self._filter)
        self._combo.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Expanding)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Fixed)
        self._combo.currentTextChanged.connect(self._on_text_changed)
        self._combo.activated.connect(self._on_activated)
        self._combo.view().clicked.connect(self._on_extra_item)
        self._filter.rowsInserted.connect(self._on_rows_inserted)
        self._filter.rowsAboutToBeRemoved.connect(self._on_rows_about_to_be_removed)
        for signal in (self._filter.rowsRemoved, self._filter.modelReset, self._filter.layoutChanged):
            signal.connect(lambda: self._refresh())
        self._show_default_text()
        self.setEnabled(False)

    # Scene and nodes

    def mrmlScene(self) -> slicer.vtkMRMLScene | None:
        return self._model.scene

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        if scene is self._model.scene:
            return
        old_id = self._combo.itemData(self._combo.currentIndex, NODE_ID_ROLE) or ""
        had_nodes = self.nodeCount() > 0
        self._switching_scene = True
        self._model.set_scene(scene)
        self._switching_scene = False
        self._update_extra_items()
        if had_nodes:
            self.setCurrentNodeID(old_id)
        else:
            first = self._node_at(0)
            self.setCurrentNodeID(self._requested_id or (first.GetID() if first is not None else ""))
        self._requested_id = ""
        self._show_default_text()
        self.setEnabled(scene is not None)

    def currentNode(self) -> slicer.vtkMRMLNode | None:
        return self._node_at(self._combo.currentIndex)

    def setCurrentNode(self, node: slicer.vtkMRMLNode | str | None) -> None:
        self.setCurrentNodeID(node if isinstance(node, str) else node.GetID() if node is not None else "")

    def setCurrentNodeID(self, node_id: str | None) -> None:
        node_id = node_id or ""
        if self._model.scene is None:
            self._requested_id = node_id
        row = self._row_of(node_id)
        if row is None:
            self._combo.setCurrentIndex(0 if self._none_enabled else -1)
        elif row != self._combo.currentIndex:
            self._combo.setCurrentIndex(row)

    def setCurrentNodeIndex(self, index: int) -> None:
        index = -1 if index >= self.nodeCount() else index
        self._combo.setCurrentIndex(index + 1 if self._none_enabled else index)

    def nodeCount(self) -> int:
        return self._combo.count - self._model.extra_count() if self._model.scene is not None else 0

    def nodeFromIndex(self, index: int) -> slicer.vtkMRMLNode | None:
        return self._node_at(index + 1 if self._none_enabled else index)

    def addNode(self, node_type: str | None = None) -> slicer.vtkMRMLNode | None:
        """Create a node of this or the first of the node types, named by the base name, and choose it."""
        types = self._filter.node_types
        if node_type is None and types:
            node_type = types[0]
        if node_type not in types or self._model.scene is None:
            logging.warning("qMRMLNodeComboBox.addNode: %s is not among the node types.", node_type)
            return None
        node = self._create(node_type)
        if self._select_new:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:
        self._model.scene.RemoveNode(self.currentNode())

    def editCurrentNode(self) -> None:
        node = self.currentNode()
        self.nodeAboutToBeEdited.emit(node)
        if self._interaction_tag:
            interaction = self._model.scene.GetSingletonNode(self._interaction_tag, "vtkMRMLInteractionNode")
            if interaction is not None:
                interaction.EditNode(node)

    def renameCurrentNode(self) -> None:
        node = self.currentNode()
        if node is None:
            return
        title = f"Rename {self.nodeTypeLabel(node.GetClassName())}"
        name = self._ask_name(title, node.GetName())
        if name:
            node.SetName(name)
            self.currentNodeRenamed.emit(name)

    # What is listed

    def addAttribute(self, node_type: str, name: str, value: str | None = None) -> None:
        """List only nodes with this attribute (and value); new nodes get it."""
        self._new_attributes[name] = "" if value is None else str(value)
        if node_type in self._filter.node_types:
            self._filter.attributes[node_type] = (name, None if value is None else str(value))
            self._filter.invalidateFilter()

    def removeAttribute(self, node_type: str, name: str) -> None:
        self._new_attributes.pop(name, None)
        if self._filter.attributes.get(node_type, (None,))[0] == name:
            del self._filter.attributes[node_type]
            self._filter.invalidateFilter()

    def addMenuAction(self, action) -> None:
        if action.text not in [other.text for other in self._user_actions]:
            self._user_actions.append(action)
            self._update_extra_items()

    def setNodeTypeLabel(self, label: str, node_type: str) -> None:
        self._type_labels[node_type] = label
        self._show_default_text()
        self._update_extra_items()

    def nodeTypeLabel(self, node_type: str) -> str:
        if self._type_labels.get(node_type):
            return self._type_labels[node_type]
        scene = self._model.scene
        return (scene.GetTypeDisplayNameByClassName(node_type) if scene is not None and node_type else "") or "node"

    def _set_node_types(self, types) -> None:
        self._filter.change("node_types", [name for name in types if name])
        self._show_default_text()
        self._update_extra_items()

    def _set_base_name(self, name: str) -> None:
        if not self._filter.node_types:
            logging.warning("qMRMLNodeComboBox.baseName: no node types have been set yet.")
        for node_type in self._filter.node_types:
            self._base_names[node_type] = name

    def _base_name(self) -> str:
        types = self._filter.node_types
        return self._base_names.get(types[0], "") if types else ""

    def _set_extra(self, name: str, value) -> None:
        setattr(self, name, value)
        self._update_extra_items()

    def _current_id(self) -> str:
        node = self.currentNode()
        return node.GetID() if node is not None else ""

    # Items

    def _update_extra_items(self) -> None:
        self._model.set_rows_before([Row(self._none_display)] if self._none_enabled else [])
        if self._model.scene is None:
            return
        types = self._filter.node_types
        label = self.nodeTypeLabel(types[0] if len(types) == 1 else "")
        actions = []
        if self._rename_enabled:
            actions.append((f"Rename current {label}", "RENAME"))
        if self._edit_enabled:
            actions.append((f"Edit current {label}", "EDIT"))
        for node_type in types if self._add_enabled else ():
            actions.append((f"Create new {self.nodeTypeLabel(node_type)}", f"CREATE/{node_type}"))
            if self._rename_enabled:
                actions.append((f"Create new {self.nodeTypeLabel(node_type)} as...", f"CREATE_AS/{node_type}"))
        if self._remove_enabled:
            actions.append((f"Delete current {label}", "DELETE"))
        actions.extend((action.text, f"USER/{action.text}") for action in self._user_actions)
        enabled = (self._rename_enabled, self._edit_enabled, self._add_enabled, self._remove_enabled)
        if any(enabled) or self._user_actions:
            actions.insert(0, ("", "SEPARATOR"))
        # Inserting items selects one where nothing was selected.
        index = self._combo.currentIndex
        self._model.set_rows_after(
            [Row(text, "", action, action == "SEPARATOR", selectable=False) for text, action in actions]
        )
        self._combo.setCurrentIndex(index)

    def _on_extra_item(self, index: QtCore.QModelIndex) -> None:
        action, _, detail = (self._filter.data(index, ACTION_ROLE) or "").partition("/")
        if action in ("", "SEPARATOR"):
            return
        self._combo.hidePopup()
        if action in ("CREATE", "CREATE_AS"):
            self._create_by_user(detail, action == "CREATE_AS")
        elif action == "USER":
            next(entry for entry in self._user_actions if entry.text == detail).trigger()
        elif action in ("DELETE", "EDIT", "RENAME"):
            {"DELETE": self.removeCurrentNode, "EDIT": self.editCurrentNode, "RENAME": self.renameCurrentNode}[action]()

    def _create_by_user(self, node_type: str, ask_name: bool) -> None:
        name = self._ask_name(f"Create new {self.nodeTypeLabel(node_type)}", "") if ask_name else ""
        if ask_name and not name:
            return
        node = self.addNode(node_type)
        if node is not None:
            if name:
                node.SetName(name)
            self.setCurrentNode(node)
            self.nodeAddedByUserAction.emit(node)

    def _create(self, node_type: str) -> slicer.vtkMRMLNode:
        scene = self._model.scene
        node = scene.CreateNodeByClass(node_type)
        node.UnRegister(None)
        name = self._base_names.get(node_type, "")
        if not name and not node.GetName():
            name = node.GetDefaultNodeNamePrefix()
        if name:
            node.SetName(scene.GetUniqueNameByString(name))
        for attribute, value in self._new_attributes.items():
            node.SetAttribute(attribute, value)
        return scene.AddNode(node)

    def _ask_name(self, title: str, name: str) -> str:
        return QtWidgets.QInputDialog.getText(self, title, "New name:", QtWidgets.QLineEdit.Normal, name)

    def _node_at(self, row: int) -> slicer.vtkMRMLNode | None:
        scene = self._model.scene
        return scene.GetNodeByID(self._combo.itemData(row, NODE_ID_ROLE) or "") if scene is not None else None

    def _row_of(self, node_id: str) -> int | None:
        rows = range(self._combo.count) if node_id and self._model.scene is not None else ()
        return next((row for row in rows if self._combo.itemData(row, NODE_ID_ROLE) == node_id), None)

    def _show_default_text(self) -> None:
        types = self._filter.node_types
        self._combo.defaultText = f"Select a {self.nodeTypeLabel(types[0] if types else '')}"

    # Signals

    def _on_text_changed(self, text: str) -> None:
        from .signals import emit

        if self._switching_scene:
            return
        node = self.currentNode()
        if node is None and self._combo.currentIndex != (0 if self._none_enabled else -1):
            # An action was reached, for example because the node above it went: the last node instead.
            last = self.nodeFromIndex(self.nodeCount() - 1)
            if last is not None:
                self.setCurrentNode(last)
            return
        self.currentNodeChanged.emit(node)
        emit(self, "currentNodeChanged(bool)", node is not None)
        self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")

    def _on_activated(self, row: int) -> None:
        node = self._node_at(row)
        if node is not None or (self._none_enabled and row == 0):
            self.nodeActivated.emit(node)

    def _on_rows_inserted(self, parent, start: int, end: int) -> None:
        for row in range(start, end + 1):
            node = self._node_of_index(self._filter.index(row, 0, parent))
            if node is not None:
                self.nodeAdded.emit(node)

    def _on_rows_about_to_be_removed(self, parent, start: int, end: int) -> None:
        for row in range(start, end + 1):
            node = self._node_of_index(self._filter.index(row, 0, parent))
            if node is not None:
                self.nodeAboutToBeRemoved.emit(node)

    def _node_of_index(self, index: QtCore.QModelIndex) -> slicer.vtkMRMLNode | None:
        return (
            self._model.scene.GetNodeByID(self._filter.data(index, NODE_ID_ROLE) or "") if self._model.scene else None
        )

    def _refresh(self) -> None:
        """A node can leave the list because one of its attributes changed."""
        if self.currentNode() is None:
            self.setCurrentNode(None)

    currentNodeID = cpp_property("QString", _current_id, setCurrentNodeID)
    currentNodeId = cpp_property("QString", _current_id, setCurrentNodeID)
    nodeTypes = cpp_property("QStringList", lambda self: list(self._filter.node_types), _set_node_types)
    hideChildNodeTypes = cpp_property(
        "QStringList",
        lambda self: list(self._filter.hide_child_node_types),
        lambda self, types: self._filter.change("hide_child_node_types", list(types)),
    )
    showHidden = cpp_property(
        "bool", lambda self: self._filter.show_hidden, lambda self, on: self._filter.change("show_hidden", on)
    )
    showChildNodeTypes = cpp_property(
        "bool",
        lambda self: self._filter.show_child_node_types,
        lambda self, on: self._filter.change("show_child_node_types", on),
    )
    baseName = cpp_property("QString", _base_name, _set_base_name)
    noneEnabled = cpp_property(
        "bool", lambda self: self._none_enabled, lambda self, on: self._set_extra("_none_enabled", on)
    )
    noneDisplay = cpp_property(
        "QString", lambda self: self._none_display, lambda self, text: self._set_extra("_none_display", text)
    )
    addEnabled = cpp_property(
        "bool", lambda self: self._add_enabled, lambda self, on: self._set_extra("_add_enabled", on)
    )
    removeEnabled = cpp_property(
        "bool", lambda self: self._remove_enabled, lambda self, on: self._set_extra("_remove_enabled", on)
    )
    editEnabled = cpp_property(
        "bool", lambda self: self._edit_enabled, lambda self, on: self._set_extra("_edit_enabled", on)
    )
    renameEnabled = cpp_property(
        "bool", lambda self: self._rename_enabled, lambda self, on: self._set_extra("_rename_enabled", on)
    )
    selectNodeUponCreation = cpp_property(
        "bool", lambda self: self._select_new, lambda self, on: setattr(self, "_select_new", on)
    )
    interactionNodeSingletonTag = cpp_property(
        "QString", lambda self: self._interaction_tag, lambda self, tag: setattr(self, "_interaction_tag", tag)
    )
    sizeAdjustPolicy = cpp_property(
        "int",
        lambda self: self._combo.sizeAdjustPolicy,
        lambda self, value: setattr(self._combo, "sizeAdjustPolicy", value),
    )
