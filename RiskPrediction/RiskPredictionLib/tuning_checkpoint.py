"""How far the fine-tuning of a motion encoder has come, on disk: a run that was killed loses at most an epoch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path


class TuningCheckpoint:
    """Parts of a training, each a list of what its epochs gave, and the networks after the last epoch.

    Without a path nothing is kept.

    Args:
        path: of the file.
        resume: whether what the file holds is gone on from; else it is overwritten.

    Raises:
        InputError: for a file that cannot be read.
    """

    def __init__(self, path: str | os.PathLike | None = None, resume: bool = False):
        self.path = None if path is None else Path(path)
        self._parts: dict[str, list[Any]] = {}
        self._state: dict[str, Any] = {}
        if resume and self.path is not None and self.path.is_file():
            try:
                content = torch.load(self.path, map_location="cpu", weights_only=True)
                self._parts, self._state = content["parts"], content["state"]
            except Exception as error:
                raise InputError(f"{self.path} is no checkpoint of this program, or damaged: start again.") from error

    def epochs(self, part: str) -> list[Any]:
        """What the epochs of a part gave, as far as they are done."""
        return self._parts.get(part, [])

    def state(self, part: str) -> Any:
        """Of the networks after the last of `epochs`; None unless this part was the one that was interrupted."""
        return self._state.get(part)

    def add(self, part: str, found: Any, state: Any) -> None:
        """Keep what an epoch of a part gave, plain values, and the state after it, tensors and plain values."""
        self._parts.setdefault(part, []).append(found)
        self._state = {part: state}
        if self.path is not None:
            with atomic_path(self.path) as temporary:
                torch.save({"parts": self._parts, "state": self._state}, temporary)
