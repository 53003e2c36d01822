"""What a section that explores leaves in the scene: the present deformation, or a component as a sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from .component_export import AmplitudeSequence, ComponentDeformation
from .messages import errors_shown

if TYPE_CHECKING:
    from .explore_section import ExploreSection

_SEQUENCE_DEVIATIONS, _SEQUENCE_STEPS = 2.0, 9


class ExploreExports:
    """Answers the buttons for exports; they are enabled only while something is explored."""

    def __init__(self, section: ExploreSection):
        self._section, ui = section, section.ui
        for button, slot in (
            (ui.exploreExportTransformButton, self._onExportTransform),
            (ui.exploreExportSequenceButton, self._onExportSequence),
        ):
            button.connect("clicked(bool)", slot)

    def updateCharts(self):
        """Charts that the scene has already follow what is explored."""

    def _onExportTransform(self, _checked=False):
        explored = self._section.exploration
        with errors_shown(_("Export")):
            self._section.stopAnimation()
            amplitudes = explored.explorer.amplitudes(self._section.amplitudes())
            code = self._section.wholeCode(self._section.amplitudes())
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

    def _export(self, export):
        def add(_nothing):
            # Not drawn: it would lie over the live one, which says the same.
            nodes = export.addToScene(display=None)
            kept = nodes.browser or nodes.transform
            sentence = _("Added '{name}'.").format(name=kept.GetName())
            self._section.showState(f"{sentence} {nodes.remark}".strip())

        self._section.run(export.compute, add, _("Export failed"))
