"""The mean anatomy of the training subjects, onto which every image is translated before an agent starts.

Two images of different subjects often correlate best where something bright and unrelated lies on itself.  The mean of
the training subjects, centred by their label maps and looked at around the structures alone, is a better judge: on it
any image is put by its intensities, at training and in use alike (Krebs 3.3 takes one training image for this).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from DeformationLib.cases import CaseSet
from DeformationLib.errors import InputError
from DeformationLib.fields import identity_grid
from DeformationLib.progress import Progress

from .prealignment import best_translation, translate

_REACH = 0.35  # of the grid along each axis
_SHARE = 0.3  # of the subjects, whose structures make the structures of the template


@dataclass(frozen=True)
class AnatomyTemplate:
    """What an image is put onto.

    Attributes:
        image: ``(1, 1, *size)`` mean intensities, structures in the middle of the grid.
        mask: ``(1, 1, *size)`` 1 in the structures and their surroundings.
    """

    image: Tensor
    mask: Tensor

    @classmethod
    def of_cases(cls, cases: CaseSet, margin: int | None = None) -> AnatomyTemplate:
        """The mean of subjects with label maps.

        Args:
            cases: on one grid.
            margin: of the surroundings, voxels; by default a twelfth of the grid's longest side.

        Raises:
            InputError: for a case whose label map is empty.
        """
        size = tuple(cases.images.shape[2:])
        margin = round(max(size) / 12) if margin is None else margin
        total, weights, structures = (torch.zeros(1, 1, *size) for _ in range(3))
        for index in range(len(cases)):
            image, labels, mask = cases.batch([index])
            shift = _centre_of_structures(labels, cases.names[index]) - (torch.tensor(size) - 1) / 2
            weight = translate(mask, shift, "zeros")
            total += translate(image, shift) * weight
            weights += weight
            structures += translate(labels.sum(dim=1, keepdim=True), shift, "zeros")
        common = (structures / len(cases) > _SHARE).float()
        if not common.any():
            raise InputError("The label maps of the training cases have no place in common: check that they match.")
        pool = F.max_pool2d if len(size) == 2 else F.max_pool3d
        return cls(total / weights.clamp_min(1e-3), pool(common, 2 * margin + 1, 1, margin) * (weights > 0))

    def shift_of(self, image: Tensor, mask: Tensor | None = None) -> Tensor:
        """The translation ``(D,)``, voxels, after which (`prealignment.translate`) an image lies on the template.

        Args:
            image: ``(1, 1, *size)`` in [0, 1].
            mask: ``(1, 1, *size)`` 1 where the image has voxels.

        Raises:
            InputError: for an image on another grid.
        """
        if image.shape != self.image.shape:
            raise InputError(
                f"The image lies on {tuple(image.shape[2:])} voxels, the model on {tuple(self.image.shape[2:])}."
            )
        reach = [int(_REACH * length) for length in self.image.shape[2:]]
        return best_translation(self.image, image, self.mask, mask, reach)

    def state(self) -> dict[str, Tensor]:
        """Plain tensors for a model's weights file."""
        return {"image": self.image, "mask": self.mask}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> AnatomyTemplate:
        """Inverse of `state`."""
        return cls(state["image"].float(), state["mask"].float())


def aligned_cases(
    cases: CaseSet, template: AnatomyTemplate, progress: Progress | None = None
) -> tuple[CaseSet, Tensor]:
    """All cases translated onto a template by their intensities, and their shifts ``(n, D)`` in voxels."""
    progress = progress or Progress()
    shifts, images, labels, masks = [], [], [], []
    for index, name in enumerate(cases.names):
        progress.report(index / len(cases), f"Aligning {name}")
        image, label, mask = cases.batch([index])
        shift = template.shift_of(image, mask)
        shifts.append(shift)
        images.append(translate(image, shift).half())
        labels.append((255 * translate(label, shift, "zeros")).round().byte())
        masks.append((translate(mask, shift, "zeros") > 0.5).byte())
    moved = replace(cases, images=torch.cat(images), labels=torch.cat(labels), masks=torch.cat(masks))
    return moved, torch.stack(shifts)


def _centre_of_structures(labels: Tensor, name: str) -> Tensor:
    """Centre of mass ``(D,)``, voxels, of label indicators ``(1, L, *size)``."""
    mass = labels.sum(dim=(0, 1))
    if not mass.any():
        raise InputError(f"The label map of {name} is empty on the model's grid: mark the structures, or leave it out.")
    axes = tuple(range(1, mass.ndim + 1))
    return (identity_grid(tuple(mass.shape))[0] * mass).sum(dim=axes) / mass.sum()
