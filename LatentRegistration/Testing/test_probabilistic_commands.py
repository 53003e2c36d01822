"""The probabilistic model's commands: files, figures, and one sentence for what is wrong."""

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk

from DeformationLib.image_io import read_image, write_image
from LatentRegistrationLib.command_line import main
from Testing.velocity_fixtures import FLAT, small_heart, velocity_bundle


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A bundle, and six hearts' images of end-diastole and end-systole with labels of the former, in two groups."""
    folder = tmp_path_factory.mktemp("hearts")
    velocity_bundle(folder)
    velocity_bundle(folder / "flat", FLAT, card={"name": "flat"})
    rows = ["name,fixed,moving,group"]
    for seed in range(6):
        heart = small_heart(seed, frames=2, contraction=1.0 if seed % 2 else 0.3)
        write_image(heart.frames[1], folder / f"es{seed}.nii.gz")
        write_image(heart.frames[0], folder / f"ed{seed}.nii.gz")
        write_image(heart.labels[0], folder / f"seg{seed}.nii.gz")
        rows.append(f"heart{seed},es{seed}.nii.gz,ed{seed}.nii.gz,{'strong' if seed % 2 else 'weak'}")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    (folder / "lonely.csv").write_text("\n".join([*rows[:6], rows[6].replace("strong", "rare")]) + "\n")
    heart = small_heart()
    for name, frames in (("cine", heart.frames), ("still", heart.frames[:1])):
        sitk.WriteImage(sitk.JoinSeries([frame.to_sitk() for frame in frames]), str(folder / f"{name}.nii.gz"))
    for name, series, frame in (("one_frame", "still", 0), ("late", "cine", 4)):
        (folder / f"{name}.csv").write_text(f"name,cine,ed_frame,es_frame\nx,{series}.nii.gz,{frame},2\n")
    write_image(small_heart(slices=1).frames[0], folder / "slice.nii.gz")
    return folder


@pytest.fixture
def run(files, tmp_path):
    """Run a command on the files, written as names of the folder; returns the exit code and the output folder."""

    def call(words, model="velocities"):
        given = [str(files / word[1:]) if word.startswith("@") else word for word in words.split()]
        output = tmp_path / "out"
        return main([*given, "--model", str(files / model), "--output", str(output), "--device", "cpu"]), output

    return call


def test_register_takes_either_kind_of_model(run):
    code, folder = run(
        "register --fixed @es1.nii.gz --moving @ed1.nii.gz --moving-labels @seg1.nii.gz --alignment none"
    )
    assert code == 0
    report = json.loads((folder / "report.json").read_text())
    assert report["model"] == "random velocities"
    assert (folder / "warped_labels.nii.gz").is_file()


def test_encode_writes_codes_map_and_accuracy(run, capsys):
    code, folder = run("encode --cases @cases.csv")
    assert code == 0
    with open(folder / "codes.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["name"] for row in rows] == [f"heart{seed}" for seed in range(6)]
    assert {"z1", "z5", "sd5"} <= rows[0].keys()
    assert (folder / "map.png").stat().st_size > 5000
    report = json.loads((folder / "classification.json").read_text())
    assert [entry["honest"] for entry in report] == [True, True, True, False]
    assert "leaky" in capsys.readouterr().out


def test_simulate_along_the_axes(run):
    code, folder = run("simulate --image @ed0.nii.gz --labels @seg0.nii.gz --steps 2 --extent 1.5")
    assert code == 0
    assert len(list(folder.glob("*_image.nii.gz"))) == len(list(folder.glob("*_labels.nii.gz"))) == 4
    assert (folder / "simulations.png").is_file()
    with open(folder / "simulations.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {"x-1.50_y+1.50", "x+1.50_y-1.50"} <= {row["name"] for row in rows}
    assert all(float(row["maximum_displacement_mm"]) > 0 for row in rows)
    assert all(float(row["ml_of_3"]) > 0 for row in rows)


def test_simulate_from_the_prior_is_reproducible(run):
    fields = []
    for _ in range(2):
        code, folder = run("simulate --image @ed0.nii.gz --samples 2 --seed 4")
        assert code == 0
        fields.append(read_image(folder / "sample_02_image.nii.gz").array)
    assert np.array_equal(*fields)
    assert not np.array_equal(fields[0], read_image(folder / "sample_01_image.nii.gz").array)


def test_transport_measures_ejection_fractions(run, capsys):
    code, folder = run(
        "transport --fixed @es1.nii.gz --moving @ed1.nii.gz --target @ed2.nii.gz --moving-labels @seg1.nii.gz "
        "--target-labels @seg2.nii.gz"
    )
    assert code == 0
    report = json.loads((folder / "transport.json").read_text())
    assert {"ejection_fraction_before", "ejection_fraction_after", "ejection_fraction_unchanged"} <= report.keys()
    assert (folder / "transported_labels.nii.gz").is_file()
    assert "ejection fraction after" in capsys.readouterr().out


def test_uncertainty_writes_maps(run):
    code, folder = run("uncertainty --fixed @es1.nii.gz --moving @ed1.nii.gz --samples 3")
    assert code == 0
    deviation = read_image(folder / "deviation.nii.gz")
    assert deviation.array.max() > 0
    assert deviation.array.min() >= 0


@pytest.mark.parametrize(
    ("words", "model", "sentence"),
    [
        (
            "transport --fixed @es1.nii.gz --moving @ed1.nii.gz --target @ed2.nii.gz",
            "flat/velocities",
            "two-dimensional",
        ),
        (
            "transport --fixed @es1.nii.gz --moving @ed1.nii.gz --target @slice.nii.gz",
            "velocities",
            "one slice, but the model is three-dimensional",
        ),
        ("encode --cases @one_frame.csv", "velocities", "has one frame, but motion needs at least two"),
        ("encode --cases @late.csv", "velocities", "end-diastolic frame 4 of x is not in the series"),
        ("encode --cases @lonely.csv", "velocities", "The group rare has fewer than 2 cases"),
        ("simulate --image @ed0.nii.gz --labels @es0.nii.gz", "velocities", "whole numbers"),
        ("simulate --image @ed0.nii.gz --steps 0", "velocities", "--steps must be at least 1"),
        ("encode --cases @none.csv", "velocities", "does not exist"),
        ("uncertainty --fixed @es1.nii.gz --moving @ed1.nii.gz --samples 1", "velocities", "at least two samples"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(run, capsys, words, model, sentence):
    code, _ = run(words, model)
    assert code == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
