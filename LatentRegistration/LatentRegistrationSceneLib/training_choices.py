"""What a person has chosen in the section Train, as the words of the training command; and what an output folder holds."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _

from DeformationLib.catalogue import CARD
from DeformationLib.errors import InputError
from DeformationLib.files import make_folder

COMMAND = "LatentRegistrationTrain"

_OWN_OPTIONS = {
    "--images", "--labels", "--output", "--skips", "--name", "--purpose", "--epochs", "--device", "--mixed-precision",
    "--resume", "--stop-file",
}  # fmt: skip
"""Options of the command that the panel has fields for."""

_LOOKED_AT = {"--validation-rule": "rule", "--split-file": "split_file", "--spacing": "spacing"}
"""Further options that change what the summary says, and what `summarize_cases` calls them."""


@dataclass(frozen=True)
class TrainingChoices:
    """The fields of the section Train; folders that were not chosen are None.

    Attributes:
        further: options of the command beyond those of the panel, as words.
    """

    images: Path | None
    labels: Path | None
    output: Path | None
    skips: bool
    name: str
    purpose: str
    epochs: int
    device: str
    mixed_precision: bool
    further: tuple[str, ...]

    @classmethod
    def of(cls, parameters) -> TrainingChoices:
        """Read the parameter node. Raises `InputError` for further options that the panel has a field for."""
        return cls(
            _folder(parameters.trainImages),
            _folder(parameters.trainLabels),
            _folder(parameters.trainOutput),
            parameters.trainKind.value == "accurate",
            parameters.trainName.strip(),
            parameters.trainPurpose.strip(),
            parameters.trainEpochs,
            parameters.trainDevice.value,
            parameters.trainMixedPrecision,
            split_options(parameters.trainOptions),
        )

    def looked_at(self) -> dict[str, object]:
        """The further options that `summarize_cases` takes."""
        found: dict[str, object] = {}
        for option, name in _LOOKED_AT.items():
            text = self._further_value(option)
            if text:
                found[name] = text
        # What is wrong with an option, the command itself says.
        if "spacing" in found:
            try:
                found["spacing"] = float(found["spacing"])
            except ValueError:
                del found["spacing"]
        if widths := self._further_value("--widths"):
            found["factor"] = 2 ** len(_whole_numbers(widths))
        return found

    def grid(self) -> tuple[int, ...]:
        """The network grid that the further options ask for, k, j, i; empty without one."""
        return _whole_numbers(self._further_value("--grid"))

    def options(self, resume: bool) -> list[str]:
        """Words of the command. Raises `InputError` for folders that cannot be read or written."""
        from LatentRegistrationLib.case_files import find_cases, suggested_rule

        if self.images is None:
            raise InputError(_("Choose the folder of the images to train on."))
        if self.output is None:
            raise InputError(_("Choose a folder for what the training writes."))
        cases = find_cases(self.images, self.labels)
        make_folder(self.output)
        words = ["--images", str(self.images), "--output", str(self.output)]
        if self.labels is not None:
            words += ["--labels", str(self.labels)]
        words += [f"--name={self.name or 'model'}", "--epochs", str(self.epochs), "--device", self.device]
        if self.purpose:
            words += [f"--purpose={self.purpose}"]  # one word, as the name: either may begin with a dash
        words += ["--validation-rule", suggested_rule(len(cases)), *self.further]
        flags = {"--skips": self.skips, "--mixed-precision": self.mixed_precision, "--resume": resume}
        return words + [flag for flag, wanted in flags.items() if wanted]

    def _further_value(self, option: str) -> str:
        """What a further option was given, as the next word or after an equals sign; the last one counts."""
        value = ""
        for word, following in zip(self.further, (*self.further, "")[1:], strict=True):
            if word == option:
                value = following
            elif word.startswith(f"{option}="):
                value = word.partition("=")[2]
        return value


@dataclass(frozen=True)
class TrainingFolder:
    """What is in the output folder of a training.

    Attributes:
        epochs: of which the log tells.
        resumable: whether there is a checkpoint.
        model_written: when the finished model was written, in nanoseconds; 0 where there is none.
    """

    epochs: int = 0
    resumable: bool = False
    model_written: int = 0

    @property
    def has_model(self) -> bool:
        """Whether there is a finished model."""
        return self.model_written > 0

    @classmethod
    def at(cls, folder: Path | None) -> TrainingFolder:
        """Look into a folder, which may not exist."""
        from DeformationSceneLib.training_curves import EPOCH, read_log

        if folder is None:
            return cls()
        try:
            epochs = int(max(read_log(folder).get(EPOCH) or [0]))
        except InputError:
            epochs = 0
        try:
            model_written = (folder / "model" / CARD).stat().st_mtime_ns
        except OSError:
            model_written = 0
        return cls(epochs, (folder / "checkpoint.pt").is_file(), model_written)


def split_options(text: str) -> tuple[str, ...]:
    """Words of a command line; quotes keep spaces together, and a backslash is part of a Windows path.

    Raises `InputError` for a quote that is not closed, and for options that the panel has a field for.
    """
    splitter = shlex.shlex(text, posix=True, punctuation_chars=False)
    splitter.whitespace_split, splitter.escape, splitter.commenters = True, "", ""
    try:
        words = tuple(splitter)
    except ValueError as error:
        raise InputError(_("A quotation mark in the further options is not closed.")) from error
    for word in words:
        if word.partition("=")[0] in _OWN_OPTIONS:
            raise InputError(
                _("Remove {option} from the further options: it has a field of its own.").format(
                    option=word.partition("=")[0]
                )
            )
    return words


def _whole_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part.strip().isdecimal())


def _folder(path: Path) -> Path | None:
    """None for a field that is empty, which the parameter node reads as the present folder."""
    text = str(path).strip()
    return None if text in ("", ".") else Path(text).expanduser()
