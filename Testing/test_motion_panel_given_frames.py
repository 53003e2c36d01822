"""Which frames are given when a sequence is completed, and how their numbers are written."""

import pytest

from DeformationLib.errors import InputError
from MotionModelSceneLib.given_frames import format_numbers, given_frames, parse_numbers


def test_patterns_count_from_the_reference():
    assert given_frames("every-second", 10, 0) == [0, 2, 4, 6, 8]
    assert given_frames("every-fifth", 12, 0) == [0, 5, 10]
    assert given_frames("first", 12, 0, count=5) == [0, 1, 2, 3, 4]
    assert given_frames("every-fifth", 12, 3) == [1, 3, 8]
    assert given_frames("first", 12, 10, count=4) == [0, 1, 10, 11]


def test_more_first_frames_than_there_are_give_all():
    assert given_frames("first", 4, 1, count=99) == [0, 1, 2, 3]


def test_the_reference_is_always_given():
    assert given_frames("numbers", 8, 4, numbers="0, 1") == [0, 1, 4]
    assert given_frames("numbers", 8, 4, numbers="") == [4]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", []),
        ("3", [3]),
        ("0, 3,5", [0, 3, 5]),
        ("5 3 3", [3, 5]),
        ("1-4; 9", [1, 2, 3, 4, 9]),
        ("1 - 3", [1, 2, 3]),
        ("2–4", [2, 3, 4]),
    ],
)
def test_numbers_and_ranges_are_read(text, numbers):
    assert parse_numbers(text, 10) == numbers


@pytest.mark.parametrize("text", ["a", "3.5", "10", "4-2", "-3", "1-", "8-12"])
def test_what_is_no_frame_of_the_sequence_is_refused(text):
    with pytest.raises(InputError, match=r"frame"):
        parse_numbers(text, 10)


@pytest.mark.parametrize("numbers", [[], [0], [0, 1], [0, 1, 2], [0, 2, 4], [0, 1, 2, 5, 7, 8, 9, 10]])
def test_what_is_written_is_read_again(numbers):
    assert parse_numbers(format_numbers(numbers), 11) == numbers


def test_runs_are_written_as_ranges():
    assert format_numbers([4, 3, 2, 7, 8]) == "2-4, 7, 8"
