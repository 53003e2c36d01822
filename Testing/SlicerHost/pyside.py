"""PySide6 with enumerations as PythonQt has them: integers with short names. Everything of the host imports it from here."""

from __future__ import annotations

import os

# Read by PySide6 when it is imported: integers (2), short names (4 and 8), for example QMessageBox.Yes.
os.environ.setdefault("PYSIDE6_OPTION_PYTHON_ENUM", "14")

import shiboken6
from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

if not issubclass(QtCore.Qt.CheckState, int):
    raise RuntimeError("Import Testing.SlicerHost before PySide6, which makes its enumerations when it is imported.")

__all__ = ["QtCore", "QtGui", "QtUiTools", "QtWidgets", "shiboken6"]
