"""Components of deformation as a table and as plots: an image among the training population of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationSceneLib.placement import place_beside, unique_name
from DeformationSceneLib.plots import Axes, Series, update_chart
from DeformationSceneLib.tables import Column, add_table, find_in_role

if TYPE_CHECKING:
    from LatentRegistrationLib.explorer import Explorer

_POPULATION = "LatentRegistration/population"
_COEFFICIENTS = "LatentRegistration/coefficients"
_VARIANCE = "LatentRegistration/variance"

_IMAGE_COLOUR = (0.80, 0.25, 0.10)
_POPULATION_COLOUR = (0.45, 0.56, 0.70)
_BAND_COLOUR = (0.55, 0.55, 0.55)


def component_columns(explorer: Explorer) -> dict[str, Column]:
    """What is known of each component, as columns of a table."""
    share = 100.0 * explorer.explained_variance_ratio
    return {
        "Component": Column(np.arange(1, explorer.count + 1)),
        "Explained variance": Column(share, "%", "Share of the variance of the training population's codes."),
        "Cumulative variance": Column(share.cumsum(), "%", "Share that this component and those before it explain."),
        "Standard deviation": Column(
            explorer.standard_deviations,
            "",
            "Spread of the training population along the component, in units of the code.",
        ),
        "Coefficient": Column(explorer.coefficients, "", "Of the image, in units of the code."),
        "Coefficient in SD": Column(
            explorer.coefficients / explorer.standard_deviations,
            "SD",
            "Of the image, in standard deviations of the training population.",
        ),
    }


def add_component_table(explorer: Explorer, imageNode):
    """A table node of the components and the image's coefficients, beside the image."""
    scene = imageNode.GetScene()
    name = unique_name(scene, _("{image} components").format(image=imageNode.GetName()))
    node = add_table(scene, name, component_columns(explorer))
    place_beside(node, imageNode)
    return node


def population_chart(explorer: Explorer, imageNode, first: int = 0, second: int = 1):
    """Chart of two components: every training case as a point, the image among them, circles at 1 and 2 SD.

    Args:
        first, second: components along the horizontal and the vertical axis, counted from 0.

    Raises:
        InputError: for components that the model does not have.
    """
    for component in (first, second):
        if not 0 <= component < explorer.count:
            raise InputError(
                _("There is no component {number}: this model has {count}.").format(
                    number=component + 1, count=explorer.count
                )
            )
    chosen = [first, second]
    population = explorer.population[:, chosen] / explorer.standard_deviations[chosen]
    image = explorer.coefficients[chosen] / explorer.standard_deviations[chosen]
    angle = np.linspace(0.0, 2.0 * np.pi, 73)
    circle = {"1 SD x": np.cos(angle), "1 SD": np.sin(angle), "2 SD x": 2 * np.cos(angle), "2 SD": 2 * np.sin(angle)}
    name = imageNode.GetName()
    tables = {
        "population": {"x": Column(population[:, 0], "SD"), "y": Column(population[:, 1], "SD")},
        "circles": circle,
        # Twice the same point, since VTK complains of lines with a single one.
        "image": {"x": Column(image[[0, 0]], "SD"), "y": Column(image[[1, 1]], "SD"), "label": [name] * 2},
    }
    series = [
        Series(_("1 SD"), "circles", "1 SD x", "1 SD", "dashed line", _BAND_COLOUR),
        Series(_("2 SD"), "circles", "2 SD x", "2 SD", "dotted line", _BAND_COLOUR),
        Series(_("training cases"), "population", "x", "y", "points", _POPULATION_COLOUR, 7.0),
        Series(name, "image", "x", "y", "points", _IMAGE_COLOUR, 16.0, "diamond", labels="label"),
    ]
    # The same length along both axes, or one component would look wider than the other.
    reach = 1.08 * max(np.abs(population).max(initial=2.0), np.abs(image).max())
    axes = Axes(
        _("{image} among the training cases").format(image=name),
        _axis_title(explorer, first),
        _axis_title(explorer, second),
        (-reach, reach),
        (-reach, reach),
    )
    return update_chart(imageNode.GetScene(), _POPULATION, axes, tables, series, imageNode)


def coefficients_chart(explorer: Explorer, imageNode):
    """Chart of the image's coefficient along each component, in standard deviations, with lines at 1 and 2 SD."""
    numbers = np.arange(1, explorer.count + 1)
    deviations = explorer.coefficients / explorer.standard_deviations
    ends = np.array([0.5, explorer.count + 0.5])
    bands = {"Component": ends} | {f"{level:+d} SD": np.full(2, float(level)) for level in (-2, -1, 1, 2)}
    series = [Series(imageNode.GetName(), "coefficients", "Component", "Coefficient", "bars", _IMAGE_COLOUR)]
    for level in (1, -1, 2, -2):
        kind = "dashed line" if abs(level) == 1 else "dotted line"
        series.append(Series(f"{level:+d} SD", "bands", "Component", f"{level:+d} SD", kind, _BAND_COLOUR))
    tables = {
        "coefficients": {"Component": numbers, "Coefficient": Column(deviations, "SD")},
        "bands": bands,
    }
    reach = 1.1 * max(np.abs(deviations).max(), 2.0)
    axes = Axes(
        _("Coefficients of {image}").format(image=imageNode.GetName()),
        _("Component"),
        _("Coefficient (SD of the training cases)"),
        (0.0, explorer.count + 1.0),
        (-reach, reach),
        legend=False,
    )
    return update_chart(imageNode.GetScene(), _COEFFICIENTS, axes, tables, series, imageNode)


def variance_chart(explorer: Explorer, imageNode, modelName: str = ""):
    """Chart of the variance that each component explains, and that all up to it explain together, in percent."""
    share = 100.0 * explorer.explained_variance_ratio
    tables = {
        "variance": {
            "Component": np.arange(1, explorer.count + 1),
            "Explained variance": Column(share, "%"),
            "Cumulative variance": Column(share.cumsum(), "%"),
        }
    }
    series = [
        Series(_("each"), "variance", "Component", "Explained variance", "bars", _POPULATION_COLOUR),
        Series(
            _("cumulative"),
            "variance",
            "Component",
            "Cumulative variance",
            "line with points",
            _IMAGE_COLOUR,
            6.0,
        ),
    ]
    title = _("Variance explained by the components of '{model}'").format(model=modelName)
    axes = Axes(
        title if modelName else _("Variance explained by the components"),
        _("Component"),
        _("Explained variance (%)"),
        (0.0, explorer.count + 1.0),
        (0.0, 112.0),
    )
    return update_chart(imageNode.GetScene(), _VARIANCE, axes, tables, series, imageNode)


def update_charts(explorer: Explorer, imageNode, first: int = 0, second: int = 1, modelName: str = "") -> None:
    """Bring those charts up to date that the scene has already; arguments as of the functions that make them."""
    charts = {
        _POPULATION: lambda: population_chart(explorer, imageNode, first, second),
        _COEFFICIENTS: lambda: coefficients_chart(explorer, imageNode),
        _VARIANCE: lambda: variance_chart(explorer, imageNode, modelName),
    }
    for role, update in charts.items():
        if find_in_role(imageNode.GetScene(), "vtkMRMLPlotChartNode", role) is not None:
            update()


def _axis_title(explorer: Explorer, component: int) -> str:
    return _("Component {number} (SD, {share:.0f} % of the variance)").format(
        number=component + 1, share=100.0 * explorer.explained_variance_ratio[component]
    )
