"""Places of frames among the slots: slots, rolling, two runs, long sequences, the frames that a text names."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from DeformationLib.errors import InputError
from MotionModelLib.sequence_time import (
    even_times,
    frame_slots,
    given_mask,
    parse_given,
    plan_runs,
    sequence_times,
    stretched_times,
)


def test_a_full_sequence_fills_every_slot():
    assert frame_slots(35, 34).tolist() == list(range(1, 35))


@given(count=st.integers(2, 60), slots=st.integers(2, 59))
@settings(max_examples=200, deadline=None)
def test_slots_are_distinct_increasing_and_nearest(count, slots):
    if count > slots + 1:
        count = 2 + count % slots
    found = frame_slots(count, slots)
    times = even_times(count, slots)[1:]
    assert (np.diff(found) >= 1).all()
    assert found.min() >= 1
    assert found.max() <= slots
    assert np.abs(found - times).max() <= 0.5


def test_two_frames_put_the_second_in_the_middle():
    (run,) = plan_runs(2, 0, 34, periodic=True)
    assert run.slots.tolist() == [18]
    assert run.times.tolist() == [18.0]


def test_periodic_frames_before_the_reference_follow_after_the_last():
    (run,) = plan_runs(5, 3, 9, periodic=True)
    assert run.frames.tolist() == [4, 0, 1, 2]
    assert run.slots.tolist() == [2, 4, 6, 8]
    assert sequence_times([run], 5).tolist() == [4, 6, 8, 0, 2]


def test_not_periodic_frames_before_the_reference_run_backwards():
    after, before = plan_runs(5, 2, 9, periodic=False)
    assert (after.frames.tolist(), after.sense) == ([3, 4], 1)
    assert (before.frames.tolist(), before.sense) == ([1, 0], -1)
    # Each is a sequence of three frames of its own.
    assert after.slots.tolist() == before.slots.tolist() == frame_slots(3, 9).tolist()
    times = sequence_times([after, before], 5)
    assert times.tolist() == [-7, -3, 0, 3, 7]


@pytest.mark.parametrize(("reference", "sense"), [(0, 1), (4, -1)])
def test_not_periodic_at_an_end_is_one_run(reference, sense):
    (run,) = plan_runs(5, reference, 9, periodic=False)
    assert run.sense == sense
    assert len(run.frames) == 4


def test_a_long_sequence_shows_one_frame_per_slot_and_times_all():
    (run,) = plan_runs(50, 0, 9, periodic=True)
    assert run.frames[run.shown].tolist() == [5, 10, 15, 20, 25, 30, 35, 40, 45]
    assert run.slots.tolist() == list(range(1, 10))
    assert run.skipped == 40
    times = sequence_times([run], 50)
    assert (np.diff(times) > 0).all()
    assert times[run.frames[run.shown]].tolist() == run.slots.tolist()


def test_a_long_sequence_of_no_whole_ratio_keeps_shown_frames_in_their_slots():
    (run,) = plan_runs(47, 0, 34, periodic=True)
    assert len(run.shown) == 34
    assert np.allclose(run.times[run.shown], run.slots)
    assert (np.diff(run.times) > 0).all()


def test_only_given_frames_are_shown():
    (run,) = plan_runs(10, 0, 34, periodic=True, given=[0, 3, 7])
    assert run.frames[run.shown].tolist() == [3, 7]
    assert run.slots.tolist() == frame_slots(10, 34)[[2, 6]].tolist()
    (run,) = plan_runs(10, 0, 34, periodic=True, given=[])
    assert len(run.shown) == 0


def test_given_frames_of_a_long_sequence_are_found_though_others_are_nearer():
    (run,) = plan_runs(50, 0, 9, periodic=True, given=[0, 11])
    assert run.frames[run.shown].tolist() == [11]
    assert run.slots.tolist() == [2]


def test_the_reference_is_always_given():
    assert given_mask([4], 6, 2).tolist() == [False, False, True, False, True, False]
    assert given_mask(np.array([False] * 6), 6, 0).tolist() == [True] + [False] * 5


@pytest.mark.parametrize(
    ("count", "reference", "given", "words"),
    [
        (1, 0, None, "at least two frames"),
        (5, 5, None, "reference frame 5"),
        (5, -1, None, "reference frame -1"),
        (5, 0, [7], "given frame 7"),
        (5, 0, np.ones(4, dtype=bool), "There are 5 frames"),
    ],
)
def test_what_cannot_be_planned_is_refused(count, reference, given, words):
    with pytest.raises(InputError, match=words):
        plan_runs(count, reference, 34, True, given)


@pytest.mark.parametrize("reference", [0, 3])
def test_the_same_number_of_frames_keeps_their_times(reference):
    for periodic in (True, False):
        times = sequence_times(plan_runs(7, reference, 34, periodic), 7)
        new, place = stretched_times(times, reference, 7, 34)
        assert place == reference
        assert np.allclose(new, times)


def test_twice_the_frames_lie_in_the_middle_between():
    times = sequence_times(plan_runs(5, 0, 9, True), 5)
    new, _ = stretched_times(times, 0, 10, 9)
    assert np.allclose(new[::2], times)
    assert np.allclose(new[1::2], [1, 3, 5, 7, 9])


def test_stretched_times_keep_the_reference_at_zero():
    for periodic in (True, False):
        times = sequence_times(plan_runs(7, 3, 34, periodic), 7)
        new, place = stretched_times(times, 3, 20, 34)
        assert len(new) == 20
        assert new[place] == 0
        assert np.count_nonzero(new == 0) == 1


def test_without_a_period_the_last_frame_stays_the_last():
    times = sequence_times(plan_runs(5, 0, 9, False), 5)
    new, place = stretched_times(times, 0, 9, 9, periodic=False)
    assert place == 0
    assert np.allclose(new[::2], times)
    assert stretched_times(times, 0, 9, 9, periodic=True)[0][-1] > times[-1]


def test_backwards_only_keeps_its_end():
    times = sequence_times(plan_runs(4, 3, 34, periodic=False), 4)
    new, place = stretched_times(times, 3, 9, 34)
    assert place == 8
    assert new[0] == times[0]
    assert (np.diff(new) > 0).all()


@pytest.mark.parametrize(
    ("text", "reference", "frames"),
    [
        ("0,10", 0, [0, 10]),
        (" 10, 0,10", 0, [0, 10]),
        ("every:5", 0, [0, 5, 10]),
        ("every:5", 2, [2, 7]),
        ("first:5", 0, [0, 1, 2, 3, 4]),
        ("first:99", 0, list(range(12))),
        ("all", 0, list(range(12))),
    ],
)
def test_texts_name_frames(text, reference, frames):
    assert parse_given(text, 12, reference) == frames


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("some", "0,10 or every:5"),
        ("every:x", "0,10 or every:5"),
        ("every:0", "at least 1"),
        ("0,12", "given frame 12"),
        ("", "0,10"),
    ],
)
def test_other_texts_are_refused(text, words):
    with pytest.raises(InputError, match=words):
        parse_given(text, 12)
