"""A risk model whose motion encoder learns from the outcomes too: fingerprint and risk end to end.

The thesis trains motion and risk in two steps (Krebs section 6.2.2). This variant starts from both, and goes on with all
losses at once: the motion's lower bound (eq. 6.1), which keeps the fingerprint one of motion, the fingerprint's
reconstruction, and the partial likelihood (eq. 6.3). The decoder stays as it is, so that fingerprints keep their meaning.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import clone
from torch import Tensor

from DeformationLib.bundle import write_bundle
from DeformationLib.errors import InputError
from DeformationLib.progress import Progress
from MotionModelLib.motion_network import MotionNetwork
from MotionModelLib.motion_objective import MotionLossWeights, MotionObjective, SequenceBatch

from .cross_validation import stratified_folds
from .end_to_end_cases import CaseSequences
from .outcomes import check_same_length, checked_outcomes
from .partial_likelihood import negative_log_partial_likelihood
from .risk_bundle import MOTION
from .risk_model import RiskModel
from .survival_model import FingerprintCox
from .survival_training import SurvivalSchedule, survival_loss
from .tuning_checkpoint import TuningCheckpoint

_CLIP = 1.0


@dataclass(frozen=True)
class TuningSchedule:
    """How a motion encoder is fine-tuned.

    Attributes:
        epochs: at most; as many are used as are best for cases that are held out, maybe none.
        learning_rate: of the motion encoder; the survival networks keep theirs.
        batch_size: cases in a step.
        folds: parts that are held out in turn.
        motion_weight: of the motion's loss.
        compared: neighbouring frames of a series that are decoded in a step.
    """

    epochs: int = 20
    learning_rate: float = 1e-4
    batch_size: int = 16
    folds: int = 3
    motion_weight: float = 1.0
    compared: int = 4


class EndToEndCox(RiskModel):
    """`FingerprintCox` together with the motion encoder that its fingerprints come from.

    Inputs are numbers of cases ``(n, 1)`` in ``sequences``, so that a cross-validation hands over only the cases of a
    fold, and everything is fitted inside of it, the encoder's tuning included.

    How many epochs are used is found with a part of the cases held out in turn; the risks of held-out cases also give the
    scale of the risk, the baseline hazard and the percentiles, as no case was seen with its outcome by the encoder that
    scored it. Then all cases are trained on for that long.

    >>> EndToEndCox(load_case_sequences(cohort, motion_model)).fit(np.arange(len(cohort))[:, None], time, event)

    Args:
        sequences: of all cases.
        survival: settings of the survival networks.
        tuning: of the motion encoder.
        seed: same seed, same device, same result.

    Attributes:
        motion_network_: with the tuned encoder.
        survival_: fitted to its fingerprints.
        best_epoch_: how many epochs were used.
        tuning_log_: losses by epoch, the mean over folds.
    """

    def __init__(
        self,
        sequences: CaseSequences,
        survival: FingerprintCox = FingerprintCox(),
        tuning: TuningSchedule = TuningSchedule(),
        seed: int = 0,
    ):
        self.sequences = sequences
        self.survival = survival
        self.tuning = tuning
        self.seed = seed

    def fit(
        self,
        inputs: ArrayLike,
        time: ArrayLike,
        event: ArrayLike,
        progress: Progress | None = None,
        checkpoint: TuningCheckpoint | None = None,
    ) -> EndToEndCox:
        """Learn from cases ``(n, 1)`` and their outcomes ``(n,)``; ``checkpoint`` keeps every epoch, to go on from.

        Raises:
            InputError: for cases that there are not, outcomes that cannot be, and too few events for the folds.
        """
        cases, (time, event) = self._cases(inputs), checked_outcomes(time, event)
        check_same_length(cases, time)
        self._check_tuning()
        progress, tuning, checkpoint = progress or Progress(), self.tuning, checkpoint or TuningCheckpoint()
        folds = stratified_folds(event, tuning.folds, self.seed)
        scores, logs = np.empty((tuning.epochs + 1, len(cases))), []
        losses = np.empty((len(folds), tuning.epochs + 1))
        for number, test in enumerate(folds):
            training = np.setdiff1d(np.arange(len(cases)), test)
            part = progress.part(number / (len(folds) + 1), (number + 1) / (len(folds) + 1))
            learned = cases[training], time[training], event[training]
            epochs = self._tune(f"fold {number}", *learned, tuning.epochs, cases[test], checkpoint, part)[1]
            for epoch, (log, found) in enumerate(epochs):
                scores[epoch, test] = found
                logs.append(log | {"epoch": epoch})
                losses[number, epoch] = _loss(scores[epoch, test], time[test], event[test], self.survival.ties)
        self.best_epoch_ = int(losses.mean(axis=0).argmin())
        self.tuning_log_ = _mean_log(logs, losses)
        last = progress.part(len(folds) / (len(folds) + 1), 1.0)
        tuned, _ = self._tune("all", cases, time, event, self.best_epoch_, cases[:0], checkpoint, last)
        self.motion_network_, self.survival_ = tuned.finished()
        self.survival_.calibrate(_honest(scores, losses, folds), time, event)
        self.n_features_in_ = 1
        self.baseline_, self.training_risk_ = self.survival_.baseline_, self.survival_.training_risk_
        progress.report(1.0)
        return self

    def fingerprints(self, inputs: ArrayLike) -> np.ndarray:
        """Fingerprints ``(n, D, T)`` of cases by the tuned encoder."""
        self.check_fitted()
        return _fingerprints(self.motion_network_, self.sequences, self._cases(inputs))

    def predict_risk(self, inputs: ArrayLike) -> np.ndarray:
        """Log hazard ratio of each case, ``(n,)``."""
        return self.survival_.predict_risk(self.fingerprints(inputs))

    def predict_deviation(self, inputs: ArrayLike) -> np.ndarray:
        """Standard deviation of the members' log hazard ratios, ``(n,)``."""
        return self.survival_.predict_deviation(self.fingerprints(inputs))

    def _tune(
        self,
        name: str,
        cases: np.ndarray,
        time: np.ndarray,
        event: np.ndarray,
        epochs: int,
        held_out: np.ndarray,
        checkpoint: TuningCheckpoint,
        progress: Progress,
    ) -> tuple[_Tuning | None, list[tuple[dict[str, float], list[float]]]]:
        """Tune on cases; the networks at the end, and before the first and after each epoch its losses and the scores of
        held-out cases.

        Of a part that an earlier run has finished, and whose networks are not needed, there are none.
        """
        done = checkpoint.epochs(name)
        if len(done) > epochs and len(held_out):
            return None, done
        start = _fingerprints(self.sequences.model.network, self.sequences, cases)
        survival = clone(self.survival).fit(start, time, event, progress.part(0.0, 0.2))
        tuned = _Tuning(self.sequences, survival, self.tuning, self.seed)
        if done and checkpoint.state(name) is not None:
            tuned.load_state(checkpoint.state(name))
        else:
            done.clear()
            checkpoint.add(name, ({}, tuned.scores(held_out)), tuned.state())
        for epoch in range(len(checkpoint.epochs(name)) - 1, epochs):
            part = progress.part(0.2, 1.0).part(epoch / epochs, (epoch + 1) / epochs)
            part.report(0.0, f"Fine-tuning the motion encoder, epoch {epoch + 1} of {epochs}")
            log = tuned.epoch(cases, time, event, part)
            checkpoint.add(name, (log, tuned.scores(held_out)), tuned.state())
        return tuned, checkpoint.epochs(name)

    def _cases(self, inputs: ArrayLike) -> np.ndarray:
        cases = np.asarray(inputs)
        if cases.ndim != 2 or cases.shape[1] != 1 or not len(cases):
            raise InputError(f"End-to-end training takes numbers of cases (n, 1), not the shape {cases.shape}.")
        cases = cases[:, 0]
        known = (cases == np.round(cases)) & (cases >= 0) & (cases < len(self.sequences))
        if not known.all():
            raise InputError(f"There is no case {cases[~known][0]:g}: {len(self.sequences)} series were loaded.")
        return cases.astype(int)

    def _check_tuning(self) -> None:
        tuning = self.tuning
        if tuning.epochs < 1 or tuning.batch_size < 4 or tuning.compared < 1:
            raise InputError("Fine-tuning needs one epoch, four cases in a step, and one compared frame, or more.")
        if not tuning.learning_rate > 0 or tuning.motion_weight < 0:
            raise InputError("The learning rate must be above 0, and the weight of the motion not below.")


class _Tuning:
    """Motion network and survival networks on the way."""

    def __init__(self, sequences: CaseSequences, survival: FingerprintCox, tuning: TuningSchedule, seed: int):
        self.sequences, self.survival, self.tuning = sequences, survival, tuning
        self.network = copy.deepcopy(sequences.model.network).requires_grad_(True)
        self.network.decoder.requires_grad_(False)
        survival.network_.to(sequences.model.device).requires_grad_(True)
        # The weights of the motion's terms as the motion model was trained with are not on its card.
        self.objective = MotionObjective(self.network, MotionLossWeights())
        encoder = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.parameters = [*encoder, *survival.network_.parameters()]
        groups = [
            {"params": encoder, "lr": tuning.learning_rate},
            {"params": list(survival.network_.parameters()), "lr": survival.learning_rate},
        ]
        self.optimiser = torch.optim.AdamW(groups, weight_decay=survival.weight_decay)
        names = SurvivalSchedule.__dataclass_fields__
        self.schedule = SurvivalSchedule(**{name: getattr(survival, name) for name in names})
        self.generator = torch.Generator().manual_seed(seed)

    def epoch(self, cases: np.ndarray, time: np.ndarray, event: np.ndarray, progress: Progress) -> dict[str, float]:
        """One pass over the cases; means of the losses."""
        self.network.train()
        self.survival.network_.train()
        order, rows = torch.randperm(len(cases), generator=self.generator).numpy(), []
        # No batch is left with a case or two, of which no order can be learned.
        batches = np.array_split(order, max(1, round(len(cases) / self.tuning.batch_size)))
        for number, batch in enumerate(batches):
            progress.report(number / len(batches))
            rows.append(self._step(cases[batch], time[batch], event[batch]))
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def _step(self, cases: np.ndarray, time: np.ndarray, event: np.ndarray) -> dict[str, float]:
        batch, owner = self._batch(cases)
        posterior = self.network.encode(batch.frames, batch.moving, batch.slots - 1, batch.given)
        motion, _ = self.objective.of_posterior(posterior, batch, self.generator)
        fingerprints = _mean_of_slices(self.network.matrix(posterior), owner, len(cases))
        members, device = self.survival.network_.members, batch.moving.device
        standardised = self.survival.standardised(fingerprints).expand(members, -1, -1)
        outcomes = (torch.from_numpy(part).to(device).expand(members, -1) for part in (time, event))
        generator = self.generator if device.type == "cpu" else None
        loss, risk, reconstruction = survival_loss(
            self.survival.network_, standardised, *outcomes, self.schedule, generator
        )
        self.optimiser.zero_grad(set_to_none=True)
        (loss / members + self.tuning.motion_weight * motion).backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, _CLIP)
        self.optimiser.step()
        return {
            "risk": float(risk.mean()),
            "reconstruction": float(reconstruction.mean()),
            "motion": float(motion.detach()),
        }

    def _batch(self, cases: np.ndarray) -> tuple[SequenceBatch, Tensor]:
        """All slices of some cases, and to which of the cases each belongs."""
        images, masks, owner = _gathered(self.sequences, cases)
        count = images.shape[1] - 1
        length = min(self.tuning.compared, count)
        first = int(torch.randint(0, count - length + 1, (), generator=self.generator))
        slots = torch.arange(1, count + 1)
        given = torch.ones(len(images), count, dtype=torch.bool, device=images.device)
        compared = torch.arange(first, first + length)
        return SequenceBatch(images[:, 0], images[:, 1:], masks, slots, given, compared), owner

    def scores(self, cases: np.ndarray) -> list[float]:
        """Mean score of the members for cases, maybe none."""
        if not len(cases):
            return []
        found = _fingerprints(self.network.eval(), self.sequences, cases)
        return self.survival.predict_member_scores(found).mean(axis=0).tolist()

    def state(self) -> dict[str, Any]:
        """All that the next epoch depends on."""
        parts = {name: part.state_dict() for name, part in self._stateful()}
        return copy.deepcopy(parts) | {"generator": self.generator.get_state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        for name, part in self._stateful():
            part.load_state_dict(state[name])
        self.generator.set_state(state["generator"])

    def _stateful(self) -> tuple[tuple[str, Any], ...]:
        return ("motion", self.network), ("survival", self.survival.network_), ("optimiser", self.optimiser)

    def finished(self) -> tuple[MotionNetwork, FingerprintCox]:
        """Both, with weights as bundles keep them."""
        networks = (self.network, self.survival.network_)
        motion, survival = (network.eval().requires_grad_(False).half().float() for network in networks)
        self.survival.network_ = survival.cpu()
        return motion, self.survival


def save_motion_model(
    folder: Path, sequences: CaseSequences, network: MotionNetwork, name: str, outcomes: str, command: str = ""
) -> Path:
    """Write a tuned motion model beside the risk model in ``folder`` that reads its fingerprints; returns its folder.

    Its card is that of the motion model that it comes from, without the accuracy, which was another encoder's.
    """
    card = copy.deepcopy(sequences.model.card)
    training = card.get("training") if isinstance(card.get("training"), dict) else {}
    tuned = {"tuned_from": sequences.model.name, "tuned_by": command, "outcomes": outcomes, "cases": len(sequences)}
    card |= {
        "name": name,
        "purpose": f"Makes the fingerprints of the risk model beside it; tuned with {outcomes} outcomes.",
        "training": training | tuned,
        "accuracy": {},
    }
    return write_bundle(folder / MOTION, card, {"network": network.state_dict()})


@torch.no_grad()
def _fingerprints(network: MotionNetwork, sequences: CaseSequences, cases: np.ndarray) -> np.ndarray:
    found = []
    for part in np.array_split(cases, max(1, len(cases) // 8)):
        images, _, owner = _gathered(sequences, part)
        slots = torch.arange(images.shape[1] - 1)
        matrix = network.matrix(network.encode(images[:, 1:], images[:, 0], slots))
        found.append(_mean_of_slices(matrix, owner, len(part)).double().cpu().numpy())
    return np.concatenate(found)


def _gathered(sequences: CaseSequences, cases: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """Frames ``(S, T + 1, 1, *size)`` and masks of all slices of some cases, and the place of each one's case."""
    device = sequences.model.device
    counts = torch.tensor([len(sequences.frames[case]) for case in cases])
    images, masks = (torch.cat([part[case] for case in cases]) for part in (sequences.frames, sequences.masks))
    owner = torch.repeat_interleave(torch.arange(len(cases)), counts)
    return images.to(device).float(), masks.to(device).float(), owner.to(device)


def _mean_of_slices(matrix: Tensor, owner: Tensor, cases: int) -> Tensor:
    """Fingerprints ``(n, D, T)`` from matrices ``(S, D, T)`` of slices and the cases that they belong to."""
    sums = matrix.new_zeros(cases, *matrix.shape[1:]).index_add(0, owner, matrix)
    counts = matrix.new_zeros(cases).index_add(0, owner, matrix.new_ones(len(owner)))
    return sums / counts[:, None, None]


def _loss(scores: np.ndarray, time: np.ndarray, event: np.ndarray, ties: str) -> float:
    """Minus the log partial likelihood per event."""
    parts = (torch.from_numpy(part) for part in (scores, time, event))
    return float(negative_log_partial_likelihood(*parts, ties)) / max(int(event.sum()), 1)


def _honest(scores: np.ndarray, losses: np.ndarray, folds: list[np.ndarray]) -> np.ndarray:
    """Scores of held-out cases after the epochs that are best for the *other* folds: own outcomes have no say in them."""
    found = np.empty(scores.shape[1])
    for number, test in enumerate(folds):
        found[test] = scores[np.delete(losses, number, axis=0).mean(axis=0).argmin(), test]
    return found


def _mean_log(logs: list[dict[str, float]], losses: np.ndarray) -> list[dict[str, float]]:
    """A row for every epoch, the mean over folds; before the first there is only the loss of held-out cases."""
    names, rows = ("risk", "reconstruction", "motion"), []
    for epoch, held_out in enumerate(losses.mean(axis=0)):
        same = [log for log in logs if log["epoch"] == epoch]
        known = [name for name in names if all(name in log for log in same)]
        means = {name: round(float(np.mean([log[name] for log in same])), 5) for name in known}
        rows.append({"epoch": epoch, **means, "held_out": round(float(held_out), 5)})
    return rows
