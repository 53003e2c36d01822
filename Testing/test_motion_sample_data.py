"""The simulated beating heart that MotionModel registers as sample data."""

import sys
import types

import numpy as np
import slicer

from MotionModelSceneLib import sample_data
from Testing.test_sample_data import Logic

SMALL = {"size": (32, 32, 3), "frames": 5}


def test_slicer_is_told_of_it(monkeypatch):
    module = types.ModuleType("SampleData")
    module.SampleDataLogic = type("SampleDataLogic", (Logic,), {"registered": []})
    monkeypatch.setitem(sys.modules, "SampleData", module)
    sample_data.registerSampleData()
    (arguments,) = module.SampleDataLogic.registered
    assert arguments["category"] == "Motion Model"
    assert arguments["sampleName"] == "Simulated beating heart"
    assert arguments["uris"] == []
    assert arguments["thumbnailFileName"].endswith("BeatingHeart.png")


def test_a_slicer_without_sample_data_is_left_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "SampleData", None)
    sample_data.registerSampleData()


def test_the_series_plays_and_its_structures_belong_to_the_first_frame(scene):
    sequence, browser, segmentation = sample_data.addBeatingHeart(**SMALL)
    assert sequence.GetNumberOfDataNodes() == 5
    assert sequence.GetNthIndexValue(1) == "36"
    assert sequence.GetIndexUnit() == "ms"
    volume = browser.GetProxyNode(sequence)
    first = slicer.util.arrayFromVolume(volume).copy()
    browser.SetSelectedItemNumber(2)
    assert np.abs(slicer.util.arrayFromVolume(volume) - first).mean() > 1.0
    names = [segmentation.GetSegmentation().GetNthSegment(n).GetName() for n in range(3)]
    assert names == ["Right ventricle", "Myocardium", "Left ventricle"]
    assert "no patient data" in sequence.GetDescription()


def test_a_weak_heart_moves_less(scene):
    def motion(contraction):
        sequence = sample_data.addBeatingHeart(contraction=contraction, **SMALL)[0]
        frames = [slicer.util.arrayFromVolume(sequence.GetNthDataNode(n)).astype(float) for n in (0, 2)]
        return np.abs(frames[1] - frames[0]).mean()

    assert motion(0.3) < 0.8 * motion(1.0)


def test_two_series_have_names_of_their_own(scene):
    first, second = (sample_data.addBeatingHeart(**SMALL)[0].GetName() for _ in range(2))
    assert first != second
