"""Masks on any grid: brought to the image's, boxed, and refused with a sentence where they say nothing."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from DeformationLib.errors import Cancelled, InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from DeformationLib.masks import cropped, index_slices, mask_box, mask_on_grid, voxels_around
from DeformationLib.progress import Progress

OBLIQUE = Geometry((20, 18, 16), (0.8, 1.0, 1.3), (30, -20, 10), Rotation.from_rotvec((0.3, -0.5, 0.2)).as_matrix())
IMAGE = Image.on_grid(np.random.default_rng(0).normal(size=OBLIQUE.shape_kji), OBLIQUE)


def block(dtype=np.uint8, value=1):
    array = np.zeros(OBLIQUE.shape_kji, dtype)
    array[4:9, 6:13, 3:15] = value
    return Image.on_grid(array, OBLIQUE)


@pytest.mark.parametrize(("dtype", "value"), [(bool, True), (np.uint8, 255), (np.int16, -3), (np.float32, 0.2)])
def test_every_value_but_zero_counts(dtype, value):
    result = mask_on_grid(block(dtype, value), IMAGE)
    assert result.array.dtype == bool
    assert result.same_grid(IMAGE)
    np.testing.assert_array_equal(result.array, block().array > 0)


def test_noise_in_the_geometry_is_no_other_grid():
    """As files store directions in single precision, and tools recompute origins."""
    noise = np.random.default_rng(1).normal(scale=1e-5, size=(3, 3))
    mask = replace(block(), origin=tuple(np.add(OBLIQUE.origin, 2e-3)), direction=OBLIQUE.direction + noise)
    np.testing.assert_array_equal(mask_on_grid(mask, IMAGE).array, block().array > 0)


def test_a_mask_on_another_grid_is_the_same_box_in_the_body():
    grid = Geometry(
        (60, 60, 60), (0.5, 0.5, 0.5), tuple(OBLIQUE.centre - 14.75), Rotation.from_rotvec((0, 0, 0.4)).as_matrix()
    )
    grid = replace(grid, origin=tuple(np.asarray(grid.origin) + OBLIQUE.centre - grid.centre))
    points = grid.index_to_physical(np.moveaxis(np.indices(grid.shape_kji), 0, -1)[..., ::-1])
    mask = Image.on_grid(np.linalg.norm(points - OBLIQUE.centre, axis=-1) < 5, grid)
    own = OBLIQUE.index_to_physical(np.moveaxis(np.indices(OBLIQUE.shape_kji), 0, -1)[..., ::-1])
    distance = np.linalg.norm(own - OBLIQUE.centre, axis=-1)
    result = mask_on_grid(mask, IMAGE).array
    assert result[distance < 4.4].all()
    assert not result[distance > 5.6].any()


def test_a_structure_smaller_than_a_voxel_is_not_lost():
    fine = Geometry((100, 90, 80), (0.16, 0.2, 0.26), OBLIQUE.origin, OBLIQUE.direction)
    array = np.zeros(fine.shape_kji, bool)
    array[42, 33, 52] = True
    result = mask_on_grid(Image.on_grid(array, fine), IMAGE)
    point = fine.index_to_physical((52, 33, 42))
    assert np.argwhere(result.array).tolist() == [np.rint(OBLIQUE.physical_to_index(point)).astype(int)[::-1].tolist()]


def test_a_mask_that_reaches_beyond_the_image_counts_where_it_is_inside():
    wide = Geometry((140, 140, 140), (1, 1, 1), tuple(OBLIQUE.centre - 60))
    result = mask_on_grid(Image.on_grid(np.ones(wide.shape_kji, bool), wide), IMAGE)
    assert result.array.all()


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (block(value=0), "^The fixed mask is empty: mark the structure"),
        (replace(block(), origin=(500, 0, 0)), "^The fixed mask lies outside the fixed image: choose"),
        (Image.on_grid(np.where(block().array, np.nan, 0.0), OBLIQUE), "^The fixed mask has voxels that are NaN"),
        (Image.on_grid(np.ones((*OBLIQUE.shape_kji, 3)), OBLIQUE), "^The fixed mask has 3 components"),
    ],
    ids=["empty", "outside", "NaN", "vectors"],
)
def test_what_says_nothing_is_refused(mask, sentence):
    with pytest.raises(InputError, match=sentence):
        mask_on_grid(mask, IMAGE, "The fixed mask", "the fixed image")


def test_a_mask_whose_grid_overlaps_but_whose_structure_does_not_is_outside():
    grid = Geometry((60, 18, 16), OBLIQUE.spacing, OBLIQUE.origin, OBLIQUE.direction)
    array = np.zeros(grid.shape_kji, bool)
    array[:, :, 40:] = True
    with pytest.raises(InputError, match="outside"):
        mask_on_grid(Image.on_grid(array, grid), IMAGE)


def test_bringing_a_mask_over_can_be_cancelled():
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        mask_on_grid(block(), IMAGE, progress=progress)


def test_the_box_of_a_mask_is_a_part_of_its_grid():
    box = mask_box(block())
    assert box.size == (12, 7, 5)
    np.testing.assert_allclose(box.origin, OBLIQUE.index_to_physical((3, 6, 4)))
    assert index_slices(OBLIQUE, box) == (slice(4, 9), slice(6, 13), slice(3, 15))
    assert cropped(OBLIQUE, index_slices(OBLIQUE, box)).same_grid(box)


def test_voxels_around_a_box_hold_its_corners_and_a_margin():
    grid = Geometry((50, 40, 30), (1, 1, 2))
    box = Geometry((4, 4, 4), (1, 1, 1), (20, 10, 30))
    # From 19.5 to 23.5 mm along i, 9.5 to 13.5 along j, 29.5 to 33.5 along k in steps of 2.
    assert voxels_around(grid, box) == (slice(14, 18), slice(9, 15), slice(19, 25))
    assert voxels_around(grid, box, 10.0) == (slice(9, 23), slice(0, 25), slice(9, 35))
    empty = voxels_around(grid, replace(box, origin=(500, 10, 30)))
    assert empty[2].start == empty[2].stop
