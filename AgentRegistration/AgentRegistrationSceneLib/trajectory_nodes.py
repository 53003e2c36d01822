"""The way that an agent went, in the scene: transforms that can be replayed, a table, and charts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from slicer.i18n import tr as _

from DeformationLib.image import Image
from DeformationSceneLib.placement import output_name, place_beside, remove_node, unique_name
from DeformationSceneLib.sequences import SequenceRecording
from DeformationSceneLib.tables import Column, add_table, fill_table
from DeformationSceneLib.transforms import add_displacement_transform, set_displacement

from .walk_charts import amplitudes_chart, similarity_chart
from .walk_run import WalkPicture, take_picture

if TYPE_CHECKING:
    from AgentRegistrationLib.agent_registration import AgentRegistration

_FRAMES_PER_SECOND = 20.0


@dataclass
class TrajectoryNodes:
    """Nodes of one walk.

    Attributes:
        transform: shows the step that the browser has selected; the moving volume put under it walks when it plays.
        sequence: of that transform, one item per step; step 0 is the start.
        browser: plays it.
        table: one row per step.
        similarity: chart of the similarity.
        amplitudes: chart of the modes' amplitudes.
    """

    transform: object = None
    sequence: object = None
    browser: object = None
    table: object = None
    similarity: object = None
    amplitudes: object = None

    def __iter__(self) -> Iterator:
        """The nodes that are there."""
        return (node for node in (getattr(self, field.name) for field in fields(self)) if node is not None)


def add_trajectory(
    registration: AgentRegistration,
    displacements: Sequence[Image],
    fixedNode,
    movingNode,
    before: TrajectoryNodes | None,
) -> TrajectoryNodes:
    """Put the shown walk into the scene, beside the moving volume.

    Args:
        registration: whose walk it is.
        displacements: of its states.
        fixedNode, movingNode: the volumes.
        before: nodes of the same walk when it had come less far, whose place the new ones take.

    Put it inside `scene_as_it_was_on_failure`.
    """
    scene, picture = movingNode.GetScene(), take_picture(registration, displacement=False)
    nodes = TrajectoryNodes(table=before.table if before is not None and before.table.GetScene() is not None else None)
    if nodes.table is None:
        nodes.table = add_table(
            scene, output_name(scene, movingNode, fixedNode, "walk table"), trajectory_columns(picture)
        )
        place_beside(nodes.table, movingNode)
    else:
        fill_table(nodes.table, trajectory_columns(picture))
    name, role = f"{movingNode.GetName()} to {fixedNode.GetName()}", nodes.table.GetID()
    nodes.similarity = similarity_chart(scene, f"AgentRegistration/{role}/similarity", picture, name, movingNode)
    nodes.amplitudes = amplitudes_chart(scene, f"AgentRegistration/{role}/amplitudes", picture, name, movingNode)
    _add_sequence(nodes, displacements, fixedNode, movingNode)
    if before is not None:
        _replace(before, nodes)
    return nodes


def trajectory_columns(picture: WalkPicture) -> dict[str, Column]:
    """The steps of a walk as columns of a table; modes count from 1, amplitudes are in standard deviations."""
    states, amplitudes = picture.states, picture.amplitudes
    choices = {"start": _("start"), "agent": _("agent"), "user": _("user"), "settled": _("mean of the last steps")}
    columns = {
        "Step": Column(np.arange(len(states))),
        "Chosen by": Column([choices[state.choice] for state in states]),
        "Action": Column(["" if state.action is None else action_name(state.action) for state in states]),
        "Q-value": Column(
            ["" if state.q is None else f"{state.q:.4g}" for state in states],
            "",
            "What the network expected of the action: by how much it brings the amplitudes nearer to their target.",
        ),
        "Similarity": Column([state.similarity for state in states], "", "Correlation of the images, -1 to 1."),
    }
    for mode in range(amplitudes.shape[1]):
        columns[f"Mode {mode + 1}"] = Column(amplitudes[:, mode], "SD", "Amplitude of the mode.")
    return columns


def action_name(action: int) -> str:
    """ "Mode 3 up"; modes count from 1."""
    text = _("Mode {number} down") if action % 2 else _("Mode {number} up")
    return text.format(number=action // 2 + 1)


def _add_sequence(nodes: TrajectoryNodes, displacements: Sequence[Image], fixedNode, movingNode) -> None:
    scene = movingNode.GetScene()
    name = output_name(scene, movingNode, fixedNode, "walk")
    nodes.transform = add_displacement_transform(scene, displacements[-1], name, fixedNode, movingNode)
    place_beside(nodes.transform, movingNode)
    recording = SequenceRecording(scene, [nodes.transform], "step", "")
    (nodes.sequence,) = recording.sequences
    for step, displacement in enumerate(displacements):
        set_displacement(nodes.transform, displacement)
        recording.record(step)
    nodes.browser = recording.finish(f"{name} browser", len(displacements) - 1, _FRAMES_PER_SECOND)
    nodes.browser.SetIndexDisplayFormat("%.0f")


def _replace(before: TrajectoryNodes, new: TrajectoryNodes) -> None:
    """Take away what an earlier end of the same walk has left; the new nodes get its names."""
    for part in ("browser", "transform", "sequence"):
        old = getattr(before, part)
        if old is None or old.GetScene() is None:
            continue
        name = old.GetName()
        remove_node(old)
        getattr(new, part).SetName(unique_name(getattr(new, part).GetScene(), name))
