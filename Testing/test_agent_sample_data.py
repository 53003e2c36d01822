"""The pairs that AgentRegistration registers as sample data."""

import sys
import types
from pathlib import Path

import numpy as np
import slicer

from AgentRegistrationLib.agent_model import AgentModel
from AgentRegistrationSceneLib import sample_data
from DeformationSceneLib.sample_pairs import HIPPOCAMPUS_CHECKSUM
from Testing.test_sample_data import Logic


def test_slicer_is_told_of_both(monkeypatch):
    module = types.ModuleType("SampleData")
    module.SampleDataLogic = type("SampleDataLogic", (Logic,), {"registered": []})
    monkeypatch.setitem(sys.modules, "SampleData", module)
    sample_data.registerSampleData()
    hearts, hippocampus = module.SampleDataLogic.registered
    assert hearts["category"] == hippocampus["category"] == "Agent Registration"
    assert hearts["sampleName"] == "Two simulated hearts"
    assert hearts["uris"] == []
    assert hippocampus["checksums"] == [HIPPOCAMPUS_CHECKSUM]
    for arguments in (hearts, hippocampus):
        content = Path(arguments["thumbnailFileName"]).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert 128 <= int.from_bytes(content[16:20], "big") <= 256


def test_the_bundled_agent_registers_the_hearts():
    pair = sample_data.simulatedHearts()
    result = AgentModel.load("cardiac-slice-agent", "cpu").register(pair.fixed, pair.moving)
    report = result.report(pair.fixedLabels, pair.movingLabels)
    assert report["mean_dice_before"] < 0.6 < 0.8 < report["mean_dice_after"]
    assert result.similarity_before < 0.6 < 0.7 < result.similarity_after


def test_a_slicer_without_sample_data_is_left_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "SampleData", None)
    sample_data.registerSampleData()


def test_two_hearts_that_differ(scene):
    fixed, moving, fixed_parts, moving_parts = sample_data.addHearts()
    images = [slicer.util.arrayFromVolume(node) for node in (fixed, moving)]
    assert images[0].shape == images[1].shape == (1, 112, 112)
    assert np.abs(images[0] - images[1]).mean() > 2.0
    for node in (fixed_parts, moving_parts):
        names = [node.GetSegmentation().GetNthSegment(number).GetName() for number in range(3)]
        assert names == ["Right ventricle", "Myocardium", "Left ventricle"]
        assert "no patient data" in node.GetDescription()
    assert not moving_parts.GetDisplayNode().GetVisibility()
    again = sample_data.addHearts()
    assert again[0].GetName() == "Heart fixed (2)"
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(again[0]), images[0])
