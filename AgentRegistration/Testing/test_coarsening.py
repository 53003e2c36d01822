"""Ground truth on a fine grid, an agent on a coarser one: the same images and the same deformations, in longer voxels."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from AgentRegistrationLib.bspline_field import BSplineField, ControlLattice
from AgentRegistrationLib.coarsening import coarser_cases, coarser_deformations, finer_geometry, finer_grid
from AgentRegistrationLib.deformation_model import StatisticalDeformationModel
from AgentRegistrationLib.preparation import Deformations
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from DeformationLib.pair_grid import PairGrid
from DeformationLib.preprocessing import prepare

from .deformation_fixtures import ellipses, random_controls


@pytest.mark.parametrize("size", [(24, 32), (12, 16, 8)])
def test_a_coarser_deformation_moves_the_same_points_by_the_same_way(size):
    lattice = ControlLattice.with_spacing(size, 6)
    controls = random_controls(lattice, 6).numpy()
    model = StatisticalDeformationModel.fit(controls, lattice, 3)
    known = Deformations([(0, 1)] * 6, controls, np.ones(6), model, 0)
    coarse = coarser_deformations(known, 2)
    assert coarse.model.lattice.size == tuple(length // 2 for length in size)
    field = BSplineField(coarse.model.lattice)(torch.from_numpy(coarse.controls).float())
    transform = lattice.to_sitk(controls[0])
    generator = np.random.default_rng(0)
    for index in zip(*(generator.integers(0, length, 20) for length in field.shape[2:]), strict=True):
        fine = [2 * place + 0.5 for place in index]  # the centre of the coarse voxel, in voxels of the fine grid
        moved = transform.TransformPoint(fine[::-1])[::-1]
        expected = (np.array(moved) - fine) / 2
        found = field[(0, slice(None), *index)].numpy()
        assert np.allclose(found, expected, atol=1e-4)


def test_a_coarser_model_has_the_same_modes_and_shorter_amplitudes():
    lattice = ControlLattice.with_spacing((24, 32), 8)
    controls = random_controls(lattice, 8).numpy()
    model = StatisticalDeformationModel.fit(controls, lattice, 4)
    known = Deformations([(0, 1)] * 8, controls, np.ones(8), model, 0)
    coarse = coarser_deformations(known, 2).model
    assert torch.allclose(coarse.deviations, model.deviations / 2, rtol=1e-4)
    assert torch.allclose(coarse.explained, model.explained, atol=1e-5)
    assert torch.allclose((coarse.modes * model.modes).sum(dim=1).abs(), torch.ones(4), atol=1e-4)
    assert coarser_deformations(known, 1) is known


def test_coarser_cases_are_what_the_model_sees_of_the_images():
    cases = ellipses(2, (32, 48))
    smooth = [ndimage.gaussian_filter(image[0].float().numpy(), 2.0) for image in cases.images]
    cases.images[:] = torch.from_numpy(np.stack(smooth))[:, None].half()
    coarse = coarser_cases(cases, 2)
    assert coarse.images.shape == (2, 1, 16, 24)
    grid = PairGrid((16, 24), (2.0, 2.0), "image")
    for array, found in zip(smooth, coarse.images, strict=True):
        image = Image(array[None].astype(np.float32), (1.0, 1.0, 5.0))
        seen = prepare(image, grid, geometry=grid.at(grid.around(image.geometry), image.geometry.centre)).image
        inner = (..., slice(2, -2), slice(2, -2))
        assert (seen[0] - found.float())[inner].abs().max() < 0.02


def test_coarser_labels_keep_their_volume_and_masks_what_is_inside():
    cases = ellipses(2)
    cases.masks[0, :, :7] = 0
    coarse = coarser_cases(cases, 2)
    before = cases.labels.float().sum(dim=(2, 3))
    assert torch.allclose(4 * coarse.labels.float().sum(dim=(2, 3)), before, rtol=0.01)
    assert coarse.masks[0, 0, :3].sum() == 0
    assert coarse.masks[0, 0, 3].min() == 1  # half of it is inside
    assert coarser_cases(cases, 1) is cases


@pytest.mark.parametrize("dimension", [2, 3])
def test_voxels_lie_in_the_middle_of_their_finer_ones_in_oblique_and_flipped_grids(dimension):
    axes = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]
    axes[:, 0] *= -np.sign(np.linalg.det(axes))  # left-handed
    size = (6, 5, 1 if dimension == 2 else 4)
    coarse = Geometry(size, (2.0, 3.0, 8.0), (10.0, -20.0, 30.0), axes)
    fine, factors = finer_geometry(coarse, 3, dimension), np.array([3, 3, 1 if dimension == 2 else 3])
    assert fine.size == tuple(factors * size)
    for index in ((0, 0, 0), (5, 4, size[2] - 1), (2, 3, 0)):
        first, last = factors * index, factors * index + factors - 1
        middle = (fine.index_to_physical(first) + fine.index_to_physical(last)) / 2
        assert np.allclose(middle, coarse.index_to_physical(index))
    grid = PairGrid(size[dimension - 1 :: -1], (2.0, 2.0, 2.0)[:dimension])
    finer = finer_grid(grid, 3)
    assert np.allclose(np.multiply(finer.size, finer.spacing), np.multiply(grid.size, grid.spacing))
