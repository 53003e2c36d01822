"""What work costs: seconds and memory of this process."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable


def median_seconds(work: Callable[[], None], repeats: int) -> float:
    """Median over some repetitions, after one that does not count."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def peak_memory() -> float:
    """Largest resident memory that this process ever had, MiB."""
    try:
        # getrusage would also count the parent's memory at the moment of the fork.
        with open("/proc/self/status", encoding="ascii") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):
        unit = 1024**2 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
