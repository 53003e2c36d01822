"""What a person does with a view, and where things are in its picture; for the tests of the host's views."""

from __future__ import annotations

import numpy as np
import qt
import slicer
import vtk


def turn_wheel(view, notches: int, modifiers=qt.Qt.NoModifier) -> None:
    """Turn the mouse wheel over the middle of a view; positive: away from the person."""
    size = view.size
    middle = qt.QPointF(size.width() / 2, size.height() / 2)
    for _ in range(abs(notches)):
        event = qt.QWheelEvent(
            middle,
            middle,
            qt.QPoint(0, 0),
            qt.QPoint(0, 120 if notches > 0 else -120),
            qt.Qt.NoButton,
            modifiers,
            qt.Qt.NoScrollPhase,
            False,
        )
        qt.QApplication.sendEvent(view, event)


def drag(view, start: tuple[int, int], end: tuple[int, int], button=qt.Qt.LeftButton) -> None:
    """Press a button, move in ten steps, release; positions in pixels from the upper left corner."""
    _mouse(view, qt.QEvent.MouseMove, start, qt.Qt.NoButton, qt.Qt.NoButton)
    _mouse(view, qt.QEvent.MouseButtonPress, start, button, button)
    for step in range(1, 11):
        position = tuple(round(a + (b - a) * step / 10) for a, b in zip(start, end))
        _mouse(view, qt.QEvent.MouseMove, position, qt.Qt.NoButton, button)
    _mouse(view, qt.QEvent.MouseButtonRelease, end, button, qt.Qt.NoButton)


def press_key(view, key: int, text: str = "") -> None:
    for kind in (qt.QEvent.KeyPress, qt.QEvent.KeyRelease):
        qt.QApplication.sendEvent(view, qt.QKeyEvent(kind, key, qt.Qt.NoModifier, text))


def ras_of_pixels(slice_widget) -> np.ndarray:
    """RAS position (height, width, 3) of the pixels of a slice view's picture."""
    height, width = slice_widget.sliceView().picture().shape[:2]
    matrix = slicer.util.arrayFromVTKMatrix(slice_widget.mrmlSliceNode().GetXYToRAS())
    x, y = np.meshgrid(np.arange(width), np.arange(height)[::-1])
    return np.stack([x, y, np.zeros_like(x), np.ones_like(x)], axis=-1) @ matrix[:3].T


def voxels_under_pixels(slice_widget, volume_node) -> np.ndarray:
    """Value of the voxel (nearest neighbour) under every pixel of a slice view; 0 outside the volume."""
    to_ijk = vtk.vtkMatrix4x4()
    volume_node.GetRASToIJKMatrix(to_ijk)
    ras = ras_of_pixels(slice_widget)
    homogeneous = np.concatenate([ras, np.ones((*ras.shape[:2], 1))], axis=-1)
    index = np.rint(homogeneous @ slicer.util.arrayFromVTKMatrix(to_ijk)[:3].T).astype(int)[..., ::-1]
    values = slicer.util.arrayFromVolume(volume_node)
    inside = np.all((index >= 0) & (index < values.shape), axis=-1)
    clipped = np.clip(index, 0, np.array(values.shape) - 1)
    return np.where(inside, values[tuple(np.moveaxis(clipped, -1, 0))], 0)


def is_colour(picture: np.ndarray, colour: tuple[int, int, int], tolerance: int = 40) -> np.ndarray:
    """Which pixels of a picture have this colour, 0..255 each."""
    return np.all(np.abs(picture[..., :3].astype(int) - np.array(colour)) <= tolerance, axis=-1)


def pixel_of(slice_widget, ras: tuple[float, float, float]) -> tuple[int, int]:
    """Row and column in the picture of a position."""
    height = slice_widget.sliceView().picture().shape[0]
    inverse = np.linalg.inv(slicer.util.arrayFromVTKMatrix(slice_widget.mrmlSliceNode().GetXYToRAS()))
    x, y = (inverse @ np.array([*ras, 1.0]))[:2]
    return height - 1 - round(y), round(x)


def _mouse(view, kind, position, button, buttons) -> None:
    point = qt.QPointF(*position)
    event = qt.QMouseEvent(kind, point, point, button, buttons, qt.Qt.NoModifier)
    qt.QApplication.sendEvent(view, event)
