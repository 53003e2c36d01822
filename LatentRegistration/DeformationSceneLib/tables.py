"""Tables of the scene from NumPy columns, new or the one that was made before for the same purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from .placement import place_beside

_ROLE = "LatentMotion.Role"


@dataclass(frozen=True)
class Column:
    """A column of a table: its values, numbers or texts, and what a reader needs to know about them."""

    values: Sequence
    unit: str = ""
    description: str = ""


def find_in_role(scene: slicer.vtkMRMLScene, node_class: str, role: str) -> slicer.vtkMRMLNode | None:
    """The node that the scene keeps for a purpose, also after saving and loading; None where there is none."""
    for index in range(scene.GetNumberOfNodesByClass(node_class)):
        node = scene.GetNthNodeByClass(index, node_class)
        if node.GetAttribute(_ROLE) == role:
            return node
    return None


def node_in_role(scene: slicer.vtkMRMLScene, node_class: str, role: str, name: str) -> slicer.vtkMRMLNode:
    """The node that the scene keeps for a purpose, a new one of this name where there is none."""
    node = find_in_role(scene, node_class, role)
    if node is None:
        node = scene.AddNewNodeByClass(node_class, name)
        node.SetAttribute(_ROLE, role)
    return node


def add_table(scene: slicer.vtkMRMLScene, name: str, columns: Mapping[str, Column | Sequence]):
    """A new table node with the columns, all of the same length."""
    node = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    fill_table(node, columns)
    return node


def update_table(
    scene: slicer.vtkMRMLScene,
    role: str,
    name: str,
    columns: Mapping[str, Column | Sequence],
    beside: slicer.vtkMRMLNode | None = None,
) -> slicer.vtkMRMLTableNode:
    """The table that the scene keeps for a purpose, with this name and these columns; a new one is put beside a node."""
    node = node_in_role(scene, "vtkMRMLTableNode", role, name)
    if node.GetName() != name:
        node.SetName(name)
    fill_table(node, columns)
    place_beside(node, beside)
    return node


def fill_table(table_node: slicer.vtkMRMLTableNode, columns: Mapping[str, Column | Sequence]) -> None:
    """Replace all columns of a table node; plots of it follow. Raises ValueError for columns of different length."""
    described = {name: column if isinstance(column, Column) else Column(column) for name, column in columns.items()}
    if len({len(column.values) for column in described.values()}) > 1:
        raise ValueError("The columns of a table have the same length.")
    was_modifying = table_node.StartModify()
    table_node.RemoveAllColumns()
    for name, column in described.items():
        table_node.AddColumn(_vtk_column(name, column.values))
        if column.unit:
            table_node.SetColumnUnitLabel(name, column.unit)
        if column.description:
            table_node.SetColumnDescription(name, column.description)
    table_node.SetUseFirstColumnAsRowHeader(False)
    table_node.SetUseColumnTitleAsColumnHeader(True)
    table_node.Modified()
    table_node.EndModify(was_modifying)


def show_table(table_node: slicer.vtkMRMLTableNode) -> None:
    """Show a table in the table view; the layout changes to one that has it. Does nothing where there are no views."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return
    manager.setLayout(slicer.modules.tables.logic().GetLayoutWithTable(manager.layout))
    slicer.app.applicationLogic().GetSelectionNode().SetActiveTableID(table_node.GetID())
    slicer.app.applicationLogic().PropagateTableSelection()


def _vtk_column(name: str, values: Sequence) -> vtk.vtkAbstractArray:
    array = np.asarray(values)
    if array.dtype.kind in "fiub":
        # Whole numbers stay whole: "3", not "3.0", in the table view.
        column = numpy_to_vtk(array.astype(np.int32 if array.dtype.kind in "iub" else np.float64), deep=True)
    else:
        column = vtk.vtkStringArray()
        for value in array:
            column.InsertNextValue(str(value))
    column.SetName(name)
    return column
