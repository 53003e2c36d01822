"""What the section Explore plots and exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from DeformationSceneLib.explore_exports import ExploreExports
from DeformationSceneLib.messages import errors_shown
from DeformationSceneLib.plots import show_chart

from .component_charts import (
    add_component_table,
    coefficients_chart,
    population_chart,
    update_charts,
    variance_chart,
)
from .deformation_grid import DeformationGrid, show_grid

if TYPE_CHECKING:
    from .explore_section import ExploreSection


class ExploreOutputs(ExploreExports):
    """Answers the buttons for plots and exports; they are enabled only while something is explored."""

    def __init__(self, section: ExploreSection):
        super().__init__(section)
        ui = section.ui
        for button, slot in (
            (ui.explorePopulationPlotButton, self._onPopulationPlot),
            (ui.exploreCoefficientsPlotButton, self._onCoefficientsPlot),
            (ui.exploreVariancePlotButton, self._onVariancePlot),
            (ui.exploreExportTableButton, self._onExportTable),
            (ui.exploreExportGridButton, self._onExportGrid),
        ):
            button.connect("clicked(bool)", slot)

    def updateCharts(self):
        """Charts that the scene has already follow the image, the model and the chosen axes."""
        explored = self._section.exploration
        if explored is not None and self._section.connected:
            with errors_shown(_("Plot")):
                update_charts(explored.explorer, explored.imageNode, *self._section.plotAxes(), explored.model)

    def _onPopulationPlot(self, _checked=False):
        explored = self._section.exploration
        with errors_shown(_("Plot")):
            show_chart(population_chart(explored.explorer, explored.imageNode, *self._section.plotAxes()))

    def _onCoefficientsPlot(self, _checked=False):
        explored = self._section.exploration
        with errors_shown(_("Plot")):
            show_chart(coefficients_chart(explored.explorer, explored.imageNode))

    def _onVariancePlot(self, _checked=False):
        explored = self._section.exploration
        with errors_shown(_("Plot")):
            show_chart(variance_chart(explored.explorer, explored.imageNode, explored.model))

    def _onExportTable(self, _checked=False):
        explored = self._section.exploration
        with errors_shown(_("Export")):
            node = add_component_table(explored.explorer, explored.imageNode)
            self._section.showState(_("Added the table '{name}'.").format(name=node.GetName()))

    def _onExportGrid(self, _checked=False):
        explored = self._section.exploration
        with errors_shown(_("Export")):
            self._section.stopAnimation()
            grid = DeformationGrid(
                explored.imageNode, explored.explorer, *self._section.plotAxes(), explored.structureNode
            )

            def add(_nothing):
                node = grid.addToScene()
                show_grid(node)
                self._section.showState(_("Added '{name}'.").format(name=node.GetName()))

            self._section.run(grid.compute, add, _("Export failed"))
