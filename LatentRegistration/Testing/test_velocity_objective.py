"""The evidence lower bound against independent references."""

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal, Normal
from torch.distributions import kl_divergence as reference_kl

from DeformationLib.fields import exponential, warp
from LatentRegistrationLib.velocity_network import VelocityNetwork, VelocityNetworkConfiguration
from LatentRegistrationLib.velocity_objective import (
    VelocityLossWeights,
    VelocityObjective,
    kl_divergence,
    local_correlation,
    physical_roughness,
    symmetric_correlation,
)

SMALL = VelocityNetworkConfiguration((4, 16, 16), (10.0, 1.6, 1.6), (3, 4), 2, 3, 2, smoothing=2.0)


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def textured(*shape, seed=0):
    """Noise that is smooth enough for its correlation to change smoothly with a displacement."""
    from DeformationLib.filters import gaussian_filter

    field = gaussian_filter(noise(*shape, seed=seed), (0.6,) + (1.5,) * (len(shape) - 3))
    return (field - field.min()) / (field.max() - field.min())


def test_kl_is_that_of_torch_distributions():
    mean, log_variance = noise(5, 7) * 4 - 2, noise(5, 7, seed=1) * 6 - 4
    expected = reference_kl(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(1)
    assert torch.allclose(kl_divergence(mean, log_variance), expected)
    joint = reference_kl(
        MultivariateNormal(mean[0], torch.diag(log_variance[0].exp())),
        MultivariateNormal(torch.zeros(7, dtype=torch.float64), torch.eye(7, dtype=torch.float64)),
    )
    assert torch.allclose(kl_divergence(mean, log_variance)[0], joint)
    assert kl_divergence(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0.0


@pytest.mark.parametrize(("size", "window"), [((5, 7, 6), (3, 5, 5)), ((9, 8), (3, 3)), ((3, 6, 6), (9, 3, 9))])
def test_correlation_is_that_of_a_direct_loop(size, window):
    fixed, moving = noise(1, 1, *size), noise(1, 1, *size, seed=1)
    result = local_correlation(fixed, moving, window)[0, 0].numpy()
    a, b = fixed[0, 0].numpy(), moving[0, 0].numpy()
    for index in np.ndindex(*size):
        part = tuple(slice(max(i - w // 2, 0), i + w // 2 + 1) for i, w in zip(index, window, strict=True))
        x, y = a[part].ravel() - a[part].mean(), b[part].ravel() - b[part].mean()
        expected = (x @ y / len(x)) ** 2 / ((x @ x / len(x) + 1e-4) * (y @ y / len(x) + 1e-4))
        assert result[index] == pytest.approx(expected, abs=1e-9)


def test_correlation_ignores_brightness_and_contrast():
    image = textured(1, 1, 4, 20, 20)
    same = local_correlation(image, 0.6 * image + 0.3, (3, 9, 9))
    inverted = local_correlation(image, 1.0 - image, (3, 9, 9))
    assert float(same.mean()) > 0.9
    assert torch.allclose(inverted, local_correlation(image, image, (3, 9, 9)), atol=1e-9)
    assert float(local_correlation(image, textured(1, 1, 4, 20, 20, seed=5), (3, 9, 9)).mean()) < 0.4


def test_similarity_is_symmetric_in_the_images():
    """D(F, M, v) = D(M, F, -v): neither image is the template (eq. 4.7)."""
    fixed, moving = textured(1, 1, 4, 20, 20), textured(1, 1, 4, 20, 20, seed=1)
    velocity = 2.0 * textured(1, 3, 4, 20, 20, seed=2) - 1.0
    there = symmetric_correlation(fixed, moving, velocity, (3, 5, 5))
    back = symmetric_correlation(moving, fixed, -velocity, (3, 5, 5))
    assert float(there) == pytest.approx(float(back), abs=1e-12)


def test_the_right_velocity_is_the_most_similar():
    image = textured(1, 1, 4, 40, 40)
    velocity = torch.zeros(1, 3, 4, 40, 40, dtype=torch.float64)
    velocity[:, 1] = 2.0
    moved = warp(image, exponential(velocity, 4))  # fixed = image o exp(v)
    scores = {
        shift: float(symmetric_correlation(moved, image, velocity * shift / 2.0, (3, 9, 9)))
        for shift in (-2.0, 0.0, 1.0, 2.0, 3.0)
    }
    assert max(scores, key=scores.get) == 2.0
    assert scores[2.0] > 0.9


def test_masked_voxels_do_not_count():
    fixed, moving = textured(1, 1, 4, 20, 20), textured(1, 1, 4, 20, 20, seed=1)
    velocity = torch.zeros(1, 3, 4, 20, 20, dtype=torch.float64)
    mask = torch.ones_like(fixed)
    mask[..., 10:] = 0
    whole = local_correlation(fixed, moving, (3, 5, 5))[..., :10].mean()
    assert float(symmetric_correlation(fixed, moving, velocity, (3, 5, 5), mask)) == pytest.approx(float(whole))


def test_gradient_of_the_loss_by_finite_differences():
    torch.manual_seed(0)
    network = VelocityNetwork(SMALL).double()
    weights = VelocityLossWeights(likelihood=50.0, window=5, overlap=0.5, folding=0.3, smoothness=0.2)
    objective = VelocityObjective(network, weights)
    fixed, moving = textured(1, 1, 4, 16, 16), textured(1, 1, 4, 16, 16, seed=1)
    labels = (textured(1, 2, 4, 16, 16, seed=2), textured(1, 2, 4, 16, 16, seed=3))
    mask = torch.ones_like(fixed)

    def loss():
        return objective(fixed, moving, mask, labels, torch.Generator().manual_seed(4))[0]

    objective.zero_grad()
    loss().backward()
    checked = [
        network.encoder.mean.weight,
        network.encoder.log_variance.bias,
        network.decoder.entry.weight,
        network.decoder.heads[0].weight,
        network.decoder.heads[1].bias,
    ]
    for number, parameter in enumerate(checked):
        flat, gradient = parameter.data.view(-1), parameter.grad.view(-1)
        place = int(gradient.abs().argmax()) if number % 2 else number % flat.numel()
        keep, step = float(flat[place]), 1e-6
        with torch.no_grad():
            flat[place] = keep + step
            above = float(loss())
            flat[place] = keep - step
            below = float(loss())
            flat[place] = keep
        assert float(gradient[place]) == pytest.approx((above - below) / (2 * step), rel=1e-3, abs=1e-8)


def test_terms_add_up_to_the_bound():
    torch.manual_seed(0)
    objective = VelocityObjective(VelocityNetwork(SMALL), VelocityLossWeights(likelihood=700.0, window=5))
    fixed, moving = noise(2, 1, 4, 16, 16).float(), noise(2, 1, 4, 16, 16, seed=1).float()
    loss, terms = objective(fixed, moving, generator=torch.Generator().manual_seed(0))
    assert float(loss) == pytest.approx(terms["kl"] / 700.0 + (1 - terms["lcc_1"]) + (1 - terms["lcc_2"]), rel=1e-5)
    assert terms["loss"] == pytest.approx(float(loss))
    objective.finest = 1
    _, coarse = objective(fixed, moving, generator=torch.Generator().manual_seed(0))
    assert "lcc_1" not in coarse
    assert coarse["lcc_2"] == pytest.approx(terms["lcc_2"], abs=1e-5)


def test_pairs_without_labels_do_not_count_in_the_overlap():
    torch.manual_seed(0)
    objective = VelocityObjective(VelocityNetwork(SMALL), VelocityLossWeights(window=5, overlap=1.0))
    fixed, moving = noise(2, 1, 4, 16, 16).float(), noise(2, 1, 4, 16, 16, seed=1).float()
    labels = torch.zeros(2, 1, 4, 16, 16)
    labels[0, :, 1:3, 4:10, 4:10] = 1.0
    both = objective(fixed, moving, None, (labels, labels), torch.Generator().manual_seed(0))[1]["overlap"]
    generator = torch.Generator().manual_seed(0)
    alone = objective(fixed[:1], moving[:1], None, (labels[:1], labels[:1]), generator)[1]["overlap"]
    assert both == pytest.approx(alone, abs=0.02)
    none = objective(fixed, moving, None, (0 * labels, 0 * labels), torch.Generator().manual_seed(0))[1]
    assert "overlap" not in none


def test_roughness_is_in_millimetres():
    """A linear velocity of 0.1 mm per mm along one axis, on voxels of 10, 2 and 1 mm."""
    spacing = (10.0, 2.0, 1.0)
    axes = torch.meshgrid(*[torch.arange(n, dtype=torch.float64) for n in (4, 6, 8)], indexing="ij")
    velocity = torch.zeros(1, 3, 4, 6, 8, dtype=torch.float64)
    velocity[0, 1] = 0.1 * axes[0] * spacing[0] / spacing[1]  # component along j, in voxels, grows along k
    assert float(physical_roughness(velocity, spacing)) == pytest.approx(0.01)
    assert float(physical_roughness(torch.ones(1, 2, 5, 5), (1.0, 1.0))) == 0.0
