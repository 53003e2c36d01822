"""The grid of a pair: along the body's axes or the image's, whatever way the image is stored."""

import numpy as np
import pytest

from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image, resample
from DeformationLib.pair_grid import PairGrid, canonical_axes

STACK = PairGrid((8, 104, 104), (10.0, 1.6, 1.6), "image")


def rotation(*degrees):
    a, b, c = np.radians(degrees)
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return z @ y @ x


def reordered(image, order, flips):
    """The same physical image, stored with axes ``order`` of its own (i, j, k) and some of them reversed."""
    geometry = image.geometry
    array = image.array.transpose(2, 1, 0).transpose(order)
    size = np.asarray(geometry.size)[list(order)]
    spacing = np.asarray(geometry.spacing)[list(order)]
    direction = geometry.direction[:, list(order)].copy()
    origin = np.asarray(geometry.origin)
    for axis, flip in enumerate(flips):
        if flip:
            array = np.flip(array, axis)
            origin = origin + direction[:, axis] * spacing[axis] * (size[axis] - 1)
            direction[:, axis] *= -1
    return Image(np.ascontiguousarray(array.transpose(2, 1, 0)), tuple(spacing), tuple(origin), direction)


@pytest.fixture
def oblique():
    """A short-axis stack as scanners make them: seven thick slices, turned against the body."""
    generator = np.random.default_rng(0)
    return Image(
        generator.random((7, 20, 24)).astype(np.float32), (1.4, 1.4, 10.0), (12.0, -30.0, 44.0), rotation(35, -25, 10)
    )


@pytest.mark.parametrize(
    ("order", "flips"),
    [
        ((0, 1, 2), (1, 0, 0)),
        ((0, 1, 2), (1, 1, 1)),
        ((1, 0, 2), (0, 0, 1)),
        ((2, 0, 1), (0, 1, 0)),
        ((2, 1, 0), (1, 0, 1)),
    ],
)
def test_a_stack_is_seen_the_same_way_however_it_is_stored(oblique, order, flips):
    other = reordered(oblique, order, flips)
    np.testing.assert_allclose(  # the same physical image
        resample(other, oblique.geometry).array, oblique.array, atol=1e-4
    )
    a, b = STACK.around(oblique.geometry), STACK.around(other.geometry)
    assert a.same_grid(b)
    np.testing.assert_allclose(resample(oblique, a).array, resample(other, b).array, atol=1e-3)


def test_slices_stay_slices(oblique):
    grid = STACK.around(oblique.geometry)
    assert grid.spacing == (1.6, 1.6, 10.0)
    assert abs(grid.direction[:, 2] @ oblique.direction[:, 2]) == pytest.approx(1.0)
    index = np.array([[3.0, 4.0, k] for k in range(7)])
    depth = grid.physical_to_index(oblique.geometry.index_to_physical(index))[:, 2]
    np.testing.assert_allclose(depth, depth.round(), atol=1e-6)  # seven slices lie in eight, on whole positions


def test_patient_frame_is_parallel_to_the_body(oblique):
    grid = PairGrid((16, 32, 32), (4.0, 2.0, 2.0)).around(oblique.geometry)
    assert np.array_equal(grid.direction, np.eye(3))
    np.testing.assert_allclose(grid.centre, oblique.geometry.centre, atol=2.1)


def test_cubic_voxels_follow_the_image_with_the_nearest_axes():
    geometry = Geometry((30, 30, 30), (1.0, 1.0, 1.0), (0, 0, 0), rotation(8, 95, -5))
    axes = canonical_axes(geometry)
    assert (np.abs(np.diag(axes)) > 0.9).all()
    assert (np.diag(axes) > 0).all()


def test_slices_of_two_dimensions_lie_in_their_plane():
    geometry = Geometry((20, 24, 1), (1.5, 1.5, 8.0), (3, 4, 5), rotation(0, 90, 0))
    grid = PairGrid((32, 32), (2.0, 2.0), "image").around(geometry)
    assert grid.size == (32, 32, 1)
    assert abs(grid.direction[:, 2] @ geometry.direction[:, 2]) == pytest.approx(1.0)
    tensor = PairGrid((32, 32), (2.0, 2.0)).tensor(np.zeros((1, 32, 32)))
    assert tuple(tensor.shape) == (1, 1, 32, 32)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (((8, 8), (1.0, 1.0, 1.0)), "as many spacings"),
        (((8, 0, 8), (1.0, 1.0, 1.0)), "positive"),
        (((8, 8, 8), (1.0, -1.0, 1.0)), "positive"),
        (((8, 8), (1.0, 1.0), "room"), "'patient' or the 'image'"),
    ],
)
def test_impossible_grids_are_refused_with_a_sentence(words, sentence):
    with pytest.raises(InputError, match=sentence):
        PairGrid(*words)
