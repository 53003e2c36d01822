"""What a network sees of an image: the same for every way of storing it, and nothing of its padding."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from DeformationLib.errors import Cancelled, InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from DeformationLib.preprocessing import NetworkGrid, normalise, prepare, prepare_labels, prepare_mask
from DeformationLib.progress import Progress

GRID = NetworkGrid((16, 20, 24), 1.0)


def flipped(image, axes):
    """The same picture stored from other corners: array axes turned around, origin and direction adapted."""
    first = [length - 1 if axis in axes else 0 for axis, length in enumerate(image.array.shape)]
    signs = [-1.0 if axis in axes else 1.0 for axis in range(3)]
    origin = image.geometry.index_to_physical(first[::-1])
    return Image(np.flip(image.array, axes), image.spacing, tuple(origin), image.direction * signs[::-1])


def transposed(image):
    """The same picture with its array axes in another order."""
    spacing, direction = image.spacing[1:] + image.spacing[:1], np.roll(image.direction, -1, axis=1)
    return Image(np.transpose(image.array, (2, 0, 1)), spacing, image.origin, direction)


def test_normalisation_is_the_z_score_clipped_and_stretched():
    generator = np.random.default_rng(0)
    array = generator.normal(300, 20, (6, 7, 8))
    array[0, 0, 0], array[1, 1, 1] = 2000, -50
    scores = np.clip((array - array.mean()) / array.std(), -5, 5)
    expected = (scores - scores.min()) / (scores.max() - scores.min())
    result = normalise(array, np.ones(array.shape, bool))
    np.testing.assert_allclose(result, expected, atol=1e-6)
    assert result.min() == 0
    assert result.max() == 1


def test_normalisation_does_not_see_what_is_outside():
    array = np.random.default_rng(0).normal(size=(6, 7, 8))
    inside = np.zeros(array.shape, bool)
    inside[:, 2:6] = True
    changed = np.where(inside, array, 1e4 * array)
    result = normalise(changed, inside)
    np.testing.assert_array_equal(result[inside], normalise(array, inside)[inside])
    np.testing.assert_allclose(result[inside].ravel(), normalise(array[:, 2:6], inside[:, 2:6]).ravel())
    assert result.min() >= 0
    assert result.max() <= 1


def test_normalisation_undoes_any_scale_even_of_large_values():
    array = np.random.default_rng(0).normal(size=(6, 7, 8)).astype(np.float32)
    inside = np.ones(array.shape, bool)
    np.testing.assert_allclose(
        normalise(3e6 + 1e3 * array.astype(np.float64), inside), normalise(array, inside), atol=1e-5
    )


def test_voxels_of_the_networks_size_are_taken_over_as_they_are(blobs):
    for size in [(24, 20, 16), (23, 19, 15), (10, 13, 16)]:
        image, _ = blobs(Geometry(size, origin=(-7.3, 2.6, 4.1)))
        seen = prepare(image, GRID)
        inside = seen.mask[0, 0].numpy() > 0
        assert inside.sum() == image.array.size
        values = seen.image[0, 0].numpy()[inside].reshape(image.array.shape)
        np.testing.assert_allclose(values, normalise(image.array, np.ones(image.array.shape, bool)), atol=1e-5)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.8, 1.3, 2.2)])
@pytest.mark.parametrize("direction", [np.eye(3), Rotation.from_euler("xyz", (20, -30, 40), degrees=True).as_matrix()])
@pytest.mark.parametrize("size", [(14, 13, 9), (12, 10, 8)])
def test_an_image_stored_in_another_way_is_seen_the_same(blobs, spacing, direction, size):
    image, _ = blobs(Geometry(size, spacing, (5, -20, 33), direction))
    reference = prepare(image, GRID)
    for other in (
        flipped(image, (2,)),
        flipped(image, (0, 1)),
        transposed(image),
        flipped(transposed(image), (0, 1, 2)),
    ):
        seen = prepare(other, GRID)
        np.testing.assert_allclose(seen.geometry.ijk_to_lps, reference.geometry.ijk_to_lps, atol=1e-6)
        np.testing.assert_array_equal(seen.mask.numpy(), reference.mask.numpy())
        np.testing.assert_allclose(seen.image.numpy(), reference.image.numpy(), atol=2e-4)


def test_the_grid_lies_around_the_image_to_half_a_voxel():
    for spacing in (1.0, 0.7):
        image = Geometry((11, 8, 5), (spacing,) * 3, (100, -50, 30))
        assert np.abs(GRID.around(image).centre - image.centre).max() <= 0.5 + 1e-6


def test_the_mask_ends_where_the_image_ends():
    array = np.random.default_rng(0).normal(size=(8, 10, 12))
    mask = prepare(Image(array, (0.5, 1.0, 2.0)), GRID).mask[0, 0].numpy()
    # 8 x 2 mm, 10 x 1 mm and 12 x 0.5 mm along k, j and i.
    extents = [np.ptp(np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))) + 1 for axis in range(3)]
    assert extents == [16, 10, 6]
    assert mask.sum() == 16 * 10 * 6


def test_padding_shows_the_edge():
    array = np.zeros((8, 8, 8))
    array[:, :, 4:] = 1
    seen = prepare(Image(array), GRID).image[0, 0].numpy()
    assert (seen[:, :, :8] == 0).all()
    assert (seen[:, :, -8:] == 1).all()


def test_a_mask_is_seen_where_the_image_is():
    array = np.zeros((8, 10, 12), bool)
    array[2:5, 3:7, 4:6] = True
    image = Image(np.random.default_rng(0).normal(size=array.shape), origin=(5, -20, 33))
    seen = prepare(image, GRID)
    mask = prepare_mask(image.with_array(array), GRID, seen.geometry)
    assert mask.shape == (1, 1, 16, 20, 24)
    inside = seen.mask[0, 0].numpy() > 0
    np.testing.assert_array_equal(mask[0, 0].numpy()[inside].reshape(array.shape), array)
    assert mask.sum() == array.sum()


def test_a_grid_that_sees_nothing_is_refused():
    array = np.zeros((40, 40, 40))
    array[:10] = np.random.default_rng(0).normal(size=(10, 40, 40))
    for place in (Geometry((24, 20, 16), origin=(0, 0, 500)), Geometry((24, 20, 16), origin=(5, 5, 20))):
        with pytest.raises(InputError, match="^The fixed image shows nothing where the model looks"):
            prepare(Image(array), GRID, "The fixed image", place)


def test_preparing_can_be_cancelled(blobs):
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        prepare(blobs(Geometry((14, 13, 9), (0.7, 0.8, 0.9)))[0], GRID, progress=progress)


def test_labels_become_indicators_where_the_image_is_seen(blobs):
    image, labels = blobs(Geometry((14, 13, 9), origin=(5, -20, 33)))
    seen = prepare(image, GRID)
    indicators = prepare_labels(labels, [1, 2, 7], GRID, seen.geometry)
    assert indicators.shape == (1, 3, 16, 20, 24)
    inside = seen.mask[0, 0].numpy() > 0
    for channel, value in enumerate((1, 2, 7)):
        result = indicators[0, channel].numpy()
        np.testing.assert_array_equal(result[inside].reshape(labels.array.shape), labels.array == value)
        assert not result[~inside].any()


def test_a_slice_is_seen_in_its_own_plane():
    array = np.random.default_rng(0).normal(size=(1, 12, 10))
    rotation = Rotation.from_euler("xyz", (20, -30, 40), degrees=True).as_matrix()
    seen = prepare(Image(array, (1, 1, 8), (3, 4, 5), rotation), NetworkGrid((12, 16), 1.0))
    assert seen.image.shape == seen.mask.shape == (1, 1, 12, 16)
    inside = seen.mask[0, 0].numpy() > 0
    expected = normalise(array, np.ones(array.shape, bool))
    np.testing.assert_allclose(seen.image[0, 0].numpy()[inside], expected.ravel(), atol=1e-5)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.full((8, 8, 8), np.nan), "NaN"),
        (np.full((8, 8, 8), 3.0), "everywhere"),
        (np.random.default_rng(0).normal(size=(8, 8, 8, 3)), "components"),
        (np.random.default_rng(0).normal(size=(1, 8, 8)), "one slice"),
    ],
)
def test_an_image_that_shows_nothing_is_refused_by_its_name(array, reason):
    with pytest.raises(InputError, match=f"^The moving image.*{reason}"):
        prepare(Image(array), GRID, "The moving image")


def test_a_volume_for_a_model_of_slices_is_refused():
    with pytest.raises(InputError, match="8 slices"):
        prepare(Image(np.random.default_rng(0).normal(size=(8, 8, 8))), NetworkGrid((16, 16), 1.0))
