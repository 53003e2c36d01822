"""What a training would find, told from file names and headers alone, agrees with what it does find."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from DeformationLib.case_files import CaseSummary, split_cases, suggested_rule, summarize_cases
from DeformationLib.cases import find_cases, load_cases
from DeformationLib.errors import Cancelled, InputError
from DeformationLib.image import Image
from DeformationLib.image_io import write_image
from DeformationLib.progress import Progress


def write(folder, name, shape, spacing=(1, 1, 1), direction=None):
    array = np.random.default_rng(0).integers(0, 99, shape).astype(np.uint8)
    write_image(Image(array, spacing, direction=np.eye(3) if direction is None else direction), folder / name)


def test_the_summary_agrees_with_the_training(tmp_path):
    quarter_turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    write(tmp_path, "a.nii.gz", (20, 30, 40), (1, 1, 2))
    write(tmp_path, "b.nrrd", (33, 20, 36), direction=quarter_turn)
    write(tmp_path, "c.mha", (10, 11, 12), (3, 3, 3))
    summary = summarize_cases(tmp_path, rule="3:0", factor=4)
    cases, grid = load_cases(find_cases(tmp_path), factor=4)
    assert summary == CaseSummary(2, 1, 0, grid.size, grid.spacing)
    assert len(cases) == 3
    assert summarize_cases(tmp_path, rule="none", spacing=2.0).spacing == 2.0


def test_slices_make_a_flat_grid(tmp_path):
    for name in "ab":
        sitk.WriteImage(sitk.GetImageFromArray(np.zeros((20, 33), np.uint8)), str(tmp_path / f"{name}.png"))
    assert summarize_cases(tmp_path, factor=16).size == (32, 48)


def test_labels_and_unusable_cases_are_counted(blob_folders):
    images, labels = blob_folders
    assert summarize_cases(images, labels) == CaseSummary(3, 2, 5, (16, 16, 16), 1.0)
    (images / "case_0.nii.gz").write_bytes(b"no image")
    (labels / "case_2.nii.gz").unlink()
    assert summarize_cases(images, labels, rule="none") == CaseSummary(3, 0, 4, (16, 16, 16), 1.0, ("case_0", "case_2"))
    assert summarize_cases(images, rule="none").unreadable == ("case_0",)


def test_what_a_training_would_refuse_is_refused(blob_folders, tmp_path):
    images, labels = blob_folders
    with pytest.raises(InputError, match="does not exist"):
        summarize_cases(tmp_path / "missing")
    (tmp_path / "others").mkdir()
    (labels / "case_0.nii.gz").rename(tmp_path / "others" / "x.nii.gz")
    with pytest.raises(InputError, match="No label map in .* has the name of an image"):
        summarize_cases(images, tmp_path / "others")
    with pytest.raises(InputError, match="N:R"):
        summarize_cases(images, rule="often")
    (images / "case_0.nii.gz").rename(tmp_path / "others" / "y.nii.gz")
    for number in (2, 3, 4):
        (images / f"case_{number}.nii.gz").unlink()
    with pytest.raises(InputError, match="at least two usable cases, but .* holds 1: add images"):
        summarize_cases(images)


@pytest.mark.parametrize("dimensions", [(2, 3, 4, 5), (1, 2, 3, 4)])
def test_several_volumes_in_a_file_are_no_case(tmp_path, dimensions):
    for name in ("a", "b", "c"):
        write(tmp_path, f"{name}.nrrd", (8, 8, 8))
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros(dimensions, np.float32), isVector=False), str(tmp_path / "c.nrrd"))
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, 5, 2)), isVector=True), str(tmp_path / "d.nrrd"))
    assert summarize_cases(tmp_path, rule="none").unreadable == (("c", "d") if dimensions[0] > 1 else ("d",))


def test_looking_can_be_cancelled(blob_folders):
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        summarize_cases(*blob_folders, progress=progress)


@pytest.mark.parametrize("count", range(2, 40))
def test_the_suggested_rule_leaves_two_on_each_side_where_it_can(count):
    training, validation = split_cases([str(number) for number in range(count)], suggested_rule(count))
    assert len(training) >= 2
    assert len(validation) >= 2 or (count < 4 and not validation)
    assert len(validation) <= max(2, count // 5)


def test_looking_needs_no_torch():
    code = "import sys; sys.modules['torch'] = None; import DeformationLib.case_files"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=Path(__file__).parents[1])
