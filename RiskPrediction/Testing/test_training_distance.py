"""Cases far from the training cohort are told from those of it."""

import numpy as np
import pytest

from DeformationLib.errors import InputError
from RiskPredictionLib.training_distance import TrainingDistance


def cohort(cases, seed):
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(4, 60))
    return generator.normal(size=(cases, 4)) @ mixing + 0.3 * generator.normal(size=(cases, 60))


def test_new_cases_of_the_same_kind_pass_and_others_are_warned_of():
    distance = TrainingDistance.fit(cohort(100, 0))
    new = distance.distance(cohort(200, 1))
    assert np.mean([distance.warning(value) is None for value in new]) > 0.98
    assert distance.percentile(np.median(new))[0] == pytest.approx(50, abs=12)
    scaled, noise = 6 * cohort(10, 2), 5 * np.random.default_rng(3).normal(size=(10, 60))
    for strange in (scaled, noise):
        sentences = [distance.warning(value) for value in distance.distance(strange)]
        assert sum(sentence is not None for sentence in sentences) >= 9
    assert "extrapolation" in distance.warning(99.0)


def test_more_values_than_cases_and_constant_values():
    values = np.column_stack([cohort(30, 0), np.full(30, 2.0)])
    distance = TrainingDistance.fit(values)
    assert np.isfinite(distance.distance(values)).all()
    changed = values[:1].copy()
    changed[0, -1] = 500
    assert distance.warning(distance.distance(changed)[0]) is not None


def test_another_size_is_refused():
    with pytest.raises(InputError, match="7 values each"):
        TrainingDistance.fit(cohort(30, 0)).distance(np.zeros((1, 7)))
