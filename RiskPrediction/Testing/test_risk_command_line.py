"""From a simulated cohort to a patient's prediction, through the commands."""

import csv
import json

import numpy as np
import pytest

from DeformationLib.errors import InputError
from MotionModelLib.motion_matrix import MotionMatrix
from RiskPredictionLib.command_line import main
from RiskPredictionLib.fingerprint_files import read_fingerprint_table, write_fingerprint_table
from RiskPredictionLib.patient import predict_patient
from RiskPredictionLib.risk_bundle import TrainedRisk

QUICK = ["--epochs", "8", "--learning-rate", "5e-3", "--device", "cpu"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A simulated cohort and a model trained on it."""
    folder = tmp_path_factory.mktemp("risk")
    cohort = ["--cases", "80", "--latent", "3", "--slots", "5"]
    assert main(["simulate-cohort", *cohort, "--strength", "2", "--output", str(folder)]) == 0
    words = ["--cohort", str(folder / "cohort.csv"), "--fingerprints", str(folder / "fingerprints.npz")]
    assert main(["fit", *words, *QUICK, "--name", "phantom-risk", "--output", str(folder / "model")]) == 0
    return folder


def test_saved_model_predicts_what_the_fitted_one_did(folder):
    trained = TrainedRisk.load(folder / "model")
    fingerprints = np.stack(list(read_fingerprint_table(folder / "fingerprints.npz").values()))
    again = TrainedRisk.of(trained.model, fingerprints, *_outcomes(folder), simulated=True)
    again.save(folder / "again")
    risks = [TrainedRisk.load(folder / name).model.predict_risk(fingerprints) for name in ("model", "again")]
    np.testing.assert_array_equal(*risks)
    np.testing.assert_allclose(risks[0], trained.model.predict_risk(fingerprints), atol=1e-9)


def _outcomes(folder):
    with open(folder / "cohort.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [float(row["time"]) for row in rows], [int(row["event"]) for row in rows]


def test_card_names_what_matters(folder):
    card = json.loads((folder / "model" / "model.json").read_text(encoding="utf-8"))
    assert card["name"] == "phantom-risk"
    assert card["model"]["class"] == "SurvivalNetwork"
    assert card["training"]["outcomes"] == "simulated"
    assert card["training"]["events"] == 29
    assert "not for clinical use" in card["intended_use"]
    assert "simulated" in card["purpose"]
    assert card["accuracy"]["held_out_concordance"] > 0.6
    groups = TrainedRisk.load(folder / "model").cohort["groups"]
    assert groups["low"]["survival"][-1] > groups["high"]["survival"][-1]


def test_predict_writes_risk_percentile_and_curve(folder, tmp_path, capsys):
    words = ["--model", str(folder / "model"), "--fingerprints", str(folder / "fingerprints.npz")]
    assert main(["predict", *words, "--output", str(tmp_path)]) == 0
    assert "research use only" in capsys.readouterr().out
    predictions = json.loads((tmp_path / "prediction.json").read_text(encoding="utf-8"))
    assert len(predictions) == 80
    one = predictions[0]
    assert 0 <= one["percentile"] <= 100
    assert one["survival"][0] == 1
    assert one["survival_lower"][-1] < one["survival"][-1] < one["survival_upper"][-1]
    place = np.flatnonzero(np.asarray(one["times"]) <= one["horizon"])[-1]
    expected = [100 * one[name][place] for name in ("survival", "survival_lower", "survival_upper")]
    assert one["survival_percent_at_horizon"] == pytest.approx(expected)
    times = np.loadtxt(folder / "cohort.csv", delimiter=",", skiprows=1, usecols=1)
    assert np.mean(times > one["horizon"]) == pytest.approx(0.1, abs=0.02)
    assert any("simulated outcomes" in warning for warning in one["warnings"])
    assert not any("far from" in warning for prediction in predictions for warning in prediction["warnings"])
    with open(tmp_path / "risks.csv", newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 80
    order = np.argsort([one["log_hazard_ratio"] for one in predictions])
    assert (np.diff([predictions[index]["survival"][-1] for index in order]) <= 0).all()


def test_predict_takes_motion_matrices_and_warns_of_strange_ones(folder, tmp_path, capsys):
    strange = 40 * np.random.default_rng(0).normal(size=(1, 3, 5))
    (tmp_path / "patient7").mkdir()
    path = MotionMatrix(strange, np.ones((1, 3)), "motion").write(tmp_path / "patient7" / "motion_matrix.csv")
    words = ["predict", "--model", str(folder / "model"), "--output", str(tmp_path / "out"), "--fingerprints"]
    assert main([*words, str(path)]) == 0
    printed = capsys.readouterr().out
    assert "patient7" in printed
    assert "far from those of the training cohort" in printed


def test_fingerprints_of_another_size_are_refused(folder, tmp_path, capsys):
    path = write_fingerprint_table(tmp_path / "f.npz", ["a"], np.zeros((1, 4, 5)))
    words = ["predict", "--model", str(folder / "model"), "--output", str(tmp_path), "--fingerprints", str(path)]
    assert main(words) == 2
    assert "4 x 5 values (latent dimensions x times), but the risk model was trained with 3 x 5" in (
        capsys.readouterr().err
    )
    with pytest.raises(InputError, match="3 x 5"):
        predict_patient(TrainedRisk.load(folder / "model"), np.zeros((5, 3)))


def test_evaluate_writes_the_report(folder, tmp_path, capsys):
    words = ["--cohort", str(folder / "cohort.csv"), "--fingerprints", str(folder / "fingerprints.npz")]
    options = ["--cross-validation", "3", "--resamplings", "50", "--members", "5"]
    assert main(["evaluate", *words, *QUICK, *options, "--output", str(tmp_path)]) == 0
    assert "Fingerprint + best clinical" in capsys.readouterr().out
    assert (tmp_path / "report.html").stat().st_size > 20000


def test_outcomes_are_simulated_for_a_given_cohort(tmp_path, capsys):
    rows = "".join(f"c{number},{number + 1},{number % 2},{30 + number % 17},{number % 5}\n" for number in range(40))
    (tmp_path / "real.csv").write_text("case,time,event,EF,age\n" + rows, encoding="utf-8")
    words = ["simulate-cohort", "--cohort", str(tmp_path / "real.csv"), "--output", str(tmp_path / "out")]
    assert main([*words, "--risk", "EF:-1,age:0.5"]) == 0
    header, *lines = (tmp_path / "out" / "cohort.csv").read_text(encoding="utf-8").splitlines()
    assert header == "case,time,event,simulated_risk,EF,age"
    assert len(lines) == 40
    for risk in ("", "BMI:1", "EF:much"):
        assert main([*words, "--risk", risk]) == 2
    assert "'much' is no weight" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text, message",
    [("case,time,event\na,1,1\nb,-2,0\n", "Row 3, column 'time'"), ("case,time,event\na,1,1\nb,2,0\n", "fingerprints")],
)
def test_failures_are_one_sentence_and_exit_code_2(tmp_path, capsys, text, message):
    (tmp_path / "cohort.csv").write_text(text, encoding="utf-8")
    assert main(["fit", "--cohort", str(tmp_path / "cohort.csv"), "--output", str(tmp_path / "model")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_models_that_are_no_risk_models_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match="There is no model"):
        TrainedRisk.load(tmp_path)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for name in ("model.json", "weights.pt"):
        (damaged / name).write_bytes((folder / "model" / name).read_bytes())
    (damaged / "weights.pt").write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged"):
        TrainedRisk.load(damaged)
    card = json.loads((folder / "model" / "model.json").read_text(encoding="utf-8"))
    del card["survival"]
    (damaged / "model.json").write_text(json.dumps(card), encoding="utf-8")
    (damaged / "weights.pt").write_bytes((folder / "model" / "weights.pt").read_bytes())
    with pytest.raises(InputError, match="incomplete"):
        TrainedRisk.load(damaged)
    card["model"]["class"] = "MotionNetwork"
    (damaged / "model.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(InputError, match="class MotionNetwork"):
        TrainedRisk.load(damaged)
