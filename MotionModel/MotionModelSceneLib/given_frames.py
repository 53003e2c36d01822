"""Which frames of a sequence the model may look at when it completes the others."""

from __future__ import annotations

import re

from slicer.i18n import tr as _

from DeformationLib.errors import InputError

PATTERNS = ("every-second", "every-fifth", "first", "numbers")


def given_frames(pattern: str, frames: int, reference: int, count: int = 5, numbers: str = "") -> list[int]:
    """Numbers of the given frames from 0, in order, the reference frame among them.

    Args:
        pattern: one of `PATTERNS`. Frames are counted from the reference on, and go on from the last one to the first.
        frames: of the sequence.
        reference: number of the reference frame.
        count: how many frames "first" gives, the reference included.
        numbers: what "numbers" gives, as a text: "0, 3, 10-14".

    Raises InputError for a text that is no list of frames of the sequence.
    """
    if pattern == "numbers":
        return sorted({reference, *parse_numbers(numbers, frames)})
    steps = {
        "every-second": range(0, frames, 2),
        "every-fifth": range(0, frames, 5),
        "first": range(min(count, frames)),
    }
    return sorted({(reference + step) % frames for step in steps[pattern]})


def parse_numbers(text: str, frames: int) -> list[int]:
    """Numbers and ranges of numbers, separated by commas, semicolons or spaces; in order, each once.

    Raises InputError for anything else and for frames that the sequence does not have.
    """
    found: set[int] = set()
    for part in re.split(r"[\s,;]+", re.sub(r"\s*[-–]\s*", "-", text.strip())):
        if not part:
            continue
        match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part)
        if match is None:
            raise InputError(
                _("'{part}' is not a number of a frame: write numbers and ranges, as in 0, 3, 10-14.").format(part=part)
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last >= frames:
            raise InputError(
                _("'{part}' is not among the frames of the sequence, which are 0 to {last}.").format(
                    part=part, last=frames - 1
                )
            )
        found.update(range(first, last + 1))
    return sorted(found)


def format_numbers(numbers) -> str:
    """Numbers as a text that `parse_numbers` reads: runs of three and more as ranges."""
    ordered, parts, start = sorted(set(numbers)), [], 0
    while start < len(ordered):
        end = start
        while end + 1 < len(ordered) and ordered[end + 1] == ordered[end] + 1:
            end += 1
        if end - start >= 2:
            parts.append(f"{ordered[start]}-{ordered[end]}")
        else:
            parts += [str(number) for number in ordered[start : end + 1]]
        start = end + 1
    return ", ".join(parts)
