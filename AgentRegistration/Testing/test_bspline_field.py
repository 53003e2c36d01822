"""Dense displacements from control points, against SimpleITK's B-spline transform."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from AgentRegistrationLib.bspline_field import BSplineField, ControlLattice
from DeformationLib.errors import InputError

LATTICES = [
    ControlLattice((13, 20), (3, 4)),
    ControlLattice((9, 12, 14), (2, 3, 5)),
    ControlLattice((7, 8, 9), (1, 1, 1)),
]


def random_control(lattice, count=1, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 2, (count, lattice.dimension, *lattice.shape)))


@pytest.mark.parametrize("lattice", LATTICES, ids=str)
def test_displacement_equals_that_of_simpleitk_at_every_voxel(lattice):
    control = random_control(lattice)
    field = BSplineField(lattice).double()(control)
    filter_ = sitk.TransformToDisplacementFieldFilter()
    filter_.SetSize(lattice.size[::-1])
    filter_.SetOutputPixelType(sitk.sitkVectorFloat64)
    # Components x, y, z against our channels k, j, i.
    expected = sitk.GetArrayFromImage(filter_.Execute(lattice.to_sitk(control[0])))[..., ::-1]
    np.testing.assert_allclose(field[0].movedim(0, -1).numpy(), expected, atol=1e-5)


def test_control_points_survive_simpleitk():
    lattice = LATTICES[1]
    control = random_control(lattice)[0].numpy()
    np.testing.assert_array_equal(lattice.from_sitk(lattice.to_sitk(control)), control)


def test_equal_control_points_translate():
    lattice = LATTICES[1]
    control = torch.tensor([1.0, -2.0, 0.5]).view(1, 3, 1, 1, 1).expand(1, 3, *lattice.shape)
    field = BSplineField(lattice)(control)
    torch.testing.assert_close(field, torch.tensor([1.0, -2.0, 0.5]).view(1, 3, 1, 1, 1).expand_as(field))


def test_a_batch_equals_its_members():
    lattice = LATTICES[1]
    control, spline = random_control(lattice, 3).float(), BSplineField(lattice)
    together = spline(control)
    assert together.is_contiguous()
    torch.testing.assert_close(together, torch.cat([spline(control[n : n + 1]) for n in range(3)]))


def test_gradient_reaches_the_control_points():
    lattice = LATTICES[0]
    control = random_control(lattice).requires_grad_()
    assert torch.autograd.gradcheck(BSplineField(lattice).double(), (control,))


@pytest.mark.parametrize("lattice", LATTICES[:2], ids=str)
def test_fit_finds_the_spline_behind_a_dense_field(lattice):
    spline = BSplineField(lattice).double()
    field = spline(random_control(lattice))
    torch.testing.assert_close(spline(spline.fit(field)), field, atol=1e-3, rtol=0)


def test_spacing_gives_cells_that_fill_the_grid():
    lattice = ControlLattice.with_spacing((48, 64, 48), 12)
    assert lattice.cells == (4, 5, 4)
    assert lattice.shape == (7, 8, 7)
    assert lattice.count == 3 * 7 * 8 * 7
    assert lattice.spacing == pytest.approx((12.0, 12.8, 12.0))
    assert ControlLattice.with_spacing((4, 4), 100).cells == (1, 1)


@pytest.mark.parametrize("size, cells", [((4, 4), (2,)), ((4,), (2,)), ((4, 0), (1, 1)), ((4, 4), (0, 1))])
def test_lattices_that_cannot_be_are_refused(size, cells):
    with pytest.raises(InputError, match="lattice"):
        ControlLattice(size, cells)


@pytest.mark.parametrize("spacing", [0.0, -2.0, float("nan")])
def test_spacing_must_be_positive(spacing):
    with pytest.raises(InputError, match="must be positive"):
        ControlLattice.with_spacing((8, 8), spacing)


def test_control_points_of_another_lattice_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        BSplineField(LATTICES[0])(torch.zeros(1, 2, 4, 4))
