"""The host's widgets and clock of sequence browsers."""

import time

import numpy as np
import pytest
import qt
import slicer

ITEMS = 4


@pytest.fixture
def browser(scene):
    """A browser over four volumes whose voxels are all 0, 1, 2, 3; the index is called time, in s."""
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Cine")
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("s")
    sequence.SetIndexType(sequence.NumericIndex)
    volume = slicer.vtkMRMLScalarVolumeNode()
    for item in range(ITEMS):
        slicer.util.updateVolumeFromArray(volume, np.full((2, 3, 4), item, np.int16))
        sequence.SetDataNodeAtValue(volume, str(item / 10))
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    return browser


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        slicer.app.processEvents()
    return condition()


def shown_value(browser):
    return int(slicer.util.arrayFromVolume(browser.GetProxyNode(browser.GetMasterSequenceNode())).max())


def test_the_slider_selects_items_and_follows_them(browser):
    widget = slicer.qMRMLSequenceBrowserSeekWidget()
    assert not widget.enabled
    widget.setMRMLSequenceBrowserNode(browser)
    assert widget.enabled
    assert widget.slider().maximum == ITEMS - 1
    widget.slider().setValue(2)
    assert browser.GetSelectedItemNumber() == 2
    assert shown_value(browser) == 2
    browser.SetSelectedItemNumber(1)
    assert widget.slider().value == 1
    texts = [label.text for label in widget.findChildren(qt.QLabel)]
    assert "time" in texts
    assert "s" in texts
    widget.setMRMLSequenceBrowserNode(None)
    assert not widget.enabled
    browser.SetSelectedItemNumber(3)
    assert widget.slider().value == 0
    widget.delete()


def test_buttons_step_and_play(browser):
    widget = slicer.qMRMLSequenceBrowserPlayWidget()
    widget.setMRMLSequenceBrowserNode(browser)
    widget.onVcrLast()
    assert browser.GetSelectedItemNumber() == ITEMS - 1
    widget.onVcrPrevious()
    assert browser.GetSelectedItemNumber() == ITEMS - 2
    widget.onVcrFirst()
    browser.SetPlaybackRateFps(50.0)
    button = next(b for b in widget.findChildren(qt.QPushButton) if b.objectName == "pushButton_VcrPlayPause")
    button.click()
    assert browser.GetPlaybackActive()
    assert wait_until(lambda: shown_value(browser) == 2), "the clock lets the browser go on"
    browser.SetPlaybackActive(False)
    assert not button.checked
    widget.setMRMLSequenceBrowserNode(None)
    widget.delete()


def test_the_clock_stops_with_the_last_browser(browser, scene):
    assert slicer.app._sequence_playback.running
    scene.RemoveNode(browser)
    assert not slicer.app._sequence_playback.running


def test_another_node_is_no_browser(scene, browser):
    widget = slicer.qMRMLSequenceBrowserSeekWidget()
    widget.setMRMLSequenceBrowserNode(browser.GetMasterSequenceNode())
    assert not widget.enabled
    widget.delete()
