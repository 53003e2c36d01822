"""Gives the application its views: a layout manager in a frame, with or without the main window around it."""

from __future__ import annotations

import qt
import slicer

from .layout import qSlicerLayoutManager

# Besides the slice nodes' models, which their logics delete.
_VIEW_CLASSES = (
    "vtkMRMLAbstractViewNode",
    "vtkMRMLAbstractLayoutNode",
    "vtkMRMLSliceCompositeNode",
    "vtkMRMLCameraNode",
    "vtkMRMLCrosshairNode",
)

_frames: list[qt.QFrame] = []


def show_views(size: tuple[int, int] = (1000, 700)) -> qSlicerLayoutManager:
    """Show the views in a window of their own, and give `slicer.app` its layout manager; views that are there stay.

    `size`: width and height in pixels, bars included.
    """
    if slicer.app.layoutManager() is None:
        frame = qt.QFrame()
        frame.setObjectName("CentralWidgetLayoutFrame")
        frame.setWindowTitle("Slicer views")
        _frames.append(frame)
        give_layout_manager(frame)
        frame.resize(*size)
        frame.show()
    return slicer.app.layoutManager()


def give_layout_manager(frame: qt.QFrame) -> qSlicerLayoutManager:
    """Fill a frame with the views of the scene; `slicer.app.layoutManager()` is not None from now on."""
    manager = qSlicerLayoutManager(frame, slicer.app.applicationLogic())
    slicer.app.setLayoutManager(manager)
    manager.setMRMLScene(slicer.mrmlScene)
    return manager


def close_views() -> None:
    """Take the views away, and their nodes out of the scene; `slicer.app.layoutManager()` is None again."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return
    slicer.app.setLayoutManager(None)
    manager.release()
    for node_class in _VIEW_CLASSES:
        for node in slicer.util.getNodesByClass(node_class):
            slicer.mrmlScene.RemoveNode(node)
    while _frames:
        frame = _frames.pop()
        frame.hide()
        frame.deleteLater()
