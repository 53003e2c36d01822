"""The motion matrix as a table, from which it can be read again, and as a heat map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from DeformationLib.errors import InputError
from DeformationLib.image import Image
from DeformationSceneLib.colours import DIVERGING, colour_table
from DeformationSceneLib.pictures import FAR_BELOW_MM
from DeformationSceneLib.placement import place_beside
from DeformationSceneLib.tables import Column, fill_table, node_in_role
from DeformationSceneLib.volumes import update_volume

if TYPE_CHECKING:
    from MotionModelLib.motion_matrix import MotionMatrix

_MODEL = "MotionModel.Model"
_RUNS = "MotionModel.Runs"
_HEIGHT, _WIDTH = 200.0, 300.0
"""Of the heat map in mm; its rows and columns are axes of a picture, not of the body."""


def add_matrix_table(scene, role: str, name: str, matrix: MotionMatrix, beside=None, runs: int = 1):
    """The table that the scene keeps for a role: a row for each slice and dimension of the code, a column for each slot.

    `runs`: 2 where the rows of the frames before the reference follow those of the frames after it.
    """
    several = matrix.deviation.ndim == 3
    rows = list(np.ndindex(matrix.mean.shape[:2]))
    columns = {
        "slice": Column([b for b, _d in rows], "", _("Sequence of the stack, counted from 0")),
        "dimension": Column([d for _b, d in rows], "", _("Of the latent code, counted from 0")),
    }
    for slot in range(matrix.slots):
        columns[f"slot_{slot + 1}"] = Column(matrix.mean[:, :, slot].ravel())
    if several:
        columns |= {f"sigma_{slot + 1}": matrix.deviation[:, :, slot].ravel() for slot in range(matrix.slots)}
    else:
        columns["sigma"] = Column(matrix.deviation.ravel(), "", _("Standard deviation, the same in all slots"))
    node = node_in_role(scene, "vtkMRMLTableNode", role, name)
    fill_table(node, columns)
    node.SetAttribute(_MODEL, matrix.model)
    node.SetAttribute(_RUNS, str(runs))
    place_beside(node, beside)
    return node


def matrix_from_table(tableNode) -> MotionMatrix:
    """The motion matrix in a table that `add_matrix_table` has filled. Raises InputError for any other table."""
    from MotionModelLib.motion_matrix import MotionMatrix

    if tableNode is None:
        raise InputError(_("No motion matrix is selected; select the table of a tracked sequence."))
    if tableNode.GetAttribute(_RUNS) == "2":
        raise InputError(
            _(
                "The motion matrix '{name}' has two parts, for the frames before and after the reference: transport the "
                "motion of the series itself."
            ).format(name=tableNode.GetName())
        )
    table = tableNode.GetTable()
    columns = [table.GetColumnName(number) for number in range(table.GetNumberOfColumns())]
    slots = sum(column.startswith("slot_") for column in columns)
    sigmas = [column for column in columns if column.startswith("sigma")]
    try:
        values = {name: vtk_to_numpy(table.GetColumnByName(name)) for name in columns}
        size = tuple(1 + int(values[name].max()) for name in ("slice", "dimension"))
        mean = np.stack([values[f"slot_{slot + 1}"] for slot in range(slots)], axis=1).reshape(*size, slots)
        deviation = np.stack([values[name] for name in sigmas], axis=1).reshape(*size, len(sigmas))
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise InputError(
            _("The table '{name}' is not a motion matrix; select the one of a tracked sequence.").format(
                name=tableNode.GetName()
            )
        ) from error
    model = tableNode.GetAttribute(_MODEL) or ""
    return MotionMatrix(mean, deviation if len(sigmas) > 1 else deviation[..., 0], model)


def add_heat_map(scene, role: str, name: str, matrix: MotionMatrix, beside=None):
    """The volume that the scene keeps for a role: slots from left to right, dimensions downwards, slices of the stack.

    Blue is negative, white 0, red positive. Axial views show it upright.
    """
    node = node_in_role(scene, "vtkMRMLScalarVolumeNode", role, name)
    values = matrix.mean.astype(np.float32)
    spacing = (_WIDTH / values.shape[2], _HEIGHT / values.shape[1], 10.0)
    update_volume(node, Image(values, spacing, (-_WIDTH / 2, -_HEIGHT / 2, FAR_BELOW_MM)))
    node.SetDescription(
        _("Slots of time from left to right, dimensions of the code downwards, a slice for each sequence")
    )
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    table = colour_table(scene, "LatentMotionMatrix", "Motion matrix", DIVERGING)
    display.SetAndObserveColorNodeID(table.GetID())
    reach = max(float(np.abs(values).max()), 1e-3)
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(-reach, reach)
    # Entries are not samples of something smooth.
    display.SetInterpolate(False)
    place_beside(node, beside)
    return node
