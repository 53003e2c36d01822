"""What the panel says and shows of a result: sentences, plots, pictures, and how slice views draw the motion."""

from __future__ import annotations

from slicer.i18n import tr as _

from DeformationSceneLib import result_list
from DeformationSceneLib.sequences import sequences_of
from DeformationSceneLib.structure_parts import part_names

from .heart_parts import guess_parts

_MODES = {"arrows": "VIS_MODE_GLYPH", "grid": "VIS_MODE_GRID", "contours": "VIS_MODE_CONTOUR"}
_FILL = 0.2
"""Opacity of structures inside their contours: tissue is to be seen moving."""


class ResultList(result_list.ResultList):
    """The plots and pictures of a result."""

    def fill(self, nodes) -> None:
        """List what there is of a result (`TrackingNodes`); None for nothing."""
        super().fill(_entries(nodes) if nodes else ())


def set_motion_display(transformNode, display: str) -> None:
    """Let slice views draw a transform that has its display as arrows, grid, contours, or not at all ("nothing")."""
    node = transformNode.GetDisplayNode()
    if node is None:
        return
    if display != "nothing":
        node.SetVisualizationMode(getattr(node, _MODES[display]))
        node.SetVisibility2D(True)
    node.SetVisibility(display != "nothing")


def show_motion(nodes, structureNode, display: str, contours: bool = True) -> None:
    """Show the transform and the structure of a result, and hide what would be drawn over them.

    Hidden are the structure of the reference, which stands still, and those of other results that the browser plays.
    """
    for sequence in sequences_of(nodes.browser):
        proxy = nodes.browser.GetProxyNode(sequence)
        if proxy is not None and (proxy.IsA("vtkMRMLSegmentationNode") or proxy.IsA("vtkMRMLTransformNode")):
            _set_visible(proxy, False)
    _set_visible(structureNode, False)
    set_motion_display(nodes.transform, display)
    if nodes.segmentation is not None and nodes.segmentation.IsA("vtkMRMLSegmentationNode"):
        nodes.segmentation.CreateDefaultDisplayNodes()
        nodes.segmentation.GetDisplayNode().SetOpacity2DFill(_FILL)
    _set_visible(nodes.segmentation, contours)


def _set_visible(node, visible: bool) -> None:
    display = node.GetDisplayNode() if node is not None and node.GetScene() is not None else None
    if display is not None:
        display.SetVisibility(visible)


def fraction_sentence(volumes, structureNode) -> str:
    """Ejection fractions of a heart's ventricles, or the change of volume of other structures; empty without volumes."""
    if volumes is None or structureNode is None:
        return ""
    ventricles = ventricle_labels(structureNode)
    chosen = [label for label in ventricles.values() if label in volumes.labels]
    listed = ", ".join(
        _("{structure} {percent:.0f} %").format(
            structure=_part_name(structureNode, label), percent=volumes.ejection_fraction(label)
        )
        for label in chosen or volumes.labels
    )
    if not chosen:
        return _("Volume lost from largest to smallest: {parts}.").format(parts=listed)
    return _("Ejection fraction: {parts}. End-diastole in frame {ed}, end-systole in frame {es}.").format(
        parts=listed, ed=volumes.ed_frame(chosen[0]), es=volumes.es_frame(chosen[0])
    )


def main_fraction(volumes, structureNode) -> float | None:
    """Ejection fraction in percent of the left ventricle, or of the only structure; None where there is neither."""
    if volumes is None or structureNode is None:
        return None
    label = ventricle_labels(structureNode).get("pool")
    if label is None and len(volumes.labels) == 1:
        label = volumes.labels[0]
    return volumes.ejection_fraction(label) if label in volumes.labels else None


def ventricle_labels(structureNode) -> dict[str, int]:
    """Labels of "pool" (left) and "right" ventricle in the layers of a structure, as far as its names tell."""
    parts, names = guess_parts(structureNode), list(part_names(structureNode))
    named = {"pool": parts.pool, "right": parts.right}
    segments = structureNode.IsA("vtkMRMLSegmentationNode")
    return {kind: names.index(part) + 1 if segments else int(part) for kind, part in named.items() if part is not None}


def _part_name(structureNode, label: int) -> str:
    names = part_names(structureNode)
    if structureNode.IsA("vtkMRMLSegmentationNode"):
        return list(names.values())[label - 1]
    return names.get(str(label), str(label))


def _entries(nodes) -> list[tuple[str, object]]:
    """Titles and nodes of all there may be."""
    entries = []
    if nodes.curves is not None:
        entries.append((_("Volumes"), nodes.curves.chart))
    if nodes.strain is not None:
        entries.append((_("Strain"), nodes.strain.chart))
        segments = {
            "radial": _("Radial strain by segment"),
            "circumferential": _("Circumferential strain by segment"),
            "longitudinal": _("Longitudinal strain by segment"),
        }
        charts = nodes.strain.segment_charts or {}
        entries += [(title, charts.get(direction)) for direction, title in segments.items()]
        entries.append((_("Bull's-eye"), nodes.strain.bulls_eye))
    entries.append((_("Motion matrix"), nodes.heat_map))
    entries.append((_("Error of the predicted frames"), nodes.error_chart))
    return entries
