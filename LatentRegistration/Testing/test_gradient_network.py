"""The spatial-gradient network: what holds for any weights, what integration can represent, what training keeps."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from DeformationLib.errors import InputError
from DeformationLib.fields import identity_grid, resize_field, warp
from DeformationLib.similarity import soft_dice_loss
from LatentRegistrationLib.gradient_network import GradientNetwork, GradientNetworkConfiguration
from LatentRegistrationLib.integration import diagonal_gradients, integrate_gradients
from LatentRegistrationLib.objective import GradientObjective, LossWeights

SIZE = (16, 16, 16)
both_variants = pytest.mark.parametrize("skips", [False, True])


def configuration(skips=False, dimension=3):
    return GradientNetworkConfiguration(dimension, (4, 6), 4, skips)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def trained_network(skips, steps=3):
    """A network after a few real steps with all terms of the loss, at a learning rate that moves every weight."""
    torch.manual_seed(0)
    objective = GradientObjective(GradientNetwork(configuration(skips)), 2, LossWeights())
    before = [parameter.detach().clone() for parameter in objective.network.parameters()]
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-2)
    images = torch.rand(3, 1, *SIZE, generator=seeded())
    labels = (torch.rand(3, 2, *SIZE, generator=seeded(1)) > 0.7).float()
    for _ in range(steps):
        optimizer.zero_grad()
        objective(images, labels, torch.ones_like(images))[0].backward()
        optimizer.step()
    assert all((old != new).any() for old, new in zip(before, objective.network.parameters()))
    return objective.network.eval().requires_grad_(False)


@pytest.mark.parametrize("steps", [0, 3])
@both_variants
def test_the_decoder_of_zero_is_the_identity_before_and_after_training(skips, steps, make_network):
    network = trained_network(skips) if steps else make_network(configuration(skips))
    encoded = network.encode(torch.rand(1, 1, *SIZE, generator=seeded()))
    displacement, gradients = network.decode(tuple(torch.zeros_like(part) for part in encoded), SIZE)
    assert not displacement.any()
    assert (gradients == 1).all()


@pytest.mark.parametrize("dimension", [2, 3])
@both_variants
def test_an_image_registered_to_itself_does_not_move(skips, dimension, make_network):
    network = make_network(configuration(skips, dimension), (16,) * dimension)
    image = torch.rand(2, 1, *SIZE[:dimension], generator=seeded())
    forward, backward = network(image, image)
    assert forward.shape == (2, dimension, *SIZE[:dimension])
    assert not forward.any()
    assert not backward.any()


@both_variants
def test_swapping_the_images_swaps_the_fields(skips, make_network):
    network = make_network(configuration(skips))
    fixed, moving = torch.rand(2, 1, 1, *SIZE, generator=seeded())
    forward, backward = network(fixed, moving)
    torch.testing.assert_close(network(moving, fixed), (backward, forward))
    assert (forward - backward).abs().max() > 0.1


@both_variants
def test_the_activations_grow_in_proportion_to_the_code(skips, make_network):
    network = make_network(configuration(skips))
    encoded = network.encode(torch.rand(2, 1, *SIZE, generator=seeded()))
    difference = tuple(part[:1] - part[1:] for part in encoded)
    reference = network.activations(difference)
    for factor in (0.01, 3.0, 200.0):
        scaled = network.activations(tuple(factor * part for part in difference))
        torch.testing.assert_close(scaled, factor * reference, rtol=1e-4, atol=1e-5 * factor)
    # Homogeneous for positive factors alone: the opposite direction is another deformation, not the mirrored one.
    negative = network.activations(tuple(-part for part in difference))
    assert (negative + reference).abs().max() > 0.1 * reference.abs().max()


def test_only_the_variant_with_skips_hands_maps_to_the_decoder(make_network):
    image = torch.rand(1, 1, *SIZE, generator=seeded())
    plain, skipping = make_network(configuration()), make_network(configuration(skips=True))
    assert [tuple(part.shape) for part in plain.encode(image)] == [(1, 4, 4, 4, 4)]
    assert [tuple(part.shape) for part in skipping.encode(image)] == [(1, 4, 4, 4, 4), (1, 4, 8, 8, 8)]
    code = torch.randn(1, 4, 4, 4, 4, generator=seeded(1))
    zero = torch.zeros(1, 4, 8, 8, 8)
    assert torch.equal(skipping.activations((code,)), skipping.activations((code, zero)))
    assert not torch.equal(skipping.activations((code,)), skipping.activations((code, zero + 1)))


@both_variants
def test_the_code_of_an_image_does_not_depend_on_the_other_image(skips, make_network):
    network = make_network(configuration(skips))
    images = torch.rand(3, 1, *SIZE, generator=seeded())
    for together, alone in zip(network.encode(images), network.encode(images[1:2])):
        torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(16, 16), (16, 16, 18), (2, 16, 16)])
def test_a_grid_that_the_levels_do_not_divide_is_refused(size):
    with pytest.raises(InputError, match="multiples of 4"):
        configuration().check_grid(size)


def test_every_grid_that_is_accepted_can_be_registered():
    """Instance normalisation over a single voxel fails: a grid that leaves one must be refused beforehand."""
    deep = GradientNetworkConfiguration(3, (4, 4, 4, 4), 4)
    with pytest.raises(InputError, match="16"):
        deep.check_grid((16, 16, 16))
    deep.check_grid((16, 16, 32))
    network = GradientNetwork(deep).eval()
    assert network(*torch.rand(2, 1, 1, 16, 16, 32, generator=seeded()))[0].shape == (1, 3, 16, 16, 32)


def test_gradients_lie_between_zero_and_two_and_are_one_at_zero():
    activations = torch.tensor([-8.0, -1.0, 0.0, 1.0, 8.0])
    gradients = diagonal_gradients(activations)
    torch.testing.assert_close(gradients, 2 / (1 + torch.exp(-activations)))
    assert gradients[2] == 1


@given(st.floats(-3, 3))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_a_constant_gradient_gives_no_shift(value):
    activations = torch.cat([torch.full((1, 3, 6, 7, 8), value), torch.zeros(1, 3, 6, 7, 8)], dim=1)
    displacement, _ = integrate_gradients(activations, (6, 7, 8))
    assert displacement.mean(dim=(2, 3, 4)).abs().max() < 1e-5
    slope = 2 / (1 + math.exp(-value)) - 1
    expected = slope * (torch.arange(6) - 2.5).view(6, 1, 1).expand(6, 7, 8)
    torch.testing.assert_close(displacement[0, 0], expected, atol=1e-5, rtol=0)


def test_a_translation_is_representable_on_both_grids():
    shift = torch.tensor([1.5, -4.0, 2.25])
    activations = torch.cat([torch.zeros(3), shift]).view(1, 6, 1, 1, 1).expand(1, 6, 6, 7, 8)
    for factor in (1, 2):
        displacement, gradients = integrate_gradients(activations, (6 * factor, 7 * factor, 8 * factor))
        expected = (factor * shift).view(1, 3, 1, 1, 1).expand_as(displacement)
        torch.testing.assert_close(displacement, expected)
        assert (gradients == 1).all()


def test_a_rotation_is_representable():
    """The gradients hold the cosine, the anchors, which vary from line to line, the sines."""
    size, angle = (12, 14, 16), math.radians(25)
    rotation = torch.eye(3)
    rotation[1, 1] = rotation[2, 2] = math.cos(angle)
    rotation[1, 2], rotation[2, 1] = -math.sin(angle), math.sin(angle)
    centre = ((torch.tensor(size) - 1) / 2).view(1, 3, 1, 1, 1)
    from_centre = identity_grid(size) - centre
    expected = torch.einsum("rc,bc...->br...", rotation, from_centre) - from_centre
    diagonal = torch.diag(rotation)
    off_diagonal = torch.einsum("rc,bc...->br...", rotation - torch.diag(diagonal), from_centre)
    cosines = torch.logit(diagonal / 2).view(1, 3, 1, 1, 1).expand(1, 3, *size)
    displacement, _ = integrate_gradients(torch.cat([cosines, off_diagonal], dim=1), size)
    torch.testing.assert_close(displacement, expected, atol=1e-4, rtol=0)


@given(st.integers(0, 1000), st.sampled_from([1, 2]))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_phi_rises_along_its_axis_by_the_mean_of_two_gradients(seed, factor):
    activations = 4 * torch.randn(1, 6, 5, 6, 4, generator=seeded(seed))
    size = (5 * factor, 6 * factor, 4 * factor)
    displacement, gradients = integrate_gradients(activations, size)
    for axis in range(3):
        step = 1 + displacement[:, axis].diff(dim=1 + axis)
        length = size[axis]
        halves = gradients[:, axis].narrow(1 + axis, 0, length - 1) + gradients[:, axis].narrow(1 + axis, 1, length - 1)
        assert step.min() > 0
        torch.testing.assert_close(step, halves / 2, atol=1e-4, rtol=0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_integration_does_not_depend_on_the_direction_of_a_line(axis):
    activations = 2 * torch.randn(1, 6, 5, 6, 4, generator=seeded())
    size = (10, 12, 8)
    # A mirror turns displacements along its axis around; the gradients keep their sign.
    sign = torch.ones(1, 3, 1, 1, 1)
    sign[:, axis] = -1
    mirrored = (activations * torch.cat([torch.ones_like(sign), sign], dim=1)).flip(2 + axis)
    displacement, _ = integrate_gradients(activations, size)
    torch.testing.assert_close(
        integrate_gradients(mirrored, size)[0], (sign * displacement).flip(2 + axis), atol=1e-4, rtol=0
    )


def test_the_coarse_and_the_full_grid_show_the_same_deformation():
    axes = [torch.linspace(0, 3, length) for length in (12, 14, 16)]
    k, j, i = torch.meshgrid(*axes, indexing="ij")
    activations = torch.stack([k.sin(), (j + i).cos(), -i.sin(), 2 * j.cos(), k, i * j / 3]).unsqueeze(0)
    coarse, _ = integrate_gradients(activations, (12, 14, 16))
    full, _ = integrate_gradients(activations, (24, 28, 32))
    difference = (resize_field(coarse, (24, 28, 32)) - full)[..., 2:-2, 2:-2, 2:-2]
    assert full.abs().max() > 4
    assert difference.abs().max() < 0.05


def test_integration_has_correct_derivatives():
    activations = torch.randn(1, 4, 3, 4, generator=seeded(), dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: integrate_gradients(a, (6, 8)), (activations,))


def test_the_objective_registers_each_image_to_the_next_both_ways(make_network):
    """The loss of a cycle of three is the mean over its six pairs, each the loss of two images one way."""
    network = make_network(configuration())
    objective = GradientObjective(network, 0, LossWeights(anatomy=0.0))
    images, masks = torch.rand(3, 1, *SIZE, generator=seeded()), torch.ones(3, 1, *SIZE)
    _, terms = objective(images, None, masks)
    pairs = [objective(images[[a, b]], None, masks[[a, b]])[1] for a, b in ((0, 1), (1, 2), (2, 0))]
    for name in ("similarity", "smoothness", "diffusion", "folding"):
        assert terms[name] == pytest.approx(sum(pair[name] for pair in pairs) / 3, rel=1e-4)


def test_the_objective_judges_the_fields_that_the_network_gives(make_network):
    """Forward fields carry moving labels to the fixed image: with the sign of the difference lost, training would fail."""
    network = make_network(configuration())
    images = torch.rand(2, 1, *SIZE, generator=seeded())
    labels = torch.nn.functional.avg_pool3d(torch.rand(2, 2, *SIZE, generator=seeded(1)), 3, 1, 1)
    first, second = labels.split(1)
    forward, backward = network(images[:1], images[1:])

    def overlap_loss(fixed, moving, field):
        return soft_dice_loss(fixed, warp(moving, field, padding="zeros"))

    expected = overlap_loss(first, second, forward) + overlap_loss(second, first, backward)
    swapped = overlap_loss(first, second, backward) + overlap_loss(second, first, forward)
    overlap = GradientObjective(network, 2, LossWeights())(images, labels, torch.ones_like(images))[1]["overlap"]
    assert overlap == pytest.approx(expected.item() / 2, rel=1e-4)
    assert overlap != pytest.approx(swapped.item() / 2, rel=1e-3)


def test_the_objective_adds_its_terms_by_their_weights(make_network):
    weights = LossWeights(similarity=2.0, overlap=3.0, smoothness=0.5, diffusion=0.25, folding=4.0, anatomy=0.75)
    objective = GradientObjective(make_network(configuration()), 2, weights)
    images = torch.rand(2, 1, *SIZE, generator=seeded())
    labels = (torch.rand(2, 2, *SIZE, generator=seeded(1)) > 0.7).float()
    for scale in (1, 2):
        objective.scale = scale
        loss, terms = objective(images, labels, torch.ones_like(images))
        expected = sum(getattr(weights, name) * value for name, value in terms.items() if name != "loss")
        assert len(terms) == 7
        assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_padding_does_not_drive_the_objective(make_network):
    """What the moving image shows in its padding changes the loss only through the network, not through the measure."""
    objective = GradientObjective(make_network(configuration(), strength=0.0), 0, LossWeights())
    images, masks = torch.rand(2, 1, *SIZE, generator=seeded()), torch.zeros(2, 1, *SIZE)
    masks[..., 4:12] = 1
    # Half-resolution voxels that touch the padding hold some of it: the change keeps away from them.
    far = torch.zeros_like(masks)
    far[..., :2] = far[..., 14:] = 1
    changed = torch.where(far > 0, 1 - images, images)
    before, after = (objective(x, None, masks)[1]["similarity"] for x in (images, changed))
    assert after == pytest.approx(before, abs=1e-6)
    assert objective(changed, None, torch.ones_like(masks))[1]["similarity"] != pytest.approx(before, abs=1e-3)
