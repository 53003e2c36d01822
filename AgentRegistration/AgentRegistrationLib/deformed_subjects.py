"""Single subjects in ever new shapes, with their label maps: what a finder of structures is trained on."""

from __future__ import annotations

import torch
from torch import Tensor

from DeformationLib.cases import CaseSet
from DeformationLib.fields import warp

from .bspline_field import BSplineField
from .deformation_model import StatisticalDeformationModel


class DeformedSubjects:
    """Draws subjects, each deformed by random amplitudes of a deformation model.

    Args:
        cases: on the model's grid.
        model: of the deformations.
        bound: of the amplitudes, standard deviations.
    """

    def __init__(self, cases: CaseSet, model: StatisticalDeformationModel, bound: float = 2.0) -> None:
        self._cases, self._model, self._bound, self._field = cases, model, bound, BSplineField(model.lattice)

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images ``(count, 1, *size)`` in [0, 1] and label indicators ``(count, L, *size)``."""
        chosen = torch.randint(len(self._cases), (count,), generator=generator).tolist()
        images, labels, _ = self._cases.batch(chosen)
        theta = self._model.sample(count, generator, self._bound)
        moved = warp(torch.cat([images, labels], dim=1), self._field(self._model.reconstruct(theta)))
        return moved[:, :1], moved[:, 1:]
