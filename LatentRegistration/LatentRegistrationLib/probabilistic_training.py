"""One training run of the probabilistic model, on frame pairs of cine series or on pairs of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

import torch
from torch import Tensor, nn

from DeformationLib.augmentation import Augmentation
from DeformationLib.case_files import validation_pairs
from DeformationLib.cases import find_cases, load_cases
from DeformationLib.cine_cases import find_cine_cases
from DeformationLib.pair_grid import Frame, PairGrid
from DeformationLib.preprocessing import NetworkGrid
from DeformationLib.progress import Progress

from .pair_augmentation import augment_apart, augment_pair
from .pair_validation import validate_pairs
from .pairs import Pair, PairSet, load_series, pairs_of_cycle, series_of_images
from .series_files import is_series, series_grid
from .structures import structures_of
from .training_run import TrainingRequest, TrainingRun
from .velocity_network import VelocityNetwork, VelocityNetworkConfiguration
from .velocity_objective import VelocityLossWeights, VelocityObjective

_AUGMENTATION = Augmentation(
    rotation=20.0, translation=3.0, zoom=0.1, elastic=2.0, elastic_spacing=25.0, gamma=0.2, bias=0.15, noise=0.02
)


@dataclass(frozen=True)
class ProbabilisticRequest(TrainingRequest):
    """All that a user decides about a training run of the probabilistic model; see `TrainingRequest` for the rest.

    Attributes:
        images: folder of images, or of cine series, or a table of series (see `cine_cases.find_cine_cases`).
        spacings: of the grid along its axes, mm; empty for the median of the images'.
        frame: whether the grid's axes are the body's or the images', see `PairGrid`.
        network: everything but size and spacing, which are the grid's.
        reference_share: of the pairs drawn from a series, those of end-diastole and end-systole.
        pairs_per_case: drawn from each series in an epoch.
        full_resolution_epochs: how many of the last epochs train the finest scale too.
    """

    spacings: tuple[float, ...] = ()
    frame: Frame = "patient"
    network: VelocityNetworkConfiguration = field(default_factory=VelocityNetworkConfiguration)
    weights: VelocityLossWeights = field(default_factory=VelocityLossWeights)
    augmentation: Augmentation = _AUGMENTATION
    reference_share: float = 0.4
    pairs_per_case: int = 4


class ProbabilisticTrainingRun(TrainingRun):
    """Loads the data of a request, trains, writes logs while it goes, and a bundle at the end."""

    request: ProbabilisticRequest
    data: PairSet
    grid: PairGrid

    def _load(self) -> tuple[PairSet, PairGrid]:
        request, progress = self.request, self.progress.part(0.0, 0.1)
        grid = PairGrid(request.grid, request.spacings, request.frame) if request.grid and request.spacings else None
        if is_series(request.images):
            self._cases = find_cine_cases(request.images)
            wanted = request.grid, request.spacing, request.spacings, request.frame
            grid = grid or series_grid(self._cases, len(request.network.widths), *wanted)
            return load_series(self._cases, grid, need_labels=request.weights.overlap > 0, progress=progress), grid
        self._cases = find_cases(request.images, request.labels)
        chosen = grid or (NetworkGrid(request.grid, request.spacing) if request.grid else None)
        cases, chosen = load_cases(
            self._cases,
            chosen,
            need_labels=request.labels is not None,
            spacing=request.spacing,
            factor=2 ** len(request.network.widths),
            progress=progress,
        )
        return series_of_images(cases), grid or PairGrid(chosen.size, (chosen.spacing,) * len(chosen.size))

    def _build_objective(self) -> nn.Module:
        network = replace(self.request.network, size=tuple(self.grid.size), spacing=tuple(self.grid.spacing))
        self.request = replace(self.request, network=network)
        cardiac = self.data.has_series and set(self.data.label_values) == {1, 2, 3}
        self.structures = structures_of(self.data.label_values, cardiac)
        return VelocityObjective(VelocityNetwork(network), self.request.weights)

    def _cases_per_epoch(self) -> int:
        return len(self.training) * (self.request.pairs_per_case if self.data.has_series else 1)

    def _configuration(self) -> dict:
        names = ("frame", "reference_share", "pairs_per_case")
        request = asdict(self.request)
        return super()._configuration() | {name: request[name] for name in names}

    def _begin_epoch(self, epoch: int) -> None:
        coarse = epoch < self.request.options.epochs - self.request.full_resolution_epochs
        self.objective.finest = 1 if coarse and self.request.network.scales > 1 else 0

    def draw(self, indices: Sequence[int], generator: torch.Generator) -> list[Pair]:
        """One random pair of each series, or the images registered in a cycle."""
        cases = [self.training[index % len(self.training)] for index in indices]
        if not self.data.has_series:
            return pairs_of_cycle(cases)
        return [self.data.frame_pair(case, self.request.reference_share, generator) for case in cases]

    def _group_loss(self, objective: nn.Module, indices: list[int], generator: torch.Generator):
        request, device = self.request, self.request.options.device
        labelled = request.weights.overlap > 0 and len(self.data.label_values) > 0
        with torch.autocast("cpu", enabled=False):
            batch = self.data.batch(self.draw(indices, generator))
            others = [batch.mask, batch.fixed_labels, batch.moving_labels] if labelled else [batch.mask]
            # Frames of a series move as one body; images of two subjects have nothing to keep in common.
            augment = augment_pair if self.data.has_series else augment_apart
            images, changed = augment(
                batch.images, torch.cat(others, dim=1), self.grid.spacing, request.augmentation, generator
            )
        images, changed = images.to(device), changed.to(device)
        count = len(self.data.label_values)
        labels = (changed[:, 1 : 1 + count], changed[:, 1 + count :]) if labelled else None
        return objective(images[:, :1], images[:, 1:], changed[:, :1], labels, generator)

    def validation_set(self) -> list[Pair]:
        """Pairs of the validation cases: the reference pair of each series, or images of different subjects."""
        if self.data.has_series:
            return [self.data.reference_pair(case) for case in self.validation]
        return [
            Pair(self.validation[fixed], 0, self.validation[moving], 0)
            for fixed, moving in validation_pairs(len(self.validation))
        ]

    def validate(self, objective: nn.Module) -> dict[str, float]:
        """Scores of the objective's network on the validation pairs, see `validate_pairs`."""
        pairs, options = self.validation_set(), self.request.options
        network = objective.eval().network
        return validate_pairs(
            network, self.data, pairs, self.structures, self.objective.finest, options.device, options.mixed_precision
        )

    def _card(self, state) -> dict:
        card = super()._card(state)
        best = max((row for row in state.log if "score" in row), key=lambda row: row["score"], default={})
        card["model"]["class"] = "VelocityNetwork"
        card["grid"] |= {"spacing_mm": list(self.grid.spacing), "frame": self.grid.frame}
        card["training"]["pairs"] = (
            "frames of cine series, moving end-diastole to fixed end-systole first of all"
            if self.data.has_series
            else "images of different subjects"
        )
        kept = ("score", "dice_", "folding_", "jacobian_", "ejection_")
        card["accuracy"] = {
            "script": card["accuracy"]["script"],
            "date": card["accuracy"]["date"],
            "pairs": len(self.validation_set()),
            **{name: best[name] for name in best if name.startswith(kept)},
        }
        return card

    @torch.no_grad()
    def _codes(self, progress: Progress) -> Tensor:
        """Mean codes of the training cases: of the reference pair of each series, or of images in a cycle."""
        network, device = self.objective.network.eval(), self.request.options.device
        if self.data.has_series:
            pairs = [self.data.reference_pair(case) for case in self.training]
        else:
            pairs = pairs_of_cycle(self.training)
        codes = []
        for number, pair in enumerate(pairs):
            progress.report(number / len(pairs), "writing the model")
            images = self.data.batch([pair]).images.to(device)
            codes.append(network.encode(images[:, :1], images[:, 1:])[0].cpu())
        return torch.cat(codes)
