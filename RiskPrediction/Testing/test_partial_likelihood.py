"""The loss against lifelines, its gradient, and what it must not depend on."""

import numpy as np
import pandas
import pytest
import torch
from lifelines import CoxPHFitter
from lifelines.datasets import load_rossi

from RiskPredictionLib.partial_likelihood import TIES, negative_log_partial_likelihood


def cohort(cases=40, seed=0, ties=True):
    generator = np.random.default_rng(seed)
    time = generator.integers(1, 9, cases).astype(float) if ties else generator.exponential(1, cases)
    return (
        torch.from_numpy(generator.normal(size=cases)),
        torch.from_numpy(time),
        torch.from_numpy(generator.random(cases) < 0.5),
    )


def by_definition(risk, time, event, ties):
    """Eq. 6.4, event by event, without any care for stability or speed."""
    total = 0.0
    for moment in np.unique(time[event]):
        tied = (time == moment) & event
        at_risk, of_tied = np.exp(risk[time >= moment]).sum(), np.exp(risk[tied]).sum()
        for number in range(tied.sum()):
            share = number / tied.sum() if ties == "efron" else 0.0
            total += np.log(at_risk - share * of_tied)
        total -= risk[tied].sum()
    return total


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_definition(ties, seed):
    risk, time, event = cohort(seed=seed)
    expected = by_definition(risk.numpy(), time.numpy(), event.numpy(), ties)
    assert float(negative_log_partial_likelihood(risk, time, event, ties)) == pytest.approx(expected, abs=1e-10)


def test_equals_lifelines_on_its_own_cohort():
    table = load_rossi()
    fitted = CoxPHFitter().fit(table, "week", "arrest")
    risk = torch.tensor(fitted.predict_log_partial_hazard(table).to_numpy())
    time, event = (torch.tensor(table[name].to_numpy(float)) for name in ("week", "arrest"))
    ours = float(negative_log_partial_likelihood(risk, time, event, "efron"))
    assert ours == pytest.approx(-fitted.log_likelihood_, abs=1e-6)


@pytest.mark.parametrize("ties", TIES)
def test_equals_scikit_survival_s_loss(ties):
    linear_model = pytest.importorskip("sksurv.linear_model", reason="scikit-survival is a development extra")
    risk, time, event = cohort(cases=60)
    outcome = np.array(list(zip(event.numpy(), time.numpy())), dtype=[("event", bool), ("time", float)])
    fitted = linear_model.CoxPHSurvivalAnalysis(ties=ties).fit(risk.numpy()[:, None], outcome)
    # At their optimum the slope of our loss along the only coefficient must vanish.
    coefficient = torch.tensor(fitted.coef_[0], requires_grad=True)
    negative_log_partial_likelihood(risk * coefficient, time, event, ties).backward()
    assert abs(float(coefficient.grad)) < 1e-6


@pytest.mark.parametrize("ties", TIES)
def test_gradient(ties):
    risk, time, event = cohort(cases=12)
    assert torch.autograd.gradcheck(
        lambda value: negative_log_partial_likelihood(value, time, event, ties), risk.requires_grad_()
    )


@pytest.mark.parametrize("ties", TIES)
def test_order_of_rows_does_not_matter(ties):
    risk, time, event = cohort()
    order = torch.randperm(len(risk), generator=torch.Generator().manual_seed(3))
    shuffled = negative_log_partial_likelihood(risk[order], time[order], event[order], ties)
    assert float(shuffled) == pytest.approx(float(negative_log_partial_likelihood(risk, time, event, ties)), abs=1e-10)


@pytest.mark.parametrize("ties", TIES)
def test_cohorts_along_leading_axes_are_independent(ties):
    parts = [cohort(seed=seed) for seed in range(4)]
    together = negative_log_partial_likelihood(*(torch.stack(part) for part in zip(*parts)), ties)
    apart = torch.stack([negative_log_partial_likelihood(*part, ties) for part in parts])
    torch.testing.assert_close(together, apart)


@pytest.mark.parametrize("ties", TIES)
def test_a_batch_without_an_event_contributes_nothing(ties):
    risk, time, event = cohort()
    risk.requires_grad_()
    loss = negative_log_partial_likelihood(risk, time, torch.zeros_like(event), ties)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(risk.grad, torch.zeros_like(risk))
    assert negative_log_partial_likelihood(risk[:0], time[:0], event[:0], ties).item() == 0


@pytest.mark.parametrize("ties", TIES)
def test_stays_finite_and_right_for_extreme_risks(ties):
    risk, time, event = cohort()
    risk = (risk * 2000).requires_grad_()
    loss = negative_log_partial_likelihood(risk, time, event, ties)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(risk.grad).all()
    shifted = negative_log_partial_likelihood(risk.detach() + 1e5, time, event, ties)
    assert float(shifted) == pytest.approx(loss.item(), rel=1e-9)


def test_efron_keeps_ties_of_low_risk_beside_cases_of_high_risk():
    risk = torch.tensor([-1000.0, -1000.0, 0.0], dtype=torch.float64)
    time, event = torch.tensor([2.0, 2.0, 1.0]), torch.tensor([True, True, True])
    # The two tied at the end: log 2 for the first of them, log(2 - 1) for the second.
    assert float(negative_log_partial_likelihood(risk, time, event, "efron")) == pytest.approx(np.log(2))


def test_unknown_ties_are_refused():
    with pytest.raises(ValueError, match="efron"):
        negative_log_partial_likelihood(*cohort(), ties="exact")


def test_tables_stay_as_they_were():
    table = pandas.DataFrame({"time": [3.0, 1.0], "risk": [0.1, 0.2]})
    risk = torch.from_numpy(table["risk"].to_numpy().copy())
    negative_log_partial_likelihood(risk, torch.tensor([3.0, 1.0]), torch.tensor([True, True]))
    assert risk.tolist() == [0.1, 0.2]
