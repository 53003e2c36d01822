"""One object that carries progress out of long work, and the wish to stop into it."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO
from xml.sax.saxutils import escape

from .errors import Cancelled


class Progress:
    """Progress of one piece of work, in 0..1, that can be cancelled from any thread.

    The work calls `report(fraction, message)` as often as it likes, at least twice a second where a person is waiting;
    `callback(fraction, message)` receives what was reported, in the thread that reported it. `cancel()`, from any
    thread, lets the next `report` raise `Cancelled`. The fraction never decreases: parts of the work that overlap or
    report late cannot send a progress bar backwards. An empty message keeps the previous one.

    >>> progress = Progress(lambda fraction, message: print(f"{fraction:.0%} {message}"))
    >>> progress.part(0.0, 0.5).report(0.5, "Reading")
    25% Reading
    """

    def __init__(self, callback: Callable[[float, str], None] | None = None):
        self._callback = callback
        self._cancelled = threading.Event()
        # Re-entrant: a callback may itself report (a panel that processes events while it draws).
        self._lock = threading.RLock()
        self._fraction = 0.0
        self._message = ""

    @property
    def cancelled(self) -> bool:
        """True once `cancel` was called."""
        return self._cancelled.is_set()

    @property
    def fraction(self) -> float:
        """The largest fraction reported so far, in 0..1."""
        return self._fraction

    @property
    def message(self) -> str:
        """The latest message that was not empty."""
        return self._message

    def cancel(self) -> None:
        """Ask the work to stop: its next `report` raises `Cancelled`. Returns at once and can be repeated."""
        self._cancelled.set()

    def raise_if_cancelled(self) -> None:
        """Raise `Cancelled` if `cancel` was called; for inner loops with nothing to report."""
        if self._cancelled.is_set():
            raise Cancelled("The work was cancelled.")

    def report(self, fraction: float, message: str = "") -> None:
        """Tell how far the work is: `fraction` in 0..1 (clipped). Raises `Cancelled` if `cancel` was called."""
        self.raise_if_cancelled()
        with self._lock:
            self._fraction = max(self._fraction, min(float(fraction), 1.0))
            self._message = message or self._message
            if self._callback is not None:
                self._callback(self._fraction, self._message)
        # The callback may be where the user's click was handled.
        self.raise_if_cancelled()

    def part(self, start: float, end: float) -> Progress:
        """The progress of one step of this work, whose 0..1 is `start`..`end` here; cancelling either cancels both."""
        return _PartialProgress(self, start, end)


class _PartialProgress(Progress):
    """A window start..end of a parent's progress; nothing is kept here but the window."""

    def __init__(self, parent: Progress, start: float, end: float):
        if not 0.0 <= start <= end <= 1.0:
            raise ValueError(f"A part of the work needs 0 <= start <= end <= 1, not {start} and {end}.")
        super().__init__(lambda fraction, message: parent.report(start + fraction * (end - start), message))
        # One flag for the whole tree, so that there is no moment at which only half of it is cancelled.
        self._cancelled = parent._cancelled


class Stopwatch:
    """Seconds of one step after the other; `seconds` is what `RegistrationResult` keeps.

    >>> watch = Stopwatch()
    >>> watch.lap("reading")
    >>> list(watch.seconds)
    ['reading']
    """

    def __init__(self):
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, step: str) -> None:
        """End a step: its time counts from the end of the one before, and is added where the step was done before."""
        now = time.perf_counter()
        self.seconds[step] = round(self.seconds.get(step, 0.0) + now - self._last, 4)
        self._last = now

    def rest(self) -> None:
        """What has passed since the last step belongs to none: somebody has looked, or thought."""
        self._last = time.perf_counter()


def console_progress(description: str, stream: TextIO | None = None) -> Progress:
    """Progress as a bar on a terminal (tqdm); silent where `stream` (default: standard error) is not a terminal."""
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        return Progress()
    try:
        from tqdm import tqdm
    except ImportError:
        return Progress()

    bar = tqdm(
        total=100, desc=description, file=stream, bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}{postfix}"
    )

    def show(fraction: float, message: str) -> None:
        bar.set_postfix_str(message, refresh=False)
        bar.n = round(100 * fraction)
        bar.refresh()
        if fraction >= 1.0:
            bar.close()

    return Progress(show)


def slicer_progress(stream: TextIO | None = None) -> Progress:
    """Progress in the tags that Slicer reads from the output of a command line module (default: standard output)."""
    stream = sys.stdout if stream is None else stream
    last_message = ""

    def show(fraction: float, message: str) -> None:
        nonlocal last_message
        if message != last_message:
            print(f"<filter-comment>{escape(message)}</filter-comment>", file=stream)
            last_message = message
        # Slicer reads the pipe while the work runs: without the flush it would see everything at the end.
        print(f"<filter-progress>{fraction:.4g}</filter-progress>", file=stream, flush=True)

    return Progress(show)


def progress_until_file(progress: Progress, path: str | os.PathLike) -> Progress:
    """The same progress, cancelled as soon as a file exists: the way to stop a process that needs no signals.

    A file works on every system, and through the launcher that Slicer's Python is started by.
    """

    def report(fraction: float, message: str) -> None:
        progress.report(fraction, message)
        if os.path.exists(path):
            stopped.cancel()

    stopped = Progress(report)
    return stopped
