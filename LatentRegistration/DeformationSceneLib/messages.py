"""What a person is told and asked in dialogs: errors as sentences, never a traceback; the details go to the log.

Without a person there is no dialog: while Slicer tests itself, errors are logged and questions are answered with no.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import slicer
from slicer.i18n import tr as _

from DeformationLib.errors import Cancelled, InputError


def show_error(error: BaseException, title: str | None = None) -> None:
    """Show an exception in a dialog and write its traceback to the application log.

    An `InputError` is shown as its own sentence. Anything else was not foreseen: the dialog says so in general words,
    with the traceback under "Show Details", for a report. `Cancelled` is what the user wanted and shows nothing.
    """
    if isinstance(error, Cancelled):
        return
    details = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    if isinstance(error, InputError):
        logging.info(details)
        slicer.util.errorDisplay(error_sentence(error), windowTitle=title)
    else:
        # Logged here, since a dialog's detailed text is not.
        logging.error(details)
        slicer.util.errorDisplay(error_sentence(error), windowTitle=title, detailedText=details)


def error_sentence(error: BaseException) -> str:
    """What went wrong and what to do, for a dialog or a status line.

    Known besides `InputError`: memory that did not suffice, and a Python package that is damaged.
    """
    if isinstance(error, InputError):
        return str(error)
    if _is_out_of_gpu_memory(error):
        return _(
            "The memory of the graphics card did not suffice. Choose the device 'cpu', close other programs that use "
            "the graphics card, or choose a model with a smaller grid."
        )
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error):
        return _("The memory of this computer did not suffice. Close other programs, or crop the volumes.")
    if isinstance(error, ImportError) and getattr(error, "name", None):
        return _(
            "The Python package '{package}' cannot be loaded: it is missing, damaged, or does not fit the others. "
            "Restart Slicer, install the package again, and restart Slicer once more."
        ).format(package=error.name.partition(".")[0])
    return _(
        "Something went wrong that was not foreseen ({kind}). The data in the scene are as they were; details are in "
        "the application log (menu View / Error Log)."
    ).format(kind=type(error).__name__)


def warning_lines(warnings: Iterable[str]) -> str:
    """Warnings one below the other."""
    return "\n".join(f"⚠ {warning}" for warning in warnings)


@contextmanager
def errors_shown(title: str | None = None) -> Iterator[None]:
    """Around the body of a slot: an exception is shown as a dialog and goes no further.

    >>> def onExport(self):
    ...     with errors_shown(_("Export")):
    ...         self.logic.exportTable(...)
    """
    try:
        yield
    except Exception as error:
        show_error(error, title)


def confirm(question: str, title: str | None = None) -> bool:
    """Ask a question that is answered with yes or no. No, where nobody can be asked: while testing, without a window."""
    if slicer.app.testingEnabled() or slicer.util.mainWindow() is None:
        logging.info("Nobody to ask, taken as no: %s", question)
        return False
    return slicer.util.confirmYesNoDisplay(question, windowTitle=title)


def _is_out_of_gpu_memory(error: BaseException) -> bool:
    """By name and words, since importing torch to ask for its class could be what has failed."""
    words = str(error).lower()
    return type(error).__name__ == "OutOfMemoryError" or (
        "out of memory" in words and ("cuda" in words or "mps" in words)
    )
