"""What the logics of all modules have in common: the installed models, loaded once."""

from __future__ import annotations

import threading
from typing import ClassVar

from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic


class ModelLogic(ScriptedLoadableModuleLogic):
    """Knows the installed models of some kinds, and keeps those that were loaded.

    Attributes:
        kinds: of models that the module can use, as their cards name them; written down here, to be known without torch.
        usualModel: that is loaded where none is named.
    """

    kinds: ClassVar[tuple[str, ...]]
    usualModel: ClassVar[str]

    def __init__(self, parent=None):
        super().__init__(parent)
        self._models: dict[tuple[str, str], object] = {}
        # The panel loads models in threads of their own.
        self._loading = threading.Lock()

    def modelNames(self) -> list[str]:
        """Names of the installed models."""
        from DeformationLib.catalogue import catalogue

        return list(catalogue(self.kinds))

    def modelCard(self, name: str) -> dict:
        """The card of a model: its purpose, training data, licence, measured accuracy. Raises InputError."""
        from DeformationLib.catalogue import find_bundle, read_card

        return read_card(find_bundle(name))

    def model(self, name: str | None = None, device: str = "auto"):
        """A loaded model, by name or folder, by default `usualModel`; kept for the next call. Raises InputError."""
        from .installation import preload_torch

        preload_torch()
        name = self.usualModel if name is None else str(name)
        with self._loading:
            if (name, device) not in self._models:
                self._models[name, device] = self.loadModel(name, device)
            return self._models[name, device]

    def loadModel(self, name: str, device: str):
        """Load a model of this module's kinds; each module says how."""
        raise NotImplementedError

    def forgetModels(self) -> None:
        """Load models from their folders again: after one was installed, replaced or removed."""
        with self._loading:
            self._models.clear()
