"""How a widget shows a value and says that it has changed: the interface and the register of connectors."""

from __future__ import annotations

import abc
from collections.abc import Callable

from .annotations import as_typing_union

__all__ = ["GuiConnector", "createGuiConnector", "parameterNodeGuiConnector"]


class GuiConnector(abc.ABC):
    """One widget that shows one parameter; modules can register their own."""

    @staticmethod
    @abc.abstractmethod
    def canRepresent(widget, datatype) -> bool:
        """Whether this class binds this widget to values of the possibly annotated type."""

    @staticmethod
    @abc.abstractmethod
    def create(widget, datatype) -> GuiConnector | None:
        """The connector, which sets the widget up for the type: its range, its items; None if it cannot."""

    def __init__(self):
        super().__init__()
        self._callback: Callable[[], None] | None = None

    def onChanged(self, callback: Callable[[], None] | None) -> None:
        """Call `callback` whenever the widget changes, or with None no longer."""
        self._callback = callback
        if callback is None:
            self._disconnect()
        else:
            self._connect()

    def changed(self) -> None:
        """The slot of the widget's signal."""
        if self._callback is not None:
            self._callback()

    @abc.abstractmethod
    def _connect(self) -> None:
        """Connect the widget's signal to `changed`."""

    @abc.abstractmethod
    def _disconnect(self) -> None:
        """Disconnect the widget's signal from `changed`."""

    @abc.abstractmethod
    def widget(self):
        """The widget."""

    @abc.abstractmethod
    def read(self):
        """The value that the widget shows."""

    @abc.abstractmethod
    def write(self, value) -> None:
        """Let the widget show a value."""


_registered: list[type[GuiConnector]] = []


def parameterNodeGuiConnector(classtype=None):
    """Class decorator, with or without parentheses: offer the connector to every binding that comes after."""
    if classtype is None:
        return parameterNodeGuiConnector
    if not issubclass(classtype, GuiConnector):
        raise TypeError(f"{classtype.__name__} is not a subclass of GuiConnector.")
    _registered.append(classtype)
    return classtype


def createGuiConnector(widget, datatype) -> GuiConnector:
    """The connector for a widget and a possibly annotated type. Raises RuntimeError if there is none."""
    datatype = as_typing_union(datatype)
    for candidate in _registered:
        if candidate.canRepresent(widget, datatype):
            return candidate.create(widget, datatype)
    raise RuntimeError(
        f"No connector binds the widget type {type(widget).__name__} to the type {datatype}. The exact class counts, "
        "not a base class; see Testing/SlicerHost/parameter_nodes/widget_connectors.py."
    )
