"""The picture in a render window as an array."""

from __future__ import annotations

import numpy as np
import vtk
from vtk.util.numpy_support import vtk_to_numpy


def rgba_picture(window: vtk.vtkRenderWindow) -> np.ndarray:
    """What the window drew last: (height, width, 4) uint8, RGBA, first row on top, contiguous."""
    width, height = window.GetSize()
    pixels = vtk.vtkUnsignedCharArray()
    # The back buffer: offscreen windows have no other.
    window.GetRGBACharPixelData(0, 0, width - 1, height - 1, 0, pixels)
    return np.ascontiguousarray(vtk_to_numpy(pixels).reshape(height, width, 4)[::-1])
