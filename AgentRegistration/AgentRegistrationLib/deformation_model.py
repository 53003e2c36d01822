"""Statistical deformation model: the principal modes of the deformations between subjects (Rueckert 2003; Krebs 3.2.2)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path

from .bspline_field import BSplineField, ControlLattice
from .structure_region import metric_roots

_STEP = 0.25  # of the mean amplitude of a mode, for one action


@dataclass(frozen=True)
class StatisticalDeformationModel:
    """Deformations ``mean + theta @ modes``; theta are the modes' amplitudes.

    Amplitudes have the length of the control points' displacements in voxels, or, of a model that was fitted to a region,
    the root mean square of the displacement over that region. The deformation from one subject to another and the opposite
    one are both in the population, so that the mean is zero, ``theta = 0`` is the identity and ``-theta`` is, to first
    order, the inverse of ``theta``.

    Attributes:
        lattice: of the control points.
        mean: ``(C,)``, C = D times the number of control points.
        modes: ``(d, C)``, what one unit of each amplitude adds to the control points, the strongest first.
        measures: ``(d, C)``, rows whose products with control points are the amplitudes; without a region, the modes.
        deviations: ``(d,)`` standard deviation of the training amplitudes.
        typical: ``(d,)`` mean absolute training amplitude.
        largest: ``(d,)`` largest absolute training amplitude.
        explained: ``(d,)`` share of the training variance along each mode.
    """

    lattice: ControlLattice
    mean: Tensor
    modes: Tensor
    measures: Tensor
    deviations: Tensor
    typical: Tensor
    largest: Tensor
    explained: Tensor

    @classmethod
    def fit(
        cls,
        displacements: Tensor | np.ndarray,
        lattice: ControlLattice,
        modes: int = 25,
        region: Tensor | None = None,
    ) -> StatisticalDeformationModel:
        """Principal components, by scikit-learn, of training displacements and their opposites.

        Args:
            displacements: control-point displacements ``(n, D, *lattice)`` or ``(n, C)``, voxels.
            lattice: that they are on.
            modes: how many to keep.
            region: ``size``, weights of the voxels; what the control points move there is what modes are made to explain.
                Without one, all control points count the same, however far from any structure.

        Raises:
            InputError: for more modes than training deformations, values that are not finite, and deformations that are
                all zero.
        """
        from sklearn.decomposition import PCA

        data = np.asarray(displacements, dtype=np.float64)
        data = data.reshape(len(data), -1)
        if not 1 <= modes <= min(len(data), lattice.count):
            raise InputError(
                f"{modes} modes of deformation need as many deformations between training subjects, but there are "
                f"{len(data)}: train on more subjects or pairs, or ask for fewer modes."
            )
        if data.shape[1] != lattice.count:
            raise InputError(f"Deformations of {data.shape[1]} numbers do not fit a lattice of {lattice.count}.")
        if not np.isfinite(data).all():
            raise InputError("Some of the training deformations are not finite: register their pairs again.")
        count = lattice.count // lattice.dimension
        root, inverse = metric_roots(lattice, region) if region is not None else (np.eye(count), np.eye(count))

        def per_channel(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
            return (rows.reshape(-1, count) @ matrix).reshape(len(rows), -1)

        data = per_channel(data, root)
        pca = PCA(n_components=modes, svd_solver="full").fit(np.concatenate([data, -data]))
        if not pca.explained_variance_[-1] > 1e-12:
            raise InputError(
                f"The training deformations do not vary in {modes} ways: train on more subjects or ask for fewer modes."
            )
        amplitudes = np.abs(data @ pca.components_.T)
        arrays = [
            np.zeros(lattice.count),
            per_channel(pca.components_, inverse),
            per_channel(pca.components_, root),
            np.sqrt((amplitudes**2).mean(axis=0)),
            amplitudes.mean(axis=0),
            amplitudes.max(axis=0),
            pca.explained_variance_ratio_,
        ]
        return cls(lattice, *(torch.from_numpy(np.ascontiguousarray(array)).float() for array in arrays))

    @property
    def count(self) -> int:
        """Number of modes, d."""
        return len(self.modes)

    def truncated(self, count: int) -> StatisticalDeformationModel:
        """The same model with its first modes only; raises `InputError` for more than it has."""
        if not 1 <= count <= self.count:
            raise InputError(f"{count} modes were asked for, but this deformation model has {self.count}.")
        kept = (getattr(self, name)[:count] for name in _PER_MODE)
        return StatisticalDeformationModel(self.lattice, self.mean, *kept)

    @property
    def steps(self) -> Tensor:
        """How far one action moves each amplitude, ``(d,)``: a quarter of its mean in training (Krebs 3.2.2)."""
        return _STEP * self.typical

    def project(self, control: Tensor) -> Tensor:
        """Amplitudes ``(n, d)`` of control-point displacements ``(n, D, *lattice)`` or ``(n, C)``."""
        return (control.flatten(1).to(self.modes) - self.mean) @ self.measures.T

    def reconstruct(self, theta: Tensor) -> Tensor:
        """Control-point displacements ``(n, D, *lattice)`` of amplitudes ``(n, k)``; modes beyond k stay at zero."""
        if not 1 <= theta.shape[1] <= self.count:
            raise InputError(f"{theta.shape[1]} amplitudes were given, but this deformation model has {self.count}.")
        flat = self.mean + theta.to(self.modes) @ self.modes[: theta.shape[1]]
        return flat.view(-1, self.lattice.dimension, *self.lattice.shape)

    def field(self, theta: Tensor) -> Tensor:
        """Dense displacements ``(n, D, *size)``, voxels, of amplitudes ``(n, k)``."""
        return BSplineField(self.lattice).to(self.modes.device)(self.reconstruct(theta))

    def sample(self, count: int, generator: torch.Generator, bound: float = 2.0, scale: float = 1.0) -> Tensor:
        """Random amplitudes ``(count, d)``: normal, cut off where training ended.

        Args:
            count: of deformations.
            generator: of the random numbers.
            bound: largest amplitude in standard deviations; none exceeds the largest in training either way.
            scale: of the standard deviations and the bounds.
        """
        limit = scale * torch.minimum(bound * self.deviations, self.largest)
        # By the inverse distribution function: no draws are thrown away, none pile up at the bounds.
        edge = torch.special.ndtr(limit / (scale * self.deviations))
        uniform = torch.rand(count, self.count, generator=generator)
        position = (1 - edge) + uniform * (2 * edge - 1)
        return (scale * self.deviations * torch.special.ndtri(position)).clamp(-limit, limit)

    def state(self) -> dict[str, Tensor]:
        """Plain tensors for a model's weights file."""
        lattice = {"size": torch.tensor(self.lattice.size), "cells": torch.tensor(self.lattice.cells)}
        return lattice | {name: getattr(self, name) for name in ("mean", *_PER_MODE)}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> StatisticalDeformationModel:
        """Inverse of `state`; measures are made to fit the modes again after storage in half precision.

        Raises `InputError` for a state that is incomplete.
        """
        try:
            parts = {name: state[name].float() for name in ("mean", *_PER_MODE)}
            lattice = ControlLattice(tuple(state["size"].int().tolist()), tuple(state["cells"].int().tolist()))
        except KeyError as error:
            raise InputError(f"The deformation model lacks {error}: install or fit it again.") from error
        modes, measures = parts["modes"].double(), parts["measures"].double()
        parts["measures"] = torch.linalg.solve(measures @ modes.T, measures).float()
        return cls(lattice, **parts)

    def save(self, path: str | os.PathLike) -> Path:
        """Write the model as an .npz file, completely or not at all."""
        path = Path(path)
        with atomic_path(path) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, **{name: value.cpu().numpy() for name, value in self.state().items()})
        return path

    @classmethod
    def load(cls, path: str | os.PathLike) -> StatisticalDeformationModel:
        """Read what `save` has written; raises `InputError` for anything else."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                state = {name: torch.from_numpy(stored[name]) for name in stored.files}
        except (OSError, ValueError, EOFError, AttributeError) as error:
            raise InputError(f"{path} is no deformation model ({error}): fit it again.") from error
        return cls.from_state(state)


_PER_MODE = ("modes", "measures", "deviations", "typical", "largest", "explained")


def reconstruction_errors(
    model: StatisticalDeformationModel, displacements: Tensor, counts: Sequence[int]
) -> np.ndarray:
    """Distance in voxels between deformations and what the first modes keep of them.

    Args:
        model: with its modes.
        displacements: control points ``(n, D, *lattice)``.
        counts: numbers of modes; 0 keeps the mean alone.

    Returns:
        Root mean square over the grid's voxels, ``(len(counts), n)``.
    """
    theta, spline = model.project(displacements), BSplineField(model.lattice)
    errors = []
    for count in counts:
        kept = torch.zeros_like(theta)
        kept[:, :count] = theta[:, :count]
        residual = displacements.to(model.modes) - model.reconstruct(kept)
        errors.append(spline(residual).square().sum(dim=1).flatten(1).mean(dim=1).sqrt().numpy())
    return np.stack(errors)
