"""The section Train of panels: choices, Start that turns into Stop, live curves, and the result as a model."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import qt
import slicer
from slicer.i18n import tr as _

from DeformationLib.errors import InputError

from .background import BackgroundJob
from .messages import confirm, error_sentence, errors_shown, show_error
from .model_installer import ModelInstaller
from .training_choices import TrainingFolder
from .training_curves import CurveChart, TrainingCurves
from .training_process import ProcessState, TrainingProcess
from .training_summaries import summary_sentences

_POLL_MS = 200
_POLLS_PER_LOOK = 5
_LOG_LINES = 2000


class TrainingChoices(Protocol):
    """What a person has chosen; folders that were not chosen are None."""

    images: Path | None
    output: Path | None
    name: str
    epochs: int

    @property
    def looked_at(self) -> tuple:
        """All that the summary depends on."""

    def summary(self, progress):
        """What a training would find; raises `InputError` when it would be refused. Takes a while."""

    def options(self, resume: bool) -> list[str]:
        """Words of the command. Raises `InputError` for folders that cannot be read or written."""


class TrainSection:
    """Runs the training command in a process of its own and shows what it does.

    Leaving the module and closing the scene let it run on: it has nothing to do with the scene. Closing Slicer ends it.

    Modules derive their own from it: `command` is the training command, `role` what the scene keeps the charts for,
    `inputs` the widgets that cannot be changed while a training runs (the name can, for the model to be installed), and
    the methods `readChoices`, `charts` and `checkModel` are theirs.

    Args:
        ui: widgets by name.
        logic: of the module; unused so far.
        onModelsChanged: called after a model was installed.
    """

    command = ""
    role = ""
    inputs: tuple[str, ...] = ()

    def __init__(self, ui, logic, onModelsChanged: Callable[[], None] = lambda: None):
        self.ui, self.logic = ui, logic
        self._parameters = None
        self._process: TrainingProcess | None = None
        self._choices: TrainingChoices | None = None
        self._found = self._before = TrainingFolder()
        self._looking: BackgroundJob | None = None
        self._lookedAt = self._output = None
        self._polls = 0
        self._curves = TrainingCurves(self.charts(), self.role)
        self._installer = ModelInstaller(self._showState, onModelsChanged, self.checkModel)
        self._timer = qt.QTimer()
        self._timer.setInterval(_POLL_MS)
        self._timer.connect("timeout()", self._poll)
        ui.trainLogTextEdit.maximumBlockCount = _LOG_LINES
        for chart in self.charts():
            ui.trainChartComboBox.addItem(chart.title)
        ui.trainButton.connect("clicked(bool)", self._onButtonClicked)
        ui.trainCurvesButton.connect("clicked(bool)", self._onShowCurves)
        ui.trainChartComboBox.connect("activated(int)", self._onShowCurves)
        ui.trainInstallButton.connect("clicked(bool)", self._onInstall)
        ui.trainInstallFileButton.connect("clicked(bool)", lambda _checked: self._installer.installFile())
        ui.trainModelFolderButton.connect("clicked(bool)", lambda _checked: self._installer.openFolder())
        self._showState("")

    # What a module says of its own

    def readChoices(self, parameters) -> TrainingChoices:
        """Read the parameter node. Raises `InputError` for choices that do not go together."""
        raise NotImplementedError

    def charts(self) -> list[CurveChart]:
        """Charts of the columns that the command logs."""
        raise NotImplementedError

    def describe(self, summary) -> str:
        """What the summary of the choices, a `CaseSummary` or a `SeriesSummary`, says in sentences."""
        return summary_sentences(summary)

    def checkModel(self, folder: Path) -> None:
        """Raise `InputError` for a model that cannot be used; called in a thread."""
        raise NotImplementedError

    # What the panel calls

    @property
    def running(self) -> bool:
        """Whether a training is under way."""
        return self._process is not None and self._process.active

    @property
    def process(self) -> TrainingProcess | None:
        """The present training, or the last one."""
        return self._process

    @property
    def curves(self) -> TrainingCurves:
        """The curves of the training in the output folder."""
        return self._curves

    def setParameterNode(self, parameterNode):
        """Connect with the parameters, or with none."""
        self._parameters = parameterNode

    def parametersChanged(self):
        """Show what follows from the parameters."""
        if self._parameters is None or self.running:
            return
        try:
            self._choices = self.readChoices(self._parameters)
        except InputError as error:
            self._choices, self._lookedAt = None, None
            self.ui.trainSummaryLabel.text = str(error)
            self._showState()
            return
        if self._choices.output != self._output:
            self._output = self._choices.output
            self._lookIntoFolder()
        elif self._found.epochs >= self._choices.epochs:
            self.ui.trainResumeCheckBox.checked = False  # there is nothing left to do
        self._lookAtImages()
        self._showState()

    def sceneClosing(self):
        """The nodes of the curves go away; the training goes on."""
        self._curves.forget()

    def cleanup(self):
        """The panel goes away, and the training with it."""
        self._timer.stop()
        self._installer.abandon()
        if self._looking is not None:
            self._looking.abandon()
        if self._process is not None:
            self._process.close()

    # What is there already

    def _lookIntoFolder(self):
        """Take up what the output folder holds: a checkpoint to resume, a log to show, a model to install."""
        self._found = TrainingFolder.at(self._output)
        unfinished = self._choices is None or self._found.epochs < self._choices.epochs
        self.ui.trainResumeCheckBox.checked = self._found.resumable and unfinished

    def _lookAtImages(self):
        """Say what would be trained on, from the headers of the images, beside the window."""
        choices = self._choices
        if choices.looked_at == self._lookedAt:
            return
        self._lookedAt = choices.looked_at
        if self._looking is not None:
            self._looking.abandon()
            self._looking = None
        self.ui.trainSummaryLabel.text = ""
        if choices.images is None:
            return
        self._looking = BackgroundJob(
            choices.summary,
            onDone=lambda summary: self._showSummary(self.describe(summary)),
            onFailed=lambda error: self._showSummary(error_sentence(error)),
        )
        self._looking.start()

    def _showSummary(self, text):
        self.ui.trainSummaryLabel.text = text

    # Start and stop

    def _onButtonClicked(self, _checked=False):
        if not self.running:
            with errors_shown(_("Training")):
                self._start()
        elif self._process.state == ProcessState.STOPPING:
            self._process.kill()
        else:
            self._process.stop()
        self._showState()

    def _start(self):
        from DeformationSceneLib.installation import ensure_dependencies

        choices = self.readChoices(self._parameters)
        resume = self.ui.trainResumeCheckBox.checked
        options = choices.options(resume)
        self._output = choices.output
        self._found = self._before = TrainingFolder.at(choices.output)
        if self._found.resumable and not resume and not confirm(_replace_question(choices.output, self._found.epochs)):
            self.ui.trainMessageLabel.text = _("Check Resume, or choose another output folder.")
            return
        if not ensure_dependencies():
            self.ui.trainMessageLabel.text = _("The training was not started, because Python packages are missing.")
            return
        self._process = TrainingProcess(self.command, options)
        self._choices = choices
        self._curves.follow(choices.output, choices.name, fresh=not resume)
        self.ui.trainLogTextEdit.clear()
        self._showState(_("Starting"))
        self._timer.start()

    def _poll(self):
        """A few times a second while a training runs."""
        for line in self._process.poll():
            self.ui.trainLogTextEdit.appendPlainText(line)
        self._polls += 1
        ended = not self._process.active
        if ended or self._polls % _POLLS_PER_LOOK == 0:
            self._followCurves()
        if ended:
            self._timer.stop()
            self._end()
        else:
            self.ui.trainProgressBar.value = round(100 * self._process.fraction)
            self.ui.trainMessageLabel.text = self._runningMessage()

    def _followCurves(self):
        first = not self._curves.columns
        try:
            if self._curves.update() and first:
                self._onShowCurves()
        except InputError as error:
            logging.warning(str(error))

    def _end(self):
        state = self._process.state
        self._lookIntoFolder()
        if state == ProcessState.FAILED:
            self._showState(_("The training has failed."))
            self._showFailure(self._process.failure())
        elif state == ProcessState.FINISHED:
            self._showState(_("Finished. {result}").format(result=self._resultSentence()))
        else:
            self._showState(_("Stopped. {result}").format(result=self._resultSentence()))

    def _showFailure(self, failure):
        if isinstance(failure, InputError):
            show_error(failure, _("Training"))
            return
        logging.error(str(failure))
        reason = str(failure).strip().splitlines()
        sentence = _("The training has ended unexpectedly ({reason}). What it wrote last is under Log.").format(
            reason=reason[-1] if len(reason) > 1 else reason[0]
        )
        if self._found.resumable:
            sentence += " " + _("Resume goes on after the last epoch that was finished.")
        slicer.util.errorDisplay(sentence, windowTitle=_("Training"), detailedText=str(failure))

    # What is shown

    def _runningMessage(self) -> str:
        process, columns = self._process, self._curves.columns
        if process.state == ProcessState.STOPPING:
            return _("Stopping after the present step; the best model so far is kept. Stop now does not wait for that.")
        message = _(process.message) if process.message else _("Starting")
        minutes, epochs = columns.get("minutes", []), columns.get("epoch", [])
        if len(minutes) < 2 or self._choices.epochs <= epochs[-1]:
            return message
        recent = max(0, len(minutes) - 10)
        pace = (minutes[-1] - minutes[recent]) / (epochs[-1] - epochs[recent])
        left = pace * (self._choices.epochs - epochs[-1])
        return _("{message}, about {time} left").format(message=message, time=_duration(left))

    def _resultSentence(self) -> str:
        if not self._curves.columns:
            return _("No epoch was finished.")
        epochs = self._found.epochs
        text = _("1 epoch.") if epochs == 1 else _("{epochs} epochs.").format(epochs=epochs)
        scores = self._curves.columns.get("score", [])
        if scores:
            best = max(range(len(scores)), key=lambda index: scores[index])
            text += " " + _("Best validation {score:.3f}, in epoch {epoch:.0f}.").format(
                score=scores[best], epoch=self._curves.columns["epoch"][best]
            )
        # Not what an earlier training has left in the folder.
        written = self._found.model_written != self._before.model_written
        advice = _("Install the result as a model to use it.") if written else _("Resume goes on from there.")
        return f"{text} {advice}"

    def _showState(self, message=None):
        """Enable what can be done now."""
        ui, running = self.ui, self.running
        stopping = running and self._process.state == ProcessState.STOPPING
        ready = self._choices is not None and self._choices.images is not None and self._choices.output is not None
        ui.trainButton.text = _("Stop now") if stopping else _("Stop") if running else _("Start training")
        ui.trainButton.enabled = running or ready
        ui.trainButton.toolTip = _button_tool_tip(running, stopping, ready)
        for name in self.inputs:
            getattr(ui, name).enabled = not running
        ui.trainResumeCheckBox.enabled = not running and self._found.resumable
        ui.trainProgressBar.visible = running
        if not running:
            ui.trainProgressBar.value = 0
        hasCurves = bool(self._curves.columns) if running else self._found.epochs > 0
        ui.trainCurvesButton.enabled = ui.trainChartComboBox.enabled = hasCurves
        ui.trainInstallButton.enabled = self._found.has_model and not running and not self._installer.running
        ui.trainInstallFileButton.enabled = not self._installer.running
        if message is not None:
            ui.trainMessageLabel.text = message

    # What is done with the result

    def _onInstall(self, _checked=False):
        self._installer.install(self._output, self._parameters.trainName if self._parameters is not None else "")

    def _onShowCurves(self, _argument=None):
        """Show the chosen chart of the training that runs, or of that in the output folder."""
        with errors_shown(_("Curves")):
            if not self.running and self._curves.folder != self._output and self._output is not None:
                self._curves.follow(self._output, self._output.name)
            self._curves.update()
            available = self._curves.available()
            title = self.ui.trainChartComboBox.currentText
            if available and title not in available:
                raise InputError(_("This training has no validation cases, so that there is only its loss to show."))
            self._curves.show(title)
        self._showState()


def _replace_question(folder: Path, epochs: int) -> str:
    return _(
        "{folder} holds a training of {epochs} epochs, and Resume is not checked. Replace that training by a new one?"
    ).format(folder=folder, epochs=epochs)


def _button_tool_tip(running: bool, stopping: bool, ready: bool) -> str:
    if stopping:
        return _("End the training at once; nothing is lost but the present epoch")
    if running:
        return _("Stop, and keep the best model so far")
    return _("Train in a process of its own") if ready else _("Choose the folder of the images and an output folder.")


def _duration(minutes: float) -> str:
    if minutes < 1:
        return _("a minute")
    return _("{count:.0f} min").format(count=minutes) if minutes < 90 else _("{count:.1f} h").format(count=minutes / 60)
