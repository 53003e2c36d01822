"""Strain: exact for affine motions on any grid, in the heart's own directions, and honest about what it lacks."""

import numpy as np
import pytest

from DeformationLib.cardiac_phantoms import beating_heart
from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from MotionModelLib.heart_axes import HeartLabels, heart_axes
from MotionModelLib.strain import deformation_gradient, green_lagrange, strain_curves, strain_map
from Testing.known_motions import affine_displacement, heart_labels, phantom_motion, turned

SHEAR = np.array([[1.1, 0.05, -0.02], [-0.08, 0.9, 0.04], [0.03, -0.06, 1.2]])
STACK = Geometry((48, 48, 9), (2.0, 2.0, 10.0), (-47.0, -47.0, -40.0))
CUBE = Geometry((32, 32, 32), (3.0, 3.0, 3.0), (-46.5, -46.5, -46.5))
GRIDS = {
    "straight": STACK,
    "oblique": turned(STACK),
    "flipped": turned(STACK, 0.0, (-1, 1, -1)),
    "oblique and left-handed": turned(STACK, 0.5, (1, -1, 1)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_strain_of_an_affine_motion_is_exact(name):
    grid = GRIDS[name]
    displacement = affine_displacement(grid, SHEAR, (3.0, -2.0, 5.0))
    voxels = np.array([[0, 0, 0], [4, 20, 30], [8, 47, 47]])
    np.testing.assert_allclose(deformation_gradient(displacement, voxels), np.broadcast_to(SHEAR, (3, 3, 3)), atol=1e-9)
    expected = 0.5 * (SHEAR.T @ SHEAR - np.eye(3))
    np.testing.assert_allclose(green_lagrange(displacement, voxels), np.broadcast_to(expected, (3, 3, 3)), atol=1e-9)


def test_turning_and_shifting_is_no_strain():
    c, s = np.cos(0.7), np.sin(0.7)
    displacement = affine_displacement(turned(STACK), [[c, -s, 0], [s, c, 0], [0, 0, 1]], (10.0, 0.0, 0.0))
    assert np.abs(green_lagrange(displacement, np.array([[3, 10, 20]]))).max() < 1e-12


def stretch(axis, across, along):
    """A map that stretches by `along` in the direction of an axis and by `across` at right angles to it."""
    axis = np.asarray(axis) / np.linalg.norm(axis)
    return across * np.eye(3) + (along - across) * np.outer(axis, axis)


@pytest.mark.parametrize("name", GRIDS)
def test_a_ventricle_that_shortens_and_widens_has_the_strains_of_the_formula(name):
    """Uniform about the axis: radial and circumferential strain are the same, (a^2 - 1) / 2."""
    grid = GRIDS[name]
    normal = grid.direction[:, 2]
    labels = heart_labels(grid, normal, grid.direction[:, 1])
    displacement = affine_displacement(grid, stretch(normal, 1.2, 0.8))
    still = affine_displacement(grid, np.eye(3))
    strain = strain_curves(labels, lambda n: displacement if n else still, 2)
    assert strain.directions == ("radial", "circumferential", "longitudinal")
    expected = 0.5 * (np.array([1.2, 1.2, 0.8]) ** 2 - 1)
    np.testing.assert_allclose(strain.whole[1], expected, atol=2e-4)  # the axis is found to a hundredth of a radian
    np.testing.assert_allclose(strain.whole[0], 0, atol=1e-12)
    np.testing.assert_allclose(
        strain.segments[1], np.broadcast_to(expected[:, None], strain.segments[1].shape), atol=2e-3
    )
    assert strain.peak("longitudinal") == pytest.approx(-0.18, abs=2e-4)
    assert strain.peak_frame("radial") == 1


def test_oblique_axis_in_a_volume_of_cubic_voxels():
    axis = np.array([1.0, 0.5, 2.0]) / np.linalg.norm([1.0, 0.5, 2.0])
    labels = heart_labels(CUBE, axis, np.cross(axis, [1.0, 0, 0]), radius=15, wall=7, length=65)
    found = heart_axes(labels)
    assert found.axis @ axis > 0.995  # and in the right sense
    displacement = affine_displacement(CUBE, stretch(axis, 1.1, 0.85))
    strain = strain_curves(labels, lambda n: displacement, 2)
    np.testing.assert_allclose(strain.whole[1], 0.5 * (np.array([1.1, 1.1, 0.85]) ** 2 - 1), atol=5e-3)
    given = strain_curves(labels, lambda n: displacement, 2, axis=-axis)
    np.testing.assert_allclose(given.whole[1], 0.5 * (np.array([1.1, 1.1, 0.85]) ** 2 - 1), atol=1e-9)


def test_pressed_flat_the_septum_and_the_anterior_wall_differ():
    """Stretched from the septum to the free wall: radial there, circumferential in front and below."""
    labels = heart_labels(STACK)
    septal = np.cross([0, 0, 1.0], [0, -1.0, 0])
    displacement = affine_displacement(STACK, np.eye(3) + 0.3 * np.outer(septal, septal))
    strain = strain_curves(labels, lambda n: displacement, 2)
    assert strain.of("radial", 14)[1] > 2 * strain.of("radial", 13)[1]
    assert strain.of("circumferential", 15)[1] > 2 * strain.of("circumferential", 16)[1]
    assert strain.whole[1, :2].sum() == pytest.approx(0.5 * (1.3**2 - 1), abs=1e-6)  # the trace is what it is


def test_slices_know_nothing_of_each_other():
    grid = turned(STACK, 0.3, (1, -1, -1))
    labels = heart_labels(grid, grid.direction[:, 2], grid.direction[:, 1])
    displacement = affine_displacement(grid, stretch(grid.direction[:, 2], 0.9, 1.0))
    shuffled = displacement.with_array(
        displacement.array + np.arange(9)[::-1, None, None, None] % 3 * grid.direction[:, 0]
    )
    strain = strain_curves(labels, lambda n: shuffled, 2, planar=True)
    assert strain.directions == ("radial", "circumferential")
    np.testing.assert_allclose(strain.whole[1], 0.5 * (0.81 - 1), atol=1e-9)
    with pytest.raises(InputError, match=r"no longitudinal strain.*radial, circumferential"):
        strain.of("longitudinal")


def test_one_slice_has_segments_of_one_level():
    grid = Geometry((48, 48, 1), (2.0, 2.0, 8.0), (-47.0, -47.0, 0.0))
    labels = heart_labels(grid)
    displacement = affine_displacement(grid, np.diag([0.9, 0.9, 1.0]))
    strain = strain_curves(labels, lambda n: displacement, 2)
    assert strain.segment_numbers == [7, 8, 9, 10, 11, 12]
    assert "taken for a mid one" in strain.notes[0]
    assert strain_curves(labels, lambda n: displacement, 2, level="apical").segment_numbers == [13, 14, 15, 16]
    np.testing.assert_allclose(strain.whole[1], 0.5 * (0.81 - 1), atol=1e-9)


def test_the_phantom_thickens_and_shortens_as_hearts_do():
    heart = beating_heart(1, 4, contraction=1.0, size=(64, 64, 5), spacing=(2.0, 2.0, 10.0))
    motion = phantom_motion(heart)
    strain = motion.strain(heart.labels[0])
    assert strain.peak("radial") > 0.1
    assert strain.peak("circumferential") < -0.1
    assert strain.peak_frame("circumferential") == heart.es_frame
    np.testing.assert_allclose(strain.whole[0], 0, atol=1e-6)
    assert "Peak strain of 4 frames" in str(strain)
    # Circumferential shortening of the whole wall is what its middle's radius says.
    picture = strain_map(motion.inverse_displacement(heart.es_frame), heart.labels[0], "circumferential")
    assert np.nanmean(picture.array) == pytest.approx(strain.peak("circumferential"), abs=1e-5)
    assert np.isnan(picture.array[heart.labels[0].array != 2]).all()
    flat = phantom_motion(heart, planar=True).strain(heart.labels[0])
    assert flat.directions == ("radial", "circumferential")
    assert flat.peak("circumferential") == pytest.approx(strain.peak("circumferential"), abs=0.03)


def test_without_a_right_ventricle_there_are_no_segments_but_global_values():
    labels = heart_labels(STACK, right=False)
    displacement = affine_displacement(STACK, np.diag([0.9, 0.9, 1.0]))
    strain = strain_curves(labels, lambda n: displacement, 2)
    assert strain.segment_numbers == []
    assert strain.segments.shape == (2, 3, 0)
    assert "whole wall only" in strain.notes[0]
    assert "label 1" in strain.notes[0]
    assert strain.peak("radial") < -0.05
    none = strain_curves(labels, lambda n: displacement, 2, HeartLabels(right_ventricle=None))
    assert "no right ventricle," in none.notes[0]
    with pytest.raises(InputError, match="segment 3 was not measured"):
        strain.of("radial", 3)


def test_other_labels_may_be_meant():
    labels = heart_labels(STACK)
    renumbered = labels.with_array(np.choose(labels.array, [0, 30, 20, 10]).astype(np.int16))
    displacement = affine_displacement(STACK, SHEAR)
    ours = strain_curves(labels, lambda n: displacement, 2)
    theirs = strain_curves(renumbered, lambda n: displacement, 2, HeartLabels(10, 20, 30))
    np.testing.assert_array_equal(ours.segments, theirs.segments)
    with pytest.raises(
        InputError, match=r"no voxel of the label 3 for the left ventricle's pool \(its labels: 10, 20, 30\)"
    ):
        strain_curves(renumbered, lambda n: displacement, 2)


def test_labels_on_another_grid_are_refused():
    labels = heart_labels(CUBE)
    with pytest.raises(InputError, match="another grid"):
        strain_curves(labels, lambda n: affine_displacement(STACK, SHEAR), 2)
    with pytest.raises(InputError, match="another grid"):
        strain_map(affine_displacement(STACK, SHEAR), labels, "radial")
