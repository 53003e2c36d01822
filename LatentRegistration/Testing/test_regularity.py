"""Penalties on deformations, against closed forms and finite differences."""

import pytest
import torch

from DeformationLib import regularity
from DeformationLib.fields import identity_grid


def linear(matrix, size=(5, 6, 7)):
    """Displacement u(x) = matrix x."""
    grid = identity_grid(size, dtype=torch.double)
    return torch.einsum("rc,bc...->br...", torch.as_tensor(matrix, dtype=torch.double), grid)


MATRIX = torch.tensor([[0.1, -0.2, 0.0], [0.3, 0.05, 0.1], [0.0, -0.1, 0.2]])


def test_diffusion_of_a_linear_field_is_the_squared_norm_of_its_matrix():
    assert regularity.diffusion(linear(MATRIX)).item() == pytest.approx(MATRIX.square().sum().item())
    assert regularity.diffusion(linear(MATRIX) + 7).item() == pytest.approx(MATRIX.square().sum().item())


def test_diffusion_does_not_see_a_translation():
    assert regularity.diffusion(torch.full((2, 2, 4, 5), 3.0)) == 0


def test_gradient_deviation_is_the_mean_distance_from_one():
    gradients = torch.tensor([1.0, 0.5, 2.0, 1.0]).view(1, 1, 4)
    assert regularity.gradient_deviation(gradients).item() == pytest.approx(1.5 / 4)
    assert regularity.gradient_deviation(torch.ones(2, 3, 4, 4, 4)) == 0


def test_only_folds_are_penalised():
    assert regularity.folding_penalty(linear(MATRIX)) == 0
    # A mirror has determinant -1 everywhere.
    mirror = linear(torch.diag(torch.tensor([-2.0, 0.0, 0.0])))
    assert regularity.folding_penalty(mirror, margin=0.1).item() == pytest.approx(1.1)
    assert regularity.folding_penalty(mirror, margin=0.3).item() == pytest.approx(1.3)


def test_the_folding_penalty_counts_the_share_of_the_fold():
    # Steep descents along one axis of 2-D: determinants 1, 1, then central differences of a kink.
    displacement = torch.zeros(1, 2, 8, 4, dtype=torch.double)
    displacement[:, 0] = torch.tensor([0.0, 0, 0, 0, -2, -4, -6, -8]).double().view(1, 8, 1)
    determinants = 1 + torch.tensor([0.0, 0, 0, -1, -2, -2, -2, -2])
    expected = (0.1 - determinants).clamp_min(0).mean().item()
    assert regularity.folding_penalty(displacement).item() == pytest.approx(expected)


def test_gradients():
    generator = torch.Generator().manual_seed(0)
    field = 1.5 * torch.randn(1, 3, 3, 4, 3, generator=generator, dtype=torch.double)
    field.requires_grad_()
    assert regularity.folding_penalty(field) > 0
    for penalty in (regularity.diffusion, regularity.folding_penalty, regularity.gradient_deviation):
        assert torch.autograd.gradcheck(penalty, (field,))
