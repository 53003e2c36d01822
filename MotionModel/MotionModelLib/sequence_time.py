"""When the frames of a sequence are: their places among the slots of a motion matrix. Needs no torch.

A motion matrix has T columns, the slots 1..T; the reference frame is slot 0, and the slot T + 1 is the reference again. The
frames of a sequence, however many, are spread evenly over them, so that only their order counts: times in the metadata,
which differ between scanners and are often wrong, are never used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from DeformationLib.errors import InputError


@dataclass(frozen=True)
class Run:
    """Frames that a model sees as one sequence.

    Attributes:
        frames: their places in the whole sequence, in the order of the run, without the reference.
        times: of each, in slots: where its motion is read from the matrix. Whole numbers for up to T frames, which sit in
            their slots; the frames between the slots of a longer sequence lie between whole numbers.
        shown: indices into ``frames`` of those that the model looks at.
        slots: of those, from 1, distinct and increasing.
        sense: 1 for what follows the reference, -1 for the frames before it, from the last back to the first.
        slot_count: T.
    """

    frames: np.ndarray
    times: np.ndarray
    shown: np.ndarray
    slots: np.ndarray
    sense: int
    slot_count: int

    @property
    def skipped(self) -> int:
        """How many frames found no slot of their own."""
        return max(0, len(self.frames) - self.slot_count)


def frame_slots(count: int, slots: int) -> np.ndarray:
    """Slots of the frames 1..count-1 after the reference of a sequence of ``count``: the nearest to ``m (T + 1) / N``.

    Halves go upwards. Distinct as long as there are at most T + 1 frames.
    """
    position = np.arange(1, count)
    return np.clip((2 * position * (slots + 1) + count) // (2 * count), 1, slots)


def even_times(count: int, slots: int) -> np.ndarray:
    """Times ``m (T + 1) / N`` of the frames 0..N-1 of an evenly spread sequence, in slots."""
    return np.arange(count) * (slots + 1) / count


def plan_runs(
    count: int, reference: int, slots: int, periodic: bool, given: Sequence[int] | np.ndarray | None = None
) -> list[Run]:
    """How a model of T slots goes through a sequence: in one run, or in two that start at the reference.

    Args:
        count: frames of the sequence.
        reference: the frame that motion starts from.
        slots: T.
        periodic: the frames before the reference follow after the last one; else they are a run of their own, backwards.
        given: the frames that may be looked at; None for all.

    Raises:
        InputError: for one frame, and for frames that the sequence does not have.
    """
    check_count(count)
    check_reference(reference, count)
    allowed = given_mask(given, count, reference)
    if periodic:
        return [_run((reference + np.arange(1, count)) % count, 1, slots, allowed)]
    ways = ((np.arange(reference + 1, count), 1), (np.arange(reference - 1, -1, -1), -1))
    return [_run(frames, sense, slots, allowed) for frames, sense in ways if len(frames)]


def sequence_times(runs: Sequence[Run], count: int) -> np.ndarray:
    """Times of all frames in slots, ``(N,)``: 0 for the reference, below 0 in the run before it."""
    times = np.zeros(count)
    for run in runs:
        times[run.frames] = run.sense * run.times
    return times


def frames_shown(runs: Sequence[Run], count: int, reference: int) -> np.ndarray:
    """Frames that the model looks at, ``(N,)`` bool: the reference, and those that found a slot."""
    shown = np.arange(count) == reference
    for run in runs:
        shown[run.frames[run.shown]] = True
    return shown


def given_mask(given: Sequence[int] | np.ndarray | None, count: int, reference: int) -> np.ndarray:
    """Frames that may be looked at, ``(N,)`` bool, from their indices or from such a mask; the reference always may.

    Raises `InputError` for an index beyond the sequence.
    """
    if given is None:
        return np.ones(count, dtype=bool)
    given = np.asarray(given)
    if given.dtype == bool:
        if given.shape != (count,):
            raise InputError(f"There are {count} frames, but it is said of {given.size} whether they are given.")
        mask = given.copy()
    else:
        mask = np.zeros(count, dtype=bool)
        for number in given.ravel().tolist():
            _check_index(number, count, "The given frame")
            mask[int(number)] = True
    mask[reference] = True
    return mask


def stretched_times(
    times: np.ndarray, reference: int, count: int, slots: int, periodic: bool = True
) -> tuple[np.ndarray, int]:
    """Times of the same motion with another number of frames, and which of them is the reference.

    A sequence's own times are kept where the number stays: between them time runs evenly from frame to frame.

    Args:
        times: ``(N,)`` in slots, as `sequence_times` gives them.
        reference: its place among them.
        count: frames wanted.
        slots: T.
        periodic: the last frame is followed by the first, and new ones may lie between; else the first and the last
            frame stay what they are. A sequence with frames before the reference in time is not periodic in any case.
    """
    check_count(count)
    old = len(times)
    if not periodic or (times < 0).any():
        place = round(reference * (count - 1) / (old - 1))
        return np.concatenate(
            [
                np.interp(np.linspace(0, reference, place + 1), np.arange(reference + 1), times[: reference + 1])[:-1],
                np.interp(np.linspace(reference, old - 1, count - place), np.arange(reference, old), times[reference:]),
            ]
        ), place
    place = round(reference * count / old) % count
    rolled = np.append(np.roll(times, -reference), slots + 1)
    new = np.interp(np.arange(count) * old / count, np.arange(old + 1), rolled)
    return np.roll(new, place), place


def parse_given(text: str, count: int, reference: int = 0) -> list[int]:
    """Frames of a sequence that a text names: ``0,10``, ``every:5``, ``first:5`` or ``all``.

    ``every:n`` counts from the reference frame to both sides. Raises `InputError` for anything else.
    """
    text = text.strip()
    word, _, number = text.partition(":")
    if text == "all":
        return list(range(count))
    try:
        if word in ("every", "first") and number:
            amount = int(number)
            if amount < 1:
                raise InputError(f"'{text}' names no frames: give a number of at least 1 after the colon.")
            return list(range(reference % amount, count, amount)) if word == "every" else list(range(count))[:amount]
        frames = [int(part) for part in text.split(",")]
    except InputError:
        raise
    except ValueError as error:
        raise InputError(
            f"'{text}' does not say which frames are given: name them as in 0,10 or every:5 or first:5."
        ) from error
    for frame in frames:
        _check_index(frame, count, "The given frame")
    return sorted(set(frames))


def check_count(count: int) -> None:
    """Raise `InputError` for fewer than two frames."""
    if count < 2:
        raise InputError(f"Motion needs at least two frames, not {count}: choose a sequence of images.")


def check_reference(reference: int, count: int) -> None:
    """Raise `InputError` for a reference frame that a sequence does not have."""
    _check_index(reference, count, "The reference frame")


def _check_index(number: int, count: int, what: str) -> None:
    if int(number) != number or not 0 <= number < count:
        raise InputError(
            f"{what} {number} is not in the sequence, whose frames are 0 to {count - 1}: give one of those."
        )


def _run(frames: np.ndarray, sense: int, slots: int, allowed: np.ndarray) -> Run:
    count = len(frames) + 1
    nominal = even_times(count, slots)[1:]
    slot_of = frame_slots(count, slots)
    shown = np.flatnonzero(allowed[frames])
    if count <= slots + 1:
        return Run(frames, slot_of.astype(float), shown, slot_of[shown], sense, slots)
    # Of the frames that share a slot, the model looks at the one nearest to its middle.
    nearest: dict[int, int] = {}
    for index in shown.tolist():
        slot = int(slot_of[index])
        if slot not in nearest or abs(nominal[index] - slot) < abs(nominal[nearest[slot]] - slot) - 1e-9:
            nearest[slot] = index
    shown, chosen = np.array(list(nearest.values()), dtype=int), np.array(list(nearest), dtype=int)
    knots = np.concatenate([[0.0], nominal[shown], [slots + 1.0]])
    times = np.interp(nominal, knots, np.concatenate([[0.0], chosen, [slots + 1.0]]))
    return Run(frames, times, shown, chosen, sense, slots)
