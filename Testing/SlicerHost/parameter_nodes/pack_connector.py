"""A widget whose children show the members of a parameter pack, named by the property `SlicerPackParameterName`."""

from __future__ import annotations

import qt

from .annotations import unannotatedType
from .connectors import GuiConnector, createGuiConnector, parameterNodeGuiConnector
from .packs import data_type, isParameterPack, nestedParameterNames

__all__ = ["SlicerPackParameterNamePropertyName"]

SlicerPackParameterNamePropertyName = "SlicerPackParameterName"


def widgets_by_member_name(widget) -> dict[str, object]:
    """The innermost children that name a member, by their dotted names, which start below `widget`."""
    paths = {}
    for child in widget.findChildren(qt.QWidget):
        if child.property(SlicerPackParameterNamePropertyName) is not None:
            paths[_dotted_name(child, widget)] = child
    return {name: child for name, child in paths.items() if not any(other.startswith(f"{name}.") for other in paths)}


def _dotted_name(child, root) -> str:
    names = []
    while child is not None and child is not root:
        name = child.property(SlicerPackParameterNamePropertyName)
        if name is not None:
            names.insert(0, name)
        child = child.parent()
    return ".".join(names)


@parameterNodeGuiConnector
class WidgetChildrenToParameterPackConnector(GuiConnector):
    """Binds the pack through a connector for each of its members."""

    @staticmethod
    def canRepresent(widget, datatype) -> bool:
        if not isParameterPack(unannotatedType(datatype)):
            return False
        return set(nestedParameterNames(datatype)) <= set(widgets_by_member_name(widget))

    @staticmethod
    def create(widget, datatype):
        if not WidgetChildrenToParameterPackConnector.canRepresent(widget, datatype):
            return None
        return WidgetChildrenToParameterPackConnector(widget, datatype)

    def __init__(self, widget, datatype):
        super().__init__()
        self._widget = widget
        self._type = unannotatedType(datatype)
        widgets = widgets_by_member_name(widget)
        self._connectors = {
            name: createGuiConnector(widgets[name], data_type(self._type, name))
            for name in nestedParameterNames(self._type)
        }

    def _connect(self) -> None:
        for connector in self._connectors.values():
            connector.onChanged(self.changed)

    def _disconnect(self) -> None:
        for connector in self._connectors.values():
            connector.onChanged(None)

    def widget(self):
        return self._widget

    def read(self):
        pack = self._type()
        for name, connector in self._connectors.items():
            pack.setValue(name, connector.read())
        return pack

    def write(self, value) -> None:
        for name, connector in self._connectors.items():
            connector.write(value.getValue(name))
