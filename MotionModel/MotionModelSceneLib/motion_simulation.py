"""Motion for a volume that does not move: simulated, carried over from another subject, or at another number of frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.image import Image
from DeformationLib.progress import Progress
from DeformationSceneLib.placement import scene_as_it_was_on_failure
from DeformationSceneLib.sequence_reading import find_series, read_frames
from DeformationSceneLib.sequences import SequenceIndex, browser_as_it_was_on_failure
from DeformationSceneLib.volumes import image_from_volume

from .curve_nodes import measure_volumes
from .heart_parts import HeartParts, part_titles
from .matrix_nodes import matrix_from_table
from .motion_outputs import MotionOutputs, Setting, TrackingNodes

if TYPE_CHECKING:
    from MotionModelLib.motion import Motion
    from MotionModelLib.motion_model import MotionModel

SIMULATED = frozenset({"segmentation", "warped", "curves", "matrix"})
"""What simulating and transporting give unless something else is asked for."""


class MotionSimulation:
    """A volume set in motion by the model alone.

    >>> simulation = MotionSimulation(volumeNode, segmentationNode, frames=30, seed=1)  # main thread
    >>> simulation.compute(lambda: model, progress)  # any thread
    >>> nodes = simulation.addToScene()  # main thread
    """

    def __init__(
        self,
        volumeNode,
        segmentationNode=None,
        frames: int = 35,
        seed: int | None = None,
        outputs: set[str] = SIMULATED,
        *,
        parts: HeartParts | None = None,
        level: str = "mid",
    ) -> None:
        """Read the nodes.

        Args:
            volumeNode: scalar volume, which becomes the first frame.
            segmentationNode: segmentation or label map volume of it, on any grid, to move along.
            frames: how many.
            seed: draws the motion from the prior; None takes the one that the image makes likely.
            outputs, parts, level: as of `SequenceTracking`.

        Raises:
            InputError: for unusable nodes and numbers.
        """
        from MotionModelLib.sequence_time import check_count

        check_count(frames)
        if seed is not None and seed < 0:
            raise InputError(_("The seed {seed} is negative: choose 0 or a positive number.").format(seed=seed))
        self._volume, self._image = volumeNode, image_from_volume(volumeNode)
        self._count, self._seed = frames, seed
        self._outputs = MotionOutputs(segmentationNode, self._image, volumeNode.GetName(), outputs, parts, level)

    def compute(self, model: Callable[[], MotionModel], progress: Progress) -> None:
        """Simulate, warp and measure; touches no node. Arguments as of `SequenceTracking.compute`."""
        progress.report(0.0, "Loading the model")
        loaded = model()
        progress.report(0.1, "Simulating")
        motion = loaded.simulate(
            self._image, self._count, seed=self._seed, mask=self._outputs.mask, progress=progress.part(0.1, 0.4)
        )
        self._outputs.compute(motion, progress.part(0.4, 1.0))
        progress.report(1.0)

    def addToScene(self, display: str | None = "grid") -> TrackingNodes:
        """Put everything beside the volume, with a browser of its own; on failure the scene is as it was."""
        self._outputs.check_in_scene(self._volume)
        what = _("likely motion") if self._seed is None else _("simulated {seed}").format(seed=self._seed)
        setting = Setting(
            f"{self._volume.GetName()} {what}",
            f"MotionModel/simulate/{self._volume.GetID()}/{self._seed}",
            SequenceIndex.counted(self._count),
            self._volume,
            self._volume,
        )
        with scene_as_it_was_on_failure(self._volume.GetScene()):
            return self._outputs.add(self._volume.GetScene(), setting, display)


class MotionTransport:
    """The motion of one subject's series in the volume of another subject.

    >>> transport = MotionTransport(sourceBrowser, targetVolume)  # main thread
    >>> transport.compute(lambda: model, progress)  # any thread
    >>> nodes = transport.addToScene()  # main thread
    """

    def __init__(
        self,
        sourceNode,
        targetVolumeNode,
        referenceIndex: int | None = 0,
        sourceSegmentationNode=None,
        targetSegmentationNode=None,
        outputs: set[str] = SIMULATED,
        *,
        frames: int | None = None,
        motion: Motion | None = None,
        parts: HeartParts | None = None,
        level: str = "mid",
    ) -> None:
        """Read the nodes.

        Args:
            sourceNode: the source's series, as of `SequenceTracking`; or the table of its motion matrix.
            targetVolumeNode: the other subject's volume, in the state of the source's reference frame.
            referenceIndex: of the source; None for the frame that is shown.
            sourceSegmentationNode: of the source's reference frame.
            targetSegmentationNode: of the target.
            outputs, parts, level: as of `SequenceTracking`, of the target.
            frames: how many; by default as many as the source has.
            motion: of the source, where it was tracked before.

        Raises:
            InputError: for unusable nodes, and a motion of another series.
        """
        from MotionModelLib.sequence_time import check_count, check_reference

        if sourceNode is None or targetVolumeNode is None:
            raise InputError(_("Select a series as the source, and a target volume."))
        if frames is not None:
            check_count(frames)
        self._source, self._target = sourceNode, targetVolumeNode
        self._image, self._count, self._motion = image_from_volume(targetVolumeNode), frames, motion
        self._outputs = MotionOutputs(
            targetSegmentationNode, self._image, targetVolumeNode.GetName(), outputs, parts, level
        )
        self._series = self._own = None
        self._images: list[Image] = []
        if sourceNode.IsA("vtkMRMLTableNode"):
            self._matrix = matrix_from_table(sourceNode)
            return
        self._series = find_series(sourceNode)
        self._reference = self._series.selected if referenceIndex is None else referenceIndex
        check_reference(self._reference, len(self._series))
        if motion is not None and len(motion) != len(self._series):
            raise InputError(
                _("The motion has {frames} frames and '{name}' has {own}; track the source again.").format(
                    frames=len(motion), name=self._series.name, own=len(self._series)
                )
            )
        read = read_frames(self._series)
        self._images = read.images
        self._outputs.nodes.warnings += read.remarks
        self._own = MotionOutputs(
            sourceSegmentationNode, self._images[self._reference], self._series.name, {"curves"}, None, level
        )

    def compute(self, model: Callable[[], MotionModel], progress: Progress) -> None:
        """Track the source, decode in the target, warp and measure; touches no node."""
        progress.report(0.0, "Loading the model")
        loaded = model()
        moved_by = self._matrix if self._series is None else self._track(loaded, progress.part(0.05, 0.4))
        progress.report(0.4, "Moving the target")
        motion = loaded.transport(
            moved_by, self._image, self._count, self._outputs.mask, progress=progress.part(0.4, 0.55)
        )
        self._outputs.compute(motion, progress.part(0.55, 1.0))
        progress.report(1.0)

    def addToScene(self, display: str | None = "grid") -> TrackingNodes:
        """Put everything beside the target; on failure the scene is as it was.

        The source's browser plays it too where both have as many frames, so that they are seen side by side.
        """
        series, outputs, target = self._series, self._outputs, self._target
        inputs = (self._source,) if series is None else (series.sequence, series.browser, series.volume)
        outputs.check_in_scene(target, *inputs)
        count = len(outputs.nodes.result)
        together = series is not None and series.browser is not None and count == len(series)
        setting = Setting(
            _("{target} moving as {source}").format(target=target.GetName(), source=self._source_name()),
            f"MotionModel/transport/{self._source.GetID()}/{target.GetID()}",
            series.index if series is not None and count == len(series) else SequenceIndex.counted(count),
            target,
            target,
            series.browser if together else None,
            outputs.nodes.result.reference_index,
        )
        scene = target.GetScene()
        with scene_as_it_was_on_failure(scene), browser_as_it_was_on_failure(setting.browser):
            return outputs.add(scene, setting, display, self._source_curves())

    def _track(self, model: MotionModel, progress: Progress) -> Motion:
        own = self._own
        if self._motion is None:
            progress.report(0.0, "Tracking the source")
            self._motion = model.track(self._images, self._reference, mask=own.mask, progress=progress.part(0.0, 0.7))
        if own.layers:
            self._outputs.nodes.source_volumes = measure_volumes(self._motion, own.layers, progress.part(0.7, 1.0))
        return self._motion

    def _source_name(self) -> str:
        return self._source.GetName() if self._series is None else self._series.name

    def _source_curves(self) -> dict:
        """The source's volumes, for the target's chart, where both have the same structures and frames."""
        mine, theirs = self._outputs.nodes.volumes, self._outputs.nodes.source_volumes
        if mine is None or theirs is None or len(mine) != len(theirs):
            return {}
        own, other = (part_titles(part.structure, part.layers) for part in (self._outputs, self._own))
        return {self._source_name(): theirs} if own == other else {}


class MotionInterpolation:
    """A tracked motion at another number of frames; nothing is encoded again.

    >>> interpolation = MotionInterpolation(trackingNodes.result, 60, volumeNode, segmentationNode)  # main thread
    """

    def __init__(
        self,
        motion: Motion,
        count: int,
        volumeNode,
        segmentationNode=None,
        outputs: set[str] = SIMULATED - {"matrix"},
        *,
        parts: HeartParts | None = None,
        level: str = "mid",
    ) -> None:
        """Read the nodes.

        Args:
            motion: of `TrackingNodes.result`.
            count: of the new frames.
            volumeNode: beside which the outputs go and whose look they take, for example the proxy of the series.
            segmentationNode, outputs, parts, level: as of `SequenceTracking`.

        Raises:
            InputError: for unusable nodes and numbers.
        """
        from MotionModelLib.sequence_time import check_count

        if motion is None:
            raise InputError(_("Track a series first: there is no motion to interpolate."))
        check_count(count)
        self._motion, self._count, self._volume = motion, count, volumeNode
        self._outputs = MotionOutputs(
            segmentationNode, motion.reference, volumeNode.GetName(), set(outputs) - {"compensated"}, parts, level
        )

    def compute(self, model: Callable[[], MotionModel], progress: Progress) -> None:
        """Decode at the new times, warp and measure; touches no node."""
        progress.report(0.0, "Loading the model")
        motion = model().interpolate(self._motion, self._count, progress.part(0.1, 0.4))
        self._outputs.compute(motion, progress.part(0.4, 1.0))
        progress.report(1.0)

    def addToScene(self, display: str | None = "grid") -> TrackingNodes:
        """Put everything beside the volume, with a browser of its own; on failure the scene is as it was."""
        self._outputs.check_in_scene(self._volume)
        setting = Setting(
            _("{name} in {count} frames").format(name=self._volume.GetName(), count=self._count),
            f"MotionModel/interpolate/{self._volume.GetID()}",
            SequenceIndex.counted(self._count),
            self._volume,
            self._volume,
            reference=self._outputs.nodes.result.reference_index,
        )
        with scene_as_it_was_on_failure(self._volume.GetScene()):
            return self._outputs.add(self._volume.GetScene(), setting, display)
