"""What a user decides about the training of a risk model, and how the training command's options say it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

from DeformationLib.devices import checked_device
from DeformationLib.errors import InputError
from DeformationLib.training_command import check_shares, chosen, numbers

from .end_to_end import TuningSchedule
from .fingerprint_extraction import SLICES
from .survival_model import FingerprintCox


@dataclass(frozen=True)
class RiskTrainingRequest:
    """All that is decided about a training run of a risk model.

    Attributes:
        cohort: table of cases, see `cohort_table.read_cohort`.
        output: folder of checkpoint, logs, report and model.
        fingerprints: table of fingerprints; None for those that the cohort names, or its cine series.
        motion_model: name or folder of the model that fingerprints come from; empty for what the table of fingerprints
            says, or `fingerprint_extraction.FINGERPRINT_MODEL`.
        slices: of a stack, that fingerprints are the mean of; 0 for all.
        processes: of the extraction.
        model: with its settings, not fitted.
        search: so many settings are tried, none for 0.
        tuning: of the motion encoder; None to leave it as it is.
        cross_validation: folds of the evaluation, none for 0.
        resamplings: of its bootstrap.
        max_minutes: wall-clock limit of this run; 0 for none.
        seed: of every random draw.
        resume: go on from the checkpoint in the output folder.
        name, purpose, data, licence, command: for the model's card.
    """

    cohort: Path
    output: Path
    fingerprints: Path | None = None
    motion_model: str = ""
    slices: int = SLICES
    processes: int = 1
    model: FingerprintCox = field(default_factory=FingerprintCox)
    search: int = 0
    tuning: TuningSchedule | None = None
    cross_validation: int = 6
    resamplings: int = 1000
    max_minutes: float = 0.0
    seed: int = 0
    resume: bool = False
    name: str = "model"
    purpose: str = ""
    data: str = ""
    licence: str = ""
    command: str = ""


def request_from_options(options: argparse.Namespace, command: str) -> RiskTrainingRequest:
    """The request that a command line describes; raises `InputError` for options that do not fit each other."""
    check_shares(options, ("dropout",))
    if options.cross_validation == 1:
        raise InputError("--cross-validation needs at least two folds, or 0 for none.")
    if options.end_to_end and options.fingerprints:
        raise InputError("--end-to-end learns from cine series: leave out --fingerprints, or --end-to-end.")
    if options.end_to_end and options.search:
        raise InputError("--search is for fingerprints that stay as they are: leave out --search, or --end-to-end.")
    widths = numbers(options, "widths")
    if not widths or min(widths) < 1:
        raise InputError(f"--widths takes numbers of at least 1 with commas between them, not '{options.widths}'.")
    device = str(checked_device(options.device))
    settings = {name: getattr(options, name) for name in FingerprintCox().get_params() if hasattr(options, name)}
    tuning = TuningSchedule(
        epochs=options.motion_epochs,
        learning_rate=options.motion_learning_rate,
        batch_size=options.motion_batch_size,
        folds=options.motion_folds,
        motion_weight=options.motion_weight,
        compared=options.compared_frames,
    )
    return chosen(
        options,
        RiskTrainingRequest,
        cohort=Path(options.cohort),
        output=Path(options.output),
        fingerprints=Path(options.fingerprints) if options.fingerprints else None,
        model=FingerprintCox(**{**settings, "widths": widths, "device": device}),
        tuning=tuning if options.end_to_end else None,
        data=options.data_name,
        command=command,
    )
