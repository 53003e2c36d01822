"""The command line: files of every command, exit codes, one sentence for what is wrong."""

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk

from DeformationLib.image_io import write_image
from MotionModelLib.command_line import main
from MotionModelLib.motion_files import write_series
from MotionModelLib.motion_matrix import MotionMatrix

from .motion_model_fixtures import SLOTS, SOLID, motion_bundle, small_heart

HEART = {"pool": 3, "myocardium": 2, "right_ventricle": 1}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a series, its segmentation, and models."""
    folder = tmp_path_factory.mktemp("motion")
    heart = small_heart(frames=4)
    frames = [frame.with_array(np.rint(frame.array).astype(np.int16)) for frame in heart.frames]
    write_series(frames, folder / "cine.nii.gz", 30.0)
    write_series(frames, folder / "slower.nii.gz", 77.0)
    write_image(heart.labels[0], folder / "labels.nii.gz")
    write_series(heart.labels, folder / "all_labels.nii.gz")
    other = small_heart(seed=3)
    write_image(other.frames[0], folder / "other.nii.gz")
    write_image(other.labels[0], folder / "other_labels.nii.gz")
    motion_bundle(folder, name="flat", card={"heart": HEART})
    motion_bundle(folder, SOLID, name="solid")
    return folder


@pytest.fixture
def run(files, tmp_path, capsys):
    """Run a command with the files of the folder; returns exit code, what was printed, and the output folder."""

    def command(*words, model="flat"):
        words = [
            str(files / word) if "." in str(word) and not str(word).startswith("-") else str(word) for word in words
        ]
        code = main([*words, "--model", str(files / model), "--output", str(tmp_path / "out"), "--device", "cpu"])
        captured = capsys.readouterr()
        return code, captured, tmp_path / "out"

    return command


def table(path):
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("model", ["flat", "solid"])
def test_track_writes_what_the_module_promises(run, files, model):
    words = ("track", "--cine", "cine.nii.gz", "--segmentation", "labels.nii.gz", "--heart", "3,2,1")
    code, captured, out = run(*words, model=model)
    assert code == 0, captured.err
    labels = sitk.ReadImage(str(out / "segmentation.nii.gz"))
    assert labels.GetSize() == (32, 32, 4, 4)
    original = sitk.GetArrayFromImage(sitk.ReadImage(str(files / "labels.nii.gz")))
    assert np.array_equal(sitk.GetArrayFromImage(labels)[0], original)
    names = sorted(path.name for path in (out / "displacements").iterdir())
    assert names == [f"frame_{n:03d}.nii.gz" for n in range(4)]
    field = sitk.ReadImage(str(out / "displacements" / "frame_001.nii.gz"), sitk.sitkVectorFloat64)
    assert field.GetNumberOfComponentsPerPixel() == 3
    sitk.DisplacementFieldTransform(field)
    assert len(table(out / "curves.csv")) == len(table(out / "strain.csv")) == 4
    matrix = MotionMatrix.read(out / "motion_matrix.csv")
    assert (matrix.model, matrix.slots) == (model, SLOTS)
    report = json.loads((out / "report.json").read_text())
    assert report["reference_frame"] == 0
    assert report["frames_shown"] == [0, 1, 2, 3]
    assert "Motion of 4 frames" in captured.out
    assert "ejects" in captured.out


def test_times_in_the_metadata_do_not_matter(run, files):
    assert sitk.ReadImage(str(files / "cine.nii.gz")).GetSpacing()[3] == 30
    assert sitk.ReadImage(str(files / "slower.nii.gz")).GetSpacing()[3] == 77
    first, second = (
        MotionMatrix.read(run("track", "--cine", name, "--no-displacements")[2] / "motion_matrix.csv")
        for name in ("cine.nii.gz", "slower.nii.gz")
    )
    assert np.array_equal(first.mean, second.mean)


def test_without_a_segmentation_there_are_no_curves(run):
    code, _, out = run("track", "--cine", "cine.nii.gz", "--no-displacements")
    assert code == 0
    assert sorted(path.name for path in out.iterdir()) == ["motion_matrix.csv", "report.json"]


def test_the_heart_is_the_cards_unless_said_otherwise(run):
    words = ("track", "--cine", "cine.nii.gz", "--segmentation", "labels.nii.gz", "--no-displacements")
    assert (run(*words)[2] / "strain.csv").exists()


def test_no_heart_no_strain(run):
    words = ("track", "--cine", "cine.nii.gz", "--segmentation", "labels.nii.gz", "--no-displacements")
    out = run(*words, "--heart", "none")[2]
    assert (out / "curves.csv").exists()
    assert not (out / "strain.csv").exists()


def test_a_segmentation_of_all_frames_gives_the_reference_frame(run, files):
    words = ("track", "--cine", "cine.nii.gz", "--segmentation", "all_labels.nii.gz", "--no-displacements")
    code, captured, out = run(*words, "--reference-frame", "2")
    assert code == 0, captured.err
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "segmentation.nii.gz")))
    whole = sitk.GetArrayFromImage(sitk.ReadImage(str(files / "all_labels.nii.gz")))
    assert np.array_equal(found[2], whole[2])
    assert json.loads((out / "report.json").read_text())["reference_frame"] == 2


def test_complete_shows_the_given_frames_only(run):
    code, captured, out = run("complete", "--given", "every:2", "--cine", "cine.nii.gz", "--no-displacements")
    assert code == 0, captured.err
    assert json.loads((out / "report.json").read_text())["frames_shown"] == [0, 2]
    assert sitk.ReadImage(str(out / "warped.nii.gz")).GetSize() == (32, 32, 4, 4)
    assert "frames shown        2 of 4" in captured.out


def test_simulate_moves_one_image(run):
    words = (
        "simulate",
        "--image",
        "other.nii.gz",
        "--segmentation",
        "other_labels.nii.gz",
        "--frames",
        "6",
        "--seed",
        "4",
    )
    code, captured, out = run(*words, "--no-displacements")
    assert code == 0, captured.err
    assert sitk.ReadImage(str(out / "warped.nii.gz")).GetSize() == (32, 32, 4, 6)
    assert sitk.ReadImage(str(out / "segmentation.nii.gz")).GetSize() == (32, 32, 4, 6)
    assert len(table(out / "curves.csv")) == 6


def test_simulate_takes_a_frame_of_a_series(run):
    code, captured, out = run(
        "simulate", "--image", "cine.nii.gz", "--image-frame", "1", "--frames", "3", "--no-displacements"
    )
    assert code == 0, captured.err
    assert sitk.ReadImage(str(out / "warped.nii.gz")).GetSize() == (32, 32, 4, 3)


def test_transport_by_series_and_by_matrix_agree(run, files, tmp_path):
    words = ("transport", "--image", "other.nii.gz", "--segmentation", "other_labels.nii.gz", "--no-displacements")
    code, captured, out = run(*words, "--cine", "cine.nii.gz", "--cine-segmentation", "labels.nii.gz")
    assert code == 0, captured.err
    assert len(table(out / "source_curves.csv")) == len(table(out / "curves.csv")) == 4
    by_series = MotionMatrix.read(out / "motion_matrix.csv")
    kept = out / "motion_matrix.csv"
    kept = kept.rename(tmp_path / "kept.csv")
    code, captured, out = run(*words, "--matrix", str(kept))
    assert code == 0, captured.err
    assert np.allclose(MotionMatrix.read(out / "motion_matrix.csv").mean, by_series.mean, rtol=1e-6)
    assert len(table(out / "curves.csv")) == SLOTS + 1


def test_models_are_listed(files, capsys, monkeypatch):
    monkeypatch.setenv("LATENTMOTION_MODELS", str(files))
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    assert "flat" in printed
    assert "solid" in printed
    assert "cardiac-short-axis" not in printed


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("track", "--cine", "labels.nii.gz"), "has one frame"),
        (("track", "--cine", "missing.nii.gz"), "cannot be read"),
        (("track", "--cine", "cine.nii.gz", "--reference-frame", "9"), "reference frame 9"),
        (("track", "--cine", "cine.nii.gz", "--heart", "3", "--segmentation", "labels.nii.gz"), "--heart takes"),
        (("complete", "--given", "often", "--cine", "cine.nii.gz"), "does not say which frames"),
        (("complete", "--given", "0,9", "--cine", "cine.nii.gz"), "given frame 9"),
        (("simulate", "--image", "missing.nii.gz"), "does not exist"),
        (("simulate", "--image", "other.nii.gz", "--frames", "1"), "at least two frames"),
        (("simulate", "--image", "cine.nii.gz", "--image-frame", "7"), "The frame 7"),
        (("simulate", "--image", "other.nii.gz", "--seed", "1", "--matrix", "m.csv"), "exclude each other"),
        (("simulate", "--image", "other.nii.gz", "--matrix", "m.csv"), "cannot be read"),
        (("transport", "--image", "other.nii.gz"), "either --cine or --matrix"),
        (("transport", "--image", "other.nii.gz", "--cine", "other.nii.gz"), "has one frame"),
    ],
)
def test_what_is_wrong_is_one_sentence(run, words, sentence):
    code, captured, _ = run(*words)
    assert code == 2
    assert sentence in captured.err
    assert captured.err.count("\n") == 1


def test_a_segmentation_on_another_grid_is_refused(run, files):
    write_image(small_heart(slices=3).labels[0], files / "short.nii.gz")
    code, captured, _ = run("track", "--cine", "cine.nii.gz", "--segmentation", "short.nii.gz")
    assert code == 2
    assert "on another grid" in captured.err


def test_a_segmentation_of_another_number_of_frames_is_refused(run, files):
    write_series(small_heart(frames=3).labels, files / "three.nii.gz")
    code, captured, _ = run("track", "--cine", "cine.nii.gz", "--segmentation", "three.nii.gz")
    assert code == 2
    assert "has 3 frames, but the series 4" in captured.err


def test_a_matrix_of_another_model_is_refused(run, tmp_path):
    path = MotionMatrix(np.zeros((1, 5, SLOTS)), np.ones((1, 5)), "elsewhere").write(tmp_path / "elsewhere.csv")
    code, captured, _ = run("simulate", "--image", "other.nii.gz", "--matrix", str(path))
    assert code == 2
    assert "made by the model elsewhere" in captured.err


def test_a_model_of_another_kind_is_refused(run, files):
    folder = motion_bundle(files, name="foreign", card={"model": {"class": "VelocityNetwork"}})
    code, captured, _ = run("track", "--cine", "cine.nii.gz", model=folder.name)
    assert code == 2
    assert "not of MotionNetwork" in captured.err
