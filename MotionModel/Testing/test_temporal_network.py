"""What the network along time sees, and which frames it is shown in training."""

import torch

from MotionModelLib.temporal_dropout import TemporalDropout
from MotionModelLib.temporal_network import DILATIONS, TemporalNetwork, receptive_field


def test_receptive_field_is_what_the_gradient_reaches():
    torch.manual_seed(0)
    network = TemporalNetwork(3, 8).double()
    features = torch.randn(1, 3, 81, dtype=torch.float64, requires_grad=True)
    network(features)[0, :, 40].sum().backward()
    reached = features.grad.abs().sum((0, 1)).nonzero().flatten()
    assert (int(reached.min()), int(reached.max())) == (40 - sum(DILATIONS), 40 + sum(DILATIONS))
    assert len(reached) == receptive_field() == 31


def test_any_length_and_no_memory_of_another_sequence():
    torch.manual_seed(0)
    network = TemporalNetwork(3, 8)
    both = torch.randn(2, 3, 17)
    for length in (1, 2, 17):
        assert network(both[:, :, :length]).shape == (2, 8, length)
    assert torch.allclose(network(both)[:1], network(both[:1]), atol=1e-6)


def test_shifted_in_time_far_from_the_ends_gives_the_shifted_output():
    torch.manual_seed(0)
    network = TemporalNetwork(3, 8).double()
    features = torch.randn(1, 3, 90, dtype=torch.float64)
    out, shifted = network(features), network(features.roll(4, dims=2))
    assert torch.allclose(out[:, :, 20:60], shifted[:, :, 24:64], atol=1e-12)


def test_dropout_hides_frames_with_its_probability():
    kept = TemporalDropout(0.3, whole=0.0, leading=0.0, sparse=0.0).draw(400, 50, torch.Generator().manual_seed(0))
    assert abs(float(kept.float().mean()) - 0.7) < 0.01
    # Independent of the neighbours.
    left, right = kept[:, :-1].float(), kept[:, 1:].float()
    assert abs(float((left * right).mean()) - 0.49) < 0.015


def test_shares_of_whole_sequences_and_of_leading_frames():
    count = 20
    kept = TemporalDropout(0.5, whole=0.4, leading=0.2, sparse=0.0).draw(5000, count, torch.Generator().manual_seed(1))
    whole = kept.all(1)
    assert abs(float(whole.float().mean()) - 0.4) < 0.02
    falling = (kept[:, :-1].int() >= kept[:, 1:].int()).all(1) & ~whole
    assert abs(float(falling.float().mean()) - 0.2) < 0.03
    assert bool((~kept).all(1).any())  # sometimes nothing but the reference
    assert torch.equal(kept, TemporalDropout(0.5, 0.4, 0.2, 0.0).draw(5000, count, torch.Generator().manual_seed(1)))


def test_nothing_is_hidden_without_dropout():
    assert bool(TemporalDropout(0.0, 0.0, 0.0, 0.0).draw(10, 10).all())


def test_sparse_sequences_keep_about_two_frames():
    kept = TemporalDropout(0.5, whole=0.0, leading=0.0, sparse=1.0).draw(4000, 30, torch.Generator().manual_seed(2))
    assert abs(float(kept.sum(1).float().mean()) - 2.0) < 0.1
    assert bool((kept.sum(1) == 1).any())
