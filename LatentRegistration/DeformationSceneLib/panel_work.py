"""Work that buttons of the panel start beside the window: the button turns into Cancel, a bar shows how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from slicer.i18n import tr as _

from DeformationLib.errors import InputError

from . import installation
from .background import BackgroundJob
from .messages import error_sentence, errors_shown, show_error


@dataclass(frozen=True)
class _Button:
    widget: object
    text: str
    tip: str
    start: Callable[[], None]
    reason: Callable[[], str]


class PanelWork:
    """One piece of work at a time for the buttons of a section.

    Args:
        progressBar, messageLabel: shown while there is something to show.
        title: of dialogs about errors.
        requirements: packages that the work needs, see `installation`.
    """

    def __init__(self, progressBar, messageLabel, title: str, requirements=installation.BACKEND):
        self._requirements = requirements
        self._bar, self._label, self._title = progressBar, messageLabel, title
        self._buttons: list[_Button] = []
        self._working: _Button | None = None
        self._job: BackgroundJob | None = None

    def addButton(self, button, start: Callable[[], None], reason: Callable[[], str]) -> None:
        """Let a button start work.

        Args:
            start: called when it is clicked; calls `run`. What it raises becomes a dialog.
            reason: what speaks against it, a sentence; empty where nothing does.
        """
        entry = _Button(button, button.text, button.toolTip, start, reason)
        self._buttons.append(entry)
        button.connect("clicked(bool)", lambda _checked=False: self._onClicked(entry))

    @property
    def running(self) -> bool:
        """Whether work is under way."""
        return self._job is not None and self._job.running

    def run(self, work: Callable, finish: Callable, inputs=()) -> None:
        """Run work beside the window, then `finish` with its result on the main thread.

        Args:
            work: called in the thread with a progress; never touches the scene.
            finish: puts the result into the scene; what it raises becomes a dialog.
            inputs: nodes (None is left out) without which the result makes no sense.
        """
        nodes = [(node, node.GetScene()) for node in inputs if node is not None]

        def done(result):
            try:
                _check_still_there(nodes)
                finish(result)
            except Exception as error:
                self._fail(error)

        self._job = BackgroundJob(
            work,
            onDone=done,
            onFailed=self._fail,
            onCancelled=lambda: self.say(_("Cancelled; the scene is as it was.")),
            onProgress=self._showProgress,
        )
        self._bar.value = 0
        self._job.start()
        self.say(_("Starting"))

    def abandon(self) -> None:
        """Stop without a word: the scene or the panel goes away."""
        if self._job is not None:
            self._job.abandon()
            self._job = None

    def wait(self, seconds: float) -> bool:
        """Handle events until the work has ended, for tests. False if it has not within `seconds`."""
        return self._job is None or self._job.wait(seconds)

    def say(self, message: str) -> None:
        """Show a sentence, or none, and what can be done now."""
        self._label.text = message
        self._label.visible = bool(message)
        self._bar.visible = self.running
        self.update()

    def update(self) -> None:
        """Enable the buttons that can be used now; the others say in their tool tips what is missing."""
        for entry in self._buttons:
            button, reason = entry.widget, "" if self.running else entry.reason()
            button.text = _("Cancel") if self.running and entry is self._working else entry.text
            if not self.running:
                button.enabled, button.toolTip = not reason, reason or entry.tip
            elif entry is self._working:
                button.enabled, button.toolTip = True, _("Stop; the scene stays as it is")
            else:
                button.enabled, button.toolTip = False, _("Wait for the work that is under way, or cancel it.")

    def _onClicked(self, entry: _Button) -> None:
        if self.running:
            self._job.cancel()
            return
        with errors_shown(self._title):
            if not installation.ensure_dependencies(self._requirements):
                self.say(installation.how_to_install(installation.missing_dependencies(self._requirements)))
                return
            self._working = entry
            entry.start()

    def _showProgress(self, fraction: float, message: str) -> None:
        self._bar.value = round(100 * fraction)
        self._label.text = _(message)

    def _fail(self, error: BaseException) -> None:
        self.say(_("Failed: {sentence}").format(sentence=error_sentence(error)))
        show_error(error, self._title)


def _check_still_there(nodes) -> None:
    for node, scene in nodes:
        if node.GetScene() is not scene:
            raise InputError(
                _("'{name}' was deleted meanwhile: choose another node and start again.").format(name=node.GetName())
            )
