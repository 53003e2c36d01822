"""What a person has chosen in the section Train, as the words of the training command."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.files import make_folder
from DeformationSceneLib.training_choices import FurtherOptions, chosen_folder, common_choices, common_words

COMMAND = "AgentRegistrationTrain"

OWN_OPTIONS = {
    "--images", "--labels", "--output", "--name", "--purpose", "--epochs", "--device", "--mixed-precision", "--resume",
    "--stop-file",
}  # fmt: skip
"""Options of the command that the panel has fields for."""

_LOOKED_AT = {"--validation-rule": "rule", "--split-file": "split_file"}
"""Further options that change what the summary says, and what `summarize_cases` and `summarize_series` call them."""

_FACTOR = 8
"""Lengths of a grid that the command chooses are multiples of it."""


@dataclass(frozen=True)
class SliceSummary:
    """What a training on the middle slices of cine series would find.

    Attributes:
        training, validation: number of series on each side of the split.
        unusable: names of series without a label map of end-diastole.
    """

    training: int
    validation: int
    unusable: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainingChoices:
    """The fields of the section Train; folders that were not chosen are None.

    Attributes:
        kind: "volumes", images with label maps, or "slices", the middle slices of cine series at end-diastole.
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
    def looked_at(self) -> tuple:
        """All that the summary depends on."""
        return self.images, self.labels, self.kind, self.further

    def summary(self, progress):
        """What a training would find: a `SliceSummary`, or a `CaseSummary` by the headers of the files.

        Raises `InputError` when a training would be refused. Takes a while: call it beside the window.
        """
        from DeformationLib.case_files import summarize_cases

        given = {name: text for option, name in _LOOKED_AT.items() if (text := self.further.value(option))}
        if self.kind == "slices":
            return _summarize_slices(self.images, **given)
        if self.labels is None:
            raise InputError(_("Choose the folder of the label maps: an agent of volumes learns by them."))
        summary = summarize_cases(self.images, self.labels, factor=_FACTOR, progress=progress, **given)
        return replace(summary, size=self.further.numbers("--grid", int) or summary.size)

    def options(self, resume: bool) -> list[str]:
        """Words of the command. Raises `InputError` for folders that cannot be read or written."""
        from DeformationLib.case_files import find_cases, suggested_rule
        from DeformationLib.cine_cases import find_cine_cases

        if self.images is None:
            raise InputError(_("Choose the folder of the images to train on."))
        if self.output is None:
            raise InputError(_("Choose a folder for what the training writes."))
        words = ["--images", str(self.images), "--output", str(self.output)]
        if self.kind == "slices":
            count = len(find_cine_cases(self.images))
        else:
            if self.labels is None:
                raise InputError(_("Choose the folder of the label maps: an agent of volumes learns by them."))
            count = len(find_cases(self.images, self.labels))
            words += ["--labels", str(self.labels)]
        make_folder(self.output)
        words += [*common_words(self), "--validation-rule", suggested_rule(count), *self.further.words]
        flags = {"--mixed-precision": self.mixed_precision, "--resume": resume}
        return words + [flag for flag, wanted in flags.items() if wanted]


def _summarize_slices(source: Path, rule: str = "", split_file: str = "") -> SliceSummary:
    from DeformationLib.case_files import split_cases, suggested_rule
    from DeformationLib.cine_cases import find_cine_cases

    cases = find_cine_cases(source)
    unusable = {case.name for case in cases if case.ed_frame not in case.labels}
    names = [case.name for case in cases]
    sides = split_cases(names, rule or suggested_rule(len(names)), split_file or None)
    training, validation = (sum(names[index] not in unusable for index in side) for side in sides)
    if training < 2:
        raise InputError(
            _(
                "There are {count} series to train on that have a label map of end-diastole: an agent needs at least two."
            ).format(count=training)
        )
    return SliceSummary(training, validation, tuple(name for name in names if name in unusable))
