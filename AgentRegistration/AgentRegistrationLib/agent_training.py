"""One training run of an agent: subjects, their deformations, the model of these, pairs made online, the bundle."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from DeformationLib.augmentation import Augmentation, change_intensity
from DeformationLib.case_files import find_cases, summarize_cases, validation_pairs
from DeformationLib.cases import CaseSet
from DeformationLib.cine_cases import find_cine_cases
from DeformationLib.errors import InputError
from DeformationLib.model_training import ModelRequest, ModelTraining, plain
from DeformationLib.pair_grid import Frame, PairGrid
from DeformationLib.progress import Progress
from DeformationLib.training import Trainer, TrainingOptions, TrainingState

from .agent_cases import BESIDE, HEART_GRID, chosen_cases, load_heart_slices, load_volumes
from .agent_model import agent_space
from .agent_network import AgentNetwork, AgentNetworkConfiguration
from .agent_objective import AgentObjective, AgentStates, StructureExamples, draw_states, with_rigid_motions
from .agent_pairs import PairGenerator
from .agent_validation import found_structures, validate_agent, validate_finder
from .agent_walk import Agent, walk_options
from .coarsening import coarser_cases, coarser_deformations, finer_grid
from .deformed_subjects import DeformedSubjects
from .preparation import Deformations, PreparationSettings, default_registration, fit_deformations
from .template import AnatomyTemplate, aligned_cases

_INTENSITIES = Augmentation(0, 0, 0, 0, 12, 0, gamma=0.2, bias=0.15, noise=0.02)


_LESS = 3
"""By which the batches of the finder of structures are smaller: every voxel of an image teaches it something."""


@dataclass(frozen=True)
class AgentRequest(ModelRequest):
    """All that a user decides about a training run of an agent; see `ModelRequest` for the rest.

    Attributes:
        images: folder of images, with ``labels`` a folder of their label maps; or, without ``labels``, a folder or table of
            cine series, whose middle slices at end-diastole are taken (see `cine_cases.find_cine_cases`).
        spacings: of the grid along its axes, mm; empty for ``spacing`` along all.
        slices: of each series for training, see `load_heart_slices`.
        frame: whether the grid's axes are the body's or the images', see `PairGrid`.
        augmentation: of intensities alone: deformations come from the deformation model.
        modes: of the deformation model, two actions each; 0 for 25 in 3-D, 15 in 2-D.
        fine: ground truth is registered on a grid so many times finer than the one on which the agent looks.
        control_spacing: distance of control points, voxels of the finer grid.
        pairs: of training subjects that are registered for the deformation model.
        least_overlap: mean Dice that such a pair must reach to be used.
        image_weight, iterations: of those registrations, see `GuidedRegistration`.
        workers: processes that register them.
        deformations: folder in which they are kept, for other runs too; by default in the output folder.
        step: of an action, as a share of a mode's mean amplitude.
        rigid_translation, rigid_rotation: standard deviations of rigid motions among the actions, voxels and degrees; 0 for
            none.
        widths, dense, stride, dropout, members, joint: of the network, see `AgentNetworkConfiguration`.
        structure_epochs: first epochs, in which the finder of structures is trained instead; 0 for an agent without one.
        structure_widths: of that, see `StructureNetwork`.
        structures_finely: find structures on the grid on which ground truth is registered.
        batches: of ``options.group_size`` pairs in an epoch.
        decay, decay_batches: factor of the learning rate after so many batches.
        walk_drawn, walk_shrinks, walk_overlap: the walk that the model's card recommends: one of the best actions at random
            instead of the best, and `WalkOptions.shrinks` and `WalkOptions.overlap`.
        validation_pairs, validation_steps: how many pairs of validation cases are registered, and in how many steps.
    """

    spacings: tuple[float, ...] = ()
    slices: int = 1
    frame: Frame = "patient"
    augmentation: Augmentation = _INTENSITIES
    options: TrainingOptions = field(default_factory=lambda: TrainingOptions(group_size=30, weight_decay=0.0))
    modes: int = 0
    fine: int = 1
    control_spacing: float = 12.0
    pairs: int = 300
    least_overlap: float = 0.75
    image_weight: float = 0.5
    iterations: int = 25
    workers: int = 1
    deformations: Path | None = None
    step: float = 0.25
    rigid_translation: float = 0.0
    rigid_rotation: float = 0.0
    widths: tuple[int, ...] = (32, 64, 64)
    dense: tuple[int, ...] = (128, 128, 64)
    stride: int = 2
    dropout: float = 0.0
    members: int = 1
    joint: bool = False
    structure_epochs: int = 0
    structure_widths: tuple[int, ...] = (8, 16, 32)
    structures_finely: bool = False
    batches: int = 200
    decay: float = 0.8
    decay_batches: int = 10_000
    walk_drawn: bool = False
    walk_shrinks: int = 2
    walk_overlap: float = 100.0
    validation_pairs: int = 18
    validation_steps: int = 100

    @property
    def actions(self) -> dict[str, float]:
        """What `agent_model.agent_space` makes actions of."""
        return {"step": self.step, "translation": self.rigid_translation, "rotation": self.rigid_rotation}

    @property
    def walk(self) -> dict[str, bool | int | float]:
        """What the model's card recommends: changes of `WalkOptions`."""
        overlap = {"overlap": self.walk_overlap} if self.structure_epochs else {}
        return {"greedy": not self.walk_drawn, "shrinks": self.walk_shrinks, **overlap}


class AgentTraining(ModelTraining):
    """Loads the data of a request, trains, writes logs while it goes, and a bundle at the end.

    >>> run = AgentTraining(AgentRequest(Path("images"), Path("output"), labels=Path("labels"), grid=(48, 64, 48)))
    >>> run.train()
    """

    program = "AgentRegistrationTrain"
    request: AgentRequest
    data: CaseSet
    finer: CaseSet
    grid: PairGrid
    finding = False
    found: Tensor | None = None

    def _load(self) -> tuple[CaseSet, PairGrid]:
        request, progress = self.request, self.progress.part(0.0, 0.02)
        if request.labels is None:
            self._cases = find_cine_cases(request.images)
            grid = self._grid(HEART_GRID)
            return load_heart_slices(request.images, self._finer(grid), progress, request.slices), grid
        self._cases = find_cases(request.images, request.labels)
        if request.grid and (request.spacing or request.spacings):
            grid = self._grid(None)
        else:
            # Two poolings and a stride.
            found = summarize_cases(
                request.images, request.labels, rule="none", spacing=request.spacing, factor=8, progress=progress
            )
            grid = self._grid(PairGrid(found.size, (found.spacing,) * len(found.size), request.frame))
        return load_volumes(request.images, request.labels, self._finer(grid), progress), grid

    def _split(self) -> tuple[list[int], list[int]]:
        """As any training, of the middle slices; the slices around them train where they do."""
        training, validation = super()._split()
        subjects = {self.data.names[index] for index in training}
        around = [i for i, name in enumerate(self.data.names) if name.rpartition(BESIDE)[0] in subjects]
        return training + around, validation

    def _grid(self, usual: PairGrid | None) -> PairGrid:
        """The grid that was asked for, and the usual one's numbers for what was left open."""
        request = self.request
        size = request.grid or usual.size
        spacing = request.spacings or ((request.spacing,) * len(size) if request.spacing else usual.spacing)
        return PairGrid(tuple(size), tuple(spacing), request.frame if request.labels else "image")

    def _finer(self, grid: PairGrid) -> PairGrid:
        """The grid on which ground truth is registered."""
        return finer_grid(grid, self.request.fine)

    def _build_objective(self) -> AgentObjective:
        request, progress = self.request, self.progress.part(0.02, 0.1)
        if not self.data.label_values:
            raise InputError("The label maps are empty: an agent learns from pairs whose structures are marked.")
        training = chosen_cases(self.data, self.training)
        aligned, _ = aligned_cases(self.data, AnatomyTemplate.of_cases(training), progress.part(0.0, 0.1))
        known = self._fit(chosen_cases(aligned, self.training), progress.part(0.1, 0.95))
        self.data = coarser_cases(aligned, request.fine, progress.part(0.95, 1.0))
        self.finer = aligned if request.structures_finely else self.data
        training = chosen_cases(self.data, self.training)
        self.template = AnatomyTemplate.of_cases(training)
        self.deformations = coarser_deformations(known, request.fine)
        model = self.deformations.model
        self.pairs = PairGenerator(training, self.deformations.pairs, self.deformations.controls, model)
        finer = known.model if request.structures_finely else model
        self.subjects = DeformedSubjects(chosen_cases(self.finer, self.training), finer)
        self.space = agent_space(model, request.actions).to(request.options.device)
        configuration = AgentNetworkConfiguration(
            self.grid.size,
            2 * len(self.space),
            request.widths,
            request.dense,
            request.stride,
            request.dropout,
            request.members,
            request.joint,
            len(self.data.label_values) if request.structure_epochs else 0,
            request.structure_widths,
            request.fine if request.structures_finely else 1,
        )
        return AgentObjective(AgentNetwork(configuration, float(self.space.steps.mean())))

    def _fit(self, training: CaseSet, progress: Progress) -> Deformations:
        """What is known of the deformations between the training cases."""
        request = self.request
        registration = replace(
            default_registration(len(self.grid.size)), image_weight=request.image_weight, iterations=request.iterations
        )
        settings = PreparationSettings(
            request.pairs,
            request.control_spacing,
            request.modes,
            request.least_overlap,
            request.workers,
            request.options.seed,
            registration,
        )
        return fit_deformations(training, request.deformations or self.folder, settings, progress)

    def _build_trainer(self) -> Trainer:
        request = self.request

        def optimizer(parameters):
            return torch.optim.RMSprop(
                parameters, lr=request.options.learning_rate, weight_decay=request.options.weight_decay
            )

        def rate(step: int, steps: int) -> float:
            rise = min(1.0, (step + 1) / max(request.options.warmup, 1))
            return rise * request.decay ** (step // request.decay_batches)

        return Trainer(
            self.objective,
            self._group_loss,
            self.validate,
            request.batches * request.options.group_size,
            request.options,
            self._configuration(),
            self.folder,
            self._begin_epoch,
            optimizer=optimizer,
            rate=rate,
        )

    def _configuration(self) -> dict:
        names = ("slices", "modes", "fine", "control_spacing", "pairs", "least_overlap", "image_weight",
                 "iterations", "step", "rigid_translation", "rigid_rotation",
                 "widths", "dense", "stride", "dropout", "members", "joint", "structure_epochs", "structure_widths",
                 "structures_finely", "batches", "decay", "decay_batches")  # fmt: skip
        request = plain(asdict(self.request))
        return super()._configuration() | {name: request[name] for name in names}

    def _group_loss(self, objective: AgentObjective, indices: list[int], generator: torch.Generator):
        return objective(self.draw(len(indices), generator), self.space.steps)

    @torch.no_grad()
    def draw(self, count: int, generator: torch.Generator) -> AgentStates | StructureExamples:
        """Random states of random pairs; in the first epochs, if there is a finder of structures, examples for it."""
        device, settings, space = self.request.options.device, self.request.augmentation, self.space
        with torch.autocast(torch.device(device).type, enabled=False):
            if self.finding:
                images, labels = self.subjects.draw(self._examples(count), generator)
                return StructureExamples(change_intensity(images, settings, generator).to(device), labels.to(device))
            pairs = self.pairs.draw(count, generator)
            fixed = change_intensity(pairs.fixed.float().cpu(), settings, generator).to(device)
            moving = change_intensity(pairs.moving.float().cpu(), settings, generator).to(device)
            network = self.objective.network
            fixed, moving = network.see(fixed, pairs.fixed_found), network.see(moving, pairs.moving_found)
            moving, target = with_rigid_motions(space, moving, pairs.theta.float().to(device), generator)
            theta = draw_states(target.cpu(), space.steps.cpu(), generator).to(device)
            return AgentStates(fixed, space.warp(moving, space.sampling(theta)), theta, target)

    def _examples(self, count: int) -> int:
        """How many images the finder is shown where an agent would be shown ``count`` pairs."""
        return max(2, 2 * count // (_LESS * self._structure_fine**2))

    @property
    def _structure_fine(self) -> int:
        return self.objective.network.configuration.structure_fine

    def _begin_epoch(self, epoch: int) -> None:
        self.finding = epoch < self.request.structure_epochs
        if not epoch and self.request.structure_epochs >= self.request.options.epochs:
            self._log("All epochs are for the finder of structures: ask for more --epochs to train the agent as well.")
        if not self.finding and self.found is None and self._structure_fine > 1:
            self.found = found_structures(self.objective.eval().network, self.finer, self.request.options.device)
            self.pairs.found = self.found[torch.as_tensor(self.training)]

    def validate(self, objective: AgentObjective) -> dict[str, float]:
        """Scores of greedy walks between validation cases, see `validate_agent`; or of the structures that are found."""
        request, device = self.request, self.request.options.device
        if self.finding:
            found = validate_finder(objective.eval().network, self.finer, self.data, self.validation, device)
            # Below every agent's score: a run that ends before there is an agent keeps its best finder.
            return {"score": found - 1.0, "found": found}
        agent = Agent(objective.eval().network, self.space)
        pairs = validation_pairs(len(self.validation))[: request.validation_pairs]
        chosen = [(self.validation[fixed], self.validation[moving]) for fixed, moving in pairs]
        options = walk_options(greedy=True, steps=request.validation_steps)
        return validate_agent(agent, self.data, chosen, options, device, self.found)

    def _validated(self) -> int:
        return len(validation_pairs(len(self.validation))[: self.request.validation_pairs])

    def _further_parts(self, weights: dict[str, Tensor], progress: Progress) -> dict[str, dict[str, Tensor]]:
        return {"deformation": self.deformations.model.state(), "template": self.template.state()}

    def _model_entry(self) -> dict[str, Any]:
        configuration = plain(asdict(self.objective.network.configuration))
        return {
            "class": "AgentNetwork",
            "configuration": configuration,
            "actions": self.request.actions,
            "walk": self.request.walk,
        }

    def _card(self, state: TrainingState) -> dict:
        card = super()._card(state)
        card["grid"] |= {"spacing_mm": list(self.grid.spacing), "frame": self.grid.frame}
        card["training"]["pairs"] = "drawn online, half of one subject deformed twice, half of two subjects"
        known, model = self.deformations, self.deformations.model
        card["training"]["deformations"] = {
            "modes": model.count,
            "explained_variance": round(float(model.explained.sum()), 4),
            "registered_pairs": len(known.pairs) + known.left_out,
            "used_pairs": len(known.pairs),
            "median_dice": round(float(np.median(known.overlap)), 4),
            "control_point_spacing_mm": [
                round(points * step, 3) for points, step in zip(model.lattice.spacing, self.grid.spacing, strict=True)
            ],
        }
        return card
