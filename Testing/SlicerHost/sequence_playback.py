"""The clock of sequence browsers: the application's Sequences module lets its logic go on every 20 ms."""

from __future__ import annotations

import slicer

from .pyside import QtCore

_PERIOD_MS = 20
_BROWSER = "vtkMRMLSequenceBrowserNode"


class SequencePlayback:
    """Lets browsers that play select their next item, as long as the scene has browsers and events are handled."""

    def __init__(self, scene: slicer.vtkMRMLScene, logic: slicer.vtkSlicerSequencesLogic, parent: QtCore.QObject):
        self._scene, self._logic = scene, logic
        self._timer = QtCore.QTimer(parent)
        # A single shot that is asked for anew: slow views must not be flooded.
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PERIOD_MS)
        self._timer.timeout.connect(self._tick)
        scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, self._onNodesChanged)
        scene.AddObserver(slicer.vtkMRMLScene.NodeRemovedEvent, self._onNodesChanged)

    @property
    def running(self) -> bool:
        """Whether the scene has a browser."""
        return self._timer.isActive()

    def _onNodesChanged(self, _caller, _event) -> None:
        wanted = self._scene.GetFirstNodeByClass(_BROWSER) is not None
        if wanted and not self._timer.isActive():
            self._timer.start()
        elif not wanted:
            self._timer.stop()

    def _tick(self) -> None:
        blocked = slicer.app.pauseRender()
        try:
            self._logic.UpdateAllProxyNodes()
        finally:
            if blocked:
                slicer.app.resumeRender()
        self._timer.start()
