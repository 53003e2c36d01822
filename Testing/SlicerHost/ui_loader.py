"""Qt Designer files with Slicer's widgets: `qt.QUiLoader` of the host."""

from __future__ import annotations

import functools
import operator
import xml.etree.ElementTree as ElementTree

from . import signals
from .pyside import QtCore, QtGui, QtUiTools, QtWidgets
from .pythonqt import CppProperty
from .stand_in import not_covered

custom_classes: dict[str, type] = {}
"""The ctk, qMRML and qSlicer widget classes that the host has, by name."""

_OTHER_CLASSES = {"QWidget", "Line", "QLayoutWidget"}


class QUiLoader(QtUiTools.QUiLoader):
    """Loads .ui files with the host's own ctk and qMRML widgets; refuses, by name, classes that it does not have."""

    def load(self, device: QtCore.QIODevice, parent: QtWidgets.QWidget | None = None) -> QtWidgets.QWidget | None:
        """The widget of a file; None if it is no .ui file. Raises NotImplementedError for what the host lacks."""
        try:
            root = ElementTree.fromstring(bytes(device.readAll()))
        except ElementTree.ParseError:
            return None
        for element in root.iter("widget"):
            _check(element)
        flags = _take_flags(root)
        connections = _take_connections(root)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(root))
        buffer.open(QtCore.QIODevice.ReadOnly)
        widget = super().load(buffer, parent)
        if widget is not None:
            for name, property_name, value in flags:
                setattr(_by_name(widget, name), property_name, value)
            for connection in connections:
                _connect(widget, connection)
        return widget

    def createWidget(self, class_name: str, parent=None, name: str = ""):
        if class_name in custom_classes:
            widget = custom_classes[class_name](parent)
        elif class_name in _OTHER_CLASSES or not hasattr(QtWidgets, class_name):
            return super().createWidget(class_name, parent, name)
        else:
            widget = getattr(QtWidgets, class_name)(parent)
        widget.setObjectName(name)
        return widget


def _check(element: ElementTree.Element) -> None:
    """Refuse a widget class that the host has not, and properties that a stand-in has not."""
    name = element.get("class", "")
    if name not in custom_classes and name not in _OTHER_CLASSES and not hasattr(QtWidgets, name):
        raise not_covered(f"The widget class {name}")
    cls = custom_classes.get(name)
    for child in element.findall("property") if cls is not None else ():
        is_known = isinstance(_member(cls, child.get("name")), (CppProperty, QtCore.Property))
        if not is_known and child.get("stdset") != "0":
            raise not_covered(f"The property {name}.{child.get('name')}")


def _take_flags(root: ElementTree.Element) -> list[tuple[str, str, int]]:
    """Remove enumerations of stand-ins from the file, whose names Qt does not know: (widget, property, value)."""
    found = []
    for element in root.iter("widget"):
        cls = custom_classes.get(element.get("class", ""))
        for child in element.findall("property") if cls is not None else ():
            value = next(iter(child), None)
            is_own = isinstance(_member(cls, child.get("name")), QtCore.Property)
            if is_own and value is not None and value.tag in ("set", "enum"):
                number = functools.reduce(operator.or_, (_number(cls, text) for text in value.text.split("|")))
                found.append((element.get("name"), child.get("name"), number))
                element.remove(child)
    return found


def _member(cls: type, name: str):
    """What a class or its bases declare under a name, not asked for its value."""
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)


def _number(cls: type, text: str) -> int:
    """The number of `ctkPathLineEdit::Files` or `Qt::AlignLeft`; newer files name the enumeration in between."""
    scope, *_, name = text.strip().split("::")
    owners = [custom_classes.get(scope), *(getattr(module, scope, None) for module in (QtCore, QtGui, QtWidgets)), cls]
    for owner in owners:
        if owner is not None and hasattr(owner, name):
            return int(getattr(owner, name))
    raise not_covered(f"The value {text}")


def _take_connections(root: ElementTree.Element) -> list[dict[str, str]]:
    """Remove the connections from the file: Qt does not see the signals and slots of Python stand-ins."""
    found = []
    for element in root.findall("connections"):
        found.extend({part.tag: part.text or "" for part in connection} for connection in element)
        root.remove(element)
    return found


def _connect(widget: QtWidgets.QWidget, connection: dict[str, str]) -> None:
    sender, receiver = _by_name(widget, connection["sender"]), _by_name(widget, connection["receiver"])
    if not signals.connect(sender, connection["signal"], receiver, connection["slot"]):
        raise RuntimeError(f"The .ui file has a connection that is not possible: {connection}")


def _by_name(widget: QtWidgets.QWidget, name: str):
    found = widget if widget.objectName == name else _descendant(widget, name)
    if found is None:
        raise RuntimeError(f"The .ui file has no widget {name}, but connects it.")
    return found


def _descendant(widget, name: str):
    """Found at any depth, other than by PythonQt's `findChild` with a name."""
    for child in widget.children():
        found = child if child.objectName == name else _descendant(child, name)
        if found is not None:
            return found
    return None
