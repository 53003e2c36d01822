"""The section Track of the panel: choices, Apply that turns into Cancel, and the result."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationSceneLib.messages import warning_lines
from DeformationSceneLib.model_list import ModelList
from DeformationSceneLib.panel_work import PanelWork
from DeformationSceneLib.sequence_reading import Series, find_series, reason_against_series
from DeformationSceneLib.slice_views import show_in_plane

from .motion_section import MotionSection
from .result_display import ResultList, fraction_sentence, show_motion

_OUTPUTS = {
    "segmentation": "Segmentation",
    "warped": "Warped",
    "jacobian": "Jacobian",
    "compensated": "Compensated",
    "curves": "Curves",
    "strain": "Strain",
    "matrix": "Matrix",
}
"""Outputs besides the transforms, as the logic calls them, and how the parameters make... call them."""


class TrackSection(MotionSection):
    """Reads the parameters, tracks beside the window, and shows what came of it."""

    def __init__(self, ui, logic):
        work = PanelWork(ui.trackProgressBar, ui.trackMessageLabel, _("Tracking failed"))
        super().__init__(ui, logic, work, ResultList(ui.resultChartComboBox, ui.resultChartButton))
        self._tracked: tuple | None = None
        self._look: tuple | None = None
        self._played = None
        self._models = ModelList(ui.modelComboBox, ui.modelPurposeLabel, logic, self._onModelChosen)
        work.addButton(ui.applyButton, self._start, self._reasonAgainstApply)
        ui.useCurrentFrameButton.connect("clicked(bool)", self._onUseCurrentFrame)
        self._showResult()
        self._work.say("")

    def resultOf(self, node, reference: int, model: str):
        """What the last tracking has made of a sequence, from that frame, by that model; None for another one."""
        series = self._series(node)
        known = self._nodes is not None and series is not None and (series.node, reference, model) == self._tracked
        return self._nodes if known else None

    def selectDefaults(self):
        """Select the first series of volumes where nothing is selected yet."""
        parameters = self._parameters
        if parameters is None or parameters.cine is not None:
            return
        for node in slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode"):
            if self._series(node) is not None:
                parameters.cine = node
                return

    def modelsChanged(self):
        """Models were installed or removed."""
        self._models.refresh()
        if self._parameters is not None:
            self._models.choose(self._parameters.model)

    def parametersChanged(self):
        """Show what follows from the parameters."""
        parameters = self._parameters
        self._models.choose(parameters.model)
        series = self._series(parameters.cine)
        self._play(self._playing(series))
        self.ui.useCurrentFrameButton.enabled = series is not None and series.browser is not None
        self._showAppearance()
        self._work.update()

    def nodesRemoved(self):
        """Nodes were deleted: perhaps what is shown here."""
        if self._played is not None and self._played.GetScene() is None:
            self._play(None)
        super().nodesRemoved()

    def cleanup(self):
        """The panel goes away."""
        self._play(None)
        super().cleanup()

    # Choices

    def _onModelChosen(self, name):
        if self._parameters is not None:
            self._parameters.model = name

    def _onUseCurrentFrame(self, _checked=False):
        series = self._series(self._parameters.cine) if self._parameters is not None else None
        if series is not None:
            self._parameters.reference = series.selected

    @staticmethod
    def _series(node) -> Series | None:
        """What a node stands for; None for no series of volumes."""
        try:
            return find_series(node)
        except InputError:
            return None

    def _play(self, browser):
        """Let the controls below the sequence play a browser."""
        if browser is not self._played:
            self._played = browser
            for widget in (self.ui.trackSeekWidget, self.ui.trackPlayWidget):
                widget.setMRMLSequenceBrowserNode(browser)

    def _reasonAgainstApply(self) -> str:
        return reason_against_sequence(self._parameters)

    def _outputs(self) -> set[str]:
        return {output for output, name in _OUTPUTS.items() if getattr(self._parameters, f"make{name}")}

    # Work

    def _start(self):
        from .sequence_tracking import SequenceTracking

        parameters = self._parameters
        tracking = SequenceTracking(
            parameters.cine, parameters.reference, parameters.segmentation, self._outputs(), replace=self._replaced()
        )
        # Read now: in the thread the parameters must not be touched.
        model, device = parameters.model, parameters.device.value
        segmentation = parameters.segmentation

        def finish(_nothing):
            self._nodes = self.logic.finish(tracking)
            self._tracked = (tracking.series.node, tracking.reference, model)
            self._work.say("")
            self._showResult(tracking.series, segmentation)

        self._work.run(
            lambda progress: tracking.compute(lambda: self.logic.model(model, device), progress),
            finish,
            inputs=(parameters.cine, segmentation),
        )

    def _replaced(self):
        """The result that the next one takes the place of: of the same sequence."""
        series = self._series(self._parameters.cine)
        return self._nodes if self._is_tracked(series) else None

    def _is_tracked(self, series: Series | None) -> bool:
        return self._nodes is not None and series is not None and series.node is self._tracked[0]

    def _playing(self, series: Series | None):
        """What plays a series: its own browser, or that of the result of a series without one."""
        if series is None or series.browser is not None:
            return series.browser if series is not None else None
        return self._nodes.browser if self._is_tracked(series) else None

    # Result

    def _forget(self):
        self._tracked = None
        super()._forget()

    def _showResult(self, series=None, segmentation=None):
        nodes, ui = self._nodes, self.ui
        ui.resultGroupBox.visible = nodes is not None
        self._results.fill(nodes)
        if nodes is None:
            return
        sentences = (_result_sentence(nodes.result), fraction_sentence(nodes.volumes, segmentation))
        ui.resultLabel.text = "\n".join(filter(None, sentences))
        ui.warningsLabel.text = warning_lines(nodes.warnings)
        ui.warningsLabel.visible = bool(nodes.warnings)
        ui.showContoursCheckBox.enabled = nodes.segmentation is not None
        self._play(nodes.browser)
        if series.volume is not None:
            show_in_plane(series.volume)
        self._look = None
        self._showAppearance(segmentation)

    def _showAppearance(self, segmentation=None):
        nodes, parameters = self._nodes, self._parameters
        if nodes is None or parameters is None:
            return
        look = parameters.display.value, parameters.showContours
        if look != self._look:  # else a change of another parameter would bring back what was hidden meanwhile
            self._look = look
            show_motion(nodes, segmentation, *look)


def reason_against_sequence(parameters) -> str:
    """What speaks against using the sequence of the section Track; empty where nothing does."""
    if parameters is None or parameters.cine is None:
        return _("Select a sequence in the section Track.")
    return reason_against_series(parameters.cine, parameters.reference)


def _result_sentence(motion) -> str:
    return _("Tracked {count} frames in {seconds:.1f} s.").format(
        count=len(motion), seconds=sum(motion.seconds.values())
    )
