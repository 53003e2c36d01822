"""The survival autoencoder as an estimator: fit on fingerprints and outcomes, predict risk and survival."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from torch import Tensor

from DeformationLib.devices import checked_device
from DeformationLib.errors import InputError
from DeformationLib.progress import Progress

from .baseline_hazard import BreslowBaseline
from .concordance import concordance
from .outcomes import check_same_length, checked_inputs, checked_outcomes
from .partial_likelihood import TIES, negative_log_partial_likelihood
from .risk_model import RiskModel
from .survival_network import SurvivalNetwork
from .survival_training import SurvivalSchedule, held_out_folds, train_members

THESIS = {"learning_rate": 1e-4, "batch_size": 16, "widths": (180, 10), "dropout": 0.3, "weight_decay": 0.0}
"""Parameters that the thesis names (section 6.3.1); `FingerprintCox`'s own reach the same in fewer, larger steps."""

SCALINGS = ("common", "each")

_LEAST_SLOPE, _LARGEST_SLOPE = 0.05, 20.0


class FingerprintCox(RiskModel):
    """A non-linear Cox model of fingerprints: an ensemble of survival autoencoders (Krebs section 6.2.2).

    Fingerprints are centred and scaled inside `fit`. Each member leaves another part of the cases out of its training and
    stops by it, so that with at least ``folds`` members every case has a risk from models that did not learn from it.
    These held-out risks, not those of the learned cases, give the scale of the risk, the baseline hazard and the
    percentiles.

    >>> model = FingerprintCox(members=5, seed=1).fit(fingerprints, time, event)
    >>> model.predict_survival_function(new_fingerprints, times=[365, 730]).survival

    Args:
        members: of the ensemble.
        widths: of the encoder's layers, the last is the code.
        dropout: of the inputs.
        alpha, learning_rate, weight_decay, batch_size, epochs, patience, ties: see `SurvivalSchedule`.
        folds: one of so many parts of the cases is held out by each member.
        scaling: ``"common"`` divides all values by one number, as the latent dimensions of a fingerprint have one unit, and
            what hardly varies in it says little; ``"each"`` divides each by its own deviation, for columns of many units.
        seed: same seed, same device, same result.
        device: auto, cpu, cuda or cuda:N.

    Attributes:
        network_: `SurvivalNetwork` with the weights of all members.
        mean_, scale_: of the fingerprints' values.
        slope_: by which the mean score of the members becomes the log hazard ratio.
        center_: score that has the log hazard ratio 0.
        history_: `SurvivalHistory`.
    """

    def __init__(
        self,
        members: int = 5,
        widths: Sequence[int] = (180, 10),
        dropout: float = 0.3,
        alpha: float = 1.0,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
        batch_size: int = 64,
        epochs: int = 100,
        patience: int = 10,
        ties: str = "efron",
        folds: int = 5,
        scaling: str = "common",
        seed: int = 0,
        device: str = "cpu",
    ):
        self.members = members
        self.widths = widths
        self.dropout = dropout
        self.alpha = alpha
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.epochs = epochs
        self.patience = patience
        self.ties = ties
        self.folds = folds
        self.scaling = scaling
        self.seed = seed
        self.device = device

    def fit(
        self, inputs: ArrayLike, time: ArrayLike, event: ArrayLike, progress: Progress | None = None
    ) -> FingerprintCox:
        """Learn from fingerprints ``(n, D, T)`` or ``(n, D * T)`` and outcomes ``(n,)``.

        Raises:
            InputError: for values and outcomes that cannot be, fewer events than ``folds``, and parameters out of range.
        """
        values, (time, event) = checked_inputs(inputs), checked_outcomes(time, event)
        check_same_length(values, time)
        self._check_parameters(event)
        device = checked_device(self.device)
        self.n_features_in_ = values.shape[1]
        self.mean_, deviation = values.mean(axis=0), values.std(axis=0)
        varies = deviation > 1e-9 * (1 + np.abs(self.mean_))
        if self.scaling == "common" and varies.any():
            deviation = np.full_like(deviation, np.sqrt(np.square(deviation[varies]).mean()))
        # A value that is the same in all cases says nothing, and in a new case would be an outlier without measure.
        self.scale_ = np.where(varies, deviation, np.inf)
        generator = torch.Generator().manual_seed(self.seed)
        self.network_ = self.new_network(generator).to(device)
        held_out = held_out_folds(event, self.members, self.folds, self.seed)
        self.history_ = train_members(
            self.network_,
            self._standardised(values),
            torch.from_numpy(time).to(device),
            torch.from_numpy(event).to(device),
            held_out,
            SurvivalSchedule(**{name: getattr(self, name) for name in SurvivalSchedule.__dataclass_fields__}),
            generator if device.type == "cpu" else torch.Generator(device).manual_seed(self.seed),
            progress or Progress(),
        )
        # As a bundle keeps them, so that all below belongs to the model that is saved.
        self.network_.half().float().requires_grad_(False).cpu()
        self._calibrate(values, time, event)
        return self

    def predict_risk(self, inputs: ArrayLike) -> np.ndarray:
        """Log hazard ratio of each case against the training cohort's baseline, ``(n,)``; higher is worse."""
        return self._ratio(self.predict_member_scores(inputs).mean(axis=0))

    def predict_deviation(self, inputs: ArrayLike) -> np.ndarray:
        """Standard deviation of the members' log hazard ratios, ``(n,)``."""
        scores = self.predict_member_scores(inputs)
        return self.slope_ * (scores.std(axis=0, ddof=1) if len(scores) > 1 else np.zeros(scores.shape[1]))

    def score_of_held_out(self, time: ArrayLike, event: ArrayLike) -> float:
        """Concordance of the held-out risks with the outcomes of the training cases."""
        self.check_fitted()
        return concordance(self.training_risk_, time, event)

    def predict_member_scores(self, inputs: ArrayLike) -> np.ndarray:
        """Score in -1..1 of each case by each member, ``(M, n)``.

        Raises `InputError` for fingerprints of another size than the model's.
        """
        self.check_fitted()
        values = checked_inputs(inputs, self.n_features_in_)
        with torch.no_grad():
            return self._scores(self._standardised(values)).double().cpu().numpy()

    def log_hazard(self, fingerprints: Tensor) -> Tensor:
        """`predict_risk` for tensors ``(n, D * T)`` or ``(n, D, T)``, through which gradients pass."""
        self.check_fitted()
        scores = self._scores(self.standardised(fingerprints))
        return self.slope_ * (scores.mean(0) - self.center_)

    def _scores(self, standardised: Tensor) -> Tensor:
        network = self.network_.eval()
        return network.log_hazard(network.encode(standardised.expand(network.members, *standardised.shape)))

    def standardised(self, fingerprints: Tensor) -> Tensor:
        """What the network sees of tensors ``(n, D * T)`` or ``(n, D, T)``, ``(n, D * T)``; gradients pass through it."""
        mean, scale = (torch.from_numpy(part).to(fingerprints) for part in (self.mean_, self.scale_))
        return ((fingerprints.flatten(1) - mean) / scale).float()

    def _standardised(self, values: np.ndarray) -> Tensor:
        device = next(self.network_.parameters()).device
        return torch.from_numpy((values - self.mean_) / self.scale_).float().to(device)

    def _ratio(self, score: np.ndarray) -> np.ndarray:
        return self.slope_ * (score - self.center_)

    def new_network(self, generator: torch.Generator | None = None) -> SurvivalNetwork:
        """A network of the model's configuration, not trained."""
        return SurvivalNetwork(self.n_features_in_, tuple(self.widths), self.dropout, self.members, generator)

    def _calibrate(self, values: np.ndarray, time: np.ndarray, event: np.ndarray) -> None:
        """Scale of the risk, baseline and percentiles, from scores by members that did not learn from the case."""
        held_out = self.history_.held_out_score
        known = np.isfinite(held_out)
        if known.any(axis=0).all():
            self.calibrate(np.where(known, held_out, 0.0).sum(axis=0) / known.sum(axis=0), time, event)
        else:  # fewer members than folds: scores of learned cases, on the scale that they were learned on
            with torch.no_grad():
                score = self._scores(self._standardised(values)).double().mean(0).cpu().numpy()
            self.calibrate(score, time, event, slope=1.0)

    def calibrate(self, score: np.ndarray, time: np.ndarray, event: np.ndarray, slope: float | None = None) -> None:
        """Set scale of the risk, baseline hazard and percentiles.

        Args:
            score: of cases, ``(n,)``, by members that did not learn from them.
            time, event: of the same cases.
            slope: by which scores become log hazard ratios; by default the one that makes the outcomes likeliest.
        """
        self.slope_ = _slope(score, time, event, self.ties) if slope is None else slope
        self.center_ = float(score.mean())
        self.training_risk_ = self._ratio(score)
        self.baseline_ = BreslowBaseline.estimate(self.training_risk_, time, event)

    def _check_parameters(self, event: np.ndarray) -> None:
        ranges = {"members": 1, "folds": 2, "epochs": 1, "batch_size": 2, "patience": 1, "alpha": 0, "weight_decay": 0}
        for name, least in ranges.items():
            if getattr(self, name) < least:
                raise InputError(f"{name} must be at least {least}, not {getattr(self, name)}.")
        if not 0 <= self.dropout < 1 or self.learning_rate <= 0 or min(self.widths, default=0) < 1:
            raise InputError("Dropout must lie in 0..1 (without 1), learning rate and widths above 0.")
        if self.scaling not in SCALINGS:
            raise InputError(f"Values are scaled by one of {', '.join(SCALINGS)}, not '{self.scaling}'.")
        if self.ties not in TIES:
            raise InputError(f"Ties are treated by one of {', '.join(TIES)}, not '{self.ties}'.")
        rarer = min(int(event.sum()), int((~event).sum()) or len(event))
        if rarer < self.folds:
            raise InputError(
                f"There are {int(event.sum())} events and {int((~event).sum())} censored cases: with {self.folds} folds "
                f"to stop by, at least {self.folds} of each are needed; add cases or choose fewer folds."
            )


def _slope(score: np.ndarray, time: np.ndarray, event: np.ndarray, ties: str) -> float:
    """Coefficient of the one variable ``score`` in a Cox model, kept positive: the order of risks is the members'."""
    score, time, event = (torch.from_numpy(part) for part in (score, time, event))
    found = minimize_scalar(
        lambda slope: negative_log_partial_likelihood(slope * score, time, event, ties).item(),
        bounds=(_LEAST_SLOPE, _LARGEST_SLOPE),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(found.x)
