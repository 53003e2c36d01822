"""The modes of an agent's deformation model on one image: what each of its actions does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from DeformationLib.errors import InputError
from DeformationLib.field_of_view import ended_soon, field_on_image, reaches_beyond
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image, check_dimensions, check_intensities
from DeformationLib.masks import mask_box, mask_on_grid
from DeformationLib.pair_view import extent_warnings
from DeformationLib.preprocessing import NetworkInput, prepare

from .agent_registration import shifted

if TYPE_CHECKING:
    from .agent_model import AgentModel


class ModeExplorer:
    """Deformations ``mean + theta @ modes`` of an image.

    Amplitudes are in voxels of control-point displacement, as those of `StatisticalDeformationModel`.

    >>> explorer = AgentModel.load("hippocampus-agent").explorer(image)
    >>> displacement = explorer.displacement(component=0, amplitude=2 * explorer.standard_deviations[0])

    Attributes:
        image: as it was given.
        warnings: sentences for the user where the image is unlike those that the model was trained on.
    """

    def __init__(self, model: AgentModel, image: Image, structure: Image | None = None) -> None:
        """Put the model's grid over an image, as before a walk.

        Args:
            model: an agent.
            image: any geometry.
            structure: mask of the structure of interest, on any grid, every value but 0; the grid lies around it.

        Raises:
            InputError: for an unusable image, and a mask that is empty or outside it.
        """
        grid = model.grid
        check_intensities(image, "The image")
        check_dimensions(image, grid.dimension, "The image")
        box = image.geometry if structure is None else mask_box(mask_on_grid(structure, image, "The structure"))
        seen = prepare(image, grid, "The image", grid.around(box))
        if model.template is not None:
            shift = model.template.shift_of(seen.image, seen.mask)
            seen = prepare(image, grid, "The image", shifted(seen.geometry, shift.numpy()))
        self.image, self._model, self._seen = image, model, seen
        # An image may have a structure of any extent: only its spacing is judged then.
        self.warnings: list[str] = (
            extent_warnings(grid, image, seen, "explored", model.name) if structure is None else []
        )

    @property
    def model_name(self) -> str:
        """Name of the model whose modes deform the image."""
        return self._model.name

    @property
    def seen(self) -> NetworkInput:
        """The image as the agent would see it."""
        return self._seen

    @property
    def count(self) -> int:
        """Number of modes."""
        return self._model.deformation.count

    @property
    def explained_variance_ratio(self) -> np.ndarray:
        """Share of the training deformations' variance along each mode, ``(d,)``."""
        return self._model.deformation.explained.double().numpy()

    @property
    def standard_deviations(self) -> np.ndarray:
        """Of the training amplitudes, ``(d,)``."""
        return self._model.deformation.deviations.double().numpy()

    def amplitudes(self, deviations: Sequence[float]) -> np.ndarray:
        """Amplitudes ``(d,)`` of ones in standard deviations; missing ones are zero. Raises `InputError` for too many."""
        self._check_number(deviations)
        result = np.zeros(self.count)
        result[: len(deviations)] = deviations
        return result * self.standard_deviations

    def amplitudes_of(self, component: int, amplitude: float) -> np.ndarray:
        """Amplitudes ``(d,)`` that are zero but for one; raises `InputError` for a mode that does not exist."""
        if not 0 <= component < self.count:
            raise InputError(f"There is no mode {component + 1}: this model has {self.count}.")
        result = np.zeros(self.count)
        result[component] = amplitude
        return result

    def displacement(
        self, component: int = 0, amplitude: float = 0.0, amplitudes: Sequence[float] | None = None
    ) -> Image:
        """Displacement along one mode, or several, on the image's grid.

        Args:
            component: which mode, counted from 0.
            amplitude: of that mode; all zero is the mean deformation.
            amplitudes: of the first modes, instead of the two above.

        Returns:
            ``(k, j, i, 3)`` components x, y, z in LPS mm, pull-back.

        Raises:
            InputError: for modes that the model does not have.
        """
        chosen = self.amplitudes_of(component, amplitude) if amplitudes is None else amplitudes
        self._check_number(chosen)
        return self._on_image(self._field(chosen), self.image.geometry)

    def live_displacement(self, deviations: Sequence[float]) -> Image:
        """Displacement for amplitudes in standard deviations, on the model's own grid: it costs the same for every image.

        In larger images it ends within a narrow margin. Safe in any thread.
        """
        field, target = self._field(self.amplitudes(deviations)), self._seen.geometry
        if reaches_beyond(self.image.geometry, target):
            field, target = ended_soon(field, target, self._model.grid.dimension)
        return self._on_image(field, target)

    def _field(self, amplitudes: Sequence[float]) -> Tensor:
        theta = torch.zeros(1, self.count)
        theta[0, : len(amplitudes)] = torch.as_tensor(np.asarray(amplitudes, dtype=np.float32))
        return self._model.deformation.field(theta)

    def _on_image(self, field: Tensor, target: Geometry) -> Image:
        place = self._seen.geometry
        return field_on_image(self._model.grid, field, place, place, target)

    def _check_number(self, amplitudes: Sequence[float]) -> None:
        if len(amplitudes) > self.count:
            raise InputError(f"There are {len(amplitudes)} amplitudes, but this model has {self.count} modes.")
