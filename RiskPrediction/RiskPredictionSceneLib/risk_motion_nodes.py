"""The motions that would raise and lower a patient's risk, as sequences that one browser plays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import slicer
from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.image import Image
from DeformationLib.progress import Progress
from DeformationSceneLib.colours import colour_table
from DeformationSceneLib.placement import place_beside, remove_node, scene_as_it_was_on_failure, unique_name
from DeformationSceneLib.sequences import SequenceIndex, SequenceRecording
from DeformationSceneLib.volumes import add_volume, update_volume

from .patient_prediction import PatientNodes

if TYPE_CHECKING:
    from RiskPredictionLib.risk_motion import RiskMotions

_DIFFERENCE = ((0.0, (0.0, 0.0, 0.0)), (0.4, (0.65, 0.1, 0.25)), (0.75, (0.95, 0.5, 0.1)), (1.0, (1.0, 0.95, 0.6)))
"""Black, red, orange, yellow."""


@dataclass
class RiskMotionNodes:
    """What a simulation of risk motions has put into the scene.

    Attributes:
        motions: of the backend, with their log hazards.
        browser: sequence browser that plays all three sequences together.
        sequences: in the order own, up, down.
        own, up, down: the volumes that it plays: the patient's motion, and those of higher and of lower risk.
        difference: volume of how far apart the motions of higher and lower risk take the tissue, mm, mean over the frames.
        warnings: sentences for the user.
    """

    motions: RiskMotions | None = None
    browser: object = None
    sequences: list = field(default_factory=list)
    own: object = None
    up: object = None
    down: object = None
    difference: object = None
    warnings: list[str] = field(default_factory=list)


class RiskMotionWork:
    """Takes a patient's prediction when it is made, simulates in any thread, and adds sequences to the scene.

    >>> work = RiskMotionWork(patient, amount=1.0)  # main thread
    >>> work.compute(progress)  # any thread
    >>> nodes = work.addToScene()  # main thread
    """

    def __init__(
        self,
        patient: PatientNodes,
        amount: float = 1.0,
        frames: int | None = None,
        replace: RiskMotionNodes | None = None,
    ) -> None:
        """Arguments and errors as of `RiskPredictionLogic.simulateRiskMotion`."""
        if patient is None or patient.prediction is None:
            raise InputError(_("Predict the risk of a patient first: there is no risk to change."))
        self._patient, self._amount, self._count, self._replaced = patient, amount, frames, replace
        self._images: dict[str, list[Image]] = {}
        self._difference: Image | None = None
        self._nodes = RiskMotionNodes()

    def compute(self, progress: Progress) -> None:
        """Simulate and warp; touches no node."""
        from RiskPredictionLib.risk_motion import risk_motions

        patient, nodes = self._patient, self._nodes
        progress.report(0.0, "Simulating")
        nodes.motions = risk_motions(
            patient.trained,
            patient.motionModel,
            patient.frames,
            patient.fingerprint,
            self._amount,
            self._count,
            patient.mask,
            patient.reference,
            progress=progress.part(0.0, 0.5),
        )
        for number, name in enumerate(("own", "up", "down")):
            motion = getattr(nodes.motions, name)
            part = progress.part(0.5 + 0.13 * number, 0.63 + 0.13 * number)
            self._images[name] = [_stored(image, motion.reference) for image in motion.warped_frames(part)]
        self._difference = nodes.motions.mean_difference(progress.part(0.89, 1.0))
        nodes.warnings += nodes.motions.warnings
        progress.report(1.0)

    def addToScene(self) -> RiskMotionNodes:
        """Put the sequences and their browser beside the series; on failure the scene is as it was."""
        patient, nodes = self._patient, self._nodes
        beside = patient.volume
        if beside is not None and beside.GetScene() is None:
            raise InputError(
                _("'{name}' was deleted meanwhile: nothing was added to the scene.").format(name=beside.GetName())
            )
        scene = slicer.mrmlScene if beside is None else beside.GetScene()
        like = beside if beside is not None and beside.IsA("vtkMRMLScalarVolumeNode") else None
        with scene_as_it_was_on_failure(scene):
            for key, title in self._titles().items():
                node = add_volume(scene, self._images[key][0], unique_name(scene, title), like=like)
                place_beside(node, beside)
                setattr(nodes, key, node)
            proxies = [nodes.own, nodes.up, nodes.down]
            recording = SequenceRecording.along(scene, proxies, SequenceIndex.counted(len(nodes.motions)))
            for number in range(len(nodes.motions)):
                for key, node in zip(("own", "up", "down"), proxies, strict=True):
                    update_volume(node, self._images[key][number])
                recording.record(number)
            nodes.sequences = recording.sequences
            nodes.browser = recording.finish(_("{case} risk motions").format(case=patient.case))
            nodes.difference = self._add_difference(scene, beside)
        # The scene holds them now.
        self._images = {}
        if self._replaced is not None:
            _remove(self._replaced)
        return nodes

    def _titles(self) -> dict[str, str]:
        """Names of the volumes, each with its hazard ratio."""
        motions, case = self._nodes.motions, self._patient.case
        note = _(", simulated outcomes") if self._patient.trained.simulated else ""
        titles = {
            "own": (_("{case} own motion"), motions.risk),
            "up": (_("{case} risk up"), motions.up_risk),
            "down": (_("{case} risk down"), motions.down_risk),
        }
        ratio = _(" (hazard ratio {ratio:.2f}{note})")
        return {
            key: title.format(case=case) + ratio.format(ratio=np.exp(risk), note=note)
            for key, (title, risk) in titles.items()
        }

    def _add_difference(self, scene, beside):
        title = _("{case} risk up against down (mm)").format(case=self._patient.case)
        node = add_volume(scene, self._difference, unique_name(scene, title))
        display = node.GetDisplayNode()
        table = colour_table(scene, "LatentMotionRiskDifference", "Motion difference", _DIFFERENCE)
        display.SetAndObserveColorNodeID(table.GetID())
        display.SetAutoWindowLevel(False)
        display.SetWindowLevelMinMax(0.0, max(float(self._difference.array.max()), 1e-3))
        place_beside(node, beside)
        return node


def _remove(nodes: RiskMotionNodes) -> None:
    for node in (nodes.browser, nodes.own, nodes.up, nodes.down, *nodes.sequences, nodes.difference):
        if node is not None:
            remove_node(node)


def _stored(image: Image, like: Image) -> Image:
    """Warped voxels in the type of the image that they come from: a series in half the memory."""
    kind = like.array.dtype
    if np.issubdtype(kind, np.integer):
        return image.with_array(np.rint(image.array).astype(kind))
    return image.with_array(image.array.astype(np.float32))
