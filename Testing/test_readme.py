"""The README's Python: its calls fit what they call, and what is quick is run as it stands there, with the bundled models."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

from DeformationLib.cardiac_phantoms import beating_heart
from DeformationLib.image_io import write_image
from DeformationLib.phantoms import two_part_phantom

README = Path(__file__).resolve().parents[1] / "README.md"
SIZE, SPACING = (112, 112, 2), (1.6, 1.6, 8.0)

OBJECTS = {
    "from MotionModelLib": {
        "model": "MotionModelLib.motion_model.MotionModel",
        "motion": "MotionModelLib.motion.Motion",
        "curves": "MotionModelLib.volume_curves.VolumeCurves",
    },
    "from RiskPredictionLib": {
        "model": "RiskPredictionLib.survival_model.FingerprintCox",
        "FingerprintCox()": "RiskPredictionLib.survival_model.FingerprintCox",
    },
    "from AgentRegistrationLib": {
        "agent": "AgentRegistrationLib.agent_model.AgentModel",
        "registration": "AgentRegistrationLib.agent_registration.AgentRegistration",
        "registration.walk": "AgentRegistrationLib.agent_walk.AgentWalk",
    },
    "from DeformationLib": {
        "model": "LatentRegistrationLib.model.RegistrationModel",
        "result": "DeformationLib.registration.RegistrationResult",
        "explorer": "LatentRegistrationLib.explorer.Explorer",
    },
    "logic = LatentRegistrationLogic": {"logic": "LatentRegistrationSceneLib.logic.LatentRegistrationLogic"},
    "logic = MotionModelLogic": {"logic": "MotionModelSceneLib.logic.MotionModelLogic"},
    "logic = RiskPredictionLogic": {"logic": "RiskPredictionSceneLib.logic.RiskPredictionLogic"},
    "logic = AgentRegistrationLogic": {
        "logic": "AgentRegistrationSceneLib.logic.AgentRegistrationLogic",
        "walking": "AgentRegistrationSceneLib.walk_registration.WalkRegistration",
        "walking.walk": "AgentRegistrationLib.agent_walk.AgentWalk",
    },
}
"""What the variables of each block are, by the words that the block begins with."""


def block(first):
    """The README's block of Python that begins with these words."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (found,) = (code for code in blocks if code.startswith(first))
    return found


def run(first, **names):
    """Run a block; returns the names that it leaves behind."""
    exec(block(first), names)
    return names


def test_every_block_is_known():
    count = README.read_text(encoding="utf-8").count("```python\n")
    assert len({block(first) for first in OBJECTS}) == count


@pytest.mark.parametrize("first", OBJECTS)
def test_calls_fit_what_they_call(application, first):
    checked = 0
    for call in (node for node in ast.walk(ast.parse(block(first))) if isinstance(node, ast.Call)):
        if not isinstance(call.func, ast.Attribute):
            continue
        owner = OBJECTS[first].get(ast.unparse(call.func.value))
        if owner is None:
            continue
        module, _, name = owner.rpartition(".")
        method = inspect.getattr_static(getattr(import_module(module), name), call.func.attr)
        given = {keyword.arg: None for keyword in call.keywords}
        inspect.signature(method).bind(None, *call.args, **given)
        checked += 1
    assert checked >= 2


def test_registration_in_python(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (fixed, _), (moving, labels) = two_part_phantom(1), two_part_phantom(2)
    for image, name in ((fixed, "fixed"), (moving, "moving"), (labels, "moving_labels")):
        write_image(image, f"{name}.nii.gz")
    names = run("from DeformationLib")
    assert "hippocampus" in capsys.readouterr().out
    assert names["warped"].array.shape == fixed.array.shape
    assert (names["deformed"].array != labels.array).any()


def test_motion_in_python(capsys):
    heart = beating_heart(3, 12, 1.0, SIZE, SPACING)
    names = run(
        "from MotionModelLib",
        frames=heart.frames,
        end_diastolic_labels=heart.labels[0],
        another_end_diastole=beating_heart(4, 2, 1.0, SIZE, SPACING).frames[0],
    )
    assert 0 < float(capsys.readouterr().out.split()[0]) < 100
    assert len(names["completed"]) == len(names["elsewhere"]) == 12
