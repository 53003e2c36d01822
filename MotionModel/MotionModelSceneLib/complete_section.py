"""The section Complete of the panel: which frames the model may look at, and how well it predicts the others."""

from __future__ import annotations

import numpy as np
import qt
from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationSceneLib.messages import warning_lines
from DeformationSceneLib.panel_work import PanelWork
from DeformationSceneLib.sequence_reading import find_series
from DeformationSceneLib.slice_views import show_in_plane

from .given_frames import format_numbers, given_frames
from .motion_section import MotionSection
from .result_display import ResultList, fraction_sentence, show_motion
from .track_section import reason_against_sequence


class CompleteSection(MotionSection):
    """Works on the sequence, reference, segmentation and model of the section Track."""

    def __init__(self, ui, logic):
        work = PanelWork(ui.completeProgressBar, ui.completeMessageLabel, _("Completion failed"))
        super().__init__(ui, logic, work, ResultList(ui.completeChartComboBox, ui.completeChartButton))
        self._listed: tuple = ()
        self._filling = False
        work.addButton(ui.completeButton, self._start, self._reason)
        ui.givenFramesList.connect("itemChanged(QListWidgetItem*)", self._onItemChanged)
        self._showResult()
        self._work.say("")

    def parametersChanged(self):
        """Show what follows from the parameters."""
        pattern = self._parameters.givenPattern.value
        self.ui.givenCountSpinBox.enabled = pattern == "first"
        self.ui.givenNumbersLineEdit.enabled = pattern == "numbers"
        self._fillList()
        self._work.update()

    # Choosing frames

    def given(self) -> list[int]:
        """Numbers of the given frames. Raises `InputError` where there is no sequence, or for unreadable numbers."""
        parameters = self._parameters
        frames = len(find_series(parameters.cine))
        return given_frames(
            parameters.givenPattern.value,
            frames,
            min(parameters.reference, frames - 1),
            parameters.givenCount,
            parameters.givenNumbers,
        )

    def _fillList(self):
        """Show all frames, the given ones checked; the reference frame stays checked."""
        try:
            given, frames = self.given(), len(find_series(self._parameters.cine))
        except InputError:
            given, frames = [], self.ui.givenFramesList.count if self._parameters.cine is not None else 0
        reference = self._parameters.reference
        shown = (frames, tuple(given), reference)
        if shown == self._listed:
            return
        self._listed, self._filling = shown, True
        widget = self.ui.givenFramesList
        if widget.count != frames:
            widget.clear()
            for number in range(frames):
                widget.addItem(_("Frame {number}").format(number=number))
        for number in range(frames):
            item = widget.item(number)
            checkable = qt.Qt.ItemIsSelectable | qt.Qt.ItemIsUserCheckable
            item.setFlags(qt.Qt.ItemIsEnabled | checkable if number != reference else qt.Qt.ItemIsUserCheckable)
            item.setCheckState(qt.Qt.Checked if number in given else qt.Qt.Unchecked)
        self._filling = False

    def _onItemChanged(self, _item):
        """The user has checked a frame: from now on the frames are chosen by their numbers."""
        if self._filling or self._parameters is None:
            return
        widget = self.ui.givenFramesList
        chosen = [number for number in range(widget.count) if widget.item(number).checkState() == qt.Qt.Checked]
        parameters = self._parameters
        numbers = type(parameters.givenPattern).NUMBERS
        parameters.givenNumbers = format_numbers(chosen)
        parameters.givenPattern = numbers

    def _reason(self) -> str:
        reason = reason_against_sequence(self._parameters)
        if reason:
            return reason
        try:
            given = self.given()
        except InputError as error:
            return str(error)
        if len(given) == len(find_series(self._parameters.cine)):
            return _("All frames are given, so that there is nothing to predict: take some away.")
        return ""

    # Work

    def _start(self):
        from .sequence_tracking import SequenceTracking

        parameters = self._parameters
        segmentation = parameters.segmentation
        series = find_series(parameters.cine)
        earlier = self._nodes if self._nodes is not None and self._nodes.browser is series.browser else None
        completion = SequenceTracking(
            parameters.cine,
            parameters.reference,
            segmentation,
            given=self.given(),
            replace=earlier,
        )
        model, device, display = parameters.model, parameters.device.value, parameters.display.value

        def finish(_nothing):
            self._nodes = self.logic.finish(completion)
            self._work.say("")
            show_motion(self._nodes, segmentation, display)
            self._showResult(segmentation)

        self._work.run(
            lambda progress: completion.compute(lambda: self.logic.model(model, device), progress),
            finish,
            inputs=(parameters.cine, segmentation),
        )

    # Result

    def _showResult(self, segmentation=None):
        nodes, ui = self._nodes, self.ui
        ui.completeResultGroupBox.visible = nodes is not None
        self._results.fill(nodes)
        for widget in (ui.completeSeekWidget, ui.completePlayWidget):
            widget.setMRMLSequenceBrowserNode(nodes.browser if nodes is not None else None)
        if nodes is None:
            return
        sentences = (
            _result_sentence(nodes),
            fraction_sentence(nodes.volumes, segmentation),
            warning_lines(nodes.warnings),
        )
        ui.completeResultLabel.text = "\n".join(filter(None, sentences))
        if nodes.motion.warped is not None:
            show_in_plane(nodes.motion.warped)
        self._results.showChosen()


def _result_sentence(nodes) -> str:
    """How many frames were predicted, and how far off they are."""
    motion, error = nodes.result, nodes.error
    hidden = ~motion.given
    text = _("Predicted {hidden} of {count} frames in {seconds:.1f} s.").format(
        hidden=int(hidden.sum()), count=len(motion), seconds=sum(motion.seconds.values())
    )
    if error is None:
        return text
    if error.distance is not None:
        text += " " + _("They are {distance:.2f} mm from the motion that is seen with all frames.").format(
            distance=float(np.mean(error.distance[hidden]))
        )
    predicted, unmoved = (np.mean(values[hidden]) for values in (error.predicted, error.unmoved))
    if np.isfinite(predicted) and unmoved > 0:
        text += " " + _("Error of the images: {percent:.0f} % of that without motion.").format(
            percent=float(100 * predicted / unmoved)
        )
    return text
