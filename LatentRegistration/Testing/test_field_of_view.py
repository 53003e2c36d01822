"""Where the network looks with masks and alignments, and how its displacement ends beyond what it sees."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from DeformationLib.alignment import InitialAlignment, moved
from DeformationLib.field_of_view import faded, fading_margin, grown, place_grids, reaches_beyond
from DeformationLib.fields import jacobian_determinant
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from DeformationLib.preprocessing import NetworkGrid

GRID = NetworkGrid((16, 20, 24), 1.0)
LARGE = Image(np.zeros((80, 90, 100), np.float32), origin=(-40, -50, -30))
CROP = Image(np.zeros((14, 18, 16), np.float32), origin=(200, 0, 0))
TURN = np.eye(4)
TURN[:3, :3], TURN[:3, 3] = Rotation.from_rotvec((0.2, -0.1, 0.4)).as_matrix() @ np.diag([1.1, 0.9, 1]), (30, -20, 10)


def mask_of(image, first, size):
    array = np.zeros(image.array.shape, bool)
    array[tuple(slice(start, start + n) for start, n in zip(first, size, strict=True))] = True
    return image.with_array(array), image.geometry.index_to_physical((np.array(first) + (np.array(size) - 1) / 2)[::-1])


MASK, CENTRE = mask_of(LARGE, (10, 50, 61), (12, 14, 18))


def distance(grid, centre):
    return np.abs(grid.centre - centre).max()


@pytest.mark.parametrize("matrix", [np.eye(4), TURN], ids=["identity", "affine"])
def test_the_moving_grid_lies_where_the_alignment_brings_the_fixed_one(matrix):
    start, end = place_grids(GRID, LARGE, LARGE, InitialAlignment(matrix, "affine"))
    assert distance(start, LARGE.geometry.centre) <= 0.5
    np.testing.assert_allclose(end.ijk_to_lps, matrix @ start.ijk_to_lps, atol=1e-9)


def test_a_fixed_mask_says_where_to_look():
    for kind in ("rigid", "none"):
        start, end = place_grids(GRID, LARGE, LARGE, InitialAlignment(TURN, kind), MASK)
        assert distance(start, CENTRE) <= 0.5
        np.testing.assert_allclose(end.ijk_to_lps, TURN @ start.ijk_to_lps, atol=1e-9)


def test_a_moving_mask_says_where_to_look_when_the_fixed_image_shows_more():
    start, end = place_grids(GRID, LARGE, LARGE, InitialAlignment(TURN, "rigid"), None, MASK)
    assert distance(end, CENTRE) <= 1.0
    np.testing.assert_allclose(end.ijk_to_lps, TURN @ start.ijk_to_lps, atol=1e-9)
    # A crop is looked at as a whole.
    start, _ = place_grids(GRID, CROP, LARGE, InitialAlignment(TURN, "rigid"), None, MASK)
    assert distance(start, CROP.geometry.centre) <= 0.5


def test_aligned_centres_are_those_of_both_masks():
    other, centre = mask_of(LARGE, (30, 5, 40), (13, 15, 17))
    start, end = place_grids(GRID, LARGE, LARGE, InitialAlignment(np.eye(4), "centres"), MASK, other)
    assert distance(start, CENTRE) <= 0.5
    assert distance(end, centre) <= 0.5
    # One mask of two large images: what the alignment of the images says.
    start, end = place_grids(GRID, LARGE, LARGE, InitialAlignment(np.eye(4), "centres"), MASK)
    assert distance(start, CENTRE) <= 0.5
    assert distance(end, CENTRE) <= 0.5
    # One mask and a crop: the centre of the crop.
    start, end = place_grids(GRID, LARGE, CROP, InitialAlignment(np.eye(4), "centres"), MASK)
    assert distance(end, CROP.geometry.centre) <= 0.5


def test_slices_are_looked_at_in_their_plane():
    rotation = Rotation.from_rotvec((0.5, -0.8, 0.3)).as_matrix()
    image = Image(np.zeros((1, 60, 70)), (1, 1, 4), (5, 6, 7), rotation)
    mask, centre = mask_of(image, (0, 10, 45), (1, 12, 16))
    start, end = place_grids(NetworkGrid((16, 24), 1.0), image, image, InitialAlignment(TURN, "rigid"), mask)
    assert start.size == (24, 16, 1)
    np.testing.assert_allclose(start.centre, centre, atol=1e-6)
    np.testing.assert_allclose(start.direction, rotation)
    np.testing.assert_allclose(end.ijk_to_lps, TURN @ start.ijk_to_lps, atol=1e-9)


def test_an_image_reaches_beyond_when_a_voxel_has_its_centre_outside():
    grid = GRID.around(CROP.geometry)
    assert not reaches_beyond(CROP.geometry, grid)
    assert not reaches_beyond(grid, grid)
    assert reaches_beyond(grown(grid, 1, 3), grid)
    assert reaches_beyond(LARGE.geometry, GRID.around(LARGE.geometry))


@pytest.mark.parametrize("size", [(16, 20, 24), (20, 24)])
def test_a_faded_field_keeps_its_inside_and_ends_at_zero_without_folding(size):
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(1, len(size), *[3] * len(size), generator=generator)
    mode = "trilinear" if len(size) == 3 else "bilinear"
    varying = torch.nn.functional.interpolate(coarse, size=size, mode=mode, align_corners=True)
    field = torch.tensor([4.0, -3.0, 2.0][: len(size)]).view(1, -1, *[1] * len(size)) + 0.3 * varying
    margin = fading_margin(field)
    result = faded(field, margin)
    inner = (slice(None), slice(None), *[slice(margin, -margin)] * len(size))
    assert torch.equal(result[inner], field)
    for axis in range(2, result.ndim):
        assert not result.movedim(axis, 0)[[0, -1]].any()
    assert jacobian_determinant(result).min() > 0.25
    assert torch.equal(faded(field, 0), field)


def test_the_margin_grows_with_the_displacement_at_the_edge():
    field = torch.zeros(1, 3, 16, 20, 24)
    assert fading_margin(field) == 2
    field[:, :, 8, 10, 12] = 9.0
    assert fading_margin(field) == 2
    field[0, 1, 8, 10, 0] = 4.0
    assert fading_margin(field) == 14
    field[0, 1, 8, 10, 0] = 400.0
    assert fading_margin(field) == 24


def test_a_grown_grid_has_the_same_voxels_in_its_middle():
    grid = moved(GRID.around(LARGE.geometry), TURN)
    larger = grown(grid, 5, 3)
    np.testing.assert_allclose(larger.index_to_physical((5, 5, 5)), grid.origin)
    np.testing.assert_allclose(larger.centre, grid.centre)
    assert grown(Geometry((16, 12, 1)), 5, 2).size == (26, 22, 1)
