"""The section "Train and evaluate" of the panel: predictors compared on the cohort, and a model trained on all of it."""

from __future__ import annotations

import math
from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationSceneLib.installation import SURVIVAL
from DeformationSceneLib.messages import confirm, errors_shown, warning_lines
from DeformationSceneLib.panel_work import PanelWork
from DeformationSceneLib.result_list import ResultList
from DeformationSceneLib.training_choices import chosen_folder
from DeformationSceneLib.work_section import WorkSection

from .cohort_section import CohortSection
from .text_table import TextTable


class EvaluateSection(WorkSection):
    """Cross-validates, trains, and shows tables and plots of both.

    Args:
        ui: widgets by name.
        logic: of the module.
        cohort: the section that knows cohort and fingerprints.
        onModelsChanged: called when a model was trained.
    """

    def __init__(self, ui, logic, cohort: CohortSection, onModelsChanged: Callable[[], None] = lambda: None):
        work = PanelWork(ui.evaluateProgressBar, ui.evaluateMessageLabel, _("Train and evaluate"), SURVIVAL)
        super().__init__(ui, logic, work)
        self._cohort, self._onModelsChanged = cohort, onModelsChanged
        self._evaluated = self._trained = None
        self._filling = False
        self._results = ResultList(ui.evaluateChartComboBox, ui.evaluateChartButton)
        self._trainResults = ResultList(ui.trainChartComboBox, ui.trainChartButton)
        titles = [_("Predictor"), _("Concordance"), _("Hazard ratio"), "p"]
        self._table = TextTable(ui.evaluateTable, titles, 0)
        self._openTip = ui.openReportButton.toolTip
        ui.predictorComboBox.connect("currentIndexChanged(int)", self._onPredictorChosen)
        ui.openReportButton.connect("clicked(bool)", self._onOpenReport)
        self._work.addButton(ui.evaluateButton, self._startEvaluation, lambda: self._cohort.choice.reason)
        self._work.addButton(ui.trainButton, self._startTraining, self._reasonAgainstTraining)
        self._forget()
        self._work.say("")

    @property
    def evaluated(self):
        """What the last evaluation has put into the scene (`EvaluationNodes`); None where there is nothing of it."""
        return self._evaluated

    @property
    def trained(self):
        """What the last training has given (`RiskTrainingNodes`); None where there is nothing of it."""
        return self._trained

    def fingerprintsChanged(self):
        """There are other fingerprints, or none."""
        self._work.update()

    def parametersChanged(self):
        """Show what follows from the parameters."""
        thesis = self._parameters.riskKind.value == "thesis"
        self.ui.dropoutSpinBox.enabled = not thesis
        super().parametersChanged()

    def nodesRemoved(self):
        """Nodes were deleted: perhaps what is shown here."""
        if self._evaluated is not None and self._evaluated.table.GetScene() is None:
            self._evaluated = None
            self._showEvaluation()
        if self._trained is not None and self._trained.table.GetScene() is None:
            self._trained = None
            self._showTraining()

    # Work

    def _reasonAgainstTraining(self) -> str:
        if self._parameters is None or not self._parameters.riskName.strip():
            return _("Give the model a name.")
        return self._cohort.choice.reason

    def _checked(self) -> bool:
        if self._cohort.checked():
            return True
        self._work.say(_("The table has to be corrected: what is wrong is listed in the section Cohort."))
        return False

    def _startEvaluation(self):
        if not self._checked():
            return
        parameters, choice = self._parameters, self._cohort.choice
        evaluation = self.logic.prepareEvaluation(
            choice.source,
            self._cohort.fingerprints,
            folds=parameters.folds,
            seed=parameters.seed,
            settings=settings_of(parameters),
            search=parameters.trials,
            horizon=parameters.horizon or None,
            resamplings=parameters.resamplings,
            reportFolder=chosen_folder(parameters.reportFolder),
        )

        def finish(_nothing):
            self._evaluated = self.logic.finish(evaluation)
            self._work.say("")
            self._showEvaluation()

        self._work.run(evaluation.compute, finish, inputs=(choice.table,))

    def _startTraining(self):
        if not self._checked():
            return
        parameters, choice, name = self._parameters, self._cohort.choice, self._parameters.riskName.strip()
        if name in self.logic.modelNames() and not confirm(
            _("There is a model '{name}' already. Replace it?").format(name=name), _("Train model")
        ):
            self._work.say(_("Not trained: choose another name for the model."))
            return
        fingerprints = self._cohort.fingerprints
        training = self.logic.prepareTraining(
            choice.source,
            name,
            fingerprints,
            settings={"seed": parameters.seed} | settings_of(parameters),
            # Fingerprints of a file do not say which motion model made them.
            motionModel=None if fingerprints is self._cohort.extracted is not None else parameters.motionModel,
        )

        def finish(_nothing):
            self._trained = self.logic.finish(training)
            self._work.say("")
            self._onModelsChanged()
            if self._parameters is not None:
                self._parameters.riskModel = self._trained.folder.name
            self._showTraining()

        self._work.run(training.compute, finish, inputs=(choice.table,))

    # What is shown

    def _forget(self):
        self._evaluated = self._trained = None
        self._showEvaluation()
        self._showTraining()

    def _showEvaluation(self):
        nodes, ui = self._evaluated, self.ui
        ui.evaluateResultGroupBox.visible = nodes is not None
        self._results.fill(evaluation_entries(nodes) if nodes is not None else ())
        self._table.fill(table_texts(nodes.evaluation) if nodes is not None else ())
        self._filling = True
        ui.predictorComboBox.clear()
        if nodes is not None:
            for name in nodes.predictors:
                ui.predictorComboBox.addItem(name)
            ui.predictorComboBox.setCurrentIndex(ui.predictorComboBox.findText(nodes.predictor))
        self._filling = False
        if nodes is None:
            return
        ui.evaluateResultLabel.text = _("{cohort}. {folds} folds.").format(
            cohort=nodes.evaluation.cohort, folds=len(nodes.evaluation.folds)
        )
        ui.evaluateWarningsLabel.text = warning_lines(nodes.warnings)
        ui.evaluateWarningsLabel.visible = bool(nodes.warnings)
        ui.openReportButton.enabled = nodes.report is not None
        missing = _("Choose a report folder, and evaluate again.")
        ui.openReportButton.toolTip = self._openTip if nodes.report is not None else missing

    def _showTraining(self):
        nodes, ui = self._trained, self.ui
        ui.trainResultGroupBox.visible = nodes is not None
        self._trainResults.fill([(_("Model"), nodes.table), (_("Losses"), nodes.curves)] if nodes is not None else ())
        if nodes is None:
            return
        learned = nodes.trained.cohort
        ui.trainResultLabel.text = _(
            "'{name}' is in the list of the section Patient. It has learned from {cases} cases, {events} with event; "
            "concordance of cases that were held out: {concordance:.2f}."
        ).format(
            name=nodes.folder.name,
            cases=learned["cases"],
            events=learned["events"],
            concordance=learned["held_out_concordance"],
        )
        warnings = list(nodes.warnings)
        if nodes.trained.simulated:
            warnings.append(_("Its outcomes are simulated: what it predicts says nothing about real patients."))
        ui.trainWarningsLabel.text = warning_lines(warnings)
        ui.trainWarningsLabel.visible = bool(warnings)

    def _onPredictorChosen(self, _index):
        if self._filling or self._evaluated is None:
            return
        with errors_shown(_("Evaluation")):
            self.logic.showPredictor(self._evaluated, self.ui.predictorComboBox.currentText)

    def _onOpenReport(self, _checked=False):
        with errors_shown(_("Report")):
            path = self._evaluated.report
            if not path.is_file():
                raise InputError(_("The report {path} is no longer there: evaluate again.").format(path=path))
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))


def settings_of(parameters) -> dict:
    """Settings of the survival model from the parameters."""
    settings = {name: getattr(parameters, name) for name in ("members", "epochs", "alpha", "dropout")}
    if parameters.riskKind.value == "thesis":
        from RiskPredictionLib.survival_model import THESIS

        settings |= THESIS
    return settings


def evaluation_entries(nodes) -> list[tuple[str, object]]:
    """Titles and nodes of an evaluation."""
    return [
        (_("Predictors"), nodes.table),
        (_("Survival of risk groups"), nodes.survival),
        (_("Numbers at risk"), nodes.at_risk),
        (_("Calibration"), nodes.calibration),
        (_("AUC over time"), nodes.auc),
        (_("Brier score over time"), nodes.brier),
        (_("Clinical variables"), nodes.clinical),
    ]


def table_texts(evaluation) -> list[tuple[str, ...]]:
    """The rows of an evaluation as the panel shows them."""
    from RiskPredictionLib.evaluation import format_p

    # A group without any event has no finite ratio.
    ratios = [str(row.ratio) if math.isfinite(row.ratio.value) else _("not estimable") for row in evaluation.rows]
    return [
        (row.name, str(row.concordance), ratio, format_p(row.ratio.p))
        for row, ratio in zip(evaluation.rows, ratios, strict=True)
    ]
