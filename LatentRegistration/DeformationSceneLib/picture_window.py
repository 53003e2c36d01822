"""A small window that shows a picture of the scene, a bull's-eye or a heat map, beside what the views show."""

from __future__ import annotations

import os
import tempfile

import qt
import slicer
import vtk

_SHORTEST = 260
"""Pixels: pictures with fewer of them are magnified."""


class PictureWindow:
    """One window for all pictures; it is made for the first one.

    Not a slice view: transforms and structures would be drawn over the picture.
    """

    def __init__(self):
        self._dialog = self._label = None

    @property
    def visible(self) -> bool:
        """Whether the window is open."""
        return self._dialog is not None and self._dialog.visible

    def show(self, volumeNode) -> None:
        """Show a volume of one slice, in the colours of its display."""
        if self._dialog is None:
            self._dialog = qt.QDialog(slicer.util.mainWindow())
            self._label = qt.QLabel(self._dialog)
            qt.QVBoxLayout(self._dialog).addWidget(self._label)
        self._dialog.windowTitle = volumeNode.GetName()
        self._label.setPixmap(_pixmap(volumeNode))
        self._dialog.adjustSize()
        self._dialog.show()

    def close(self) -> None:
        """The picture, or the panel, goes away."""
        if self._dialog is not None:
            self._dialog.close()
            self._dialog.deleteLater()
            self._dialog = self._label = None


def _pixmap(volumeNode):
    """By a file, since Python cannot hand the voxels to Qt in every version of Slicer."""
    colours = vtk.vtkImageExtractComponents()
    colours.SetInputConnection(volumeNode.GetDisplayNode().GetOutputImageDataConnection())
    colours.SetComponents(0, 1, 2)
    upright = vtk.vtkImageFlip()
    upright.SetInputConnection(colours.GetOutputPort())
    upright.SetFilteredAxis(1)  # the first row of a volume is the lowest of a PNG
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "picture.png")
        writer = vtk.vtkPNGWriter()
        writer.SetInputConnection(upright.GetOutputPort())
        writer.SetFileName(path)
        writer.Write()
        pixmap = qt.QPixmap(path)
    shortest = min(pixmap.width(), pixmap.height())
    if 0 < shortest < _SHORTEST:
        factor = -(-_SHORTEST // shortest)
        pixmap = pixmap.scaled(factor * pixmap.width(), factor * pixmap.height())
    return pixmap
