"""Tracking and completing one series of the scene, in three steps of which the long one touches no node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from DeformationLib.errors import InputError
from DeformationLib.progress import Progress
from DeformationSceneLib.placement import scene_as_it_was_on_failure
from DeformationSceneLib.sequence_reading import Series, find_series, read_frames
from DeformationSceneLib.sequences import browser_as_it_was_on_failure

from .completion_error import add_completion_error, measure_completion
from .heart_parts import HeartParts
from .motion_nodes import replace_motion
from .motion_outputs import MotionOutputs, Setting, TrackingNodes

if TYPE_CHECKING:
    from MotionModelLib.motion import Motion
    from MotionModelLib.motion_model import MotionModel

TRACKED = frozenset({"segmentation", "jacobian", "curves", "strain", "matrix"})
"""What tracking gives unless something else is asked for."""
COMPLETED = frozenset({"segmentation", "warped", "curves", "matrix"})
"""The same of completing."""


class SequenceTracking:
    """Reads a series when it is made, computes in any thread, and adds the outputs to the scene.

    >>> tracking = SequenceTracking(browserNode, 0, segmentationNode)  # main thread
    >>> tracking.compute(lambda: model, progress)  # any thread
    >>> nodes = tracking.addToScene()  # main thread
    """

    def __init__(
        self,
        node,
        referenceIndex: int | None = 0,
        segmentationNode=None,
        outputs: set[str] | None = None,
        *,
        given: Sequence[int] | None = None,
        parts: HeartParts | None = None,
        periodic: bool | None = None,
        level: str = "mid",
        replace: TrackingNodes | None = None,
    ) -> None:
        """Read the nodes.

        Args:
            node: sequence of volumes, sequence browser, proxy volume, or volume whose components are frames.
            referenceIndex: frame from which motion starts, counted from 0; None for the one that is shown.
            segmentationNode: segmentation or label map volume of the reference frame, on any grid.
            outputs: names from `motion_outputs.OUTPUTS`; by default `TRACKED`, or `COMPLETED`.
            given: frames that the model may look at; it completes the others. None for all.
            parts: of the heart in the segmentation; by default what the names say.
            periodic: whether the series ends where it began; by default what the model was trained on.
            level: of the segments of a single slice: "basal", "mid", "apical".
            replace: of an earlier run, whose sequences go when the new ones are there.

        Raises:
            InputError: for a series and a segmentation that cannot be used, and frames that the series does not have.
        """
        from MotionModelLib.sequence_time import check_reference, given_mask

        self.series: Series = find_series(node)
        self.reference = self.series.selected if referenceIndex is None else referenceIndex
        check_reference(self.reference, len(self.series))
        self._given = None if given is None else given_mask(given, len(self.series), self.reference)
        frames = read_frames(self.series, self._given)
        self._images = frames.images
        outputs = (TRACKED if given is None else COMPLETED) if outputs is None else outputs
        reference = self._images[self.reference]
        self._outputs = MotionOutputs(segmentationNode, reference, self.series.name, outputs, parts, level)
        self._outputs.nodes.warnings += frames.remarks
        self._periodic, self._replaced = periodic, replace
        self.motion: Motion | None = None

    def compute(self, model: Callable[[], MotionModel], progress: Progress) -> None:
        """Track, warp and measure; touches no node.

        Args:
            model: gives the model; called here, since loading takes time.
            progress: reports and cancels.
        """
        progress.report(0.0, "Loading the model")
        loaded = model()
        progress.report(0.05, "Tracking")
        self.motion = self._track(loaded, self._given, progress.part(0.05, 0.4))
        if self._given is not None and not self._given.all():
            self._measure_error(loaded, progress.part(0.4, 0.5))
        # What is no sequence yet becomes one, or its frames could not be played.
        frames = self._images if self.series.sequence is None else None
        self._outputs.compute(self.motion, progress.part(0.5, 1.0), frames)
        progress.report(1.0, "Tracked")

    def addToScene(self, display: str | None = "grid") -> TrackingNodes:
        """Put everything beside the series and into its browser; on failure the scene is as it was.

        `display`: "grid", "arrows", "contours" or None: how slice views draw the transform.
        """
        series, outputs = self.series, self._outputs
        outputs.check_in_scene(series.sequence, series.browser, series.volume)
        scene = series.node.GetScene()
        role = f"MotionModel/{'track' if self._given is None else 'complete'}/{series.node.GetID()}"
        beside = series.volume or series.node
        setting = Setting(series.name, role, series.index, series.volume, beside, series.browser, self.reference)
        with scene_as_it_was_on_failure(scene), browser_as_it_was_on_failure(series.browser):
            error = outputs.nodes.error
            nodes = outputs.add(scene, setting, display, error.curves if error is not None else None)
            if series.browser is None and series.sequence is not None:
                nodes.browser.AddSynchronizedSequenceNode(series.sequence)
                # The first, so that the browser stands for this series.
                nodes.browser.SetAndObserveMasterSequenceNodeID(series.sequence.GetID())
            if error is not None:
                nodes.error_chart, nodes.error_table = add_completion_error(
                    scene, f"{role}/error", series.name, error, series.index, beside
                )
        if self._replaced is not None:
            replace_motion(self._replaced.motion, nodes.motion)
        return nodes

    def _track(self, model: MotionModel, given, progress: Progress) -> Motion:
        return model.track(
            self._images, self.reference, given, self._outputs.mask, periodic=self._periodic, progress=progress
        )

    def _measure_error(self, model: MotionModel, progress: Progress) -> None:
        """Against the frames that were hidden, and against the motion that the model sees with all of them."""
        try:
            tracked = self._track(model, None, progress.part(0.0, 0.5))
        except InputError:
            tracked = None  # a hidden frame cannot be used: there is no truth to compare with
        self._outputs.nodes.error = measure_completion(
            self.motion, tracked, self._images, self._outputs.layers, progress.part(0.5, 1.0)
        )
