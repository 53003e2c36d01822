"""What a person is told and asked: sentences in dialogs, tracebacks in the log, no dialog where nobody sits."""

import logging

import pytest
import slicer

from DeformationLib.errors import Cancelled, InputError
from Testing.SlicerHost import application as host
from Testing.SlicerHost import dialogs


@pytest.fixture
def messages(application):
    from DeformationSceneLib import messages

    return messages


@pytest.fixture
def person(application, monkeypatch):
    """A person sits in front of Slicer's window."""
    import qt

    window = qt.QMainWindow()
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: window)
    with host.testing(False):
        yield


@pytest.fixture
def boxes(person):
    """The message boxes that were shown, closed by OK."""
    with dialogs.answer("OK") as seen:
        yield seen


def raised(error):
    """The error with a traceback, as it arrives from where it was raised."""
    try:
        raise error
    except type(error) as caught:
        return caught


def test_an_input_error_is_shown_as_its_sentence(messages, boxes, caplog):
    caplog.set_level(logging.INFO)
    messages.show_error(raised(InputError("The volume is empty; choose another one.")), "Register")
    (box,) = boxes
    assert box.text == "The volume is empty; choose another one."
    assert box.title == "Register"
    assert box.detailed_text == ""
    assert "Traceback" in caplog.text


def test_an_unexpected_error_is_shown_in_general_words_with_details(messages, boxes, caplog):
    messages.show_error(raised(ZeroDivisionError("division by zero")), "Register")
    (box,) = boxes
    assert "went wrong" in box.text
    assert "Traceback" not in box.text
    assert "division by zero" in box.detailed_text
    assert "test_scene_messages.py" in box.detailed_text
    assert any("Traceback" in record.message and record.levelno == logging.ERROR for record in caplog.records)


def test_cancelling_shows_nothing(messages, boxes):
    messages.show_error(raised(Cancelled("stopped")), "Register")
    assert boxes == []


class OutOfMemoryError(RuntimeError):
    """Named as torch's class."""


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemoryError("Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"),
    ],
)
def test_the_memory_of_the_graphics_card(messages, error):
    assert "'cpu'" in messages.error_sentence(error)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate")])
def test_the_memory_of_the_computer(messages, error):
    sentence = messages.error_sentence(error)
    assert "memory of this computer" in sentence
    assert "graphics card" not in sentence


def test_a_damaged_package_is_named(messages):
    sentence = messages.error_sentence(ImportError("libcudart.so not found", name="torch._C"))
    assert "'torch'" in sentence
    assert "install the package again" in sentence


def test_other_errors_are_not_taken_for_known_ones(messages):
    assert "RuntimeError" in messages.error_sentence(RuntimeError("shape mismatch"))
    assert "ImportError" in messages.error_sentence(ImportError("cannot import name"))


def test_a_slot_ends_in_a_dialog_not_in_an_exception(messages, boxes):
    with messages.errors_shown("Export"):
        raise InputError("There is nothing to export.")
    assert [box.text for box in boxes] == ["There is nothing to export."]


def test_a_slot_without_an_error_shows_nothing(messages, boxes):
    with messages.errors_shown("Export"):
        pass
    assert boxes == []


def test_a_slot_does_not_keep_python_from_ending(messages, boxes):
    with pytest.raises(KeyboardInterrupt), messages.errors_shown("Export"):
        raise KeyboardInterrupt
    assert boxes == []


@pytest.mark.parametrize("yes", [True, False])
def test_a_question_is_answered(messages, person, yes):
    with dialogs.answer("Yes" if yes else "No") as seen:
        assert messages.confirm("Replace the model?", "Install") is yes
    (box,) = seen
    assert box.text == "Replace the model?"
    assert box.title == "Install"


def test_a_question_that_is_closed_is_answered_with_no(messages, person):
    with dialogs.answer(lambda box: box.reject()):
        assert messages.confirm("Replace the model?") is False


def test_nobody_is_asked_while_testing(messages, boxes):
    with host.testing(True):
        assert messages.confirm("Delete everything?") is False
    assert boxes == []


def test_nobody_is_asked_without_a_window(messages, boxes, monkeypatch):
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: None)
    assert messages.confirm("Delete everything?") is False
    assert boxes == []


def test_errors_are_logged_while_testing(messages, boxes, caplog):
    with host.testing(True):
        messages.show_error(raised(InputError("The volume is empty.")), "Register")
    assert boxes == []
    assert "The volume is empty." in caplog.text
