"""Dialogs in the host: answered by tests, errors where nobody answers, skipped where testing is enabled."""

import logging

import pytest
import qt
import slicer

from Testing.SlicerHost import dialogs
from Testing.SlicerHost.application import testing as enable_testing
from Testing.SlicerHost.pythonqt import expected_errors

pytestmark = pytest.mark.usefixtures("application")


@pytest.fixture
def window():
    """A main window, without which Slicer shows no messages, in an application that is not being tested."""
    window = qt.QMainWindow()
    window.name = "qSlicerMainWindow"
    with enable_testing(False):
        yield window
    window.delete()


def test_with_testing_enabled_nothing_is_asked():
    assert slicer.app.testingEnabled()
    # Not True, as the documentation has it: Slicer compares its True with the number of the button.
    assert slicer.util.confirmYesNoDisplay("Sure?") is False
    assert slicer.util.confirmRetryCloseDisplay("Again?") is False
    slicer.util.errorDisplay("no volume")


def test_testing_can_be_switched_off():
    with enable_testing(False):
        assert not slicer.app.testingEnabled()
        with enable_testing(True):
            assert slicer.app.testingEnabled()
        assert not slicer.app.testingEnabled()
    assert slicer.app.testingEnabled()


def test_messages_need_a_main_window(caplog):
    with enable_testing(False), caplog.at_level(logging.ERROR):
        slicer.util.errorDisplay("no volume")
    assert "no volume" in caplog.text
    assert slicer.util.mainWindow() is None


def test_messages(window):
    assert slicer.util.mainWindow() is window
    with dialogs.answer("OK") as seen:
        slicer.util.errorDisplay(
            "No volume.", windowTitle="Apply", detailedText="traceback", informativeText="Choose one."
        )
    (message,) = seen
    assert (message.kind, message.title, message.text) == ("ctkMessageBox", "Apply", "No volume.")
    assert (message.informative_text, message.detailed_text) == ("Choose one.", "traceback")
    assert "OK" in message.buttons


@pytest.mark.parametrize(("answer", "result"), [("Yes", True), ("No", False), (qt.QMessageBox.Yes, True)])
def test_questions(window, answer, result):
    with dialogs.answer(answer) as seen:
        assert slicer.util.confirmYesNoDisplay("Sure?") is result
    assert seen[0].buttons == ["Yes", "No"]
    assert seen[0].answer == answer


def test_answers_one_after_the_other(window):
    with dialogs.answer("Yes", "No") as seen:
        assert slicer.util.confirmYesNoDisplay("First?")
        assert not slicer.util.confirmYesNoDisplay("Second?")
        with pytest.raises(dialogs.UnansweredDialog, match="one more dialog"):
            slicer.util.confirmYesNoDisplay("Third?")
    assert [message.text for message in seen] == ["First?", "Second?"]


def test_a_dialog_that_nobody_answers_is_an_error(window):
    with pytest.raises(dialogs.UnansweredDialog, match="Sure"):
        slicer.util.confirmOkCancelDisplay("Sure?")
    with pytest.raises(dialogs.UnansweredDialog, match="no button 'Maybe', but \\['OK', 'Cancel'\\]"):
        with dialogs.answer("Maybe"):
            slicer.util.confirmOkCancelDisplay("Sure?")
    button = qt.QPushButton()
    button.clicked.connect(lambda: qt.QMessageBox.question(None, "Title", "Sure?"))
    with expected_errors() as errors:
        button.click()
    assert isinstance(errors[0].error, dialogs.UnansweredDialog)


def test_static_message_boxes():
    with dialogs.answer("No") as seen:
        assert qt.QMessageBox.question(None, "Title", "Sure?") == qt.QMessageBox.No
    with dialogs.answer("OK"):
        assert qt.QMessageBox.information(None, "Title", "Done.") == qt.QMessageBox.Ok
    assert (seen[0].title, seen[0].text) == ("Title", "Sure?")


def test_own_buttons():
    box = qt.QMessageBox()
    box.text = "PyTorch is missing."
    install = box.addButton("Install", qt.QMessageBox.AcceptRole)
    box.addButton("Not now", qt.QMessageBox.RejectRole)
    with dialogs.answer("Install"):
        box.exec_()
    assert box.clickedButton() is install


def test_file_and_input_dialogs():
    with dialogs.answer("/data/image.nrrd") as seen:
        assert qt.QFileDialog.getOpenFileName(None, "Open an image", "/data") == "/data/image.nrrd"
    assert seen[0].title == "Open an image"
    with dialogs.answer(None):
        assert qt.QFileDialog.getExistingDirectory(None, "Folder") == ""
    with dialogs.answer("name"):
        assert qt.QInputDialog.getText(None, "Rename", "New name:") == "name"


def test_other_dialogs():
    def make():
        dialog = qt.QDialog()
        dialog.windowTitle = "Options"
        layout = qt.QVBoxLayout(dialog)
        layout.addWidget(qt.QLabel("How many?"))
        button = qt.QPushButton("Take it")
        button.clicked.connect(lambda: dialog.accept())
        layout.addWidget(button)
        return dialog

    with dialogs.answer("accept") as seen:
        assert make().exec_() == qt.QDialog.Accepted
    assert (seen[0].title, seen[0].text) == ("Options", "How many?")
    with dialogs.answer("reject"):
        assert make().exec_() == qt.QDialog.Rejected
    with dialogs.answer(lambda dialog: dialog.findChild(qt.QPushButton).click()):
        assert make().exec_() == qt.QDialog.Accepted


def test_pop_ups_that_close_by_themselves_do_not_wait():
    dialogs.closed_by_themselves.clear()
    slicer.util.delayDisplay("Registering", 2000)
    slicer.util.messageBox("Done")
    assert dialogs.closed_by_themselves == ["Registering", "Done"]
