"""A training command in a process of its own: started, listened to, stopped with everything that it has started.

The process tells its progress in the tags of Slicer's command line modules. It is not run as such a module, because a
cancelled one is killed without a chance to write its model, and cannot be seen before it has ended.

Slicer's Python is started by a launcher, and ending the launcher leaves the Python behind. Therefore a polite stop is a
file that the command looks for (``--stop-file``), and a hard one ends the whole tree. If Slicer crashes, the command ends
by itself, since nobody reads any more what it writes.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TextIO
from xml.sax.saxutils import unescape

from DeformationLib.errors import InputError

from .installation import python_executable

LEND_SECONDS = 0.01
"""How long `TrainingProcess.poll` waits for the threads that read: see `background` for why they need that."""

_TAG = re.compile(r"<(filter-progress|filter-comment)>(.*)</\1>")
_KEPT_LINES = 60
_MOST_LINES_AT_ONCE = 1000
_INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it


class ProcessState(Enum):
    """What has become of a process; the last three are final."""

    RUNNING = "running"
    STOPPING = "stopping"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


class TrainingProcess:
    """One run of a training command. Call `poll` a few times a second; it never waits for the process.

    Args:
        command: name of the command, for example "LatentRegistrationTrain".
        options: its words.
        environment: further variables.

    Attributes:
        state: see `ProcessState`.
        fraction, message: the latest progress.
        lines: the last lines that the process has written, without its progress.

    >>> process = TrainingProcess("LatentRegistrationTrain", ["--images", images, "--output", output])
    >>> while process.active:
    ...     for line in process.poll():
    ...         print(line)
    ...     time.sleep(0.1)
    >>> if process.state == ProcessState.FAILED: raise process.failure()
    """

    def __init__(self, command: str, options: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        script = str(command_script(command))
        self._command = command
        self._errors: deque[str] = deque(maxlen=_KEPT_LINES)
        self.state, self.fraction, self.message = ProcessState.RUNNING, 0.0, ""
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._heard: queue.Queue[tuple[str, bool]] = queue.Queue()
        self._last_heard = time.monotonic()
        self._killed = False
        self._folder = Path(tempfile.mkdtemp(prefix="training-"))
        self._stop_file = self._folder / "stop"
        words = [python_executable(), script, *map(str, options), f"--stop-file={self._stop_file}"]
        try:
            self._process = _start(words, environment or {})
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise InputError(f"{command} cannot be started ({error.strerror or error}): restart Slicer.") from error
        streams = ((self._process.stdout, False), (self._process.stderr, True))
        self._readers = [
            threading.Thread(target=_read, args=(*stream, self._heard), name="TrainingProcess", daemon=True)
            for stream in streams
        ]
        for reader in self._readers:
            reader.start()
        # Also when Python ends, or nobody wants this object any more.
        self._finalizer = weakref.finalize(self, _abandon, self._process, self._folder)

    @property
    def active(self) -> bool:
        """Whether the process may still be running."""
        return self.state in (ProcessState.RUNNING, ProcessState.STOPPING)

    @property
    def silent_seconds(self) -> float:
        """How long nothing was heard of the process: a polite stop that lasts may need a hard one."""
        return time.monotonic() - self._last_heard

    def poll(self) -> list[str]:
        """Take in what the process has written since the last call, and whether it has ended; returns the new lines."""
        new: list[str] = []
        if not self.active:
            return new
        ended = self._process.poll() is not None and not any(reader.is_alive() for reader in self._readers)
        deadline = time.monotonic() + (0.0 if ended else LEND_SECONDS)
        for _ in range(_MOST_LINES_AT_ONCE):
            try:
                # Waiting gives the lock of Python to the threads that read.
                line, is_error = self._heard.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                if ended:
                    self._end()
                break
            self._last_heard = time.monotonic()
            new += self._take_in(line, is_error)
        return new

    def stop(self) -> None:
        """Ask the process to stop after its current step and to write what it has; returns at once."""
        if self.state == ProcessState.RUNNING:
            self.state, self._last_heard = ProcessState.STOPPING, time.monotonic()
            self._stop_file.touch()

    def kill(self) -> None:
        """End the process and all that it has started, now; what was trained since its last epoch is lost."""
        if self.active:
            self.state, self._killed = ProcessState.STOPPING, True
            _end_tree(self._process)

    def close(self) -> None:
        """Kill the process, if it is still running, and wait for its end: for a panel or program that is going away."""
        if not self.active:
            return
        self.kill()
        # It may hang in the kernel, for example on a lost network drive; nothing more can be done about that.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        self._end()

    def failure(self) -> Exception:
        """Why the process failed: an `InputError` with the command's own sentence, or a RuntimeError with its last lines."""
        said = [line for line in self._errors if line.strip()]
        if self._process.returncode == 2 and said:
            prefix = f"{self._command}: "
            sentence = next((line for line in reversed(said) if line.startswith(prefix)), said[-1])
            return InputError(sentence.removeprefix(prefix).removeprefix("error: "))
        code = self._process.returncode
        killed = " (killed by the system, perhaps because memory ran out)" if code in (-9, 137) else ""
        last = "\n".join(said or self.lines)
        return RuntimeError(f"{self._command} ended with exit code {code}{killed}.\n{last}".strip())

    def _take_in(self, line: str, is_error: bool) -> list[str]:
        """Keep a line, or understand its progress; returns the lines that are to be shown."""
        tag = _TAG.fullmatch(line.strip())
        if tag is None:
            (self._errors if is_error else self.lines).append(line)
            return [line]
        if tag[1] == "filter-comment":
            self.message = unescape(tag[2])
        else:
            with contextlib.suppress(ValueError):
                self.fraction = min(max(float(tag[2]), 0.0), 1.0)
        return []

    def _end(self) -> None:
        self._finalizer.detach()
        shutil.rmtree(self._folder, ignore_errors=True)
        code = self._process.returncode
        if code == 0:
            self.state = ProcessState.FINISHED
        elif self._killed or (self.state == ProcessState.STOPPING and code == _INTERRUPTED):
            self.state = ProcessState.STOPPED
        else:
            self.state = ProcessState.FAILED


def _read(stream: TextIO, is_error: bool, heard: queue.Queue[tuple[str, bool]]) -> None:
    """In a thread, until the end of the stream."""
    with stream:
        for line in stream:
            heard.put((line.rstrip("\r\n"), is_error))


def _abandon(process: subprocess.Popen[str], folder: Path) -> None:
    _end_tree(process)
    shutil.rmtree(folder, ignore_errors=True)


def command_script(name: str) -> Path:
    """File of a training command, in the source tree or in an installed extension; raises `InputError` without one."""
    modules = Path(__file__).resolve().parents[1]
    commands = modules.parent / "cli-modules"
    candidates = [modules / name / f"{name}.py", commands / f"{name}.py", *commands.glob(f"*/{name}.py")]
    candidates += modules.parent.glob(f"*/{name}/{name}.py")
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise InputError(f"The command {name} is missing from {modules.parent}: install the extension again.")


def _start(words: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a process at low priority, without a window, in a group of its own."""
    if os.name == "nt":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        own_group = {"creationflags": flags | subprocess.BELOW_NORMAL_PRIORITY_CLASS}
    else:
        own_group = {"start_new_session": True}
    process = subprocess.Popen(
        words,
        # Unbuffered, or lines would come in blocks; UTF-8, whatever the language of the system.
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        **own_group,
    )
    if os.name != "nt":
        with contextlib.suppress(OSError):  # it may have ended already
            os.setpriority(os.PRIO_PGRP, process.pid, 10)
    return process


def _end_tree(process: subprocess.Popen[str]) -> None:
    """Kill a process started by `_start` with its children, even if it has itself ended."""
    if os.name == "nt":
        subprocess.run(
            ["taskkill", "/F", "/T", "/PID", str(process.pid)],
            creationflags=subprocess.CREATE_NO_WINDOW,
            capture_output=True,
            check=False,
        )
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
