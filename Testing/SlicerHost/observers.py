"""Observers of VTK objects whose errors are not lost: they are printed, as VTK does, and kept with those of slots."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable

import vtk

from .signals import SlotError, slot_errors


class Observers:
    """What one object observes, until `clear`; VTK keeps the callbacks, and whom they belong to, alive until then."""

    def __init__(self):
        self._entries: list[tuple[vtk.vtkObject, int]] = []

    def add(self, source: vtk.vtkObject, event: int | str, callback: Callable) -> None:
        """Call `callback(caller, event)`, or with the event's data if it is marked with `vtk.calldata_type`."""
        self._entries.append((source, source.AddObserver(event, _kept(callback, event))))

    def clear(self) -> None:
        for source, tag in self._entries:
            source.RemoveObserver(tag)
        self._entries.clear()


def _kept(callback: Callable, event: int | str) -> Callable:
    # Copies the mark of vtk.calldata_type, too.
    @functools.wraps(callback)
    def call(*arguments):
        try:
            callback(*arguments)
        except Exception as error:
            traceback.print_exc()
            slot_errors.append(SlotError(str(event), callback, error))

    return call
