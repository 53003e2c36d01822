"""The section Patient of the panel: risk, survival and what drives them, for one series, and motions of other risk."""

from __future__ import annotations

import math
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationSceneLib.installation import SURVIVAL
from DeformationSceneLib.messages import errors_shown, warning_lines
from DeformationSceneLib.model_list import ModelList
from DeformationSceneLib.panel_work import PanelWork
from DeformationSceneLib.result_list import ResultList
from DeformationSceneLib.sequence_reading import reason_against_series
from DeformationSceneLib.side_by_side import Shown, SideBySide
from DeformationSceneLib.work_section import WorkSection

from .risk_gauge import Gauge, show_gauge

_FORMATS = (".html", ".pdf")


class PatientSection(WorkSection):
    """Predicts, simulates motions of higher and lower risk, and writes the report."""

    def __init__(self, ui, logic):
        work = PanelWork(ui.patientProgressBar, ui.patientMessageLabel, _("Patient"), SURVIVAL)
        super().__init__(ui, logic, work)
        self._nodes = self._motions = None
        self._sides = SideBySide()
        self._results = ResultList(ui.patientChartComboBox, ui.patientChartButton)
        self._models = ModelList(
            ui.riskModelComboBox, ui.riskModelPurposeLabel, logic, self._onModelChosen, without=what_without_model()
        )
        self._work.addButton(ui.predictButton, self._startPrediction, self._reasonAgainstPrediction)
        self._work.addButton(ui.riskMotionButton, self._startMotion, self._reasonWithoutPrediction)
        self._work.addButton(ui.patientReportButton, self._startReport, self._reasonWithoutPrediction)
        ui.sideBySideButton.connect("toggled(bool)", self._onSideBySide)
        self._forget()
        self._work.say("")

    @property
    def nodes(self):
        """What the last prediction has put into the scene (`PatientNodes`); None where there is nothing of it."""
        return self._nodes

    @property
    def motions(self):
        """The motions of higher and lower risk (`RiskMotionNodes`); None where there are none."""
        return self._motions

    def selectDefaults(self):
        """Select the first series of volumes where nothing is selected yet."""
        parameters = self._parameters
        if parameters is None or parameters.patient is not None:
            return
        for node in slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode"):
            if not reason_against_series(node, 0):
                parameters.patient = node
                return

    def modelsChanged(self):
        """Models were trained, installed or removed."""
        self._models.refresh()
        if self._parameters is not None:
            self._models.choose(self._parameters.riskModel)
        self._work.update()

    def parametersChanged(self):
        """Show what follows from the parameters."""
        self._models.choose(self._parameters.riskModel)
        super().parametersChanged()

    def nodesRemoved(self):
        """Nodes were deleted: perhaps what is shown here."""
        if self._nodes is not None and self._nodes.table.GetScene() is None:
            self._forget()
        elif self._motions is not None and not all(one.exists for one in self._sidesShown()):
            self._forgetMotions()
            self._showResult()

    # Work

    def _onModelChosen(self, name):
        if self._parameters is not None:
            self._parameters.riskModel = name

    def _reasonAgainstPrediction(self) -> str:
        parameters = self._parameters
        if parameters is None or parameters.patient is None:
            return _("Select the cine series of the patient.")
        if not self._models.name:
            return _("There is no risk model yet: train one in the section Train and evaluate.")
        return reason_against_series(parameters.patient, parameters.patientReference)

    def _reasonWithoutPrediction(self) -> str:
        return "" if self._nodes is not None else _("Predict the risk first.")

    def _startPrediction(self):
        parameters = self._parameters
        prediction = self.logic.preparePrediction(
            parameters.patient,
            self._models.name,
            referenceIndex=parameters.patientReference,
            segmentationNode=parameters.patientSegmentation,
            device=parameters.device.value,
        )

        def finish(_nothing):
            self._forget()
            self._nodes = self.logic.finish(prediction)
            self._work.say("")
            self._showResult()

        self._work.run(prediction.compute, finish, inputs=(parameters.patient, parameters.patientSegmentation))

    def _startMotion(self):
        patient = self._nodes
        work = self.logic.prepareRiskMotion(patient, math.log(self._parameters.riskChange), replace=self._motions)

        def finish(_nothing):
            # Shown anew below, with the new nodes.
            self.ui.sideBySideButton.checked = False
            self._motions = self.logic.finish(work)
            self._work.say("")
            self._showResult()
            self.ui.sideBySideButton.checked = True

        self._work.run(work.compute, finish, inputs=(patient.table,))

    def _startReport(self):
        path = qt.QFileDialog.getSaveFileName(
            slicer.util.mainWindow(),
            _("Export report"),
            f"{self._nodes.prediction.case}.html",
            ";;".join((_("Web page ({pattern})").format(pattern="*.html"), "PDF (*.pdf)")),
        )
        if not path:
            return
        path = Path(path)
        if path.suffix.lower() not in _FORMATS:
            raise InputError(_("'{name}' is neither .html nor .pdf: choose one of the two.").format(name=path.name))
        patient, motions = self._nodes, self._motions

        def finish(written):
            self._work.say(_("Wrote {path}.").format(path=written))

        # Without cancel: it is a file that appears complete or not at all, in a moment.
        self._work.run(lambda _progress: self.logic.writePatientReport(patient, path, motions), finish)

    # What is shown

    def _forget(self):
        self._nodes = None
        self._forgetMotions()
        self._showResult()

    def _forgetMotions(self):
        self._motions = None
        self._sides.forget()
        self.ui.sideBySideButton.checked = False

    def _showResult(self):
        nodes, motions, ui = self._nodes, self._motions, self.ui
        ui.patientResultGroupBox.visible = nodes is not None
        self._results.fill(patient_entries(nodes) if nodes is not None else ())
        show_gauge(ui.patientGaugeLabel, Gauge.of(nodes.prediction, nodes.trained) if nodes is not None else None)
        ui.sideBySideButton.enabled = motions is not None
        for widget in (ui.riskMotionSeekWidget, ui.riskMotionPlayWidget):
            widget.setMRMLSequenceBrowserNode(motions.browser if motions is not None else None)
            widget.visible = motions is not None
        ui.riskMotionResultLabel.visible = motions is not None
        if motions is not None:
            # What the prediction warns of already stands above.
            others = [text for text in motions.warnings if nodes is None or text not in nodes.warnings]
            ui.riskMotionResultLabel.text = "\n".join(
                filter(None, (motion_sentence(motions.motions), warning_lines(others)))
            )
        if nodes is not None:
            ui.patientResultLabel.text = prediction_sentence(nodes.prediction)
            ui.patientWarningsLabel.text = warning_lines(nodes.warnings)
            ui.patientWarningsLabel.visible = bool(nodes.warnings)
        self._work.update()

    def _sidesShown(self) -> tuple[Shown, Shown]:
        return Shown(self._motions.browser, self._motions.down), Shown(self._motions.browser, self._motions.up)

    def _onSideBySide(self, on: bool):
        if not on:
            self._sides.hide()
        elif self._motions is not None:
            with errors_shown(_("Side by side")):
                self._sides.show(*self._sidesShown())


def what_without_model() -> str:
    """What to do where no risk model is installed; none is bundled."""
    return _(
        "No risk model is installed, and none comes with the extension, since no cohort of cine series with outcomes is "
        "public. Train one on your own cohort in the section Train and evaluate; the simulated cohort in Sample Data is "
        "there to try it."
    )


def prediction_sentence(prediction) -> str:
    """Risk and survival of a `PatientPrediction`."""
    ratio, (lower, upper) = math.exp(prediction.log_hazard), map(math.exp, prediction.interval)
    survival, least, most = prediction.survival_at_horizon
    return _(
        "{case}: hazard ratio {ratio:.2f} ({lower:.2f} to {upper:.2f}) against the average of the training cohort, a risk "
        "higher than that of {percentile:.0f} % of it. Predicted to be without event at the time {time:.4g}: {survival:.0f} % "
        "({least:.0f} to {most:.0f} %)."
    ).format(
        case=prediction.case,
        ratio=ratio,
        lower=lower,
        upper=upper,
        percentile=prediction.percentile,
        time=prediction.horizon,
        survival=survival,
        least=least,
        most=most,
    )


def motion_sentence(motions) -> str:
    """Hazard ratios of the motions of `RiskMotions`."""
    return _(
        "Left: motion of lower risk, hazard ratio {down:.2f}. Right: of higher risk, {up:.2f}. As it is: {own:.2f}."
    ).format(down=math.exp(motions.down_risk), up=math.exp(motions.up_risk), own=math.exp(motions.risk))


def patient_entries(nodes) -> list[tuple[str, object]]:
    """Titles and nodes of a prediction."""
    return [
        (_("Survival"), nodes.survival),
        (_("Drivers of risk over time"), nodes.by_time),
        (_("Drivers of risk by latent dimension"), nodes.by_dimension),
        (_("Risk among the training cohort"), nodes.gauge),
        (_("Figures"), nodes.table),
        (_("Contributions"), nodes.contributions),
    ]
