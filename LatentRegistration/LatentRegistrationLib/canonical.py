"""Canonical correlation of codes with the groups of the cases (Krebs section 4.3)."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cross_decomposition import CCA


class CanonicalComponents(TransformerMixin, BaseEstimator):
    """Canonical components of codes against group membership, as a step of a scikit-learn pipeline.

    Group membership of G groups has G - 1 independent columns, so that there are at most G - 1 components, whatever
    ``count`` asks for.

    Attributes:
        rotations_: ``(latent, K)``, after `fit`.
    """

    def __init__(self, count: int = 8) -> None:
        self.count = count

    def fit(self, codes: np.ndarray, groups: np.ndarray) -> CanonicalComponents:
        """Fit to codes ``(n, latent)`` and the group of each."""
        names = np.unique(groups)
        members = (np.asarray(groups)[:, None] == names[None, :-1]).astype(np.float64)
        self.mean_ = codes.mean(axis=0)
        # Directions in which the codes do not vary, or fewer cases than dimensions, have no correlation to find.
        left, singular, right = np.linalg.svd(codes - self.mean_, full_matrices=False)
        kept = singular > 1e-8 * max(singular[0], 1e-30)
        scores = left[:, kept] * np.sqrt(len(codes))
        count = min(self.count, len(names) - 1, int(kept.sum()))
        model = CCA(n_components=count, scale=False, max_iter=2000).fit(scores, members)
        self.rotations_ = (right[kept].T / singular[kept] * np.sqrt(len(codes))) @ model.x_rotations_
        return self

    def transform(self, codes: np.ndarray) -> np.ndarray:
        """Components ``(n, K)``."""
        return (codes - self.mean_) @ self.rotations_
