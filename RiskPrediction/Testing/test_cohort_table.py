"""Every mistake in a cohort's table is told with its row and column."""

import numpy as np
import pytest

from DeformationLib.errors import InputError
from MotionModelLib.motion_matrix import MotionMatrix
from RiskPredictionLib.cohort_table import find_problems, read_cohort, write_cohort
from RiskPredictionLib.fingerprint_files import (
    read_fingerprint,
    read_fingerprint_table,
    write_fingerprint_table,
)
from RiskPredictionLib.simulated_cohort import simulated_cohort

GOOD = "case,time,event,EF,age\na,10,1,30.5,50\nb,20,0,40,61\nc,5.5,true,55,49\n"


def written(folder, text, name="cohort.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_table(tmp_path):
    cohort = read_cohort(written(tmp_path, GOOD))
    assert cohort.cases == ("a", "b", "c")
    assert cohort.time.tolist() == [10, 20, 5.5]
    assert cohort.event.tolist() == [True, False, True]
    assert cohort.clinical_names == ("EF", "age")
    assert cohort.clinical.tolist() == [[30.5, 50], [40, 61], [55, 49]]
    assert not cohort.simulated
    assert "3 cases, 2 with event (67 %)" in str(cohort)


def test_spreadsheets_tables(tmp_path):
    text = "\ufeff" + GOOD.replace(",", ";").replace("\n", "\r\n") + ";;;;\r\n"
    assert read_cohort(written(tmp_path, text)).clinical.shape == (3, 2)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("b,20", "b,-20", "Row 3, column 'time': the time -20 is negative"),
        ("b,20", "b,soon", "Row 3, column 'time': 'soon' is no number"),
        ("b,20", "b,", "Row 3, column 'time': the value is missing"),
        ("b,20", "a,20", "Row 3, column 'case': 'a' is already in row 2"),
        ("b,20", ",20", "Row 3, column 'case': the case has no name"),
        ("20,0", "20,2", "Row 3, column 'event': '2' is neither 1"),
        ("20,0", "20,", "Row 3, column 'event'"),
        ("5.5,true,55", "5.5,true,nan", "Row 4, column 'EF': 'nan' is no finite number"),
        ("5.5,true,55", "5.5,true,inf", "Row 4, column 'EF': 'inf' is no finite number"),
        ("5.5,true,55", "5.5,true,low", "Row 4, column 'EF': 'low' is no number"),
        ("5.5,true,55", "5.5,true,", "Row 4, column 'EF': the value is missing"),
        ("55,49", "55", "Row 4: 4 columns where the header has 5"),
        ("time,", "months,", "Row 1, column 'time': the column is missing"),
        ("\nc,5.5", "\n\nc,-5.5", "Row 5, column 'time': the time -5.5 is negative"),
        ("\nc,5.5", "\n,,,,\nc,5.5", "Row 4: the row is empty"),
        ("EF,age", "EF,EF", "Row 1, column 'EF': there are two columns"),
        ("EF,age", "EF,", "the column has no name"),
        (",1,30.5", ",0,30.5", None),
    ],
)
def test_mistakes_are_named_with_row_and_column(tmp_path, old, new, message):
    path = written(tmp_path, GOOD.replace(old, new, 1))
    if message is None:  # one event is left: still a cohort
        assert read_cohort(path).event.sum() == 1
        return
    with pytest.raises(InputError) as raised:
        read_cohort(path)
    assert message in str(raised.value)


def test_mistakes_of_whole_columns(tmp_path):
    for old, new, message in (
        (("1,30.5", "true,55"), ("0,30.5", "0,55"), "no case has an event"),
        (("20,0",), ("20,1",), "all cases have an event"),
        (("50\n", "61\n", "49\n"), ("50\n", "50\n", "50\n"), "Column 'age': all cases have the value 50"),
    ):
        text = GOOD
        for before, after in zip(old, new):
            text = text.replace(before, after)
        with pytest.raises(InputError) as raised:
            read_cohort(written(tmp_path, text))
        assert message in str(raised.value)


def test_all_mistakes_are_found_and_the_first_are_shown(tmp_path):
    text = "case,time,event\n" + "".join(f"c{number},-1,1\n" for number in range(9))
    header, *rows = (line.split(",") for line in text.splitlines())
    assert len(find_problems(header, rows, tmp_path)) == 9
    with pytest.raises(InputError, match="and 4 more"):
        read_cohort(written(tmp_path, text))


def test_missing_files_are_named(tmp_path):
    text = "case,time,event,cine\na,1,1,a.nii.gz\nb,2,0,\n"
    with pytest.raises(InputError) as raised:
        read_cohort(written(tmp_path, text))
    assert "Row 2, column 'cine': the file 'a.nii.gz' does not exist" in str(raised.value)
    assert "Row 3, column 'cine': no file is named" in str(raised.value)
    (tmp_path / "a.nii.gz").write_bytes(b"")
    cohort = read_cohort(written(tmp_path, text.replace("2,0,", "2,0,a.nii.gz")))
    assert cohort.cine[0] == str(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("text", ["", "case,time,event\n"])
def test_empty_tables(tmp_path, text):
    with pytest.raises(InputError):
        read_cohort(written(tmp_path, text))


def test_unreadable_tables(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_cohort(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("case,time,event\nMüller,1,1\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        read_cohort(tmp_path / "latin.csv")


def test_fingerprints_of_motion_matrices_beside_the_table(tmp_path):
    for name, slots in (("a", 4), ("b", 4)):
        MotionMatrix(np.full((1, 2, slots), ord(name)), np.ones((1, 2)), "motion").write(tmp_path / f"{name}.csv")
    text = "case,time,event,fingerprint\na,1,1,a.csv\nb,2,0,b.csv\n"
    cohort = read_cohort(written(tmp_path, text))
    assert cohort.fingerprints.shape == (2, 2, 4)
    assert cohort.fingerprints[1, 0, 0] == ord("b")
    assert cohort.flat_fingerprints().shape == (2, 8)
    MotionMatrix(np.zeros((1, 2, 5)), np.ones((1, 2)), "motion").write(tmp_path / "b.csv")
    with pytest.raises(InputError, match="Row 3, case 'b': its fingerprint has the size 2 x 5, that of 'a' 2 x 4"):
        read_cohort(tmp_path / "cohort.csv")


def test_fingerprints_from_tables(tmp_path):
    path = written(tmp_path, GOOD)
    values = np.arange(24.0).reshape(3, 2, 4)
    npz = write_fingerprint_table(tmp_path / "f.npz", ["c", "a", "b"], values)
    assert read_cohort(path, npz).fingerprints[0, 0, 0] == 8
    table = written(tmp_path, "case,x,y\na,1,2\nb,3,4\nc,5,6\n", "f.csv")
    assert read_cohort(path, table).fingerprints.shape == (3, 2, 1)
    for text, message in (
        ("case,x\na,1\n", "2 of 3 cases have no fingerprint, the first is 'b'"),
        ("case,x\na,1\nb,2\nc,q\n", "row 4, column 'x': 'q' is no number"),
        ("case,x\na,1\na,2\n", "more than once"),
        ("case,x\na,1\nb,2\nc,nan\n", "no numbers"),
        ("name,x\na,1\n", "must be 'case'"),
    ):
        with pytest.raises(InputError) as raised:
            read_cohort(path, written(tmp_path, text, "bad.csv"))
        assert message in str(raised.value)


def test_files_that_hold_no_fingerprints(tmp_path):
    np.savez(tmp_path / "other.npz", values=np.zeros(3))
    np.save(tmp_path / "flat.npy", np.zeros(3))
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04nothing")
    np.save(tmp_path / "code.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "empty.csv").write_bytes(b"")
    for name in ("empty.csv", "other.npz", "broken.npz", "missing.npz", "table.txt"):
        with pytest.raises(InputError):
            read_fingerprint_table(tmp_path / name)
    for name in ("flat.npy", "code.npy", "missing.npy", "missing.csv"):
        with pytest.raises(InputError):
            read_fingerprint(tmp_path / name)


def test_a_cohort_survives_writing(tmp_path):
    cohort = simulated_cohort(12)
    write_fingerprint_table(tmp_path / "f.npz", cohort.cases, cohort.fingerprints)
    again = read_cohort(write_cohort(tmp_path / "c.csv", cohort), tmp_path / "f.npz")
    np.testing.assert_allclose(again.time, cohort.time)
    np.testing.assert_allclose(again.simulated_risk, cohort.simulated_risk, rtol=1e-6)
    np.testing.assert_allclose(again.fingerprints, cohort.fingerprints, atol=1e-5)
    assert again.simulated
    assert again.clinical_names == cohort.clinical_names


def test_subsets_keep_rows_together():
    cohort = simulated_cohort(12)
    part = cohort.subset([5, 2])
    assert part.cases == (cohort.cases[5], cohort.cases[2])
    assert part.simulated_risk[1] == cohort.simulated_risk[2]
    assert part.fingerprints[0, 0, 0] == cohort.fingerprints[5, 0, 0]
