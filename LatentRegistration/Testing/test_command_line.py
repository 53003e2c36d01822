"""``python -m LatentRegistrationLib`` as its user runs it: files that other programs understand, sentences, exit codes."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from DeformationLib.image import Image
from DeformationLib.image_io import read_image, read_labels, write_image
from DeformationLib.phantoms import two_part_phantom
from LatentRegistrationLib.command_line import main

PACKAGES = Path(__file__).resolve().parents[1]
FIXED, MOVING = two_part_phantom(4), two_part_phantom(1)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    # The moving image is stored with other axes: flipped, and on a larger field of view.
    flip = np.diag([-1.0, -1.0, 1.0])
    image, labels = (
        Image(np.ascontiguousarray(part.array[:, ::-1, ::-1]), part.spacing, (19.5, 19.5, -19.5), flip)
        for part in MOVING
    )
    named = {"fixed": FIXED[0], "fixed_labels": FIXED[1], "moving": image, "moving_labels": labels}
    return {name: str(write_image(content, folder / f"{name}.nii.gz")) for name, content in named.items()}


@pytest.fixture(scope="module")
def registered(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("registered")
    words = ["register", "--model", "phantom", "--output", str(folder), "--device", "cpu"]
    for name, path in files.items():
        words += [f"--{name.replace('_', '-')}", path]
    assert main(words) == 0
    return folder


def test_register_writes_what_it_promises(registered):
    names = {path.name for path in registered.iterdir()}
    assert names == {
        "warped.nii.gz",
        "displacement.nii.gz",
        "inverse_displacement.nii.gz",
        "jacobian.nii.gz",
        "warped_labels.nii.gz",
        "report.json",
    }
    report = json.loads((registered / "report.json").read_text())
    assert report["mean_dice_after"] > report["mean_dice_before"] + 0.2
    assert report["model"] == "phantom"
    assert report["jacobian_determinant"]["folding_percent"] < 0.1
    assert report["inverse_consistency_mm"] < 0.2


def test_simpleitk_reproduces_the_warped_image_and_labels(files, registered):
    field = sitk.ReadImage(str(registered / "displacement.nii.gz"), sitk.sitkVectorFloat64)
    fixed = sitk.ReadImage(files["fixed"])
    assert field.GetSize() == fixed.GetSize()
    assert field.GetOrigin() == pytest.approx(fixed.GetOrigin(), abs=1e-4)
    transform = sitk.DisplacementFieldTransform(field)
    moving = sitk.ReadImage(files["moving"])
    resampled = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkLinear, 0.0))
    outside = sitk.GetArrayFromImage(sitk.Resample(moving * 0 + 1, fixed, transform, sitk.sitkLinear, 0.0)) < 1
    warped = read_image(registered / "warped.nii.gz").array
    np.testing.assert_allclose(resampled[~outside], warped[~outside], atol=0.02)
    labels = sitk.ReadImage(files["moving_labels"])
    nearest = sitk.GetArrayFromImage(sitk.Resample(labels, fixed, transform, sitk.sitkNearestNeighbor, 0))
    ours = read_labels(registered / "warped_labels.nii.gz").array
    assert (nearest == ours).mean() > 0.98


def test_register_with_an_alignment_and_masks(files, tmp_path):
    """The structure lies in a corner of larger images, and the moving one was turned; the masks say where."""
    pose = Rotation.from_euler("xyz", (15, -10, 20), degrees=True).as_matrix()
    words = ["register", "--model", "phantom", "--output", str(tmp_path / "out"), "--device", "cpu"]
    noise = np.random.default_rng(0)
    for role, (image, labels), turn in (("fixed", FIXED, np.eye(3)), ("moving", MOVING, pose)):
        place = {"origin": tuple(turn @ (-31.5, -24.5, -19.5) + (5, 6, 7)), "direction": turn}
        array = noise.normal(image.array.mean(), image.array.std(), (50, 60, 70)).astype(np.float32)
        array[:40, 5:45, 12:52] = image.array
        mask = np.zeros(array.shape, np.float32)
        mask[:40, 5:45, 12:52] = labels.array
        for name, content in (("", array), ("-labels", mask.astype(np.int16)), ("-mask", mask / 4)):
            words += [f"--{role}{name}", written(content, tmp_path / f"{role}{name}.nii.gz", **place)]
    assert main([*words, "--alignment", "rigid"]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["alignment"] == "rigid"
    assert report["mean_dice_after"] > 0.75
    assert np.linalg.det(report["alignment_matrix"]) == pytest.approx(1, abs=1e-3)


def test_bad_masks_give_one_sentence_and_exit_code_2(files, tmp_path, capsys):
    words = [
        "register",
        "--fixed",
        files["fixed"],
        "--moving",
        files["moving"],
        "--model",
        "phantom",
        "--device",
        "cpu",
    ]
    words += ["--output", str(tmp_path / "out"), "--moving-mask"]
    for array, origin, sentence in (
        (np.zeros((9, 9, 9), np.uint8), (0, 0, 0), "The moving mask is empty"),
        (np.ones((9, 9, 9), np.uint8), (900, 0, 0), "The moving mask lies outside the moving image"),
        (np.ones((9, 9, 9, 3), np.uint8), (0, 0, 0), "components"),
    ):
        mask = written(array, tmp_path / "mask.nrrd", origin=origin)
        assert main([*words, mask]) == 2
        message = capsys.readouterr().err.strip()
        assert sentence in message
        assert len(message.splitlines()) == 1
    assert main([*words, str(tmp_path / "none.nrrd")]) == 2
    assert "none.nrrd does not exist" in capsys.readouterr().err


def test_components_and_tables(files, tmp_path):
    words = ["decompose", "--image", files["fixed"], "--labels", files["fixed_labels"], "--model", "phantom"]
    words += [
        "--output",
        str(tmp_path),
        "--components",
        "2",
        "--amplitudes=-2,0,2",
        "--displacements",
        "--device",
        "cpu",
    ]
    assert main(words) == 0
    with open(tmp_path / "components.csv", newline="") as stream:
        components = list(csv.DictReader(stream))
    ratios = np.array([float(row["explained_variance_ratio"]) for row in components])
    assert (np.diff(ratios) <= 0).all()
    assert 0.5 < ratios.sum() <= 1.0 + 1e-6
    with open(tmp_path / "amplitudes.csv", newline="") as stream:
        rows = {(row["component"], row["standard_deviations"]): row for row in csv.DictReader(stream)}
    assert len(rows) == 6
    assert float(rows["1", "0"]["maximum_displacement_mm"]) == 0.0
    assert float(rows["1", "2"]["mean_displacement_mm"]) > 0.1
    unchanged = read_labels(tmp_path / "component_01_+0sd_labels.nii.gz").array
    np.testing.assert_array_equal(unchanged, FIXED[1].array)
    assert (read_labels(tmp_path / "component_01_+2sd_labels.nii.gz").array != FIXED[1].array).any()
    for figure in ("components.png", "explained_variance.png"):
        assert (tmp_path / figure).stat().st_size > 10_000


def test_models_are_listed(capsys):
    assert main(["models"]) == 0
    assert "phantom" in capsys.readouterr().out


def written(array, path, **options):
    return str(write_image(Image(array, **options), path))


@pytest.fixture
def bad_files(tmp_path):
    random = np.random.default_rng(0).random((12, 12, 12)).astype(np.float32)
    text = tmp_path / "text.nii.gz"
    text.write_text("not an image")
    nan = random.copy()
    nan[3, 3, 3] = np.nan
    series = sitk.GetImageFromArray(np.random.default_rng(1).random((3, 8, 8, 8)).astype(np.float32), isVector=False)
    sitk.WriteImage(series, str(tmp_path / "series.nii.gz"))
    return {
        "missing": str(tmp_path / "missing.nii.gz"),
        "text": str(text),
        "nan": written(nan, tmp_path / "nan.nrrd"),  # the NIfTI library reads NaN as 0
        "constant": written(np.ones((9, 9, 9), np.float32), tmp_path / "constant.nii.gz"),
        "vector": written(np.stack([random] * 3, -1), tmp_path / "vector.nii.gz"),
        "slice": written(random[:1], tmp_path / "slice.nii.gz"),
        "series": str(tmp_path / "series.nii.gz"),
    }


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ("missing", "does not exist"),
        ("text", "cannot be read as an image"),
        ("nan", "NaN"),
        ("constant", "nothing to register"),
        ("vector", "components"),
        ("slice", "one slice"),
        ("series", "4 dimensions"),
    ],
)
def test_bad_images_give_one_sentence_and_exit_code_2(files, bad_files, tmp_path, capsys, bad, sentence):
    words = ["register", "--fixed", files["fixed"], "--moving", bad_files[bad], "--model", "phantom"]
    assert main([*words, "--output", str(tmp_path / "out"), "--device", "cpu"]) == 2
    message = capsys.readouterr().err.strip()
    assert len(message.splitlines()) == 1
    import re

    assert re.search(sentence, message), message
    assert not list((tmp_path / "out").glob("*"))


def test_labels_on_another_grid_unknown_model_and_unwritable_output(files, tmp_path, capsys):
    small = written(FIXED[1].array[:-1], tmp_path / "small.nii.gz")
    base = ["register", "--fixed", files["fixed"], "--moving", files["moving"], "--device", "cpu"]
    output = ["--output", str(tmp_path / "out")]
    assert main([*base, *output, "--model", "phantom", "--fixed-labels", small]) == 2
    assert "another grid" in capsys.readouterr().err
    assert main([*base, *output, "--model", "nobody"]) == 2
    assert "There is no model 'nobody'" in capsys.readouterr().err
    assert main([*base, *output, "--model", "phantom", "--components", "99"]) == 2
    assert "99 components" in capsys.readouterr().err
    (tmp_path / "file").write_text("in the way")
    assert main([*base, "--output", str(tmp_path / "file" / "out"), "--model", "phantom"]) == 2
    assert "cannot be created" in capsys.readouterr().err


def test_as_a_program(files, tmp_path):
    words = [
        "-m",
        "LatentRegistrationLib",
        "register",
        "--fixed",
        files["fixed"],
        "--moving",
        str(tmp_path / "none.nii"),
    ]
    done = subprocess.run(
        [sys.executable, *words, "--output", str(tmp_path)], cwd=PACKAGES, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "none.nii does not exist" in done.stderr
