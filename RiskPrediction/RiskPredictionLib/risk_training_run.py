"""A training run of a risk model, in stages that are kept: fingerprints, model, cross-validation."""

from __future__ import annotations

import csv
import hashlib
import json
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from DeformationLib.errors import Cancelled, InputError
from DeformationLib.files import atomic_path, make_folder, write_json
from DeformationLib.progress import Progress

from .cohort import Cohort
from .cohort_table import read_cohort
from .evaluation import Evaluation, evaluate, table_rows
from .fingerprint_extraction import FINGERPRINT_MODEL, MotionFingerprints, extract
from .fingerprint_files import table_origin
from .hyper_search import HyperSearch
from .report import RESEARCH_USE, write_report
from .risk_bundle import TrainedRisk
from .risk_model import RiskModel
from .risk_request import RiskTrainingRequest
from .survival_model import FingerprintCox
from .survival_training import SurvivalHistory
from .tuning_checkpoint import TuningCheckpoint

CHECKPOINT, TUNING, FINGERPRINTS, MODEL, REPORT = (
    "checkpoint.json",
    "checkpoint.pt",
    "fingerprints.npz",
    "model",
    "report",
)


class RiskTrainingRun:
    """Reads a request's cohort, extracts what fingerprints are missing, trains, writes a bundle, and cross-validates.

    Every stage that has ended stays in the output folder, where ``resume`` finds it: the fingerprint of each case, the
    model, and the figures of the cross-validation, which are written onto the model's card. A stage that was
    interrupted starts again, except that the fine-tuning of a motion encoder goes on after its last epoch.

    >>> RiskTrainingRun(RiskTrainingRequest(Path("cohort.csv"), Path("output"), Path("fingerprints.npz"))).train()
    """

    def __init__(
        self, request: RiskTrainingRequest, progress: Progress | None = None, say: Callable[[str], None] = print
    ) -> None:
        self.request, self.progress, self._say = request, progress or Progress(), say
        self.folder = make_folder(request.output)
        self._start = time.monotonic()
        self._forget = not request.resume
        self.motion_name, self.slices = request.motion_model, None

    def train(self) -> Path:
        """Train; returns the folder of the model.

        Where the time limit ends the run it returns as well, and what was reached stays in the output folder.

        Raises:
            InputError: for a cohort or settings that cannot be used, and a checkpoint that is missing or of another run.
            Cancelled: through the progress; ``resume`` goes on.
        """
        limited = _TimeLimit(self.progress, self._start, self.request.max_minutes)
        try:
            self._stages(limited.progress)
        except Cancelled:
            if not limited.reached:
                raise
            self._log(f"stopped after {self.request.max_minutes:g} minutes; --resume goes on")
        return self.folder / MODEL

    def _stages(self, progress: Progress) -> None:
        request = self.request
        cohort = self._cohort(progress.part(0.0, 0.3))
        self._log(str(cohort))
        done = self._checkpoint(cohort)
        sequences = self._sequences(cohort, progress.part(0.3, 0.35)) if request.tuning else None
        if "minutes" not in done:
            begin = time.monotonic()
            trained = self._fit(cohort, sequences, progress.part(0.35, 0.6))
            done["minutes"] = round((time.monotonic() - begin) / 60, 2)
            self._save(trained, done, sequences)
            (self.folder / TUNING).unlink(missing_ok=True)
        trained = TrainedRisk.load(self.folder / MODEL)
        self._log(f"concordance of held-out cases {trained.cohort['held_out_concordance']:.3f}")
        if request.cross_validation and "accuracy" not in done:
            evaluation = self._evaluate(cohort, sequences, progress.part(0.6, 0.95))
            done["accuracy"] = figures(evaluation)
            write_report(evaluation, self.folder / REPORT, request.name)
            self._log(str(evaluation))
            self._save(trained, done, None)
        self._log(f"{RESEARCH_USE}\nwrote {self.folder / MODEL}")
        progress.report(1.0, "Trained")

    def _cohort(self, progress: Progress) -> Cohort:
        """The cases that have fingerprints."""
        request = self.request
        cohort = read_cohort(request.cohort, request.fingerprints)
        if request.fingerprints:
            name, self.slices = table_origin(request.fingerprints)
            self.motion_name = self.motion_name or name
        if cohort.fingerprints is not None and not request.tuning:
            return cohort
        if not any(cohort.cine):
            needed = (
                "cine series (a column cine)" if request.tuning else "fingerprints (--fingerprints, or a column cine)"
            )
            raise InputError(f"{request.cohort.name} names no series to learn from: add {needed}.")
        source = MotionFingerprints(request.motion_model or FINGERPRINT_MODEL, request.slices, request.model.device)
        self.motion_name, self.slices = source.name, source.slices
        found = extract(cohort, source, request.processes, progress, self.folder / FINGERPRINTS)
        found.write(self.folder)
        self._log(str(found))
        kept = [row for row, case in enumerate(cohort.cases) if case in found.fingerprints]
        # Single precision, as the file keeps them, so that a resumed run goes on with the same numbers.
        fingerprints = {case: value.astype(np.float32) for case, value in found.fingerprints.items()}
        return cohort.subset(kept).with_fingerprints(fingerprints)

    def _checkpoint(self, cohort: Cohort) -> dict[str, Any]:
        """Which stages were done by an earlier run that is resumed."""
        path, own = self.folder / CHECKPOINT, self._configuration(cohort)
        if not self.request.resume:
            done = {"configuration": own}
            write_json(done, path)
            return done
        if not path.is_file():
            raise InputError(f"There is no checkpoint to resume from: {path} does not exist.")
        try:
            done = json.loads(path.read_text(encoding="utf-8"))
            before = done["configuration"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is no checkpoint of this program, or damaged: start without --resume.") from error
        differing = sorted(name for name in {*own, *before} if own.get(name) != before.get(name))
        if differing:
            raise InputError(
                f"{path} was trained with another configuration ({', '.join(differing)} differ): "
                "resume with the same settings, or start in another output folder."
            )
        self._log(f"resumed after {', '.join(name for name in ('minutes', 'accuracy') if name in done) or 'nothing'}")
        return done

    def _configuration(self, cohort: Cohort) -> dict[str, Any]:
        """What identifies the run, as JSON gives it back."""
        request = self.request
        data = hashlib.sha256()
        for part in (cohort.time, cohort.event, cohort.clinical, cohort.fingerprints):
            data.update(np.ascontiguousarray(part).tobytes())
        settings = {name: value for name, value in request.model.get_params().items() if name != "device"}
        return {
            "cohort": data.hexdigest(),
            **{name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()},
            "search": request.search,
            "tuning": vars(request.tuning) if request.tuning else None,
            "cross_validation": request.cross_validation,
        }

    def _sequences(self, cohort: Cohort, progress: Progress) -> Any:
        from MotionModelLib.motion_model import MotionModel

        from .end_to_end_cases import load_case_sequences

        model = MotionModel.load(self.request.motion_model or FINGERPRINT_MODEL, self.request.model.device)
        return load_case_sequences(cohort, model, self.request.slices, progress)

    def _model(self, sequences: Any) -> RiskModel:
        request = self.request
        if sequences is not None:
            from .end_to_end import EndToEndCox

            return EndToEndCox(sequences, request.model, request.tuning, request.seed)
        if request.search:
            return HyperSearch(request.model, trials=request.search, method="evolution", seed=request.seed)
        return request.model

    def _fit(self, cohort: Cohort, sequences: Any, progress: Progress) -> TrainedRisk:
        model = self._model(sequences)
        inputs = cohort.flat_fingerprints() if sequences is None else np.arange(len(cohort))[:, None]
        if sequences is None:
            model.fit(inputs, cohort.time, cohort.event, progress)
        else:
            checkpoint = TuningCheckpoint(self.folder / TUNING, self.request.resume)
            model.fit(inputs, cohort.time, cohort.event, progress, checkpoint)
        if sequences is not None:
            self._tuned = model.motion_network_
            fingerprints = model.fingerprints(inputs)
            fitted: FingerprintCox = model.survival_
            self._write_log(model.tuning_log_)
        else:
            fingerprints, fitted = cohort.fingerprints, getattr(model, "best_model_", model)
            self._write_log(log_rows(fitted.history_))
        name = self.request.name
        motion = self.motion_name if sequences is None else f"{name}-motion"
        outcomes = cohort.time, cohort.event, cohort.simulated
        names = {"name": name, "motion_model": motion, "slices": self.slices}
        return TrainedRisk.of(fitted, fingerprints, *outcomes, **names)

    def _evaluate(self, cohort: Cohort, sequences: Any, progress: Progress) -> Evaluation:
        from .cross_validation import Row

        request = self.request
        base = request.model if sequences is not None else self._model(None)
        rows = table_rows(cohort, base)
        if sequences is not None:
            rows.append(Row(END_TO_END, np.arange(len(cohort))[:, None], self._model(sequences)))
        return evaluate(cohort, rows, request.cross_validation, request.seed, None, request.resamplings, progress)

    def _save(self, trained: TrainedRisk, done: dict[str, Any], sequences: Any) -> None:
        """Write the model with all that is known by now, then the checkpoint."""
        request = self.request
        card: dict[str, Any] = {
            "training": {
                **trained.cohort,
                "data": request.data,
                "licence": request.licence,
                "command": request.command,
                "seed": request.seed,
                "minutes": done["minutes"],
                "device": request.model.device,
                "end_to_end": request.tuning is not None,
                "date": date.today().isoformat(),
            },
            "accuracy": {
                "held_out_concordance": trained.cohort["held_out_concordance"],
                **({"cross_validation": done["accuracy"]} if "accuracy" in done else {}),
            },
        }
        if request.purpose:
            card["purpose"] = request.purpose
        folder = trained.save(self.folder / MODEL, card)
        if sequences is not None:
            from .end_to_end import save_motion_model

            outcomes = trained.cohort["outcomes"]
            save_motion_model(folder, sequences, self._tuned, trained.motion_model, outcomes, request.command)
        write_json(done, self.folder / CHECKPOINT)

    def _write_log(self, rows: list[dict[str, float]]) -> None:
        with atomic_path(self.folder / "log.csv") as temporary, open(temporary, "w", newline="") as file:
            table = csv.DictWriter(file, list(rows[-1]))
            table.writeheader()
            table.writerows(rows)

    def _log(self, line: str) -> None:
        self._say(line)
        with open(self.folder / "log.txt", "w" if self._forget else "a", encoding="utf-8") as file:
            print(line, file=file)
        self._forget = False


END_TO_END = "Fingerprint, end to end"


class _TimeLimit:
    """A progress that is cancelled when the time is over, and remembers that this was why."""

    def __init__(self, progress: Progress, start: float, minutes: float):
        self._outer, self._end, self.reached = progress, start + 60 * minutes if minutes else np.inf, False
        self.progress = Progress(self._report)

    def _report(self, fraction: float, message: str) -> None:
        self._outer.report(fraction, message)
        if time.monotonic() >= self._end:
            self.reached = True
            self.progress.cancel()


def log_rows(history: SurvivalHistory) -> list[dict[str, float]]:
    """Losses by epoch, the mean over the members of the ensemble, as rows of a table."""
    parts = zip(history.risk, history.reconstruction, history.held_out, strict=True)
    return [
        {
            "epoch": epoch,
            "risk": round(float(np.mean(risk)), 5),
            "reconstruction": round(float(np.mean(reconstruction)), 5),
            "held_out": round(float(np.mean(held_out)), 5),
        }
        for epoch, (risk, reconstruction, held_out) in enumerate(parts, start=1)
    ]


def figures(evaluation: Evaluation) -> dict[str, Any]:
    """What a card says of a cross-validation: the rows of table 6.1."""
    return {
        "script": "RiskPredictionTrain (stratified cross-validation)",
        "date": date.today().isoformat(),
        "folds": len(evaluation.folds),
        "cases": len(evaluation.cohort),
        "rows": {
            row.name: {
                "concordance": _rounded(row.concordance.value, row.concordance.lower, row.concordance.upper),
                "hazard_ratio": _rounded(row.ratio.value, row.ratio.lower, row.ratio.upper),
                "p": _rounded(row.ratio.p)[0],
                "logrank_p": _rounded(row.logrank)[0],
                "integrated_brier_score": _rounded(row.integrated_brier)[0],
            }
            for row in evaluation.rows
        },
    }


def _rounded(*values: float) -> list[float | None]:
    """With four digits; None, as JSON has no other word for it, for what could not be computed."""
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]
