"""Where outputs go in the scene: names, the subject hierarchy, and a scene that a failed run leaves as it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import slicer

from DeformationLib.errors import InputError


def unique_name(scene: slicer.vtkMRMLScene, name: str) -> str:
    """`name` if no node of the scene has it, else with the first free number behind it ("... (2)", "... (3)").

    Unlike `GenerateUniqueName`, which counts up for ever, it gives a free name back after the node was deleted.
    """
    taken = {node.GetName() for node in nodes_of(scene)}
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name} ({number})"
    return candidate


def output_name(scene: slicer.vtkMRMLScene, moving_node, fixed_node, what: str = "") -> str:
    """A free name for an output of a registration: "<moving> warped to <fixed>", or "<moving> to <fixed> <what>"."""
    moving, fixed = moving_node.GetName(), fixed_node.GetName()
    return unique_name(scene, f"{moving} to {fixed} {what}" if what else f"{moving} warped to {fixed}")


def place_beside(output_node: slicer.vtkMRMLNode, input_node: slicer.vtkMRMLNode | None) -> None:
    """Put an output node into the subject hierarchy folder (study, patient) of an input node; the input stays put.

    Does nothing where the scene has no subject hierarchy or the input is not in it.
    """
    scene = output_node.GetScene()
    if scene is None or input_node is None:
        return
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    if hierarchy is None:
        return
    invalid = hierarchy.GetInvalidItemID()
    input_item, output_item = (hierarchy.GetItemByDataNode(node) for node in (input_node, output_node))
    if input_item == invalid:
        return
    parent = hierarchy.GetItemParent(input_item)
    if output_item == invalid:
        hierarchy.CreateItem(parent, output_node)
    elif parent not in (invalid, hierarchy.GetItemParent(output_item)):
        hierarchy.SetItemParent(output_item, parent)


def check_outputs(output_nodes: Iterable[slicer.vtkMRMLNode], input_nodes: Iterable[slicer.vtkMRMLNode | None]) -> None:
    """Raise InputError where a node that is to be overwritten is an input, or a transform above one, or chosen twice."""
    inputs = [node for node in input_nodes if node is not None]
    chosen = []
    for output in output_nodes:
        if output in inputs:
            raise InputError(
                f"'{output.GetName()}' is an input and would be overwritten; choose another node for the output."
            )
        if any(_lies_under(node, output) for node in inputs):
            raise InputError(
                f"The transform '{output.GetName()}' moves an input and would be overwritten; choose another node."
            )
        if output in chosen:
            raise InputError(f"'{output.GetName()}' is chosen for two outputs; choose another node for one of them.")
        chosen.append(output)


def _lies_under(node, transform_node) -> bool:
    parent = node.GetParentTransformNode() if hasattr(node, "GetParentTransformNode") else None
    while parent is not None:
        if parent is transform_node:
            return True
        parent = parent.GetParentTransformNode()
    return False


def nodes_of(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLNode]:
    """All nodes of a scene, in its order."""
    return [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]


@contextmanager
def scene_as_it_was_on_failure(scene: slicer.vtkMRMLScene) -> Iterator[None]:
    """Remove every node that was added inside the `with` block if an exception (`Cancelled` too) leaves it.

    Put it around the code that creates nodes, not around long work during which the window is alive: a volume that the
    user loads meanwhile would go as well. Nodes that existed before are not restored if the block changes them.
    """
    # It exists from here on in any case, so that it is not taken for one of the nodes of the block.
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    before = {node.GetID() for node in nodes_of(scene)}
    try:
        yield
    except BaseException:
        _remove_nodes_except(scene, before)
        raise


def _remove_nodes_except(scene: slicer.vtkMRMLScene, kept_ids: set[str]) -> None:
    # Newest first, so that a display node goes before the volume that it shows; removing one may remove others.
    for node in reversed(nodes_of(scene)):
        if node.GetID() not in kept_ids and scene.IsNodePresent(node):
            scene.RemoveNode(node)


def remove_node(node: slicer.vtkMRMLNode) -> None:
    """Remove a node with its display and storage nodes, which would stay behind; nothing for one that is gone already."""
    scene = node.GetScene()
    if scene is None:
        return
    own = [node]
    if node.IsA("vtkMRMLDisplayableNode"):
        own += [node.GetNthDisplayNode(number) for number in range(node.GetNumberOfDisplayNodes())]
    # Every display of a transform has colours of its own.
    own += [one.GetColorNode() for one in own if one is not None and one.IsA("vtkMRMLTransformDisplayNode")]
    if node.IsA("vtkMRMLStorableNode"):
        own += [node.GetNthStorageNode(number) for number in range(node.GetNumberOfStorageNodes())]
    for one in own:
        if one is not None and scene.IsNodePresent(one):
            scene.RemoveNode(one)
