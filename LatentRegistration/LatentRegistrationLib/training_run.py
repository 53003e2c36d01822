"""One training run of the spatial-gradient network: data, objective, validation, and the decomposition of its codes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from DeformationLib.augmentation import augment
from DeformationLib.case_files import validation_pairs
from DeformationLib.cases import CaseSet, find_cases, load_cases
from DeformationLib.model_training import ModelRequest, ModelTraining, plain
from DeformationLib.preprocessing import NetworkGrid
from DeformationLib.progress import Progress

from .decomposition import LatentDecomposition
from .gradient_network import GradientNetwork, GradientNetworkConfiguration
from .objective import GradientObjective, LossWeights
from .validation import validate_network


@dataclass(frozen=True)
class TrainingRequest(ModelRequest):
    """All that a user decides about a training run; see `ModelRequest` for the rest.

    Attributes:
        full_resolution_epochs: how many of the last epochs compare labels on the full grid instead of half of it.
        components: of the latent decomposition; fewer where there are fewer training cases.
    """

    network: GradientNetworkConfiguration = field(default_factory=GradientNetworkConfiguration)
    weights: LossWeights = field(default_factory=LossWeights)
    full_resolution_epochs: int = 20
    components: int = 32


class TrainingRun(ModelTraining):
    """Loads the data of a request, trains, writes logs while it goes, and a bundle at the end.

    >>> run = TrainingRun(TrainingRequest(Path("images"), Path("output"), labels=Path("labels")))
    >>> run.train()
    """

    program = "LatentRegistrationTrain"
    request: TrainingRequest
    data: CaseSet
    grid: NetworkGrid

    def _load(self) -> tuple[CaseSet, NetworkGrid]:
        request = self.request
        grid = NetworkGrid(request.grid, request.spacing) if request.grid else None
        self._cases = find_cases(request.images, request.labels)
        return load_cases(
            self._cases,
            grid,
            need_labels=request.labels is not None,
            spacing=request.spacing,
            factor=2 ** len(request.network.widths),
            progress=self.progress.part(0.0, 0.1),
        )

    def _build_objective(self) -> nn.Module:
        """The network and its loss; needs the data and the grid."""
        # Slices make a flat network, whatever was asked for.
        network = replace(self.request.network, dimension=self.grid.dimension)
        self.request = replace(self.request, network=network)
        network.check_grid(self.grid.size)
        return GradientObjective(GradientNetwork(network), len(self.data.label_values), self.request.weights)

    def _configuration(self) -> dict:
        request = self.request
        return super()._configuration() | {
            "network": plain(asdict(request.network)),
            "weights": asdict(request.weights),
            "full_resolution_epochs": request.full_resolution_epochs,
        }

    def _model_entry(self) -> dict[str, Any]:
        return {"class": "GradientNetwork", "configuration": plain(asdict(self.request.network))}

    def _validated(self) -> int:
        return len(validation_pairs(len(self.validation)))

    def _begin_epoch(self, epoch: int) -> None:
        coarse = epoch < self.request.options.epochs - self.request.full_resolution_epochs
        self.objective.scale = 2 if coarse else 1

    def _group_loss(self, objective: nn.Module, indices: list[int], generator: torch.Generator):
        images, labels, masks = self.data.batch([self.training[index] for index in indices])
        with torch.autocast("cpu", enabled=False):
            images, others = augment(images, torch.cat([labels, masks], 1), self.request.augmentation, generator)
        device = self.request.options.device
        images, others = images.to(device), others.to(device)
        count = labels.shape[1]
        return objective(images, others[:, :count] if count else None, others[:, count:])

    def validate(self, objective: nn.Module) -> dict[str, float]:
        """Scores of the objective's network on the validation cases, see `validate_network`."""
        return validate_network(
            objective.eval().network, self.data, self.validation, self.grid.size, self.request.options.device
        )

    def _further_parts(self, weights: dict[str, Tensor], progress: Progress) -> dict[str, dict[str, Tensor]]:
        """What the bundle holds besides the network: the decomposition of the codes that the best weights give."""
        network = self.objective.network
        network.load_state_dict({name: value.half().float() for name, value in weights.items()})  # as they will be read
        codes = self._codes(progress)
        count = min(self.request.components, len(codes) - 1, codes[0].numel())
        return {"decomposition": LatentDecomposition.fit(codes, count).to_tensors()}

    @torch.no_grad()
    def _codes(self, progress: Progress) -> Tensor:
        network = self.objective.network.eval()
        device = self.request.options.device
        codes = []
        for number, case in enumerate(self.training):
            progress.report(number / len(self.training), "writing the model")
            codes.append(network.encode(self.data.batch([case])[0].to(device))[0].cpu())
        return torch.cat(codes)
