"""What drives a risk: completeness and symmetry of the attributions, and fingerprints changed along the gradient."""

import csv

import numpy as np
import pytest
import torch

from DeformationLib.errors import InputError
from RiskPredictionLib.attributions import drivers, gradients, integrated_gradients
from RiskPredictionLib.changed_fingerprints import changed_fingerprints
from RiskPredictionLib.survival_model import FingerprintCox

from .risk_model_fixtures import trained_risk


@pytest.fixture(scope="module")
def risk():
    return trained_risk()


def test_contributions_sum_to_the_difference_of_risks(risk):
    trained, fingerprints = risk
    found = integrated_gradients(trained.model, fingerprints[:20], steps=256)
    assert found.shape == (20, 15)
    risks = trained.model.predict_risk(fingerprints[:20]) - trained.model.predict_risk(trained.model.mean_[None])
    np.testing.assert_allclose(found.sum(axis=1), risks, atol=5e-3 * np.abs(risks).max())
    assert np.abs(risks).max() > 0.5
    other = integrated_gradients(trained.model, fingerprints[:3], baseline=fingerprints[5], steps=256)
    expected = trained.model.predict_risk(fingerprints[:3]) - trained.model.predict_risk(fingerprints[5:6])
    np.testing.assert_allclose(other.sum(axis=1), expected, atol=0.02)


def test_what_a_case_gets_does_not_depend_on_the_others(risk):
    trained, fingerprints = risk
    together = integrated_gradients(trained.model, fingerprints[:40])
    np.testing.assert_allclose(integrated_gradients(trained.model, fingerprints[7:8])[0], together[7], atol=1e-5)


def test_values_that_the_network_does_not_see_contribute_nothing(risk):
    trained, fingerprints = risk
    model = FingerprintCox(**trained.model.get_params())
    vars(model).update(vars(trained.model))
    model.network_ = model.new_network().eval()
    model.network_.load_state_dict(trained.model.network_.state_dict())
    with torch.no_grad():
        model.network_.encoder[0].weight[:, 4] = 0
    model.scale_ = model.scale_.copy()
    model.scale_[9] = np.inf  # constant in the training cohort
    found = integrated_gradients(model, fingerprints)
    assert (found[:, [4, 9]] == 0).all()
    assert (np.delete(found, [4, 9], axis=1) != 0).any(axis=0).all()
    assert (integrated_gradients(trained.model, trained.model.mean_[None]) == 0).all()


def test_gradient_is_that_of_the_risk(risk):
    trained, fingerprints = risk
    place = torch.from_numpy(fingerprints[3].ravel())
    found = gradients(trained.model, place[None])[0]
    direction = found / found.norm()
    ahead, behind = (trained.model.predict_risk((place + step * direction)[None])[0] for step in (1e-2, -1e-2))
    assert (ahead - behind) / 2e-2 == pytest.approx(float(found.norm()), rel=0.05)


def test_drivers_are_summed_over_times_and_dimensions_and_written(risk, tmp_path):
    trained, fingerprints = risk
    case = int(np.argmax(trained.model.predict_risk(fingerprints)))
    found = drivers(trained, fingerprints[case], steps=256)
    assert found.contributions.shape == (3, 5)
    assert found.by_time.shape == (5,)
    assert found.by_dimension.shape == (3,)
    for part in (found.contributions, found.by_time, found.by_dimension):
        assert part.sum() == pytest.approx(found.risk - found.baseline_risk, abs=0.02)
    assert found.risk == pytest.approx(trained.model.predict_risk(fingerprints[case : case + 1])[0])
    with open(found.write(tmp_path / "drivers.csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["dimension"] for row in rows] == ["0", "1", "2", "all"]
    assert float(rows[-1]["slot_2"]) == pytest.approx(found.by_time[1], rel=1e-4)
    assert float(rows[1]["all_slots"]) == pytest.approx(found.by_dimension[1], rel=1e-4)
    assert "most by slot of time" in str(found)


@pytest.mark.parametrize("amount", [0.2, 0.4])
def test_risk_rises_and_falls_by_what_was_asked_for(risk, amount):
    trained, fingerprints = risk
    middle = int(np.argsort(trained.model.predict_risk(fingerprints))[len(fingerprints) // 2])
    changed = changed_fingerprints(trained, fingerprints[middle], amount)
    assert changed.up.shape == changed.down.shape == (3, 5)
    assert changed.up_risk - changed.risk == pytest.approx(amount, abs=0.01)
    assert changed.risk - changed.down_risk == pytest.approx(amount, abs=0.01)
    assert changed.warnings == []
    assert changed.up_risk == pytest.approx(trained.model.predict_risk(changed.up[None])[0])


def test_changed_fingerprints_stay_where_the_training_cohort_is(risk):
    trained, fingerprints = risk
    own, farthest = trained.distance.distance(fingerprints), trained.distance.reference[-1]
    for case in range(0, 90, 9):
        changed = changed_fingerprints(trained, fingerprints[case], 50.0)
        limit = 1.01 * max(own[case], farthest)
        assert (trained.distance.distance(np.stack([changed.up, changed.down])) <= limit).all()
        # Nothing leaves the span of the main components.
        change = ((changed.up - fingerprints[case]).ravel() / trained.distance.scale)[None]
        inside = change @ np.linalg.pinv(trained.distance.components) @ trained.distance.components
        np.testing.assert_allclose(inside, change, atol=1e-9)
        assert len(changed.warnings) == 2
        assert "not 5.2e+21-fold" in changed.warnings[0]
        assert changed.down_risk <= changed.risk <= changed.up_risk


def test_known_driver_is_found(risk):
    trained, fingerprints = risk
    mixture = np.random.default_rng(99).normal(size=(4, 3, 5))
    _, *others = mixture
    # The part of the first direction that no other one explains.
    basis = np.linalg.qr(np.stack(others).reshape(3, -1).T)[0]
    causal = mixture[0].ravel() - basis @ (basis.T @ mixture[0].ravel())
    changes = []
    for case in range(0, 90, 9):
        changed = changed_fingerprints(trained, fingerprints[case], 0.5)
        change = (changed.up - changed.down).ravel()
        changes.append(change @ causal / np.linalg.norm(change) / np.linalg.norm(causal))
    assert np.mean(changes) > 0.4


def test_bad_input_is_refused_with_a_sentence(risk):
    trained, fingerprints = risk
    with pytest.raises(InputError, match="3 x 5"):
        drivers(trained, np.zeros((5, 3)))
    with pytest.raises(InputError, match="3 x 5"):
        changed_fingerprints(trained, np.zeros((2, 5)))
    broken = fingerprints[0].copy()
    broken[1, 1] = np.nan
    for function in (drivers, changed_fingerprints):
        with pytest.raises(InputError, match="Value 7 of case 1 is not a finite number"):
            function(trained, broken)
    for amount in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InputError, match="amount above 0"):
            changed_fingerprints(trained, fingerprints[0], amount)
    with pytest.raises(InputError, match="at least one step"):
        integrated_gradients(trained.model, fingerprints, steps=0)
    with pytest.raises(InputError, match="7 values each, but the model was fitted to 15"):
        integrated_gradients(trained.model, fingerprints, baseline=np.zeros(7))
    with pytest.raises(InputError, match="call fit first"):
        integrated_gradients(FingerprintCox(), fingerprints)
