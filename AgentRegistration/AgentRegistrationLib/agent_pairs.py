"""Pairs of images with known amplitudes, made while an agent is trained (Krebs 3.2.3).

Intra-subject pairs: an image and the same image deformed; the amplitudes are known exactly.  Inter-subject pairs: two
subjects between whom the deformation was registered (`ground_truth`), each deformed by known amplitudes; the deformation
between the two is composed of the three and projected onto the model.  The inverse that this needs is approximated by
the opposite amplitudes; `opposite_error` says what that costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from DeformationLib.cases import CaseSet
from DeformationLib.errors import InputError
from DeformationLib.fields import compose, inverse_error, warp

from .bspline_field import BSplineField
from .deformation_model import StatisticalDeformationModel
from .structure_region import structure_region


@dataclass(frozen=True)
class AgentPairs:
    """Some pairs.

    Attributes:
        fixed, moving: ``(batch, 1, *size)`` in [0, 1].
        theta: ``(batch, d)``, amplitudes that bring moving onto fixed.
        fixed_labels, moving_labels: indicators ``(batch, L, *size)``.
        mask: ``(batch, 1, *size)`` 1 where both have voxels.
        fixed_found, moving_found: structures ``(batch, L, *size)`` where they were found beforehand, else None.
        between: ``(batch,)`` True for pairs of different subjects.
    """

    fixed: Tensor
    moving: Tensor
    theta: Tensor
    fixed_labels: Tensor
    moving_labels: Tensor
    mask: Tensor
    between: Tensor
    fixed_found: Tensor | None = None
    moving_found: Tensor | None = None


class PairGenerator:
    """Draws pairs from subjects and the ground truth between them.

    Attributes:
        model: whose amplitudes are drawn.
        inter_share: probability of a pair of different subjects.
        strength: of the deformations that vary the subjects, against those that are to be found.
        found: ``(n, L, *size)`` structures that were found in the subjects, deformed along with them; None for none.
    """

    found: Tensor | None = None

    def __init__(
        self,
        cases: CaseSet,
        pairs: Sequence[tuple[int, int]],
        controls: np.ndarray | Tensor,
        model: StatisticalDeformationModel,
        inter_share: float = 0.5,
        strength: float = 0.5,
        bound: float = 2.0,
    ) -> None:
        """Make a generator.

        Args:
            cases: subjects on the model's grid, aligned to the template.
            pairs: indices (fixed, moving) of the ground truth; may be empty where ``inter_share`` is 0.
            controls: control points ``(n, D, *lattice)`` of the pairs.
            model: of the deformations.
            inter_share, strength: see the class.
            bound: of drawn amplitudes, standard deviations.

        Raises:
            InputError: for subjects outside the model's grid, and for inter-subject pairs without ground truth.
        """
        size = tuple(cases.images.shape[2:])
        if size != model.lattice.size:
            raise InputError(
                f"The subjects lie on {size} voxels, the deformation model on {model.lattice.size}: prepare them again."
            )
        if len(pairs) != len(controls):
            raise ValueError(f"There are {len(pairs)} pairs, but {len(controls)} deformations.")
        if inter_share > 0 and not len(pairs):
            raise InputError("Pairs of different subjects need ground truth between them: register some pairs first.")
        self.model, self.inter_share, self.strength, self.bound = model, inter_share, strength, bound
        self._cases, self._pairs = cases, list(pairs)
        self._controls = torch.as_tensor(np.asarray(controls), dtype=torch.float32)
        self._field, self._coarse = BSplineField(model.lattice), _CoarseField(model, structure_region(cases))

    def draw(self, count: int, generator: torch.Generator) -> AgentPairs:
        """Random pairs, each of different subjects with probability ``inter_share``."""
        between = torch.rand(count, generator=generator) < self.inter_share
        parts = [self._inter(generator) if inter else self._intra(generator) for inter in between.tolist()]
        joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        return AgentPairs(**joined, between=between)

    def _intra(self, generator: torch.Generator) -> dict[str, Tensor]:
        """A subject deformed a little, and the same deformed further by what is to be found."""
        subject = self._subject(self._any(len(self._cases), generator))
        first = self._field(self.model.reconstruct(self._vary(generator)))
        theta = self.model.sample(1, generator, self.bound)
        both = compose(first, self._field(self.model.reconstruct(theta)))
        return self._parts(warp(subject, both), warp(subject, first), theta)

    def _inter(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Two subjects, either deformed, and the deformation ``T_b^-1`` then ground truth then ``T_c`` between them."""
        number = self._any(len(self._pairs), generator)
        fixed, moving = (self._subject(index) for index in self._pairs[number])
        of_moving, of_fixed = self._vary(generator), self._vary(generator)
        theta = self._coarse.composed(of_moving, self._controls[number : number + 1], of_fixed)
        fields = [self._field(self.model.reconstruct(amplitudes)) for amplitudes in (of_fixed, of_moving)]
        return self._parts(warp(fixed, fields[0]), warp(moving, fields[1]), theta)

    def _subject(self, index: int) -> Tensor:
        """Image, mask, label indicators and, if there are any, found structures, ``(1, channels, *size)``."""
        image, labels, mask = self._cases.batch([index])
        found = [] if self.found is None else [self.found[index : index + 1].float()]
        return torch.cat([image, mask, labels, *found], dim=1)

    def _parts(self, fixed: Tensor, moving: Tensor, theta: Tensor) -> dict[str, Tensor]:
        structures = slice(2, 2 + self._cases.labels.shape[1])
        parts = {
            "fixed": fixed[:, :1],
            "moving": moving[:, :1],
            "theta": theta,
            "fixed_labels": fixed[:, structures],
            "moving_labels": moving[:, structures],
            "mask": (fixed[:, 1:2] * moving[:, 1:2] > 0.5).float(),
        }
        if self.found is not None:
            parts |= {"fixed_found": fixed[:, structures.stop :], "moving_found": moving[:, structures.stop :]}
        return parts

    def _vary(self, generator: torch.Generator) -> Tensor:
        return self.model.sample(1, generator, self.bound, self.strength)

    def _any(self, count: int, generator: torch.Generator) -> int:
        return int(torch.randint(count, (), generator=generator))


class _CoarseField:
    """Compositions on every other voxel: the fields are smooth, and it costs an eighth in 3-D.

    The amplitudes are those whose displacement is nearest to the composed one, by least squares over the voxels where the
    structures are: control points far away, which move no structure, would otherwise have the same say as all others.
    """

    def __init__(self, model: StatisticalDeformationModel, region: Tensor | None = None, stride: int = 2) -> None:
        self.model, self.stride = model, stride
        self._weights = [
            torch.from_numpy(model.lattice.weights(axis)[::stride]).float() for axis in range(model.lattice.dimension)
        ]
        modes = self._dense(model.reconstruct(torch.eye(model.count)) - model.reconstruct(torch.zeros(1, model.count)))
        self._mean = self._dense(model.reconstruct(torch.zeros(1, model.count)))
        coarse = tuple(slice(None, None, stride) for _ in model.lattice.size)
        weights = torch.ones(model.lattice.size) if region is None else region
        self._share = weights[coarse].sqrt()
        self._inverse = torch.linalg.pinv((modes * self._share).flatten(1).double()).float()

    def composed(self, of_moving: Tensor, between: Tensor, of_fixed: Tensor) -> Tensor:
        """Amplitudes ``(n, d)`` of ``T_b^-1 o T o T_c``.

        Args:
            of_moving: amplitudes b ``(n, d)``; their opposite stands for the inverse.
            between: control points of T ``(n, D, *lattice)``.
            of_fixed: amplitudes c ``(n, d)``.
        """
        inverse, second = (self._dense(self.model.reconstruct(theta)) for theta in (-of_moving, of_fixed))
        composition = compose(compose(inverse, self._dense(between)), second)
        return ((composition - self._mean) * self._share).flatten(1) @ self._inverse

    def _dense(self, control: Tensor) -> Tensor:
        """Displacement ``(n, D, *coarse)`` in voxels of the coarse grid."""
        for axis, matrix in enumerate(self._weights):
            control = torch.movedim(torch.movedim(control, 2 + axis, -1) @ matrix.T, -1, 2 + axis)
        return control / self.stride


def composed_amplitudes(
    model: StatisticalDeformationModel,
    of_moving: Tensor,
    between: Tensor,
    of_fixed: Tensor,
    region: Tensor | None = None,
) -> Tensor:
    """Amplitudes ``(n, d)`` between two deformed subjects, from those of either and the control points between them.

    Where a ``region`` ``size`` is given, the displacement has to be right there, by its weights.
    """
    return _CoarseField(model, region).composed(of_moving, between, of_fixed)


def opposite_error(model: StatisticalDeformationModel, theta: Tensor) -> Tensor:
    """How far the opposite amplitudes are from the inverse: root mean square of ``phi(phi^-(y)) - y``, ``(n,)`` in voxels."""
    distance = inverse_error(model.field(theta), model.field(-theta))
    return distance.square().flatten(1).mean(dim=1).sqrt()
