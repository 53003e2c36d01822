"""What the Train sections of all modules have in common: further options, and what an output folder holds."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _

from DeformationLib.catalogue import CARD
from DeformationLib.errors import InputError

from .training_curves import EPOCH, read_log


@dataclass(frozen=True)
class FurtherOptions:
    """Options of a training command beyond those that a panel has fields for, as words."""

    words: tuple[str, ...]

    def numbers(self, option: str, kind: Callable[[str], float]) -> tuple:
        """The numbers of a further option, empty without any; what is no number the command itself will say."""
        try:
            return tuple(kind(part) for part in self.value(option).split(",") if part.strip())
        except ValueError:
            return ()

    def value(self, option: str) -> str:
        """What a further option was given, as the next word or after an equals sign; the last one counts."""
        value = ""
        for word, following in zip(self.words, (*self.words, "")[1:], strict=True):
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


def common_choices(parameters, own_options: Collection[str]) -> dict:
    """What every section Train lets a person choose, from its parameter node, by the names of the choices' fields.

    Raises `InputError` for further options that the panel has a field for.
    """
    return {
        "output": chosen_folder(parameters.trainOutput),
        "kind": parameters.trainKind.value,
        "name": parameters.trainName.strip(),
        "purpose": parameters.trainPurpose.strip(),
        "epochs": parameters.trainEpochs,
        "device": parameters.trainDevice.value,
        "mixed_precision": parameters.trainMixedPrecision,
        "further": FurtherOptions(split_options(parameters.trainOptions, own_options)),
    }


def common_words(choices) -> list[str]:
    """The words of a training command that say what `common_choices` has read of model and training."""
    words = [f"--name={choices.name or 'model'}", "--epochs", str(choices.epochs), "--device", choices.device]
    # One word, as the name: either may begin with a dash.
    return words + ([f"--purpose={choices.purpose}"] if choices.purpose else [])


def split_options(text: str, own_options: Collection[str]) -> tuple[str, ...]:
    """Words of a command line; quotes keep spaces together, and a backslash is part of a Windows path.

    `own_options`: those that the panel has fields for. Raises `InputError` for a quote that is not closed, and for one of them.
    """
    splitter = shlex.shlex(text, posix=True, punctuation_chars=False)
    splitter.whitespace_split, splitter.escape, splitter.commenters = True, "", ""
    try:
        words = tuple(splitter)
    except ValueError as error:
        raise InputError(_("A quotation mark in the further options is not closed.")) from error
    for word in words:
        if word.partition("=")[0] in own_options:
            raise InputError(
                _("Remove {option} from the further options: it has a field of its own.").format(
                    option=word.partition("=")[0]
                )
            )
    return words


def chosen_folder(path: Path) -> Path | None:
    """None for a field that is empty, which the parameter node reads as the present folder."""
    text = str(path).strip()
    return None if text in ("", ".") else Path(text).expanduser()
