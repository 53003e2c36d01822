"""Cross-validation of predictors: table 6.1, no leakage, the report."""

import base64
import csv
import re
from dataclasses import replace

import numpy as np
import pytest

from DeformationLib.errors import Cancelled, InputError
from DeformationLib.progress import Progress
from RiskPredictionLib.concordance import concordance
from RiskPredictionLib.cross_validation import Row, evaluation_times, stratified_folds
from RiskPredictionLib.evaluation import BEST_CLINICAL, BOTH, CEILING, FINGERPRINT, evaluate, format_p, table_rows
from RiskPredictionLib.hyper_search import Choice, HyperSearch, Range
from RiskPredictionLib.linear import LinearCox
from RiskPredictionLib.report import report_html, write_report
from RiskPredictionLib.simulated_cohort import simulated_cohort
from RiskPredictionLib.survival_model import FingerprintCox

QUICK = FingerprintCox(members=3, folds=3, widths=(16, 4), epochs=10, learning_rate=5e-3, dropout=0.1)


@pytest.fixture(scope="module")
def evaluation():
    cohort = simulated_cohort(150, latent=3, slots=6, strength=1.5)
    return evaluate(cohort, table_rows(cohort, QUICK), folds=4, resamplings=200)


def test_has_the_rows_of_table_6_1(evaluation):
    names = [row.name for row in evaluation.rows]
    assert names == [*evaluation.cohort.clinical_names, FINGERPRINT, BEST_CLINICAL, BOTH, CEILING]


def test_figures_are_in_their_ranges_and_agree_with_each_other(evaluation):
    for row in evaluation.rows:
        assert row.concordance.lower <= row.concordance.value <= row.concordance.upper
        assert row.concordance.value == pytest.approx(np.nanmean(row.fold_concordance))
        assert 0 < row.integrated_brier < 0.3
        assert row.predictions.survival.shape == (150, len(evaluation.times))
        assert abs(int(row.predictions.high.sum()) - 75) <= 4
        assert row.calibration.horizon == evaluation.horizon
    ceiling, noise = evaluation.row(CEILING), evaluation.row("simulated_age")
    assert ceiling.concordance.value > 0.75
    assert ceiling.ratio.lower > 1.5
    assert ceiling.ratio.p < 0.005
    assert ceiling.logrank < 0.005
    assert ceiling.integrated_brier < noise.integrated_brier
    assert np.nanmean(ceiling.auc) > 0.75
    assert noise.ratio.p > 0.005
    assert evaluation.row(FINGERPRINT).concordance.value > 0.62
    assert evaluation.row(BOTH).concordance.value > 0.65


def test_concordance_of_folds_is_lifelines(evaluation):
    row, test = evaluation.row(CEILING), evaluation.folds[0]
    expected = concordance(row.predictions.risk[test], evaluation.cohort.time[test], evaluation.cohort.event[test])
    assert row.fold_concordance[0] == pytest.approx(expected)


def test_best_clinical_variables_are_chosen_inside_each_fold(evaluation):
    notes = evaluation.row(BEST_CLINICAL).predictions.notes
    assert len(notes) == 4
    assert all("0" in note.split() for note in notes)


@pytest.mark.parametrize("seed", [0, 1])
def test_random_outcomes_cannot_be_predicted(seed):
    cohort = simulated_cohort(150, latent=3, slots=6, strength=0.0, seed=seed)
    rows = [row for row in table_rows(cohort, QUICK) if row.name in (FINGERPRINT, BOTH)]
    found = evaluate(cohort, rows, folds=4, seed=seed, resamplings=300)
    assert all(0.5 in row.concordance for row in found.rows), str(found)


def test_what_a_fold_predicts_does_not_depend_on_the_outcomes_of_its_cases():
    cohort = simulated_cohort(60, latent=2, slots=3)
    rows = table_rows(cohort, QUICK)[4:6]
    found = evaluate(cohort, rows, folds=3, resamplings=20)
    test = found.folds[0]
    events = test[cohort.event[test]]
    cohort.time[events] = cohort.time[events][::-1]  # other outcomes for the cases of the first fold, same folds
    again = evaluate(cohort, rows, folds=3, resamplings=20)
    for before, after in zip(found.rows, again.rows):
        np.testing.assert_array_equal(before.predictions.risk[test], after.predictions.risk[test])


def test_folds_are_stratified_and_refused_where_they_cannot_be():
    event = np.arange(30) % 3 == 0
    folds = stratified_folds(event, 5)
    assert sorted(np.concatenate(folds).tolist()) == list(range(30))
    assert all(event[fold].sum() == 2 for fold in folds)
    for count in (1, 11, 30):
        with pytest.raises(InputError, match="choose 2 to 10 folds"):
            stratified_folds(event, count)
    with pytest.raises(InputError, match="too few"):
        stratified_folds(np.array([True, False, False]), 2)


def test_events_at_one_time_leave_nothing_to_evaluate():
    event = np.arange(20) % 2 == 0
    with pytest.raises(InputError, match="same time"):
        evaluation_times(np.where(event, 5.0, 9.0), event, stratified_folds(event, 2))


def test_failures_name_row_and_fold():
    cohort = simulated_cohort(40, latent=2, slots=3)
    rows = [Row("constant", np.ones((40, 1)), LinearCox())]
    with pytest.raises(InputError, match="constant, fold 1 of 3: Column 1"):
        evaluate(cohort, rows, folds=3)
    with pytest.raises(InputError, match="horizon"):
        evaluate(cohort, rows, folds=3, horizon=1e9)


def test_evaluation_can_be_cancelled_while_a_network_is_trained():
    def cancel_in_training(fraction, message):
        if message.startswith("Epoch"):
            progress.cancel()

    progress = Progress(cancel_in_training)
    with pytest.raises(Cancelled):
        evaluate(simulated_cohort(60, latent=2, slots=3), folds=3, progress=progress)
    assert 0 < progress.fraction < 0.8


def test_report_is_one_page_with_everything(evaluation, tmp_path):
    page = write_report(evaluation, tmp_path, "Phantoms <1>").read_text(encoding="utf-8")
    assert page.count("data:image/svg+xml;base64,") == 4
    assert not re.search(r'(src|href)="(?!data:)', page)
    figure = base64.b64decode(re.search(r"base64,([^\"]+)", page).group(1)).decode("utf-8")
    assert "simulated outcomes" in figure
    assert "Phantoms &lt;1&gt;" in page
    assert "research use only" in page
    assert "simulated: nothing here says anything about real patients" in page
    for row in evaluation.rows:
        assert row.name in page
        assert str(row.concordance) in page
    with open(tmp_path / "table.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["predictor"] for row in rows] == [row.name for row in evaluation.rows]
    assert float(rows[0]["C"]) == pytest.approx(evaluation.rows[0].concordance.value, abs=1e-5)
    assert {row["outcomes"] for row in rows} == {"simulated"}
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.html",
        "table.csv",
        "predictions.csv",
        "curves.csv",
        "kaplan_meier.csv",
    }


def test_report_of_observed_outcomes_does_not_say_simulated(evaluation):
    observed = replace(evaluation, cohort=replace(evaluation.cohort, simulated_risk=None), rows=evaluation.rows[:2])
    assert "outcomes of this cohort are simulated" not in report_html(observed)


def test_p_values_are_printed_as_in_the_thesis():
    assert [format_p(p) for p in (1e-9, 0.0071, 0.66, np.nan)] == ["<0.005", "0.007", "0.66", "n/a"]


@pytest.mark.parametrize("method", ["random", "evolution"])
def test_search_prefers_the_setting_that_predicts(method):
    cohort = simulated_cohort(90, latent=2, slots=3, strength=2.0)
    inputs = np.column_stack([cohort.simulated_risk, np.random.default_rng(0).normal(size=(90, 3))])
    space = {"penalizer": Range(1e-3, 1e6, logarithmic=True), "components": Choice((0, 1, 2))}
    search = HyperSearch(LinearCox(penalizer=10.0, components=1), space, trials=6, method=method)
    search.fit(inputs, cohort.time, cohort.event)
    assert len(search.trials_) == 6
    assert search.trials_[0][0] == {"penalizer": 10.0, "components": 1}
    best = max(score for _, score in search.trials_)
    assert dict(search.trials_[[score for _, score in search.trials_].index(best)][0]) == search.best_params_
    assert search.score(inputs, cohort.time, cohort.event) > 0.75
    assert search.predict_survival_function(inputs[:2]).survival.shape[0] == 2


def test_search_refuses_unknown_parameters():
    with pytest.raises(InputError, match="depth"):
        HyperSearch(LinearCox(), {"depth": Choice((1, 2))}).fit(np.zeros((4, 1)), [1, 2, 3, 4], [1, 0, 1, 0])
    with pytest.raises(InputError, match="evolution"):
        HyperSearch(LinearCox(), {}, method="grid").fit(np.zeros((4, 1)), [1, 2, 3, 4], [1, 0, 1, 0])


def test_mutation_stays_inside_the_space():
    generator = np.random.default_rng(0)
    scale, choice = Range(1e-3, 1.0, logarithmic=True), Choice(("a", "b", "c"))
    assert all(1e-3 <= scale.mutate(0.9, generator) <= 1.0 + 1e-12 for _ in range(50))
    assert {choice.mutate("a", generator) for _ in range(50)} == {"a", "b"}
