"""The amplitudes of a walk in the panel: the table of modes, and the slider of the chosen one, which lead it by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from slicer.i18n import tr as _

from DeformationSceneLib.component_list import ComponentList


class WalkAmplitudes:
    """Shows where a walk stands, and hands on what a person changes.

    Args:
        table: of the modes.
        slider: of the chosen mode.
        onAmplitude: called with a mode, counted from 0, and its new amplitude in standard deviations.
    """

    def __init__(self, table, slider, onAmplitude: Callable[[int, float], None]):
        self._slider, self._onAmplitude = slider, onAmplitude
        self._list = ComponentList(table, self._onChosen, self._onTyped, _("Mode"))
        self._mode, self._amplitudes = 0, [0.0]
        slider.connect("valueChanged(double)", self._onSliderMoved)

    @property
    def mode(self) -> int:
        """The chosen one, counted from 0."""
        return self._mode

    def begin(self, shares: Sequence[float]) -> None:
        """List modes with their shares of the variance."""
        self._list.fill(shares)
        self._mode, self._amplitudes = 0, [0.0] * max(len(shares), 1)
        self._list.choose(0)

    def show(self, amplitudes: Sequence[float]) -> None:
        """Show where the walk stands."""
        self._amplitudes = [round(float(value), 4) for value in amplitudes]
        self._list.showAmplitudes(self._amplitudes)
        self._showSlider()

    def _showSlider(self) -> None:
        blocked = self._slider.blockSignals(True)
        self._slider.value = self._amplitudes[self._mode]
        self._slider.blockSignals(blocked)

    def _onChosen(self, mode) -> None:
        self._mode = mode
        self._showSlider()

    def _onTyped(self, mode, value) -> None:
        self._mode = mode
        self._list.choose(mode)
        self._onAmplitude(mode, min(max(value, self._slider.minimum), self._slider.maximum))

    def _onSliderMoved(self, value) -> None:
        self._onAmplitude(self._mode, value)
