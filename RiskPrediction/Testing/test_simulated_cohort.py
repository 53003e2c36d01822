"""Simulated outcomes follow the hazard that they were asked to follow."""

import numpy as np
import pytest

from DeformationLib.errors import InputError
from RiskPredictionLib.concordance import concordance
from RiskPredictionLib.kaplan_meier import hazard_ratio
from RiskPredictionLib.simulated_cohort import (
    linear_log_hazard,
    nonlinear_log_hazard,
    simulate_outcomes,
    simulated_cohort,
    with_simulated_outcomes,
)


@pytest.mark.parametrize("shape", [0.7, 1.0, 2.0])
def test_share_of_events_is_exact_and_the_hazard_ratio_is_right(shape):
    risk = np.log(3) * (np.arange(3000) % 2)
    time, event = simulate_outcomes(risk, 0.36, shape)
    assert event.sum() == 1080
    ratio = hazard_ratio(risk > 0, time, event)
    assert ratio.lower < 3 < ratio.upper
    assert 0 < time.min() <= time.max() <= 1500


def test_same_seed_same_outcomes():
    risk = np.linspace(-1, 1, 50)
    for first, second in zip(simulate_outcomes(risk, seed=3), simulate_outcomes(risk, seed=3)):
        np.testing.assert_array_equal(first, second)
    assert not np.allclose(simulate_outcomes(risk, seed=3)[0], simulate_outcomes(risk, seed=4)[0])


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_without_events_or_censored_cases_there_is_no_cohort(share):
    with pytest.raises(InputError, match="share of events"):
        simulate_outcomes(np.zeros(20), share)


def test_hazards_have_the_wanted_strength():
    values = np.random.default_rng(0).normal(3, 5, (400, 3))
    linear = linear_log_hazard(values, (1, 0, -1), 0.8)
    assert linear.std() == pytest.approx(0.8)
    bump = nonlinear_log_hazard(values, 1.5)
    assert bump.std() == pytest.approx(1.5)
    assert max(abs(np.corrcoef(column, bump)[0, 1]) for column in values.T) < 0.15


def test_simulated_cohorts_say_so_everywhere():
    cohort = simulated_cohort(60)
    assert cohort.simulated
    assert "simulated" in str(cohort)
    assert all("simulated" in name for name in (*cohort.cases, *cohort.clinical_names))
    assert concordance(cohort.simulated_risk, cohort.time, cohort.event) > 0.7
    random = simulated_cohort(60, strength=0.0)
    assert random.simulated
    assert np.ptp(random.simulated_risk) == 0
    assert with_simulated_outcomes(cohort, -cohort.simulated_risk).simulated_risk[0] == -cohort.simulated_risk[0]
