"""Whether an image is like those that a model was trained on; what to tell the user where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from DeformationLib.geometry import Geometry
from DeformationLib.image import Image

if TYPE_CHECKING:
    from .model import RegistrationModel


def suitability_warnings(
    model: RegistrationModel,
    image: Image,
    code: Tensor,
    role: str,
    structure: Geometry | None = None,
    centred: bool = True,
) -> list[str]:
    """Sentences about spacing, field of view and appearance that are far from the training images'.

    Args:
        model: with its card and decomposition.
        image: as it was given.
        code: ``E(image)``, ``(1, channel, *coarse)``.
        role: ``"fixed"``, ``"moving"`` or ``"explored"``.
        structure: box around the mask, which is judged instead of the image's size.
        centred: whether the model looks at the centre of the image, or of the structure; where it looks is elsewhere
            decided if not.
    """
    warnings = []
    name, structure_name, done, advice = f"The {role} image", f"The structure in the {role} mask", "registered", "mask"
    if role == "explored":
        name, structure_name, done, advice = "The image", "The structure", "deformed", "segmentation"
    dimension = model.grid.dimension
    spacing = np.asarray(image.spacing[:dimension])
    if spacing.max() > 2.0 * model.grid.spacing:
        warnings.append(
            f"{name} has a spacing of {spacing.max():.3g} mm, far coarser than the {model.grid.spacing:g} mm "
            f"that the model {model.name} was trained on."
        )
    box = structure or image.geometry
    # A slice is seen along its own axes, a volume along those of the body.
    step = np.diag(box.spacing[:2]) if dimension == 2 else np.abs(box.step)
    extent = step @ box.size[:dimension]
    grid = np.asarray(model.grid.size[::-1]) * model.grid.spacing
    subject = structure_name if structure else name
    if centred and (extent > 1.05 * grid).any():
        remedy = "" if structure else f"; choose a {advice} of the anatomy, or crop the image around it"
        warnings.append(
            f"{subject} is larger ({_millimetres(extent)}) than what the model {model.name} sees "
            f"({_millimetres(grid)}): only its centre is {done}{remedy}."
        )
    # Images of the training set have a border around the structure, which a mask lacks.
    elif (extent < (0.25 if structure else 0.5) * grid).any():
        warnings.append(
            f"{subject} is much smaller ({_millimetres(extent)}) than what the model {model.name} was trained on "
            f"({_millimetres(grid)})."
        )
    if model.decomposition is not None:
        coefficients = model.decomposition.project(code)[0] / model.decomposition.standard_deviations
        distance = float(np.sqrt(np.mean(coefficients[:8] ** 2)))
        if distance > 3.0:
            warnings.append(
                f"{name} looks unlike the training images of the model {model.name} "
                f"({distance:.1f} standard deviations away): do not trust the result without a look at it."
            )
    return warnings


def _millimetres(extent: np.ndarray) -> str:
    return " x ".join(f"{length:.0f}" for length in extent) + " mm"
