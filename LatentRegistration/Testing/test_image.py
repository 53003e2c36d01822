"""Images: types, files, other grids, and every kind of bad input with its sentence."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation

from DeformationLib import sampling
from DeformationLib.errors import Cancelled, InputError
from DeformationLib.geometry import Geometry, network_geometry
from DeformationLib.image import (
    Image,
    as_labels,
    check_dimensions,
    check_intensities,
    check_overlap,
    check_same_grid,
    inside_mask,
    resample,
)
from DeformationLib.image_io import read_image, read_labels, write_image
from DeformationLib.progress import Progress

LEFT_HANDED = Rotation.from_euler("xyz", (20, -35, 50), degrees=True).as_matrix() * np.array([1, 1, -1])
OBLIQUE = Geometry((11, 9, 7), (0.8, 1.1, 2.3), (-30, 12, 45), LEFT_HANDED)
TURNED = Rotation.from_euler("xyz", (-10, 15, 5), degrees=True).as_matrix()


def random_image(geometry, seed=0, smooth=0.0):
    array = np.random.default_rng(seed).normal(size=geometry.shape_kji)
    return Image.on_grid(ndimage.gaussian_filter(array, smooth).astype(np.float32), geometry)


def random_labels(geometry, values=(0, 1, 2, 500), seed=0):
    rng = np.random.default_rng(seed)
    return Image.on_grid(rng.choice(values, geometry.shape_kji).astype(np.int16), geometry)


def points_of(geometry):
    """LPS positions of all voxels, (k, j, i, 3)."""
    indices = np.moveaxis(np.indices(geometry.shape_kji), 0, -1)[..., ::-1]
    return geometry.index_to_physical(indices)


def ramp(geometry, gradient=(1.0, -2.0, 0.5)):
    """An image whose value is linear in the physical position, which linear interpolation must keep exactly."""
    return Image.on_grid((points_of(geometry) @ gradient).astype(np.float32), geometry)


def grid_around(other, size=(8, 9, 10), spacing=(1.0, 0.7, 0.9)):
    """Another oblique grid with the same centre."""
    around = Geometry(size, spacing, (0, 0, 0), TURNED)
    return Geometry(size, spacing, other.centre - around.centre, TURNED)


# --- SimpleITK -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("components", [1, 3])
def test_to_simpleitk_and_back(components):
    shape = OBLIQUE.shape_kji + ((components,) if components > 1 else ())
    image = Image.on_grid(np.random.default_rng(0).normal(size=shape), OBLIQUE)
    there = image.to_sitk()
    back = Image.from_sitk(there)
    assert there.GetSize() == OBLIQUE.size
    assert there.GetNumberOfComponentsPerPixel() == back.components == components
    assert image.same_grid(back, tolerance=1e-9)
    np.testing.assert_array_equal(back.array, image.array)


def test_voxels_are_simpleitks():
    image = random_image(OBLIQUE)
    assert image.to_sitk()[3, 2, 1] == image.array[1, 2, 3]


@pytest.mark.parametrize("dtype, stored", [(bool, np.uint8), (np.float16, np.float32), (np.int16, np.int16)])
def test_types_unknown_to_itk_become_the_next(dtype, stored):
    assert sitk.GetArrayFromImage(Image(np.ones((2, 3, 4), dtype)).to_sitk()).dtype == stored


def test_two_dimensional_image_becomes_one_slice():
    flat = sitk.GetImageFromArray(np.arange(12, dtype=np.float32).reshape(3, 4))
    flat.SetSpacing((0.5, 0.25))
    flat.SetOrigin((7, 8))
    flat.SetDirection((0, -1, 1, 0))
    image = Image.from_sitk(flat)
    assert image.geometry.size == (4, 3, 1)
    expected = flat.TransformIndexToPhysicalPoint((3, 1))
    np.testing.assert_allclose(image.geometry.index_to_physical((3, 1, 0)), (*expected, 0))
    np.testing.assert_array_equal(image.array[0], sitk.GetArrayFromImage(flat))


def test_two_dimensional_array_becomes_one_slice():
    assert Image(np.zeros((3, 4))).array.shape == (1, 3, 4)


def test_single_volume_of_four_dimensions_is_taken():
    array = np.random.default_rng(0).normal(size=(1, 4, 3, 2))
    series = sitk.JoinSeries([sitk.GetImageFromArray(array[0])])
    assert series.GetDimension() == 4
    np.testing.assert_array_equal(Image.from_sitk(series).array, array[0])


def test_one_component_is_no_axis():
    image = Image(np.zeros((2, 3, 4, 1)))
    assert image.array.shape == (2, 3, 4)
    assert image.components == 1


def test_array_that_does_not_fit_the_grid_is_a_programming_error():
    with pytest.raises(ValueError, match="does not fit a grid"):
        Image.on_grid(np.zeros((2, 3, 4)), Geometry((2, 3, 4)))


def test_representation_is_short():
    assert repr(Image(np.zeros((2, 3, 4, 3), np.float32))) == (
        "Image(4 x 3 x 2 voxels of 1 x 1 x 1 mm at (0, 0, 0), float32 x 3 components)"
    )


# --- other grids -----------------------------------------------------------------------------------------------------

sizes = st.integers(1, 6)
angles = st.floats(-180, 180)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.tuples(sizes, sizes, sizes), st.tuples(angles, angles, angles), st.sampled_from([1, -1]))
def test_own_grid_is_the_identity(size, euler, hand):
    direction = Rotation.from_euler("xyz", euler, degrees=True).as_matrix() * np.array([hand, 1, 1])
    geometry = Geometry(size, (0.7, 1.3, 2.9), (100, -50, 20), direction)
    image, labels = random_image(geometry), random_labels(geometry)
    np.testing.assert_allclose(resample(image, geometry).array, image.array, atol=1e-6)
    np.testing.assert_array_equal(resample(labels, geometry, "label", padding=-1).array, labels.array)
    np.testing.assert_array_equal(resample(labels, geometry, "nearest", padding=-1).array, labels.array)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.permutations(range(3)), st.tuples(*[st.booleans()] * 3))
def test_reordered_copy_shows_the_same_picture(order, flips):
    """The same physical volume with its array axes permuted and flipped."""
    image = random_image(OBLIQUE)
    flipped = tuple(slice(None, None, -1) if flip else slice(None) for flip in flips)
    first = [n - 1 if flip else 0 for flip, n in zip(flips[::-1], OBLIQUE.size, strict=True)]
    signs = np.where(flips[::-1], -1, 1)
    axes = [2 - axis for axis in order][::-1]
    copy = Image(
        image.array[flipped].transpose(order),
        np.take(OBLIQUE.spacing, axes),
        OBLIQUE.index_to_physical(first),
        (OBLIQUE.direction * signs)[:, axes],
    )
    target = grid_around(OBLIQUE)
    np.testing.assert_allclose(resample(copy, target).array, resample(image, target).array, atol=1e-5)


def test_linear_pictures_stay_exact():
    target = grid_around(OBLIQUE, size=(4, 4, 4))
    assert inside_mask(OBLIQUE, target).all()
    np.testing.assert_allclose(resample(ramp(OBLIQUE), target).array, ramp(target).array, atol=1e-4)


@pytest.mark.parametrize(
    "interpolation, itk", [("linear", sitk.sitkLinear), ("nearest", sitk.sitkNearestNeighbor)], ids=str
)
def test_agrees_with_simpleitk_inside_and_outside(interpolation, itk):
    image = random_image(OBLIQUE)
    target = grid_around(OBLIQUE, size=(20, 22, 24))
    ours = resample(image, target, interpolation, padding=-7)
    reference = Image.on_grid(np.zeros(target.shape_kji), target).to_sitk()
    theirs = sitk.GetArrayFromImage(sitk.Resample(image.to_sitk(), reference, sitk.Transform(), itk, -7.0))
    assert 0.1 < (theirs == -7).mean() < 0.9
    np.testing.assert_allclose(ours.array, theirs, atol=1e-5)


def test_inside_mask_agrees_with_simpleitk():
    target = grid_around(OBLIQUE, size=(20, 22, 24))
    ones = Image.on_grid(np.ones(OBLIQUE.shape_kji, np.float32), OBLIQUE).to_sitk()
    reference = Image.on_grid(np.zeros(target.shape_kji), target).to_sitk()
    theirs = sitk.GetArrayFromImage(sitk.Resample(ones, reference, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0))
    np.testing.assert_array_equal(inside_mask(OBLIQUE, target), theirs == 1)


def test_edge_padding_repeats_the_border():
    image = Image(np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    wider = Geometry((8, 7, 6), origin=(-2, -2, -2))
    np.testing.assert_array_equal(resample(image, wider).array, np.pad(image.array, 2, mode="edge"))


def test_one_slice_has_the_thickness_of_its_voxels():
    image = Image(np.ones((3, 3)), spacing=(1, 1, 4))
    column = Geometry((1, 1, 5), origin=(1, 1, -3), spacing=(1, 1, 1.5))
    np.testing.assert_array_equal(resample(image, column, padding=0).array.ravel(), [0, 1, 1, 1, 0])


def test_components_are_resampled_one_by_one():
    parts = [random_image(OBLIQUE, seed) for seed in range(3)]
    both = Image.on_grid(np.stack([part.array for part in parts], axis=-1), OBLIQUE)
    target = grid_around(OBLIQUE)
    expected = np.stack([resample(part, target, padding=5).array for part in parts], axis=-1)
    np.testing.assert_array_equal(resample(both, target, padding=5).array, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_any_scalar_type_is_interpolated_in_float32(dtype):
    image = Image(np.array([[[1, 2]]], dtype))
    half = resample(image, Geometry((1, 1, 1), origin=(0.5, 0, 0)))
    assert half.array.dtype == np.float32
    assert half.array.item() == 1.5


def test_labels_are_the_largest_interpolated_indicator():
    labels = random_labels(OBLIQUE, values=(-3, 0, 2, 500))
    target = grid_around(OBLIQUE, size=(15, 16, 17))
    values = np.unique(labels.array)
    indicators = [labels.with_array((labels.array == value).astype(np.float64)) for value in values]
    scores = np.stack([resample(indicator, target).array for indicator in indicators])
    expected = np.where(inside_mask(OBLIQUE, target), values[scores.argmax(axis=0)], 0)
    result = resample(labels, target, "label", padding=0)
    assert result.array.dtype == np.int16
    np.testing.assert_array_equal(result.array, expected)


@pytest.mark.parametrize("noise", [0, 1e-9, -1e-9])
def test_ties_between_labels_go_to_the_smallest(noise):
    labels = Image(np.array([[[500, 2, 0, 7]]], np.int16))
    between = Geometry((3, 1, 1), origin=(0.5 + noise, 0, 0))
    np.testing.assert_array_equal(resample(labels, between, "label").array.ravel(), [2, 0, 0])


def test_labels_place_surfaces_better_than_the_nearest_label():
    """A sphere of radius 3 on a turned grid, against the same sphere drawn there."""
    grid = Geometry((16, 16, 16), origin=(-7.5, -7.5, -7.5))
    turned = Geometry(grid.size, grid.spacing, TURNED @ grid.origin + (0.4, 0.3, 0.2), TURNED)

    def sphere(geometry):
        return Image.on_grid((np.linalg.norm(points_of(geometry), axis=-1) <= 3).astype(np.int16), geometry)

    def errors(interpolation):
        return np.count_nonzero(resample(sphere(grid), turned, interpolation).array != sphere(turned).array)

    assert errors("label") < errors("nearest")
    volume = np.count_nonzero(resample(sphere(grid), turned, "label").array)
    assert volume == pytest.approx(np.count_nonzero(sphere(grid).array), rel=0.1)


def test_intensities_are_refused_as_labels():
    with pytest.raises(InputError, match="labels are whole numbers"):
        resample(random_image(OBLIQUE), OBLIQUE, "label")


def test_unknown_interpolation_is_a_programming_error():
    with pytest.raises(ValueError, match='"linear", "nearest" or "label"'):
        resample(random_image(OBLIQUE), OBLIQUE, "cubic")


def test_antialias_removes_detail_that_a_coarse_grid_cannot_hold():
    fine = Geometry((60, 6, 6), (0.25, 1, 1))
    coarse = Geometry((15, 6, 6), (1, 1, 1), (0.375, 0, 0))
    noise = random_image(fine)
    noise.array += 100
    aliased, smoothed = resample(noise, coarse).array, resample(noise, coarse, antialias=True).array
    assert smoothed.std() < 0.8 * aliased.std()
    assert smoothed.mean() == pytest.approx(100, abs=0.1)
    # A Gaussian of unit sum leaves a linear picture alone, except near the edge.
    line = resample(ramp(fine), coarse, antialias=True).array
    np.testing.assert_allclose(line[:, :, 2:-2], ramp(coarse).array[:, :, 2:-2], atol=1e-3)


def test_antialias_leaves_a_finer_grid_alone():
    image = random_image(OBLIQUE)
    finer = Geometry((20, 20, 20), (0.3, 0.3, 0.3), OBLIQUE.centre, LEFT_HANDED)
    np.testing.assert_array_equal(resample(image, finer, antialias=True).array, resample(image, finer).array)


def test_large_grids_report_and_can_be_cancelled():
    fractions = []
    progress = Progress(lambda fraction, message: fractions.append(fraction))
    large = Geometry((256, 256, 12), origin=(0.3, 0, 0))  # voxels that coincide would be copied at once
    resample(Image(np.ones((2, 2, 2))), large, progress=progress)
    assert fractions == pytest.approx([1 / 3, 2 / 3, 1])
    progress.cancel()
    with pytest.raises(Cancelled):
        resample(Image(np.ones((2, 2, 2))), large, progress=progress)


@pytest.mark.parametrize(
    "target",
    [
        Geometry((10, 9, 8), (2.0, 2.0, 2.0), (30, -50, 12)),
        Geometry((10, 9, 8), (2.0, 2.0, 2.0), (25, -45, 12), Rotation.from_euler("xyz", (0.3, 0.5, 0.2)).as_matrix()),
        Geometry((10, 9, 8), (2.0, 2.0, 2.0), (-300, -50, 12)),
        Geometry((90, 80, 70), (2.0, 2.0, 2.0), (-20, -80, -10)),
    ],
    ids=["inside", "turned", "outside", "around"],
)
def test_smoothing_around_the_target_alone_changes_nothing(target):
    image = random_image(Geometry((60, 50, 40), (0.5, 1.2, 0.8), (20, -60, 5)))
    steps = np.abs(target.index_map(image.geometry)[:3, :3]).max(axis=1)[::-1]
    sigma = np.sqrt(np.maximum(steps**2 - 1, 0)) / (2 * np.sqrt(2 * np.log(2)))
    smooth = image.with_array(ndimage.gaussian_filter(image.array.astype(np.float32), sigma, mode="nearest"))
    expected = resample(smooth, target).array
    np.testing.assert_allclose(resample(image, target, antialias=True).array, expected, atol=1e-5)


def test_smoothing_can_be_cancelled():
    progress = Progress(lambda fraction, message: progress.cancel())
    with pytest.raises(Cancelled):
        resample(
            random_image(Geometry((20, 20, 20))), Geometry((5, 5, 5), (4, 4, 4)), antialias=True, progress=progress
        )


def test_to_a_network_grid_and_back():
    image = random_image(OBLIQUE, smooth=2)
    network = network_geometry((48, 48, 48), 0.5, OBLIQUE.centre)
    back = resample(resample(image, network), OBLIQUE)
    assert inside_mask(network, OBLIQUE).all()
    assert np.abs(back.array - image.array).max() < 0.2 * image.array.std()


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_file_round_trip_keeps_values_and_place(tmp_path, suffix):
    image = random_image(OBLIQUE)
    path = write_image(image, tmp_path / f"image{suffix}")
    back = read_image(path)
    assert back.same_grid(image)
    np.testing.assert_array_equal(back.array, image.array)


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.int64, np.float32, np.float64]
)
def test_every_scalar_type_is_read_as_float32(tmp_path, dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    image = read_image(write_image(Image(array), tmp_path / "image.nrrd"))
    assert image.array.dtype == np.float32
    np.testing.assert_array_equal(image.array, array)


@pytest.mark.parametrize(
    "values, dtype", [((0, 1, 2, 500), np.int16), ((-1, 0, 70000), np.int32), ((0, 32767), np.int16)], ids=str
)
def test_labels_keep_any_value(tmp_path, values, dtype):
    labels = np.resize(values, (2, 3, 4)).astype(np.int32)
    back = read_labels(write_image(Image(labels), tmp_path / "labels.nii.gz"))
    assert back.array.dtype == dtype
    np.testing.assert_array_equal(back.array, labels)


def test_labels_with_float_noise_are_rounded(tmp_path):
    labels = random_labels(OBLIQUE)
    noisy = labels.with_array(labels.array + np.float32(4e-4))
    back = read_labels(write_image(noisy, tmp_path / "labels.nii.gz"))
    np.testing.assert_array_equal(back.array, labels.array)


def test_boolean_masks_are_labels():
    assert as_labels(Image(np.array([[[True, False]]]))).array.tolist() == [[[1, 0]]]


def test_picture_is_one_slice(tmp_path):
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "picture.png"))
    image = read_image(tmp_path / "picture.png")
    np.testing.assert_array_equal(image.array, array[np.newaxis])


def test_flat_nifti_is_one_slice(tmp_path):
    flat = sitk.GetImageFromArray(np.arange(12, dtype=np.float32).reshape(3, 4))
    flat.SetSpacing((1.5, 2.5))
    sitk.WriteImage(flat, str(tmp_path / "flat.nii.gz"))
    image = read_image(tmp_path / "flat.nii.gz")
    assert image.geometry.size == (4, 3, 1)
    assert image.spacing[:2] == (1.5, 2.5)


# --- bad input: each has its sentence --------------------------------------------------------------------------------


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"brain\.nii does not exist: check the name"):
        read_image(tmp_path / "brain.nii")


def test_folder_instead_of_a_file(tmp_path):
    with pytest.raises(InputError, match="is a folder: choose one image file"):
        read_image(tmp_path)


@pytest.mark.parametrize("name", ["notes.txt", "image.nii.gz", "image.png", "image.nrrd"])
@pytest.mark.parametrize("read", [read_image, read_labels])
def test_file_that_is_no_image(tmp_path, name, read):
    (tmp_path / name).write_text("not an image")
    with pytest.raises(InputError, match=r"cannot be read as an image \(.*\): choose a \.nii\.gz") as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert "ERROR" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_finite(tmp_path, value):
    image = random_image(OBLIQUE)
    image.array[1, 2, 3:5] = value
    path = write_image(image, tmp_path / "image.nrrd")
    with pytest.raises(InputError, match=r"image\.nrrd has 2 voxels that are NaN or infinite: replace them"):
        read_image(path)


def test_values_beyond_float32(tmp_path):
    path = write_image(Image(np.array([[[1e300, 0.0]]])), tmp_path / "image.nrrd")
    with pytest.raises(InputError, match="has 1 voxels that are NaN or infinite"):
        read_image(path)


def test_constant_image(tmp_path):
    path = write_image(Image(np.full((2, 3, 4), 7, np.uint8)), tmp_path / "image.nrrd")
    with pytest.raises(InputError, match="has the value 7 everywhere.*: choose another"):
        read_image(path)


def test_four_dimensions(tmp_path):
    volume = sitk.GetImageFromArray(np.arange(24.0).reshape(2, 3, 4))
    sitk.WriteImage(sitk.JoinSeries([volume, volume]), str(tmp_path / "cine.nii.gz"))
    with pytest.raises(InputError, match=r"cine\.nii\.gz: The image has 4 dimensions \(2 volumes\): choose one"):
        read_image(tmp_path / "cine.nii.gz")


@pytest.mark.parametrize("read", [read_image, read_labels])
def test_vector_pixels(tmp_path, read):
    path = write_image(Image(np.zeros((2, 3, 4, 3), np.uint8)), tmp_path / "colour.nrrd")
    with pytest.raises(InputError, match=r"has 3 components per voxel .*: convert it"):
        read(path)


def test_colour_picture(tmp_path):
    colour = sitk.GetImageFromArray(np.zeros((3, 4, 3), np.uint8), isVector=True)
    sitk.WriteImage(colour, str(tmp_path / "picture.png"))
    with pytest.raises(InputError, match="has 3 components per voxel"):
        read_image(tmp_path / "picture.png")


@pytest.mark.parametrize("read", [read_image, read_labels])
def test_complex_voxels(tmp_path, read):
    sitk.WriteImage(sitk.Image([2, 3, 4], sitk.sitkComplexFloat32), str(tmp_path / "kspace.nii"))
    with pytest.raises(InputError, match="has complex voxels: choose its magnitude"):
        read(tmp_path / "kspace.nii")


def test_empty_volume():
    with pytest.raises(InputError, match="is empty"):
        Image.from_sitk(sitk.Image(0, 0, 0, sitk.sitkUInt8))
    with pytest.raises(InputError, match="is empty"):
        Image(np.zeros((0, 3, 4)))


def test_too_many_dimensions():
    with pytest.raises(InputError, match="needs 2 or 3 dimensions, not 5"):
        Image(np.zeros((2, 2, 2, 2, 2)))


def test_one_slice_for_a_volume_model():
    with pytest.raises(InputError, match="The fixed image has one slice, but the model is three-dimensional: choose"):
        check_dimensions(Image(np.zeros((5, 5))), 3, "The fixed image")
    check_dimensions(Image(np.zeros((2, 5, 5))), 3)


def test_volume_for_a_slice_model():
    with pytest.raises(InputError, match="has 4 slices, but the model is two-dimensional: choose one slice"):
        check_dimensions(Image(np.zeros((4, 5, 5))), 2)
    check_dimensions(Image(np.zeros((5, 5))), 2)


def test_labels_on_another_grid():
    image = random_image(OBLIQUE)
    elsewhere = replace(random_labels(OBLIQUE), origin=(0, 0, 0))
    with pytest.raises(InputError, match=r"The fixed labels is on another grid \(11 x 9 x 7 .*: resample it"):
        check_same_grid(elsewhere, image, "The fixed labels", "the fixed image")
    check_same_grid(random_labels(OBLIQUE), image)


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf])
def test_labels_that_are_no_whole_numbers(value):
    array = np.zeros((2, 3, 4), np.float32)
    array[1, 1, 1] = value
    with pytest.raises(InputError, match=f"has the value {value:g}, but labels are whole numbers: choose a label map"):
        as_labels(Image(array))


def test_labels_beyond_32_bits():
    with pytest.raises(InputError, match="beyond 32 bits: number its labels anew"):
        as_labels(Image(np.array([[[0, 2**40]]])))


def test_images_without_overlap():
    a, b = random_image(Geometry((5, 5, 5))), random_image(Geometry((5, 5, 5), origin=(0, 0, 30)))
    with pytest.raises(InputError, match=r"do not overlap \(their centres are 30 mm apart\): align them first"):
        check_overlap(a, b)
    check_overlap(a, a)


@pytest.mark.parametrize("check", [check_intensities, as_labels])
def test_sentences_name_the_image(check):
    with pytest.raises(InputError, match="^The moving image has 3 components"):
        check(Image(np.zeros((2, 3, 4, 3))), "The moving image")


@pytest.mark.parametrize("name", ["image.unknown", "image", "image.png"])
def test_format_that_cannot_be_written(tmp_path, name):
    with pytest.raises(InputError, match=rf"{name} cannot be written \(.*\): choose another folder, or a format"):
        write_image(Image(np.zeros((2, 3, 4), np.float32)), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("a file")
    with pytest.raises(InputError, match="cannot be created"):
        write_image(Image(np.zeros((2, 3, 4), np.float32)), tmp_path / "file" / "image.nii.gz")


@pytest.mark.parametrize("interpolation", ["linear", "nearest", "label"])
@pytest.mark.parametrize("padding", ["edge", 7])
@pytest.mark.parametrize(
    "axes", [np.eye(3), np.diag([-1.0, 1.0, -1.0]), np.eye(3)[:, [2, 0, 1]], np.eye(3)[:, [1, 0, 2]] * (1, -1, 1)]
)
def test_crops_flips_and_permutations_are_copied_as_interpolation_would_have_it(
    monkeypatch, interpolation, padding, axes
):
    """The shortcut for voxels that coincide, against the general way."""
    from DeformationLib import sampling

    array = np.random.default_rng(0).integers(0, 50, (5, 6, 7)).astype(np.int16)
    image = Image(array, (1.5, 1.5, 1.5), (3.0, -2.0, 10.0), axes)
    corner = image.geometry.index_to_physical((-2, 1, -1))
    target = Geometry((9, 4, 8), image.spacing, tuple(corner), axes @ np.diag([1, 1, 1]))
    other = Geometry(
        (9, 8, 9), image.spacing, tuple(image.geometry.index_to_physical((8, 6, -1))), axes @ np.diag([-1, -1, 1])
    )
    for geometry in (target, other):
        quick = resample(image, geometry, interpolation, padding)
        inside = inside_mask(image.geometry, geometry)
        assert sampling.aligned_indices(image.geometry, geometry) is not None
        with monkeypatch.context() as patch:
            patch.setattr(sampling, "aligned_indices", lambda source, target: None)
            general = resample(image, geometry, interpolation, padding)
            general_inside = inside_mask(image.geometry, geometry)
        np.testing.assert_allclose(quick.array, general.array, atol=1e-3)
        assert quick.array.dtype == general.array.dtype
        np.testing.assert_array_equal(inside, general_inside)
        assert 0 < inside.mean() < 1


@pytest.mark.parametrize(
    ("spacing", "shift", "turn"), [(1.0, 0.01, 0.0), (1.001, 0.0, 0.0), (1.0, 0.0, 0.001), (2.0, 0.0, 0.0)]
)
def test_voxels_that_do_not_coincide_are_not_copied(spacing, shift, turn):
    from DeformationLib.sampling import aligned_indices

    source = Geometry((20, 20, 20))
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    assert aligned_indices(source, Geometry((20, 20, 20), (spacing,) * 3, (shift, 0, 0), rotation)) is None


# --- grids with the same axes ----------------------------------------------------------------------------------------


def by_scipy(array, source, target, padding="edge"):
    coordinates = sampling.grid_coordinates(source, target)
    values = sampling.interpolate(array, coordinates)
    if padding != "edge":
        values[~sampling.inside(source.shape_kji, coordinates)] = padding
    return values


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("padding", ["edge", -7.0])
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_axis_by_axis_equals_all_axes_at_once(order, padding, data):
    flips = np.array(data.draw(st.tuples(*[st.sampled_from((1, -1))] * 3)))
    size = data.draw(st.tuples(*[st.integers(1, 12)] * 3))
    spacing = data.draw(st.tuples(*[st.floats(0.3, 4.0)] * 3))
    shift = data.draw(st.tuples(*[st.floats(-4.0, 4.0)] * 3))
    direction = OBLIQUE.direction[:, list(order)] * flips
    around = Geometry(size, spacing, (0, 0, 0), direction)
    target = Geometry(size, spacing, OBLIQUE.centre - around.centre + shift, direction)
    array = np.random.default_rng(0).normal(size=(*OBLIQUE.shape_kji, 2)).astype(np.float32)
    assert sampling.parallel_indices(OBLIQUE, target) is not None
    found = sampling.sample_on_grid(array, OBLIQUE, target, padding=padding)
    assert found.shape == (*target.shape_kji, 2)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_scipy(array, OBLIQUE, target, padding), atol=2e-5)


def test_a_turn_of_a_hundredth_of_a_voxel_is_no_parallel_grid():
    for angle, expected in ((1e-6, True), (2e-3, False)):
        direction = OBLIQUE.direction @ Rotation.from_euler("z", angle).as_matrix()
        target = Geometry(OBLIQUE.size, (0.9, 1.0, 2.0), OBLIQUE.origin, direction)
        assert (sampling.parallel_indices(OBLIQUE, target) is not None) == expected


def test_larger_voxels_over_the_same_extent():
    coarse = OBLIQUE.coarser((1, 3, 7))
    assert coarse.size == (11, 3, 1)
    np.testing.assert_allclose(coarse.spacing, (0.8, 3.3, 16.1))
    for corner in ((-0.5, -0.5, -0.5), (10.5, -0.5, 6.5)):
        outer = (np.array(corner) + 0.5) / (1, 3, 7) - 0.5
        np.testing.assert_allclose(coarse.index_to_physical(outer), OBLIQUE.index_to_physical(corner), atol=1e-9)
