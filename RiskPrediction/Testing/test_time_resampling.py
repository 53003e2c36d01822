"""Series at another number of frames."""

import numpy as np
import pytest

from DeformationLib.errors import InputError
from DeformationLib.image import Image
from RiskPredictionLib.time_resampling import resample_in_time, spline_weights


def beat(count, phase=0.0, offset=100.0):
    """Images whose voxels rise and fall once, each with a phase of its own."""
    places = np.linspace(0, 1, 24).reshape(2, 3, 4)
    times = (np.arange(count) + phase) / count
    return [Image((offset + 10 * np.sin(2 * np.pi * (t + places))).astype(np.float32)) for t in times]


@pytest.mark.parametrize("periodic", [True, False])
def test_constant_intensities_stay_what_they_are(periodic):
    for frames in (2, 3, 4, 7, 30):
        np.testing.assert_allclose(spline_weights(frames, 26, periodic).sum(axis=1), 1.0)


def test_splines_follow_a_smooth_beat():
    for count in (12, 35):
        found = resample_in_time(beat(count), 26)
        for image, true in zip(found, beat(26), strict=True):
            np.testing.assert_allclose(image.array, true.array, atol=0.03)


def test_splines_of_motion_that_does_not_return_are_cubic_and_reach_the_last_frame():
    x, positions = np.arange(17.0), np.linspace(0, 16, 65)
    weights = spline_weights(17, 65, periodic=False)
    inner = slice(32, 33)  # far from the ends, whose curvature is 0
    np.testing.assert_allclose((weights @ (x**3))[inner], (positions**3)[inner], rtol=1e-3)
    np.testing.assert_allclose(weights @ (3 * x - 2), 3 * positions - 2, atol=1e-9)
    np.testing.assert_allclose(weights[[0, -1]], np.eye(17)[[0, -1]], atol=1e-12)


def test_frames_of_the_wanted_number_are_kept_as_they_are():
    frames = beat(8)
    found = resample_in_time(frames, 8, reference=3)
    assert [id(image) for image in found] == [id(image) for image in frames[3:] + frames[:3]]
    np.testing.assert_allclose(spline_weights(8, 8), np.eye(8), atol=1e-12)


def test_a_beat_is_the_same_from_whichever_frame_it_was_stored():
    frames = beat(15)
    rolled = frames[-4:] + frames[:-4]
    for one, other in zip(resample_in_time(frames, 26), resample_in_time(rolled, 26, reference=4), strict=True):
        np.testing.assert_allclose(one.array, other.array, atol=1e-4)


def test_grid_and_first_frame_stay():
    frames = [Image(image.array, (1.5, 1.4, 8.0), (5.0, -3.0, 2.0), np.eye(3)[:, [1, 0, 2]]) for image in beat(5)]
    found = resample_in_time(frames, 12)
    assert found[0] is frames[0]
    assert all(image.same_grid(frames[0]) and image.array.dtype == np.float32 for image in found[1:])


def test_whole_numbers_do_not_overflow():
    frames = [Image((image.array * 290).astype(np.int16)) for image in beat(6)]
    found = np.stack([image.array for image in resample_in_time(frames, 9)])
    assert found.min() > 24000
    assert found.max() < 33500


@pytest.mark.parametrize(
    "change, reference, periodic, message",
    [
        (lambda frames: frames[:1], 0, True, "frames"),
        (lambda frames: frames, 7, True, "7"),
        (lambda frames: frames, 2, False, "has to start at the first frame"),
        (lambda frames: [*frames[:2], Image(np.ones((2, 3, 5)))], 0, True, "Frame 2 has 5 x 3 x 2"),
        (
            lambda frames: [*frames[:2], frames[2].with_array(frames[2].array * np.nan)],
            0,
            True,
            "Frame 2 has 24 voxels",
        ),
        (lambda frames: [*frames[:2], frames[2].with_array(np.zeros((2, 3, 4)))], 0, True, "Frame 2 has the value 0"),
    ],
)
def test_unusable_series_are_refused_by_the_frame_that_is_wrong(change, reference, periodic, message):
    with pytest.raises(InputError, match=message):
        resample_in_time(change(beat(3)), 9, reference, periodic)
