"""Sample data of the module: a simulated beating heart, made on the spot.

Slicer calls `registerSampleData` when it has started; the series is made when a person asks for it. Real cine series, of
the ACDC challenge, may not be passed on: the module's help says where everybody can request them.
"""

from __future__ import annotations

import os
from pathlib import Path

import slicer
from slicer.i18n import tr as _

CATEGORY = "Motion Model"
SEED = 3
FRAMES = 25
SIZE, SPACING = (112, 112, 8), (1.6, 1.6, 8.0)
MILLISECONDS = 36.0
"""Between two frames; a heartbeat of 0.9 s."""


def registerSampleData() -> None:
    """Add the sample to Slicer's module Sample Data; does nothing in a Slicer that was built without it."""
    try:
        import SampleData
    except ImportError:
        return
    # Empty lists rather than None, since the module counts them.
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=_("Simulated beating heart"),
        uris=[],
        fileNames=[],
        nodeNames=[],
        customDownloader=_onBeatingHeart,
        thumbnailFileName=os.fspath(Path(__file__).resolve().parents[1] / "Resources" / "Icons" / "BeatingHeart.png"),
    )


def addBeatingHeart(seed: int = SEED, contraction: float = 1.0, size=SIZE, frames: int = FRAMES) -> tuple:
    """A simulated short-axis cine series in the scene and in its views; needs no network.

    `contraction`: 1 for a healthy heart, 0.4 for a weak one. Returns the sequence, its browser, and the segmentation of
    its first frame, which is end-diastole.
    """
    from DeformationLib.cardiac_phantoms import MYOCARDIUM, POOL, RIGHT_VENTRICLE, beating_heart
    from DeformationSceneLib.placement import place_beside, scene_as_it_was_on_failure, unique_name
    from DeformationSceneLib.segmentations import add_segmentation

    scene = slicer.mrmlScene
    heart = beating_heart(seed, frames, contraction, size, SPACING)
    names = {RIGHT_VENTRICLE: _("Right ventricle"), MYOCARDIUM: _("Myocardium"), POOL: _("Left ventricle")}
    with scene_as_it_was_on_failure(scene):
        sequence, browser = _addSequence(scene, heart.frames, unique_name(scene, _("Beating heart")))
        volume = browser.GetProxyNode(sequence)
        title = unique_name(scene, _("{name} segmentation").format(name=volume.GetName()))
        segmentation = add_segmentation(scene, heart.labels[0], title, names=names, reference_volume_node=volume)
        place_beside(segmentation, volume)
    for node in (sequence, segmentation):
        node.SetDescription(_("Simulated, no patient data."))
    slicer.util.setSliceViewerLayers(background=volume, foreground=None, label=None, fit=True)
    return sequence, browser, segmentation


def _addSequence(scene, images, name: str) -> tuple:
    """Images as a sequence and the browser that plays it, as Slicer loads a series from a file."""
    from DeformationSceneLib.volumes import add_volume

    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("ms")
    sequence.SetIndexType(sequence.NumericIndex)
    volume = add_volume(scene, images[0], name)
    for number, image in enumerate(images):
        _fill(volume, image)
        sequence.SetDataNodeAtValue(volume, f"{number * MILLISECONDS:g}")
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", _("{name} browser").format(name=name))
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    browser.AddProxyNode(volume, sequence, False)
    browser.SetPlaybackRateFps(12.0)
    browser.SetSelectedItemNumber(0)
    return sequence, browser


def _fill(volume, image) -> None:
    from DeformationSceneLib.volumes import update_volume

    update_volume(volume, image)


def _onBeatingHeart(source) -> None:
    """Slot of the module Sample Data; `source` is its description of the sample."""
    from DeformationSceneLib.messages import errors_shown

    with errors_shown(_("Sample data")):
        addBeatingHeart()
