"""One picture of a registration and of the first latent components, every view drawn by Slicer's displayable managers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from LatentRegistrationLib.figures import new_figure

from .SlicerHost.views import GOLD, RED, SliceView

AMPLITUDES = (-3.0, -1.5, 0.0, 1.5, 3.0)
"""Of the components, in standard deviations of the training population."""

COMPONENTS = 4
_PANEL_AREA = 360 * 330


def draw_contact_sheet(path: Path, logic, pair, fixed, moving, fixed_labels, moving_labels, nodes) -> None:
    """Draw the sheet: the registration in the first row, components below, one row each.

    Args:
        path: of the PNG.
        logic: a `LatentRegistrationLogic`.
        pair: images and model of the demonstration.
        fixed, moving, fixed_labels, moving_labels: nodes of the inputs.
        nodes: what `registerVolumes` gave.
    """
    rows = [_registration_row(fixed, moving, fixed_labels, moving_labels, nodes)]
    rows += _component_rows(logic, pair.model, moving, moving_labels)
    _assemble(path, f"{pair.title}, model '{pair.model}'", rows)


def _registration_row(fixed, moving, fixed_labels, moving_labels, nodes) -> list[tuple[str, np.ndarray]]:
    with SliceView(fixed.GetScene(), _panel_size(fixed)) as view:
        return [
            ("fixed, its contour red", _panel(view, fixed, [(fixed_labels, RED)])),
            ("moving, its contour gold", _panel(view, moving, [(moving_labels, GOLD)])),
            (
                "warped: fixed red, warped moving gold",
                _panel(view, nodes.warped, [(fixed_labels, RED), (nodes.segmentation, GOLD)]),
            ),
            ("deformed grid", _panel(view, nodes.warped, [], nodes.transform, "grid", brightness=0.6)),
            ("Jacobian of fixed to moving: red > 1", _panel(view, nodes.jacobian, [(fixed_labels, (0, 0, 0))])),
        ]


def _panel_size(volume) -> tuple[int, int]:
    """Width and height in pixels of a sagittal view that the volume fills."""
    bounds = np.zeros(6)
    volume.GetRASBounds(bounds)
    _, along, up = bounds.reshape(3, 2) @ (-1, 1)
    width = (_PANEL_AREA * along / up) ** 0.5
    return round(width), round(width * up / along)


def _panel(view, background, outlines, transform=None, display="arrows", brightness=1.0, **settings) -> np.ndarray:
    view.clear_overlays()
    view.set_background(background, brightness)
    view.set_slice("sagittal")
    for node, colour in outlines:
        view.add_outline(node, colour, thickness=2.0)
    if transform is not None:
        view.show_transform(transform, display, thickness=1.3, **settings)
    return view.render()


def _component_rows(logic, model: str, image, labels) -> list[list[tuple[str, np.ndarray]]]:
    explorer = logic.explorer(image, model)
    deviations, shares = explorer.standard_deviations, explorer.explained_variance_ratio
    scene = image.GetScene()
    largest = [
        np.linalg.norm(explorer.displacement(number, max(AMPLITUDES) * deviations[number]).array, axis=-1).max()
        for number in range(COMPONENTS)
    ]
    rows = []
    with SliceView(scene, _panel_size(image)) as view:
        for component in range(COMPONENTS):
            row = []
            for amplitude in AMPLITUDES:
                strength = amplitude * deviations[component]
                shown = logic.decomposeVolume(image, component, strength, labels, explorer=explorer, display=None)
                outlines = [(labels, RED), (shown.segmentation, GOLD)]
                picture = _panel(view, image, outlines, shown.transform, "arrows", 0.5, maximum_mm=largest[component])
                caption = f"component {component + 1} ({100 * shares[component]:.0f} %), {amplitude:+g} SD"
                row.append((caption.replace("+0 SD", "0 SD"), picture))
                if amplitude != max(AMPLITUDES):  # the scene keeps one deformation of each component
                    view.clear_overlays()
                    for node in (shown.transform, shown.segmentation):
                        scene.RemoveNode(node)
            rows.append(row)
    return rows


def _assemble(path: Path, title: str, rows: list[list[tuple[str, np.ndarray]]]) -> None:
    columns = max(len(row) for row in rows)
    height, width = np.array(rows[-1][0][1].shape[:2]) / 150
    with new_figure(path, columns * (width + 0.1), len(rows) * (height + 0.3) + 0.5) as figure:
        axes = figure.subplots(len(rows), columns, squeeze=False)
        for axis in axes.flat:
            axis.set_axis_off()
        for row, line in zip(rows, axes):
            for (caption, picture), axis in zip(row, line):
                axis.imshow(picture)
                axis.set_title(caption, fontsize=8)
        figure.suptitle(title, fontsize=11)
