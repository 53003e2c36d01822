"""The heart's axis and its segments: the same in the body however the volume is stored."""

import numpy as np
import pytest

from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from MotionModelLib.heart_axes import heart_axes
from MotionModelLib.heart_segments import SEGMENT_NAMES, heart_segments
from Testing.known_motions import heart_labels, turned

STACK = Geometry((48, 48, 9), (2.0, 2.0, 10.0), (-47.0, -47.0, -40.0))
CUBE = Geometry((40, 40, 40), (2.5, 2.5, 2.5), (-48.75, -48.75, -48.75))


def segment_at(found, direction, height, radius=22.0, centre=(0.0, 0.0, 0.0)):
    """The segment of the wall in a direction from the axis (LPS), at a height in mm from the centre to the apex."""
    point = np.asarray(centre) + radius * np.asarray(direction) + height * found.axes.axis
    index = np.rint(found.segments.geometry.physical_to_index(point)).astype(int)[::-1]
    return int(found.segments.array[tuple(index)])


GRIDS = {
    "stack": STACK,
    "left-handed stack": turned(STACK, 0.0, (1, -1, 1)),
    "apex first": turned(STACK, 0.0, (1, 1, -1)),
    "turned in its plane": Geometry(
        STACK.size, STACK.spacing, (47.0, -47.0, -40.0), [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    ),
    "cubic voxels": CUBE,
    "oblique cubic voxels": turned(CUBE, 0.3),
}


@pytest.mark.parametrize("name", GRIDS)
def test_segments_lie_where_the_association_says(name):
    """Seen from the apex they run counter-clockwise: from the anterior wall (-y, apex down) to the septum (-x)."""
    axis, front = np.array([0.0, 0.0, -1.0]), np.array([0.0, -1.0, 0.0])
    found = heart_segments(heart_labels(GRIDS[name], axis, front))
    assert found.axes.axis @ axis > 0.999
    septal = np.array([-1.0, 0.0, 0.0])
    for height, numbers, radius in ((-25, (1, 2, 3, 4, 5, 6), 24.0), (0, (7, 8, 9, 10, 11, 12), 21.0)):
        for number, degrees in zip(numbers, (0, 60, 120, 180, 240, 300), strict=True):
            turn = np.radians(degrees)
            assert segment_at(found, np.cos(turn) * front + np.sin(turn) * septal, height, radius) == number
    for number, direction in ((13, front), (14, septal), (15, -front), (16, -septal)):
        assert segment_at(found, direction, 20, 16.0) == number
    assert found.numbers[:16] == list(range(1, 17))


def test_the_tip_beyond_the_pool_is_segment_17():
    found = heart_segments(heart_labels(CUBE))
    assert 17 in found.numbers
    assert segment_at(found, (1.0, 0.0, 0.0), 38, 0.0) == 17
    cut = Geometry((48, 48, 4), (2.0, 2.0, 10.0), (-47.0, -47.0, -15.0))
    assert heart_segments(heart_labels(cut)).numbers == list(range(1, 17))


def test_insertions_are_where_the_right_ventricle_meets_the_wall():
    found = heart_segments(heart_labels(STACK, (0, 0, -1.0), (0, -1.0, 0)))
    anterior, inferior = found.insertions
    for point, side in ((anterior, -1), (inferior, 1)):
        angle = np.degrees(np.arctan2(side * point[1], -point[0]))
        assert angle == pytest.approx(60, abs=8)
        assert 20 < np.hypot(*point[:2]) < 31


def test_the_apex_of_a_tube_is_where_hearts_usually_have_it():
    labels = heart_labels(STACK)
    labels = labels.with_array(np.repeat(labels.array[3:4], 9, axis=0))
    assert heart_axes(labels).axis @ (0, 0, -1.0) > 0.99


def test_labels_that_do_not_show_a_heart_are_refused():
    labels = heart_labels(STACK)
    with pytest.raises(InputError, match="no right ventricle"):
        heart_segments(heart_labels(STACK, right=False))
    apart = labels.with_array(np.where(labels.array == 1, 0, labels.array).astype(np.int16))
    apart.array[4, :3, :3] = 1
    with pytest.raises(InputError, match="does not lie beside"):
        heart_segments(apart)
    around = labels.with_array(np.where(labels.array == 0, 1, labels.array).astype(np.int16))
    with pytest.raises(InputError, match="does not lie beside"):
        heart_segments(around)
    with pytest.raises(InputError, match=r"label 2 for its myocardium"):
        heart_segments(labels.with_array(np.where(labels.array == 2, 0, labels.array)))
    with pytest.raises(InputError, match="no length"):
        heart_axes(labels, axis=np.zeros(3))


def test_every_segment_has_a_name():
    assert sorted(SEGMENT_NAMES) == list(range(1, 18))
