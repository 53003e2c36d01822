"""Grids in physical space, against SimpleITK and closed forms."""

from itertools import product

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry, network_geometry

angles = st.floats(-180, 180)
spacings = st.floats(0.2, 5)
positions = st.floats(-200, 200)


@st.composite
def geometries(draw):
    """Oblique, anisotropic, and left-handed half of the time."""
    rotation = Rotation.from_euler("xyz", draw(st.tuples(angles, angles, angles)), degrees=True).as_matrix()
    flips = draw(st.tuples(*[st.sampled_from((-1.0, 1.0))] * 3))
    return Geometry(
        size=draw(st.tuples(*[st.integers(1, 12)] * 3)),
        spacing=draw(st.tuples(spacings, spacings, spacings)),
        origin=draw(st.tuples(positions, positions, positions)),
        direction=rotation * np.array(flips),
    )


def as_sitk(geometry):
    image = sitk.Image(list(geometry.size), sitk.sitkUInt8)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction.ravel().tolist())
    return image


@settings(max_examples=40, deadline=None, derandomize=True)
@given(geometries(), st.tuples(positions, positions, positions))
def test_index_to_physical_and_back(geometry, index):
    point = geometry.index_to_physical(index)
    np.testing.assert_allclose(geometry.physical_to_index(point), index, atol=1e-8)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(geometries(), st.tuples(positions, positions, positions))
def test_physical_points_are_simpleitks(geometry, index):
    expected = as_sitk(geometry).TransformContinuousIndexToPhysicalPoint(index)
    np.testing.assert_allclose(geometry.index_to_physical(index), expected, atol=1e-8)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(geometries())
def test_centre_is_the_mean_of_all_voxels(geometry):
    indices = np.moveaxis(np.indices(geometry.size), 0, -1).reshape(-1, 3)
    np.testing.assert_allclose(geometry.centre, geometry.index_to_physical(indices).mean(axis=0), atol=1e-8)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(geometries(), geometries(), st.tuples(positions, positions, positions))
def test_index_map_keeps_the_physical_point(a, b, index):
    mapped = a.index_map(b) @ [*index, 1]
    np.testing.assert_allclose(b.index_to_physical(mapped[:3]), a.index_to_physical(index), atol=1e-7)


def test_shapes_and_spacings_are_reversed_for_arrays():
    geometry = Geometry((2, 3, 4), (0.5, 0.6, 0.7))
    assert geometry.shape_kji == (4, 3, 2)
    assert geometry.spacing_kji == (0.7, 0.6, 0.5)


def test_handedness():
    assert Geometry((2, 2, 2)).handedness == 1
    assert Geometry((2, 2, 2), direction=np.diag([-1, 1, 1])).handedness == -1
    assert Geometry((2, 2, 2), direction=np.diag([-1, -1, 1])).handedness == 1


@settings(max_examples=40, deadline=None, derandomize=True)
@given(geometries())
def test_float_noise_is_the_same_grid(geometry):
    noisy = Geometry(
        geometry.size,
        geometry.spacing,
        geometry.index_to_physical((3e-4, -3e-4, 3e-4)),
        geometry.direction.astype(np.float32),
    )
    assert geometry.same_grid(noisy)


@pytest.mark.parametrize(
    "other",
    [
        Geometry((5, 5, 6)),
        Geometry((5, 5, 5), spacing=(1.001, 1, 1)),
        Geometry((5, 5, 5), origin=(0, 0.01, 0)),
        Geometry((5, 5, 5), direction=Rotation.from_euler("z", 0.1, degrees=True).as_matrix()),
        Geometry((5, 5, 5), origin=(4, 0, 0), direction=np.diag([-1, 1, 1])),
    ],
    ids=["size", "spacing", "origin", "rotation", "flip"],
)
def test_other_grids_are_not_the_same(other):
    assert not Geometry((5, 5, 5)).same_grid(other)


def test_tolerance_is_in_voxels():
    shifted = Geometry((5, 5, 5), spacing=(0.1, 0.1, 0.1), origin=(0.01, 0, 0))
    still = Geometry((5, 5, 5), spacing=(0.1, 0.1, 0.1))
    assert not still.same_grid(shifted, tolerance=0.05)
    assert still.same_grid(shifted, tolerance=0.15)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(geometries(), geometries())
def test_boxes_with_a_common_point_overlap(a, b):
    indices = np.moveaxis(np.indices(a.size), 0, -1).reshape(-1, 3)
    inside = b.physical_to_index(a.index_to_physical(indices))
    if ((inside > -0.49) & (inside < np.array(b.size) - 0.51)).all(axis=1).any():
        assert a.overlaps(b)
        assert b.overlaps(a)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(geometries(), geometries(), st.floats(0.01, 10))
def test_boxes_on_two_sides_of_a_plane_do_not_overlap(a, b, gap):
    def corners(grid):
        return grid.index_to_physical(np.array(list(product(*[(-0.5, n - 0.5) for n in grid.size]))))

    shift = corners(a)[:, 0].max() - corners(b)[:, 0].min() + gap
    apart = Geometry(b.size, b.spacing, np.add(b.origin, (shift, 0, 0)), b.direction)
    assert not a.overlaps(apart)
    assert not apart.overlaps(a)


def test_boxes_crossing_like_swords_overlap_only_when_they_meet():
    """Two thin rods along x and y, tilted: only the plane along an edge of each can separate them."""
    tilt = Rotation.from_euler("xy", (45, 0), degrees=True).as_matrix()
    rod = Geometry((100, 1, 1), origin=(-49.5, 0, 0), direction=tilt)
    turned = Rotation.from_euler("z", 90, degrees=True).as_matrix() @ tilt

    def other(height):
        return Geometry((100, 1, 1), origin=(0, -49.5, height), direction=turned)

    # Each rod reaches half the diagonal of its square section above and below its axis.
    assert rod.overlaps(other(np.sqrt(2) - 0.01))
    assert not rod.overlaps(other(np.sqrt(2) + 0.01))


def test_touching_boxes_do_not_overlap():
    box = Geometry((5, 5, 5))
    assert not box.overlaps(Geometry((5, 5, 5), origin=(5, 0, 0)))
    assert box.overlaps(Geometry((5, 5, 5), origin=(4.9, 0, 0)))


def test_network_geometry_is_centred_and_parallel_to_lps():
    geometry = network_geometry((48, 64, 32), (1.0, 2.0, 3.0), (10, 20, 30))
    assert geometry.shape_kji == (48, 64, 32)
    assert geometry.spacing_kji == (1.0, 2.0, 3.0)
    np.testing.assert_allclose(geometry.centre, (10, 20, 30))
    np.testing.assert_array_equal(geometry.direction, np.eye(3))


def test_network_geometry_takes_one_spacing_for_all_axes():
    assert network_geometry((4, 4, 4), 1.5, (0, 0, 0)).spacing == (1.5, 1.5, 1.5)


@pytest.mark.parametrize("size", [(0, 5, 5), (5, 5, 0), (5, 5)])
def test_grid_without_voxels_is_refused(size):
    with pytest.raises(InputError, match="is empty .* choose one that holds voxels"):
        Geometry(size)


@pytest.mark.parametrize(
    "wrong",
    [
        {"spacing": (0, 1, 1)},
        {"spacing": (-1, 1, 1)},
        {"spacing": (np.nan, 1, 1)},
        {"origin": (np.inf, 0, 0)},
        {"direction": np.diag([1, 1, 0])},
    ],
    ids=["zero spacing", "negative spacing", "NaN spacing", "infinite origin", "flat direction"],
)
def test_unusable_geometry_is_refused(wrong):
    with pytest.raises(InputError, match="no usable geometry .* correct its spacing and direction"):
        Geometry((5, 5, 5), **wrong)
