"""Training cases: found, checked, prepared, split; what cannot be used is listed with its reason."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from DeformationLib.cases import automatic_grid, find_cases, load_cases, split_cases
from DeformationLib.errors import Cancelled, InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from DeformationLib.image_io import write_image
from DeformationLib.preprocessing import NetworkGrid
from DeformationLib.progress import Progress

GRID = NetworkGrid((16, 16, 16), 1.0)
NAMES = [f"case_{number}" for number in range(12)]


def noise(size, spacing=(1, 1, 1), direction=None, seed=0):
    array = np.random.default_rng(seed).normal(size=size).astype(np.float32)
    return Image(array, spacing, direction=np.eye(3) if direction is None else direction)


def test_images_meet_the_labels_of_their_name(blob_folders):
    images, labels = blob_folders
    (labels / "case_3.nii.gz").unlink()
    (images / "notes.txt").write_text("no image")
    (images / ".hidden.nii.gz").write_text("no image")
    (images / "folder.nii.gz").mkdir()
    cases = find_cases(images, labels)
    assert [case.name for case in cases] == [f"case_{number}" for number in range(5)]
    assert [case.labels is None for case in cases] == [False, False, False, True, False]
    assert cases[0].labels == labels / "case_0.nii.gz"
    assert all(case.labels is None for case in find_cases(images))


def test_folders_without_images_are_refused(tmp_path):
    with pytest.raises(InputError, match="folder of images .* does not exist"):
        find_cases(tmp_path / "missing")
    with pytest.raises(InputError, match="folder of images .* holds no image"):
        find_cases(tmp_path)


def test_cases_are_prepared_in_order(blob_folders):
    cases, grid = load_cases(find_cases(*blob_folders), GRID, need_labels=True)
    assert grid == GRID
    assert len(cases) == 5
    assert cases.label_values == [1, 2]
    assert cases.images.shape == cases.masks.shape == (5, 1, 16, 16, 16)
    images, labels, masks = cases.batch([3, 1])
    stored = sitk.GetArrayFromImage(sitk.ReadImage(str(blob_folders[1] / "case_3.nii.gz")))
    np.testing.assert_array_equal(labels[0, 0].numpy(), stored == 1)
    np.testing.assert_array_equal(labels[0, 1].numpy(), stored == 2)
    assert masks.min() == 1
    assert images.min() == 0
    assert images.max() == 1


def test_every_unusable_case_is_listed_with_its_reason(blob_folders):
    images, labels = blob_folders
    (images / "case_0.nii.gz").write_bytes(b"no image")
    write_image(noise((16, 16, 17)), labels / "case_1.nii.gz")
    (labels / "case_2.nii.gz").unlink()
    write_image(Image(np.full((16, 16, 16), 4, np.float32)), images / "flat.nii.gz")
    write_image(Image(np.zeros((16, 16, 16), np.uint8)), labels / "flat.nii.gz")
    write_image(noise((1, 16, 16)), images / "slice.nii.gz")
    write_image(Image(np.zeros((1, 16, 16), np.uint8)), labels / "slice.nii.gz")
    cases, _ = load_cases(find_cases(images, labels), GRID, need_labels=True)
    assert cases.names == ["case_3", "case_4"]
    reasons = {
        "case_0": "cannot be read as an image",
        "case_1": "grid|whole numbers",
        "case_2": "no label map",
        "flat": "everywhere",
        "slice": "one slice",
    }
    assert cases.skipped.keys() == reasons.keys()
    for name, reason in reasons.items():
        assert any(part in cases.skipped[name] for part in reason.split("|")), cases.skipped[name]


def test_without_two_usable_cases_the_reasons_are_the_sentence(blob_folders):
    images, _ = blob_folders
    for number in range(1, 5):
        (images / f"case_{number}.nii.gz").write_bytes(b"no image")
    with pytest.raises(InputError, match="at least two usable cases, but 1 could be read.*case_4"):
        load_cases(find_cases(images))
    with pytest.raises(InputError, match="at least two usable cases.*one slice"):
        for number in range(5):
            write_image(noise((1, 16, 16), seed=number), images / f"case_{number}.nii.gz")
        load_cases(find_cases(images), GRID)


def test_label_maps_without_labels_are_accepted(blob_folders):
    images, labels = blob_folders
    for path in labels.iterdir():
        write_image(Image(np.zeros((16, 16, 16), np.uint8)), path)
    cases, _ = load_cases(find_cases(images, labels), GRID, need_labels=True)
    assert cases.label_values == []
    assert cases.labels.shape == (5, 0, 16, 16, 16)


def test_loading_can_be_cancelled(blob_folders):
    progress = Progress()
    progress._callback = lambda fraction, message: progress.cancel()
    with pytest.raises(Cancelled):
        load_cases(find_cases(*blob_folders), GRID, progress=progress)


def test_the_automatic_grid_holds_every_image_whatever_its_direction():
    quarter_turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    images = [noise((20, 30, 40)), noise((10, 34, 16)), noise((33, 20, 36), direction=quarter_turn)]
    assert automatic_grid(images).size == (48, 48, 48)
    assert automatic_grid(images, factor=4).size == (36, 36, 40)
    assert automatic_grid(images, spacing=2.0, factor=4) == NetworkGrid((20, 20, 20), 2.0)


def test_the_automatic_grid_has_the_median_of_the_finest_spacings():
    images = [noise((8, 8, 8), spacing) for spacing in ((0.5, 0.5, 3), (0.7, 0.8, 2), (2, 2, 2))]
    assert automatic_grid(images).spacing == pytest.approx(0.7)
    slices = [noise((1, 20, 30), (0.5, 0.5, 8)), noise((1, 40, 10), (0.5, 0.5, 8))]
    assert automatic_grid(slices) == NetworkGrid((48, 32), 0.5)


def test_a_grid_of_given_size_takes_the_images_spacing(blob_folders):
    images, labels = blob_folders
    for path in [*images.iterdir(), *labels.iterdir()]:
        image = sitk.ReadImage(str(path))
        image.SetSpacing((2, 2, 2))
        sitk.WriteImage(image, str(path))
    _, grid = load_cases(find_cases(images, labels), NetworkGrid((16, 16, 16), 0.0))
    assert grid == NetworkGrid((16, 16, 16), 2.0)


def test_the_rule_validates_on_every_so_manieth_case():
    training, validation = split_cases(NAMES, "5:1")
    assert validation == [1, 6, 11]
    assert sorted(training + validation) == list(range(12))
    assert split_cases(NAMES, "none") == (list(range(12)), [])


@pytest.mark.parametrize("rule", ["", "5", "5:1:2", "a:b", "0:1", "10:10", "-3:1", "10:-1"])
def test_a_rule_that_is_none_is_refused(rule):
    with pytest.raises(InputError, match="N:R"):
        split_cases(NAMES, rule)


def test_a_split_that_leaves_nothing_to_train_on_is_refused():
    with pytest.raises(InputError, match="training needs at least two"):
        split_cases(NAMES[:3], "1:0")


def test_split_files_name_cases(tmp_path):
    listed, chosen = tmp_path / "split.txt", tmp_path / "split.json"
    listed.write_text("case_2\ncase_7\n")
    training, validation = split_cases(NAMES, "none", listed)
    assert validation == [2, 7]
    assert training == [0, 1, 3, 4, 5, 6, 8, 9, 10, 11]
    chosen.write_text(json.dumps({"validation": ["case_2"], "training": ["case_9", "case_1"]}))
    assert split_cases(NAMES, "5:1", chosen) == ([9, 1], [2])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "cannot be read"),
        ("[1]", "cannot be read"),
        ('{"training": []}', "cannot be read"),
        ('{"validation": ["case_1"], "training": ["case_1", "case_2"]}', "both for training and for validation"),
        ('{"validation": ["case_99"]}', "not there: case_99"),
    ],
)
def test_a_split_file_that_cannot_be_used_is_refused(tmp_path, text, reason):
    path = tmp_path / "split.json"
    path.write_text(text)
    with pytest.raises(InputError, match=reason):
        split_cases(NAMES, "none", path)
    with pytest.raises(InputError, match="cannot be read"):
        split_cases(NAMES, "none", tmp_path / "missing.txt")


def test_a_left_handed_oblique_case_is_prepared_like_its_straight_twin(blobs, tmp_path):
    image, labels = blobs(Geometry((15, 13, 11), origin=(4, -9, 2)))
    mirror = np.diag([-1.0, 1, 1])
    for name, picture in (("image", image), ("labels", labels)):
        folder = tmp_path / name
        write_image(picture, folder / "a.nii.gz")
        origin = picture.geometry.index_to_physical((14, 0, 0))
        write_image(Image(picture.array[:, :, ::-1], picture.spacing, tuple(origin), mirror), folder / "b.nii.gz")
    cases, _ = load_cases(find_cases(tmp_path / "image", tmp_path / "labels"), GRID)
    for part in (cases.images, cases.labels, cases.masks):
        np.testing.assert_allclose(part[0].numpy(), part[1].numpy(), atol=2e-3)
    assert cases.labels.float().mean() > 0
