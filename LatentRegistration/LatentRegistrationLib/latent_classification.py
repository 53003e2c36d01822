"""How well groups of cases are told apart from their codes: cross-validated, with everything fitted inside the folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from .canonical import CanonicalComponents
from .latent_map import check_groups


@dataclass(frozen=True)
class Classification:
    """What a cross-validated classifier said of every case.

    Attributes:
        name: what was done.
        groups: true group of each case.
        predicted: group of each case, said by a classifier that has not seen it.
        honest: False where something was fitted to the cases that it was judged on.
    """

    name: str
    groups: np.ndarray
    predicted: np.ndarray
    honest: bool = True

    @property
    def accuracy(self) -> float:
        """Share of the cases that are right, in 0..1."""
        return float(np.mean(self.groups == self.predicted))

    @property
    def labels(self) -> list[str]:
        """Names of the groups."""
        return sorted(set(self.groups.tolist()))

    @property
    def confusion(self) -> np.ndarray:
        """Cases by true (row) and predicted (column) group, in the order of `labels`."""
        return np.array(
            [[int(np.sum((self.groups == a) & (self.predicted == b))) for b in self.labels] for a in self.labels]
        )

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval of the accuracy for so many cases (Wilson)."""
        from scipy.stats import norm

        n, z = len(self.groups), norm.ppf(0.5 + level / 2)
        centre = (self.accuracy + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(self.accuracy * (1 - self.accuracy) / n + z * z / (4 * n * n))
        return float(centre - half), float(centre + half)


def classify(
    codes: ArrayLike,
    groups: Sequence[str],
    components: int = 8,
    folds: int = 10,
    seed: int = 0,
    principal: int | None = None,
) -> Classification:
    """Support vector machine on canonical components, both fitted inside the folds (Krebs section 4.3, done honestly).

    Args:
        codes: ``(n, latent)``.
        groups: of the cases; each needs as many cases as there are folds, or the folds become fewer.
        components: canonical components; at most one less than there are groups.
        principal: principal components of the codes, fitted inside the folds too, from which the canonical ones are
            found; of few cases with long codes those fit anything otherwise.
        folds: of the stratified cross-validation.
        seed: of the folds.

    Raises:
        InputError: for a single group, or a group of one case.
    """
    codes = np.asarray(codes, dtype=np.float64)
    check_groups(groups, len(codes), smallest=2)
    name, steps = "canonical components inside the folds", []
    if principal is not None:
        count = max(1, min(principal, codes.shape[1], len(codes) // 2))
        name, steps = f"canonical of {count} principal components inside the folds", [PCA(count)]
    steps += [StandardScaler(), CanonicalComponents(components), SVC(C=1.0)]
    return cross_validated(name, make_pipeline(*steps), codes, groups, folds, seed)


def classify_leaky(
    codes: ArrayLike, groups: Sequence[str], components: int = 8, folds: int = 10, seed: int = 0
) -> Classification:
    """The same with the components fitted to **all** cases before: the test cases' groups leak into what they are judged by.

    Shown beside `classify` because published figures of this kind may have been obtained this way; never to be believed.
    """
    codes = np.asarray(codes, dtype=np.float64)
    check_groups(groups, len(codes), smallest=2)
    scaled = StandardScaler().fit_transform(codes)
    leaked = CanonicalComponents(components).fit_transform(scaled, np.asarray(groups))
    name = "canonical components of all cases (leaky)"
    result = cross_validated(name, make_pipeline(SVC(C=1.0)), leaked, groups, folds, seed)
    return Classification(name, result.groups, result.predicted, honest=False)


def classify_directly(
    values: ArrayLike, groups: Sequence[str], name: str = "support vector machine", folds: int = 10, seed: int = 0
) -> Classification:
    """Support vector machine on the values themselves ``(n,)`` or ``(n, features)``: codes, or a clinical measure alone."""
    values = np.asarray(values, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    return cross_validated(name, make_pipeline(StandardScaler(), SVC(C=1.0)), values, groups, folds, seed)


def majority(groups: Sequence[str]) -> Classification:
    """The largest group for everyone: what any classifier must beat."""
    groups = np.asarray(groups)
    check_groups(groups.tolist(), len(groups), smallest=1)
    names, counts = np.unique(groups, return_counts=True)
    return Classification("largest group", groups, np.full(len(groups), names[counts.argmax()]))


def cross_validated(
    name: str, steps: Pipeline, values: ArrayLike, groups: Sequence[str], folds: int = 10, seed: int = 0
) -> Classification:
    """What a pipeline says of each case when it is fitted without its fold."""
    values = np.asarray(values, dtype=np.float64)
    check_groups(groups, len(values), smallest=2)
    groups = np.asarray(groups)
    smallest = int(np.unique(groups, return_counts=True)[1].min())
    split = StratifiedKFold(max(2, min(folds, smallest)), shuffle=True, random_state=seed)
    return Classification(name, groups, cross_val_predict(steps, values, groups, cv=split))
