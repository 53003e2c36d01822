"""What sections of panels have in common whose buttons start work beside the window."""

from __future__ import annotations

from .panel_work import PanelWork


class WorkSection:
    """Work that its buttons start, and the parameters that it reads.

    Args:
        ui: widgets by name.
        logic: of the module.
        work: to which the section adds its buttons.
    """

    def __init__(self, ui, logic, work: PanelWork):
        self.ui, self.logic = ui, logic
        self._parameters = None
        self._work = work

    @property
    def running(self) -> bool:
        """Whether work is under way."""
        return self._work.running

    @property
    def work(self) -> PanelWork:
        """What a button has started."""
        return self._work

    def setParameterNode(self, parameterNode):
        """Connect with the parameters, or with none."""
        self._parameters = parameterNode

    def selectDefaults(self):
        """Select what there is where nothing is selected yet."""

    def parametersChanged(self):
        """Show what follows from the parameters."""
        self._work.update()

    def nodesRemoved(self):
        """Nodes were deleted: perhaps what is shown here."""

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
        raise NotImplementedError
