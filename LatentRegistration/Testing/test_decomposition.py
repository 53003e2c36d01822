"""The latent decomposition against scikit-learn and NumPy."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from DeformationLib.errors import InputError
from LatentRegistrationLib.decomposition import LatentDecomposition

SHAPE = (3, 2, 4, 2)


def population(count=12, scale=1.0):
    """Codes with a few strong directions."""
    generator = np.random.default_rng(0)
    strong = generator.normal(size=(count, 4)) * (8, 4, 2, 1) @ generator.normal(size=(4, np.prod(SHAPE)))
    flat = scale * (5 + strong + 0.1 * generator.normal(size=strong.shape))
    return torch.from_numpy(flat).float().view(count, *SHAPE)


def flat(codes):
    return codes.flatten(1).double().numpy()


@pytest.fixture(scope="module")
def fitted():
    return LatentDecomposition.fit(population(), 6)


def test_components_variances_and_coefficients_are_those_of_scikit_learn(fitted):
    codes = flat(population())
    reference = PCA(6, svd_solver="full").fit(codes)
    signs = np.sign(np.sum(reference.components_ * fitted.components, axis=1))
    np.testing.assert_allclose(fitted.components, signs[:, None] * reference.components_, atol=1e-8)
    np.testing.assert_allclose(fitted.explained_variance, reference.explained_variance_)
    np.testing.assert_allclose(fitted.explained_variance_ratio, reference.explained_variance_ratio_)
    np.testing.assert_allclose(fitted.coefficients, reference.transform(codes) * signs, atol=1e-6)


def test_components_and_variances_are_those_of_the_singular_values(fitted):
    codes = flat(population())
    values = np.linalg.svd(codes - codes.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(fitted.standard_deviations, values[:6] / np.sqrt(len(codes) - 1), rtol=1e-6)
    np.testing.assert_allclose(fitted.components @ fitted.components.T, np.eye(6), atol=1e-10)


def test_projection_is_the_inner_product_with_the_centred_code(fitted):
    codes = population()[:2] + 1
    expected = [[np.sum((code - fitted.mean) * u) for u in fitted.components] for code in flat(codes)]
    np.testing.assert_allclose(fitted.project(codes), expected)


def test_reconstruction_comes_closer_with_every_component(fitted):
    codes = population()
    errors = [float((fitted.reconstruct(fitted.project(codes), k) - codes).square().mean()) for k in range(7)]
    assert all(more < fewer for fewer, more in zip(errors, errors[1:]))
    total, rest = fitted.total_variance, fitted.total_variance - fitted.explained_variance.sum()
    assert errors[6] / errors[0] == pytest.approx(rest / total, rel=1e-3)


def test_all_components_of_a_small_population_give_it_back():
    codes = population(5)
    full = LatentDecomposition.fit(codes, 4)
    torch.testing.assert_close(full.reconstruct(full.coefficients), codes, rtol=1e-4, atol=1e-4)
    assert full.explained_variance_ratio.sum() == pytest.approx(1)


def test_a_direction_is_projected_to_its_own_amplitudes(fitted):
    direction = fitted.direction([3.0, -2.0])
    assert direction.shape == (1, *SHAPE)
    np.testing.assert_allclose(fitted.project(direction + torch.from_numpy(fitted.mean).view(1, *SHAPE)),
                               [[3, -2, 0, 0, 0, 0]], atol=1e-5)  # fmt: skip
    np.testing.assert_array_equal(fitted.amplitudes(1, -2.0), [0, -2, 0, 0, 0, 0])


def test_a_difference_keeps_the_components_asked_for_and_nothing_else(fitted):
    direction = fitted.direction([3.0, -2.0, 1.0])
    outside = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(0))
    outside = outside - fitted.project_difference(outside)
    torch.testing.assert_close(fitted.project_difference(direction + outside, 2), fitted.direction([3.0, -2.0]),
                               atol=1e-5, rtol=0)  # fmt: skip
    assert not fitted.project_difference(direction, 0).any()


def test_storage_in_half_precision_keeps_the_components_orthonormal(fitted):
    stored = {name: t.half() if t.is_floating_point() else t for name, t in fitted.to_tensors().items()}
    again = LatentDecomposition.from_tensors(
        {name: t.float() if t.is_floating_point() else t for name, t in stored.items()}
    )
    assert again.shape == SHAPE
    np.testing.assert_allclose(again.components @ again.components.T, np.eye(6), atol=1e-12)
    np.testing.assert_allclose(again.components, fitted.components, atol=2e-3)
    np.testing.assert_allclose(again.standard_deviations, fitted.standard_deviations, rtol=1e-3)
    np.testing.assert_allclose(again.project(population()), fitted.coefficients, atol=0.2)


@pytest.mark.parametrize("count", [0, -1, 12, 40])
def test_components_that_the_population_does_not_determine_are_refused(count):
    with pytest.raises(InputError, match="components"):
        LatentDecomposition.fit(population(), count)


def test_more_components_than_a_code_has_values_are_refused():
    with pytest.raises(InputError, match="components"):
        LatentDecomposition.fit(torch.rand(12, 2, 1, 1, 2, generator=torch.Generator().manual_seed(0)), 5)


def test_components_that_do_not_exist_are_refused(fitted):
    with pytest.raises(InputError, match="no component 7"):
        fitted.amplitudes(6, 1.0)
    with pytest.raises(InputError, match="no component 0"):
        fitted.amplitudes(-1, 1.0)
    for count in (-1, 7):
        with pytest.raises(InputError, match="this model has 6"):
            fitted.project_difference(population(), count)
        with pytest.raises(InputError, match="this model has 6"):
            fitted.reconstruct(fitted.coefficients, count)
    with pytest.raises(InputError, match="this model has 6"):
        fitted.direction(np.ones(7))
