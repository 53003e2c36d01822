"""The layout manager of the host: which views there are, where they stand, and what becomes of them with the scene."""

from __future__ import annotations

import numpy as np
import pytest
import qt
import slicer

from Testing.SlicerHost.application import load_scene, save_scene
from Testing.SlicerHost.views import SliceView

LAYOUT = slicer.vtkMRMLLayoutNode
SLICES = {"Red", "Green", "Yellow"}


@pytest.fixture
def views(empty_views):
    return empty_views


def view_nodes() -> list[str]:
    classes = (
        "vtkMRMLAbstractViewNode",
        "vtkMRMLAbstractLayoutNode",
        "vtkMRMLSliceCompositeNode",
        "vtkMRMLSliceDisplayNode",
        "vtkMRMLCameraNode",
        "vtkMRMLCrosshairNode",
        "vtkMRMLModelNode",
    )
    return sorted(node.GetID() for name in classes for node in slicer.util.getNodesByClass(name))


def shown(views) -> set[str]:
    """Names of the view nodes whose widgets are visible."""
    return {widget.mrmlAbstractViewNode().GetName() for widget in views.viewWidgets() if widget.isVisible()}


def corner(views, widget) -> tuple[int, int]:
    point = widget.mapTo(views.viewport(), qt.QPoint(0, 0))
    return point.x(), point.y()


def volume(shape=(20, 24, 28), name="image"):
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return slicer.util.addVolumeFromArray(values, name=name)


def test_no_layout_manager_without_views(application):
    assert application.layoutManager() is None


def test_application_knows_its_views(views):
    assert slicer.app.layoutManager() is views
    assert set(views.sliceViewNames()) == SLICES
    assert views.threeDViewCount == 1
    assert views.plotViewCount == views.tableViewCount == 0 or views.plotViewCount == 1
    assert views.mrmlSliceLogics().GetNumberOfItems() >= 3
    assert views.sliceWidget("Purple") is None
    assert views.threeDWidget(7) is None


def test_four_up_stands_as_in_slicer(views):
    red, green, yellow = (views.sliceWidget(name) for name in ("Red", "Green", "Yellow"))
    three_d = views.threeDWidget(0)
    assert shown(views) == SLICES | {"View1"}
    assert corner(views, red)[0] < corner(views, three_d)[0]
    assert corner(views, red)[1] == corner(views, three_d)[1] < corner(views, green)[1] == corner(views, yellow)[1]
    assert corner(views, green)[0] < corner(views, yellow)[0]


def test_conventional_has_the_three_d_view_above(views):
    views.setLayout(LAYOUT.SlicerLayoutConventionalView)
    slicer.app.processEvents()
    assert views.layout == LAYOUT.SlicerLayoutConventionalView
    assert corner(views, views.threeDWidget(0))[1] < corner(views, views.sliceWidget("Red"))[1]
    assert shown(views) == SLICES | {"View1"}


def test_one_up_shows_one_view_alone(views):
    views.setLayout(LAYOUT.SlicerLayoutOneUpRedSliceView)
    slicer.app.processEvents()
    assert shown(views) == {"Red"}
    assert views.sliceWidget("Red").mrmlSliceNode().IsMappedInLayout()
    assert not views.sliceWidget("Green").mrmlSliceNode().IsMappedInLayout()
    views.setLayout(LAYOUT.SlicerLayoutFourUpView)
    assert shown(views) == SLICES | {"View1"}


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        (LAYOUT.SlicerLayoutFourUpPlotView, SLICES | {"PlotView1"}),
        (LAYOUT.SlicerLayoutConventionalPlotView, SLICES | {"View1", "PlotView1"}),
        (LAYOUT.SlicerLayoutFourUpTableView, SLICES | {"View1", "TableView1"}),
        (LAYOUT.SlicerLayoutOneUp3DView, {"View1"}),
    ],
)
def test_other_layouts(views, layout, expected):
    views.setLayout(layout)
    slicer.app.processEvents()
    assert shown(views) == expected


def test_layout_is_a_property_and_tells_of_changes(views):
    told = []
    views.connect("layoutChanged(int)", told.append)
    views.layout = LAYOUT.SlicerLayoutOneUpGreenSliceView
    views.disconnect("layoutChanged(int)", told.append)
    assert views.layout == LAYOUT.SlicerLayoutOneUpGreenSliceView
    assert told == [LAYOUT.SlicerLayoutOneUpGreenSliceView]


def test_unknown_layouts_become_the_conventional_one(views):
    views.setLayout(123456)
    assert views.layout == LAYOUT.SlicerLayoutConventionalView


def test_what_the_host_cannot_show_is_refused(views):
    with pytest.raises(NotImplementedError, match="dual monitor"):
        views.setLayout(LAYOUT.SlicerLayoutDualMonitorFourUpView)


def test_a_layout_of_a_module_is_shown(views):
    description = (
        '<layout type="horizontal"><item><view class="vtkMRMLSliceNode" singletontag="Red"/></item>'
        '<item><view class="vtkMRMLSliceNode" singletontag="Other">'
        '<property name="orientation" action="default">Sagittal</property>'
        '<property name="viewlabel" action="default">O</property></view></item></layout>'
    )
    views.layoutLogic().GetLayoutNode().AddLayoutDescription(501, description)
    views.setLayout(501)
    slicer.app.processEvents()
    assert shown(views) == {"Red", "Other"}
    other = views.sliceWidget("Other")
    assert other.sliceOrientation == "Sagittal"
    assert other.sliceController().viewLabel().text == "O"


def test_a_view_can_be_maximized(views):
    green = views.sliceWidget("Green")
    green.sliceController().maximizeView()
    slicer.app.processEvents()
    assert shown(views) == {"Green"}
    green.sliceController().maximizeView()
    slicer.app.processEvents()
    assert shown(views) == SLICES | {"View1"}


def test_slicer_util_uses_the_views(views):
    first, second = volume(), volume(name="other")
    slicer.util.setSliceViewerLayers(background=first, foreground=second, foregroundOpacity=0.3, fit=True)
    for name in SLICES:
        composite = views.sliceWidget(name).mrmlSliceCompositeNode()
        assert composite.GetBackgroundVolumeID() == first.GetID()
        assert composite.GetForegroundOpacity() == 0.3
    # All views follow `fit`: the volume's middle is where they look.
    assert views.sliceWidget("Red").sliceLogic().GetSliceOffset() == pytest.approx(9.5, abs=0.6)
    slicer.util.setViewControllersVisible(False)
    assert not views.sliceWidget("Red").sliceController().isVisible()
    slicer.util.setViewControllersVisible(True)
    slicer.util.resetSliceViews()
    slicer.util.resetThreeDViews()
    slicer.util.forceRenderAllViews()


def test_nothing_is_rendered_while_paused(views):
    node = volume()
    red = views.sliceWidget("Red")
    slicer.app.processEvents()
    before = red.sliceView().number_of_renders
    with slicer.util.RenderBlocker():
        assert red.sliceView().isRenderPaused()
        slicer.util.setSliceViewerLayers(background=node)
        slicer.app.processEvents()
        assert red.sliceView().number_of_renders == before
    red.sliceView().picture()
    assert red.sliceView().number_of_renders > before


def test_hidden_views_are_not_rendered(views):
    views.setLayout(LAYOUT.SlicerLayoutOneUpRedSliceView)
    slicer.app.processEvents()
    hidden = views.sliceWidget("Green").sliceView()
    before = hidden.number_of_renders
    slicer.util.setSliceViewerLayers(background=volume(), fit=True)
    slicer.util.forceRenderAllViews()
    assert hidden.number_of_renders == before


def test_requests_of_one_turn_become_one_render(views):
    slicer.util.setSliceViewerLayers(background=volume(), fit=True)
    slicer.util.forceRenderAllViews()
    red = views.sliceWidget("Red")
    before = red.sliceView().number_of_renders
    for offset in (3.0, 4.0, 5.0, 6.0):
        red.sliceLogic().SetSliceOffset(offset)
    assert red.sliceView().number_of_renders == before
    red.sliceView().picture()
    assert red.sliceView().number_of_renders == before + 1


def test_closing_the_scene_leaves_empty_views(views, scene):
    slicer.util.setSliceViewerLayers(background=volume(), fit=True)
    red = views.sliceWidget("Red")
    assert red.sliceView().picture()[..., :3].max() > 100
    names = views.sliceViewNames()
    scene.Clear(False)
    slicer.app.processEvents()
    assert views.sliceViewNames() == names
    assert views.sliceWidget("Red") is red
    assert red.sliceView().picture()[..., :3].max() == 0
    assert shown(views) == SLICES | {"View1"}
    # And they work again.
    slicer.util.setSliceViewerLayers(background=volume(), fit=True)
    assert red.sliceView().picture()[..., :3].max() > 100


def test_view_nodes_are_not_duplicated_by_loading_a_scene(views, tmp_path):
    slicer.util.setSliceViewerLayers(background=volume(), fit=True)
    views.sliceWidget("Red").sliceLogic().SetSliceOffset(7.0)
    slicer.app.processEvents()
    nodes, picture = view_nodes(), views.sliceWidget("Red").sliceView().picture()
    save_scene(tmp_path / "scene.mrb")
    for _ in range(2):
        load_scene(tmp_path / "scene.mrb")
        slicer.app.processEvents()
        assert view_nodes() == nodes
    assert views.sliceWidget("Red").sliceLogic().GetSliceOffset() == pytest.approx(7.0)
    assert np.array_equal(views.sliceWidget("Red").sliceView().picture(), picture)


def test_figures_of_slice_views_leave_the_layout_alone(views, scene):
    nodes, names = view_nodes(), views.sliceViewNames()
    with SliceView(scene, size=(100, 80)) as figure:
        figure.set_background(volume())
        assert figure.render().max() > 0
        assert views.sliceViewNames() == names
    assert view_nodes() == nodes
