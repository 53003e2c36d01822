"""Explorer: amplitudes in standard deviations, the live displacement, images that are larger than what the model sees."""

import numpy as np
import pytest

from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image, resample
from LatentRegistrationLib.explorer import Explorer

CUBE = Geometry((16, 16, 16))
WIDE = Geometry((48, 40, 44), origin=(-20.0, -10.0, -15.0))


def test_amplitudes_are_given_in_standard_deviations(make_model, blobs):
    explorer = make_model().explorer(blobs()[0])
    deviations = explorer.standard_deviations
    np.testing.assert_allclose(explorer.amplitudes([2.0, -1.0]), [2 * deviations[0], -deviations[1], 0.0])
    np.testing.assert_allclose(explorer.amplitudes([]), np.zeros(3))
    np.testing.assert_allclose(explorer.amplitudes_of(1, 5.0), [0.0, 5.0, 0.0])
    with pytest.raises(InputError, match="4 amplitudes, but this model has 3 components"):
        explorer.amplitudes([1.0] * 4)
    with pytest.raises(InputError, match="no component 4"):
        explorer.amplitudes_of(3, 1.0)


@pytest.mark.parametrize("geometry", [CUBE, Geometry((20, 12, 9), (0.7, 1.1, 1.4), (3.0, -5.0, 2.0))])
def test_live_displacement_is_that_of_the_image(make_model, blobs, geometry):
    explorer = make_model().explorer(blobs(geometry)[0])
    full = explorer.displacement(amplitudes=explorer.amplitudes([1.0, -2.0]))
    live = explorer.live_displacement([1.0, -2.0])
    assert live.geometry.size == (16, 16, 16)
    assert np.abs(full.array).max() > 0.3
    np.testing.assert_allclose(resample(live, geometry).array, full.array, atol=1e-4)
    np.testing.assert_allclose(explorer.live_displacement([]).array, 0.0, atol=1e-6)


def test_live_displacement_in_a_large_image(make_model, blobs):
    """The same where the model looks, nothing far away, on a grid of bounded size."""
    image = blobs(WIDE)[0]
    explorer = make_model().explorer(image)
    full = explorer.displacement(amplitudes=explorer.amplitudes([3.0]))
    live = explorer.live_displacement([3.0])
    assert max(live.geometry.size) <= 16 + 2 * 16
    there = resample(live, WIDE).array
    inside = (slice(15, 28), slice(13, 26), slice(17, 30))  # k, j, i around the centre
    np.testing.assert_allclose(there[inside], full.array[inside], atol=1e-4)
    assert np.abs(there[inside]).max() > 0.3
    assert np.abs(there[0, 0, 0]).max() < 1e-6


def test_the_model_looks_at_the_structure_of_a_large_image(make_model, blobs):
    points = WIDE.index_to_physical(np.moveaxis(np.indices(WIDE.shape_kji), 0, -1)[..., ::-1])
    centre = WIDE.centre + (10.0, -8.0, 9.0)
    mask = Image.on_grid((np.linalg.norm(points - centre, axis=-1) < 4.0).astype(np.uint8), WIDE)
    image = blobs(WIDE, shift=(10.0, -8.0, 9.0))[0]
    model = make_model()
    off = Explorer(model, image, mask).live_displacement([1.0]).geometry.centre
    np.testing.assert_allclose(off, centre, atol=1.0)
    # The same picture alone, cut out around the structure, has the same coefficients.
    cut = Geometry((16, 16, 16), origin=tuple(off - 7.5))
    np.testing.assert_allclose(
        Explorer(model, image, mask).coefficients, model.explorer(resample(image, cut)).coefficients, atol=0.02
    )


def test_an_image_that_fits_is_seen_whole_whatever_the_structure(make_model, blobs):
    image, labels = blobs()
    model = make_model()
    corner = labels.with_array(np.pad(np.ones((2, 2, 2), np.uint8), ((0, 14),) * 3))
    np.testing.assert_array_equal(Explorer(model, image, corner).coefficients, model.explorer(image).coefficients)


def test_structures_outside_a_large_image_are_refused(make_model, blobs):
    image = blobs(WIDE)[0]
    mask = Image(np.ones((4, 4, 4), np.uint8), origin=(500.0, 0.0, 0.0))
    with pytest.raises(InputError, match="The structure lies outside"):
        Explorer(make_model(), image, mask)
    with pytest.raises(InputError, match="The structure is empty"):
        Explorer(make_model(), image, image.with_array(np.zeros(WIDE.shape_kji, np.uint8)))


def test_a_slice_is_explored_in_its_plane(make_model):
    generator = np.random.default_rng(0)
    image = Image(generator.random((1, 40, 40)).astype(np.float32))
    live = make_model((16, 16)).explorer(image).live_displacement([2.0])
    assert live.geometry.size[2] == 1
    assert np.abs(live.array[..., :2]).max() > 0.1
    assert not live.array[..., 2].any()


def test_unlike_images_are_warned_of(make_model, blobs):
    image = blobs()[0]
    model = make_model()
    assert not any("spacing" in warning for warning in model.explorer(image).warnings)
    coarse = Image(image.array, spacing=(3.0, 3.0, 3.0))
    assert any("spacing" in warning for warning in model.explorer(coarse).warnings)


def test_warnings_speak_of_the_image_that_is_explored(make_model, blobs):
    warnings = make_model().explorer(blobs(WIDE)[0]).warnings
    (size,) = [warning for warning in warnings if "larger" in warning]
    assert size.startswith("The image is larger")
    assert "deformed; choose a segmentation of the anatomy" in size
    labels = blobs(WIDE, radii=(15.0, 14.0, 13.0))[1]
    warnings = Explorer(make_model(), blobs(WIDE)[0], labels).warnings
    assert any(warning.startswith("The structure is larger") for warning in warnings)
