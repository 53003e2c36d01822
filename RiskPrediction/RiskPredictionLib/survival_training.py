"""Training of survival autoencoders: two tasks, and for every member cases held out to stop by."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from DeformationLib.progress import Progress

from .partial_likelihood import negative_log_partial_likelihood
from .survival_network import SurvivalNetwork


@dataclass(frozen=True)
class SurvivalSchedule:
    """How survival autoencoders are trained.

    Attributes:
        alpha: weight of the risk against the reconstruction (eq. 6.3).
        learning_rate, weight_decay, batch_size, epochs: of Adam.
        patience: epochs without improvement on the held-out cases after which training ends.
        ties: see `partial_likelihood`.
    """

    alpha: float = 1.0
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    batch_size: int = 64
    epochs: int = 100
    patience: int = 10
    ties: str = "efron"


@dataclass
class SurvivalHistory:
    """Losses of every epoch, one value per member.

    Attributes:
        risk: minus the log partial likelihood per event of the training cases, by epoch.
        reconstruction: mean squared error of the standardised fingerprints.
        held_out: minus the log partial likelihood per event of the held-out cases.
        best_epoch: whose weights are kept.
        held_out_score: risk score of every case by each member that holds it out, ``(M, n)``, NaN elsewhere; of the epoch
            that is best for the *other* held-out cases, so that the case's own outcome had no say in it.
    """

    risk: list[list[float]] = field(default_factory=list)
    reconstruction: list[list[float]] = field(default_factory=list)
    held_out: list[list[float]] = field(default_factory=list)
    best_epoch: int = 0
    held_out_score: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))


def survival_loss(
    network: SurvivalNetwork,
    fingerprints: Tensor,
    time: Tensor,
    event: Tensor,
    schedule: SurvivalSchedule,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Eq. 6.3, ``L_rec + alpha * L_risk``, with the means over values (eq. 6.5) and over events (eq. 6.4).

    Args:
        network: of M members.
        fingerprints: standardised, ``(M, n, size)``; a batch for each member.
        time, event: of the same cases, ``(M, n)``.
        schedule: alpha and ties are used.
        generator: of the dropout.

    Returns:
        The loss summed over members, and of every member risk and reconstruction term, ``(M)``.
    """
    risk, reconstructed = network(fingerprints, generator)
    likelihood = negative_log_partial_likelihood(risk, time, event, schedule.ties)
    risk_loss = likelihood / event.sum(-1).clamp(min=1)
    reconstruction = (reconstructed - fingerprints).square().mean(dim=(1, 2))
    return (reconstruction + schedule.alpha * risk_loss).sum(), risk_loss.detach(), reconstruction.detach()


def held_out_folds(event: np.ndarray, members: int, folds: int, seed: int) -> np.ndarray:
    """Which cases each member is not trained on, ``(M, n)``: stratified folds by turns, other ones after each round.

    With as many members as folds, or more, every case is held out by at least one member.
    """
    from sklearn.model_selection import StratifiedKFold

    held_out = np.zeros((members, len(event)), bool)
    for member in range(members):
        turn, fold = divmod(member, folds)
        splits = StratifiedKFold(folds, shuffle=True, random_state=seed + turn).split(event, event)
        held_out[member, list(splits)[fold][1]] = True
    return held_out


def train_members(
    network: SurvivalNetwork,
    fingerprints: Tensor,
    time: Tensor,
    event: Tensor,
    held_out: np.ndarray,
    schedule: SurvivalSchedule,
    generator: torch.Generator,
    progress: Progress,
) -> SurvivalHistory:
    """Train all members side by side, until the cases that they hold out are not predicted better any more.

    Args:
        network: is changed.
        fingerprints: standardised, ``(n, size)``.
        time, event: ``(n,)``.
        held_out: ``(M, n)``.
        schedule: of the training.
        generator: of batches and dropout.
        progress: cancels between batches.
    """
    device = fingerprints.device
    training = [torch.from_numpy(np.flatnonzero(~cases)).to(device) for cases in held_out]
    stopping = [torch.from_numpy(np.flatnonzero(cases)).to(device) for cases in held_out]
    optimiser = torch.optim.AdamW(
        network.parameters(), schedule.learning_rate, weight_decay=schedule.weight_decay, fused=True
    )
    history, best, scores = SurvivalHistory(), _Best(network), []
    for epoch in range(schedule.epochs):
        risk, reconstruction = _train_epoch(
            network, optimiser, (fingerprints, time, event), training, schedule, generator, progress
        )
        network.eval()
        scores.append(_held_out_scores(network, fingerprints, stopping))
        held_out_loss = _held_out_losses(scores[-1], time, event, stopping, schedule.ties)
        history.risk.append(risk.tolist())
        history.reconstruction.append(reconstruction.tolist())
        history.held_out.append(held_out_loss.tolist())
        best.keep(float(held_out_loss.mean()), epoch)
        progress.report((epoch + 1) / schedule.epochs, f"Epoch {epoch + 1}: held-out loss {held_out_loss.mean():.3f}")
        if epoch - best.epoch >= schedule.patience:
            break
    best.restore()
    history.best_epoch = best.epoch
    history.held_out_score = _honest_scores(scores, np.asarray(history.held_out), held_out)
    progress.report(1.0)
    return history


def _train_epoch(
    network: SurvivalNetwork,
    optimiser: torch.optim.Optimizer,
    data: tuple[Tensor, Tensor, Tensor],
    training: list[Tensor],
    schedule: SurvivalSchedule,
    generator: torch.Generator,
    progress: Progress,
) -> Tensor:
    """One pass over all training cases; mean risk and reconstruction losses of each member, ``(2, M)``."""
    losses = []
    network.train()
    for batch in _batches(training, schedule.batch_size, generator):
        progress.raise_if_cancelled()
        loss, *terms = survival_loss(network, *(part[batch] for part in data), schedule, generator)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        losses.append(torch.stack(terms))
    return torch.stack(losses).mean(0)


class _Best:
    """The weights of the epoch whose held-out loss, the mean of all members, was lowest.

    One epoch for all: if every member took its own best one, the choice would follow the noise of a fold with few
    events.
    """

    def __init__(self, network: SurvivalNetwork):
        self.network, self.score, self.epoch = network, float("inf"), 0
        self.weights = [parameter.detach().clone() for parameter in network.parameters()]

    def keep(self, score: float, epoch: int) -> None:
        if score < self.score:
            self.score, self.epoch = score, epoch
            self.weights = [parameter.detach().clone() for parameter in self.network.parameters()]

    def restore(self) -> None:
        with torch.no_grad():
            for kept, parameter in zip(self.weights, self.network.parameters()):
                parameter.copy_(kept)


def _batches(training: list[Tensor], size: int, generator: torch.Generator):
    """Indices ``(M, size)`` of the cases of a batch, each member's in an order of its own."""
    # Members differ by a case or two: the epoch ends with the shortest list, others leave out another case each time.
    count = min(len(cases) for cases in training)
    orders = [
        cases[torch.randperm(len(cases), generator=generator, device=generator.device).to(cases.device)][:count]
        for cases in training
    ]
    return torch.stack(orders).split(size, dim=1)


@torch.no_grad()
def _held_out_scores(network: SurvivalNetwork, fingerprints: Tensor, stopping: list[Tensor]) -> list[Tensor]:
    """Risk scores of each member for the cases that it holds out."""
    longest = max(len(cases) for cases in stopping)
    # Lists are filled up to one length with a case whose score is then dropped.
    padded = torch.stack([torch.cat([cases, cases[:1].expand(longest - len(cases))]) for cases in stopping])
    risks = network.log_hazard(network.encode(fingerprints[padded]))
    return [risk[: len(cases)] for risk, cases in zip(risks, stopping)]


def _held_out_losses(scores: list[Tensor], time: Tensor, event: Tensor, stopping: list[Tensor], ties: str) -> Tensor:
    """Minus the log partial likelihood per event of each member's held-out cases, ``(M)``."""
    losses = [
        negative_log_partial_likelihood(risk, time[cases], event[cases], ties) / event[cases].sum().clamp(min=1)
        for risk, cases in zip(scores, stopping)
    ]
    return torch.stack(losses)


def _honest_scores(scores: list[list[Tensor]], losses: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """`SurvivalHistory.held_out_score` from the scores and losses ``(epochs, M)`` of all epochs."""
    found = np.full(held_out.shape, np.nan)
    for member, cases in enumerate(held_out):
        others = ~(held_out & cases).any(axis=1)
        epoch = int(losses[:, others if others.any() else slice(None)].mean(axis=1).argmin())
        found[member, cases] = scores[epoch][member].double().cpu().numpy()
    return found
