"""Two-dimensional maps of a latent space, in which cases lie and from which codes can be picked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from DeformationLib.errors import InputError

from .decomposition import LatentDecomposition


@dataclass(frozen=True)
class LatentMap:
    """A plane in a latent space: ``point = (code - mean) @ projection``, and back along ``reconstruction``.

    Attributes:
        mean: code at the origin of the map, ``(latent,)``.
        projection: ``(latent, 2)``.
        reconstruction: ``(2, latent)``; what a step along each axis of the map adds to a code.  ``reconstruction @
            projection`` is the identity, so that a code picked at a point lies at that point.
        axes: what the two axes are called.
    """

    mean: np.ndarray
    projection: np.ndarray
    reconstruction: np.ndarray
    axes: tuple[str, str]

    def points(self, codes: ArrayLike) -> np.ndarray:
        """Where codes ``(n, latent)`` lie, ``(n, 2)``."""
        codes = np.atleast_2d(np.asarray(codes, dtype=np.float64))
        if codes.shape[1] != len(self.mean):
            raise InputError(
                f"Codes of {codes.shape[1]} values do not fit a map of codes with {len(self.mean)}: "
                "use the map and the codes of one model."
            )
        return (codes - self.mean) @ self.projection

    def code(self, point: ArrayLike) -> np.ndarray:
        """The code at a point of the map, ``(latent,)``: of all that lie there, the one in the map's plane."""
        return self.mean + np.asarray(point, dtype=np.float64) @ self.reconstruction

    def grid(self, extent: float = 2.5, steps: int = 5) -> tuple[np.ndarray, np.ndarray]:
        """Points ``(steps, steps, 2)`` from -extent to extent along both axes, and their codes (Krebs figure 4.8)."""
        axis = np.linspace(-extent, extent, steps)
        points = np.stack(np.meshgrid(axis, axis[::-1]), axis=-1)  # the first axis to the right, the second upwards
        return points, self.mean + points @ self.reconstruction


def principal_map(decomposition: LatentDecomposition, first: int = 0, second: int = 1) -> LatentMap:
    """The plane of two principal components of the training codes, in their standard deviations.

    Raises `InputError` for components that the model does not have.
    """
    for number in (first, second):
        if not 0 <= number < decomposition.count:
            raise InputError(f"There is no component {number + 1}: this model has {decomposition.count}.")
    if first == second:
        raise InputError("A map needs two different components: choose another for one axis.")
    chosen = [first, second]
    directions = decomposition.components[chosen]
    deviations = np.maximum(decomposition.standard_deviations[chosen], 1e-9)
    names = tuple(f"component {number + 1} (standard deviations)" for number in chosen)
    return LatentMap(np.asarray(decomposition.mean), directions.T / deviations, directions * deviations[:, None], names)


def canonical_map(codes: ArrayLike, groups: Sequence[str]) -> LatentMap:
    """The plane in which the groups of cases are best told apart: two canonical components (Krebs figure 4.7).

    The map is fitted to all cases that it shows, so that groups look further apart in it than they would to a new case;
    `latent_classification` measures that honestly.  Axes are scaled to unit spread of the cases.

    Args:
        codes: ``(n, latent)``.
        groups: of the cases; at least two, each of two cases or more.

    Raises:
        InputError: for groups that cannot be told apart.
    """
    from .canonical import CanonicalComponents

    codes = np.asarray(codes, dtype=np.float64)
    check_groups(groups, len(codes), smallest=2)
    components = CanonicalComponents(2).fit(codes, np.asarray(groups))
    projection = components.rotations_
    if projection.shape[1] == 1:  # two groups have one axis: the second shows what else varies most
        rest = codes - codes.mean(axis=0)
        direction = projection[:, 0] / np.linalg.norm(projection[:, 0])
        rest = rest - np.outer(rest @ direction, direction)
        projection = np.column_stack([projection[:, 0], np.linalg.svd(rest, full_matrices=False)[2][0]])
    mean = codes.mean(axis=0)
    projection = projection / np.maximum(((codes - mean) @ projection).std(axis=0), 1e-12)
    # Back along what the codes really do where the point moves: regression of the codes on the map's points.
    points = (codes - mean) @ projection
    covariance = points.T @ points / len(points)
    reconstruction = np.linalg.solve(covariance, points.T @ (codes - mean) / len(points))
    return LatentMap(mean, projection, reconstruction, ("canonical component 1", "canonical component 2"))


def check_groups(groups: Sequence[str], cases: int, smallest: int) -> None:
    """Raise `InputError` unless there are two groups at least, one per case, of ``smallest`` cases or more each."""
    if len(groups) != cases:
        raise InputError(f"There are {cases} cases but {len(groups)} groups: give one group for each case.")
    if any(not str(group).strip() for group in groups):
        raise InputError("Some cases have no group: leave them out, or fill in the column of groups.")
    sizes = {group: list(groups).count(group) for group in sorted(set(groups))}
    if len(sizes) < 2:
        raise InputError(
            f"All cases belong to the group '{next(iter(sizes), '')}': groups need at least two to compare."
        )
    small = [group for group, size in sizes.items() if size < smallest]
    if small:
        raise InputError(
            f"The group{'s' if len(small) > 1 else ''} {', '.join(map(str, small))} "
            f"{'have' if len(small) > 1 else 'has'} fewer than {smallest} cases: join groups, or leave them out."
        )
