"""Long work beside the window: a Python thread computes, a timer brings its results to the main thread.

The work must not touch the scene, nodes, logics or widgets: MRML and Qt belong to the main thread. Read what it needs
before (`image_from_volume`), write what it gives in `onDone`; the callbacks run on the main thread.

Who holds Python's lock (GIL)? Slicer does not switch on the thread support of PythonQt, so that its main thread keeps
the lock while Qt waits for events, and a Python thread would stand still until the main thread runs Python again.
Therefore the timer hands the lock out: each tick waits for the thread, up to `LEND_SECONDS`, and a Python function that
waits gives up the lock. Between two ticks Qt handles the events of the window. Where the lock is free anyway, as with
PySide, the ticks do no harm.

Who collects garbage? Python does it in whatever thread allocates, and a widget or node in a reference cycle would then
be deleted off the main thread, which crashes. While a thread works, only the ticks collect.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

import qt
import slicer

from DeformationLib.errors import Cancelled
from DeformationLib.progress import Progress

LEND_SECONDS = 0.01
"""How long one tick waits for the thread: events of the window wait no longer than that."""

_INTERVAL_MS = 2
_PROGRESS_SECONDS = 0.05


class BackgroundJob:
    """One piece of work in a thread; exactly one of `onDone`, `onFailed` and `onCancelled` is called, once.

    Args:
        work: called in the thread with a `DeformationLib.progress.Progress`; returns the result. Never touches the scene.
        onDone: called with the result.
        onFailed: called with the exception; without it the exception is logged.
        onCancelled: called without arguments after `cancel`.
        onProgress: called with (fraction, message), at most 20 times a second and only for something new.

    >>> job = BackgroundJob(lambda progress: model.register(fixed, moving, progress=progress), onDone=self.showResult)
    >>> job.start()
    """

    def __init__(
        self,
        work: Callable[[Progress], Any],
        onDone: Callable[[Any], None],
        onFailed: Callable[[BaseException], None] | None = None,
        onCancelled: Callable[[], None] | None = None,
        onProgress: Callable[[float, str], None] | None = None,
    ):
        self._work = work
        self._onDone, self._onFailed, self._onCancelled, self._onProgress = onDone, onFailed, onCancelled, onProgress
        self._progress = Progress(self._keepProgress)
        self._reported, self._shown, self._shownAt = (0.0, ""), (0.0, ""), 0.0
        self._outcome: tuple[Any, BaseException | None] = (None, None)
        # A daemon: a thread that sits in a long call must not keep Slicer from closing.
        self._thread = threading.Thread(target=self._runWork, name="BackgroundJob", daemon=True)
        self._timer: _Timer | None = None
        self._running = False

    @property
    def running(self) -> bool:
        """True from `start` until just before the callback that ends the job."""
        return self._running

    def start(self) -> None:
        """Start the thread. Raises RuntimeError for a job that was started before: make a new one."""
        if self._timer is not None:
            raise RuntimeError("This job was started before.")
        self._running = True
        self._timer = _Timer(self._tick)
        self._timer.start()
        self._thread.start()

    def cancel(self) -> None:
        """Stop: `onCancelled` is called before this returns, whatever the thread is busy with; later calls do nothing.

        The work notices at its next report. Until then the thread is left to itself and what it returns is discarded.
        """
        if self._running:
            self._progress.cancel()
            self._end(self._onCancelled)

    def abandon(self) -> None:
        """Stop without any callback: for a panel that is going away, whose callbacks would meet deleted widgets."""
        self._progress.cancel()
        self._end(None)

    def wait(self, seconds: float) -> bool:
        """Handle events until the job has ended, for tests and the console. False if it still runs after `seconds`."""
        return _process_events_until(lambda: not self._running, seconds)

    def _keepProgress(self, fraction: float, message: str) -> None:
        """In the thread: only the newest report is kept, so that a fast reporter cannot flood the main thread."""
        self._reported = (fraction, message)

    def _runWork(self) -> None:
        """In the thread."""
        try:
            self._outcome = (self._work(self._progress), None)
        except BaseException as error:  # SystemExit too: a library that exits must not leave the panel waiting
            self._outcome = (None, error)

    def _tick(self) -> None:
        # Not an event at the end of the work: what the thread itself refers to must be gone as well.
        self._thread.join(LEND_SECONDS)
        ended = not self._thread.is_alive()
        if not self._running:
            # Cancelled: the timer goes on lending, or the thread could never come to its end.
            if ended:
                self._retire()
            return
        if not ended:
            self._showProgress()
            return
        result, error = self._outcome
        self._retire()
        if error is None:
            self._showProgress(now=True)
            if self._running:  # a callback may have cancelled
                self._end(self._onDone, result)
        elif isinstance(error, Cancelled):
            self._end(self._onCancelled)
        else:
            self._end(self._onFailed or _log_failure, error)

    def _showProgress(self, now: bool = False) -> None:
        due = now or time.monotonic() - self._shownAt >= _PROGRESS_SECONDS
        if self._onProgress is not None and self._reported != self._shown and due:
            self._shown, self._shownAt = self._reported, time.monotonic()
            _call(self._onProgress, *self._shown)

    def _end(self, callback: Callable | None, *arguments) -> None:
        """Call the callback that ends the job; everything that the job held on to is let go before."""
        self._running = False
        self._onDone = self._onFailed = self._onCancelled = self._onProgress = None
        if callback is not None:
            _call(callback, *arguments)

    def _retire(self) -> None:
        self._work, self._outcome = None, (None, None)
        self._timer.retire()


class LatestRequest:
    """Answers the newest request only: for sliders that move faster than the answer can be computed.

    One thread works; requests that arrive meanwhile replace each other, and only the last of them is worked on next.
    `onDone` and `onFailed` are called on the main thread with the newest answer.

    Args:
        work: called in the thread with the arguments of a request; returns the answer. Never touches the scene.
        onDone: called with the answer.
        onFailed: called with the exception; without it the exception is logged.

    >>> live = LatestRequest(lambda amplitudes: explorer.deform(amplitudes), self.showDeformed)
    >>> slider.connect("valueChanged(double)", lambda value: live.ask([value]))
    """

    def __init__(
        self,
        work: Callable[[Any], Any],
        onDone: Callable[[Any], None],
        onFailed: Callable[[BaseException], None] | None = None,
    ):
        self._work, self._onDone, self._onFailed = work, onDone, onFailed
        self._worker: _LatestWorker | None = None

    @property
    def idle(self) -> bool:
        """True when every request that was not replaced has been answered."""
        return self._worker is None or self._worker.idle

    def ask(self, arguments: Any) -> None:
        """Request an answer for `arguments`; returns at once. A request that still waits is forgotten."""
        if self._worker is None:
            self._worker = _LatestWorker(self._work, self._deliver)
        self._worker.ask(arguments)

    def stop(self) -> None:
        """Forget all requests: no callback comes after this, not even for the request in work. `ask` starts anew."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop()

    def wait(self, seconds: float) -> bool:
        """Handle events until `idle`, for tests and the console. False if there is still work after `seconds`."""
        return _process_events_until(lambda: self.idle, seconds)

    def _deliver(self, answer: Any, error: BaseException | None) -> None:
        if error is None:
            _call(self._onDone, answer)
        else:
            _call(self._onFailed or _log_failure, error)


class _LatestWorker:
    """The thread of a `LatestRequest` from its first request to `stop`.

    One thread for all requests: torch would set up its own threads again for every new one.
    """

    def __init__(self, work: Callable[[Any], Any], deliver: Callable[[Any, BaseException | None], None]):
        self._work, self._deliver = work, deliver
        self._condition = threading.Condition()
        # Guarded by the condition. Requests are lists of one, since None may be asked for.
        self._request: list | None = None
        self._outcome: tuple[Any, BaseException | None] | None = None
        self._busy = False
        self._stopped = False
        self._timer = _Timer(self._tick)
        self._thread = threading.Thread(target=self._answerRequests, name="LatestRequest", daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        with self._condition:
            return self._stopped or self._isIdle()

    def ask(self, arguments: Any) -> None:
        with self._condition:
            self._request = [arguments]
            self._condition.notify_all()
        self._timer.start()

    def stop(self) -> None:
        with self._condition:
            self._stopped = True
            self._request = self._outcome = None
            self._condition.notify_all()
        # The timer goes on until the thread has ended, and then retires.
        self._timer.start()

    def _isIdle(self) -> bool:
        return self._request is None and self._outcome is None and not self._busy

    def _answerRequests(self) -> None:
        """In the thread."""
        while (request := self._nextRequest()) is not None:
            try:
                outcome = (self._work(request[0]), None)
            except BaseException as error:
                outcome = (None, error)
            with self._condition:
                self._busy = False
                self._outcome = outcome
                self._condition.notify_all()

    def _nextRequest(self) -> list | None:
        """In the thread: wait for a request; None when the thread is to end."""
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or self._request is not None)
            if self._stopped:
                return None
            request, self._request, self._busy = self._request, None, True
            return request

    def _tick(self) -> None:
        if self._stopped:
            self._thread.join(LEND_SECONDS)
            if not self._thread.is_alive():
                self._timer.retire()
            return
        with self._condition:
            self._condition.wait_for(lambda: self._outcome is not None or self._isIdle(), LEND_SECONDS)
            outcome, self._outcome = self._outcome, None
            if self._isIdle():
                self._timer.stop()
        if outcome is not None:
            self._deliver(*outcome)


class _Timer:
    """A repeating Qt timer of work in a thread; while it runs, garbage is collected by its ticks and nowhere else."""

    _running: ClassVar[set[_Timer]] = set()  # which also keeps them alive
    _collects = False

    def __init__(self, tick: Callable[[], None]):
        self._tick = tick
        self._timer = qt.QTimer()
        self._timer.setInterval(_INTERVAL_MS)
        self._timer.connect("timeout()", self._onTimeout)

    def start(self) -> None:
        if not _Timer._running:
            _Timer._collects = gc.isenabled()
            gc.disable()
        _Timer._running.add(self)
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()
        _Timer._running.discard(self)
        if not _Timer._running and _Timer._collects:
            gc.enable()

    def retire(self) -> None:
        """Stop for good. The reference to the timer stays: dropping it would delete the timer inside its own tick."""
        self.stop()
        self._timer.deleteLater()

    def _onTimeout(self) -> None:
        # Only what is young: going through all that was ever imported would hold the window up.
        if _Timer._collects and gc.get_count()[0] > 10 * gc.get_threshold()[0] > 0:
            gc.collect(1)
        self._tick()


def _call(callback: Callable, *arguments) -> None:
    """Call back; an exception is logged and goes on to whoever called, as that of any other slot."""
    try:
        callback(*arguments)
    except Exception:
        logging.exception("A callback of background work failed.")
        raise


def _log_failure(error: BaseException) -> None:
    logging.error("Background work failed.", exc_info=error)


def _process_events_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        slicer.app.processEvents()
        time.sleep(0.001)  # lends the lock where processEvents found no tick to run
    return True
