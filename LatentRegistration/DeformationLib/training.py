"""A training loop for any objective: one device or many processes, mixed precision, averaging, checkpoints, resuming.

The unit of work is a *group* of cases (two or more that are registered to each other).  A step averages the gradients of
``groups_per_step`` groups, wherever they are computed: under torchrun each process takes its share, and the sum is the same
as in a single process.  All randomness of a group comes from a generator seeded by (seed, epoch, group), so a run that was
interrupted and resumed equals one that was not.
"""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .errors import InputError
from .files import atomic_path
from .progress import Progress

GroupLoss = Callable[[nn.Module, list[int], torch.Generator], tuple[Tensor, dict[str, float]]]
Validation = Callable[[nn.Module], dict[str, float]]


@dataclass(frozen=True)
class TrainingOptions:
    """How to train, whatever is trained.

    Attributes:
        epochs: passes over the cases; the learning rate falls to its end by a cosine over all of them.
        group_size: cases that are encoded once and registered to each other in a cycle.
        groups_per_step: groups whose gradients make one step, over all processes.
        learning_rate: of AdamW, at its highest.
        weight_decay: of AdamW.
        warmup: steps over which the learning rate rises.
        averaging: decay per step of the exponential moving average of the weights, which is what is validated and kept.
        clip: largest norm of a step's gradient.
        max_minutes: wall-clock limit of this run; the state is then saved for `resume`. One epoch is done at least.
        seed: of every random draw.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
        mixed_precision: bfloat16 autocast of the convolutions.
    """

    epochs: int = 100
    group_size: int = 4
    groups_per_step: int = 1
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup: int = 100
    averaging: float = 0.995
    clip: float = 1.0
    max_minutes: float = math.inf
    seed: int = 0
    device: str = "cpu"
    mixed_precision: bool = False


@dataclass
class TrainingState:
    """All that is needed to go on: weights, their average, the optimiser, the log, the best weights so far."""

    configuration: dict
    epoch: int = 0
    seconds: float = 0.0
    weights: dict = field(default_factory=dict)
    average: dict = field(default_factory=dict)
    optimizer: dict = field(default_factory=dict)
    log: list[dict[str, float]] = field(default_factory=list)
    best_score: float = -math.inf
    best_weights: dict = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write to a temporary name and rename."""
        with atomic_path(path) as temporary:
            torch.save(vars(self), temporary)

    @classmethod
    def load(cls, path: Path, configuration: dict) -> TrainingState:
        """Read a checkpoint; refuse one that was trained with another configuration."""
        try:
            state = cls(**torch.load(path, map_location="cpu", weights_only=True))
        except FileNotFoundError as error:
            raise InputError(f"There is no checkpoint to resume from: {path} does not exist.") from error
        except Exception as error:
            raise InputError(f"{path} is not a checkpoint of this program, or it is damaged: {error}") from error
        if differing := _differing(configuration, state.configuration):
            raise InputError(
                f"{path} was trained with another configuration ({', '.join(differing)} differ): "
                "resume with the same settings, or start in another output folder."
            )
        return state


@dataclass(frozen=True)
class Processes:
    """The processes of one training run, as torchrun starts them; a plain run is a world of one."""

    rank: int = 0
    world: int = 1

    @classmethod
    def join(cls, device: str) -> Processes:
        """Join the process group described by torchrun's environment, if there is one."""
        if not dist.is_torchelastic_launched():
            return cls()
        if not dist.is_initialized():
            dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
        return cls(dist.get_rank(), dist.get_world_size())

    @staticmethod
    def own_device(device: str) -> str:
        """The device of this process: under torchrun, plain "cuda" is the GPU with the process's local rank."""
        if device == "cuda" and dist.is_torchelastic_launched():
            return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        return device

    def leave(self) -> None:
        """Leave the process group, if one was joined."""
        if self.world > 1 and dist.is_initialized():
            dist.destroy_process_group()

    @property
    def leads(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Add up the gradients of all processes."""
        if self.world == 1:
            return
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = part.view_as(parameter).clone()

    def agree(self, decision: bool) -> bool:
        """The leading process's decision, in all processes."""
        if self.world == 1:
            return decision
        flag = torch.tensor([decision], dtype=torch.int32)
        if dist.get_backend() == "nccl":
            flag = flag.cuda()
        dist.broadcast(flag, 0)
        return bool(flag.item())


class Trainer:
    """Trains an objective (a module that owns the network and whatever exists only in training).

    Args:
        objective: the module whose parameters are trained.
        group_loss: loss of one group of case indices and the terms to log.
        validate: scores of the averaged weights; ``"score"`` decides which weights are the best.
        cases: number of training cases.
        options: how to train.
        configuration: plain data that identifies the run; a checkpoint with another one is refused.
        folder: where ``checkpoint.pt`` lives.
        begin_epoch: called with the number of each epoch, from 0, before it starts.
        optimizer: of some parameters; by default AdamW with the options' learning rate and weight decay.
        rate: share of the learning rate in a step, of so many steps in all; by default a linear rise and half a cosine.
    """

    def __init__(
        self,
        objective: nn.Module,
        group_loss: GroupLoss,
        validate: Validation,
        cases: int,
        options: TrainingOptions,
        configuration: dict,
        folder: Path,
        begin_epoch: Callable[[int], None] = lambda epoch: None,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] | None = None,
        rate: Callable[[int, int], float] | None = None,
    ) -> None:
        if cases < 2:
            raise InputError(f"Training needs at least two cases to register to each other, but there is {cases}.")
        self.objective = objective.to(options.device)
        self.group_loss, self.validate, self.cases, self.options = group_loss, validate, cases, options
        self.checkpoint = Path(folder) / "checkpoint.pt"
        self.begin_epoch = begin_epoch
        self.state = TrainingState(configuration)
        if optimizer is None:
            self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(
                objective.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
            )
        else:
            self.optimizer = optimizer(objective.parameters())
        self.rate = rate or self._rate
        self.average = copy.deepcopy(self.objective).requires_grad_(False)

    def resume(self) -> None:
        """Go on from the checkpoint in the folder; raises `InputError` where there is none that fits."""
        self.state = TrainingState.load(self.checkpoint, self.state.configuration)
        try:
            self.objective.load_state_dict(self.state.weights)
            self.average.load_state_dict(self.state.average)
            self.optimizer.load_state_dict(self.state.optimizer)
        except (RuntimeError, ValueError, KeyError) as error:
            raise InputError(
                f"The weights in {self.checkpoint} do not fit what is trained now: resume with the same data and settings, "
                "or start in another output folder."
            ) from error

    def warm_start(self, weights: dict) -> list[str]:
        """Take over the weights that fit by name and shape; returns the names of those that do not."""
        own = self.objective.state_dict()
        fitting = {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
        self.objective.load_state_dict({**own, **fitting})
        self.average.load_state_dict(self.objective.state_dict())
        return sorted(set(own) - set(fitting))

    def run(
        self, progress: Progress, processes: Processes = Processes(), report: Callable[[dict], None] = lambda row: None
    ):
        """Train until the last epoch, the time limit or a cancel; returns the state, saved at the end of every epoch."""
        options, state = self.options, self.state
        if options.groups_per_step % processes.world:
            raise InputError(
                f"{options.groups_per_step} groups per step cannot be shared evenly by {processes.world} processes."
            )
        start, longest = time.monotonic(), 0.0
        while state.epoch < options.epochs:
            begin = time.monotonic()
            if processes.agree(longest > 0 and begin - start + longest > 60 * options.max_minutes):
                break
            self.begin_epoch(state.epoch)
            row = self._epoch(progress, processes)
            if processes.leads:
                row |= self.validate(self.average)
            longest = max(longest, time.monotonic() - begin)
            state.epoch += 1
            state.seconds += time.monotonic() - begin
            row = {"epoch": state.epoch, "minutes": round(state.seconds / 60, 2)} | row
            state.log.append(row)
            if processes.leads:
                self._store(row)
                report(row)
        return state

    def _epoch(self, progress: Progress, processes: Processes) -> dict[str, float]:
        options = self.options
        groups = self._groups(self.state.epoch)
        steps = len(groups) // options.groups_per_step
        sums: dict[str, float] = {}
        self.objective.train()
        for step in range(steps):
            overall = self.state.epoch * steps + step
            progress.report(overall / (options.epochs * steps), f"epoch {self.state.epoch + 1} of {options.epochs}")
            rate = options.learning_rate * self.rate(overall, options.epochs * steps)
            for parameter_group in self.optimizer.param_groups:
                parameter_group["lr"] = rate
            self.optimizer.zero_grad(set_to_none=True)
            for share in range(processes.rank, options.groups_per_step, processes.world):
                number = step * options.groups_per_step + share
                loss, terms = self._group(groups[number], number)
                (loss / options.groups_per_step).backward()
                for name, value in terms.items():
                    sums[name] = sums.get(name, 0.0) + value * processes.world / (steps * options.groups_per_step)
            parameters = [parameter for parameter in self.objective.parameters() if parameter.requires_grad]
            processes.sum_gradients(parameters)
            nn.utils.clip_grad_norm_(parameters, options.clip)
            self.optimizer.step()
            self._follow(overall)
        return {name: round(value, 5) for name, value in sums.items()} | {"learning_rate": float(f"{rate:.4g}")}

    def _group(self, indices: list[int], number: int) -> tuple[Tensor, dict[str, float]]:
        options = self.options
        generator = torch.Generator().manual_seed(hash((options.seed, self.state.epoch, number)) % 2**63)
        device = torch.device(options.device).type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=options.mixed_precision):
            return self.group_loss(self.objective, indices, generator)

    def _groups(self, epoch: int) -> list[list[int]]:
        """Random groups that cover the cases once, as far as whole steps go."""
        options = self.options
        size = min(options.group_size, self.cases)
        generator = torch.Generator().manual_seed(hash((options.seed, epoch)) % 2**63)
        order = torch.randperm(self.cases, generator=generator).tolist()
        per_step = size * options.groups_per_step
        missing = -len(order) % per_step
        while missing > 0:  # small sets are filled up with a second draw
            order += torch.randperm(self.cases, generator=generator).tolist()[:missing]
            missing = -len(order) % per_step
        groups = [order[first : first + size] for first in range(0, len(order), size)]
        return [_distinct(group, self.cases) for group in groups]

    def _rate(self, step: int, steps: int) -> float:
        """Linear rise, then half a cosine down to one hundredth."""
        if step < self.options.warmup:
            return (step + 1) / self.options.warmup
        share = (step - self.options.warmup) / max(1, steps - self.options.warmup)
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))

    def _follow(self, step: int) -> None:
        """Move the average towards the weights, faster in the beginning."""
        decay = min(self.options.averaging, (step + 1) / (step + 10))
        with torch.no_grad():
            for mean, value in zip(self.average.parameters(), self.objective.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)
            # Running statistics, which are averages themselves.
            for mean, value in zip(self.average.buffers(), self.objective.buffers(), strict=True):
                mean.copy_(value)

    def _store(self, row: dict[str, float]) -> None:
        state = self.state
        state.weights = self.objective.state_dict()
        state.average = self.average.state_dict()
        state.optimizer = self.optimizer.state_dict()
        score = row.get("score", -row.get("loss", 0.0))
        if score > state.best_score:
            state.best_score = score
            state.best_weights = copy.deepcopy(state.average)
        state.save(self.checkpoint)


def _differing(one: dict, other: dict) -> list[str]:
    """Names of the settings in which two configurations differ, also of those within a part of both."""
    names: list[str] = []
    for key in sorted({*one, *other}):
        mine, theirs = one.get(key), other.get(key)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            names += _differing(mine, theirs)
        elif mine != theirs:
            names.append(key)
    return names


def _distinct(group: list[int], cases: int) -> list[int]:
    """The group with repeated cases replaced by their successors, so that nothing is registered to itself."""
    seen: set[int] = set()
    for position, case in enumerate(group):
        while case in seen:
            case = (case + 1) % cases
        seen.add(case)
        group[position] = case
    return group
