"""Figure 4.9 and table 4.2: motion of patients with a disease in healthy hearts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from heart_data import Heart, validates

from LatentRegistrationLib.latent_figures import plot_transport
from LatentRegistrationLib.probabilistic_model import ProbabilisticModel
from LatentRegistrationLib.transport import Subject, transport_summary, transport_table

THESIS = {"HCM": (44.1, 38.6, 5.5, 6.1), "DCM": (12.7, 13.9, 1.2, 5.9)}
"""Ejection fraction before and after, their difference, and that of the pole ladder (table 4.2)."""


def transports(
    model: ProbabilisticModel, validation: Sequence[Heart], everyone: Sequence[Heart], path: Path
) -> dict[str, dict]:
    """All validation patients with HCM and DCM to every healthy patient.

    Sources have taken no part in training; of the healthy targets, which only lend their end-diastole, most have.  The
    summary of the unseen ones alone is given beside.
    """
    sources = [_subject(heart) for heart in validation if heart.group in THESIS]
    targets = [_subject(heart) for heart in everyone if heart.group == "NOR"]
    rows = transport_table(model, sources, targets)
    unseen = [row for row in rows if validates(row.target)]
    one = {group: next(source for source in sources if source.group == group) for group in THESIS}
    seen_targets = [target for target in targets if validates(target.name)][:2]
    plot_transport(model, list(one.values()), seen_targets, path)
    return {
        "all healthy targets": transport_summary(rows),
        "unseen healthy targets": transport_summary(unseen),
        "transports": len(rows),
        "unseen transports": len(unseen),
    }


def print_transport(result: dict) -> None:
    """Table 4.2, with the baseline that applies the displacement unchanged."""
    print(
        f"\nEjection fraction (%), {result['transports']} transports, {result['unseen transports']} of them to unseen hearts\n"
    )
    print(
        "| targets | group | before | after | unchanged displacement | difference | unchanged "
        "| thesis: before, after, difference |"
    )
    print("|:--|:--|--:|--:|--:|--:|--:|:--|")
    for targets in ("all healthy targets", "unseen healthy targets"):
        for group, row in result[targets].items():
            thesis = THESIS[group]
            print(
                f"| {targets} | {group} | {row['before']:.1f} ± {row['before_sd']:.1f} | "
                f"{row['after']:.1f} ± {row['after_sd']:.1f} | {row['unchanged']:.1f} ± {row['unchanged_sd']:.1f} | "
                f"{row['difference']:.1f} | {row['difference_unchanged']:.1f} | {thesis[0]}, {thesis[1]}, {thesis[2]} |"
            )
    print()


def _subject(heart: Heart) -> Subject:
    return Subject(heart.name, heart.moving, heart.fixed, heart.moving_labels, heart.group)
