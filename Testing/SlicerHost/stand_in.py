"""What the Python stand-ins of C++ widgets have in common."""

from __future__ import annotations

from . import pythonqt
from .pyside import QtCore
from .signals import StandInSignal

__all__ = ["StandInSignal", "cpp_property", "not_covered", "refusing_class", "split_arguments", "stand_in"]


def cpp_property(type_name: str, read, write=None) -> QtCore.Property:
    """A Qt property of a stand-in: of that C++ type, known to Qt Designer files, an attribute in Python."""
    return QtCore.Property(type_name, read, write)


def stand_in(cls: type) -> type:
    """Class decorator: its objects refuse attributes that the class does not declare, like C++ objects."""
    pythonqt.adopt(cls)
    return cls


def not_covered(name: str) -> NotImplementedError:
    return NotImplementedError(f"{name} is not covered by the headless host (Testing/SlicerHost).")


def refusing_class(module: str, name: str) -> type:
    """A class that can be named and compared with, as Slicer's own code does, but not used."""

    def refuse(self, *arguments, **keywords):
        raise not_covered(f"{module}.{name}")

    return type(name, (), {"__init__": refuse, "__doc__": f"{name}: refused by the headless host."})


def split_arguments(arguments: tuple, *types: type) -> list:
    """Sort a C++ constructor's leading optional arguments by type: one value or None for each of `types`.

    >>> text, parent = split_arguments(arguments, str, QtWidgets.QWidget)    # (text), (parent), (text, parent), ()
    """
    remaining = [argument for argument in arguments if argument is not None]
    values = []
    for kind in types:
        values.append(remaining.pop(0) if remaining and isinstance(remaining[0], kind) else None)
    if remaining:
        raise ValueError(f"Unexpected constructor arguments: {remaining}")
    return values
