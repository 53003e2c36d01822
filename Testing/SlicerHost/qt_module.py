"""The module `qt`: the classes of QtCore, QtGui and QtWidgets in one namespace, as in Slicer."""

from __future__ import annotations

import types

from . import pythonqt
from .ui_loader import QUiLoader

_OTHER_NAMES = ("Qt", "Signal", "Slot", "Property", "SIGNAL", "SLOT")


def make_qt_module() -> types.ModuleType:
    """Make `qt` with PythonQt's manners; names that it lacks are refused."""
    pythonqt.install()
    module = types.ModuleType("qt", __doc__)
    for source in pythonqt.QT_MODULES:
        for name in dir(source):
            if name in _OTHER_NAMES or (name[0] == "Q" and name[1:2].isupper()):
                setattr(module, name, getattr(source, name))
    module.QUiLoader = QUiLoader

    def refuse(name: str):
        raise AttributeError(f"qt.{name} is not covered by the headless host (Testing/SlicerHost).")

    module.__getattr__ = refuse
    return module
