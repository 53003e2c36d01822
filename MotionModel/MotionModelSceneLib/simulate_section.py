"""The section "Simulate and transport" of the panel: an image gets a motion, its own or another subject's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from slicer.i18n import tr as _

from DeformationSceneLib.messages import errors_shown, warning_lines
from DeformationSceneLib.panel_work import PanelWork
from DeformationSceneLib.sequence_reading import find_series, reason_against_series
from DeformationSceneLib.side_by_side import Shown, SideBySide
from DeformationSceneLib.slice_views import show_in_plane

from .motion_section import MotionSection
from .result_display import ResultList, fraction_sentence, main_fraction, show_motion


@dataclass(frozen=True)
class Source:
    """The sequence whose motion is transported: that of this section, or else that of the section Track."""

    cine: object
    reference: int
    segmentation: object

    @classmethod
    def of(cls, parameters) -> Source:
        """Read the parameters."""
        if parameters.transportSource is not None:
            return cls(parameters.transportSource, parameters.transportReference, parameters.transportSegmentation)
        return cls(parameters.cine, parameters.reference, parameters.segmentation)

    def reason(self) -> str:
        """What speaks against it; empty where nothing does."""
        if self.cine is None:
            return _("Select the sequence whose motion is to be transported, here or in the section Track.")
        return reason_against_series(self.cine, self.reference)


class SimulateSection(MotionSection):
    """Simulates, transports, and shows source and result beside each other.

    Args:
        ui: widgets by name.
        logic: of the module.
        resultOf: gives the `TrackingNodes` of a sequence (node, reference frame, model) that was tracked before, or None.
    """

    def __init__(self, ui, logic, resultOf: Callable = lambda node, reference, model: None):
        work = PanelWork(ui.simulateProgressBar, ui.simulateMessageLabel, _("Simulate and transport"))
        super().__init__(ui, logic, work, ResultList(ui.simulateChartComboBox, ui.simulateChartButton))
        self._resultOf = resultOf
        self._left: Shown | None = None
        self._sides = SideBySide()
        work.addButton(ui.simulateButton, self._startSimulation, self._reasonAgainstSimulation)
        work.addButton(ui.transportButton, self._startTransport, self._reasonAgainstTransport)
        ui.sideBySideButton.connect("toggled(bool)", self._onSideBySide)
        self._showResult()
        self._work.say("")

    def parametersChanged(self):
        """Show what follows from the parameters."""
        parameters, ui = self._parameters, self.ui
        ui.simulateSeedSpinBox.enabled = parameters.simulateOrigin.value == "prior"
        own = parameters.transportSource is not None
        ui.transportReferenceSpinBox.enabled = ui.transportSegmentationSelector.enabled = own
        self._work.update()

    def nodesRemoved(self):
        """Nodes were deleted: perhaps what is shown here."""
        super().nodesRemoved()
        if self._left is not None and not self._left.exists:
            self._left = None
            self._sides.forget()
            self._showResult()

    # Work

    def _reasonAgainstSimulation(self) -> str:
        parameters = self._parameters
        if parameters is None or parameters.simulateImage is None:
            return _("Select the image that is to get a motion.")
        return ""

    def _reasonAgainstTransport(self) -> str:
        return self._reasonAgainstSimulation() or Source.of(self._parameters).reason()

    def _startSimulation(self):
        from .motion_simulation import MotionSimulation

        parameters = self._parameters
        image, segmentation = parameters.simulateImage, parameters.simulateSegmentation
        random = parameters.simulateOrigin.value == "prior"
        seed = parameters.simulateSeed if random else None
        simulation = MotionSimulation(image, segmentationNode=segmentation, frames=parameters.simulateFrames, seed=seed)

        def sentence(nodes):
            return "\n".join(filter(None, (_moving_sentence(nodes), fraction_sentence(nodes.volumes, segmentation))))

        self._run(simulation, (image, segmentation), Shown(None, image, segmentation), sentence)

    def _startTransport(self):
        from .motion_simulation import MotionTransport

        parameters, source = self._parameters, Source.of(self._parameters)
        image, segmentation = parameters.simulateImage, parameters.simulateSegmentation
        series = find_series(source.cine)
        tracked = self._resultOf(source.cine, source.reference, parameters.model)
        transport = MotionTransport(
            source.cine,
            image,
            referenceIndex=source.reference,
            sourceSegmentationNode=source.segmentation,
            targetSegmentationNode=segmentation,
            motion=tracked.result if tracked is not None else None,
        )
        left = None
        if series.volume is not None:
            left = Shown(series.browser, series.volume, tracked.segmentation if tracked is not None else None)

        def sentence(nodes):
            before = main_fraction(nodes.source_volumes, source.segmentation)
            after = main_fraction(nodes.volumes, segmentation)
            return "\n".join(filter(None, (_moving_sentence(nodes), _fractions_sentence(before, after))))

        self._run(transport, (source.cine, source.segmentation, image, segmentation), left, sentence)

    def _run(self, job, inputs, left: Shown | None, sentence: Callable):
        parameters = self._parameters
        model, device, display = parameters.model, parameters.device.value, parameters.display.value
        segmentation = parameters.simulateSegmentation

        def finish(_nothing):
            self._nodes, self._left = self.logic.finish(job), left
            show_motion(self._nodes, segmentation, display)
            self._work.say("")
            lines = (sentence(self._nodes), warning_lines(self._nodes.warnings))
            self.ui.simulateResultLabel.text = "\n".join(filter(None, lines))
            self._showResult()

        self._work.run(lambda progress: job.compute(lambda: self.logic.model(model, device), progress), finish, inputs)

    # Result

    def _forget(self):
        self._left = None
        self._sides.forget()
        super()._forget()

    def _showResult(self):
        nodes, ui = self._nodes, self.ui
        ui.simulateResultGroupBox.visible = nodes is not None
        self._results.fill(nodes)
        for widget in (ui.simulateSeekWidget, ui.simulatePlayWidget):
            widget.setMRMLSequenceBrowserNode(nodes.browser if nodes is not None else None)
        ui.sideBySideButton.enabled = nodes is not None and self._left is not None
        if nodes is None:
            ui.sideBySideButton.checked = False
        elif ui.sideBySideButton.checked and self._left is not None:
            self._onSideBySide(True)
        elif ui.sideBySideButton.checked:
            ui.sideBySideButton.checked = False
        elif nodes.motion.warped is not None:
            show_in_plane(nodes.motion.warped)

    def _onSideBySide(self, on: bool):
        nodes = self._nodes
        if not on:
            self._sides.hide()
        elif nodes is not None and self._left is not None:
            with errors_shown(_("Side by side")):
                self._sides.show(self._left, Shown(nodes.browser, nodes.motion.warped, nodes.segmentation))


def _moving_sentence(nodes) -> str:
    return _("Made '{name}': {count} frames in {seconds:.1f} s.").format(
        name=nodes.motion.warped.GetName(), count=len(nodes.result), seconds=sum(nodes.result.seconds.values())
    )


def _fractions_sentence(before: float | None, after: float | None) -> str:
    """Ejection fractions of source and result, as far as they are known."""
    if before is None and after is None:
        return ""
    known = {_("source"): before, _("result"): after}
    listed = ", ".join(f"{name} {value:.0f} %" for name, value in known.items() if value is not None)
    return _("Ejection fraction: {parts}.").format(parts=listed)
