"""The motion network with random weights: what it may see, what it starts as, its priors, its gradients."""

from dataclasses import asdict, replace

import pytest
import torch

from DeformationLib.errors import InputError
from DeformationLib.fields import exponential, warp
from DeformationLib.model_training import plain
from LatentRegistrationLib.velocity_network import VelocityNetwork, VelocityNetworkConfiguration
from MotionModelLib.kernels import SquaredExponentialKernel
from MotionModelLib.motion_network import (
    MotionNetwork,
    MotionNetworkConfiguration,
    configuration_of,
    evened,
    temporal_weights,
)
from MotionModelLib.motion_objective import MotionLossWeights, MotionObjective, SequenceBatch, volumes
from MotionModelLib.warm_start import flattened, motion_weights

FLAT = VelocityNetworkConfiguration((16, 16), (1.5, 1.5), (4, 6), 2, latent=3, scales=2, smoothing=2.0, context=(3, 4))
PRIORS = ("gaussian-process", "unit")


def network(prior="gaussian-process", pair=FLAT, slots=9, **further):
    torch.manual_seed(0)
    net = MotionNetwork(MotionNetworkConfiguration(pair, slots, prior, width=8, **further)).eval()
    with torch.no_grad():  # a network that was just made does not use its temporal part
        net.mean.weight.normal_(0, 0.1)
    return net


def sequence(count=5, batch=2, size=(16, 16), seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(batch, count + 1, 1, *size, generator=generator)
    return images[:, 1:], images[:, 0], torch.arange(1, count + 1)


@pytest.mark.parametrize("prior", PRIORS)
def test_hidden_frames_are_not_looked_at(prior):
    net, (frames, moving, slots) = network(prior), sequence()
    given = torch.tensor([True, False, True, False, True])
    first = net.encode(frames, moving, slots, given)
    changed = frames.clone()
    changed[:, [1, 3]] = torch.rand(2, 2, 1, 16, 16)
    second = net.encode(changed, moving, slots, given)
    assert torch.equal(net.matrix(first), net.matrix(second))
    changed[:, 2] = 0.5
    assert not torch.allclose(net.matrix(first), net.matrix(net.encode(changed, moving, slots, given)), atol=1e-5)


@pytest.mark.parametrize("prior", PRIORS)
def test_every_sequence_of_a_batch_for_itself(prior):
    net, (frames, moving, slots) = network(prior), sequence()
    given = torch.tensor([[True, True, False, True, False], [False, False, False, False, True]])
    both = net.matrix(net.encode(frames, moving, slots, given))
    for number in range(2):
        one = slice(number, number + 1)
        alone = net.matrix(net.encode(frames[one], moving[one], slots, given[one]))
        assert torch.allclose(both[one], alone, atol=1e-5)


@pytest.mark.parametrize("prior", PRIORS)
def test_the_motion_of_the_reference_alone(prior):
    net, (frames, moving, slots) = network(prior), sequence()
    nothing = net.matrix(net.encode(frames, moving, slots, torch.zeros(5, dtype=torch.bool)))
    empty = net.matrix(net.encode(frames[:, :0], moving, slots[:0]))
    assert torch.equal(nothing, empty)
    assert not torch.allclose(nothing[0], nothing[1], atol=1e-5)  # it depends on the image


def test_starts_as_the_pairwise_model():
    torch.manual_seed(0)
    pairwise = VelocityNetwork(FLAT).eval()
    net = MotionNetwork(MotionNetworkConfiguration(FLAT, 9, temporal_smoothing=0.0, width=8)).eval()
    missing = net.load_state_dict(motion_weights(pairwise.state_dict()), strict=False).missing_keys
    assert missing
    assert not any(name.startswith(("encoder.", "decoder.")) for name in missing)
    frames, moving, slots = sequence()
    matrix = net.matrix(net.encode(frames, moving, slots))
    velocity = net.decode(matrix.transpose(1, 2)[:, slots], moving, slots)[0]
    for number in range(5):
        assert torch.allclose(velocity[:, number], pairwise(frames[:, number], moving)[0], atol=1e-5)


def test_a_network_of_volumes_made_flat_does_the_same_with_equal_slices():
    # As many slices as there are halvings leave alone, so that no kernel reaches the edge.
    solid = replace(FLAT, size=(1, 16, 16), spacing=(10.0, 1.5, 1.5), widths=(4, 6), smoothing=0.0)
    torch.manual_seed(1)
    deep = VelocityNetwork(solid).eval()
    flat = VelocityNetwork(replace(FLAT, smoothing=0.0)).eval()
    flat.load_state_dict(flattened(deep.state_dict(), flat.state_dict()))
    fixed, moving = torch.rand(2, 1, 1, 16, 16)
    flat_velocity, solid_velocity = flat(fixed, moving)[0], deep(fixed[:, :, None], moving[:, :, None])[0]
    assert torch.allclose(flat_velocity, solid_velocity[:, 1:, 0], atol=1e-5)


def test_a_flat_network_takes_over_every_weight_of_a_deep_one():
    deep = VelocityNetwork(replace(FLAT, size=(8, 16, 16), spacing=(5.0, 1.5, 1.5)))
    flat = VelocityNetwork(FLAT)
    taken = flattened(deep.state_dict(), flat.state_dict())
    assert {name: value.shape for name, value in taken.items()} == {
        name: value.shape for name, value in flat.state_dict().items()
    }


@pytest.mark.parametrize("prior", PRIORS)
def test_samples_follow_the_generator_and_spread_around_the_mean(prior):
    net, (frames, moving, slots) = network(prior), sequence(batch=1)
    posterior = net.encode(frames, moving, slots)
    first, again, other = (net.sample(posterior, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert net.sample_prior(moving, torch.Generator().manual_seed(3)).shape == (1, 3, 9)


def test_unit_priors_divergence_counts_the_given_frames():
    net, (frames, moving, slots) = network("unit"), sequence()
    given = torch.tensor([True, False, True, False, True])
    posterior = net.encode(frames, moving, slots, given)
    expected = torch.zeros(2)
    for batch in range(2):
        for slot in slots[given].tolist():
            normal = torch.distributions.Normal(posterior.mean[batch, :, slot], posterior.deviation[batch, :, slot])
            standard = torch.distributions.Normal(torch.zeros(3), torch.ones(3))
            expected[batch] += torch.distributions.kl_divergence(normal, standard).sum()
    assert torch.allclose(net.divergence(posterior), expected, rtol=1e-4)


def test_velocities_are_smoothed_over_time():
    net, (_, moving, _) = network(), sequence(batch=1)
    codes = torch.randn(1, 9, 3, generator=torch.Generator().manual_seed(0))
    times = torch.arange(1, 10)
    rough = MotionNetwork(replace(net.configuration, temporal_smoothing=0.0)).eval()
    rough.load_state_dict(net.state_dict())
    smooth = net.decode(codes, moving, times)[0].detach()
    weights = temporal_weights(times, 1.5).float()
    unsmoothed = rough.decode(codes, moving, times)[0].detach()
    expected = torch.einsum("mn,bncji->bmcji", weights, unsmoothed)
    assert torch.allclose(smooth, expected, atol=1e-5)
    assert torch.allclose(weights[5:].sum(1), torch.ones(4), atol=1e-3)
    # Away from the reference, towards which everything is drawn.
    changes = [float(part[:, 4:].diff(dim=1).square().mean()) for part in (smooth, unsmoothed)]
    assert changes[0] < 0.5 * changes[1]


def test_smoothing_begins_at_the_reference_and_takes_frames_as_even_in_time():
    weights = temporal_weights(torch.arange(1.0, 10.0), 1.5)
    from_reference = (
        torch.exp(torch.tensor(-0.5 / 1.5**2)) / torch.exp(-0.5 * (torch.arange(10.0) - 1) ** 2 / 1.5**2).sum()
    )
    assert float(weights[0].sum()) == pytest.approx(1.0 - float(from_reference), abs=1e-6)
    assert torch.equal(temporal_weights(torch.arange(3.0), 0.0), torch.eye(3, dtype=torch.float64))
    # 12 frames in 34 slots lie two or three slots apart; the same motion in them is smoothed alike.
    assert torch.allclose(evened(torch.tensor([3, 6, 8, 11])), torch.tensor([3.0, 17 / 3, 25 / 3, 11.0]).double())


def test_a_kernel_of_ones_own():
    net = MotionNetwork(MotionNetworkConfiguration(FLAT, 9), kernel=SquaredExponentialKernel(2.0))
    named = MotionNetwork(
        MotionNetworkConfiguration(FLAT, 9, kernel="squared-exponential", length_scale=2.0, kernel_scale=1.0)
    )
    assert torch.equal(net.process.covariance, named.process.covariance)


def test_configuration_survives_the_card():
    configuration = MotionNetworkConfiguration(FLAT, 12, "unit", temporal_smoothing=2.0)
    assert configuration_of(plain(asdict(configuration))) == configuration


@pytest.mark.parametrize(
    "words, sentence",
    [
        ({"slots": 1}, "at least two slots"),
        ({"prior": "none"}, "prior is one of"),
        ({"kernel": "linear"}, "kernel is one of"),
        ({"length_scale": 0.0}, "must be positive"),
    ],
)
def test_bad_configurations(words, sentence):
    with pytest.raises(InputError, match=sentence):
        MotionNetworkConfiguration(**{"pair": FLAT, "slots": 9, **words})


def batch_of(seed=0, count=4):
    frames, moving, slots = sequence(count, 2, seed=seed)
    frames, moving = frames.double(), moving.double()
    labels = (torch.rand(2, 2, 16, 16, generator=torch.Generator().manual_seed(5)) > 0.6).double()
    return SequenceBatch(
        moving=moving,
        frames=frames,
        mask=torch.ones_like(moving),
        slots=slots,
        given=torch.tensor([[True, False, True, True], [True, True, False, True]]),
        compared=torch.tensor([1, 2, 3]),
        labels=labels,
        frame_labels={1: labels.flip(0)},
        others=(torch.cat([moving.flip(2), labels.flip(2)], dim=1),),
    )


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("similarity", ["correlation", "squares"])
def test_gradient_of_the_loss_by_finite_differences(prior, similarity):
    net = network(prior).double()
    weights = MotionLossWeights(similarity, 300.0, window=5, overlap=0.5, folding=0.3, transport=0.4)
    objective = MotionObjective(net, weights)
    batch = batch_of()

    def loss():
        return objective(batch, torch.Generator().manual_seed(7))[0]

    parameters = [net.encoder.mean.weight, net.decoder.entry.weight, net.mean.weight]
    gradients = torch.autograd.grad(loss(), parameters)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        place = tuple(int(i) for i in torch.unravel_index(gradient.abs().argmax(), gradient.shape))
        step = 1e-4
        with torch.no_grad():
            values = []
            for sign in (1, -1):
                parameter[place] += sign * step
                values.append(float(loss()))
                parameter[place] -= sign * step
        assert (values[0] - values[1]) / (2 * step) == pytest.approx(float(gradient[place]), rel=1e-3, abs=1e-7)


def test_loss_of_a_sequence_that_stands_still_is_the_priors_alone():
    net = network()
    with torch.no_grad():
        for head in net.decoder.heads:
            head.weight.zero_()
            head.bias.zero_()
    frames, moving, slots = sequence()
    still = moving[:, None].expand_as(frames)
    batch = SequenceBatch(
        moving, still, torch.ones_like(moving), slots, torch.ones(2, 5, dtype=torch.bool), torch.arange(5)
    )
    loss, terms = MotionObjective(net, MotionLossWeights("squares", 100.0))(batch)
    assert float(loss.detach()) == pytest.approx(terms["kl"] / 100.0, rel=1e-5)
    assert terms["kl"] == pytest.approx(
        float(net.divergence(net.encode(still, moving, slots - 1)).mean()) / 5, rel=1e-5
    )


def test_a_training_step_lowers_the_loss():
    net = network()
    objective = MotionObjective(net, MotionLossWeights("squares", 1e4))
    _, moving, slots = sequence(batch=1)
    shifted = torch.stack([moving.roll(1, dims=3)] * 5, dim=1)
    batch = SequenceBatch(
        moving, shifted, torch.ones_like(moving), slots, torch.ones(1, 5, dtype=torch.bool), torch.arange(5)
    )
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss, _ = objective(batch, torch.Generator().manual_seed(0))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_motion_that_keeps_its_effect_elsewhere_has_no_transport_loss():
    net = network(temporal_smoothing=0.0).double()
    objective = MotionObjective(net, MotionLossWeights("squares", 1e9, transport=1.0))
    batch = batch_of()
    matrix = net.matrix(net.encode(batch.frames, batch.moving, batch.slots - 1, batch.given))
    times = batch.slots[batch.compared]
    velocity = net.decode(net.codes_at(matrix, times), batch.moving, times)[0][:, 1]
    # Its own labels as this motion leaves them, and itself as the other subject.
    moved = warp(batch.labels, exponential(velocity, 4), padding="zeros")
    itself = torch.cat([batch.moving, batch.labels], dim=1)
    same = batch._replace(frame_labels={1: moved}, others=(itself,))
    assert float(objective._astray(matrix, times, same).detach()) == pytest.approx(0.0, abs=1e-6)
    halved = same._replace(frame_labels={1: 0.5 * moved})
    expected = 0.5 * (volumes(moved) / volumes(batch.labels)).mean()
    assert float(objective._astray(matrix, times, halved).detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_sequences_whose_reference_has_no_labels_are_compared_by_their_images():
    objective = MotionObjective(network().double(), MotionLossWeights("squares", 1e9, overlap=1.0, transport=1.0))
    loss, terms = objective(batch_of()._replace(labels=None), torch.Generator().manual_seed(0))
    assert torch.isfinite(loss)
    assert not {"overlap", "transport"} & set(terms)


@pytest.mark.parametrize("prior", PRIORS)
def test_mixed_precision_leaves_the_process_and_the_velocities_their_digits(prior):
    net, (frames, moving, slots) = network(prior), sequence()
    given = torch.tensor([True, False, True, True, False])
    smooth = net.process.sample(net.process.zeros(2, 3), torch.ones(2, 3), torch.Generator().manual_seed(1))
    known = torch.zeros(2, 9)
    known[:, [0, 4, 7]] = 1
    results = []
    for mixed in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed), torch.no_grad():
            divergence = net.process.divergence(smooth, torch.full((2, 3), 0.5))
            results.append([divergence, net.process.at(smooth, slots), net.process.fill(smooth, known)])
            posterior = net.encode(frames, moving, slots - 1, given)
            velocities = net.decode(net.codes_at(net.matrix(posterior), slots), moving, slots)
            assert {part.dtype for part in (*velocities, posterior.deviation)} == {torch.float32}
    for single, half in zip(*results, strict=True):
        assert torch.equal(single, half)
