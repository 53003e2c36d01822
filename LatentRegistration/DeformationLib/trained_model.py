"""What all trained models in use have in common: network, grid, card, device, and how they are loaded."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from .bundle import Bundle, read_bundle
from .devices import checked_device, has_fast_bfloat16

if TYPE_CHECKING:
    from typing_extensions import Self


class TrainedModel(ABC):
    """A network with its grid and its card.

    Attributes:
        kind: the class of its network, as cards name it.
        usual: the model that is loaded where none is named.
    """

    kind: ClassVar[str]
    usual: ClassVar[str]

    def __init__(
        self,
        network: torch.nn.Module,
        grid: Any,
        card: dict[str, Any],
        device: str = "cpu",
        precision: torch.dtype | None = None,
    ) -> None:
        self.device = checked_device(device)
        self.precision = precision or (torch.bfloat16 if has_fast_bfloat16(self.device) else torch.float32)
        self.network = network.eval().requires_grad_(False).to(self.device)
        self.grid, self.card = grid, card

    @classmethod
    def load(
        cls,
        name_or_folder: str | os.PathLike | None = None,
        device: str = "auto",
        precision: torch.dtype | None = None,
    ) -> Self:
        """Load a model.

        Args:
            name_or_folder: its name in the catalogue, or its folder; by default `usual`.
            device: "auto" is the GPU when there is one.
            precision: of the convolutions; by default bfloat16 where the processor has it (twice as fast, displacements
                within hundredths of a voxel), else single.

        Raises:
            InputError: for a model that is not there, damaged, of another kind, or written by a newer version.
        """
        name_or_folder = cls.usual if name_or_folder is None else name_or_folder
        return cls._of_bundle(read_bundle(name_or_folder, cls.kind, cls._network_and_grid), device, precision)

    @classmethod
    def _of_bundle(cls, bundle: Bundle, device: str, precision: torch.dtype | None) -> Self:
        return cls(bundle.network, bundle.grid, bundle.card, device=device, precision=precision)

    @staticmethod
    @abstractmethod
    def _network_and_grid(card: dict[str, Any]) -> tuple[torch.nn.Module, Any]:
        """The network that a card describes, still without its weights, and its grid."""

    @property
    def name(self) -> str:
        """The model's name on its card."""
        return self.card["name"]
