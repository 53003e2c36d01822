"""Warping, composing, integrating and differentiating fields, against SimpleITK, SciPy and closed forms."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.interpolate import RegularGridInterpolator
from scipy.linalg import expm

from DeformationLib import fields

SIZE = (9, 12, 15)
MATRIX = torch.tensor([[1.04, 0.05, -0.03], [-0.06, 0.95, 0.02], [0.01, -0.04, 1.06]], dtype=torch.double)
SHIFT = torch.tensor([0.3, -0.4, 0.2], dtype=torch.double)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def affine(matrix, shift, size=SIZE):
    """Displacement of x -> matrix (x - c) + c + shift, c the grid's centre."""
    grid = fields.identity_grid(size, dtype=torch.double)
    centre = ((torch.tensor(size) - 1) / 2).double().view(1, -1, *[1] * len(size))
    moved = torch.einsum("rc,bc...->br...", matrix, grid - centre) + centre
    return moved + shift.view(1, -1, *[1] * len(size)) - grid


def smooth_field(size=SIZE, amplitude=1.0, seed=0):
    """A field of a few sines, differentiable and below `amplitude` voxels."""
    grid = fields.identity_grid(size, dtype=torch.double)
    generator = seeded(seed)
    result = torch.zeros_like(grid)
    for channel in range(len(size)):
        for _ in range(2):
            wave = torch.randn(len(size), generator=generator, dtype=torch.double)
            wave *= 0.3 / wave.norm()  # a wave of 20 voxels: linear interpolation must hold it
            phase = 6 * torch.rand((), generator=generator, dtype=torch.double)
            result[:, channel] += 0.5 * amplitude * torch.sin(torch.einsum("c,bc...->b...", wave, grid) + phase)
    return result


def interior(values, margin=2):
    return values[(..., *[slice(margin, -margin)] * (values.ndim - 2))]


def to_sitk(displacement):
    """A displacement (1, D, *spatial) of a grid of unit voxels as a SimpleITK vector image."""
    components_last = np.moveaxis(displacement[0].numpy()[::-1], 0, -1)
    return sitk.GetImageFromArray(np.ascontiguousarray(components_last, dtype=np.float64), isVector=True)


@pytest.mark.parametrize("size", [SIZE, (11, 14)])
@pytest.mark.parametrize(
    ("mode", "interpolator"), [("bilinear", sitk.sitkLinear), ("nearest", sitk.sitkNearestNeighbor)]
)
def test_warp_equals_simpleitk_inside_the_image(size, mode, interpolator):
    image = torch.rand(1, 1, *size, generator=seeded(), dtype=torch.double)
    displacement = 4 * torch.rand(1, len(size), *size, generator=seeded(1), dtype=torch.double) - 2
    source = sitk.GetImageFromArray(image[0, 0].numpy())
    transform = sitk.DisplacementFieldTransform(to_sitk(displacement))
    expected = sitk.GetArrayFromImage(sitk.Resample(source, source, transform, interpolator))
    positions = fields.identity_grid(size, dtype=torch.double) + displacement
    last = torch.tensor(size).view(1, -1, *[1] * len(size)) - 1
    landed = ((positions >= 0) & (positions <= last)).all(dim=1)[0].numpy()
    assert landed.mean() > 0.4
    warped = fields.warp(image, displacement, mode)[0, 0].numpy()
    np.testing.assert_allclose(warped[landed], expected[landed], atol=1e-9)


def test_warp_by_whole_voxels_moves_the_image_against_the_displacement():
    image = torch.rand(1, 2, *SIZE, generator=seeded())
    displacement = torch.zeros(1, 3, *SIZE)
    displacement[:, 1] = 2.0
    warped = fields.warp(image, displacement)
    torch.testing.assert_close(warped[:, :, :, :-2], image[:, :, :, 2:])


def test_padding_is_the_edge_value_or_zero():
    image = 1 + torch.rand(1, 1, 5, 6, generator=seeded())
    displacement = torch.full((1, 2, 5, 6), 20.0)
    corner = image[0, 0, -1, -1].item()
    assert torch.allclose(fields.warp(image, displacement), torch.tensor(corner))
    assert not fields.warp(image, displacement, padding="zeros").any()


def test_the_displacement_gives_the_grid_of_the_result():
    image = torch.rand(1, 1, *SIZE, generator=seeded())
    assert fields.warp(image, torch.zeros(1, 3, 4, 5, 6)).shape == (1, 1, 4, 5, 6)


def test_an_axis_of_one_voxel_can_be_warped():
    image = torch.rand(1, 1, 1, 6, 7, generator=seeded())
    torch.testing.assert_close(fields.warp(image, torch.zeros(1, 3, 1, 6, 7)), image)


@given(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_a_translation_of_a_ramp_is_exact(down, right):
    rows, columns = fields.identity_grid((8, 9), dtype=torch.double)[0]
    image = (2 * rows - 3 * columns)[None, None]
    displacement = torch.tensor([down, right], dtype=torch.double).view(1, 2, 1, 1).expand(1, 2, 8, 9)
    torch.testing.assert_close(
        interior(fields.warp(image, displacement)), interior(image + 2 * down - 3 * right), rtol=0, atol=1e-9
    )


def test_composition_multiplies_affine_maps_in_the_right_order():
    other, other_shift = MATRIX.T @ MATRIX.T, SHIFT.flip(0)
    outer, inner = affine(MATRIX, SHIFT), affine(other, other_shift)
    expected = affine(MATRIX @ other, MATRIX @ other_shift + SHIFT)
    torch.testing.assert_close(interior(fields.compose(outer, inner)), interior(expected), rtol=0, atol=1e-9)
    assert (interior(fields.compose(inner, outer)) - interior(expected)).abs().max() > 0.01


def test_warping_by_a_composition_equals_warping_twice():
    rows, columns, slices = fields.identity_grid(SIZE, dtype=torch.double)[0]
    image = (rows + 2 * columns - slices)[None, None]
    outer, inner = smooth_field(seed=1), smooth_field(seed=2)
    twice = fields.warp(fields.warp(image, outer), inner)
    torch.testing.assert_close(
        interior(fields.warp(image, fields.compose(outer, inner))), interior(twice), atol=1e-9, rtol=0
    )


def test_the_exponential_of_a_linear_field_is_the_matrix_exponential():
    generator = torch.tensor([[0.05, 0.2, 0], [-0.2, -0.03, 0.1], [0, -0.1, 0.04]], dtype=torch.double)
    velocity = affine(generator + torch.eye(3), torch.zeros(3), (9, 9, 9))
    expected = affine(torch.from_numpy(expm(generator.numpy())), torch.zeros(3), (9, 9, 9))
    displacement = fields.exponential(velocity, squarings=12)
    torch.testing.assert_close(interior(displacement), interior(expected), rtol=0, atol=1e-3)


def test_the_exponential_follows_the_ordinary_differential_equation():
    size = (24, 26)
    velocity = smooth_field(size, amplitude=2.0)
    axes = [np.arange(length) for length in size]
    interpolator = RegularGridInterpolator(axes, np.moveaxis(velocity[0].numpy(), 0, -1))
    displacement = fields.exponential(velocity, squarings=8)[0].numpy()
    for start in [(8, 8), (12, 15), (15, 9), (10, 17)]:
        solution = solve_ivp(lambda _, x: interpolator(x)[0], (0, 1), start, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(start + displacement[:, start[0], start[1]], solution.y[:, -1], atol=0.02)


def test_the_exponential_of_the_negative_is_the_inverse():
    velocity = smooth_field((20, 20, 20), amplitude=1.5)
    forward, backward = fields.exponential(velocity), fields.exponential(-velocity)
    assert interior(forward, 4).abs().max() > 0.5
    assert interior(fields.compose(forward, backward), 4).abs().max() < 0.04


def test_the_jacobian_equals_simpleitk():
    displacement = smooth_field(amplitude=2.0)
    expected = sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(to_sitk(displacement)))
    determinant = fields.jacobian_determinant(displacement)[0].numpy()
    inner = (slice(1, -1),) * 3
    assert np.ptp(expected[inner]) > 0.5
    np.testing.assert_allclose(determinant[inner], expected[inner], atol=1e-5)


@pytest.mark.parametrize("size", [(5, 6), (4, 5, 6)])
def test_the_jacobian_of_an_affine_map_is_its_determinant_up_to_the_border(size):
    matrix = MATRIX[: len(size), : len(size)]
    determinant = fields.jacobian_determinant(affine(matrix, SHIFT[: len(size)], size))
    torch.testing.assert_close(determinant, torch.full((1, *size), torch.linalg.det(matrix).item(), dtype=torch.double))


def test_a_mirror_folds_and_the_identity_does_not():
    size = (6, 6, 6)
    mirror = torch.diag(torch.tensor([1.0, -1.0, 1.0], dtype=torch.double))
    assert torch.allclose(
        fields.jacobian_determinant(affine(mirror, torch.zeros(3), size)), torch.tensor(-1.0).double()
    )
    assert (fields.jacobian_determinant(torch.zeros(1, 3, *size)) == 1).all()


def test_the_gradient_is_per_millimetre_with_spacing():
    rows, columns = fields.identity_grid((6, 7), dtype=torch.double)[0]
    field = (3 * rows - 2 * columns)[None, None]
    gradient = fields.spatial_gradient(field, spacing=(0.5, 4.0))
    torch.testing.assert_close(gradient[0, 0, 0], torch.full((6, 7), 6.0, dtype=torch.double))
    torch.testing.assert_close(gradient[0, 0, 1], torch.full((6, 7), -0.5, dtype=torch.double))


def test_the_gradient_along_one_voxel_is_zero():
    gradient = fields.spatial_gradient(torch.rand(1, 1, 1, 4, 5, generator=seeded()))
    assert gradient.shape == (1, 1, 3, 1, 4, 5)
    assert not gradient[:, :, 0].any()
    assert gradient[:, :, 1:].any()


def test_inversion_of_an_affine_map():
    inverse_matrix = torch.linalg.inv(MATRIX)
    expected = affine(inverse_matrix, -inverse_matrix @ SHIFT)
    torch.testing.assert_close(
        interior(fields.invert(affine(MATRIX, SHIFT), iterations=80, tolerance=0.0)),
        interior(expected),
        rtol=0,
        atol=1e-6,
    )


def test_inversion_of_a_curved_map_from_both_starts():
    displacement = smooth_field((20, 20, 20), amplitude=2.0)
    start = fields.invert(displacement, iterations=3)
    for options in ({}, {"initial": start}):
        inverse = fields.invert(displacement, tolerance=1e-4, **options)
        assert interior(fields.inverse_error(displacement, inverse), 4).max() < 1e-3
        roughly = fields.invert(displacement, **options)
        assert interior(fields.inverse_error(displacement, roughly), 4).square().mean().sqrt() < 0.05


def test_the_inverse_error_is_a_distance():
    displacement = affine(torch.eye(3, dtype=torch.double), torch.tensor([3.0, 4.0, 0.0], dtype=torch.double))
    error = fields.inverse_error(displacement, torch.zeros_like(displacement))
    torch.testing.assert_close(error, torch.full((1, *SIZE), 5.0, dtype=torch.double))


@pytest.mark.parametrize("new", [(18, 24, 30), (6, 6, 5)])
def test_a_resized_field_is_the_same_map_of_the_same_extent(new):
    """Both grids fill the same box, so voxel x of one is voxel (x + 1/2) * ratio - 1/2 of the other."""
    ratio = torch.tensor([n / o for n, o in zip(new, SIZE)], dtype=torch.double)
    rescale = torch.diag(ratio)
    expected = affine(rescale @ MATRIX @ torch.linalg.inv(rescale), ratio * SHIFT, new)
    resized = fields.resize_field(affine(MATRIX, SHIFT), new)
    torch.testing.assert_close(interior(resized), interior(expected), rtol=0, atol=1e-6)


def test_resizing_to_the_same_size_changes_nothing():
    field = smooth_field()
    assert torch.equal(fields.resize_field(field, SIZE), field)


def test_gradients_with_respect_to_image_displacement_and_velocity():
    image = torch.rand(1, 1, 4, 5, generator=seeded(), dtype=torch.double, requires_grad=True)
    # Far from whole numbers, where linear interpolation has a kink.
    displacement = 0.2 + 0.5 * torch.rand(1, 2, 4, 5, generator=seeded(1), dtype=torch.double)
    displacement.requires_grad_()
    assert torch.autograd.gradcheck(fields.warp, (image, displacement))
    assert torch.autograd.gradcheck(lambda v: fields.exponential(0.3 * v, 2), (displacement,))
    assert torch.autograd.gradcheck(fields.jacobian_determinant, (displacement,))
