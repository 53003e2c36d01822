"""The section Explore of the panel: components of a latent space; plots, exports, and codes that the latent map picks."""

from __future__ import annotations

import numpy as np

from DeformationSceneLib import explore_section

from .explore_outputs import ExploreOutputs


class ExploreSection(explore_section.ExploreSection):
    """Explores the components of a registration model's latent space."""

    controls = (
        *explore_section.ExploreSection.controls,
        "explorePopulationPlotButton",
        "exploreCoefficientsPlotButton",
        "exploreVariancePlotButton",
        "exploreExportTableButton",
        "exploreExportGridButton",
    )

    def __init__(self, ui, logic):
        self._picked: tuple[list[float], np.ndarray] | None = None
        super().__init__(ui, logic)

    def outputs(self) -> ExploreOutputs:
        """What answers the buttons for plots and exports."""
        return ExploreOutputs(self)

    def began(self):
        """An image is explored now."""
        self._picked = None
        for spinBox in (self.ui.explorePlotFirstSpinBox, self.ui.explorePlotSecondSpinBox):
            spinBox.maximum = self.exploration.explorer.count

    def showAppearance(self):
        """Show what follows from the parameters of how the deformation is drawn, and plotted."""
        super().showAppearance()
        axes = self.plotAxes()
        if self._shown.setdefault("axes", axes) != axes:
            self._shown["axes"] = axes
            self._outputs.updateCharts()

    def plotAxes(self) -> tuple[int, int]:
        """Components along the axes of the population plot, counted from 0."""
        last = max(self._controls.count, 1)
        first, second = self._parameters.explorePlotFirst, self._parameters.explorePlotSecond
        return min(first, last) - 1, min(second, last) - 1

    def showCode(self, code: np.ndarray):
        """Deform by a code ``(latent,)`` of a probabilistic model, while one explores.

        The amplitudes become those of the code. What lies beside all components counts too, until an amplitude is changed.
        """
        self.stopAnimation()
        explorer = self.exploration.explorer
        deviations = explorer.coefficients_of(code) / explorer.standard_deviations
        amplitudes = [round(float(value), 6) for value in deviations]
        self._picked = amplitudes, np.asarray(code, dtype=np.float64)
        self._parameters.exploreAmplitudes = amplitudes
        self._ask(self.amplitudes())  # also where another code has the same amplitudes

    def pickedCode(self) -> np.ndarray | None:
        """The code that was given to `showCode`; None after an amplitude was changed."""
        return self.wholeCode(self.amplitudes()) if self.exploring else None

    def wholeCode(self, amplitudes: list[float]) -> np.ndarray | None:
        """The picked code, as long as the amplitudes are its own."""
        return self._picked[1] if self._picked is not None and self._picked[0] == amplitudes else None
