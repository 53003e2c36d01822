"""One registration by an agent: begun, led or left to itself, and put into the scene as far as it has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from DeformationLib.image import Image
from DeformationLib.progress import Progress
from DeformationSceneLib.placement import scene_as_it_was_on_failure
from DeformationSceneLib.volume_registration import RegistrationNodes, VolumeRegistration

from .trajectory_nodes import TrajectoryNodes, add_trajectory
from .walk_choices import WalkChoices

if TYPE_CHECKING:
    from AgentRegistrationLib.agent_model import AgentModel
    from AgentRegistrationLib.agent_registration import AgentRegistration
    from AgentRegistrationLib.agent_walk import AgentWalk

MAXIMUM_REPLAY_BYTES = 2**26
"""Transforms of all steps that would take more are kept coarser: deformations are smooth."""

_COARSEST = 6


@dataclass
class AgentNodes(RegistrationNodes):
    """Nodes that a registration by an agent has put into the scene; those that were not asked for are None.

    Attributes:
        trajectory: how the agent went: a sequence of transforms with its browser, a table, and charts.
    """

    trajectory: TrajectoryNodes | None = None

    def __iter__(self):
        """The nodes that are there."""
        yield from (node for node in super().__iter__() if not isinstance(node, TrajectoryNodes))
        if self.trajectory is not None:
            yield from self.trajectory


class WalkRegistration(VolumeRegistration):
    """Reads the nodes when it is made, walks in any thread, and adds the outputs to the scene.

    >>> walking = WalkRegistration(fixedNode, movingNode)  # main thread
    >>> walking.begin(lambda: model, None, WalkChoices(), progress)  # any thread
    >>> walking.step()
    >>> walking.run()
    >>> nodes = walking.finish()  # main thread

    It can go on after `finish`; the next `finish` overwrites the nodes of the one before.

    Attributes:
        registration: the `AgentRegistrationLib.agent_registration.AgentRegistration`; None before `begin`.
        shares: of the training population's variance along each parameter; 0 for rigid motions.
    """

    def __init__(
        self,
        fixedNode,
        movingNode,
        segmentationNode=None,
        fixedMaskNode=None,
        movingMaskNode=None,
        outputs: set[str] = frozenset({"transform", "warped", "trajectory"}),
        into: RegistrationNodes | None = None,
    ) -> None:
        """Read the nodes; arguments and errors as of `VolumeRegistration`, and "trajectory" is one of the outputs."""
        super().__init__(fixedNode, movingNode, segmentationNode, fixedMaskNode, movingMaskNode, outputs, into)
        self.registration: AgentRegistration | None = None
        self.shares: list[float] = []
        self._replay: list[Image] = []
        self._kept: AgentNodes | None = None

    @property
    def nodes(self) -> tuple:
        """Fixed and moving volume, and the moving segmentation or None."""
        return self._nodes

    @property
    def walk(self) -> AgentWalk:
        """The walk that is shown and led: of several starts, the most similar one."""
        return self.registration.walk

    def begin(
        self, model: Callable[[], AgentModel], alignment: str | None, choices: WalkChoices, progress: Progress
    ) -> None:
        """Align the images and put the agent at its start; touches no node.

        Args:
            model: gives the model; called here, since loading takes time.
            alignment: see `AgentRegistrationLib.agent_registration.AgentAlignment`; None as the model was trained.
            choices: how the agent is to walk.
            progress: reports and cancels.

        Raises:
            InputError: for images and masks that the model cannot use.
        """
        choices.check()
        progress.report(0.0, "Loading the model")
        loaded = model()
        options = choices.options(loaded.options)
        self.registration = loaded.begin(
            self._fixed, self._moving, alignment, options, progress.part(0.3, 1.0), *self._masks
        )
        explained = loaded.deformation.explained.tolist()
        self.shares = explained + [0.0] * (len(loaded.space) - len(explained))

    def step(self) -> int | None:
        """Let the agent take one step; returns the action, or None where the walk has stopped."""
        return self.registration.lead().step()

    def run(self, steps: int | None = None, progress: Progress | None = None) -> AgentWalk:
        """Let the agent go on to its end, or by so many steps."""
        return self.registration.run(steps, progress)

    def end(self, progress: Progress) -> None:
        """Make what the outputs hold of where the walk stands; touches no node, and the walk can go on afterwards."""
        result = self.registration.result(progress.part(0.0, 0.3))
        self.take(result, progress.part(0.3, 0.8))
        self._replay = []
        if "trajectory" in self._outputs:
            self._replay = replay_displacements(self.registration, progress.part(0.8, 1.0))

    def finish(self, progress: Progress | None = None) -> AgentNodes:
        """The outputs of where the walk stands, in the scene; on the main thread.

        Raises:
            InputError: for nodes that were deleted; the scene is as it was.
        """
        self.checkInScene()
        self.end(progress or Progress())
        return self.addToScene()

    def addToScene(self) -> AgentNodes:
        """Put what was computed into the scene, beside the moving volume; on failure the scene is as it was."""
        self.checkInScene()
        fixedNode, movingNode, _segmentation = self._nodes
        with scene_as_it_was_on_failure(fixedNode.GetScene()):
            nodes = AgentNodes(**vars(super().addToScene()))
            if self._replay:
                before = self._kept.trajectory if self._kept is not None else None
                nodes.trajectory = add_trajectory(self.registration, self._replay, fixedNode, movingNode, before)
        self._kept = nodes
        self._into = RegistrationNodes(**{name: getattr(nodes, name) for name in vars(self._into)})
        return nodes


def replay_displacements(registration: AgentRegistration, progress: Progress | None = None) -> list[Image]:
    """The displacement of every state of the shown walk, on a grid as coarse as keeps them small."""
    progress, walk = progress or Progress(), registration.walk
    amplitudes = walk.amplitudes_of([state.theta for state in walk.states]).tolist()
    stride = 1
    first = registration.live_displacement(amplitudes[0])
    while len(amplitudes) * first.array.size * 4 > MAXIMUM_REPLAY_BYTES and stride < _COARSEST:
        stride += 1
        first = registration.live_displacement(amplitudes[0], stride)
    displacements = []
    for number, one in enumerate(amplitudes):
        progress.report(number / len(amplitudes), "Keeping the steps")
        displacements.append(registration.live_displacement(one, stride))
    return displacements
