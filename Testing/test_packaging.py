"""What Slicer and the Extensions Index look at in the code: imports, loose files, the command line module's description."""

import importlib.util
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULE = ROOT / "LatentRegistration"


def test_no_loose_python_file_is_taken_for_a_module():
    assert [path.name for path in MODULE.glob("*.py")] == ["LatentRegistration.py"]


def test_only_the_scene_library_and_the_module_import_slicer():
    for package in ("DeformationLib", "LatentRegistrationLib"):
        for path in (MODULE / package).rglob("*.py"):
            assert not re.search(r"^\s*(import|from) (slicer|qt|ctk|vtk)\b", path.read_text(), re.MULTILINE), path
    for package in ("DeformationLib", "DeformationSceneLib"):
        for path in (MODULE / package).rglob("*.py"):
            assert not re.search(r"^\s*(import|from) LatentRegistration", path.read_text(), re.MULTILINE), path


def test_module_file_imports_without_torch(application, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    spec = importlib.util.spec_from_file_location("LatentRegistrationWithoutTorch", MODULE / "LatentRegistration.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.LatentRegistrationLogic()


COMMANDS = [
    ROOT / "LatentRegistration" / "LatentRegistrationTrain" / "LatentRegistrationTrain.py",
    ROOT / "MotionModel" / "MotionModelTrain" / "MotionModelTrain.py",
]


def parser_of(command):
    spec = importlib.util.spec_from_file_location(command.stem, command)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build_parser()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.stem)
def test_command_begins_as_slicer_wants_it(command):
    assert command.read_text().startswith("#!/usr/bin/env python-real\n")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.stem)
def test_xml_describes_exactly_the_options_of_the_command(command):
    parser = parser_of(command)
    hidden = {"--slicer-progress", "--stop-file", "--help"}
    options = {action.option_strings[-1]: action for action in parser._actions}
    root = ElementTree.parse(command.with_suffix(".xml")).getroot()
    described = {}
    for group in root.findall("parameters"):
        for element in group:
            if element.find("longflag") is not None:
                described[element.findtext("longflag")] = element
    assert set(described) == set(options) - hidden
    for flag, element in described.items():
        action = options[flag]
        assert element.findtext("name") == action.dest
        assert element.findtext("label")
        assert len(element.findtext("description")) > 15
        if element.tag in ("integer", "double"):
            kind = int if element.tag == "integer" else float
            assert kind(element.findtext("default")) == action.default
            low, high = (float(element.findtext(f"constraints/{bound}")) for bound in ("minimum", "maximum"))
            assert low <= action.default <= high
        elif element.tag == "boolean":
            assert action.default is False
        elif element.tag == "string":
            assert (element.findtext("default") or "") == action.default


def test_urls_of_the_extension_are_literal():
    text = (ROOT / "CMakeLists.txt").read_text()
    for variable in ("EXTENSION_HOMEPAGE", "EXTENSION_ICONURL", "EXTENSION_SCREENSHOTURLS"):
        assert re.search(rf'set\({variable} "https://[^$"]+"\)', text), variable
    for path in re.findall(r"/main/([^\"\s]+\.png)", text):
        assert (ROOT / path).is_file(), path
