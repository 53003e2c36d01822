"""Baseline hazard, concordance, Brier score, AUC and group statistics against lifelines and scikit-survival."""

import numpy as np
import pytest
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.datasets import load_gbsg2, load_rossi

from DeformationLib.errors import InputError
from RiskPredictionLib.baseline_hazard import BreslowBaseline
from RiskPredictionLib.brier import brier_score, integrated_brier_score
from RiskPredictionLib.calibration import calibration_curve
from RiskPredictionLib.censoring import CensoringDistribution
from RiskPredictionLib.concordance import concordance, concordance_over_folds
from RiskPredictionLib.kaplan_meier import hazard_ratio, kaplan_meier, logrank_p
from RiskPredictionLib.time_dependent_auc import time_dependent_auc


@pytest.fixture(scope="module")
def rossi():
    table = load_rossi()
    fitted = CoxPHFitter().fit(table, "week", "arrest")
    risk = fitted.predict_log_partial_hazard(table).to_numpy()
    return table, fitted, risk, table["week"].to_numpy(float), table["arrest"].to_numpy(bool)


@pytest.fixture(scope="module")
def cancer():
    """Survival in days and two risks that differ."""
    table = load_gbsg2()
    return table["time"].to_numpy(float), table["cens"].to_numpy(bool), table["pnodes"].to_numpy(float)


def structured(time, event):
    return np.array(list(zip(event, time)), dtype=[("event", bool), ("time", float)])


def test_baseline_hazard_equals_lifelines(rossi):
    table, fitted, risk, time, event = rossi
    baseline = BreslowBaseline.estimate(risk, time, event)
    expected = fitted.baseline_cumulative_hazard_.iloc[:, 0]
    np.testing.assert_allclose(baseline.at(expected.index), expected.to_numpy(), atol=1e-6)
    curves = baseline.survival(risk[:7], baseline.times)
    theirs = fitted.predict_survival_function(table.iloc[:7], times=baseline.times).to_numpy().T
    np.testing.assert_allclose(curves.survival, theirs, atol=1e-6)


def test_baseline_hazard_equals_scikit_survival(cancer):
    linear = pytest.importorskip("sksurv.linear_model.coxph", reason="scikit-survival is a development extra")
    time, event, nodes = cancer
    theirs = linear.BreslowEstimator().fit(0.05 * nodes, event, time).cum_baseline_hazard_
    ours = BreslowBaseline.estimate(0.05 * nodes, time, event)
    np.testing.assert_allclose(ours.at(theirs.x), theirs.y, atol=1e-6)


def test_survival_falls_from_one_inside_its_interval(rossi):
    _, _, risk, time, event = rossi
    baseline = BreslowBaseline.estimate(risk, time, event)
    curves = baseline.survival([-1.0, 2.0], deviation=[0.0, 0.3])
    assert (curves.survival[:, 0] == 1).all()
    assert (np.diff(curves.survival) <= 0).all()
    assert ((curves.lower <= curves.survival) & (curves.survival <= curves.upper)).all()
    assert (curves.survival[1, 1:] < curves.survival[0, 1:]).all()


def test_baseline_is_independent_of_a_shift_of_all_risks(rossi):
    _, _, risk, time, event = rossi
    moved = BreslowBaseline.estimate(risk + 500, time, event).survival(risk + 500, [20.0]).survival
    np.testing.assert_allclose(moved, BreslowBaseline.estimate(risk, time, event).survival(risk, [20.0]).survival)


def test_concordance_of_pairs_equals_lifelines(rossi):
    _, _, risk, time, event = rossi
    coarse = np.round(risk, 1)  # with ties of risk, and the cohort's many ties of time
    interval, folds = concordance_over_folds(coarse, time, event, [np.arange(len(risk))], resamplings=200)
    assert interval.value == pytest.approx(concordance(coarse, time, event), abs=1e-12)
    assert folds.tolist() == [interval.value]
    assert interval.lower < interval.value < interval.upper


def test_intervals_of_trained_models_are_wider(rossi):
    _, _, risk, time, event = rossi
    folds = np.array_split(np.random.default_rng(0).permutation(len(risk)), 5)
    plain, trained = (
        concordance_over_folds(risk, time, event, folds, 200, shared_training=shared)[0] for shared in (False, True)
    )
    assert trained.value == plain.value
    assert trained.upper - trained.lower == pytest.approx(1.5 * (plain.upper - plain.lower))


def test_concordance_of_known_orders():
    time, event = np.arange(1.0, 11.0), np.ones(10, bool)
    assert concordance(-time, time, event) == 1
    assert concordance(time, time, event) == 0
    assert concordance(np.zeros(10), time, event) == 0.5


def test_a_fold_without_comparable_cases_is_left_out_of_the_mean():
    time, event = np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, False, False])
    interval, folds = concordance_over_folds([4, 3, 2, 1], time, event, [np.array([0, 1]), np.array([2, 3])], 50)
    assert interval.value == 1
    assert np.isnan(folds[1])
    with pytest.raises(InputError, match="fewer folds"):
        concordance_over_folds([4, 3, 2, 1], time, event, [np.array([2, 3])], 50)


def test_censoring_distribution_equals_scikit_survival(cancer):
    nonparametric = pytest.importorskip("sksurv.nonparametric", reason="scikit-survival is a development extra")
    time, event, _ = cancer
    time = np.round(time / 100)  # many ties of events and censorings
    theirs = nonparametric.CensoringDistributionEstimator().fit(structured(time, event))
    places = np.arange(1, time.max())
    np.testing.assert_allclose(
        CensoringDistribution.estimate(time, event).at(places), theirs.predict_proba(places), atol=1e-10
    )


def test_brier_score_equals_scikit_survival(cancer):
    metrics = pytest.importorskip("sksurv.metrics", reason="scikit-survival is a development extra")
    time, event, nodes = cancer
    baseline = BreslowBaseline.estimate(0.05 * nodes, time, event)
    train, test = np.arange(len(time)) % 2 == 0, np.arange(len(time)) % 2 == 1
    times = np.linspace(200, 2000, 40)
    survival = baseline.survival(0.05 * nodes[test], times).survival
    outcomes = structured(time[train], event[train]), structured(time[test], event[test])
    censoring = CensoringDistribution.estimate(time[train], event[train])
    ours = brier_score(survival, times, time[test], event[test], censoring)
    np.testing.assert_allclose(ours, metrics.brier_score(*outcomes, survival, times)[1], atol=1e-6)
    theirs = metrics.integrated_brier_score(*outcomes, survival, times)
    assert integrated_brier_score(ours, times) == pytest.approx(theirs, abs=1e-6)


def test_auc_equals_scikit_survival(cancer):
    metrics = pytest.importorskip("sksurv.metrics", reason="scikit-survival is a development extra")
    time, event, nodes = cancer
    times = np.linspace(300, 2000, 9)
    theirs, _ = metrics.cumulative_dynamic_auc(structured(time, event), structured(time, event), nodes, times)
    ours = time_dependent_auc(nodes, times, time, event, CensoringDistribution.estimate(time, event))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_auc_without_cases_of_both_kinds_is_not_a_number():
    time, event = np.array([1.0, 2.0, 3.0]), np.array([False, True, False])
    areas = time_dependent_auc([1, 2, 3], [1.5, 2.5, 5], time, event, CensoringDistribution.estimate([9.0], [True]))
    assert np.isnan(areas).tolist() == [True, False, True]


def test_scores_after_the_last_observation_are_refused():
    time, event = np.array([1.0, 2.0, 3.0]), np.array([True, True, False])
    with pytest.raises(InputError, match="earlier times"):
        brier_score(np.ones((3, 1)), [3.5], time + 2, event, CensoringDistribution.estimate(time, event))


def test_kaplan_meier_has_lifelines_curve_and_numbers_at_risk(cancer):
    time, event, _ = cancer
    curve = kaplan_meier(time, event)
    theirs = KaplanMeierFitter().fit(time, event)
    places = [0.0, 400.0, 1000.0]
    np.testing.assert_allclose(curve.at(places), theirs.survival_function_at_times(places).to_numpy())
    assert curve.number_at_risk(places).tolist() == [np.sum(time >= place) for place in places]
    assert ((curve.lower <= curve.survival) & (curve.survival <= curve.upper)).all()
    x, y = curve.step_points(curve.survival)
    assert len(x) == len(y) == 2 * len(curve.times) - 1


def test_hazard_ratio_of_groups_with_known_hazards():
    generator = np.random.default_rng(0)
    group = np.arange(4000) % 2
    time = generator.exponential(1 / np.where(group, 3.0, 1.0))
    ratio = hazard_ratio(group, time, np.ones(4000, bool))
    assert ratio.lower < 3 < ratio.upper
    assert ratio.p < 1e-10
    assert logrank_p(group, time, np.ones(4000, bool)) < 1e-10


def test_hazard_ratio_of_a_group_without_events_is_not_a_number():
    time, event = np.arange(1.0, 9.0), np.array([True, False] * 4)
    assert np.isnan(hazard_ratio(event, time, event).value)
    assert str(hazard_ratio(event, time, event)) == "not estimable"
    assert np.isnan(hazard_ratio(np.ones(8), time, event).p)
    assert np.isnan(logrank_p(np.ones(8), time, event))


def test_calibration_of_the_true_survival_lies_on_the_diagonal():
    generator = np.random.default_rng(0)
    hazard = np.exp(generator.normal(size=8000))
    time, censored = generator.exponential(1 / hazard), generator.uniform(0, 4, 8000)
    curve = calibration_curve(np.exp(-hazard), 1.0, np.minimum(time, censored), time <= censored)
    np.testing.assert_allclose(curve.observed, curve.predicted, atol=0.03)
    assert (curve.cases == 1600).all()


def test_outcomes_that_cannot_be_are_refused():
    for time, event, message in (
        ([1, -2], [1, 0], "case 2"),
        ([1, np.nan], [1, 0], "case 2"),
        ([1, 2], [0, 0], "No case has an event"),
        ([1, 2], [0, 3], "1 \\(observed\\) or 0"),
        ([1, 2, 3], [0, 1], "One time and one event"),
    ):
        with pytest.raises(InputError, match=message):
            concordance(np.zeros(len(time)), time, event)
