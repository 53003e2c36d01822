"""The Gaussian process against torch.distributions and scikit-learn's manner of saying the same."""

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from DeformationLib.errors import InputError
from MotionModelLib.kernels import JITTER, CauchyKernel, GaussianProcess, SquaredExponentialKernel, covariance

KERNELS = [CauchyKernel(7.0, 1.005), SquaredExponentialKernel(4.0, 1.3)]


@pytest.mark.parametrize("kernel", KERNELS)
def test_divergence_is_that_of_two_multivariate_normals(kernel):
    process = GaussianProcess(kernel, 20)
    generator = torch.Generator().manual_seed(0)
    # A mean that is no sample of the prior would only test the jitter.
    mean = process.sample(process.zeros(2, 3), torch.ones(2, 3), generator).double()
    deviation = torch.rand(2, 3, generator=generator).double() + 0.3
    expected = torch.zeros(2, dtype=torch.float64)
    prior = torch.distributions.MultivariateNormal(torch.zeros(20, dtype=torch.float64), process.covariance)
    for batch in range(2):
        for row in range(3):
            posterior = torch.distributions.MultivariateNormal(
                mean[batch, row], deviation[batch, row] ** 2 * process.covariance
            )
            expected[batch] += torch.distributions.kl_divergence(posterior, prior)
    assert torch.allclose(process.divergence(mean, deviation), expected, rtol=1e-8)


def test_divergence_is_least_at_the_prior():
    process = GaussianProcess(CauchyKernel(), 34)
    mean = process.zeros(1, 2).double()
    at = {sd: float(process.divergence(mean, torch.full((1, 2), sd).double())) for sd in (0.8, 0.95, 1.0, 1.05, 1.25)}
    assert at[1.0] == pytest.approx(0.0, abs=1e-9)
    assert min(at, key=at.get) == 1.0


def test_samples_have_the_posteriors_covariance():
    process = GaussianProcess(CauchyKernel(3.0), 6)
    count = 200_000
    mean = torch.arange(6.0).expand(count, 1, 6)
    samples = process.sample(mean, torch.full((count, 1), 0.5), torch.Generator().manual_seed(1))[:, 0]
    assert np.allclose(samples.mean(0), np.arange(6.0), atol=0.01)
    assert np.allclose(np.cov(samples.numpy().T), 0.25 * process.covariance.numpy(), atol=0.005)


@pytest.mark.parametrize("kernel", [CauchyKernel(), CauchyKernel(40.0), SquaredExponentialKernel(7.0)])
@pytest.mark.parametrize("slots", [2, 34, 200])
def test_positive_definite_up_to_200_slots_with_the_jitter(kernel, slots):
    process = GaussianProcess(kernel, slots)
    smallest = torch.linalg.eigvalsh(process.covariance).min()
    variance = float(kernel(torch.zeros(())))
    assert float(smallest) >= 0.99 * JITTER * variance
    assert torch.allclose(process.factor @ process.factor.t(), process.covariance, atol=1e-10)


def test_a_kernel_that_is_not_positive_definite_is_refused():
    with pytest.raises(InputError, match="not positive definite"):
        # The sign printed in the source.
        GaussianProcess(lambda distance: 1.0 / (1.0 - (distance / 7.3) ** 2), 34)
    with pytest.raises(InputError, match="at least one slot"):
        GaussianProcess(CauchyKernel(), 0)


def test_samples_grow_smoother_with_the_length_scale():
    roughness = []
    for length in (1.0, 3.0, 7.0, 15.0):
        process = GaussianProcess(CauchyKernel(length), 34)
        samples = process.sample(process.zeros(500, 2), torch.ones(500, 2), torch.Generator().manual_seed(2))
        roughness.append(float(samples.diff(dim=2).square().mean()))
    assert roughness == sorted(roughness, reverse=True)
    assert roughness[0] > 20 * roughness[3]


def test_values_between_slots_are_the_regression_of_scikit_learn():
    process = GaussianProcess(SquaredExponentialKernel(4.0), 12)
    values = torch.sin(process.times / 3)[None, None]
    times = torch.tensor([0.0, 1.0, 2.5, 7.25, 12.0, 13.0])
    regressor = GaussianProcessRegressor(RBF(4.0), alpha=JITTER, optimizer=None)
    regressor.fit(process.times[:, None].numpy(), values[0, 0].numpy())
    assert np.allclose(process.at(values, times)[0, 0], regressor.predict(times[:, None].numpy()), atol=1e-6)


def test_values_at_the_slots_stay_what_they_are():
    process = GaussianProcess(CauchyKernel(), 34)
    smooth = torch.sin(process.times * 2 * np.pi / 35)[None, None]
    assert float((process.at(smooth, process.times) - smooth).abs().max()) < 0.01


def test_any_kernel_that_torch_can_differentiate():
    length = torch.tensor(5.0, requires_grad=True)
    matrix = covariance(lambda distance: torch.exp(-distance / length), torch.arange(5.0))
    matrix.sum().backward()
    assert float(length.grad) > 0


def test_missing_slots_are_filled_by_regression_on_the_known_ones():
    process = GaussianProcess(SquaredExponentialKernel(4.0), 12)
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(3, 2, 12, generator=generator, dtype=torch.float64)
    known = torch.zeros(3, 12, dtype=torch.float64)
    known[0, [1, 4, 9]] = 1
    known[1] = 1
    filled = process.fill(values, known)
    regressor = GaussianProcessRegressor(RBF(4.0), alpha=JITTER, optimizer=None)
    places = [1, 4, 9]
    regressor.fit(process.times[places][:, None].numpy(), values[0, 0, places].numpy())
    missing = [0, 2, 3, 5, 6, 7, 8, 10, 11]
    expected = regressor.predict(process.times[missing][:, None].numpy())
    assert np.allclose(filled[0, 0, missing], expected, atol=1e-9)
    assert torch.equal(filled[0, :, places], values[0, :, places])
    assert torch.equal(filled[1], values[1])
    assert torch.equal(filled[2], torch.zeros_like(filled[2]))  # nothing known: the prior's mean
