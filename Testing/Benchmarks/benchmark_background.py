"""What background work costs and what the window feels of it: ``python Testing/Benchmarks/benchmark_background.py``.

Prints, for a work in pure Python, one in torch and the first import of torch: seconds in the main thread alone and as a
`BackgroundJob`, and the longest time for which the main thread answered no event (a timer of 20 ms, as a window that is
redrawn). Twice: with PySide's event loop, which gives Python's lock away while it waits, and with a loop that keeps it
while it waits, as Slicer's does.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
import time

HEARTBEAT_MS = 20


def in_python(progress) -> None:
    """About a second of bytecode, with reports."""
    total = 0
    for step in range(60):
        for number in range(200_000):
            total += number * number
        progress.report((step + 1) / 60, f"step {step}")


def in_torch(progress) -> None:
    """Convolutions as a registration network has them, with reports."""
    import torch

    volume, kernel = torch.ones(1, 8, 48, 64, 48), torch.ones(16, 8, 3, 3, 3)
    with torch.no_grad():
        for step in range(40):
            torch.nn.functional.conv3d(volume, kernel, padding=1)
            progress.report((step + 1) / 40)


def importing_torch(progress) -> None:
    """The first import in a process, as the module does it."""
    from DeformationSceneLib.installation import preload_torch

    preload_torch()
    import torch

    progress.report(1.0, torch.__version__)


WORKS = {"python": in_python, "torch": in_torch, "import": importing_torch}


def measure(name: str, keep_lock: bool) -> None:
    """Print one line of the table; in a process of its own, since torch is imported once."""
    from DeformationLib.progress import Progress
    from Testing.SlicerHost.application import start

    application = start()
    import qt

    from DeformationSceneLib.background import BackgroundJob

    beats = []
    heartbeat = qt.QTimer()
    heartbeat.connect("timeout()", lambda: beats.append(time.perf_counter()))
    heartbeat.start(HEARTBEAT_MS)
    alone = float("nan")
    if name != "import":
        WORKS[name](Progress())  # warm
        begin = time.perf_counter()
        WORKS[name](Progress())
        alone = time.perf_counter() - begin

    job = BackgroundJob(WORKS[name], lambda result: None)
    c_library = ctypes.PyDLL(None)  # calls through it keep Python's lock
    application.processEvents()
    beats.append(begin := time.perf_counter())
    job.start()
    while job.running:
        if keep_lock:
            c_library.usleep(1000)
        application.processEvents()
    seconds = time.perf_counter() - begin
    beats.append(time.perf_counter())
    beats = [beat for beat in beats if beat >= begin]
    gap = max(later - earlier for earlier, later in zip(beats, beats[1:]))
    loop = "kept" if keep_lock else "free"
    print(f"{name:8s}{loop:>6s}{alone:10.2f}{seconds:10.2f}{seconds / alone:8.2f}{1000 * gap:12.0f}", flush=True)


def main() -> None:
    """All rows, or the one row that is named on the command line."""
    if len(sys.argv) == 3:
        measure(sys.argv[1], sys.argv[2] == "kept")
        return
    print(f"{'work':8s}{'lock':>6s}{'alone s':>10s}{'as job s':>10s}{'ratio':>8s}{'longest ms':>12s}", flush=True)
    for name in WORKS:
        for lock in ("free", "kept"):
            subprocess.run([sys.executable, __file__, name, lock], check=True)


if __name__ == "__main__":
    main()
