"""Pairs of frames and of subjects, their augmentation, and the scores of validation pairs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from DeformationLib.augmentation import Augmentation
from DeformationLib.cine_cases import Cine
from DeformationLib.errors import InputError
from LatentRegistrationLib.pair_augmentation import augment_apart, augment_pair, change_intensities, smooth_noise
from LatentRegistrationLib.pair_validation import validate_pairs
from LatentRegistrationLib.pairs import Pair, PairSet, load_series, pairs_of_cycle, prepare_frames
from LatentRegistrationLib.structures import CARDIAC_STRUCTURES, structure_dice, structure_masks, structures_of
from Testing.velocity_fixtures import GRID, small_heart, velocity_network

STILL = Augmentation(rotation=0, translation=0, zoom=0, elastic=0, gamma=0, bias=0, noise=0)


def some_pairs(cases=3, frames=5, size=(4, 16, 16), labelled=(0, 2)):
    """Series whose frames are constants, so that a batch shows which were taken; labels at two frames."""
    values = [torch.arange(frames).view(-1, 1, 1, 1) / 100 + case / 10 for case in range(cases)]
    labels = {
        (case, frame): torch.full((2, *size), 255, dtype=torch.uint8) for case in range(cases) for frame in labelled
    }
    return PairSet(
        [f"c{case}" for case in range(cases)],
        [value.expand(frames, *size).half() for value in values],
        [torch.ones(size, dtype=torch.uint8) for _ in range(cases)],
        labels,
        [1, 2],
        [(0, 2)] * cases,
        [""] * cases,
    )


def test_batches_hold_the_frames_asked_for():
    batch = some_pairs().batch([Pair(1, 2, 1, 0), Pair(2, 1, 0, 4)])
    assert batch.images.shape == (2, 2, 4, 16, 16)
    np.testing.assert_allclose(batch.images[:, :, 0, 0, 0], [[0.12, 0.10], [0.21, 0.04]], atol=1e-3)
    assert batch.mask.shape == (2, 1, 4, 16, 16)
    # Labels count only where both frames have them.
    assert batch.fixed_labels[0].min() == batch.moving_labels[0].min() == 1
    assert batch.fixed_labels[1].max() == batch.moving_labels[1].max() == 0


def test_reference_pair_moves_end_diastole():
    assert some_pairs().reference_pair(1) == Pair(1, 2, 1, 0)


def test_drawn_pairs_are_of_every_kind_in_the_asked_shares():
    data, generator = some_pairs(frames=20), torch.Generator().manual_seed(0)
    drawn = [data.frame_pair(0, 0.5, generator) for _ in range(4000)]
    share = np.mean([pair == Pair(0, 2, 0, 0) for pair in drawn])
    reverse = np.mean([pair == Pair(0, 0, 0, 2) for pair in drawn])
    assert share == pytest.approx(0.4, abs=0.05)
    assert reverse == pytest.approx(0.1, abs=0.03)
    rest = [pair for pair in drawn if {pair.fixed_frame, pair.moving_frame} != {0, 2}]
    assert {pair.fixed_frame for pair in rest} == set(range(20))
    from_diastole = np.mean([pair.moving_frame == 0 for pair in rest])
    assert 0.4 < from_diastole < 0.65
    others = [abs(pair.fixed_frame - pair.moving_frame) for pair in rest if pair.moving_frame != 0]
    assert np.mean(others) > 8.0  # two random frames of twenty are 6.7 apart on average
    again = torch.Generator().manual_seed(0)
    assert [data.frame_pair(0, 0.5, again) for _ in range(50)] == drawn[:50]


def test_subjects_are_registered_in_a_cycle():
    assert pairs_of_cycle([4, 7, 9]) == [Pair(4, 0, 7, 0), Pair(7, 0, 9, 0), Pair(9, 0, 4, 0)]


def cine(heart, name="heart"):
    return Cine(
        name,
        np.stack([frame.array for frame in heart.frames]),
        heart.frames[0],
        0,
        heart.es_frame,
        {0: heart.labels[0], heart.es_frame: heart.labels[heart.es_frame]},
    )


def test_frames_are_brought_to_the_grid():
    heart = small_heart(slices=3)
    frames, mask = prepare_frames(cine(heart), GRID)
    assert frames.shape == (4, 4, 32, 32)
    assert frames.dtype == torch.float16
    assert float(frames.min()) >= 0
    assert float(frames.max()) <= 1
    assert mask.sum() == 3 * 32 * 32  # three slices of four


def test_series_that_cannot_be_used_are_listed(monkeypatch):
    import LatentRegistrationLib.pairs as pairs
    from DeformationLib.cine_cases import CineCase

    hearts = {name: cine(small_heart(seed), name) for seed, name in enumerate(("a", "b"))}
    hearts["c"] = Cine(**{**vars(hearts["a"]), "name": "c", "labels": {}})

    def read(case):
        if case.name == "d":
            raise InputError("d is damaged.")
        return hearts[case.name]

    monkeypatch.setattr(pairs, "read_cine", read)
    cases = [CineCase(name, None) for name in "abcd"]
    data = load_series(cases, GRID, need_labels=True)
    assert data.names == ["a", "b"]
    assert data.skipped.keys() == {"c", "d"}
    assert "lacks the label maps" in data.skipped["c"]
    assert data.label_values == [1, 2, 3]
    assert data.has_series
    assert data.labels[0, 0].shape == (3, 4, 32, 32)
    assert len(load_series(cases, GRID)) == 3
    with pytest.raises(InputError, match="at least two usable series, but 1"):
        load_series(cases[2:], GRID)


def test_both_images_of_a_pair_are_moved_alike():
    generator = torch.Generator().manual_seed(0)
    image = smooth_noise((2, 1, 4, 24, 24), (10.0, 1.6, 1.6), 12.0, generator)
    image = (image - image.min()) / (image.max() - image.min())
    settings = Augmentation(rotation=30, translation=3, zoom=0.1, elastic=2, flip=0.5, gamma=0, bias=0, noise=0)
    companions = torch.cat([image, torch.ones_like(image)], dim=1)
    images, others = augment_pair(torch.cat([image, image], 1), companions, (10.0, 1.6, 1.6), settings, generator)
    assert torch.allclose(images[:, 0], images[:, 1])
    assert not torch.allclose(images[:, :1], image, atol=0.05)
    inside = others[:, 1:] > 0.999
    assert torch.allclose(images[:, :1][inside], others[:, :1][inside], atol=2e-3)
    assert 0.3 < float(inside.float().mean()) < 1.0


def test_no_augmentation_changes_nothing():
    images = torch.rand(1, 2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    same, others = augment_pair(images, images[:, :1], (5.0, 1.0, 1.0), STILL, torch.Generator().manual_seed(1))
    assert torch.allclose(same, images, atol=1e-5)
    assert torch.allclose(others, images[:, :1], atol=1e-5)


def test_thick_slices_are_turned_in_their_plane_only():
    """A slice that alone is bright stays alone."""
    images = torch.zeros(1, 2, 5, 32, 32)
    images[:, :, 2] = 1.0
    settings = Augmentation(**{**vars(STILL), "rotation": 40.0})
    for seed in range(3):
        turned, _ = augment_pair(images, images[:, :1], (10.0, 1.6, 1.6), settings, torch.Generator().manual_seed(seed))
        assert float(turned[:, :, 2].min()) > 0.999
        assert float(turned[:, :, [0, 1, 3, 4]].max()) < 1e-3


def test_flips_mirror():
    images = torch.rand(1, 2, 12, 14, generator=torch.Generator().manual_seed(0))
    settings = Augmentation(**{**vars(STILL), "flip": 1.0})
    mirrored, _ = augment_pair(images, images[:, :1], (1.0, 1.0), settings, torch.Generator().manual_seed(0))
    assert torch.allclose(mirrored, images.flip(2, 3), atol=1e-5)


def test_intensities_keep_their_range_and_one_gamma_per_pair():
    image = torch.rand(3, 1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    images = torch.cat([image, image], dim=1)
    settings = Augmentation(**{**vars(STILL), "gamma": 0.5})
    changed = change_intensities(images, (4.0, 1.0, 1.0), settings, torch.Generator().manual_seed(1))
    assert torch.allclose(changed[:, 0], changed[:, 1])
    assert not torch.allclose(changed[0], changed[1] * images[0] / images[1], atol=0.05)
    noisy = Augmentation(**{**vars(STILL), "gamma": 0.5, "bias": 0.3, "noise": 0.1})
    changed = change_intensities(images, (4.0, 1.0, 1.0), noisy, torch.Generator().manual_seed(1))
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 1
    assert not torch.allclose(changed[:, 0], changed[:, 1])


def test_structures_are_unions_of_labels():
    labels = np.array([[0, 1, 2, 3, 3]])
    masks = structure_masks(labels, CARDIAC_STRUCTURES)
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {
        "LV myocardium": 1,
        "LV epicardium": 3,
        "LV pool": 2,
        "RV": 1,
        "LV + RV": 4,
    }
    assert structures_of([4, 7], cardiac=False) == {"4": (4,), "7": (7,)}
    indicators = torch.zeros(3, 2, 6)
    indicators[0, 0], indicators[1, 1, :3], indicators[2, 1, 3:] = 1, 1, 1
    moved = indicators.roll(1, dims=2)
    dice = structure_dice(indicators, moved, [1, 2, 3], CARDIAC_STRUCTURES)
    assert dice["RV"] == 1.0
    assert dice["LV epicardium"] == 1.0
    assert dice["LV pool"] == pytest.approx(2 * 2 / 6)
    empty = structure_dice(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2), [1], {"1": (1,)})
    assert np.isnan(empty["1"])


def test_validation_scores_of_an_identity_are_those_of_unregistered_pairs():
    data = some_pairs(size=GRID.size)
    for key in data.labels:
        data.labels[key] = torch.zeros(2, *GRID.size, dtype=torch.uint8)
        data.labels[key][0, :, 8:16, 8:16] = 255
        data.labels[key][1, :, 16 + 2 * (key[1] == 2) : 24, 8:16] = 255
    network = velocity_network(strength=1e-6)
    pairs = [data.reference_pair(case) for case in range(2)]
    scores = validate_pairs(network, data, pairs, {"1": (1,), "2": (2,)})
    assert scores["dice_1"] == 1.0
    assert scores["dice_2"] == pytest.approx(2 * 6 / 14, abs=1e-4)
    assert scores["score"] == pytest.approx((1 + 12 / 14) / 2, abs=1e-4)
    assert scores["folding_percent"] == 0.0
    assert scores["jacobian_gradient"] < 1e-5
    assert validate_pairs(network, data, [], {}) == {}
    rough = validate_pairs(velocity_network(strength=15.0), data, pairs, {"1": (1,), "2": (2,)})
    assert rough["jacobian_gradient"] > 1e-3
    data.labels.clear()
    unlabelled = validate_pairs(network, data, pairs, {})
    assert 0 <= unlabelled["score"] <= 1
    assert not any(name.startswith("dice_") for name in unlabelled)


def test_images_of_two_subjects_change_apart_and_take_their_own_labels_along():
    image = smooth_noise((2, 1, 12, 16, 16), (1.0, 1.0, 1.0), 5.0, torch.Generator().manual_seed(0)).sigmoid()
    images = torch.cat([image, image], dim=1)
    mask = torch.ones_like(image)
    settings = replace(STILL, rotation=10.0, translation=1.0)
    changed, others = augment_apart(
        images, torch.cat([mask, image, image], 1), (1.0, 1.0, 1.0), settings, torch.Generator().manual_seed(1)
    )
    assert not torch.allclose(changed[:, 0], changed[:, 1], atol=0.01)
    inside = others[:, 0] > 0.999
    for channel in range(2):  # the labels were the images themselves
        assert torch.allclose(changed[:, channel][inside], others[:, 1 + channel][inside], atol=2e-3)
    assert bool((others[:, 0] < 0.5).any())  # outside either of them
