"""What the sections Track, Complete and Simulate of the panel have in common."""

from __future__ import annotations

from DeformationSceneLib.panel_work import PanelWork
from DeformationSceneLib.work_section import WorkSection

from .result_display import ResultList


class MotionSection(WorkSection):
    """Work that its buttons start, and what the last work has put into the scene.

    Args:
        ui: widgets by name.
        logic: of the module.
        work: to which the section adds its buttons.
        results: shows the result's charts.
    """

    def __init__(self, ui, logic, work: PanelWork, results: ResultList):
        super().__init__(ui, logic, work)
        self._nodes = None
        self._results = results

    @property
    def nodes(self):
        """What the last work has put into the scene; None where there is nothing of it."""
        return self._nodes

    def nodesRemoved(self):
        """Nodes were deleted: perhaps what is shown here."""
        if self._nodes is not None and self._nodes.transform.GetScene() is None:
            self._forget()

    def _forget(self):
        """Nothing of the last work is left."""
        self._nodes = None
        self._showResult()

    def _showResult(self):
        """Show what the last work has put into the scene; each section has its own widgets for it."""
        raise NotImplementedError
