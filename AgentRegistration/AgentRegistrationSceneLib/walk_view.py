"""What is seen of a walk: the live nodes in the views, and beside them the state, the best actions, amplitudes and plots."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import slicer
from slicer.i18n import tr as _

from DeformationSceneLib.plots import show_chart
from DeformationSceneLib.result_list import ResultList

from .action_list import ActionList
from .live_walk import LiveWalk
from .walk_amplitudes import WalkAmplitudes
from .walk_registration import WalkRegistration
from .walk_run import WalkPicture, take_picture

_PLOT_SECONDS = 0.25
"""Plots and amplitudes follow a walk no more often: drawing them takes longer than a step."""


class WalkView:
    """Follows the pictures of one walk at a time.

    Args:
        ui: widgets by name.
        onTaken: called with an action that was double clicked.
        onAmplitude: called with a mode and the amplitude that it is given by hand.
    """

    def __init__(self, ui, onTaken: Callable[[int], None], onAmplitude: Callable[[int, float], None]):
        self.ui = ui
        self._live: LiveWalk | None = None
        self._plottedAt, self._layout = 0.0, None
        self._actions = ActionList(ui.walkActionsTable, onTaken)
        self._amplitudes = WalkAmplitudes(ui.walkModesTable, ui.walkAmplitudeSlider, onAmplitude)
        self._plots = ResultList(ui.walkChartComboBox, ui.walkChartButton)
        ui.fadeSlider.connect("valueChanged(int)", self._onFade)
        ui.deformationDisplayComboBox.connect("currentIndexChanged(int)", self._onDisplayChosen)

    @property
    def live(self) -> LiveWalk | None:
        """The live nodes, while there are any."""
        return self._live

    @property
    def chosenAction(self) -> int | None:
        """The action that is chosen in the list, by default the best one."""
        return self._actions.chosen

    def begin(self, shares: Sequence[float]) -> None:
        """List the modes of another model, with their shares of the variance."""
        self._amplitudes.begin(shares)

    def open(self, walking: WalkRegistration, closer: bool, hide: Sequence = ()) -> None:
        """Put the live nodes into the scene; arguments and errors as of `LiveWalk`."""
        picture = take_picture(walking.registration)
        opacity = self.ui.fadeSlider.value / 100
        self._live = LiveWalk(
            walking.registration, walking.nodes, self._chosenDisplay(), opacity, picture, closer, hide
        )
        self._plots.fill(((_("Similarity"), self._live.similarity), (_("Amplitudes"), self._live.amplitudes)))
        manager = slicer.app.layoutManager()
        if manager is not None:
            self._layout = manager.layout
            show_chart(self._live.similarity)
        self.show(picture)

    def close(self, restore: bool, sceneCloses: bool = False) -> None:
        """Remove the live nodes, which a scene that closes does itself. `restore`: views show what they showed before."""
        live, self._live = self._live, None
        self._plots.fill(())
        if live is not None and not sceneCloses:
            live.close(restore)
            manager = slicer.app.layoutManager()
            if restore and manager is not None:
                manager.setLayout(self._layout)

    def follow(self, picture: WalkPicture) -> None:
        """Show a picture of a walk that goes on; plots now and then."""
        now = time.monotonic()
        plots = now - self._plottedAt >= _PLOT_SECONDS
        if plots:
            self._plottedAt = now
        self.show(picture, plots)

    def show(self, picture: WalkPicture, plots: bool = True) -> None:
        """Show a picture. `plots`: with the plots and the amplitudes."""
        if self._live is None:
            return
        self._live.show(picture, plots)
        self.ui.walkStateLabel.text = _state_sentence(picture)
        self._actions.show(picture.actions)
        if plots:
            self._amplitudes.show(picture.amplitudes[-1])

    def _onFade(self, value):
        if self._live is not None:
            self._live.fade(value / 100)

    def _onDisplayChosen(self, _index=0):
        if self._live is not None:
            self._live.deformation.set_display(self._chosenDisplay())

    def _chosenDisplay(self) -> str | None:
        display = self.ui.deformationDisplayComboBox.currentData
        return None if display == "nothing" else display


def _state_sentence(picture: WalkPicture) -> str:
    sentence = _("Step {step}, similarity {similarity:.3f}.").format(step=picture.step, similarity=picture.similarity)
    if picture.oscillates:
        return sentence + " " + _("The agent only goes to and fro here.")
    return sentence
