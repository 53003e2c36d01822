"""Which frames a network in training may look at: the others it has to fill in (Krebs 5.2.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TemporalDropout:
    """Temporal dropout.

    The thesis drops each frame with a probability of one half.  Its model then rarely meets a whole sequence, which is
    what tracking gives it, and never the first frames alone, or a single one.  Here some sequences stay whole, some keep
    nothing but their first frames, and some a few anywhere.

    Attributes:
        probability: with which a frame is dropped, in sequences where frames are dropped one by one.
        whole: share of the sequences that keep all frames.
        leading: share of those that keep only the first few frames, or none.
        sparse: share of those that keep about two frames anywhere, or none.
    """

    probability: float = 0.5
    whole: float = 0.4
    leading: float = 0.15
    sparse: float = 0.2

    def draw(self, batch: int, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Which of ``count`` frames are kept in each of ``batch`` sequences, ``(batch, count)``."""
        kept = torch.rand(batch, count, generator=generator) >= self.probability
        kind = torch.rand(batch, 1, generator=generator)
        first = torch.rand(batch, 1, generator=generator).square() * count  # mostly few
        leading = torch.arange(count) < first.floor()
        few = torch.rand(batch, count, generator=generator) < 2.0 / count
        kept = torch.where(kind < self.leading + self.sparse, few, kept)
        kept = torch.where(kind < self.leading, leading, kept)
        return kept | (kind >= 1.0 - self.whole)
