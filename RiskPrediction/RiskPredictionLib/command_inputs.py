"""Where the commands have their fingerprints from: tables and files of them, or series that they are extracted from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from DeformationLib.errors import InputError
from DeformationLib.progress import console_progress

if TYPE_CHECKING:
    import numpy as np

    from .cohort import Cohort
    from .extraction_cases import ExtractionCase
    from .fingerprint_extraction import Extraction, MotionFingerprints
    from .risk_bundle import TrainedRisk


def cohort_with_fingerprints(arguments: argparse.Namespace) -> tuple[Cohort, dict[str, Any]]:
    """The cohort of ``fit`` and ``evaluate``, and where its fingerprints come from, as `TrainedRisk` keeps it.

    Fingerprints come from the table in ``--fingerprints``, the cohort's column fingerprint, or its column cine: then they
    are extracted, cases that fail are left out, and fingerprints.npz and failures.csv go to the folder of the results.
    """
    from .cohort_table import read_cohort
    from .fingerprint_files import table_origin

    cohort = read_cohort(arguments.cohort, arguments.fingerprints)
    model, slices = table_origin(arguments.fingerprints) if arguments.fingerprints else ("", None)
    if cohort.fingerprints is None and any(cohort.cine):
        extraction = extract_cases(cohort, arguments)
        cohort = _extracted_part(cohort, extraction)
        model, slices = extraction.model, extraction.slices
    named = arguments.motion_model or ""
    return cohort, {"motion_model": model or named, "slices": arguments.slices if slices is None else slices}


def extract_cases(
    cases: Cohort | str | list[ExtractionCase], arguments: argparse.Namespace, keep: bool = True
) -> Extraction:
    """Extract with the options of the command line and say what came of it; ``keep`` writes it to ``--output``."""
    from .fingerprint_extraction import FINGERPRINT_MODEL, extract

    source = _source(arguments.motion_model or FINGERPRINT_MODEL, arguments.slices, arguments.device)
    cache = Path(arguments.output) / "fingerprints.npz" if keep else None
    extraction = extract(cases, source, arguments.processes, console_progress("Extracting"), cache)
    if keep:
        extraction.write(arguments.output)
    if keep or extraction.failures:
        print(extraction)
    return extraction


def patient_fingerprints(trained: TrainedRisk, arguments: argparse.Namespace) -> dict[str, np.ndarray]:
    """Fingerprints of ``predict`` by case, from ``--cine`` by the motion model that the risk model was trained with."""
    if arguments.fingerprints:
        return _fingerprints(arguments.fingerprints, trained)
    name = arguments.motion_model or trained.motion_source
    if not name:
        raise InputError(
            f"The risk model {trained.name} does not say which motion model its fingerprints came from: "
            "name it with --motion-model."
        )
    slices = trained.slices if arguments.slices is None else arguments.slices
    source = _source(name, slices, arguments.device)
    check_same_model(source.name, trained)
    arguments = argparse.Namespace(**{**vars(arguments), "motion_model": name, "slices": slices})
    return extract_cases(cine_cases(arguments), arguments, keep=False).fingerprints


def check_same_model(name: str, trained: TrainedRisk) -> None:
    """Raise `InputError` where fingerprints come from another motion model than those of the training cohort."""
    if name and trained.motion_model and name != trained.motion_model:
        raise InputError(
            f"The fingerprints come from the motion model {name}, but the risk model {trained.name} was trained with "
            f"those of {trained.motion_model}: extract them with that."
        )


def cine_cases(arguments: argparse.Namespace) -> list[ExtractionCase]:
    """The series that ``--cine`` names."""
    from .extraction_cases import ExtractionCase, case_name

    paths = [Path(path) for path in arguments.cine]
    if arguments.mask and len(paths) > 1:
        raise InputError("--mask belongs to one series: give one --cine, or a cohort's table with a column mask.")
    mask = Path(arguments.mask) if arguments.mask else None
    names = [case_name(path) for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    return [ExtractionCase(name, path, 0, arguments.ed_frame, mask) for name, path in zip(names, paths)]


def _source(model: str, slices: int | None, device: str) -> MotionFingerprints:
    from .fingerprint_extraction import SLICES, MotionFingerprints

    return MotionFingerprints(model, SLICES if slices is None else slices, device)


def _extracted_part(cohort: Cohort, extraction: Extraction) -> Cohort:
    """The cases that have a fingerprint; raises `InputError` where too few outcomes are left."""
    there = [number for number, case in enumerate(cohort.cases) if case in extraction.fingerprints]
    part = cohort.subset(there)
    if part.event.all() or not part.event.any():
        which = "all have an event" if part.event.all() else "none has an event"
        raise InputError(f"Of the {len(part)} cases that could be extracted {which}. {extraction}")
    return part.with_fingerprints(extraction.fingerprints)


def _fingerprints(paths: list[str], trained: TrainedRisk) -> dict[str, np.ndarray]:
    """Fingerprints by case from files of one case and from tables."""
    from .extraction_cases import case_name
    from .fingerprint_files import read_fingerprint, read_fingerprint_table, table_origin

    found = {}
    for path in map(Path, paths):
        if _is_table(path):
            check_same_model(table_origin(path)[0], trained)
            found.update(read_fingerprint_table(path))
        else:
            # Tracking names its file alike for every case; the folder tells them apart.
            found[case_name(path)] = read_fingerprint(path)
    return found


def _is_table(path: Path) -> bool:
    """Whether a file holds many cases; a motion matrix, also a CSV, holds one."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return path.suffix.lower() == ".npz"
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        return file.readline().startswith("case,")
