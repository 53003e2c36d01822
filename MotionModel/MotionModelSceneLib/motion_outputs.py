"""Everything that a motion gives in the scene: sequences, volumes, strain, motion matrix; the same however it came about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.image import Image
from DeformationLib.progress import Progress
from DeformationSceneLib.sequences import SequenceIndex
from DeformationSceneLib.structure_parts import find_part, mask_of

from .curve_nodes import CurveNodes, add_curves, measure_volumes
from .heart_parts import HeartParts, guess_parts, heart_labels
from .matrix_nodes import add_heat_map, add_matrix_table
from .motion_nodes import MotionFrames, MotionNodes, add_motion, compute_frames, layers_on
from .strain_nodes import StrainNodes, add_strain

if TYPE_CHECKING:
    from MotionModelLib.motion import Motion
    from MotionModelLib.strain import StrainCurves
    from MotionModelLib.volume_curves import VolumeCurves

    from .completion_error import CompletionError

OUTPUTS = frozenset({"segmentation", "jacobian", "warped", "compensated", "curves", "strain", "matrix"})
"""What can be asked for besides the transforms."""


@dataclass
class TrackingNodes:
    """What a motion has put into the scene; what was not asked for is None or empty.

    Attributes:
        motion: the proxies of transforms, segmentation, images, and the browser that plays them with the series.
        curves: volumes over the frames.
        strain: of the left ventricle's wall.
        matrix_table, heat_map: the motion matrix.
        error_chart, error_table: of a completion: how far predicted frames are from the true ones.
        result: the `MotionModelLib.motion.Motion` behind them.
        volumes, strains, error: the numbers of the curves, the strain and the completion's error.
        source_volumes: of a transport: volumes of the source's structure.
        pool: the label whose ejection fraction counts; None where the names do not say which.
        warnings: sentences for the user.
    """

    motion: MotionNodes = field(default_factory=MotionNodes)
    curves: CurveNodes | None = None
    strain: StrainNodes | None = None
    matrix_table: object = None
    heat_map: object = None
    error_chart: object = None
    error_table: object = None
    result: Motion | None = None
    volumes: VolumeCurves | None = None
    strains: StrainCurves | None = None
    error: CompletionError | None = None
    source_volumes: VolumeCurves | None = None
    pool: int | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def browser(self):
        """The sequence browser that plays everything."""
        return self.motion.browser

    @property
    def transform(self):
        """The transform that moves the reference."""
        return self.motion.transform

    @property
    def segmentation(self):
        """The segmentation, or label map volume, that moves along."""
        return self.motion.segmentation

    def ejection_fraction(self, label: int | None = None) -> float:
        """Percent by which a label shrinks from its largest to its smallest volume; by default the pool.

        Raises InputError where volumes were not measured, or nothing says which label is meant.
        """
        label = self.pool if label is None else label
        if self.volumes is None or label is None:
            raise InputError(
                _("The ejection fraction needs volumes of a segmentation, and a segment that is the pool.")
            )
        return self.volumes.ejection_fraction(label)


@dataclass(frozen=True)
class Setting:
    """Where outputs go.

    Attributes:
        name: what nodes are named after.
        role: what tables and charts are kept for, see `plots.update_chart`.
        index: of the frames.
        volume: the volume that shows the series, or the one that moves.
        beside: the node beside which they go.
        browser: what plays the series already; None for a new one.
        reference: the frame that a new browser shows first.
    """

    name: str
    role: str
    index: SequenceIndex
    volume: object
    beside: object
    browser: object = None
    reference: int = 0


class MotionOutputs:
    """Reads a structure when it is made, measures a motion in any thread, and adds what it gives to the scene."""

    def __init__(
        self,
        structureNode,
        reference: Image,
        name: str,
        outputs: set[str],
        parts: HeartParts | None = None,
        level: str = "mid",
    ) -> None:
        """Read the structure.

        Args:
            structureNode: segmentation or label map volume of the reference, on any grid, or None.
            reference: the image that moves.
            name: of the series, for sentences.
            outputs: names from `OUTPUTS`.
            parts: of the heart in the structure; by default what the names say.
            level: of the segments of a single slice: "basal", "mid", "apical".

        Raises:
            InputError: for a structure that has no voxel in the image, or not the parts.
        """
        unknown = set(outputs) - OUTPUTS
        if unknown:
            raise ValueError(f"There are no outputs {sorted(unknown)}; choose from {sorted(OUTPUTS)}.")
        self.structure, self.layers = structureNode, layers_on(structureNode, reference, name)
        self._outputs, self._level = set(outputs), level
        if structureNode is None:
            self._parts = HeartParts()
        else:
            self._parts = self._present(guess_parts(structureNode)) if parts is None else parts
        self._heart = heart_labels(structureNode, self.layers, self._parts) if self.layers else None
        self._frames = MotionFrames()
        self.nodes = TrackingNodes()
        if self._parts.pool is not None:
            self.nodes.pool = find_part(structureNode, self.layers, self._parts.pool)[1]

    @property
    def mask(self) -> Image | None:
        """Where the structure is: the model looks around its middle."""
        return mask_of(self.layers)

    def compute(self, motion: Motion, progress: Progress, frames: list[Image] | None = None) -> None:
        """Warp and measure; touches no node. `frames`: of a series that is not yet a sequence, to become one."""
        nodes = self.nodes
        nodes.result = motion
        nodes.warnings += motion.warnings
        self._frames = compute_frames(motion, self.layers, self._outputs, progress.part(0.0, 0.6))
        self._frames.frames = frames or []
        if not self.layers:
            return
        if "curves" in self._outputs:
            nodes.volumes = measure_volumes(motion, self.layers, progress.part(0.6, 0.8), self._frames.displacement)
            if nodes.pool is None and len(nodes.volumes.labels) == 1:
                nodes.pool = nodes.volumes.labels[0]
        if "strain" in self._outputs and self._parts.complete:
            self._measure_strain(motion, progress.part(0.8, 1.0))
        elif "strain" in self._outputs and (self._parts.pool or self._parts.myocardium):
            nodes.warnings.append(
                _("Strain needs the pool and the wall of the left ventricle: name segments so, or choose them.")
            )

    def add(
        self, scene, setting: Setting, display: str | None, others: dict[str, VolumeCurves] | None = None
    ) -> TrackingNodes:
        """Put everything into the scene.

        Args:
            scene: where to.
            setting: names and places.
            display: "grid", "arrows", "contours" or None: how slice views draw the transform.
            others: further curves of the same labels, see `curve_nodes.add_curves`.

        Put it inside `scene_as_it_was_on_failure` and `browser_as_it_was_on_failure`.
        """
        nodes, role, name = self.nodes, setting.role, setting.name
        nodes.motion = add_motion(
            scene,
            self._frames,
            name,
            setting.index,
            setting.volume,
            self.structure,
            setting.browser,
            setting.beside,
            setting.reference,
            display,
        )
        index, beside = setting.index, setting.beside
        if nodes.volumes is not None:
            nodes.curves = add_curves(
                scene,
                f"{role}/volumes",
                name,
                nodes.volumes,
                index,
                self.structure,
                self.layers,
                nodes.pool,
                others,
                beside,
            )
        if nodes.strains is not None:
            nodes.strain = add_strain(scene, f"{role}/strain", name, nodes.strains, index, beside)
        matrix = nodes.result.matrix
        if "matrix" in self._outputs and matrix is not None:
            title = _("{name} motion matrix").format(name=name)
            times = nodes.result.times
            runs = 2 if (times < 0).any() and (times > 0).any() else 1
            nodes.matrix_table = add_matrix_table(scene, f"{role}/matrix", title, matrix, beside, runs)
            title = _("{name} motion heat map").format(name=name)
            nodes.heat_map = add_heat_map(scene, f"{role}/heat-map", title, matrix, beside)
        # The scene holds it all now.
        self._frames = MotionFrames()
        return nodes

    def check_in_scene(self, *inputs) -> None:
        """Raise InputError where a node was deleted while its motion was being computed."""
        for node in (self.structure, *inputs):
            if node is not None and node.GetScene() is None:
                raise InputError(
                    _("'{name}' was deleted meanwhile: nothing was added to the scene.").format(name=node.GetName())
                )

    def _present(self, guessed: HeartParts) -> HeartParts:
        """The guessed parts that have voxels in the image: guesses raise no errors."""
        found = {}
        for kind in ("pool", "myocardium", "right"):
            try:
                part = getattr(guessed, kind)
                if part is not None:
                    find_part(self.structure, self.layers, part)
                    found[kind] = part
            except InputError:
                continue
        return HeartParts(**found)

    def _measure_strain(self, motion: Motion, progress: Progress) -> None:
        from MotionModelLib.heart_axes import HeartLabels

        labels, numbers = self._heart
        heart = HeartLabels(numbers["pool"], numbers["myocardium"], numbers.get("right"))
        try:
            self.nodes.strains = motion.strain(labels, heart, level=self._level, progress=progress)
        except InputError as error:
            self.nodes.warnings.append(_("Strain was not measured. {reason}").format(reason=error))
            return
        self.nodes.warnings += self.nodes.strains.notes
