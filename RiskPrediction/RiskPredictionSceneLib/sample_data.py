"""Sample data of the module: a cohort of simulated beating hearts with simulated outcomes, made on the spot.

Slicer calls `registerSampleData` when it has started; the cohort is made when a person asks for it. There is no public
cohort of cine series with outcomes; everything here is made up, and its names say so.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import slicer
from slicer.i18n import tr as _

CATEGORY = "Risk Prediction"
CASES, SEED, FRAMES = 24, 11, 10
SIZE, SPACING = (64, 64, 2), (2.4, 2.4, 9.0)
MILLISECONDS = 90.0
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
        sampleName=_("Simulated cohort (made in half a minute)"),
        uris=[],
        fileNames=[],
        nodeNames=[],
        customDownloader=_onSimulatedCohort,
        thumbnailFileName=os.fspath(
            Path(__file__).resolve().parents[1] / "Resources" / "Icons" / "SimulatedCohort.png"
        ),
    )


def addSimulatedCohort(cases: int = CASES, seed: int = SEED, size=SIZE, frames: int = FRAMES) -> tuple:
    """A table of simulated cases, and the cine series that it names, in the scene; needs no network.

    Hearts differ in shape and in how strongly they contract. The weaker a heart, the higher its simulated risk, from
    which time and event are drawn; the column simulated_EF follows the contraction with noise, simulated_age nothing.
    Returns the table node, and the browser of a case of its own that is not in the table.
    """
    from DeformationLib.cardiac_phantoms import beating_heart
    from DeformationSceneLib.placement import scene_as_it_was_on_failure, unique_name
    from DeformationSceneLib.tables import Column, add_table
    from RiskPredictionLib.simulated_cohort import linear_log_hazard, simulate_outcomes

    scene = slicer.mrmlScene
    generator = np.random.default_rng(seed)
    contraction = generator.uniform(0.3, 1.2, cases)
    risk = linear_log_hazard(contraction[:, np.newaxis], (-1.0,), 1.5)
    time, event = simulate_outcomes(risk, seed=seed)
    with scene_as_it_was_on_failure(scene):
        names = []
        for number in range(cases):
            heart = beating_heart(seed + number, frames, float(contraction[number]), size, SPACING)
            names.append(unique_name(scene, _("Simulated heart {number}").format(number=number + 1)))
            addSequence(scene, heart.frames, names[-1])
            slicer.app.processEvents()
        heart = beating_heart(seed + cases, frames, 0.5, size, SPACING)
        patient = addBrowser(scene, addSequence(scene, heart.frames, unique_name(scene, _("Simulated patient"))))
        columns = {
            "case": [f"simulated{number + 1:02d}" for number in range(cases)],
            "cine": names,
            "time": Column(np.round(time, 1), _("days"), _("Simulated")),
            "event": Column(event.astype(int), "", _("Simulated: 1 event, 0 censored")),
            "simulated_risk": Column(np.round(risk, 4), "", _("Log hazard that the outcomes were drawn from")),
            "simulated_EF": Column(np.round(15 + 45 * contraction + 4 * generator.normal(size=cases), 1), "%"),
            "simulated_age": Column(np.round(60 + 12 * generator.normal(size=cases), 1), _("years")),
        }
        table = add_table(scene, unique_name(scene, _("Simulated cohort")), columns)
    for node in (table, patient):
        node.SetDescription(_("Simulated, no patient data."))
    return table, patient


def addSequence(scene, images, name: str):
    """Images as a sequence; without a browser, since a cohort is not to be played."""
    from DeformationSceneLib.volumes import update_volume

    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("ms")
    sequence.SetIndexType(sequence.NumericIndex)
    volume = slicer.vtkMRMLScalarVolumeNode()
    volume.SetName(name)
    for number, image in enumerate(images):
        update_volume(volume, image)
        sequence.SetDataNodeAtValue(volume, f"{number * MILLISECONDS:g}")
    sequence.SetDescription(_("Simulated, no patient data."))
    return sequence


def addBrowser(scene, sequence):
    """The browser that plays a sequence, and its first frame in the views."""
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", sequence.GetName())
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    browser.SetPlaybackRateFps(6.0)
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    volume = browser.GetProxyNode(sequence)
    volume.CreateDefaultDisplayNodes()
    slicer.util.setSliceViewerLayers(background=volume, foreground=None, label=None, fit=True)
    return browser


def _onSimulatedCohort(source) -> None:
    """Slot of the module Sample Data; `source` is its description of the sample."""
    from DeformationSceneLib.messages import errors_shown

    with errors_shown(_("Sample data")):
        addSimulatedCohort()
