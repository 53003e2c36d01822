"""What a person has chosen in the section Train, as the words of the training command."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.files import make_folder
from DeformationSceneLib.training_choices import FurtherOptions, chosen_folder, common_choices, common_words

COMMAND = "MotionModelTrain"

OWN_OPTIONS = {
    "--images", "--output", "--prior", "--name", "--purpose", "--epochs", "--max-minutes", "--device",
    "--mixed-precision", "--resume", "--stop-file",
}  # fmt: skip
"""Options of the command that the panel has fields for."""

_LOOKED_AT = {"--validation-rule": "rule", "--split-file": "split_file"}
"""Further options that change what the summary says, and what `summarize_series` calls them."""

_LEVELS = 3
"""Halvings of the grid, the command's default."""

_AS_BUNDLED = shlex.split("--latent 64 --smoothing 5 --finest 1 --overlap-weight 2 --folding-weight 1 --sub-sequence 8")
"""How models are trained unless the further options say otherwise: as the bundled ones were."""


@dataclass(frozen=True)
class TrainingChoices:
    """The fields of the section Train; folders that were not chosen are None.

    Attributes:
        images: of the cine series.
        kind: "slices" or "volumes" over time, or "fingerprint", which is of volumes.
        minutes: after which the training stops; 0 for no limit.
        further: options of the command beyond those of the panel.
    """

    images: Path | None
    output: Path | None
    kind: str
    name: str
    purpose: str
    epochs: int
    minutes: int
    device: str
    mixed_precision: bool
    further: FurtherOptions

    @classmethod
    def of(cls, parameters) -> TrainingChoices:
        """Read the parameter node. Raises `InputError` for further options that the panel has a field for."""
        return cls(
            images=chosen_folder(parameters.trainCine),
            minutes=parameters.trainMinutes,
            **common_choices(parameters, OWN_OPTIONS),
        )

    @property
    def looked_at(self) -> tuple:
        """All that the summary depends on."""
        return self.images, self.kind, self.further

    def summary(self, progress):
        """What a training would find, a `SeriesSummary`, by the headers of the files.

        Raises `InputError` when a training would be refused. Takes a while: call it beside the window.
        """
        from dataclasses import replace

        from LatentRegistrationLib.series_files import summarize_series

        further = self.further
        found = {name: text for option, name in _LOOKED_AT.items() if (text := further.value(option))}
        summary = summarize_series(
            self.images,
            levels=len(further.numbers("--widths", int)) or _LEVELS,
            size=further.numbers("--grid", int),
            spacings=further.numbers("--spacings", float),
            frame=further.value("--frame") or "image",
            progress=progress,
            **found,
        )
        grid = summary.grid
        if self.kind == "slices" and grid.dimension == 3:
            grid = replace(grid, size=grid.size[1:], spacing=grid.spacing[1:])
        return replace(summary, grid=grid)

    def options(self, resume: bool) -> list[str]:
        """Words of the command. Raises `InputError` for folders that cannot be read or written."""
        from DeformationLib.case_files import suggested_rule
        from DeformationLib.cine_cases import find_cine_cases

        if self.images is None:
            raise InputError(_("Choose the folder of the series to train on."))
        if self.output is None:
            raise InputError(_("Choose a folder for what the training writes."))
        cases = find_cine_cases(self.images)
        make_folder(self.output)
        words = ["--images", str(self.images), "--output", str(self.output), *_AS_BUNDLED]
        words += ["--prior", "unit" if self.kind == "fingerprint" else "gaussian-process"]
        if not self.further.value("--grid"):
            words += self._grid_words()
        words += common_words(self)
        if self.minutes:
            words += ["--max-minutes", str(self.minutes)]
        words += ["--validation-rule", suggested_rule(len(cases)), *self.further.words]
        flags = {"--mixed-precision": self.mixed_precision, "--resume": resume}
        return words + [flag for flag, wanted in flags.items() if wanted]

    def _grid_words(self) -> list[str]:
        """The grid of the summary, whose number of lengths says whether slices or volumes are tracked."""
        grid = self.summary(None).grid
        lengths = (",".join(f"{value:g}" for value in values) for values in (grid.size, grid.spacing))
        return [word for pair in zip(("--grid", "--spacings"), lengths, strict=True) for word in pair]
