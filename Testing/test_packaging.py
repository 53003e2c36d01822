"""What Slicer and the Extensions Index look at in the code: imports, loose files, the command line module's description."""

import importlib.util
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("LatentRegistration", "MotionModel", "RiskPrediction", "AgentRegistration")
BACKEND = (
    "LatentRegistration/DeformationLib",
    "LatentRegistration/LatentRegistrationLib",
    "MotionModel/MotionModelLib",
    "RiskPrediction/RiskPredictionLib",
    "AgentRegistration/AgentRegistrationLib",
)
SHARED = ("LatentRegistration/DeformationLib", "LatentRegistration/DeformationSceneLib")


def imports_in(package: str, names: str) -> list[Path]:
    """Files of a package that import modules whose names match, in any function."""
    files = list((ROOT / package).rglob("*.py"))
    assert files, package
    return [path for path in files if re.search(rf"^\s*(import|from) ({names})", path.read_text(), re.MULTILINE)]


@pytest.mark.parametrize("name", MODULES)
def test_no_loose_python_file_is_taken_for_a_module(name):
    assert [path.name for path in (ROOT / name).glob("*.py")] == [f"{name}.py"]


@pytest.mark.parametrize("package", BACKEND)
def test_only_the_scene_libraries_and_the_modules_import_slicer(package):
    assert imports_in(package, r"(slicer|qt|ctk|vtk|\w+SceneLib)\b") == []


@pytest.mark.parametrize("package", SHARED)
def test_what_is_shared_imports_no_module(package):
    assert imports_in(package, "LatentRegistration|MotionModel|RiskPrediction|AgentRegistration") == []


@pytest.mark.parametrize("package", ["LatentRegistrationLib", "LatentRegistrationSceneLib"])
def test_registration_knows_nothing_of_motion(package):
    assert imports_in(f"LatentRegistration/{package}", "MotionModel|RiskPrediction|AgentRegistration") == []


@pytest.mark.parametrize("package", ["MotionModelLib", "MotionModelSceneLib"])
def test_motion_knows_nothing_of_risk(package):
    assert imports_in(f"MotionModel/{package}", "RiskPrediction|AgentRegistration") == []


@pytest.mark.parametrize("package", ["AgentRegistrationLib", "AgentRegistrationSceneLib"])
def test_agents_know_nothing_of_other_models(package):
    assert imports_in(f"AgentRegistration/{package}", "LatentRegistration|MotionModel|RiskPrediction") == []


def test_no_panel_uses_another_panels_parts():
    assert imports_in("MotionModel/MotionModelSceneLib", "LatentRegistrationSceneLib") == []
    assert imports_in("RiskPrediction/RiskPredictionSceneLib", "(LatentRegistration|MotionModel)SceneLib") == []


@pytest.mark.parametrize("name", MODULES)
def test_module_file_imports_without_torch(application, monkeypatch, name):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    spec = importlib.util.spec_from_file_location(f"{name}WithoutTorch", ROOT / name / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert getattr(module, f"{name}Logic")()


COMMANDS = [
    ROOT / "LatentRegistration" / "LatentRegistrationTrain" / "LatentRegistrationTrain.py",
    ROOT / "MotionModel" / "MotionModelTrain" / "MotionModelTrain.py",
    ROOT / "RiskPrediction" / "RiskPredictionTrain" / "RiskPredictionTrain.py",
    ROOT / "AgentRegistration" / "AgentRegistrationTrain" / "AgentRegistrationTrain.py",
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
