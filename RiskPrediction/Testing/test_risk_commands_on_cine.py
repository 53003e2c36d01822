"""The commands that start from series: extraction, a cohort's fingerprints on the way, a patient's prediction."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from RiskPredictionLib.command_line import main
from RiskPredictionLib.fingerprint_files import read_fingerprint_table, write_fingerprint_table
from RiskPredictionLib.risk_bundle import TrainedRisk
from Testing.extraction_fixtures import motion_model_fixtures, write_cine

QUICK = ["--epochs", "4", "--learning-rate", "5e-3", "--device", "cpu"]
CASES = 30
fixtures = motion_model_fixtures()


def write_heart(path, seed, frames=5):
    """A phantom's series as a 4-D file."""
    images = fixtures.small_heart(frames, seed, slices=3, size=24, spacing=4.0).frames
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.JoinSeries([image.to_sitk() for image in images]), str(path))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A cohort of series, two of which cannot be used, a motion model, and a risk model trained on the others."""
    folder = tmp_path_factory.mktemp("cine")
    fixtures.motion_bundle(folder, prior="unit")
    rows = ["case,cine,time,event,EF"]
    for number in range(CASES):
        write_heart(folder / f"p{number}" / "cine.nii.gz", number)
        rows.append(f"p{number},p{number}/cine.nii.gz,{10 + number * 7 % 31},{int(number % 3 == 0)},{30 + number % 11}")
    (folder / "p4" / "cine.nii.gz").write_text("no image")
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 5, 6), np.float32)), str(folder / "p7" / "cine.nii.gz"))
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    words = ["--cohort", str(folder / "cohort.csv"), "--motion-model", str(folder / "random-motion"), *QUICK]
    assert main(["fit", *words, "--output", str(folder / "model")]) == 0
    return folder


def test_fit_extracts_what_it_can_and_says_what_it_cannot(folder, capsys):
    trained = TrainedRisk.load(folder / "model")
    assert trained.cohort["cases"] == CASES - 2
    assert (trained.motion_model, trained.slices, trained.shape) == ("random-motion", 3, (5, 8))
    text = (folder / "model" / "failures.csv").read_text(encoding="utf-8")
    assert "p4,6," in text
    assert "p7,9," in text
    words = ["--cohort", str(folder / "cohort.csv"), "--motion-model", str(folder / "random-motion"), *QUICK]
    assert (
        main(["evaluate", *words, "--resamplings", "20", "--cross-validation", "2", "--output", str(folder / "report")])
        == 0
    )
    printed = capsys.readouterr().out
    assert "28 of 30 cases extracted; 2 failed: Row 6, case 'p4':" in printed
    assert "28 cases, 10 with event" in printed


def test_extract_writes_a_table_that_fit_takes(folder, tmp_path, capsys):
    motion = ["--motion-model", str(folder / "random-motion"), "--device", "cpu"]
    words = ["extract", "--cohort", str(folder / "cohort.csv"), *motion, "--slices", "1", "--output", str(tmp_path)]
    assert main(words) == 0
    assert "28 of 30 cases extracted" in capsys.readouterr().out
    found = read_fingerprint_table(tmp_path / "fingerprints.npz")
    own = read_fingerprint_table(folder / "model" / "fingerprints.npz")
    assert list(found) == list(own)
    assert not np.allclose(found["p0"], own["p0"])
    lines = (folder / "cohort.csv").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(("p4,", "p7,"))]
    (folder / "kept.csv").write_text("\n".join(kept) + "\n", encoding="utf-8")
    table = ["--fingerprints", str(tmp_path / "fingerprints.npz")]
    assert main(["fit", "--cohort", str(folder / "kept.csv"), *table, *QUICK, "--output", str(tmp_path / "m")]) == 0
    trained = TrainedRisk.load(tmp_path / "m")
    assert (trained.motion_model, trained.slices) == ("random-motion", 1)


def test_predict_goes_from_cine_to_curve(folder, tmp_path, capsys):
    words = ["predict", "--model", str(folder / "model"), "--motion-model", str(folder / "random-motion")]
    cine = folder / "p3" / "cine.nii.gz"
    assert main([*words, "--device", "cpu", "--cine", str(cine), "--output", str(tmp_path)]) == 0
    assert "p3: hazard ratio" in capsys.readouterr().out
    (one,) = json.loads((tmp_path / "prediction.json").read_text(encoding="utf-8"))
    table = read_fingerprint_table(folder / "model" / "fingerprints.npz")
    expected = TrainedRisk.load(folder / "model").model.predict_risk(table["p3"][None])[0]
    assert one["case"] == "p3"
    assert one["log_hazard_ratio"] == pytest.approx(expected, abs=1e-5)
    assert one["survival"][0] == 1


def test_prediction_finds_the_motion_model_by_its_name(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTMOTION_MODELS", str(folder))
    cine = str(folder / "p3" / "cine.nii.gz")
    words = ["predict", "--model", str(folder / "model"), "--device", "cpu", "--output", str(tmp_path)]
    assert main([*words, "--cine", cine]) == 0
    whole = json.loads((tmp_path / "prediction.json").read_text(encoding="utf-8"))
    frames = ["--ed-frame", "2", "--slices", "0"]
    assert main([*words, "--cine", cine, *frames]) == 0
    other = json.loads((tmp_path / "prediction.json").read_text(encoding="utf-8"))
    assert other[0]["log_hazard_ratio"] != whole[0]["log_hazard_ratio"]


def test_what_does_not_belong_together_is_refused(folder, tmp_path, capsys):
    cine = str(write_heart(tmp_path / "a" / "cine.nii.gz", 1))
    motion, output = ["--motion-model", str(folder / "random-motion")], ["--output", str(tmp_path)]
    predict = ["predict", "--model", str(folder / "model"), *output]
    fixtures.motion_bundle(tmp_path, name="other-motion", prior="unit")
    foreign = write_fingerprint_table(tmp_path / "f.npz", ["a"], np.zeros((1, 5, 8)), "other-motion", 3)
    cases = {
        "Give the series of the patient with --cine": predict,
        "There is no model": [*predict, "--cine", cine],
        "The fingerprints come from the motion model other-motion, but the risk model risk was": [
            *predict, "--cine", cine, "--motion-model", str(tmp_path / "other-motion"),
        ],
        "come from the motion model other-motion": [*predict, "--fingerprints", str(foreign)],
        "Case 'a': The end-diastolic frame 9 is not in the series": [*predict, *motion, "--cine", cine, "--ed-frame", "9"],
        "gone.nii.gz does not exist": [*predict, *motion, "--cine", str(tmp_path / "gone.nii.gz")],
        "either --cohort or --cine": ["extract", *output],
        "--mask belongs to one series": ["extract", *motion, *output, "--cine", cine, cine, "--mask", cine],
        "columns mask and ed_frame": ["extract", *output, "--cohort", str(folder / "cohort.csv"), "--ed-frame", "1"],
        "The number of slices must be 1 or more": ["extract", *motion, *output, "--cine", cine, "--slices", "-2"],
        "At least one process": ["extract", *motion, *output, "--cine", cine, "--processes", "0"],
    }  # fmt: skip
    for message, words in cases.items():
        assert main(words) == 2, words
        error = capsys.readouterr().err
        assert message in error
        assert "Traceback" not in error


def test_cohort_whose_events_all_failed_is_refused(folder, tmp_path, capsys):
    write_cine(tmp_path / "flat.nii.gz", frames=1)
    write_heart(tmp_path / "good.nii.gz", 0)
    rows = ["case,cine,time,event", "a,flat.nii.gz,3,1", "b,good.nii.gz,4,0", "c,good.nii.gz,5,0"]
    (tmp_path / "cohort.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    words = ["--cohort", str(tmp_path / "cohort.csv"), "--motion-model", str(folder / "random-motion"), *QUICK]
    assert main(["fit", *words, "--output", str(tmp_path / "model")]) == 2
    assert "Of the 2 cases that could be extracted none has an event. 2 of 3 cases" in capsys.readouterr().err
