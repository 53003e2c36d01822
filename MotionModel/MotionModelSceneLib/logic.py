"""What the module does, without any window: for the panel, the Python console, and scripts."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from DeformationSceneLib.model_logic import ModelLogic

from .heart_parts import HeartParts
from .motion_outputs import TrackingNodes
from .motion_simulation import SIMULATED, MotionInterpolation, MotionSimulation, MotionTransport
from .sequence_tracking import SequenceTracking

_MODEL = "cardiac-cine-2d"


class MotionModelLogic(ModelLogic):
    """Tracks, completes, simulates and transports motion in series of the scene; needs no window.

    >>> logic = MotionModelLogic()
    >>> nodes = logic.trackSequence(browserNode, segmentationNode=segmentationNode)
    >>> nodes.ejection_fraction()
    >>> nodes.browser.SetPlaybackActive(True)

    Outputs are named after the series and lie beside it; its own browser plays them with it. Inputs are not changed. All
    methods raise InputError, a sentence for the user, for inputs that cannot be used, and Cancelled when `progress` was
    cancelled; the scene is then as it was.
    """

    # `MotionModelLib.motion_model.MotionModel.kind`, named here without torch
    kinds, usualModel = ("MotionNetwork",), _MODEL

    def loadModel(self, name: str, device: str):
        """Load a `MotionModelLib.motion_model.MotionModel`."""
        from MotionModelLib.motion_model import MotionModel

        return MotionModel.load(name, device)

    def trackSequence(
        self,
        node,
        referenceIndex: int | None = 0,
        segmentationNode=None,
        model: str = _MODEL,
        *,
        outputs: set[str] | None = None,
        parts: HeartParts | None = None,
        periodic: bool | None = None,
        level: str = "mid",
        display: str | None = "grid",
        replace: TrackingNodes | None = None,
        device: str = "auto",
        progress=None,
    ) -> TrackingNodes:
        """Track the motion of a series, and a structure with it.

        Frames are taken where they lie in the world, the parent transform of the series' proxy volume included. The
        transform's FromParent goes from each frame to the reference: a volume or segmentation of the reference that is
        put under it moves as the series does (one that has a parent of its own: when that parent is put under it).

        Args:
            node: sequence of volumes, sequence browser (its first sequence of volumes), proxy volume of a sequence, or a
                volume whose components are the frames.
            referenceIndex: frame from which motion starts, counted from 0 (end-diastole); None for the one that is shown.
            segmentationNode: segmentation or label map volume of the reference frame, on any grid.
            model: name of an installed model, or a model's folder.
            outputs: what to make besides the transforms, names from `motion_outputs.OUTPUTS`: "segmentation", "jacobian",
                "warped", "compensated", "curves", "strain", "matrix"; by default `sequence_tracking.TRACKED`.
            parts: segments (names) or labels (numbers) of the heart; by default what their names say.
            periodic: whether the series ends where it began; by default what the model was trained on.
            level: of AHA's segments in a single slice: "basal", "mid", "apical".
            display: "grid", "arrows", "contours" or None: how slice views draw the transform.
            replace: of an earlier run: its sequences go when the new ones are there.
            device: "auto", "cpu", "cuda", ...
            progress: `DeformationLib.progress.Progress`, to report and to cancel.
        """
        tracking = SequenceTracking(
            node,
            referenceIndex,
            segmentationNode,
            outputs,
            parts=parts,
            periodic=periodic,
            level=level,
            replace=replace,
        )
        return self._finished(tracking, model, device, display, progress)

    def completeSequence(
        self,
        node,
        givenFrames: Sequence[int],
        referenceIndex: int | None = 0,
        segmentationNode=None,
        model: str = _MODEL,
        *,
        outputs: set[str] | None = None,
        parts: HeartParts | None = None,
        periodic: bool | None = None,
        level: str = "mid",
        display: str | None = "grid",
        replace: TrackingNodes | None = None,
        device: str = "auto",
        progress=None,
    ) -> TrackingNodes:
        """Predict the motion of a whole series from some of its frames, and compare with the others.

        Args:
            givenFrames: frames that the model looks at, counted from 0; the reference always is one of them.
            node, referenceIndex, segmentationNode, model, outputs, parts, periodic, level, display, replace, device,
                progress: as in `trackSequence`.

        `TrackingNodes.error` has the differences from the hidden frames.
        """
        tracking = SequenceTracking(
            node,
            referenceIndex,
            segmentationNode,
            outputs,
            given=list(givenFrames),
            parts=parts,
            periodic=periodic,
            level=level,
            replace=replace,
        )
        return self._finished(tracking, model, device, display, progress)

    def simulateMotion(
        self,
        volumeNode,
        segmentationNode=None,
        frames: int = 35,
        seed: int | None = None,
        model: str = _MODEL,
        *,
        outputs: set[str] = SIMULATED,
        parts: HeartParts | None = None,
        level: str = "mid",
        display: str | None = "grid",
        device: str = "auto",
        progress=None,
    ) -> TrackingNodes:
        """Set a single volume in motion, as a sequence with a browser of its own.

        Args:
            volumeNode: scalar volume, which becomes the first frame.
            segmentationNode: segmentation or label map volume of it, on any grid, to move along.
            frames: how many.
            seed: draws the motion from the prior, the same seed the same motion; None takes what the image makes likely.
            model, outputs, parts, level, display, device, progress: as in `trackSequence`.
        """
        simulation = MotionSimulation(volumeNode, segmentationNode, frames, seed, outputs, parts=parts, level=level)
        return self._finished(simulation, model, device, display, progress)

    def transportMotion(
        self,
        sourceNode,
        targetVolumeNode,
        referenceIndex: int | None = 0,
        sourceSegmentationNode=None,
        targetSegmentationNode=None,
        model: str = _MODEL,
        *,
        outputs: set[str] = SIMULATED,
        frames: int | None = None,
        motion=None,
        parts: HeartParts | None = None,
        level: str = "mid",
        display: str | None = "grid",
        device: str = "auto",
        progress=None,
    ) -> TrackingNodes:
        """Let the volume of one subject move as the series of another does.

        Args:
            sourceNode: the source's series, as in `trackSequence`; or the table node of its motion matrix.
            targetVolumeNode: the other subject's volume, in the phase of the source's reference frame.
            referenceIndex, sourceSegmentationNode: of the source.
            targetSegmentationNode: of the target, to move along.
            frames: how many; by default as many as the source has. The source's browser then plays both.
            motion: of the source (`TrackingNodes.result`), where it was tracked before.
            model, outputs, parts, level, display, device, progress: as in `trackSequence`.
        """
        transport = MotionTransport(
            sourceNode,
            targetVolumeNode,
            referenceIndex,
            sourceSegmentationNode,
            targetSegmentationNode,
            outputs,
            frames=frames,
            motion=motion,
            parts=parts,
            level=level,
        )
        return self._finished(transport, model, device, display, progress)

    def interpolateMotion(
        self,
        tracked: TrackingNodes,
        count: int,
        volumeNode,
        segmentationNode=None,
        model: str = _MODEL,
        *,
        outputs: set[str] = SIMULATED - {"matrix"},
        parts: HeartParts | None = None,
        level: str = "mid",
        display: str | None = "grid",
        device: str = "auto",
        progress=None,
    ) -> TrackingNodes:
        """The motion of a tracked series at another number of frames, as a sequence with a browser of its own.

        Args:
            tracked: from `trackSequence`.
            count: of the new frames.
            volumeNode: beside which the outputs go and whose look they take.
            segmentationNode, model, outputs, parts, level, display, device, progress: as in `trackSequence`; the model is
                the one that has tracked.
        """
        interpolation = MotionInterpolation(
            tracked.result, count, volumeNode, segmentationNode, outputs, parts=parts, level=level
        )
        return self._finished(interpolation, model, device, display, progress)

    def finish(self, work, display: str | None = "grid") -> TrackingNodes:
        """Put computed work into the scene and its warnings into the log."""
        nodes = work.addToScene(display)
        for warning in nodes.warnings:
            logging.warning(warning)
        return nodes

    def _finished(self, work, model: str, device: str, display: str | None, progress) -> TrackingNodes:
        from DeformationLib.progress import Progress

        work.compute(lambda: self.model(model, device), progress or Progress())
        return self.finish(work, display)
