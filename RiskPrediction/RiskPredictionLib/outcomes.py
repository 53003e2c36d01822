"""Follow-up times and events: what every survival function takes, checked once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from DeformationLib.errors import InputError


def checked_outcomes(time: ArrayLike, event: ArrayLike, events_needed: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Follow-up times ``(n,)`` as float64 and events ``(n,)`` as bool.

    Args:
        time: until the event or, without one, until the case was last seen; any unit.
        event: 1 or True where the event was observed, 0 or False where the case is censored.
        events_needed: whether a cohort without any event is refused.

    Raises:
        InputError: for lengths that differ, times that are negative or no numbers, events other than 0 and 1, and no
            event at all.
    """
    time, event = np.asarray(time, np.float64), np.asarray(event)
    if time.ndim != 1 or time.shape != event.shape or not len(time):
        raise InputError(
            f"One time and one event per case are needed, not {time.shape} times with {event.shape} events."
        )
    if not np.isfinite(time).all() or (time < 0).any():
        first = int(np.flatnonzero(~(time >= 0) | ~np.isfinite(time))[0])
        raise InputError(f"Times must be numbers of at least 0; case {first + 1} has {time[first]}: correct it.")
    if not np.isin(event, (0, 1)).all():
        raise InputError("Events must be 1 (observed) or 0 (censored): correct the others.")
    event = event.astype(bool)
    if events_needed and not event.any():
        raise InputError("No case has an event: a risk can be learned only where events were observed.")
    return time, event


def checked_inputs(values: ArrayLike, size: int | None = None) -> np.ndarray:
    """Predictors ``(n, p)`` as float64; what has more axes, such as fingerprints ``(n, D, T)``, is flattened.

    Args:
        values: of n cases.
        size: p that a fitted model expects, if any.

    Raises:
        InputError: for values that are not finite, and another p than ``size``.
    """
    values = np.asarray(values, np.float64)
    if values.ndim < 2 or not values.size:
        raise InputError(f"Predictors need a row per case and at least one column, not the shape {values.shape}.")
    values = values.reshape(len(values), -1)
    if size is not None and values.shape[1] != size:
        raise InputError(
            f"The cases have {values.shape[1]} values each, but the model was fitted to {size}: "
            "use the fingerprints (and columns) that it was trained with."
        )
    if not np.isfinite(values).all():
        case, column = (int(index[0]) for index in np.nonzero(~np.isfinite(values)))
        raise InputError(
            f"Value {column + 1} of case {case + 1} is not a finite number: correct or leave out the case."
        )
    return values


def check_same_length(values: np.ndarray, time: np.ndarray) -> None:
    """Raise `InputError` where there are not as many cases as outcomes."""
    if len(values) != len(time):
        raise InputError(f"There are {len(values)} cases, but outcomes of {len(time)}: give one outcome per case.")
