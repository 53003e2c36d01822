"""Sample data of the module: simulated phantoms, made on the spot, and a pair of the real hippocampus set.

Slicer calls `registerSampleData` when it has started; the data are made or fetched when a person asks for them.
"""

from __future__ import annotations

import os
from pathlib import Path

from slicer.i18n import tr as _

from DeformationSceneLib.sample_pairs import SamplePair, addPair, registerHippocampus

CATEGORY = "Latent Registration"

PHANTOM_SEEDS = (4, 1)
"""Fixed, moving; the bundled model 'phantom' was trained on seeds from 1000."""


def registerSampleData() -> None:
    """Add the samples to Slicer's module Sample Data; does nothing in a Slicer that was built without it."""
    try:
        import SampleData
    except ImportError:
        return
    # Empty lists rather than None, since the module counts them.
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=_("Simulated phantoms"),
        uris=[],
        fileNames=[],
        nodeNames=[],
        customDownloader=_onPhantoms,
        thumbnailFileName=_thumbnail("Phantoms.png"),
    )
    registerHippocampus(SampleData.SampleDataLogic, CATEGORY)


def addPhantoms() -> list:
    """Fixed volume, moving volume and their segmentations of two simulated phantoms, in the scene; needs no network."""
    from DeformationLib.phantoms import BODY, HEAD, two_part_phantom

    (fixed, fixedLabels), (moving, movingLabels) = (two_part_phantom(seed) for seed in PHANTOM_SEEDS)
    names = {HEAD: _("Head"), BODY: _("Body")}
    return addPair(
        SamplePair(fixed, fixedLabels, moving, movingLabels, _("Phantom"), names, _("Simulated, no patient data."))
    )


def _onPhantoms(source) -> None:
    """Slot of the module Sample Data; `source` is its description of the sample."""
    from DeformationSceneLib.messages import errors_shown

    with errors_shown(_("Sample data")):
        addPhantoms()


def _thumbnail(name: str) -> str:
    return os.fspath(Path(__file__).resolve().parents[1] / "Resources" / "Icons" / name)
