"""One training run of the motion network: series, random sub-sequences, temporal dropout, validation, the bundle."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from DeformationLib.augmentation import Augmentation
from DeformationLib.bundle import read_weights
from DeformationLib.catalogue import find_bundle, kind_of, read_card
from DeformationLib.cine_cases import find_cine_cases
from DeformationLib.errors import InputError
from DeformationLib.model_training import plain
from DeformationLib.pair_grid import Frame, PairGrid
from DeformationLib.progress import Progress
from DeformationLib.training import TrainingState
from LatentRegistrationLib.pair_augmentation import augment_pair
from LatentRegistrationLib.probabilistic_training import series_grid
from LatentRegistrationLib.structures import heart_structures, structures_of
from LatentRegistrationLib.training_run import TrainingRequest, TrainingRun

from .appearance import appearance_of, usual_appearance
from .motion_cases import SequenceSet, load_sequences
from .motion_network import MotionNetwork, MotionNetworkConfiguration
from .motion_objective import MotionLossWeights, MotionObjective, SequenceBatch
from .motion_validation import validate_sequences
from .sequence_time import Run, plan_runs
from .temporal_dropout import TemporalDropout
from .warm_start import flattened, motion_weights

_AUGMENTATION = Augmentation(
    rotation=20.0, translation=3.0, zoom=0.1, elastic=2.0, elastic_spacing=25.0, gamma=0.2, bias=0.15, noise=0.02
)
_OTHERS = 3
"""To so many other subjects is a motion transported in a step."""


@dataclass(frozen=True)
class MotionRequest(TrainingRequest):
    """All that a user decides about a training run of a motion model; see `TrainingRequest` for the rest.

    Attributes:
        images: folder or table of cine series (see `cine_cases.find_cine_cases`).
        spacings: of the grid along its axes, mm; empty for the median of the images'.
        frame: whether the grid's axes are the body's or the images', see `PairGrid`.
        network: everything but the grid's size and spacing, which the run puts in their place.
        dropout: which frames the network may look at.
        periodic: whether the last frame is followed by the first one, as in a heart beat.
        sub_sequence: at most so many frames of a sequence are decoded and compared in a step; 0 for all.
        slices: of a case in a step, where a planar model sees each slice as a sequence; 0 for all.
        target_share: of the sub-sequences, those that contain the frame farthest from the reference.
        other_references: share of the steps in which motion starts from a frame drawn at random.
        sequences_per_case: drawn from each case in an epoch.
        heart: labels of the left ventricle's pool, its wall, and the right ventricle, where the sequences show a heart: for
            the card, and the structures that are validated. Empty elsewhere, where each label counts for itself.
    """

    spacings: tuple[float, ...] = ()
    frame: Frame = "image"
    network: MotionNetworkConfiguration = field(default_factory=MotionNetworkConfiguration)
    weights: MotionLossWeights = field(default_factory=MotionLossWeights)
    augmentation: Augmentation = _AUGMENTATION
    dropout: TemporalDropout = field(default_factory=TemporalDropout)
    periodic: bool = True
    sub_sequence: int = 0
    slices: int = 0
    target_share: float = 0.6
    other_references: float = 0.1
    sequences_per_case: int = 1
    heart: tuple[int, ...] = ()

    @property
    def uses_labels(self) -> bool:
        """Whether a term of the loss compares labels."""
        return self.weights.overlap > 0 or self.weights.transport > 0


class MotionTrainingRun(TrainingRun):
    """Loads the series of a request, trains, writes logs while it goes, and a bundle at the end.

    >>> run = MotionTrainingRun(MotionRequest(Path("cine"), Path("output"), grid=(104, 104), spacings=(1.6, 1.6)))
    >>> run.train()
    """

    program = "MotionModelTrain"
    request: MotionRequest
    data: SequenceSet
    grid: PairGrid

    def _load(self) -> tuple[SequenceSet, PairGrid]:
        request, progress = self.request, self.progress.part(0.0, 0.1)
        grid = PairGrid(request.grid, request.spacings, request.frame) if request.grid and request.spacings else None
        self._cases = find_cine_cases(request.images)
        grid = grid or series_grid(self._cases, replace(request, network=request.network.pair))
        return load_sequences(self._cases, grid, need_labels=request.uses_labels, progress=progress), grid

    def _build_objective(self) -> nn.Module:
        pair = replace(self.request.network.pair, size=tuple(self.grid.size), spacing=tuple(self.grid.spacing))
        self.request = replace(self.request, network=replace(self.request.network, pair=pair))
        self.structures = self._structures()
        return MotionObjective(MotionNetwork(self.request.network), self.request.weights)

    def _structures(self) -> dict[str, tuple[int, ...]]:
        if not self.request.heart:
            return structures_of(self.data.label_values, cardiac=False)
        missing = set(self.request.heart) - set(self.data.label_values)
        if missing:
            raise InputError(
                f"The label maps have no label {min(missing)} (their labels: {self.data.label_values or 'none'}): "
                "name the heart's own ones."
            )
        return heart_structures(*self.request.heart)

    def _cases_per_epoch(self) -> int:
        return len(self.training) * self.request.sequences_per_case

    def _configuration(self) -> dict:
        names = ("frame", "dropout", "periodic", "sub_sequence", "slices", "target_share", "other_references",
                 "sequences_per_case")  # fmt: skip
        request = asdict(self.request)
        return super()._configuration() | {name: request[name] for name in names}

    def _initialize(self) -> None:
        """Start from another motion model, or from a pairwise one, of volumes also for a model of slices."""
        folder = find_bundle(self.request.initialize)
        card = read_card(folder)
        weights = read_weights(folder, card)["network"]
        if kind_of(folder) == "VelocityNetwork":
            weights = motion_weights(weights)
        elif kind_of(folder) != "MotionNetwork":
            raise InputError(
                f"A motion model cannot start from {self.request.initialize}, a {kind_of(folder)}: choose another one."
            )
        weights = flattened(weights, self.objective.network.state_dict())
        missing = self.trainer.warm_start({f"network.{name}": value for name, value in weights.items()})
        self._log(f"started from {self.request.initialize}; {len(missing)} tensors are new")

    def _begin_epoch(self, epoch: int) -> None:
        coarse = epoch < self.request.options.epochs - self.request.full_resolution_epochs
        self.objective.finest = 1 if coarse and self.request.network.pair.scales > 1 else 0

    def _group_loss(self, objective: nn.Module, indices: list[int], generator: torch.Generator):
        losses, sums = [], {}
        for index in indices:
            with torch.autocast("cpu", enabled=False):
                batch = self.draw(self.training[index % len(self.training)], generator)
            loss, terms = objective(batch, generator)
            losses.append(loss)
            sums = {name: sums.get(name, 0.0) + value / len(indices) for name, value in terms.items()}
        return torch.stack(losses).mean(), sums

    def draw(self, case: int, generator: torch.Generator) -> SequenceBatch:
        """A random, augmented sub-sequence of a case on the run's device."""
        request, data = self.request, self.data
        reference, farthest = data.references[case]
        slices = self._slices(case, generator)
        count = len(data.frames[case])
        if float(torch.rand((), generator=generator)) < request.other_references:
            reference = int(torch.randint(0, count, (), generator=generator))
        run = self._run(reference, count, generator)
        order = torch.as_tensor(np.concatenate([[reference], run.frames[run.shown]]))
        frames = data.frames[case][:, slices][order].float().movedim(0, 1)  # (S, t, *size), the reference first
        known = [
            position
            for position, frame in enumerate(order.tolist())
            if (case, frame) in data.labels and request.uses_labels
        ]
        others = [data.masks[case][slices].float()[:, None]]
        others += [data.indicators(case, int(order[position]))[:, slices].movedim(0, 1) for position in known]
        alike = torch.Generator().set_state(generator.get_state())
        images, changed = augment_pair(
            frames, torch.cat(others, dim=1), self.grid.spacing, request.augmentation, generator
        )
        device, values = request.options.device, len(data.label_values)
        images, changed = images.to(device), changed.to(device)
        labels = dict(zip(known, changed[:, 1:].split(values, dim=1), strict=True)) if known else {}
        target = order.tolist().index(farthest) - 1 if farthest in order.tolist()[1:] else None
        compared = self._compared(len(order) - 1, target, generator)
        return SequenceBatch(
            moving=images[:, :1],
            frames=images[:, 1:, None],
            mask=changed[:, :1],
            slots=torch.as_tensor(run.slots),
            given=request.dropout.draw(len(images), len(order) - 1, generator).to(device),
            compared=compared,
            labels=labels.get(0),
            others=self._others(case, slices, generator, alike) if labels and request.weights.transport > 0 else (),
            frame_labels={
                place: labels[frame + 1] for place, frame in enumerate(compared.tolist()) if frame + 1 in labels
            },
        )

    def _others(
        self, case: int, slices: Tensor, generator: torch.Generator, alike: torch.Generator
    ) -> tuple[Tensor, ...]:
        """References of other training cases and their labels, in slices at the same shares of the way through the stack.

        They are mirrored and turned as the case's own images were: ``alike`` is the generator as it was before that.
        """
        data, count = self.data, self.data.frames[case].shape[1]
        known = [c for c in self.training if c != case and (c, data.references[c][0]) in data.labels]
        chosen = torch.randperm(len(known), generator=generator)[:_OTHERS].tolist()
        found = []
        for other in (known[number] for number in chosen):
            frame, there = data.references[other][0], data.frames[other].shape[1]
            places = ((slices + 0.5) * there / count - 0.5).round().long().clamp(0, there - 1)
            image = data.frames[other][frame][places].float()[:, None]
            labels = data.indicators(other, frame)[:, places].movedim(0, 1)
            state = torch.Generator().set_state(alike.get_state())
            changed = augment_pair(image, labels, self.grid.spacing, self.request.augmentation, state)
            found.append(torch.cat(changed, dim=1).to(self.request.options.device))
        return tuple(found)

    def _slices(self, case: int, generator: torch.Generator) -> Tensor:
        count = self.data.frames[case].shape[1]
        wanted = self.request.slices or count
        return torch.randperm(count, generator=generator)[:wanted].sort().values

    def _run(self, reference: int, count: int, generator: torch.Generator) -> Run:
        """How the model goes through a sequence in use; of two runs one, the longer the likelier."""
        runs = plan_runs(count, reference, self.request.network.slots, self.request.periodic)
        if len(runs) == 1:
            return runs[0]
        place = float(torch.rand((), generator=generator)) * (count - 1)
        return runs[0] if place < len(runs[0].frames) else runs[1]

    def _compared(self, count: int, target: int | None, generator: torch.Generator) -> Tensor:
        """A run of neighbouring frames, as the temporal smoothing needs the neighbours; often with the target in it."""
        length = min(self.request.sub_sequence or count, count)
        first = int(torch.randint(0, count - length + 1, (), generator=generator))
        if target is not None and float(torch.rand((), generator=generator)) < self.request.target_share:
            low, high = max(0, target - length + 1), min(target, count - length)
            first = low + int(torch.randint(0, high - low + 1, (), generator=generator))
        return torch.arange(first, first + length)

    def validate(self, objective: nn.Module) -> dict[str, float]:
        """Scores of the objective's network on the validation cases, see `validate_sequences`."""
        options = self.request.options
        return validate_sequences(
            objective.eval().network,
            self.data,
            self.validation,
            self.structures,
            self.objective.finest,
            options.device,
            options.mixed_precision,
            self.request.periodic,
        )

    def _further_parts(self, weights: dict[str, Tensor], progress: Progress) -> dict[str, dict[str, Tensor]]:
        return {}

    def _card(self, state: TrainingState) -> dict:
        card = super()._card(state)
        best = max((row for row in state.log if "score" in row), key=lambda row: row["score"], default={})
        card["model"] = {"class": "MotionNetwork", "configuration": plain(asdict(self.request.network))}
        card["grid"] |= {"spacing_mm": list(self.grid.spacing), "frame": self.grid.frame}
        card["sequence"] = {"slots": self.request.network.slots, "periodic": self.request.periodic}
        if self.request.heart:
            card["heart"] = dict(zip(("pool", "myocardium", "right_ventricle"), self.request.heart))
        card["training"]["pairs"] = "cine series, all frames against the reference frame"
        card["training"]["image_statistics"] = usual_appearance(self.appearances())
        kept = ("score", "dice_", "completed", "folding_", "jacobian_", "temporal_", "ejection_")
        card["accuracy"] = {
            "script": card["accuracy"]["script"],
            "date": card["accuracy"]["date"],
            "cases": len(self.validation),
            **{name: best[name] for name in best if name.startswith(kept)},
        }
        return card

    def appearances(self) -> list[dict[str, float]]:
        """What the training series look like, see `appearance.appearance_of`."""
        data = self.data
        return [appearance_of(data.frames[case], data.masks[case], data.references[case][0]) for case in self.training]
