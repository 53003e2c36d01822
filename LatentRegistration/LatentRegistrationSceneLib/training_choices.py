"""What a person has chosen in the section Train, as the words of the training command."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.files import make_folder
from DeformationSceneLib.training_choices import FurtherOptions, chosen_folder, common_choices, common_words

COMMAND = "LatentRegistrationTrain"

OWN_OPTIONS = {
    "--images", "--labels", "--output", "--skips", "--name", "--purpose", "--epochs", "--device", "--mixed-precision",
    "--resume", "--stop-file", "--model",
}  # fmt: skip
"""Options of the command that the panel has fields for."""

_LOOKED_AT = {"--validation-rule": "rule", "--split-file": "split_file", "--spacing": "spacing"}
"""Further options that change what the summary says, and what `summarize_cases` and `summarize_series` call them."""

_OF_SERIES = shlex.split(
    "--frame image --flip 0.5 --through-plane 3 --smoothing 8 --likelihood-weight 10000 --reference-share 0.5 "
    "--learning-rate 5e-4 --pairs-per-case 8"
)
"""How a model of series is trained unless the further options say otherwise: as the bundled model of the heart was."""

_LEVELS = {"probabilistic": 3}
"""Halvings of the grid by kind, where the command's default is not four."""


@dataclass(frozen=True)
class TrainingChoices:
    """The fields of the section Train; folders that were not chosen are None.

    Attributes:
        kind: "explorable", "accurate" (with skip connections) or "probabilistic".
        further: options of the command beyond those of the panel.
    """

    images: Path | None
    labels: Path | None
    output: Path | None
    kind: str
    name: str
    purpose: str
    epochs: int
    device: str
    mixed_precision: bool
    further: FurtherOptions

    @classmethod
    def of(cls, parameters) -> TrainingChoices:
        """Read the parameter node. Raises `InputError` for further options that the panel has a field for."""
        return cls(
            images=chosen_folder(parameters.trainImages),
            labels=chosen_folder(parameters.trainLabels),
            **common_choices(parameters, OWN_OPTIONS),
        )

    @property
    def of_series(self) -> bool:
        """Whether frames of cine series are what a probabilistic model is trained on; looks into the folder."""
        from LatentRegistrationLib.series_files import is_series

        return self.kind == "probabilistic" and self.images is not None and is_series(self.images)

    def summary(self, progress):
        """What a training would find: a `SeriesSummary`, or a `CaseSummary`, by the headers of the files.

        Raises `InputError` when a training would be refused. Takes a while: call it beside the window.
        """
        from DeformationLib.case_files import summarize_cases
        from LatentRegistrationLib.series_files import summarize_series

        looked_at, grid = self._looked_at(), self.further.numbers("--grid", int)
        levels = len(self.further.numbers("--widths", int)) or _LEVELS.get(self.kind, 4)
        if self.of_series:
            given = [word for word in self.further.words if word.startswith("--frame")]
            frame = self.further.value("--frame") if given else "image"
            spacings = self.further.numbers("--spacings", float)
            return summarize_series(
                self.images, levels=levels, size=grid, spacings=spacings, frame=frame, progress=progress, **looked_at
            )
        summary = summarize_cases(self.images, self.labels, factor=2**levels, progress=progress, **looked_at)
        return replace(summary, size=grid or summary.size)

    @property
    def looked_at(self) -> tuple:
        """All that the summary depends on."""
        return self.images, self.labels, self.kind, self.further

    def _looked_at(self) -> dict[str, object]:
        """The further options that both kinds of summary take."""
        found: dict[str, object] = {}
        for option, name in _LOOKED_AT.items():
            text = self.further.value(option)
            if text:
                found[name] = text
        # What is wrong with an option, the command itself says.
        if "spacing" in found:
            try:
                found["spacing"] = float(found["spacing"])
            except ValueError:
                del found["spacing"]
        return found

    def options(self, resume: bool) -> list[str]:
        """Words of the command. Raises `InputError` for folders that cannot be read or written."""
        from DeformationLib.case_files import find_cases, suggested_rule
        from DeformationLib.cine_cases import find_cine_cases

        if self.images is None:
            raise InputError(_("Choose the folder of the images to train on."))
        if self.output is None:
            raise InputError(_("Choose a folder for what the training writes."))
        of_series = self.of_series
        cases = find_cine_cases(self.images) if of_series else find_cases(self.images, self.labels)
        make_folder(self.output)
        words = ["--images", str(self.images), "--output", str(self.output)]
        if self.kind == "probabilistic":
            words += ["--model", "probabilistic", *(_OF_SERIES if of_series else ())]
        if self.labels is not None and not of_series:  # series have their label maps beside them
            words += ["--labels", str(self.labels)]
        words += common_words(self)
        words += ["--validation-rule", suggested_rule(len(cases)), *self.further.words]
        flags = {"--skips": self.kind == "accurate", "--mixed-precision": self.mixed_precision, "--resume": resume}
        return words + [flag for flag, wanted in flags.items() if wanted]
