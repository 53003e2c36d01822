"""An amplitude that swings back and forth."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import qt

_INTERVAL_MS = 40
_PERIOD_SECONDS = 5.0


class AmplitudeAnimation:
    """Calls a function with the values of a sine, from where the amplitude is, until it is stopped.

    Args:
        onValue: called on the main thread, up to 25 times a second.
    """

    def __init__(self, onValue: Callable[[float], None]):
        self._onValue = onValue
        self._reach = self._begin = 0.0
        self._timer = qt.QTimer()
        self._timer.setInterval(_INTERVAL_MS)
        self._timer.connect("timeout()", self._tick)

    @property
    def running(self) -> bool:
        """Whether it swings."""
        return bool(self._timer.active)

    def start(self, value: float, reach: float) -> None:
        """Swing between -`reach` and `reach`, from `value` upwards."""
        self._reach = reach
        phase = math.asin(min(max(value / reach, -1.0), 1.0)) / (2.0 * math.pi)
        self._begin = time.monotonic() - phase * _PERIOD_SECONDS
        self._timer.start()

    def stop(self) -> None:
        """Stay where it is."""
        self._timer.stop()

    def _tick(self) -> None:
        turns = (time.monotonic() - self._begin) / _PERIOD_SECONDS
        self._onValue(self._reach * math.sin(2.0 * math.pi * turns))
