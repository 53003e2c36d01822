"""Tasks in several processes, one of which may crash, and all of which stop at once when the user wants them to.

The executors of Python's library give up with the first process that dies, and cannot end a task that has begun.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from DeformationLib.errors import InputError
from DeformationLib.progress import Progress

_PATIENCE = 0.1  # seconds between two looks at the wish to stop


class PoolError(Exception):
    """Processes cannot be started here; the work can still be done in the present one."""


@dataclass(frozen=True)
class TaskFailure:
    """What became of a task without a result: a sentence."""

    reason: str


@dataclass
class _Worker:
    process: multiprocessing.process.BaseProcess
    connection: Connection
    ready: bool = False
    task: int | None = None
    ended: bool = field(default=False)


def run_in_processes(
    work: Callable[[Any], Any], tasks: Sequence[Any], processes: int, progress: Progress
) -> Iterator[tuple[int, Any]]:
    """Yield the index of each task with its result, or `TaskFailure`, in the order in which they end.

    Args:
        work: what is done with a task; like tasks and results it is pickled.
        tasks: one call of ``work`` each.
        processes: at most; each has its share of the processor's cores.
        progress: cancels, within a fraction of a second.

    Raises:
        PoolError: if a process ends before it took a task.
        Cancelled: through ``progress``; the processes are ended.
    """
    waiting, workers = deque(range(len(tasks))), []
    threads = max(1, (os.cpu_count() or 1) // processes)
    try:
        while waiting or any(worker.task is not None for worker in workers):
            progress.raise_if_cancelled()
            while waiting and len(workers) < min(processes, len(tasks)):
                workers.append(_start(work, threads))
            for worker in _with_news(workers):
                yield from _listen(worker, tasks, waiting)
            workers = [worker for worker in workers if not worker.ended]
    finally:
        for worker in workers:
            worker.process.terminate()
            worker.connection.close()
        for worker in workers:
            worker.process.join(1.0)


def _with_news(workers: Sequence[_Worker]) -> list[_Worker]:
    news = set(wait([worker.connection for worker in workers], _PATIENCE))
    return [worker for worker in workers if worker.connection in news]


def _listen(worker: _Worker, tasks: Sequence[Any], waiting: deque[int]) -> Iterator[tuple[int, Any]]:
    """Take a message of a worker, and give it its next task."""
    try:
        message = worker.connection.recv()
    except (EOFError, OSError):
        yield from _ended(worker)
        return
    if worker.ready:
        yield worker.task, message
    worker.ready, worker.task = True, waiting.popleft() if waiting else None
    if worker.task is not None:
        try:
            worker.connection.send(tasks[worker.task])
        except OSError:
            yield from _ended(worker)


def _ended(worker: _Worker) -> Iterator[tuple[int, Any]]:
    worker.ended = True
    worker.process.join(1.0)
    worker.connection.close()
    if not worker.ready:
        raise PoolError(f"a process ended with the code {worker.process.exitcode} before it took a task")
    if worker.task is not None:
        code = worker.process.exitcode
        yield worker.task, TaskFailure(f"The process ended with the code {code}: perhaps memory was not enough.")


def _start(work: Callable[[Any], Any], threads: int) -> _Worker:
    context = multiprocessing.get_context("spawn")
    python = _python()
    if python is None:
        raise PoolError("there is no Python program beside the present one")
    context.set_executable(python)
    here, there = context.Pipe()
    try:
        process = context.Process(target=_serve, args=(there, work, threads), daemon=True)
        process.start()
    except (OSError, pickle.PicklingError, AttributeError, TypeError) as error:  # the last two: it cannot be pickled
        here.close()
        raise PoolError(str(error)) from error
    finally:
        there.close()
    return _Worker(process, here)


def _python() -> str | None:
    """The Python that a process can be started with: inside an application the present program is none."""
    return sys.executable if "python" in os.path.basename(sys.executable).lower() else shutil.which("PythonSlicer")


def _serve(connection: Connection, work: Callable[[Any], Any], threads: int) -> None:
    """In the process: do tasks until the other end is closed."""
    import torch

    torch.set_num_threads(threads)
    connection.send(None)
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(attempt(work, task))


def attempt(work: Callable[[Any], Any], task: Any) -> Any:
    """The result of a task, or `TaskFailure` with what went wrong: one bad case must not end the work on all others."""
    try:
        return work(task)
    except InputError as error:
        return TaskFailure(str(error))
    except MemoryError:
        return TaskFailure("The memory was not enough: use fewer processes.")
    except Exception as error:  # what no check foresaw is this case's failure, too, and says where it comes from
        return TaskFailure(f"{type(error).__name__}: {error}")
