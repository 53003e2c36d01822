"""One training run of a model, whatever it is: data, objective, validation, logs, and the bundle that comes out."""

from __future__ import annotations

import csv
import datetime
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from .augmentation import Augmentation
from .bundle import read_weights, write_bundle
from .case_files import split_cases
from .catalogue import find_bundle, read_card
from .errors import Cancelled, InputError
from .files import atomic_path, make_folder
from .progress import Progress
from .training import Processes, Trainer, TrainingOptions, TrainingState


@dataclass(frozen=True)
class ModelRequest:
    """What a user decides about the training of any model; the command line and the panel fill one in.

    Attributes:
        images, labels: folders; labels may be None.
        output: folder of the checkpoint, the logs and, in ``model``, the bundle.
        grid: lengths along k, j, i (or j, i) of the network grid; empty for the smallest that holds all images.
        spacing: of the grid, mm; 0 for the median of the images'.
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
    augmentation: Augmentation = field(default_factory=Augmentation)
    options: TrainingOptions = field(default_factory=TrainingOptions)
    initialize: str = ""
    resume: bool = False
    name: str = "model"
    purpose: str = ""
    data: str = ""
    licence: str = ""
    command: str = ""


class ModelTraining(ABC):
    """Loads the data of a request, trains, writes logs while it goes, and a bundle at the end.

    What is trained, and on what, says a kind of it; `data` has ``names`` of cases, ``label_values`` and ``skipped``.
    """

    program: ClassVar[str]
    """Name of the command that trains it, for the card."""

    request: Any
    data: Any
    grid: Any
    objective: nn.Module

    def __init__(
        self, request: ModelRequest, progress: Progress | None = None, say: Callable[[str], None] = print
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
        self.trainer = self._build_trainer()

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

    @abstractmethod
    def _load(self) -> tuple[Any, Any]:
        """The data and the network's grid."""

    @abstractmethod
    def _build_objective(self) -> nn.Module:
        """The network and its loss; needs the data and the grid."""

    @abstractmethod
    def _group_loss(self, objective: nn.Module, indices: list[int], generator: torch.Generator):
        """Loss of a group of cases and the terms to log, see `training.Trainer`."""

    @abstractmethod
    def validate(self, objective: nn.Module) -> dict[str, float]:
        """Scores of the objective's network on the validation cases; ``"score"`` decides."""

    @abstractmethod
    def _model_entry(self) -> dict[str, Any]:
        """Class and configuration of the network, for the card."""

    def _build_trainer(self) -> Trainer:
        return Trainer(
            self.objective,
            self._group_loss,
            self.validate,
            self._cases_per_epoch(),
            self.request.options,
            self._configuration(),
            self.folder,
            self._begin_epoch,
        )

    def _begin_epoch(self, epoch: int) -> None:  # noqa: B027 - a kind of training that prepares nothing needs none
        """Called before an epoch, from 0."""

    def _further_parts(self, weights: dict[str, Tensor], progress: Progress) -> dict[str, dict[str, Tensor]]:
        """What the bundle holds besides the network."""
        return {}

    def _validated(self) -> int:
        """How many cases or pairs `validate` looks at."""
        return len(self.validation)

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
            "grid": [*self.grid.size, self.grid.spacing],
            "augmentation": asdict(self.request.augmentation),
            "options": options,
            "labels": self.data.label_values,
            "training cases": [self.data.names[index] for index in self.training],
        }

    def _initialize(self) -> None:
        folder = find_bundle(self.request.initialize)
        weights = read_weights(folder, read_card(folder))["network"]
        missing = self.trainer.warm_start({f"network.{name}": value for name, value in weights.items()})
        self._log(f"started from {self.request.initialize}; {len(missing)} tensors are new")

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

    def _card(self, state: TrainingState) -> dict:
        """What the model says about itself."""
        request = self.request
        best = max((row for row in state.log if "score" in row), key=lambda row: row["score"], default={})
        return {
            "name": request.name,
            "purpose": request.purpose or "Trained by a user; see the training data.",
            "not_for_clinical_use": "For research only; not approved for diagnosis or treatment.",
            "model": self._model_entry(),
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
                "script": f"{self.program} (validation on the network's grid)",
                "date": datetime.date.today().isoformat(),
                "pairs": self._validated(),
                **{name: best[name] for name in best if name.startswith(("score", "dice_", "folding_"))},
            },
        }


def plain(configuration: dict) -> dict:
    """Tuples as lists, as JSON gives them back, also within parts."""
    return {
        name: plain(value)
        if isinstance(value, dict)
        else list(value)
        if isinstance(value, Sequence) and not isinstance(value, str)
        else value
        for name, value in configuration.items()
    }
