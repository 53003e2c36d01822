"""Keeps widgets and the parameters of a wrapper the same: what `connectGui` starts and `disconnectGui` ends."""

from __future__ import annotations

import qt
import slicer
import vtk

# The file of connectors registers what is in it.
from . import widget_connectors  # noqa: F401
from .connectors import GuiConnector, createGuiConnector
from .pack_connector import widgets_by_member_name

__all__ = ["SlicerParameterNamePropertyName", "findChildWidgetForParameter"]

SlicerParameterNamePropertyName = "SlicerParameterName"


def prepare(wrapper) -> None:
    """Give a new wrapper its book of bindings: connectors and the node's observer, by tag."""
    wrapper._parameterGUIs = {}
    wrapper._guiVtkObserverTags = {}
    wrapper._nextParameterGUIsTag = 0
    wrapper._updatingGUIFromParameterNode = False


def connect(wrapper, mapping) -> int:
    """Bind parameters by name to widgets or connectors: the widgets get the values, then each follows the other.

    Raises ValueError for a parameter that does not exist, RuntimeError for a widget that cannot show its type.
    """
    datatypes = {name: wrapper.dataType(name) for name in mapping}
    connectors = {
        name: widget if isinstance(widget, GuiConnector) else createGuiConnector(widget, datatypes[name])
        for name, widget in mapping.items()
    }
    tag = wrapper._nextParameterGUIsTag
    wrapper._nextParameterGUIsTag += 1
    wrapper._parameterGUIs[tag] = connectors
    for name, connector in connectors.items():
        connector.write(wrapper.getValue(name))
        connector.onChanged(_parameter_setter(wrapper, name, connector))
    wrapper._guiVtkObserverTags[tag] = wrapper.AddObserver(
        vtk.vtkCommand.ModifiedEvent, lambda caller, event: _update_widgets(wrapper)
    )
    return tag


def disconnect(wrapper, tag: int) -> None:
    """End the binding with this tag; an unknown tag is none."""
    for connector in wrapper._parameterGUIs.pop(tag, {}).values():
        connector.onChanged(None)
    if tag in wrapper._guiVtkObserverTags:
        wrapper.RemoveObserver(wrapper._guiVtkObserverTags.pop(tag))


def widgets_by_parameter_name(gui) -> dict[str, object]:
    """The widgets that name a parameter in their dynamic property; the last one for each name."""
    is_widget = getattr(gui, "isWidgetType", lambda: False)()
    widgets = gui.findChildren(qt.QWidget) if is_widget else vars(gui).values()
    named = ((widget.property(SlicerParameterNamePropertyName), widget) for widget in widgets)
    return {name: widget for name, widget in named if name}


def findChildWidgetForParameter(widget, parameter: str):
    """The child of a widget that shows a parameter or, for a dotted name, a member of a pack; None if there is none."""
    for child in widget.findChildren(qt.QWidget):
        if child.property(SlicerParameterNamePropertyName) == parameter:
            return child
    first, dot, rest = parameter.partition(".")
    pack_widget = findChildWidgetForParameter(widget, first) if dot else None
    return widgets_by_member_name(pack_widget).get(rest) if pack_widget else None


def _parameter_setter(wrapper, name: str, connector: GuiConnector):
    def widget_changed() -> None:
        with slicer.util.NodeModify(wrapper):
            if not wrapper._updatingGUIFromParameterNode:
                wrapper.setValue(name, connector.read())

    return widget_changed


def _update_widgets(wrapper) -> None:
    """Write all parameters into all widgets, which say that they have changed: that is not written back."""
    if wrapper._updatingGUIFromParameterNode:
        return
    wrapper._updatingGUIFromParameterNode = True
    try:
        with slicer.util.NodeModify(wrapper):
            for connectors in wrapper._parameterGUIs.values():
                for name, connector in connectors.items():
                    connector.write(wrapper.getValue(name))
    finally:
        wrapper._updatingGUIFromParameterNode = False
