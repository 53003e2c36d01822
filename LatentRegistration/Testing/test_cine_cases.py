"""Cine series found in folders and tables, and refused with a sentence."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from DeformationLib.cine_cases import CineCase, find_cine_cases, most_different_frame, read_cine, series_header
from DeformationLib.errors import InputError
from DeformationLib.image_io import write_image
from Testing.velocity_fixtures import series_array, small_heart


def write_series(heart, path, frames=None):
    array = series_array(heart)[:frames]
    image = sitk.JoinSeries([part.to_sitk() for part in (heart.frames[0].with_array(a) for a in array)])
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture(scope="module")
def heart():
    return small_heart(contraction=1.0)


@pytest.fixture
def patients(heart, tmp_path):
    """Two patients' folders as info.json describes them, and one as the challenge hands them out."""
    for name in ("p1", "p2"):
        folder = tmp_path / "data" / name
        write_series(heart, folder / "cine.nii.gz")
        write_image(heart.labels[0], folder / "seg_ed.nii.gz")
        write_image(heart.labels[heart.es_frame], folder / "seg_es.nii.gz")
        info = {"ed_frame": 0, "es_frame": heart.es_frame, "group": "NOR"}
        (folder / "info.json").write_text(json.dumps(info))
    folder = tmp_path / "data" / "p3"
    write_series(heart, folder / "p3_4d.nii.gz")
    (folder / "Info.cfg").write_text(f"ED: 1\nES: {heart.es_frame + 1}\nGroup: DCM\nHeight: 170.0\nNbFrame: 4\n")
    write_image(heart.labels[0], folder / "p3_frame01_gt.nii.gz")
    return tmp_path / "data"


def test_patients_folders_of_both_layouts(patients, heart):
    cases = find_cine_cases(patients)
    assert [case.name for case in cases] == ["p1", "p2", "p3"]
    assert [case.group for case in cases] == ["NOR", "NOR", "DCM"]
    assert [sorted(case.labels) for case in cases] == [[0, heart.es_frame], [0, heart.es_frame], [0]]
    for case in cases:
        cine = read_cine(case)
        assert (cine.ed_frame, cine.es_frame) == (0, heart.es_frame)
        assert cine.frames.shape == (4, 4, 32, 32)
        np.testing.assert_allclose(cine.frame(2).array, heart.frames[2].array)
        assert cine.frame(2).same_grid(heart.frames[2])
        assert np.array_equal(cine.labels[0].array, heart.labels[0].array)


def test_a_table_names_files_relative_to_itself(patients, heart):
    table = patients / "cases.csv"
    table.write_text(
        "name,cine,ed_frame,es_frame,ed_labels,es_labels,group\n"
        f"one,p1/cine.nii.gz,0,{heart.es_frame},p1/seg_ed.nii.gz,p1/seg_es.nii.gz,HCM\n"
        "two,p2/cine.nii.gz,,,,,\n"
    )
    one, two = (read_cine(case) for case in find_cine_cases(table))
    assert one.group == "HCM"
    assert sorted(one.labels) == [0, heart.es_frame]
    assert two.ed_frame == 0
    assert two.es_frame == heart.es_frame  # found by itself: least like the first
    assert not two.labels


def test_a_folder_of_series(heart, tmp_path):
    write_series(heart, tmp_path / "a.nii.gz")
    write_series(heart, tmp_path / "b.nrrd")
    cases = find_cine_cases(tmp_path)
    assert [case.name for case in cases] == ["a", "b"]
    geometry, frames = series_header(cases[0].cine)
    assert geometry.same_grid(heart.frames[0].geometry)
    assert frames == 4
    assert series_header(tmp_path / "missing.nii") is None
    assert read_cine(cases[1]).es_frame == heart.es_frame


def test_most_different_frame():
    frames = np.zeros((5, 2, 4, 4))
    frames[:, 0] = np.array([0, 1, 5, 3, 1]).reshape(5, 1, 1)
    assert most_different_frame(frames, 0) == 2
    assert most_different_frame(frames, 2) == 0


def test_unusable_series_are_refused_with_a_sentence(heart, patients, tmp_path):
    single = write_series(heart, tmp_path / "one.nii.gz", 1)
    volume = write_image(heart.frames[0], tmp_path / "volume.nii.gz")
    cine = patients / "p1" / "cine.nii.gz"
    wrong = write_image(small_heart(slices=3).labels[0], tmp_path / "wrong.nii.gz")
    damaged = tmp_path / "damaged.nii.gz"
    damaged.write_bytes(b"no image")
    for case, sentence in (
        (CineCase("x", single), "one frame, but motion needs at least two"),
        (CineCase("x", volume), "one frame, but motion needs at least two"),
        (CineCase("x", cine, 4), "end-diastolic frame 4 of x is not in the series, whose frames are 0 to 3"),
        (CineCase("x", cine, -1), "end-diastolic frame -1"),
        (CineCase("x", cine, 0, 9), "end-systolic frame 9"),
        (CineCase("x", cine, 2, 2), "same frame"),
        (CineCase("x", cine, 0, 2, {0: wrong}), "on another grid"),
        (CineCase("x", damaged), "cannot be read"),
        (CineCase("x", tmp_path / "none.nii"), "cannot be read"),
    ):
        with pytest.raises(InputError, match=sentence):
            read_cine(case)
    with pytest.raises(InputError, match="frame 7 of p1 is not in the series"):
        read_cine(CineCase("p1", cine)).frame(7)


def test_unusable_sources_are_refused_with_a_sentence(tmp_path, patients):
    with pytest.raises(InputError, match="does not exist"):
        find_cine_cases(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no cine series"):
        find_cine_cases(tmp_path / "empty")
    for text, sentence in (
        ("case,file\na,b\n", "needs the columns name and cine"),
        ("name,cine,ed_frame\na,b,first\n", "is 'first', not a whole number"),
    ):
        table = tmp_path / "table.csv"
        table.write_text(text)
        with pytest.raises(InputError, match=sentence):
            find_cine_cases(table)
    (patients / "p1" / "info.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        find_cine_cases(patients)
    (patients / "p1" / "info.json").unlink()
    (patients / "p3" / "p3_4d.nii.gz").unlink()
    with pytest.raises(InputError, match="no file"):
        find_cine_cases(patients)
