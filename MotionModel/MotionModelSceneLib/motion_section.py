"""What the sections Track, Complete and Simulate of the panel have in common."""

from __future__ import annotations

from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationSceneLib.panel_work import PanelWork
from DeformationSceneLib.sequence_reading import find_series

from .result_display import ResultList


class MotionSection:
    """Work that its buttons start, and what the last work has put into the scene.

    Args:
        ui: widgets by name.
        logic: of the module.
        work: to which the section adds its buttons.
        results: shows the result's charts.
    """

    def __init__(self, ui, logic, work: PanelWork, results: ResultList):
        self.ui, self.logic = ui, logic
        self._parameters = None
        self._nodes = None
        self._work, self._results = work, results

    @property
    def running(self) -> bool:
        """Whether work is under way."""
        return self._work.running

    @property
    def work(self) -> PanelWork:
        """What a button has started."""
        return self._work

    @property
    def nodes(self):
        """What the last work has put into the scene; None where there is nothing of it."""
        return self._nodes

    def setParameterNode(self, parameterNode):
        """Connect with the parameters, or with none."""
        self._parameters = parameterNode

    def nodesRemoved(self):
        """Nodes were deleted: perhaps what is shown here."""
        if self._nodes is not None and self._nodes.transform.GetScene() is None:
            self._forget()

    def sceneClosing(self):
        """The scene goes away: so does the work on it, and what is known of its nodes."""
        self.cleanup()
        self._work.say("")

    def cleanup(self):
        """The panel goes away."""
        self._work.abandon()
        self._forget()

    def _forget(self):
        """Nothing of the last work is left."""
        self._nodes = None
        self._showResult()

    def _showResult(self):
        """Show what the last work has put into the scene; each section has its own widgets for it."""
        raise NotImplementedError


def reason_against_series(node, reference: int) -> str:
    """What speaks against moving from a reference frame through a sequence; empty where nothing does."""
    try:
        frames = len(find_series(node))
    except InputError as error:
        return str(error)
    if frames < 2:
        return _("Select a sequence of at least two frames.")
    if reference >= frames:
        return _("Choose a reference frame from 0 to {last}.").format(last=frames - 1)
    return ""
