"""Training a risk model with the command: cohort and fingerprints or cine, card, resuming, limits, refusals."""

import csv
import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from DeformationLib.catalogue import read_card
from RiskPredictionLib.cohort_table import write_cohort
from RiskPredictionLib.command_line import main as risk_command
from RiskPredictionLib.fingerprint_files import write_fingerprint_table
from RiskPredictionLib.risk_bundle import TrainedRisk
from RiskPredictionLib.simulated_cohort import simulated_cohort
from Testing.extraction_fixtures import motion_model_fixtures, write_cine

COMMAND = Path(__file__).parents[1] / "RiskPredictionTrain" / "RiskPredictionTrain.py"
_TINY = "--widths 12,4 --epochs 6 --learning-rate 1e-2 --resamplings 20 --cross-validation 2 --device cpu"
TINY = _TINY.split()


@pytest.fixture(scope="module")
def command():
    """The command as a module, so that torch is not imported again for every test."""
    specification = importlib.util.spec_from_file_location("RiskPredictionTrain", COMMAND)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Words that name a simulated cohort and its fingerprints."""
    folder = tmp_path_factory.mktemp("cohort")
    simulated = simulated_cohort(70, 3, 5, strength=2.0, seed=2)
    # One clinical variable: choosing the best of several in every fold takes its time.
    simulated = replace(simulated, clinical=simulated.clinical[:, :1], clinical_names=simulated.clinical_names[:1])
    write_cohort(folder / "cohort.csv", simulated)
    write_fingerprint_table(folder / "f.npz", simulated.cases, simulated.fingerprints, model="phantom", slices=3)
    return ["--cohort", str(folder / "cohort.csv"), "--fingerprints", str(folder / "f.npz")]


@pytest.fixture(scope="module")
def trained(command, cohort, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    card = ["--name", "phantom-risk", "--data-name", "simulated cohort", "--licence", "none", "--seed", "4"]
    assert command.main([*cohort, *TINY, *card, "--output", str(folder)]) == 0
    return folder


def test_command_writes_model_log_and_report(trained):
    model = TrainedRisk.load(trained / "model")
    assert model.name == "phantom-risk"
    assert model.shape == (3, 5)
    assert model.motion_model == model.motion_source == "phantom"
    assert model.simulated
    with open(trained / "log.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == [str(number + 1) for number in range(len(rows))]
    assert {"risk", "reconstruction", "held_out"} < set(rows[0])
    assert "esearch use only" in (trained / "log.txt").read_text(encoding="utf-8")
    assert "imulated" in (trained / "report" / "report.html").read_text(encoding="utf-8")


def test_card_says_how_it_was_trained_and_what_the_cross_validation_gave(trained):
    card = read_card(trained / "model")
    assert card["training"]["command"].startswith("RiskPredictionTrain --cohort cohort.csv --fingerprints f.npz")
    assert "--resume" not in card["training"]["command"]
    assert card["training"]["data"] == "simulated cohort"
    assert card["training"]["outcomes"] == "simulated"
    assert card["training"]["seed"] == card["model"]["parameters"]["seed"] == 4
    assert card["training"]["end_to_end"] is False
    assert card["training"]["cases"] == 70
    accuracy = card["accuracy"]
    assert accuracy["held_out_concordance"] == pytest.approx(card["training"]["held_out_concordance"])
    found = accuracy["cross_validation"]
    assert found["folds"] == 2
    rows = found["rows"]
    assert {"simulated_EF", "Fingerprint"} < set(rows)
    value, lower, upper = rows["Fingerprint"]["concordance"]
    assert 0.5 < lower < value < upper <= 1
    assert rows["Fingerprint"]["integrated_brier_score"] > 0


def test_progress_is_printed_in_slicers_tags(command, cohort, tmp_path, capsys):
    words = [*cohort, *TINY, "--cross-validation", "0", "--output", str(tmp_path), "--slicer-progress"]
    assert command.main(words) == 0
    printed = capsys.readouterr().out
    assert "<filter-progress>1</filter-progress>" in printed
    assert "<filter-comment>Epoch 1: held-out loss" in printed
    assert "cross_validation" not in read_card(tmp_path / "model")["accuracy"]


def test_time_limit_ends_the_run_and_resume_goes_on_to_the_same_model(command, cohort, trained, tmp_path, capsys):
    words = [*cohort, *TINY, "--name", "phantom-risk", "--seed", "4", "--output", str(tmp_path)]
    assert command.main([*words, "--max-minutes", "1e-9"]) == 0
    assert "stopped after" in capsys.readouterr().out
    assert not (tmp_path / "model").exists()
    assert (tmp_path / "checkpoint.json").is_file()
    # The model without its evaluation, as a run leaves it that was stopped in between.
    checkpoint = json.loads((trained / "checkpoint.json").read_text(encoding="utf-8"))
    del checkpoint["accuracy"]
    (tmp_path / "checkpoint.json").write_text(json.dumps(checkpoint), encoding="utf-8")
    (tmp_path / "model").mkdir()
    for name in ("model.json", "weights.pt"):
        (tmp_path / "model" / name).write_bytes((trained / "model" / name).read_bytes())
    assert command.main([*words, "--resume"]) == 0
    assert "resumed after minutes" in (tmp_path / "log.txt").read_text(encoding="utf-8")
    cards = [read_card(folder / "model") for folder in (trained, tmp_path)]
    assert cards[0]["accuracy"] == cards[1]["accuracy"]
    assert cards[0]["weights_sha256"] == cards[1]["weights_sha256"]


def test_same_seed_gives_the_same_model(command, cohort, trained, tmp_path):
    words = [*cohort, *TINY, "--cross-validation", "0", "--output", str(tmp_path), "--name", "again"]
    assert command.main([*words, "--seed", "4"]) == 0
    cards = [read_card(folder / "model") for folder in (trained, tmp_path)]
    assert cards[0]["weights_sha256"] == cards[1]["weights_sha256"]


def test_stop_file_interrupts(command, cohort, tmp_path, capsys):
    (tmp_path / "stop").touch()
    words = [*cohort, *TINY, "--output", str(tmp_path / "out"), f"--stop-file={tmp_path / 'stop'}"]
    assert command.main(words) == 130
    assert "--resume" in capsys.readouterr().err


@pytest.fixture(scope="module")
def cine(tmp_path_factory):
    """A cohort that names cine series, one of which is broken, and a motion model."""
    folder = tmp_path_factory.mktemp("cine")
    fixtures = motion_model_fixtures()
    generator = np.random.default_rng(0)
    lines = ["case,cine,time,event"]
    for number in range(26):
        path = write_cine(folder / "images" / f"c{number}.nii.gz", seed=number, frames=1 if number == 3 else 3)
        time = 10 * generator.random()
        lines.append(f"c{number},images/{path.name},{time:.3f},{number % 2}")
    (folder / "cohort.csv").write_text("\n".join(lines), encoding="utf-8")
    bundle = fixtures.motion_bundle(folder, prior="unit", slots=3)
    return ["--cohort", str(folder / "cohort.csv"), "--motion-model", str(bundle)]


def test_fingerprints_are_extracted_from_cine_and_failures_listed(command, cine, tmp_path, capsys):
    words = [*cine, *TINY, "--folds", "2", "--slices", "1", "--cross-validation", "2", "--output", str(tmp_path)]
    assert command.main(words) == 0
    assert "25 of 26 cases extracted; 1 failed: Row 5, case 'c3'" in capsys.readouterr().out
    assert (tmp_path / "failures.csv").is_file()
    model = TrainedRisk.load(tmp_path / "model")
    assert model.cohort["cases"] == 25
    assert model.shape == (5, 3)
    assert model.motion_model == "random-motion"
    assert model.slices == 1
    # What was extracted is not extracted again.
    before = (tmp_path / "fingerprints.npz").stat().st_mtime_ns
    assert command.main([*words, "--resume"]) == 0
    assert before <= (tmp_path / "fingerprints.npz").stat().st_mtime_ns
    assert "resumed after minutes, accuracy" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, message",
    [
        (["--slices", "-1"], "--slices must be at least 0"),
        (["--members", "0"], "--members must be at least 1"),
        (["--dropout", "1.5"], "--dropout is a share"),
        (["--widths", "12,x"], "--widths takes whole numbers"),
        (["--widths", "0"], "--widths takes numbers of at least 1"),
        (["--cross-validation", "1"], "at least two folds"),
        (["--cross-validation", "60"], "cannot be split into 60 folds"),
        (["--folds", "40"], "choose fewer folds"),
        (["--end-to-end"], "leave out --fingerprints"),
        (["--resume"], "no checkpoint to resume from"),
        (["--device", "abacus"], "abacus"),
    ],
)
def test_options_that_cannot_be_are_refused_with_a_sentence(command, cohort, tmp_path, capsys, words, message):
    assert command.main([*cohort, *TINY, *words, "--output", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("RiskPredictionTrain: ")
    assert message in error


def test_resuming_another_run_is_refused(command, cohort, trained, tmp_path, capsys):
    (tmp_path / "checkpoint.json").write_bytes((trained / "checkpoint.json").read_bytes())
    words = [*cohort, *TINY, "--output", str(tmp_path), "--resume"]
    assert command.main([*words, "--alpha", "3"]) == 2
    assert "another configuration (alpha, seed differ)" in capsys.readouterr().err
    (tmp_path / "checkpoint.json").write_text("[]", encoding="utf-8")
    assert command.main(words) == 2
    assert "no checkpoint of this program" in capsys.readouterr().err


def test_cohorts_that_cannot_be_are_refused_with_row_and_column(command, tmp_path, capsys):
    (tmp_path / "cohort.csv").write_text("case,time,event\na,-1,1\nb,2,0\n", encoding="utf-8")
    words = ["--cohort", str(tmp_path / "cohort.csv"), "--output", str(tmp_path / "out")]
    assert command.main([*words, *TINY]) == 2
    assert "Row 2, column 'time'" in capsys.readouterr().err
    (tmp_path / "cohort.csv").write_text("case,time,event\na,1,1\nb,2,0\n", encoding="utf-8")
    assert command.main([*words, *TINY]) == 2
    assert "cohort.csv names no series to learn from" in capsys.readouterr().err
    assert command.main([*words, *TINY, "--end-to-end"]) == 2
    assert "a column cine" in capsys.readouterr().err


def test_end_to_end_training_brings_its_motion_model(command, cine, tmp_path, capsys):
    options = "--folds 2 --members 2 --cross-validation 2 --end-to-end --motion-epochs 1 --motion-folds 2 --name tuned"
    words = [*cine, *TINY, *options.split(), "--motion-batch-size", "8", "--output", str(tmp_path)]
    assert command.main(words) == 0
    trained = TrainedRisk.load(tmp_path / "model")
    assert trained.motion_model == "tuned-motion"
    assert trained.motion_source == tmp_path / "model" / "motion"
    card = read_card(tmp_path / "model")
    assert card["training"]["end_to_end"] is True
    assert {"Fingerprint", "Fingerprint, end to end"} == set(card["accuracy"]["cross_validation"]["rows"])
    with open(tmp_path / "log.csv", newline="", encoding="utf-8") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1"]
    assert not (tmp_path / "checkpoint.pt").exists()
    motion = read_card(tmp_path / "model" / "motion")
    assert motion["training"]["tuned_from"] == "random-motion"
    assert motion["training"]["tuned_by"].startswith("RiskPredictionTrain --cohort cohort.csv")
    series = Path(cine[1]).parent / "images" / "c1.nii.gz"
    predict = ["predict", "--model", str(tmp_path / "model"), "--cine", str(series), "--device", "cpu"]
    assert risk_command([*predict, "--output", str(tmp_path / "patient")]) == 0
    assert (tmp_path / "patient" / "prediction.json").is_file()
    assert command.main([*words, "--search", "2"]) == 2
    assert "leave out --search" in capsys.readouterr().err
