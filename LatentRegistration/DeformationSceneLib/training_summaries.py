"""What would be trained on, in sentences."""

from __future__ import annotations

from slicer.i18n import tr as _


def summary_sentences(summary) -> str:
    """What a `CaseSummary` or a `SeriesSummary` of LatentRegistrationLib says."""
    if hasattr(summary, "frames"):
        text = _(
            "{training} series to train on, {validation} to validate on, with {frames} frames together; "
            "{labelled} have label maps; grid of {grid} voxels of {spacing} mm."
        ).format(
            training=summary.training,
            validation=summary.validation,
            frames=summary.frames,
            labelled=summary.labelled,
            grid=lengths_text(summary.grid.size),
            spacing=lengths_text(summary.grid.spacing),
        )
    else:
        text = _(
            "{training} cases to train on, {validation} to validate on; grid of {grid} voxels of {spacing:.3g} mm."
        ).format(
            training=summary.training,
            validation=summary.validation,
            grid=lengths_text(summary.size),
            spacing=summary.spacing,
        )
    if summary.unreadable:
        names = ", ".join(summary.unreadable[:3]) + (", ..." if len(summary.unreadable) > 3 else "")
        text += " " + _("Left out, because it cannot be used or lacks its label map: {count} ({names}).").format(
            count=len(summary.unreadable), names=names
        )
    if summary.validation < 2:
        text += " " + _("There will be no validation curve: that takes two validation cases.")
    return text


def lengths_text(kji) -> str:
    """Numbers along k, j, i in the order of Slicer's user, i first."""
    return " × ".join(f"{number:.4g}" for number in reversed(kji))
