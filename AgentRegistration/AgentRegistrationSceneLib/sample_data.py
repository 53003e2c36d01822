"""Sample data of the module: slices of two simulated hearts, made on the spot, and the public hippocampus pair.

Slicer calls `registerSampleData` when it has started; the data are made or fetched when a person asks for them.
"""

from __future__ import annotations

import os
from pathlib import Path

from slicer.i18n import tr as _

from DeformationSceneLib.sample_pairs import SamplePair, addPair, registerHippocampus

CATEGORY = "Agent Registration"

SEEDS = (13, 14)
"""Fixed, moving."""

SIZE, SPACING = (112, 112, 1), (1.6, 1.6, 8.0)


def registerSampleData() -> None:
    """Add the samples to Slicer's module Sample Data; does nothing in a Slicer that was built without it."""
    try:
        import SampleData
    except ImportError:
        return
    # Empty lists rather than None, since the module counts them.
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=_("Two simulated hearts"),
        uris=[],
        fileNames=[],
        nodeNames=[],
        customDownloader=_onHearts,
        thumbnailFileName=os.fspath(Path(__file__).resolve().parents[1] / "Resources" / "Icons" / "TwoHearts.png"),
    )
    registerHippocampus(SampleData.SampleDataLogic, CATEGORY)


def simulatedHearts(seeds: tuple[int, int] = SEEDS, size=SIZE, spacing=SPACING) -> SamplePair:
    """Short-axis slices of two hearts at end-diastole with their label maps; needs no network and no scene."""
    from DeformationLib.cardiac_phantoms import MYOCARDIUM, POOL, RIGHT_VENTRICLE, beating_heart

    hearts = [beating_heart(seed, 2, 1.0, size, spacing) for seed in seeds]
    names = {RIGHT_VENTRICLE: _("Right ventricle"), MYOCARDIUM: _("Myocardium"), POOL: _("Left ventricle")}
    images = [part for heart in hearts for part in (heart.frames[0], heart.labels[0])]
    return SamplePair(*images, _("Heart"), names, _("Simulated, no patient data."))


def addHearts() -> list:
    """Fixed volume, moving volume and their segmentations of two simulated hearts, in the scene; needs no network."""
    return addPair(simulatedHearts())


def _onHearts(source) -> None:
    """Slot of the module Sample Data; `source` is its description of the sample."""
    from DeformationSceneLib.messages import errors_shown

    with errors_shown(_("Sample data")):
        addHearts()
