"""Series of a cohort on a motion model's grid, in memory, as end-to-end training looks at them again and again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from DeformationLib.errors import InputError
from DeformationLib.progress import Progress
from MotionModelLib.motion_model import MotionModel
from MotionModelLib.sequence_view import look_at

from .cohort import Cohort
from .extraction_cases import cases_of
from .fingerprint_extraction import SLICES, middle_slices
from .time_resampling import resample_in_time


@dataclass(frozen=True, eq=False)
class CaseSequences:
    """Series of n cases, each of S slices for planar motion models, of one volume for others.

    Attributes:
        model: the motion model whose grid they lie on, and that end-to-end training starts from. It is never changed.
        frames: per case ``(S, T + 1, 1, *size)`` in half precision, in [0, 1], the reference first.
        masks: per case ``(S, 1, *size)`` as bytes, 1 where the images have voxels.
    """

    model: MotionModel
    frames: list[Tensor]
    masks: list[Tensor]

    def __len__(self) -> int:
        return len(self.frames)

    def __deepcopy__(self, memo: dict) -> CaseSequences:
        # scikit-learn copies what an estimator is given for every fold; nobody changes these.
        return self


def load_case_sequences(
    cohort: Cohort, model: MotionModel, slices: int = SLICES, progress: Progress | None = None
) -> CaseSequences:
    """Read the series of a cohort, resample them in time, and bring them to a motion model's grid.

    Args:
        cohort: with paths of series.
        model: whose grid and number of slots.
        slices: in the middle of a stack, see `fingerprint_extraction.SLICES`.
        progress: reports and cancels, between cases.

    Raises:
        InputError: for the first case whose series cannot be used, with its row.
    """
    progress, cases = progress or Progress(), cases_of(cohort)
    frames, masks = [], []
    for number, case in enumerate(cases):
        progress.report(number / len(cases), f"Reading {case.name}")
        try:
            images, mask = case.read()
            images = resample_in_time(images, model.slots + 1, case.ed_frame, model.periodic)
            view = look_at(images, model.grid, mask=mask)
        except InputError as error:
            raise InputError(f"{case.place}: {error}") from error
        part = middle_slices(len(view.inside), slices)
        frames.append(view.of(range(len(images)))[:, part].movedim(0, 1).half().cpu())
        masks.append((view.inside[part] > 0.5).to(torch.uint8).cpu())
    progress.report(1.0)
    return CaseSequences(model, frames, masks)
