"""The estimators: that they learn, behave like scikit-learn's, and refuse what cannot be."""

import numpy as np
import pytest
import torch
from lifelines import CoxPHFitter
from lifelines.datasets import load_rossi
from sklearn.base import clone

from DeformationLib.errors import Cancelled, InputError
from DeformationLib.progress import Progress
from RiskPredictionLib.combined import BestSubsetCox, CombinedCox
from RiskPredictionLib.concordance import concordance
from RiskPredictionLib.linear import LinearCox, univariate_cox
from RiskPredictionLib.survival_model import THESIS, FingerprintCox
from RiskPredictionLib.survival_network import SurvivalNetwork
from RiskPredictionLib.survival_training import SurvivalSchedule, held_out_folds, survival_loss

from .risk_fixtures import hazard_cohort

SMALL = {
    "members": 3,
    "folds": 3,
    "widths": (16, 4),
    "epochs": 25,
    "batch_size": 32,
    "learning_rate": 5e-3,
    "dropout": 0.1,
}


@pytest.fixture(scope="module")
def fitted():
    values, time, event, _ = hazard_cohort(150)
    return FingerprintCox(**SMALL).fit(values, time, event), values, time, event


def test_network_has_the_thesis_layers():
    network = SurvivalNetwork(1600, members=2)
    sizes = [tuple(layer.weight.shape[1:]) for layer in (*network.encoder, *network.decoder, network.head)]
    assert sizes == [(1600, 180), (180, 10), (10, 180), (180, 1600), (10, 1)]
    assert network.dropout == 0.3
    risk, reconstruction = network(torch.randn(2, 5, 1600))
    assert risk.shape == (2, 5)
    assert reconstruction.shape == (2, 5, 1600)
    assert risk.abs().max() < 1


def test_members_are_independent():
    torch.manual_seed(0)
    network = SurvivalNetwork(6, (16, 8), members=3).eval()
    inputs = torch.randn(3, 5, 6)
    risk, _ = network(inputs)
    risk[1].sum().backward()
    gradient = network.encoder[0].weight.grad
    assert gradient[1].abs().sum() > 0
    assert gradient[[0, 2]].abs().sum() == 0


def test_loss_without_events_is_the_reconstruction_alone():
    network = SurvivalNetwork(6, (4, 2), dropout=0.0, members=2)
    inputs, time = torch.randn(2, 5, 6), torch.rand(2, 5)
    loss, risk, reconstruction = survival_loss(
        network, inputs, time, torch.zeros(2, 5, dtype=torch.bool), SurvivalSchedule(alpha=7.0)
    )
    assert risk.tolist() == [0, 0]
    torch.testing.assert_close(loss.detach(), reconstruction.sum())


def test_alpha_weighs_the_risk():
    network = SurvivalNetwork(6, (4, 2), dropout=0.0)
    inputs, time, event = torch.randn(1, 5, 6), torch.rand(1, 5), torch.ones(1, 5, dtype=torch.bool)
    parts = [survival_loss(network, inputs, time, event, SurvivalSchedule(alpha=alpha)) for alpha in (1.0, 3.0)]
    torch.testing.assert_close((parts[1][0] - parts[0][0]).detach(), 2 * parts[0][1].sum())


def test_every_case_is_held_out_once_by_as_many_members_as_folds():
    event = np.arange(50) % 3 == 0
    held_out = held_out_folds(event, 5, 5, 0)
    assert (held_out.sum(axis=0) == 1).all()
    assert all(event[cases].any() for cases in held_out)
    assert (held_out_folds(event, 10, 5, 0)[5:] != held_out).any()


def test_learns_a_linear_hazard(fitted):
    model, *_ = fitted
    values, time, event, risk = hazard_cohort(300, seed=9)
    assert model.score(values, time, event) > concordance(risk, time, event) - 0.06
    # Beyond the order, the scale: the slope of the true log hazard on the predicted one is near 1.
    assert np.polyfit(model.predict_risk(values), risk, 1)[0] == pytest.approx(1.0, abs=0.5)


def test_learns_a_non_linear_hazard_that_a_linear_model_cannot():
    values, time, event, _ = hazard_cohort(500, 4, nonlinear=True)
    new = hazard_cohort(500, 4, nonlinear=True, seed=1)[:3]
    ours = (
        FingerprintCox(**{**SMALL, "epochs": 60, "patience": 20, "dropout": 0.0}).fit(values, time, event).score(*new)
    )
    assert ours > LinearCox().fit(values, time, event).score(*new) + 0.08


def test_same_seed_same_result(fitted):
    model, values, time, event = fitted
    again = clone(model).fit(values, time, event)
    np.testing.assert_array_equal(again.predict_risk(values), model.predict_risk(values))
    other = clone(model).set_params(seed=5, epochs=2).fit(values, time, event)
    assert not np.allclose(other.predict_risk(values), model.predict_risk(values))


def test_random_numbers_of_others_are_left_alone(fitted):
    model, values, time, event = fitted
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    clone(model).set_params(epochs=1).fit(values, time, event)
    assert torch.equal(torch.rand(2), expected)


def test_parameters_survive_get_and_set(fitted):
    model = fitted[0]
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "network_")
    assert FingerprintCox(**THESIS).get_params()["batch_size"] == 16


def test_standardisation_is_part_of_the_fit(fitted):
    model, values, time, event = fitted
    scales = np.geomspace(1e-3, 1e4, values.shape[1])
    model = clone(model).set_params(scaling="each").fit(values, time, event)
    other = clone(model).fit(values * scales + 10 * scales, time, event)
    np.testing.assert_allclose(other.predict_risk(values * scales + 10 * scales), model.predict_risk(values), atol=0.02)


def test_latent_dimensions_keep_their_proportions(fitted):
    model, values, time, event = fitted
    moved = 30 * values + np.arange(values.shape[1])
    other = clone(model).fit(moved, time, event)
    np.testing.assert_allclose(other.predict_risk(moved), model.predict_risk(values), atol=0.02)
    weights = np.linspace(0.1, 2, values.shape[1])
    unlike = clone(model).set_params(epochs=1).fit(values * weights, time, event)
    np.testing.assert_allclose(unlike.scale_, np.sqrt(np.mean((values.std(axis=0) * weights) ** 2)))


def test_fingerprints_may_keep_their_shape(fitted):
    model, values, time, event = fitted
    shaped = clone(model).set_params(epochs=2).fit(values.reshape(-1, 3, 4), time, event)
    flat = clone(model).set_params(epochs=2).fit(values, time, event)
    np.testing.assert_array_equal(shaped.predict_risk(values.reshape(-1, 3, 4)), flat.predict_risk(values))


def test_a_constant_value_is_ignored(fitted):
    model, values, time, event = fitted
    values = np.column_stack([values, np.full(len(values), 7.0)])
    model = clone(model).set_params(epochs=2).fit(values, time, event)
    changed = values.copy()
    changed[:, -1] = 900
    np.testing.assert_array_equal(model.predict_risk(values), model.predict_risk(changed))


def test_survival_functions_fall_and_order_by_risk(fitted):
    model, values, *_ = fitted
    risk, curves = model.predict_risk(values), model.predict_survival_function(values)
    order = np.argsort(risk)
    assert (np.diff(curves.survival, axis=1) <= 0).all()
    assert (np.diff(curves.survival[order, -1]) <= 0).all()
    assert ((curves.lower <= curves.survival) & (curves.survival <= curves.upper)).all()
    assert (model.predict_deviation(values) > 0).all()


def test_percentile_of_the_training_risks(fitted):
    model = fitted[0]
    assert model.risk_percentile(np.median(model.training_risk_))[0] == pytest.approx(50, abs=1)
    assert model.risk_percentile([-99.0, 99.0]).tolist() == [0, 100]


def test_held_out_risks_of_random_outcomes_are_not_optimistic():
    found = []
    for seed in range(6):
        values, time, event, _ = hazard_cohort(120, 40, strength=0.0, seed=seed)
        model = FingerprintCox(**{**SMALL, "epochs": 12}).fit(values, time, event)
        found.append(concordance(model.training_risk_, time, event))
    # The standard error of the mean of six is about 0.018.
    assert np.mean(found) < 0.55


def test_gradients_reach_the_fingerprint(fitted):
    model, values, *_ = fitted
    inputs = torch.tensor(values[:4], requires_grad=True)
    risk = model.log_hazard(inputs)
    risk.sum().backward()
    np.testing.assert_allclose(risk.detach().numpy(), model.predict_risk(values[:4]), atol=1e-5)
    assert inputs.grad.abs().sum() > 0


def test_fit_can_be_cancelled(fitted):
    model, values, time, event = fitted
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        clone(model).fit(values, time, event, progress)


def test_history_has_a_row_per_epoch(fitted):
    history = fitted[0].history_
    assert len(history.risk) == len(history.held_out) == len(history.reconstruction) <= 25
    assert history.best_epoch < len(history.risk)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"members": 0}, "members"),
        ({"dropout": 1.0}, "Dropout"),
        ({"ties": "exact"}, "efron"),
        ({"scaling": "none"}, "common, each"),
        ({"folds": 90}, "fewer folds"),
        ({"widths": ()}, "widths"),
    ],
)
def test_parameters_out_of_range_are_refused(change, message):
    values, time, event, _ = hazard_cohort()
    with pytest.raises(InputError, match=message):
        FingerprintCox(**change).fit(values, time, event)


def test_inputs_that_cannot_be_are_refused(fitted):
    model, values, time, event = fitted
    with pytest.raises(InputError, match="5 values each, but the model was fitted to 12"):
        model.predict_risk(values[:, :5])
    with pytest.raises(InputError, match="150 cases, but outcomes of 149"):
        clone(model).fit(values, time[1:], event[1:])
    broken = values.copy()
    broken[3, 1] = np.nan
    with pytest.raises(InputError, match="Value 2 of case 4"):
        clone(model).fit(broken, time, event)
    with pytest.raises(InputError, match="call fit first"):
        FingerprintCox().predict_risk(values)


def test_linear_cox_is_lifelines_model():
    table = load_rossi()
    theirs = CoxPHFitter().fit(table, "week", "arrest")
    variables = table.drop(columns=["week", "arrest"]).to_numpy(float)
    ours = LinearCox().fit(variables, table["week"].to_numpy(), table["arrest"].to_numpy())
    expected = theirs.predict_log_partial_hazard(table).to_numpy()
    np.testing.assert_allclose(ours.predict_risk(variables), expected, atol=1e-6)
    assert ours.aic_ == pytest.approx(theirs.AIC_partial_, abs=1e-6)
    survival = ours.predict_survival_function(variables[:5], [10.0, 40.0]).survival
    np.testing.assert_allclose(survival, theirs.predict_survival_function(table[:5], [10.0, 40.0]).T, atol=1e-6)


def test_sparse_cox_selects_what_matters():
    values, time, event, _ = hazard_cohort(200, 8)
    model = LinearCox(penalizer=0.15, l1_ratio=1.0).fit(values, time, event)
    assert model.selected_.tolist() == [0]


def test_principal_components_allow_more_values_than_cases():
    values, time, event, risk = hazard_cohort(60, 10)
    wide = values @ np.random.default_rng(1).normal(size=(10, 200))
    model = LinearCox(0.05, components=10).fit(wide, time, event)
    assert np.corrcoef(model.predict_risk(wide), risk)[0, 1] > 0.8


def test_collinear_and_constant_variables_are_refused_with_a_sentence():
    values, time, event, _ = hazard_cohort(80, 2)
    with pytest.raises(InputError, match="Column 3"):
        LinearCox().fit(np.column_stack([values, np.ones(80)]), time, event)
    with pytest.raises(InputError, match="penalizer"):
        LinearCox().fit(np.column_stack([values, values[:, 0]]), time, event)


def test_univariate_ratios():
    values, time, event, _ = hazard_cohort(400, 2)
    first, second = univariate_cox(values, ["severity", "noise"], time, event)
    assert first.name == "severity"
    assert first.ratio.lower < np.exp(1.5 * values[:, 0].std()) < first.ratio.upper
    assert first.ratio.p < 1e-6 < second.ratio.p


@pytest.mark.parametrize("exhaustive", [6, 1])
def test_best_subset_finds_the_variable_that_matters(exhaustive):
    values, time, event, _ = hazard_cohort(150, 3)
    # A column that repeats another must not stop the search.
    model = BestSubsetCox(exhaustive=exhaustive).fit(np.column_stack([values, values[:, 1]]), time, event)
    assert 0 in model.subset_
    assert model.score(np.column_stack([values, values[:, 1]]), time, event) > 0.7


def test_combined_model_uses_both():
    values, time, event, _ = hazard_cohort(200, 6, seed=2)
    clinical = hazard_cohort(200, 2, seed=5)[0]
    hazard = 1.2 * values[:, 0] + 1.2 * clinical[:, 1]
    time = np.random.default_rng(0).exponential(np.exp(-hazard))
    event = np.ones(200, bool)
    inputs = np.column_stack([values, clinical])
    model = CombinedCox(6, FingerprintCox(**SMALL)).fit(inputs, time, event)
    both = model.score(inputs, time, event)
    assert both > model.fingerprint_model_.score(values, time, event) + 0.03
    assert both > model.clinical_model_.score(clinical, time, event) + 0.03
    assert (model.predict_deviation(inputs) > 0).all()
    with pytest.raises(InputError, match="no clinical one"):
        CombinedCox(8).fit(inputs, time, event)
