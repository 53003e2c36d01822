"""Figure 5.8: the motion of a dilated heart in a normal one, and the other way round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from motion_completion import in_order, motion_of
from motion_scores import labelled_ejection_fraction

from DeformationLib.cine_cases import Cine
from LatentRegistrationLib.figures import COLOURS, new_figure
from LatentRegistrationLib.structures import MYOCARDIUM, POOL
from MotionModelLib.motion import Motion
from MotionModelLib.motion_model import MotionModel


@dataclass
class Moved:
    """A heart, and the motion that it was given."""

    title: str
    cine: Cine
    motion: Motion

    def __post_init__(self) -> None:
        self.labels = self.cine.labels[self.cine.ed_frame]
        curves = self.motion.volume_curves(self.labels, [POOL])
        self.curve, self.es = curves.of(POOL), curves.es_frame(POOL)
        self.ejection_fraction = curves.ejection_fraction(POOL)


def transports(model: MotionModel, cines: Sequence[Cine], path: Path) -> list[dict]:
    """All pairs of a dilated and a normal heart, both ways; one pair is drawn.

    Returns:
        Rows with ``source``, ``target``, ``source group``, ``target group``, and ejection fractions (percent): ``source``
        and ``target`` by tracking and by labels, and ``transported``.
    """
    own = {
        cine.name: Moved("own motion", cine, motion_of(model, cine)) for cine in cines if cine.group in ("DCM", "NOR")
    }
    rows, drawn = [], {}
    for target in own.values():
        for source in own.values():
            if source.cine.group == target.cine.group:
                continue
            motion = model.transport(source.motion, in_order(target.cine)[0])
            moved = Moved(f"motion of {source.cine.name} ({source.cine.group})", target.cine, motion)
            drawn.setdefault((source.cine.group, target.cine.group), (source, target, moved))
            rows.append(
                {
                    "source": source.cine.name,
                    "target": target.cine.name,
                    "source_group": source.cine.group,
                    "target_group": target.cine.group,
                    "source_ef": source.ejection_fraction,
                    "target_ef": target.ejection_fraction,
                    "transported_ef": moved.ejection_fraction,
                    "source_ef_labels": labelled_ejection_fraction(source.cine),
                    "target_ef_labels": labelled_ejection_fraction(target.cine),
                }
            )
    if drawn:
        dilated, normal, sick = drawn["DCM", "NOR"]
        _, _, cured = drawn["NOR", "DCM"]
        cured = cured if cured.cine.name == dilated.cine.name else _carried(model, normal, dilated)
        plot_transport([normal, sick, dilated, cured], path)
    return rows


def _carried(model: MotionModel, source: Moved, target: Moved) -> Moved:
    motion = model.transport(source.motion, in_order(target.cine)[0])
    return Moved(f"motion of {source.cine.name} ({source.cine.group})", target.cine, motion)


def print_transport(rows: Sequence[dict], title: str) -> None:
    """Means over the pairs, both ways."""
    print(f"\nEjection fraction (%) by tracking, {title}; the thesis shows one pair, both ways, in pictures\n")
    print("| motion of | in | pairs | target's own | transported | source's own | correlation with the source |")
    print("|:--|:--|--:|--:|--:|--:|--:|")
    for group, other in (("DCM", "NOR"), ("NOR", "DCM")):
        chosen = [row for row in rows if row["source_group"] == group]
        if not chosen:
            continue
        columns = [np.array([row[name] for row in chosen]) for name in ("target_ef", "transported_ef", "source_ef")]
        cells = [f"{values.mean():.1f} ± {values.std():.1f}" for values in columns]
        print(
            f"| {group} | {other} | {len(chosen)} | " + " | ".join(cells) + f" | {np.corrcoef(columns[1:])[0, 1]:.2f} |"
        )
    print()


def plot_transport(hearts: Sequence[Moved], path: Path) -> None:
    """Per heart and motion: end-diastole, the frame warped to end-systole, its Jacobian; and the volume curves."""
    with new_figure(path, 11.0, 2.2 * len(hearts)) as figure:
        grid = figure.add_gridspec(len(hearts), 4, width_ratios=(1, 1, 1, 1.6))
        for row, heart in enumerate(hearts):
            _draw_heart(figure, [figure.add_subplot(grid[row, column]) for column in range(3)], heart)
        for number, part in enumerate((slice(0, len(hearts) // 2), slice(len(hearts) // 2, None))):
            half = len(hearts) // 2
            axes = figure.add_subplot(grid[number * half : (number + 1) * half, 3])
            for colour, heart in zip(("#000000", COLOURS[1]), hearts[part], strict=True):
                share = 100 * heart.curve / heart.curve[0]
                axes.plot(share, "-", color=colour, lw=2, label=f"{heart.title}: EF {heart.ejection_fraction:.0f} %")
            axes.set(xlabel="frame", ylabel="LV volume (% of end-diastole)")
            axes.set_title(f"{hearts[part][0].cine.name}, {hearts[part][0].cine.group}")
            axes.set_ylim(min(20, axes.get_ylim()[0]), 135)
            axes.legend(loc="upper center", fontsize=9)


def _draw_heart(figure, panels: Sequence, heart: Moved) -> None:
    k = int(np.count_nonzero(heart.labels.array == MYOCARDIUM, axis=(1, 2)).argmax())
    aspect = heart.labels.spacing[1] / heart.labels.spacing[0]
    rest, moved = heart.motion.reference, heart.motion.warp(heart.motion.reference, heart.es)
    labels = heart.motion.warp_labels(heart.labels, heart.es)
    top = np.percentile(rest.array[k], 99.5)
    for axes, image, part in ((panels[0], rest, heart.labels), (panels[1], moved, labels)):
        axes.imshow(image.array[k], cmap="gray", vmin=0, vmax=top, aspect=aspect)
        axes.contour(part.array[k] == POOL, [0.5], colors=["#ffc400"], linewidths=1.1)
        axes.contour(np.isin(part.array[k], (MYOCARDIUM, POOL)), [0.5], colors=["#e8212b"], linewidths=1.1)
    determinant = heart.motion.jacobian(heart.es, "frame").array[k]
    picture = panels[2].imshow(determinant, cmap="RdBu_r", vmin=0, vmax=2, aspect=aspect)
    panels[2].contour(np.isin(labels.array[k], (MYOCARDIUM, POOL)), [0.5], colors=["black"], linewidths=0.7)
    figure.colorbar(picture, cax=panels[2].inset_axes([1.04, 0.1, 0.05, 0.8]), ticks=(0, 1, 2))
    panels[0].set_ylabel(f"{heart.cine.name}, {heart.cine.group}\n{heart.title}", fontsize=9)
    for axes, title in zip(panels, ("end-diastole", f"frame {heart.es}", "Jacobian"), strict=True):
        axes.set_title(title, fontsize=9)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
