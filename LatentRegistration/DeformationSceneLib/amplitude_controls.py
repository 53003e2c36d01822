"""How amplitudes are chosen in the panel: the table of components, the slider of the chosen one, animation, reset."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .amplitude_animation import AmplitudeAnimation
from .component_list import ComponentList


class AmplitudeControls:
    """Keeps the controls and the parameters `exploreAmplitudes` and `exploreComponent` in step.

    Args:
        ui: widgets by name.
        onAmplitudes: called with the amplitudes of all components, in standard deviations, that are to be shown.
        title: what the list calls a component; by default "Component".
    """

    def __init__(self, ui, onAmplitudes: Callable[[list[float]], None], title: str = ""):
        self._ui, self._onAmplitudes = ui, onAmplitudes
        self._parameters = None
        self._animation = AmplitudeAnimation(self._onAnimated)
        self._components = ComponentList(ui.exploreComponentsTable, self._onComponentChosen, self._setAmplitude, title)
        ui.exploreAmplitudeSlider.connect("valueChanged(double)", self._onSliderMoved)
        ui.exploreAnimateButton.connect("toggled(bool)", self._onAnimateToggled)
        ui.exploreResetButton.connect("clicked(bool)", self._onReset)
        self._enable(False)

    @property
    def count(self) -> int:
        """Number of components; 0 while nothing is explored."""
        return self._components.count

    def setParameterNode(self, parameterNode):
        """Connect with the parameters, or with none, which ends the animation."""
        if parameterNode is None:
            self.stopAnimation()
        self._parameters = parameterNode

    def begin(self, shares: Sequence[float]):
        """List the components, with their shares of the variance, and let them be moved."""
        self._components.fill(shares)
        self._enable(True)

    def end(self):
        """Nothing is explored any more; the parameters stay."""
        self._animation.stop()
        self._ui.exploreAnimateButton.checked = False
        self._components.fill([])
        self._enable(False)

    def amplitudes(self) -> list[float]:
        """Of all components, in standard deviations."""
        given = [float(value) for value in self._parameters.exploreAmplitudes] if self._parameters is not None else []
        return (given + [0.0] * self.count)[: self.count]

    def component(self) -> int:
        """The chosen one, counted from 0."""
        return min(max(self._parameters.exploreComponent, 0), max(self.count - 1, 0))

    def parametersChanged(self):
        """Show the parameters, unless an animation is on."""
        if self._animation.running or not self.count:
            return
        amplitudes, component = self.amplitudes(), self.component()
        self._components.choose(component)
        self._show(amplitudes, amplitudes[component])

    def stopAnimation(self):
        """Let the amplitude stay where the animation has brought it."""
        self._ui.exploreAnimateButton.checked = False

    def _enable(self, enabled: bool):
        ui = self._ui
        for widget in (
            ui.exploreComponentsTable,
            ui.exploreAmplitudeSlider,
            ui.exploreAnimateButton,
            ui.exploreResetButton,
        ):
            widget.enabled = enabled

    def _show(self, amplitudes: list[float], value: float):
        self._components.showAmplitudes(amplitudes)
        slider = self._ui.exploreAmplitudeSlider
        blocked = slider.blockSignals(True)
        slider.value = value
        slider.blockSignals(blocked)
        self._onAmplitudes(amplitudes)

    def _setAmplitude(self, component: int, value: float):
        if self._parameters is None or not self.count:
            return
        self.stopAnimation()
        amplitudes = self.amplitudes()
        reach = self._ui.exploreAmplitudeSlider.maximum
        amplitudes[component] = round(min(max(value, -reach), reach), 4)
        self._parameters.exploreAmplitudes = amplitudes

    def _onSliderMoved(self, value):
        if self._parameters is not None:
            self._setAmplitude(self.component(), value)

    def _onComponentChosen(self, component):
        if self._parameters is not None:
            self.stopAnimation()
            self._parameters.exploreComponent = component

    def _onReset(self, _checked=False):
        self.stopAnimation()
        if self._parameters is not None:
            self._parameters.exploreAmplitudes = []

    def _onAnimateToggled(self, checked):
        if checked and self._parameters is not None and self.count:
            self._animation.start(self.amplitudes()[self.component()], self._ui.exploreAmplitudeSlider.maximum)
        elif self._animation.running:
            self._animation.stop()
            self._onSliderMoved(self._ui.exploreAmplitudeSlider.value)

    def _onAnimated(self, value):
        """Past the parameters, which would make the scene modified at every picture."""
        amplitudes = self.amplitudes()
        amplitudes[self.component()] = value
        self._show(amplitudes, value)
