"""Fingerprints of series, of one and of many."""

import csv
import pickle
import threading
import time

import numpy as np
import pytest
import SimpleITK as sitk

from DeformationLib.errors import Cancelled, InputError
from DeformationLib.progress import Progress
from RiskPredictionLib import process_pool
from RiskPredictionLib.cohort_table import read_cohort
from RiskPredictionLib.extraction_cases import ExtractionCase, case_name, cases_of
from RiskPredictionLib.fingerprint_extraction import MotionFingerprints, extract, middle_slices
from RiskPredictionLib.fingerprint_files import read_fingerprint_table, table_origin
from Testing.extraction_fixtures import MeanSource, motion_model_fixtures, write_cine

_fixtures = motion_model_fixtures()
SOLID, motion_bundle, motion_model = _fixtures.SOLID, _fixtures.motion_bundle, _fixtures.motion_model
small_heart, stored_otherwise = _fixtures.small_heart, _fixtures.stored_otherwise


@pytest.fixture(scope="module")
def source():
    return MotionFingerprints(motion_model(prior="unit"))


@pytest.fixture(scope="module")
def heart():
    return small_heart(frames=12).frames


def test_fingerprint_is_the_mean_of_the_middle_slices(source, heart):
    matrices = source.matrices(heart)
    assert matrices.shape == (4, 5, 8)
    np.testing.assert_allclose(source.fingerprint(heart), matrices[0:3].mean(axis=0))
    whole, one = MotionFingerprints(source.model, slices=0), MotionFingerprints(source.model, slices=1)
    np.testing.assert_allclose(whole.fingerprint(heart), matrices.mean(axis=0))
    np.testing.assert_allclose(one.fingerprint(heart), matrices[1])


def test_middle_of_stacks():
    assert [middle_slices(count, 3).indices(count)[:2] for count in (1, 2, 3, 4, 5, 10)] == [
        (0, 1), (0, 2), (0, 3), (0, 3), (1, 4), (3, 6),
    ]  # fmt: skip


def test_volumes_have_one_matrix(heart):
    source = MotionFingerprints(motion_model(SOLID, prior="unit"))
    np.testing.assert_allclose(source.fingerprint(heart), source.matrices(heart)[0])


def test_every_slot_is_seen_whatever_the_number_of_frames(source):
    """A short series has frames in a third of the slots: the other columns follow from splines, not from nothing."""
    shapes, many = set(), source.fingerprint(small_heart(frames=27).frames)
    for count in (5, 9, 27):
        found = source.fingerprint(small_heart(frames=count).frames)
        shapes.add(found.shape)
        assert np.corrcoef(found.ravel(), many.ravel())[0, 1] > 0.7
    assert shapes == {(5, 8)}


def test_series_of_as_many_frames_as_the_model_has_are_encoded_as_they_are(source):
    frames = small_heart(frames=9).frames
    np.testing.assert_allclose(source.matrices(frames), source.model.encode(frames).mean)


def test_orientation_and_first_frame_do_not_matter(source, heart):
    found = source.fingerprint(heart)
    turned = [stored_otherwise(frame) for frame in heart]
    np.testing.assert_allclose(source.fingerprint(turned), found, atol=1e-3)
    np.testing.assert_allclose(source.fingerprint(heart[-3:] + heart[:-3], reference=3), found, atol=1e-4)


def test_mask_moves_where_the_model_looks(source, heart):
    mask = heart[0].with_array((np.indices(heart[0].array.shape)[2] < 14).astype(np.uint8))
    assert np.abs(source.fingerprint(heart, mask) - source.fingerprint(heart)).max() > 1e-3


def test_model_of_a_bundle_is_not_carried_between_processes(tmp_path, heart):
    source = MotionFingerprints(motion_bundle(tmp_path, prior="unit"))
    assert source.name == "random-motion"
    found = source.fingerprint(heart)
    copy = pickle.loads(pickle.dumps(source))
    assert len(pickle.dumps(source)) < 2000
    np.testing.assert_array_equal(copy.fingerprint(heart), found)
    assert copy.identity == source.identity != MotionFingerprints(tmp_path / "random-motion", slices=1).identity


def test_unknown_models_and_numbers_of_slices_are_refused(tmp_path, source):
    with pytest.raises(InputError, match="There is no model"):
        MotionFingerprints("nowhere")
    with pytest.raises(InputError, match="1 or more, or 0 for all"):
        MotionFingerprints(source.model, slices=-1)


def table(folder, rows, header="case,cine"):
    (folder / "cohort.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder / "cohort.csv"


def broken_cohort(folder, crash=False):
    """Nine rows, three of which are good."""
    write_cine(folder / "a.nii.gz", 10)
    write_cine(folder / "b.nii.gz", 650)
    write_cine(folder / "c.nii.gz", 750)
    write_cine(folder / "d.nii.gz", 950 if crash else 40)
    write_cine(folder / "e.nii.gz", 50, frames=6)
    write_cine(folder / "f.nii.gz", 60)
    (folder / "text.nii.gz").write_text("no image")
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 5, 6), np.float32)), str(folder / "flat.nii.gz"))
    rows = ["a,a.nii.gz,0", "b,b.nii.gz,", "c,c.nii.gz,", "d,d.nii.gz,", "e,e.nii.gz,9", "f,f.nii.gz,first"]
    rows += [
        "a,f.nii.gz,",
        "g,gone.nii.gz,",
        ",f.nii.gz,",
        "h,,",
        "",
        "t,text.nii.gz,",
        "v,flat.nii.gz,",
        "z,f.nii.gz,",
    ]
    return table(folder, rows, "case,cine,ed_frame")


REASONS = {
    3: "Frame 1 shows nothing.",
    4: "ValueError: nobody thought of this",
    6: "The end-diastolic frame 9 is not in the series, whose frames are 0 to 5: give one of those.",
    7: "'first' is no frame: write a whole number, 0 for the first frame",
    8: "'a' is already in row 2: leave one of them",
    9: "gone.nii.gz does not exist: name the 4-D file of the series.",
    10: "the case has no name: give every case one of its own",
    11: "no series is named: name its 4-D file in the column cine",
    13: "cannot be read as an image",
    14: "flat.nii.gz has one frame, but motion needs at least two",
}


def test_cases_that_fail_are_listed_and_the_others_extracted(tmp_path):
    extraction = extract(broken_cohort(tmp_path), MeanSource())
    assert list(extraction.fingerprints) == ["a", "d", "z"]
    assert np.allclose(extraction.fingerprints["d"], 40, atol=0.2)
    assert [failure.row for failure in extraction.failures] == list(REASONS)
    for failure in extraction.failures:
        assert REASONS[failure.row] in failure.reason
    assert "Row 3, case 'b': Frame 1 shows nothing." in map(str, extraction.failures)
    text = str(extraction)
    assert text.startswith(
        "3 of 13 cases extracted; 10 failed: Row 3, case 'b': Frame 1 shows nothing; Row 4, case 'c':"
    )
    assert text.endswith("; ... and 5 more")


def test_processes_do_the_same_and_survive_one_that_crashes(tmp_path):
    path = broken_cohort(tmp_path, crash=True)
    extraction = extract(path, MeanSource(), processes=2)
    assert list(extraction.fingerprints) == ["a", "z"]
    rows = {failure.row: failure.reason for failure in extraction.failures}
    assert "ended with the code 9" in rows.pop(5)
    assert list(rows) == list(REASONS)
    assert all(REASONS[row] in reason for row, reason in rows.items())


@pytest.mark.parametrize("reason", ["no Python beside the application", "cannot be pickled"])
def test_without_processes_the_work_is_done_here(tmp_path, monkeypatch, reason):
    class Local(MeanSource):
        pass

    source = MeanSource()
    if reason == "cannot be pickled":
        source = Local()
    else:
        monkeypatch.setattr(process_pool, "_python", lambda: None)
    cases = {name: write_cine(tmp_path / f"{name}.nii.gz", 10) for name in "ab"}
    assert list(extract(cases, source, processes=2).fingerprints) == ["a", "b"]


def test_written_extraction_is_read_again(tmp_path):
    extraction = extract(broken_cohort(tmp_path), MeanSource())
    folder = extraction.write(tmp_path / "out")
    found = read_fingerprint_table(folder / "fingerprints.npz")
    np.testing.assert_allclose(found["z"], extraction.fingerprints["z"])
    assert table_origin(folder / "fingerprints.npz") == ("means", 0)
    with open(folder / "failures.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["row"] for row in rows] == [str(row) for row in REASONS]
    assert rows[0] == {
        "case": "b",
        "row": "3",
        "path": str(tmp_path / "b.nii.gz"),
        "reason": "Frame 1 shows nothing.",
    }


@pytest.mark.parametrize("processes", [1, 2])
def test_cancelling_stops_soon_and_keeps_what_is_done(tmp_path, processes):
    for name, mean in (("a", 10), ("b", 850 if processes > 1 else 20), ("c", 30)):
        write_cine(tmp_path / f"{name}.nii.gz", mean)
    cases = {name: tmp_path / f"{name}.nii.gz" for name in "abc"}
    asked = []

    def stop(fraction, message):
        if message.startswith("Extracted 1 of 3") and not asked:
            asked.append(time.perf_counter())
            threading.Timer(0.2, progress.cancel).start() if processes > 1 else progress.cancel()

    progress = Progress(stop)
    with pytest.raises(Cancelled):
        extract(cases, MeanSource(), processes, progress, tmp_path / "kept.npz")
    assert time.perf_counter() - asked[0] < 20  # the slow case takes a minute
    assert "a" in read_fingerprint_table(tmp_path / "kept.npz")


def test_cache_serves_unchanged_files_of_the_same_model_only(tmp_path):
    cases = {name: write_cine(tmp_path / f"{name}.nii.gz", mean) for name, mean in (("a", 10), ("b", 20), ("c", 30))}
    cache = tmp_path / "cache.npz"
    assert extract({"a": cases["a"], "b": cases["b"]}, MeanSource(), cache=cache).kept == 0
    again = extract(cases, MeanSource(), cache=cache)
    assert again.kept == 2
    assert extract(cases, MeanSource(), cache=cache).kept == 3
    assert extract(cases, MeanSource("other means"), cache=tmp_path / "cache.npz").kept == 0
    write_cine(cases["b"], 99, frames=4)
    changed = extract(cases, MeanSource("other means"), cache=cache)
    assert changed.kept == 2
    assert np.allclose(changed.fingerprints["b"], 99, atol=0.3)
    cache.write_bytes(b"damaged")
    assert extract(cases, MeanSource(), cache=cache).kept == 0


def test_cohort_gives_rows_frames_masks_and_series_in_memory(tmp_path, source, heart):
    write_cine(tmp_path / "a.nii.gz", 10)
    write_cine(tmp_path / "m.nii.gz", 1)
    rows = ["a,a.nii.gz,2,m.nii.gz,1,0,60", "b,a.nii.gz,,,2,1,70"]
    cohort = read_cohort(table(tmp_path, rows, "case,cine,ed_frame,mask,time,event,age"))
    assert cohort.clinical_names == ("age",)
    first, second = cases_of(cohort)
    assert (first.row, first.ed_frame, first.mask) == (2, 2, tmp_path / "m.nii.gz")
    assert (second.row, second.ed_frame, second.mask) == (3, 0, None)
    assert cases_of(cohort.subset([1]))[0].ed_frame == 0
    in_memory = cases_of(cohort, {cohort.cine[1]: heart})[1]
    assert in_memory.cine is heart
    extraction = extract([ExtractionCase("own", heart)], source)
    np.testing.assert_allclose(extraction.fingerprints["own"], source.fingerprint(heart))


def test_sources_without_any_fingerprint_are_refused(tmp_path):
    with pytest.raises(InputError, match="no series to extract"):
        extract({}, MeanSource())
    with pytest.raises(InputError, match="No fingerprint could be extracted. Row 2, case 'a'"):
        extract(table(tmp_path, ["a,gone.nii.gz"]), MeanSource())
    with pytest.raises(InputError, match="Row 1, column 'cine'"):
        extract(table(tmp_path, ["a,1"], "case,time"), MeanSource())
    with pytest.raises(InputError, match="At least one process"):
        extract({"a": "a.nii.gz"}, MeanSource(), processes=0)


def test_case_has_the_name_that_says_most():
    assert case_name("/data/patient001/cine.nii.gz") == "patient001"
    assert case_name("/data/patient001.nii.gz") == "patient001"
