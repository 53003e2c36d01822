"""What the section Explore plots and exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from DeformationSceneLib.messages import errors_shown
from DeformationSceneLib.plots import show_chart

from .component_charts import (
    add_component_table,
    coefficients_chart,
    population_chart,
    update_charts,
    variance_chart,
)
from .component_export import AmplitudeSequence, ComponentDeformation
from .deformation_grid import DeformationGrid, show_grid

if TYPE_CHECKING:
    from .explore_section import ExploreSection

_SEQUENCE_DEVIATIONS, _SEQUENCE_STEPS = 2.0, 9


class ExploreOutputs:
    """Answers the buttons for plots and exports; they are enabled only while something is explored."""

    def __init__(self, section: ExploreSection):
        self._section, ui = section, section.ui
        for button, slot in (
            (ui.explorePopulationPlotButton, self._onPopulationPlot),
            (ui.exploreCoefficientsPlotButton, self._onCoefficientsPlot),
            (ui.exploreVariancePlotButton, self._onVariancePlot),
            (ui.exploreExportTransformButton, self._onExportTransform),
            (ui.exploreExportSequenceButton, self._onExportSequence),
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

    def _onExportTransform(self, _checked=False):
        explored = self._section.exploration
        with errors_shown(_("Export")):
            self._section.stopAnimation()
            amplitudes = explored.explorer.amplitudes(self._section.amplitudes())
            code = self._section.pickedCode()
            self._export(
                ComponentDeformation(
                    explored.imageNode, explored.structureNode, explored.explorer, amplitudes, code=code
                )
            )

    def _onExportSequence(self, _checked=False):
        explored = self._section.exploration
        with errors_shown(_("Export")):
            self._section.stopAnimation()
            self._export(
                AmplitudeSequence(
                    explored.imageNode,
                    explored.structureNode,
                    explored.explorer,
                    self._section.component(),
                    _SEQUENCE_DEVIATIONS,
                    _SEQUENCE_STEPS,
                )
            )

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

    def _export(self, export):
        def add(_nothing):
            # Not drawn: it would lie over the live one, which says the same.
            nodes = export.addToScene(display=None)
            kept = nodes.browser or nodes.transform
            sentence = _("Added '{name}'.").format(name=kept.GetName())
            self._section.showState(f"{sentence} {nodes.remark}".strip())

        self._section.run(export.compute, add, _("Export failed"))
