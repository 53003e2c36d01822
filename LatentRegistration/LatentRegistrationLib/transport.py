"""One subject's deformation in another subject: decode the code with the other's image (Krebs figure 4.9, table 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from DeformationLib import metrics
from DeformationLib.errors import InputError
from DeformationLib.image import Image, check_same_grid
from DeformationLib.progress import Progress
from DeformationLib.registration import RegistrationResult, warp_labels
from DeformationLib.sampling import sample_on_grid

from .probabilistic_model import LatentCode, ProbabilisticModel
from .structures import POOL


@dataclass(frozen=True)
class Subject:
    """A heart with what transport needs of it.

    Attributes:
        name, group: of the subject.
        moving: end-diastolic image.
        fixed: end-systolic image; None for one that only receives a motion.
        labels: of the end-diastolic image.
    """

    name: str
    moving: Image
    fixed: Image | None
    labels: Image
    group: str = ""


@dataclass(frozen=True)
class TransportRow:
    """Ejection fractions, in percent, of one motion in one other heart.

    Attributes:
        source, source_group, target: names.
        before: of the source's own motion, as registered (step 1 of the thesis).
        after: of the same motion in the target (step 2).
        unchanged: of the source's displacement applied to the target as it is, centre on centre: the baseline.
    """

    source: str
    source_group: str
    target: str
    before: float
    after: float
    unchanged: float


def transport(model: ProbabilisticModel, code: LatentCode | np.ndarray, image: Image) -> Image:
    """The deformation of a code in another subject's image: a displacement on its grid, LPS mm.

    The image warped by it (`registration.warp_image`) shows the subject after the other's motion.

    Raises:
        InputError: for a code of another model (a 2-D one's in a 3-D one, for instance), and a slice where the model
            wants a volume.
    """
    if isinstance(code, LatentCode):
        if code.model and code.model != model.name:
            raise InputError(
                f"The code was made by the model {code.model}, not by {model.name}: codes can only be transported "
                "within one model."
            )
        code = code.mean
    return model.displacement(np.asarray(code), image)


def unchanged(displacement: Image, image: Image) -> Image:
    """A displacement as it is on another image's grid, centre of the box on centre of the box: no transport at all."""
    source, target = displacement.geometry, image.geometry
    moved = type(source)(
        source.size, source.spacing, tuple(source.origin + target.centre - source.centre), source.direction
    )
    return Image.on_grid(sample_on_grid(displacement.array, moved, target), target)


def ejection_fraction_of(displacement: Image, labels: Image, label: int = POOL) -> float:
    """Share in percent by which a label's volume shrinks when the label map is warped; nan without that label.

    Args:
        displacement: on the grid of the image that the labels lie on.
        labels: of the undeformed (end-diastolic) image.
        label: the ventricle's blood pool.
    """
    check_same_grid(labels, displacement, "The label map", "the displacement")
    volumes = [
        metrics.label_volumes(part.array, part.spacing_kji, [label])[label]
        for part in (labels, warp_labels(labels, displacement))
    ]
    return metrics.ejection_fraction(*volumes)


def transport_table(
    model: ProbabilisticModel,
    sources: Sequence[Subject],
    targets: Sequence[Subject],
    label: int = POOL,
    progress: Progress | None = None,
) -> list[TransportRow]:
    """Every source's motion in every target, with ejection fractions before and after (table 4.2).

    Raises `InputError` for a source without an end-systolic image.
    """
    progress = progress or Progress()
    rows = []
    for number, source in enumerate(sources):
        if source.fixed is None:
            raise InputError(f"{source.name} has no end-systolic image, so there is no motion of it to transport.")
        code = model.encode(source.fixed, source.moving)
        own = model.register(source.fixed, source.moving)
        before = ejection_fraction_of(_on_labels(own, source.labels), source.labels, label)
        for place, target in enumerate(targets):
            progress.report((number + place / len(targets)) / len(sources), f"{source.name} to {target.name}")
            after = ejection_fraction_of(transport(model, code, target.moving), target.labels, label)
            as_is = ejection_fraction_of(unchanged(own.displacement, target.moving), target.labels, label)
            rows.append(TransportRow(source.name, source.group, target.name, before, after, as_is))
    progress.report(1.0)
    return rows


def transport_summary(rows: Sequence[TransportRow]) -> dict[str, dict[str, float]]:
    """Means per group of sources: ejection fractions, and how far they move, in points.

    ``difference`` and ``difference_unchanged`` are differences of the means, as in table 4.2; ``spread`` and
    ``spread_unchanged`` mean absolute differences of single transports.
    """
    summary = {}
    for group in sorted({row.source_group for row in rows}):
        chosen = [row for row in rows if row.source_group == group]
        before, after, as_is = (
            np.array([getattr(row, name) for row in chosen]) for name in ("before", "after", "unchanged")
        )
        summary[group] = {
            "before": float(before.mean()),
            "before_sd": float(before.std()),
            "after": float(after.mean()),
            "after_sd": float(after.std()),
            "unchanged": float(as_is.mean()),
            "unchanged_sd": float(as_is.std()),
            "difference": float(abs(before.mean() - after.mean())),
            "difference_unchanged": float(abs(before.mean() - as_is.mean())),
            "spread": float(np.abs(before - after).mean()),
            "spread_unchanged": float(np.abs(before - as_is).mean()),
        }
    return summary


def _on_labels(result: RegistrationResult, labels: Image) -> Image:
    """The displacement on the grid of the moving labels, which is the fixed image's in a series."""
    check_same_grid(labels, result.fixed, "The label map", "the end-systolic image")
    return result.displacement
