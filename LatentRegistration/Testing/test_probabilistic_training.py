"""Training the probabilistic model with the command: cine series, image pairs, slices, resuming, refusals."""

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from DeformationLib.catalogue import read_card
from DeformationLib.image_io import read_image, write_image
from LatentRegistrationLib.models import load_model
from LatentRegistrationLib.probabilistic_model import ProbabilisticModel
from LatentRegistrationLib.series_files import is_series
from Testing.velocity_fixtures import series_array, small_heart

TINY = (
    "--model probabilistic --widths 4,6 --latent 4 --scales 2 --epochs 2 --full-resolution-epochs 1 --device cpu "
    "--validation-rule 2:1 --components 3"
)


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    """Five patients' folders with four frames of 32 x 32 x 4."""
    root = tmp_path_factory.mktemp("patients")
    for seed in range(5):
        heart = small_heart(seed)
        folder = root / f"patient{seed}"
        folder.mkdir()
        frames = [heart.frames[0].with_array(array) for array in series_array(heart)]
        sitk.WriteImage(sitk.JoinSeries([frame.to_sitk() for frame in frames]), str(folder / "cine.nii.gz"))
        write_image(heart.labels[0], folder / "seg_ed.nii.gz")
        write_image(heart.labels[heart.es_frame], folder / "seg_es.nii.gz")
        (folder / "info.json").write_text(json.dumps({"ed_frame": 0, "es_frame": heart.es_frame, "group": "NOR"}))
    return root


def log_of(folder):
    with open(folder / "log.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_series_become_a_model_that_registers(command, patients, tmp_path):
    words = f"--images {patients} --output {tmp_path / 'out'} --frame image --name tiny-heart --seed 3 {TINY}"
    assert command.main(words.split()) == 0
    rows = log_of(tmp_path / "out")
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert rows[0]["lcc_1"] == ""  # the finest scale waits for the last epochs
    assert {"kl", "lcc_1", "lcc_2", "loss", "score", "dice_LV pool", "ejection_error", "folding_percent"} <= rows[
        1
    ].keys()
    text = (tmp_path / "out" / "log.txt").read_text()
    assert "3 training and 2 validation cases, labels [1, 2, 3], grid (4, 32, 32) of 10 x 3 x 3 mm" in text
    card = read_card(tmp_path / "out" / "model")
    assert card["model"]["class"] == "VelocityNetwork"
    assert card["model"]["configuration"]["latent"] == 4
    assert card["grid"] == {"size": [4, 32, 32], "axes": "kji", "spacing_mm": [10.0, 3.0, 3.0], "frame": "image"}
    assert card["training"]["validation_cases"] == ["patient1", "patient3"]
    assert card["accuracy"]["pairs"] == 2
    assert "dice_LV + RV" in card["accuracy"]
    assert "--seed 3" in card["training"]["command"]
    assert str(tmp_path) not in json.dumps(card)
    model = load_model(tmp_path / "out" / "model", "cpu")
    assert isinstance(model, ProbabilisticModel)
    assert model.decomposition.count == 2  # three training cases
    heart = small_heart(9)
    assert model.register(heart.frames[1], heart.frames[0]).folding_percent() == 0.0


def test_a_run_that_was_stopped_and_resumed_is_the_one_that_was_not(command, patients, tmp_path):
    def weights(folder):
        return torch.load(folder / "checkpoint.pt", weights_only=True)["weights"]

    words = f"--images {patients} --frame image --seed 1 {TINY}".split()
    assert command.main([*words, "--output", str(tmp_path / "whole")]) == 0
    part = [*words, "--output", str(tmp_path / "part")]
    assert command.main([*part, "--max-minutes", "0.002"]) == 0
    assert len(log_of(tmp_path / "part")) == 1
    assert command.main([*part, "--resume"]) == 0
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "part")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_labels_in_the_loss(command, patients, tmp_path):
    words = (
        f"--images {patients} --output {tmp_path} --frame image --overlap-weight 1 --context 4,4 --reference-share 1"
    )
    assert command.main([*words.split(), *TINY.split()]) == 0
    assert all(float(row["overlap"]) > 0 for row in log_of(tmp_path))
    start = (
        f"--initialize {tmp_path / 'model'} --images {patients} --output {tmp_path / 'next'} --frame image --epochs 1"
    )
    assert command.main([*start.split(), *TINY.replace("--epochs 2", "").split()]) == 0
    assert "tensors are new" in (tmp_path / "next" / "log.txt").read_text()


def test_image_pairs(command, blob_folders, tmp_path):
    images, labels = blob_folders
    words = f"--images {images} --labels {labels} --output {tmp_path / 'out'} --overlap-weight 0.5 {TINY}"
    assert command.main(words.split()) == 0
    card = read_card(tmp_path / "out" / "model")
    assert card["grid"] == {"size": [16, 16, 16], "axes": "kji", "spacing_mm": [1.0, 1.0, 1.0], "frame": "patient"}
    assert "different subjects" in card["training"]["pairs"]
    assert {"dice_1", "dice_2"} <= card["accuracy"].keys()
    model = load_model(tmp_path / "out" / "model", "cpu")
    cases = [read_image(path) for path in sorted(images.iterdir())[:2]]
    assert np.isfinite(model.register(*cases, "centres").displacement.array).all()


def test_series_of_one_slice_make_a_flat_model(command, tmp_path):
    for seed in range(4):
        heart = small_heart(seed, slices=1)
        frames = [frame.to_sitk() for frame in heart.frames]
        (tmp_path / "data").mkdir(exist_ok=True)
        sitk.WriteImage(sitk.JoinSeries(frames), str(tmp_path / "data" / f"case{seed}.nii.gz"))
    assert is_series(tmp_path / "data")
    assert command.main(f"--images {tmp_path / 'data'} --output {tmp_path / 'out'} {TINY}".split()) == 0
    card = read_card(tmp_path / "out" / "model")
    assert card["grid"]["size"] == [32, 32]
    assert "score" in card["accuracy"]  # without labels, the local correlation
    model = load_model(tmp_path / "out" / "model", "cpu")
    heart = small_heart(9, slices=1)
    assert model.register(heart.frames[1], heart.frames[0]).displacement.array.shape == (1, 32, 32, 3)


def test_what_counts_as_series(patients, blob_folders, tmp_path):
    assert is_series(patients)
    assert not is_series(blob_folders[0])
    assert not is_series(tmp_path / "nowhere")
    (tmp_path / "table.csv").write_text("name,cine\n")
    assert is_series(tmp_path / "table.csv")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--grid 4,32", "2 lengths, but --spacings 3"),
        ("--spacings 10,x,3", "numbers with commas"),
        ("--spacings 10,-3,3", "positive numbers"),
        ("--scales 3", "give more widths for more scales"),
        ("--reference-share 1.5", "between 0 and 1"),
        ("--grid 4,30,32", "length 30"),
        ("--images nowhere", "does not exist"),
        ("--widths ,", "at least one number"),
        ("--window 4", "odd"),
        ("--latent 0", "latent"),
    ],
)
def test_wrong_options_are_refused_with_a_sentence(command, patients, tmp_path, capsys, words, sentence):
    given = f"--images {patients} --output {tmp_path} --frame image --spacings 10,3,3 {TINY} {words}"
    assert command.main(given.split()) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error


def test_labels_in_the_loss_need_labels(command, patients, tmp_path, capsys):
    folder = tmp_path / "unlabelled"
    for path in sorted(patients.iterdir())[:2]:
        (folder / path.name).mkdir(parents=True)
        for name in ("cine.nii.gz", "info.json"):
            (folder / path.name / name).write_bytes((path / name).read_bytes())
    words = f"--images {folder} --output {tmp_path / 'out'} --frame image --overlap-weight 1 {TINY}"
    assert command.main(words.split()) == 2
    assert "lacks the label maps" in capsys.readouterr().err
