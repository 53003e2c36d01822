"""The host with Slicer's own Python files: which folders it takes, and what it puts in their place."""

import os
import types

import pytest
import slicer

from Testing.SlicerHost import base_python

IN_USE = bool(os.environ.get(base_python.ENVIRONMENT_VARIABLE))


def test_no_folder_is_asked_for(monkeypatch):
    monkeypatch.delenv(base_python.ENVIRONMENT_VARIABLE, raising=False)
    assert base_python.folder() is None
    monkeypatch.setenv(base_python.ENVIRONMENT_VARIABLE, "")
    assert base_python.folder() is None


def test_other_folders_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv(base_python.ENVIRONMENT_VARIABLE, str(tmp_path))
    with pytest.raises(ValueError, match=r"has no slicer/ScriptedLoadableModule\.py; set it to the folder Base/Python"):
        base_python.folder()
    (tmp_path / "slicer" / "parameterNodeWrapper").mkdir(parents=True)
    for name in ("ScriptedLoadableModule.py", "i18n.py", "parameterNodeWrapper/__init__.py"):
        (tmp_path / "slicer" / name).write_text("")
    with pytest.raises(ValueError, match=r"util\.py"):
        base_python.folder()
    (tmp_path / "slicer" / "util.py").write_text("")
    assert base_python.folder() == tmp_path.resolve()


def test_names_that_were_imported_before_are_replaced():
    def made(name, text):
        module = types.ModuleType(name)
        exec(text, vars(module))
        return module

    old = made("slicer.util", "def getNode(): return 'old'\ndef gone(): pass\nLIMIT = 3\n__name__ = 'slicer.util'")
    new = made("slicer.util", "def getNode(): return 'new'\nLIMIT = 4")
    user = types.ModuleType("user")
    user.util, user.find, user.gone, user.getNode = old, old.getNode, old.gone, test_no_folder_is_asked_for
    base_python._replace_names(user, old, new)
    assert user.util is new
    assert user.find is new.getNode
    assert user.gone is old.gone
    assert user.getNode is test_no_folder_is_asked_for


@pytest.mark.parametrize("name", ["util", "i18n", "parameterNodeWrapper", "ScriptedLoadableModule"])
def test_modules_come_from_the_folder(application, name):
    module = getattr(slicer, name)
    __import__(f"slicer.{name}")
    assert os.sys.modules[f"slicer.{name}"] is module
    from_folder = IN_USE and str(getattr(module, "__file__", "")).startswith(str(base_python.folder()))
    assert bool(from_folder) == IN_USE
    assert slicer.NodeModify is slicer.util.NodeModify
