"""Files are complete or absent, and what cannot be written is said in a sentence."""

import json
import os

import numpy as np
import pytest

from DeformationLib import files
from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path, make_folder, write_json


def test_file_appears_when_complete(tmp_path):
    path = tmp_path / "new" / "folder" / "image.nii.gz"
    with atomic_path(path) as temporary:
        temporary.write_text("content")
        assert not path.exists()
        assert temporary.parent == path.parent
        assert temporary.name.endswith(".nii.gz")
    assert path.read_text() == "content"
    assert os.listdir(path.parent) == ["image.nii.gz"]


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "weights.pt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="disk on fire"):
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("disk on fire")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["weights.pt"]


def test_old_file_is_replaced(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("old")
    with atomic_path(str(path)) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"


def test_a_folder_in_place_of_the_file_is_refused(tmp_path):
    (tmp_path / "image.nii.gz").mkdir()
    with pytest.raises(InputError, match=r"image\.nii\.gz cannot be written \(.*\): choose another folder"):
        with atomic_path(tmp_path / "image.nii.gz") as temporary:
            temporary.write_text("content")
    assert os.listdir(tmp_path) == ["image.nii.gz"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "output").write_text("a file")
    with pytest.raises(InputError, match=r"The folder .*output cannot be created \(.*\): choose another one"):
        make_folder(tmp_path / "output")


def test_a_write_protected_folder_is_refused(tmp_path, monkeypatch):
    # Not by chmod, which the superuser of a container does not feel.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match="write-protected"):
        make_folder(tmp_path)


def test_json_holds_what_strict_readers_accept(tmp_path):
    data = {1: np.float32(0.5), "nan": float("nan"), "array": np.array([1.0, np.inf]), "path": tmp_path, "pair": (1, 2)}
    path = write_json(data, tmp_path / "report.json")
    text = path.read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text) == {"1": 0.5, "nan": None, "array": [1.0, None], "path": str(tmp_path), "pair": [1, 2]}


def test_a_file_that_another_process_reads_is_replaced_a_moment_later(tmp_path, monkeypatch):
    """Windows refuses to replace an open file."""
    refusals, replace = [PermissionError(13, "in use"), PermissionError(13, "in use")], os.replace

    def replace_when_free(source, target):
        if refusals:
            raise refusals.pop()
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", replace_when_free)
    monkeypatch.setattr(files.time, "sleep", lambda seconds: None)
    with atomic_path(tmp_path / "log.csv") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "log.csv").read_text() == "new"
    refusals.extend(PermissionError(13, "in use") for _ in range(5))
    with pytest.raises(InputError, match=r"log\.csv cannot be written .*in use"), atomic_path(tmp_path / "log.csv"):
        pass
    assert os.listdir(tmp_path) == ["log.csv"]
