"""One training run of the spatial-gradient network: data, objective, validation, and the bundle that comes out."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from DeformationLib.augmentation import Augmentation, augment
from DeformationLib.bundle import read_weights, write_bundle
from DeformationLib.catalogue import find_bundle, read_card
from DeformationLib.errors import Cancelled, InputError
from DeformationLib.files import atomic_path, make_folder
from DeformationLib.progress import Progress
from DeformationLib.training import Processes, Trainer, TrainingOptions, TrainingState

from .cases import CaseSet, find_cases, load_cases, split_cases
from .decomposition import LatentDecomposition
from .gradient_network import GradientNetwork, GradientNetworkConfiguration
from .objective import GradientObjective, LossWeights
from .preprocessing import NetworkGrid
from .validation import validate_network, validation_pairs


@dataclass(frozen=True)
class TrainingRequest:
    """All that a user decides about a training run; the command line and the panel fill one in.

    Attributes:
        images, labels: folders; labels may be None.
        output: folder of the checkpoint, the logs and, in ``model``, the bundle.
        grid: lengths along k, j, i (or j, i) of the network grid; empty for the smallest that holds all images.
        spacing: of the grid, mm; 0 for the median of the images'.
        full_resolution_epochs: how many of the last epochs compare labels on the full grid instead of half of it.
        components: of the latent decomposition; fewer where there are fewer training cases.
        initialize: model name or folder whose weights to start from.
        name, purpose, data, licence, command: for the model's card.
    """

    images: Path
    output: Path
    labels: Path | None = None
    split_file: Path | None = None
    validation_rule: str = "10:1"
    grid: tuple[int, ...] = ()
    spacing: float = 0.0
    network: GradientNetworkConfiguration = field(default_factory=GradientNetworkConfiguration)
    weights: LossWeights = field(default_factory=LossWeights)
    augmentation: Augmentation = field(default_factory=Augmentation)
    options: TrainingOptions = field(default_factory=TrainingOptions)
    full_resolution_epochs: int = 20
    components: int = 32
    initialize: str = ""
    resume: bool = False
    name: str = "model"
    purpose: str = ""
    data: str = ""
    licence: str = ""
    command: str = ""


class TrainingRun:
    """Loads the data of a request, trains, writes logs while it goes, and a bundle at the end.

    >>> run = TrainingRun(TrainingRequest(Path("images"), Path("output"), labels=Path("labels")))
    >>> run.train()
    """

    def __init__(
        self, request: TrainingRequest, progress: Progress | None = None, say: Callable[[str], None] = print
    ) -> None:
        device = Processes.own_device(request.options.device)
        request = replace(request, options=replace(request.options, device=device))
        self.request, self.progress = request, progress or Progress()
        self.folder = make_folder(request.output)
        self.processes = Processes.join(request.options.device)
        self.say = say if self.processes.leads else lambda line: None
        self._forget_text = not request.resume
        torch.manual_seed(request.options.seed)
        self.data, self.grid = self._load()
        self.training, self.validation = self._split()
        self.objective = self._build_objective()
        self.trainer = Trainer(
            self.objective,
            self._group_loss,
            self.validate,
            self._cases_per_epoch(),
            request.options,
            self._configuration(),
            self.folder,
            self._begin_epoch,
        )

    def train(self) -> Path:
        """Train and write the bundle of the best weights; returns its folder.

        When it is cancelled or interrupted after the first epoch, it writes the bundle of the best weights so far, and
        raises what stopped it.
        """
        request = self.request
        if request.resume:
            self.trainer.resume()
            self._log(f"resumed after epoch {self.trainer.state.epoch}")
        elif request.initialize:
            self._initialize()
        spacing = " x ".join(f"{step:g}" for step in np.atleast_1d(self.grid.spacing))
        self._log(
            f"{len(self.training)} training and {len(self.validation)} validation cases, labels "
            f"{self.data.label_values or 'none'}, grid {self.grid.size} of {spacing} mm, "
            f"{sum(p.numel() for p in self.objective.network.parameters())} parameters"
        )
        for name, reason in self.data.skipped.items():
            self._log(f"skipped {name}: {reason}")
        try:
            state = self.trainer.run(self.progress.part(0.1, 0.95), self.processes, self._report)
        except (Cancelled, KeyboardInterrupt):
            if self.processes.leads and self.trainer.state.log:
                self._log(
                    f"stopped in epoch {self.trainer.state.epoch + 1}; writing the model of the best epoch so far"
                )
                self._write_bundle(self.trainer.state, Progress())
            raise
        folder = self.folder / "model"
        if self.processes.leads and state.log:
            folder = self._write_bundle(state, self.progress.part(0.95, 1.0))
        self.processes.leave()
        self.progress.report(1.0, "Trained")
        return folder

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

    def _cases_per_epoch(self) -> int:
        return len(self.training)

    def _split(self) -> tuple[list[int], list[int]]:
        """Training and validation cases among those loaded; the rule counts all files, so that none changes sides."""
        names = [case.name for case in self._cases]
        position = {name: index for index, name in enumerate(self.data.names)}
        training, validation = (
            [position[names[index]] for index in part if names[index] in position]
            for part in split_cases(names, self.request.validation_rule, self.request.split_file)
        )
        if len(training) < 2:
            raise InputError(f"The split leaves {len(training)} usable training cases: training needs at least two.")
        return training, validation

    def _configuration(self) -> dict:
        """What a checkpoint must have in common with this run to be resumed."""
        options = asdict(self.request.options)
        for name in ("max_minutes", "device", "mixed_precision"):
            options.pop(name)
        return {
            "network": _plain(asdict(self.request.network)),
            "grid": [*self.grid.size, self.grid.spacing],
            "weights": asdict(self.request.weights),
            "augmentation": asdict(self.request.augmentation),
            "options": options,
            "full_resolution_epochs": self.request.full_resolution_epochs,
            "labels": self.data.label_values,
            "training cases": [self.data.names[index] for index in self.training],
        }

    def _initialize(self) -> None:
        folder = find_bundle(self.request.initialize)
        weights = read_weights(folder, read_card(folder))["network"]
        missing = self.trainer.warm_start({f"network.{name}": value for name, value in weights.items()})
        self._log(f"started from {self.request.initialize}; {len(missing)} tensors are new")

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

    def _report(self, row: dict) -> None:
        with (
            atomic_path(self.folder / "log.csv") as temporary,
            open(temporary, "w", newline="", encoding="utf-8") as stream,
        ):
            names = list(dict.fromkeys(name for entry in self.trainer.state.log for name in entry))
            writer = csv.DictWriter(stream, names)
            writer.writeheader()
            writer.writerows(self.trainer.state.log)
        score = f"validation {row['score']:.4f}" if "score" in row else "no validation cases"
        self._log(f"epoch {row['epoch']:4d}  {row['minutes']:7.2f} min  loss {row['loss']:.4f}  {score}")

    def _log(self, line: str) -> None:
        self.say(line)
        if self.processes.leads:
            with open(self.folder / "log.txt", "w" if self._forget_text else "a", encoding="utf-8") as stream:
                stream.write(line + "\n")
            self._forget_text = False

    def _write_bundle(self, state: TrainingState, progress: Progress) -> Path:
        if not state.best_weights:
            raise InputError("No epoch had a finite loss, so there is no model: train with a lower learning rate.")
        weights = {
            name.removeprefix("network."): value
            for name, value in state.best_weights.items()
            if name.startswith("network.")
        }
        parts = {"network": weights, **self._further_parts(weights, progress)}
        folder = write_bundle(self.folder / "model", self._card(state), parts)
        self._log(f"wrote {folder}")
        return folder

    def _further_parts(self, weights: dict[str, Tensor], progress: Progress) -> dict[str, dict[str, Tensor]]:
        """What the bundle holds besides the network: the decomposition of the codes that the best weights give."""
        network = self.objective.network
        network.load_state_dict({name: value.half().float() for name, value in weights.items()})  # as they will be read
        codes = self._codes(progress)
        count = min(self.request.components, len(codes) - 1, codes[0].numel())
        return {"decomposition": LatentDecomposition.fit(codes, count).to_tensors()}

    def _card(self, state: TrainingState) -> dict:
        """What the model says about itself."""
        request = self.request
        best = max((row for row in state.log if "score" in row), key=lambda row: row["score"], default={})
        return {
            "name": request.name,
            "purpose": request.purpose or "Trained by a user; see the training data.",
            "not_for_clinical_use": "For research only; not approved for diagnosis or treatment.",
            "model": {"class": "GradientNetwork", "configuration": _plain(asdict(request.network))},
            "grid": {
                "size": list(self.grid.size),
                "axes": "kji"[-self.grid.dimension :],
                "spacing_mm": self.grid.spacing,
            },
            "normalisation": "z-score, clip to [-5, 5], minimum to 0 and maximum to 1, over the voxels inside the image",
            "training": {
                "data": request.data,
                "licence": request.licence,
                "cases": len(self.training),
                "validation_cases": [self.data.names[index] for index in self.validation],
                "labels": self.data.label_values,
                "command": request.command,
                "seed": request.options.seed,
                "epochs": state.epoch,
                "minutes": round(state.seconds / 60, 1),
                "device": request.options.device,
                "date": datetime.date.today().isoformat(),
                "initialized_from": "/".join(Path(request.initialize).parts[-2:]),
            },
            "accuracy": {
                "script": "LatentRegistrationTrain (validation on the network's grid)",
                "date": datetime.date.today().isoformat(),
                "pairs": len(validation_pairs(len(self.validation))),
                **{name: best[name] for name in best if name.startswith(("score", "dice_", "folding_"))},
            },
        }

    @torch.no_grad()
    def _codes(self, progress: Progress) -> Tensor:
        network = self.objective.network.eval()
        device = self.request.options.device
        codes = []
        for number, case in enumerate(self.training):
            progress.report(number / len(self.training), "writing the model")
            codes.append(network.encode(self.data.batch([case])[0].to(device))[0].cpu())
        return torch.cat(codes)


def _plain(configuration: dict) -> dict:
    """Tuples as lists, as JSON gives them back."""
    return {name: list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
            for name, value in configuration.items()}  # fmt: skip
