"""The section Cohort of the panel: the table and what is wrong with it, and the fingerprints of its series."""

from __future__ import annotations

from collections.abc import Callable

import slicer
from slicer.i18n import tr as _

from DeformationSceneLib.installation import SURVIVAL
from DeformationSceneLib.messages import errors_shown
from DeformationSceneLib.model_list import ModelList
from DeformationSceneLib.panel_work import PanelWork
from DeformationSceneLib.training_choices import chosen_folder
from DeformationSceneLib.work_section import WorkSection

from .cohort_choice import CohortChoice, is_cohort
from .text_table import TextTable


class MotionModels:
    """The part of the logic that a list of models asks, for motion models instead of risk models."""

    def __init__(self, logic):
        self.modelNames, self.modelCard = logic.motionModelNames, logic.modelCard


class CohortSection(WorkSection):
    """Checks a cohort, and makes the fingerprints of its series.

    Args:
        ui: widgets by name.
        logic: of the module.
        onFingerprintsChanged: called when there are new fingerprints, or none any longer.
    """

    def __init__(self, ui, logic, onFingerprintsChanged: Callable[[], None] = lambda: None):
        work = PanelWork(ui.cohortProgressBar, ui.cohortMessageLabel, _("Fingerprints"), SURVIVAL)
        super().__init__(ui, logic, work)
        self._onFingerprintsChanged = onFingerprintsChanged
        self._choice = CohortChoice(None, None)
        self._extracted = None
        self._models = ModelList(ui.motionModelComboBox, None, MotionModels(logic), self._onModelChosen)
        self._problems = TextTable(ui.cohortProblemsTable, [_("Row"), _("Column"), _("What to correct")], 2)
        self._failures = TextTable(ui.cohortFailuresTable, [_("Row"), _("Case"), _("Why there is no fingerprint")], 2)
        ui.checkButton.connect("clicked(bool)", self._onCheck)
        work.addButton(ui.extractButton, self._start, self._reasonAgainstExtraction)
        self._tip = ui.checkButton.toolTip
        self._say("")
        work.say("")

    @property
    def extracted(self):
        """The fingerprints of the chosen cohort (`ExtractionNodes`) that were made here; None without any."""
        return self._extracted

    @property
    def choice(self) -> CohortChoice:
        """The chosen cohort."""
        return self._choice

    @property
    def fingerprints(self):
        """What the logic takes as fingerprints: a file that was chosen, or those that were made here, or None."""
        chosen = chosen_folder(self._parameters.fingerprintsFile) if self._parameters is not None else None
        return chosen if chosen is not None else self._extracted

    def checked(self) -> bool:
        """Whether the cohort can be used; what has to be corrected is listed. Raises InputError for unreadable tables."""
        problems = self.logic.checkCohort(self._choice.source)
        self._problems.fill([(str(one.row) if one.row else "", one.column, one.text) for one in problems])
        if problems:
            self._say(_("{count} to correct:").format(count=len(problems)))
        else:
            self._say(_("The table is fine: {description}.").format(description=self._description()))
        return not problems

    def selectDefaults(self):
        """Select the first table of a cohort where nothing is chosen yet."""
        if self._parameters is None or self._choice.source is not None:
            return
        for node in slicer.util.getNodesByClass("vtkMRMLTableNode"):
            if is_cohort(node):
                self._parameters.cohortTable = node
                return

    def parametersChanged(self):
        """Show what follows from the parameters."""
        parameters, ui = self._parameters, self.ui
        self._models.choose(parameters.motionModel)
        choice = CohortChoice.of(parameters)
        if choice != self._choice:
            self._choice = choice
            self._forgetFindings()
        ui.cohortFilePathLineEdit.enabled = choice.table is None
        ui.checkButton.enabled, ui.checkButton.toolTip = not choice.reason, choice.reason or self._tip
        super().parametersChanged()

    # Work

    def _onModelChosen(self, name):
        if self._parameters is not None:
            self._parameters.motionModel = name

    def _onCheck(self, _checked=False):
        self._forgetCheck()
        with errors_shown(_("Cohort")):
            self.checked()

    def _reasonAgainstExtraction(self) -> str:
        if self._choice.reason:
            return self._choice.reason
        return "" if self._models.name else _("No motion model is installed: install one in the module Motion Model.")

    def _start(self):
        self._forgetFindings()
        if not self.checked():
            return
        parameters, choice = self._parameters, self._choice
        extraction = self.logic.prepareExtraction(
            choice.source,
            self._models.name,
            processes=parameters.processes,
            device=parameters.device.value,
            folder=chosen_folder(parameters.extractionFolder),
        )

        def finish(_nothing):
            nodes = self.logic.finish(extraction)
            self._work.say("")
            if choice == self._choice:
                self._extracted = nodes
                self._showExtraction()

        self._work.run(extraction.compute, finish, inputs=(choice.table,))

    # What is shown

    def _description(self) -> str:
        return self.logic.describeCohort(self._choice.source)

    def _showExtraction(self):
        extraction = self._extracted.extraction
        sizes = {values.shape for values in extraction.fingerprints.values()}
        lines = [
            _("{done} of {count} cases have a fingerprint ({sizes} values) by the motion model '{model}'.").format(
                done=len(extraction.fingerprints),
                count=len(extraction.fingerprints) + len(extraction.failures),
                sizes=", ".join(" × ".join(map(str, size)) for size in sorted(sizes)),
                model=self._extracted.motionModel,
            ),
            self._description() + ".",
        ]
        self._say("\n".join(lines))
        self._failures.fill([(str(one.row or ""), one.case, one.reason) for one in extraction.failures])
        self._onFingerprintsChanged()

    def _say(self, text: str):
        self.ui.cohortResultLabel.text = text
        self.ui.cohortResultLabel.visible = bool(text)

    def _forgetCheck(self):
        self._problems.fill(())
        if self._extracted is None:
            self._say("")

    def _forgetFindings(self):
        had = self._extracted is not None
        self._extracted = None
        self._failures.fill(())
        self._forgetCheck()
        if had:
            self._onFingerprintsChanged()

    def _forget(self):
        self._choice = CohortChoice(None, None)
        self._forgetFindings()
