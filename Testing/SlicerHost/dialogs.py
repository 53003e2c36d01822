"""Dialogs without a user: tests answer them, and an unexpected one is an error instead of a hang.

>>> with dialogs.answer("Yes") as seen:                                                 # doctest: +SKIP
...     panel.ui.deleteButton.click()
>>> seen[0].text                                                                        # doctest: +SKIP
'Delete the model?'
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from . import signals
from .pyside import QtGui, QtWidgets

Answer = str | int | list[str] | Callable | None

interactive = False
"""Whether a person sits in front of the screen: dialogs then wait for an answer as usual."""

closed_by_themselves: list[str] = []
"""Texts of pop-ups that close after a while by themselves; the host does not wait for them."""


class UnansweredDialog(AssertionError):
    """A dialog was opened that nobody answers."""


@dataclass
class SeenDialog:
    """What a dialog said, and what was answered."""

    kind: str
    title: str
    text: str = ""
    informative_text: str = ""
    detailed_text: str = ""
    buttons: list[str] = field(default_factory=list)
    answer: object = None


@dataclass
class _Answers:
    answers: list[Answer]
    seen: list[SeenDialog] = field(default_factory=list)

    def next(self, dialog: SeenDialog) -> Answer:
        """The only answer again and again, several one after the other."""
        if len(self.answers) > 1 and len(self.seen) >= len(self.answers):
            raise UnansweredDialog(f"{len(self.answers)} answers were given, but there is one more dialog: {dialog}")
        answer = self.answers[min(len(self.seen), len(self.answers) - 1)]
        dialog.answer = answer
        self.seen.append(dialog)
        return answer


_answers: list[_Answers] = []


@contextmanager
def answer(*answers: Answer) -> Iterator[list[SeenDialog]]:
    """Answer the dialogs that open in the block; gives the list of those seen.

    One answer is for all dialogs, several are for one after the other. Message boxes: text or standard name of a button
    ("Yes", "Cancel"). File dialogs: path(s). Input dialogs: the text. Other dialogs: "accept" or "reject". None rejects.
    A function is called with the dialog and does what a user would, for example clicks its buttons.
    """
    if not answers:
        raise ValueError("answer() needs at least one answer.")
    current = _Answers(list(answers))
    _answers.append(current)
    try:
        yield current.seen
    finally:
        _answers.remove(current)


def install() -> None:
    """Make `exec` and the static functions of Qt's dialogs ask for an answer."""
    dialog, box, files, text = (
        QtWidgets.QDialog,
        QtWidgets.QMessageBox,
        QtWidgets.QFileDialog,
        QtWidgets.QInputDialog,
    )
    run = _exec_of(dialog.exec)
    for cls in (dialog, box, files, text, QtWidgets.QColorDialog, QtWidgets.QProgressDialog, QtWidgets.QErrorMessage):
        cls.exec = cls.exec_ = run
    for name in ("question", "information", "warning", "critical"):
        setattr(box, name, staticmethod(_static_box(name, getattr(box, name))))
    for name, empty in (
        ("getOpenFileName", ""),
        ("getSaveFileName", ""),
        ("getExistingDirectory", ""),
        ("getOpenFileNames", ()),
    ):
        setattr(files, name, staticmethod(_static_value("QFileDialog", name, getattr(files, name), empty)))
    for name, empty in (("getText", ""), ("getMultiLineText", ""), ("getItem", ""), ("getInt", 0), ("getDouble", 0.0)):
        setattr(text, name, staticmethod(_static_value("QInputDialog", name, getattr(text, name), empty)))
    color = QtWidgets.QColorDialog
    color.getColor = staticmethod(_static_value("QColorDialog", "getColor", color.getColor, QtGui.QColor()))


def _ask(dialog: SeenDialog) -> Answer:
    if not _answers:
        raise UnansweredDialog(f"A dialog was opened that the test does not answer (dialogs.answer): {dialog}")
    return _answers[-1].next(dialog)


def _exec_of(original: Callable) -> Callable:
    def run(self, *arguments) -> int:
        remembered = getattr(self, "remembered_button", lambda: None)()
        if remembered is not None:
            self.done(int(self.standardButton(remembered)))
            return self.result()
        if interactive:
            return original(self, *arguments)
        if _closes_by_itself(self):
            closed_by_themselves.extend(label.text for label in self.findChildren(QtWidgets.QLabel) if label.text)
            return 0
        return _answer_dialog(self)

    return run


def _closes_by_itself(dialog: QtWidgets.QDialog) -> bool:
    return any(getattr(slot, "__self__", None) is dialog for slot in signals.pending_single_shots)


def _answer_dialog(dialog: QtWidgets.QDialog) -> int:
    is_box = isinstance(dialog, QtWidgets.QMessageBox)
    seen = SeenDialog(dialog.className(), dialog.windowTitle.strip())
    if is_box:
        seen.text, seen.informative_text, seen.detailed_text = dialog.text, dialog.informativeText, dialog.detailedText
        seen.buttons = [button.text.replace("&", "") for button in dialog.buttons()]
    else:
        seen.text = "\n".join(label.text for label in dialog.findChildren(QtWidgets.QLabel) if label.text)
    reply = _ask(seen)
    dialog.show()
    if callable(reply):
        reply(dialog)
    elif is_box:
        _button(dialog, reply).click()
    elif isinstance(dialog, QtWidgets.QInputDialog) and isinstance(reply, str):
        dialog.setTextValue(reply)
        dialog.accept()
    elif isinstance(dialog, QtWidgets.QFileDialog) and reply not in (None, "reject"):
        for path in [reply] if isinstance(reply, str) else reply:
            dialog.selectFile(path)
        dialog.done(QtWidgets.QDialog.Accepted)
    elif reply in ("accept", "reject", None):
        getattr(dialog, reply or "reject")()
    else:
        raise UnansweredDialog(f"{reply!r} is no answer to {seen}")
    dialog.hide()
    return dialog.result()


def _button(box: QtWidgets.QMessageBox, reply) -> QtWidgets.QAbstractButton:
    if reply is None:
        reply = QtWidgets.QMessageBox.Cancel
    for button in box.buttons():
        standard = box.standardButton(button)
        if reply == int(standard) or reply in (button.text.replace("&", ""), getattr(standard, "name", None)):
            return button
    names = [button.text.replace("&", "") for button in box.buttons()]
    raise UnansweredDialog(f"The message box '{box.text}' has no button {reply!r}, but {names}.")


def _static_box(name: str, original: Callable) -> Callable:
    icons = {"question": "Question", "information": "Information", "warning": "Warning", "critical": "Critical"}

    def run(parent, title: str, text: str, *arguments, **keywords):
        if interactive:
            return original(parent, title, text, *arguments, **keywords)
        box = QtWidgets.QMessageBox(parent)
        box.windowTitle, box.text = title, text
        box.icon = getattr(QtWidgets.QMessageBox, icons[name])
        default = (
            QtWidgets.QMessageBox.Yes | QtWidgets.QMessageBox.No if name == "question" else QtWidgets.QMessageBox.Ok
        )
        box.standardButtons = arguments[0] if arguments else keywords.get("buttons", default)
        result = box.exec()
        box.deleteLater()
        return QtWidgets.QMessageBox.StandardButton(result)

    return run


def _static_value(kind: str, name: str, original: Callable, empty) -> Callable:
    """A static function that gives a path, text, number or colour; PythonQt returns the value alone."""

    def run(parent=None, title: str = "", *arguments, **keywords):
        if interactive:
            value = original(parent, title, *arguments, **keywords)
            return value[0] if isinstance(value, tuple) else value
        label = next((argument for argument in arguments if isinstance(argument, str)), "")
        seen = SeenDialog(f"{kind}.{name}", title if isinstance(title, str) else "", label)
        reply = _ask(seen)
        reply = reply(seen) if callable(reply) else reply
        return empty if reply in (None, "reject") else reply

    return run
