"""From cine series to motion fingerprints: resampled in time, encoded by a motion model, one matrix per case."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from DeformationLib.catalogue import WEIGHTS, file_hash, find_bundle, read_card
from DeformationLib.cine_cases import check_frame
from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path, make_folder
from DeformationLib.image import Image
from DeformationLib.progress import Progress
from MotionModelLib.motion_model import MotionModel

from .cohort import Cohort
from .extraction_cases import ExtractionCase, cases_of
from .fingerprint_files import FingerprintSource, read_fingerprint_table, table_states, write_fingerprint_table
from .process_pool import PoolError, TaskFailure, attempt, run_in_processes
from .time_resampling import resample_in_time

FINGERPRINT_MODEL = "fingerprint"
"""The motion model that fingerprints come from unless another is named."""

SLICES = 3
"""Slices in the middle of a stack whose matrices are averaged, for planar models.

The thesis has one slice per patient. Of stacks, the middle slices show the left ventricle in every patient, where the
outer ones may lie beyond it. Three say more than one about how the heart moves, more than three no more;
`Testing/Reproduction/risk_acdc.py --parts slices` measures it.
"""

SHOWN = 5
"""Failures that a sentence names."""


class MotionFingerprints:
    """A `FingerprintSource`: the motion matrix that a motion model sees in a series.

    Series are resampled in time to T + 1 frames, so that every column of the matrix has been seen; spacing, orientation
    and intensities are brought to the model's by the model.

    >>> MotionFingerprints("fingerprint").fingerprint(frames).shape
    (64, 25)

    Args:
        model: name of a motion model, its folder, or the model.
        slices: of a stack, as `SLICES` describes; 0 for all.
        device: auto, cpu, cuda or cuda:N; for models that are named.

    Raises:
        InputError: for a model that is not there or of another kind, and fewer than 0 slices.
    """

    def __init__(
        self, model: MotionModel | str | os.PathLike = FINGERPRINT_MODEL, slices: int = SLICES, device: str = "auto"
    ):
        if slices < 0:
            raise InputError(f"The number of slices must be 1 or more, or 0 for all, not {slices}.")
        self.slices, self._device = slices, device
        self._model = model if isinstance(model, MotionModel) else None
        self._folder = None if self._model else find_bundle(model)
        self.name = self._model.name if self._model else str(read_card(self._folder).get("name", self._folder.name))

    @property
    def model(self) -> MotionModel:
        """The motion model, loaded when it is first asked for."""
        if self._model is None:
            self._model = MotionModel.load(self._folder, self._device)
        return self._model

    @property
    def identity(self) -> str:
        """A text that changes with whatever changes fingerprints: model, weights, slices."""
        weights = file_hash(self._folder / WEIGHTS)[:16] if self._folder else "in memory"
        return f"{self.name}, {weights}, {self.slices} slices"

    def fingerprint(
        self,
        frames: Sequence[Image],
        mask: Image | None = None,
        reference: int = 0,
        progress: Progress | None = None,
    ) -> np.ndarray:
        """The fingerprint ``(D, T)`` of a series.

        Args:
            frames: two or more images on one grid, in the order of time.
            mask: where the heart is in the reference frame, on any grid; the model looks around its middle.
            reference: the frame that motion starts from, end-diastole.
            progress: reports and cancels.

        Raises:
            InputError: for series and masks that cannot be used, see `time_resampling.resample_in_time` and
                `MotionModelLib.sequence_view.look_at`.
            Cancelled: through ``progress``.
        """
        matrices = self.matrices(frames, mask, reference, progress)
        return matrices[middle_slices(len(matrices), self.slices)].mean(axis=0)

    def matrices(
        self,
        frames: Sequence[Image],
        mask: Image | None = None,
        reference: int = 0,
        progress: Progress | None = None,
    ) -> np.ndarray:
        """Motion matrices ``(S, D, T)`` of all slices of a stack, S = 1 for volumes; arguments as in `fingerprint`."""
        progress = progress or Progress()
        progress.report(0.0, "Resampling in time")
        frames = resample_in_time(frames, self.model.slots + 1, reference, self.model.periodic)
        return self.model.encode(frames, mask=mask, progress=progress.part(0.2, 1.0)).mean

    def __getstate__(self) -> dict:
        # A model that has a folder is read again where the copy is used: weights need not travel between processes.
        return {**self.__dict__, "_model": None if self._folder else self._model}


def middle_slices(count: int, wanted: int) -> slice:
    """The ``wanted`` slices in the middle of a stack of ``count``; all of them if there are fewer, or for 0."""
    if not 0 < wanted < count:
        return slice(0, count)
    start = (count - wanted) // 2
    return slice(start, start + wanted)


@dataclass(frozen=True)
class Failure:
    """A case without a fingerprint.

    Attributes:
        case: its name.
        row: of the cohort's table, as a spreadsheet counts; 0 without a table.
        path: of its series; empty for images in memory.
        reason: a sentence.
    """

    case: str
    row: int
    path: str
    reason: str

    def __str__(self) -> str:
        place = f"Row {self.row}, case '{self.case}'" if self.row else f"Case '{self.case}'"
        return f"{place}: {self.reason}"


@dataclass(eq=False)
class Extraction:
    """What came of the series of a cohort.

    Attributes:
        fingerprints: ``(D, T)`` by name of the case, in the order of the cohort.
        failures: cases without one.
        model: name of the motion model.
        slices: of a stack, that were averaged; see `SLICES`.
        kept: how many fingerprints came from the file that ``extract`` was given as cache.
        states: of model and files, by case; as the cache compares them.
    """

    fingerprints: dict[str, np.ndarray]
    failures: list[Failure]
    model: str
    slices: int = SLICES
    kept: int = 0
    states: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        count = len(self.fingerprints) + len(self.failures)
        text = f"{len(self.fingerprints)} of {count} cases extracted"
        if not self.failures:
            return text
        shown = "; ".join(str(failure).rstrip(".") for failure in self.failures[:SHOWN])
        more = f"; ... and {len(self.failures) - SHOWN} more" if len(self.failures) > SHOWN else ""
        return f"{text}; {len(self.failures)} failed: {shown}{more}"

    def write(self, folder: str | os.PathLike) -> Path:
        """Write fingerprints.npz and failures.csv, which is empty but for its header where all went well; returns ``folder``.

        Raises `InputError` for a folder that cannot be written into.
        """
        folder = make_folder(folder)
        write_extraction(folder / "fingerprints.npz", self)
        with (
            atomic_path(folder / "failures.csv") as temporary,
            open(temporary, "w", newline="", encoding="utf-8") as file,
        ):
            table = csv.writer(file)
            table.writerow(["case", "row", "path", "reason"])
            table.writerows([one.case, one.row or "", one.path, one.reason] for one in self.failures)
        return folder


def extract(
    cases: Cohort | str | os.PathLike | Mapping | Sequence[ExtractionCase],
    source: FingerprintSource | str | os.PathLike = FINGERPRINT_MODEL,
    processes: int = 1,
    progress: Progress | None = None,
    cache: str | os.PathLike | None = None,
    series: Mapping[str, Sequence[Image]] | None = None,
) -> Extraction:
    """Extract the fingerprints of many cases; one that fails is listed, and does not keep the others from theirs.

    Args:
        cases: a cohort or its table with a column cine, a mapping from names to files or frames, or cases.
        source: a motion model by name or folder, or what makes fingerprints.
        processes: that work side by side. With one, the work is done here. With several, images are read and encoded in
            processes of their own; where none can be started, here after all.
        progress: reports after every case and cancels, with several processes within a fraction of a second.
        cache: file of fingerprints (.npz). What it holds of the same model and unchanged files is not extracted again;
            what is new is added to it, also when the work is cancelled.
        series: frames by name, for cohorts whose column cine names series that are in memory.

    Raises:
        InputError: for a source or a table that cannot be used, and where no case could be extracted.
        Cancelled: through ``progress``.
    """
    if processes < 1:
        raise InputError(f"At least one process is needed, not {processes}.")
    progress, cases = progress or Progress(), cases_of(cases, series)
    source = MotionFingerprints(source) if isinstance(source, (str, os.PathLike)) else source
    identity = getattr(source, "identity", source.name)
    result = Extraction({}, [], source.name, getattr(source, "slices", 0))
    result.states = {case.name: f"{identity}; {case.state}" for case in cases if case.state and not case.problem}
    found: dict[int, np.ndarray | TaskFailure] = _kept(cases, result.states, cache)
    result.kept = len(found)
    try:
        for index, value in _extracted(cases, found, source, processes, progress):
            found[index] = value
            progress.report(len(found) / len(cases), f"Extracted {len(found)} of {len(cases)} cases")
    finally:
        _collect(result, cases, found)
        if cache is not None and len(result.fingerprints) > result.kept:
            write_extraction(cache, result)
    if not result.fingerprints:
        raise InputError(f"No fingerprint could be extracted. {result.failures[0]}")
    return result


def write_extraction(path: str | os.PathLike, extraction: Extraction) -> Path:
    """Write a table of fingerprints that says where they come from; `fingerprint_files` and `extract` read it."""
    cases = list(extraction.fingerprints)
    return write_fingerprint_table(
        path,
        cases,
        np.stack(list(extraction.fingerprints.values())) if cases else np.empty((0, 0, 0)),
        model=extraction.model,
        slices=extraction.slices,
        states=[extraction.states.get(case, "") for case in cases],
    )


@dataclass(frozen=True)
class _Extract:
    """One case's work, as it is sent to a process."""

    source: FingerprintSource

    def __call__(self, case: ExtractionCase, progress: Progress | None = None) -> np.ndarray:
        frames, mask = case.read()
        check_frame(case.ed_frame, len(frames), f"The end-diastolic frame {case.ed_frame}")
        options = {} if mask is None else {"mask": mask}
        if case.ed_frame:
            options["reference"] = case.ed_frame
        if isinstance(self.source, MotionFingerprints):
            options["progress"] = progress
        fingerprint = np.asarray(self.source.fingerprint(frames, **options))
        if not np.isfinite(fingerprint).all():
            raise InputError("The fingerprint holds values that are no numbers: check the images.")
        return fingerprint


def _extracted(
    cases: Sequence[ExtractionCase],
    found: Mapping[int, object],
    source: FingerprintSource,
    processes: int,
    progress: Progress,
) -> Iterator[tuple[int, np.ndarray | TaskFailure]]:
    """Fingerprints of the cases that are not found yet, by index."""
    waiting = [index for index in range(len(cases)) if index not in found]
    # A row that cannot be used needs no process.
    for index in [index for index in waiting if cases[index].problem]:
        waiting.remove(index)
        yield index, TaskFailure(cases[index].problem)
    work = _Extract(source)
    if processes > 1 and len(waiting) > 1:
        try:
            remaining = list(waiting)
            for number, value in run_in_processes(work, [cases[index] for index in remaining], processes, progress):
                waiting.remove(remaining[number])
                yield remaining[number], value
        except PoolError:
            pass  # what is still waiting is done here
    done = len(cases) - len(waiting)
    for number, index in enumerate(waiting):
        part = progress.part((done + number) / len(cases), (done + number + 1) / len(cases))
        part.report(0.0, f"Extracting {cases[index].name}")
        yield index, attempt(lambda case, part=part: work(case, part), cases[index])


def _kept(
    cases: Sequence[ExtractionCase], states: Mapping[str, str], cache: str | os.PathLike | None
) -> dict[int, np.ndarray]:
    """What a cache has of unchanged cases, by index; nothing where it cannot be read, as it can be made again."""
    if cache is None or not Path(cache).is_file():
        return {}
    try:
        table, old = read_fingerprint_table(cache), table_states(cache)
    except InputError:
        return {}
    same = {name for name in table if name in states and old.get(name) == states[name]}
    return {index: table[case.name] for index, case in enumerate(cases) if case.name in same and not case.problem}


def _collect(
    result: Extraction, cases: Sequence[ExtractionCase], found: Mapping[int, np.ndarray | TaskFailure]
) -> None:
    """Sort fingerprints and failures into the order of the cases; sizes must agree."""
    shape = None
    for index, case in enumerate(cases):
        value = found.get(index)
        if value is None:
            continue
        if not isinstance(value, TaskFailure) and shape not in (None, value.shape):
            value = TaskFailure(f"The fingerprint has the size {value.shape}, those before it {shape}.")
        if isinstance(value, TaskFailure):
            result.failures.append(Failure(case.name, case.row, case.path, value.reason))
        else:
            shape, result.fingerprints[case.name] = value.shape, value
