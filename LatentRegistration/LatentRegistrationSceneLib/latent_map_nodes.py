"""The map of a latent space as a plot of the scene, and how honestly groups are told apart in it as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.progress import Progress
from DeformationSceneLib.plots import Axes, Series, update_chart
from DeformationSceneLib.tables import Column, fill_table, find_in_role, node_in_role

from .case_codes import checked_model, codes_from_table

if TYPE_CHECKING:
    from LatentRegistrationLib.latent_cases import CodeTable
    from LatentRegistrationLib.latent_classification import Classification
    from LatentRegistrationLib.latent_map import LatentMap
    from LatentRegistrationLib.probabilistic_model import ProbabilisticModel

MapKind = Literal["principal", "canonical"]

_MAP, _ACCURACY = "LatentRegistration/latent map", "LatentRegistration/group accuracy"
_NO_GROUP = "cases"
_CASES_PER_VALUE = 2  # of the code: with fewer cases a canonical plane separates any groups
_PRINCIPAL = 10  # principal components of the codes, for the second of the cross-validated classifiers
# Told apart also by people who do not see all colours (M. Okabe, K. Ito).
_COLOURS = (
    (0.00, 0.45, 0.70),
    (0.90, 0.62, 0.00),
    (0.00, 0.62, 0.45),
    (0.80, 0.40, 0.00),
    (0.80, 0.47, 0.65),
    (0.34, 0.71, 0.91),
    (0.30, 0.30, 0.30),
    (0.80, 0.74, 0.10),
)


@dataclass
class LatentMapNodes:
    """A map and its nodes.

    Attributes:
        chart: plot chart node with one series for each group; a point's label is the case's name.
        accuracy: table node of the classifications; None without groups that can be compared.
        plane: the map itself.
        codes: of the cases.
        points: where they lie, ``(n, 2)``.
        classifications: majority, cross-validated, the same on principal components, leaky; empty where groups cannot be
            compared.
        remark: a sentence on why they cannot, or on a plane that is not to be believed, or nothing.
        model: name of the model of the codes.
    """

    chart: object
    accuracy: object
    plane: LatentMap
    codes: CodeTable
    points: np.ndarray
    classifications: list[Classification] = field(default_factory=list)
    remark: str = ""
    model: str = ""

    @property
    def reach(self) -> float:
        """How far the map is shown along both axes."""
        return _reach(self.points)

    def caseOfPoint(self, seriesID: str, row: int) -> str | None:
        """Name of the case that a point of the chart shows; None for a series of another chart."""
        for index in range(self.chart.GetNumberOfPlotSeriesNodes()):
            series = self.chart.GetNthPlotSeriesNode(index)
            if series is not None and series.GetID() == seriesID and series.GetTableNode() is not None:
                labels = series.GetTableNode().GetTable().GetColumnByName(series.GetLabelColumnName())
                if labels is not None and 0 <= row < labels.GetNumberOfValues():
                    return labels.GetValue(row)
        return None


class LatentMapping:
    """Reads the codes when it is made, fits map and classifiers in any thread, and adds the plot to the scene."""

    def __init__(self, tableNode, groupColumn: str = "", kind: MapKind = "principal") -> None:
        """Read the table.

        Args:
            tableNode: of codes, see `case_codes`.
            groupColumn: whose texts are the groups; none for empty ones.
            kind: "principal": the plane of the model's first two components; "canonical": the plane in which the groups
                are told apart best.

        Raises:
            InputError: for a table without codes, or with fewer than two cases.
        """
        if kind not in ("principal", "canonical"):
            raise InputError(_("There is no map of the kind '{kind}': choose another.").format(kind=kind))
        self.codes, self._kind = codes_from_table(tableNode, groupColumn), kind
        if len(self.codes) < 2:
            raise InputError(_("A map needs two cases at least: encode more cases."))
        if kind == "canonical" and not groupColumn:
            raise InputError(_("A canonical map needs groups: choose the column that holds them."))
        self._grouped, self._scene = bool(groupColumn), tableNode.GetScene()
        self.plane: LatentMap | None = None
        self.classifications: list[Classification] = []
        self.remark, self._model = "", ""

    def compute(self, model: Callable[[], ProbabilisticModel], progress: Progress) -> None:
        """Fit the map and the classifiers; touches no node.

        Raises:
            InputError: for codes of another model, and for a canonical map of groups that cannot be compared.
        """
        from LatentRegistrationLib.latent_map import canonical_map, principal_map

        progress.report(0.0, "Loading the model")
        loaded = checked_model(model())
        self._model = loaded.name
        self._check_origin(loaded)
        progress.report(0.3, "Mapping the codes")
        if self._kind == "canonical":
            if loaded.latent < 2:
                raise InputError(_("A map needs codes of two values at least: choose another model."))
            if len(self.codes) <= _CASES_PER_VALUE * loaded.latent:
                self.remark = _(
                    "{cases} cases with codes of {latent} values can be told apart whatever they are: the canonical plane "
                    "shows that, not how different the groups are."
                ).format(cases=len(self.codes), latent=loaded.latent)
            self.plane = canonical_map(self.codes.codes, self.codes.groups)
        elif loaded.decomposition is None:
            raise InputError(
                _("The model '{model}' has no principal components: choose the canonical map.").format(
                    model=loaded.name
                )
            )
        else:
            self.plane = principal_map(loaded.decomposition)
        progress.report(0.4, "Telling the groups apart")
        self._classify()
        progress.report(1.0, "Mapped")

    def _check_origin(self, model: ProbabilisticModel) -> None:
        if self.codes.model and self.codes.model != model.name:
            raise InputError(
                _("These codes are of the model '{codes}', not of '{model}': choose that one.").format(
                    codes=self.codes.model, model=model.name
                )
            )
        latent = self.codes.codes.shape[1]
        if latent != model.latent:
            raise InputError(
                _(
                    "These codes have {codes} values, those of the model '{model}' have {latent}: choose the model "
                    "that has encoded the cases."
                ).format(codes=latent, model=model.name, latent=model.latent)
            )

    def _classify(self) -> None:
        """With groups that cannot be compared a principal map can still be looked at: a remark says so."""
        from LatentRegistrationLib.latent_classification import classify, classify_leaky, majority

        if not self._grouped:
            return
        codes, groups = self.codes.codes, self.codes.groups
        try:
            self.classifications = [
                majority(groups),
                classify(codes, groups),
                classify(codes, groups, principal=_PRINCIPAL),
                classify_leaky(codes, groups),
            ]
        except InputError as error:
            self.classifications, self.remark = [], str(error)

    def addToScene(self) -> LatentMapNodes:
        """Put the plot and the table into the scene, or bring those up to date that are there."""
        points = self.plane.points(self.codes.codes)
        chart = _update_map_chart(self._scene, self._kind, self.plane, self.codes, points)
        accuracy = _update_accuracy_table(self._scene, self.classifications)
        return LatentMapNodes(
            chart, accuracy, self.plane, self.codes, points, self.classifications, self.remark, self._model
        )


def colours_of_groups(groups: Sequence[str]) -> dict[str, tuple[float, float, float]]:
    """A colour for each group, by its place in the alphabet."""
    return {group: _COLOURS[number % len(_COLOURS)] for number, group in enumerate(sorted(set(groups)))}


def describe_accuracy(nodes: LatentMapNodes) -> str:
    """How well groups are told apart, one line for each way of measuring it, the dishonest one named as such."""
    lines = [nodes.remark] if nodes.remark else []
    for result in nodes.classifications:
        low, high = result.interval()
        text = _("{name}: {accuracy:.0f} % (95 % interval {low:.0f} to {high:.0f} %)").format(
            name=_label(result), accuracy=100 * result.accuracy, low=100 * low, high=100 * high
        )
        lines.append(text)
    return "\n".join(lines)


def describe_nearest(nodes: LatentMapNodes, name: str, count: int = 5) -> str:
    """The cases that are most like a case, with their groups and distances."""
    groups = dict(zip(nodes.codes.names, nodes.codes.groups, strict=True))
    nearest = ", ".join(
        f"{other} ({groups[other]}, {distance:.2f})" if groups[other] else f"{other} ({distance:.2f})"
        for other, distance in nodes.codes.nearest(name, count)
    )
    return _("Most like {case}: {nearest}").format(case=name, nearest=nearest)


def _label(result: Classification) -> str:
    """`Classification.name` in the user's language."""
    if result.name.startswith("canonical of"):
        return _("Cross-validated, on principal components")
    return {
        "largest group": _("Largest group"),
        "canonical components inside the folds": _("Cross-validated"),
        "canonical components of all cases (leaky)": _("Leaky, not to be believed"),
    }.get(result.name, result.name)


def _update_map_chart(scene, kind: str, plane: LatentMap, codes: CodeTable, points: np.ndarray):
    tables, series = {}, []
    groups = np.array([group or _NO_GROUP for group in codes.groups])
    for group, colour in colours_of_groups(groups.tolist()).items():
        rows = np.flatnonzero(groups == group)
        # Twice the same point, since VTK complains of lines with a single one.
        rows = np.repeat(rows, 2) if len(rows) == 1 else rows
        tables[group] = {
            "case": [codes.names[row] for row in rows],
            "x": Column(points[rows, 0]),
            "y": Column(points[rows, 1]),
        }
        series.append(Series(group, group, "x", "y", "points", colour, 9.0, labels="case"))
    former = _tables_of(find_in_role(scene, "vtkMRMLPlotChartNode", _MAP))
    reach = _reach(points)
    title = _("Latent map: canonical plane") if kind == "canonical" else _("Latent map: principal plane")
    legend = any(codes.groups)
    upper = 1.4 * reach if legend else reach  # the legend lies in the upper corner and would hide cases
    axes = Axes(title, _axis_title(kind, 1), _axis_title(kind, 2), (-reach, reach), (-reach, upper), legend)
    chart = update_chart(scene, _MAP, axes, tables, series)
    for table in former:  # of groups that are no more
        if table not in _tables_of(chart):
            scene.RemoveNode(table)
    return chart


def _reach(points: np.ndarray) -> float:
    return 1.08 * max(float(np.abs(points).max()), 2.0)


def _axis_title(kind: str, number: int) -> str:
    if kind == "canonical":
        return _("Canonical component {number}").format(number=number)
    return _("Component {number} (SD of the training cases)").format(number=number)


def _tables_of(chart) -> list:
    if chart is None:
        return []
    series = [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]
    return [one.GetTableNode() for one in series if one is not None and one.GetTableNode() is not None]


def _update_accuracy_table(scene, classifications: Sequence[Classification]):
    if not classifications:
        former = find_in_role(scene, "vtkMRMLTableNode", _ACCURACY)
        if former is not None:
            scene.RemoveNode(former)
        return None
    node = node_in_role(scene, "vtkMRMLTableNode", _ACCURACY, _("Groups told apart"))
    intervals = np.array([result.interval() for result in classifications])
    fill_table(
        node,
        {
            "Method": [result.name for result in classifications],
            "Accuracy": Column([100 * result.accuracy for result in classifications], "%"),
            "From": Column(100 * intervals[:, 0], "%", "Lower end of the 95 % confidence interval."),
            "To": Column(100 * intervals[:, 1], "%", "Upper end of the 95 % confidence interval."),
            "Honest": ["yes" if result.honest else "no: leaky" for result in classifications],
        },
    )
    return node
