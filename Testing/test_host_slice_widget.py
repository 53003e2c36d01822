"""Slice and 3-D views of the host: what they draw, and what mouse, wheel and keys do in them."""

from __future__ import annotations

import numpy as np
import pytest
import qt
import slicer
import vtk

from DeformationSceneLib.transforms import style_transform_display
from Testing.view_events import (
    drag,
    is_colour,
    pixel_of,
    press_key,
    ras_of_pixels,
    turn_wheel,
    voxels_under_pixels,
)

SHAPE = (20, 30, 40)
SPACING = (1.0, 1.5, 2.5)
RED = (255, 0, 0)


@pytest.fixture
def views(empty_views):
    # No corner texts, no frame in the 3-D view: only what a test puts there is in the pictures.
    for name in ("Red", "Green", "Yellow"):
        empty_views.sliceWidget(name).sliceView().cornerAnnotation().SetVisibility(False)
    view_node = empty_views.threeDWidget(0).mrmlViewNode()
    view_node.SetBoxVisible(False)
    view_node.SetAxisLabelsVisible(False)
    return empty_views


@pytest.fixture
def red(views):
    return views.sliceWidget("Red")


def volume(values: np.ndarray, name: str = "image", node_class: str = "vtkMRMLScalarVolumeNode"):
    return slicer.util.addVolumeFromArray(values, np.diag([*SPACING, 1.0]), name, node_class)


def constant(value: float, name: str):
    """A volume of one value, shown with a window from 0 to 100."""
    node = volume(np.full(SHAPE, value, np.float32), name)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevelMinMax(0, 100)
    return node


def box_labels():
    labels = np.zeros(SHAPE, np.uint8)
    labels[5:15, 8:20, 10:25] = 1
    return volume(labels, "box", "vtkMRMLLabelMapVolumeNode")


def segmentation_of(label_node, colour):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "segmentation")
    slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(label_node, node)
    node.CreateDefaultDisplayNodes()
    node.GetSegmentation().GetNthSegment(0).SetColor(*(component / 255 for component in colour))
    return node


def centre(picture: np.ndarray) -> np.ndarray:
    return picture[picture.shape[0] // 2, picture.shape[1] // 2, :3].astype(int)


def test_background_volume_lies_where_its_voxels_are(views, red):
    values = np.zeros(SHAPE, np.float32)
    values[10, 12:, 25:] = 100
    node = volume(values)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetInterpolate(False)
    slicer.util.setSliceViewerLayers(background=node, fit=True)
    red.sliceLogic().SetSliceOffset(10 * SPACING[2])
    picture = red.sliceView().picture()
    expected = voxels_under_pixels(red, node) > 50
    assert expected.any()
    assert not expected.all()
    assert np.mean((picture[..., 0] > 127) == expected) > 0.98


def test_the_letters_of_the_bars(views):
    labels = {name: views.sliceWidget(name).sliceController().viewLabel().text for name in views.sliceViewNames()}
    assert {name: labels[name] for name in ("Red", "Yellow", "Green")} == {"Red": "R", "Yellow": "Y", "Green": "G"}


def test_the_bars_have_their_colours(views):
    for name, strongest, weakest in (("Red", 0, 2), ("Green", 1, 2), ("Yellow", 0, 2)):
        bar = views.sliceWidget(name).sliceController().barWidget()
        image = bar.grab().toImage()
        colour = image.pixelColor(image.width() // 3, image.height() - 2).getRgb()
        assert colour[strongest] - colour[weakest] > 60, name


def test_segmentation_appears_where_its_voxels_are(views, red):
    labels = box_labels()
    segmentation = segmentation_of(labels, RED)
    display = segmentation.GetDisplayNode()
    display.SetOpacity2DFill(1.0)
    display.SetVisibility2DOutline(False)
    slicer.util.setSliceViewerLayers(background=constant(0, "black"), fit=True)
    red.sliceLogic().SetSliceOffset(10 * SPACING[2])
    picture = red.sliceView().picture()
    expected = voxels_under_pixels(red, labels) == 1
    assert expected.sum() > 1000
    assert np.mean(is_colour(picture, RED) == expected) > 0.98
    red.sliceLogic().SetSliceOffset(1 * SPACING[2])
    assert not is_colour(red.sliceView().picture(), RED).any()


def test_hidden_segmentation_is_not_drawn(views, red):
    segmentation = segmentation_of(box_labels(), RED)
    slicer.util.setSliceViewerLayers(background=constant(0, "black"), fit=True)
    red.sliceLogic().SetSliceOffset(10 * SPACING[2])
    assert is_colour(red.sliceView().picture(), RED, 200).any()
    segmentation.GetDisplayNode().SetVisibility(False)
    assert red.sliceView().picture()[..., :3].max() == 0


def test_foreground_is_blended_by_its_opacity(views, red):
    dark, bright = constant(20, "dark"), constant(80, "bright")
    slicer.util.setSliceViewerLayers(background=dark, foreground=bright, foregroundOpacity=0.0, fit=True)
    shades = []
    for opacity in (0.0, 0.5, 1.0):
        red.mrmlSliceCompositeNode().SetForegroundOpacity(opacity)
        shades.append(centre(red.sliceView().picture())[0])
    assert shades == pytest.approx([0.2 * 255, 0.5 * 255, 0.8 * 255], abs=4)


def test_label_layer_has_the_colour_of_its_table(views, red):
    labels = box_labels()
    labels.CreateDefaultDisplayNodes()
    slicer.util.setSliceViewerLayers(background=constant(0, "black"), label=labels, labelOpacity=1.0, fit=True)
    red.sliceLogic().SetSliceOffset(10 * SPACING[2])
    rgba = [0.0] * 4
    labels.GetDisplayNode().GetColorNode().GetColor(1, rgba)
    colour = tuple(round(255 * component) for component in rgba[:3])
    expected = voxels_under_pixels(red, labels) == 1
    assert np.mean(is_colour(red.sliceView().picture(), colour) == expected) > 0.98


def test_corner_names_the_layers(views, red):
    red.sliceView().cornerAnnotation().SetVisibility(True)
    black, other = constant(0, "black"), constant(0, "other")
    slicer.util.setSliceViewerLayers(background=black, foreground=other, foregroundOpacity=0.25, fit=True)
    picture = red.sliceView().picture()
    assert red.sliceView().cornerAnnotation().GetText(0) == "F: other (25%)\nB: black"
    height, width = picture.shape[:2]
    assert picture[3 * height // 4 :, : width // 2, :3].max() > 200
    assert picture[: height // 2, :, :3].max() == 0


def grid_transform(shift_mm: float):
    """A displacement of `shift_mm` to the right (R) everywhere, over the volume."""
    image = vtk.vtkImageData()
    image.SetDimensions(11, 11, 11)
    image.SetSpacing(5, 5, 5)
    image.AllocateScalars(vtk.VTK_DOUBLE, 3)
    vectors = vtk.util.numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
    vectors[:] = (shift_mm, 0.0, 0.0)
    grid = slicer.vtkOrientedGridTransform()
    grid.SetDisplacementGridData(image)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLGridTransformNode", "field")
    node.SetAndObserveTransformFromParent(grid)
    node.CreateDefaultDisplayNodes()
    return node


@pytest.mark.parametrize("kind", ["arrows", "grid"])
def test_transform_glyphs_appear_as_their_display_node_says(views, red, kind):
    slicer.util.setSliceViewerLayers(background=constant(0, "black"), fit=True)
    red.sliceLogic().SetSliceOffset(10 * SPACING[2])
    node = grid_transform(3.0)
    display = node.GetDisplayNode()
    style_transform_display(display, node, kind, spacing_mm=6.0)
    assert red.sliceView().picture()[..., :3].max() == 0
    display.SetVisibility(True)
    display.SetVisibility2D(True)
    drawn = red.sliceView().picture()[..., :3].max(axis=-1) > 60
    assert drawn.sum() > 300
    display.SetVisibility2D(False)
    assert red.sliceView().picture()[..., :3].max() == 0


def test_markups_are_drawn_at_their_place(views, red):
    slicer.util.setSliceViewerLayers(background=constant(0, "black"), fit=True)
    red.sliceLogic().SetSliceOffset(25.0)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "F")
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetSelectedColor(0.0, 1.0, 0.0)
    node.GetDisplayNode().SetPointLabelsVisibility(False)
    node.AddControlPoint(12.0, 30.0, 25.0)
    found = np.argwhere(is_colour(red.sliceView().picture(), (0, 255, 0), 90))
    assert found.mean(axis=0) == pytest.approx(pixel_of(red, (12.0, 30.0, 25.0)), abs=2)


def test_model_is_cut_by_the_slice_and_seen_in_three_d(views, red):
    sphere = vtk.vtkSphereSource()
    sphere.SetRadius(12)
    sphere.SetThetaResolution(40)
    sphere.SetPhiResolution(40)
    sphere.Update()
    model = slicer.modules.models.logic().AddModel(sphere.GetOutput())
    model.GetDisplayNode().SetColor(0, 1, 0)
    model.GetDisplayNode().SetVisibility2D(True)
    red.mrmlSliceNode().SetFieldOfView(80, 80, 1)
    outline = is_colour(red.sliceView().picture(), (0, 255, 0), 60)
    radius = np.linalg.norm(ras_of_pixels(red)[outline], axis=-1)
    assert radius == pytest.approx(12.0, abs=1.0)

    views.resetThreeDViews()
    picture = views.threeDWidget(0).threeDView().picture().astype(int)
    green = picture[..., 1] - np.maximum(picture[..., 0], picture[..., 2]) > 60
    assert green.sum() > 2000
    rows, columns = np.nonzero(green)
    middle = np.array(picture.shape[:2]) / 2
    assert (rows.mean(), columns.mean()) == pytest.approx(tuple(middle), abs=5)


def test_translucent_models_stay_when_edges_are_smoothed(views):
    sphere = vtk.vtkSphereSource()
    sphere.SetRadius(40)
    sphere.Update()
    model = slicer.modules.models.logic().AddModel(sphere.GetOutput())
    model.GetDisplayNode().SetColor(0, 1, 0)
    model.GetDisplayNode().SetOpacity(0.5)
    view = views.threeDWidget(0).threeDView()
    views.resetThreeDViews()
    live = centre(view.picture())
    view.renderSmooth()
    assert live[1] - live[0] > 80
    assert centre(view.picture()) == pytest.approx(live, abs=12)


def test_three_d_background_is_slicers_gradient(views):
    picture = views.threeDWidget(0).threeDView().picture().astype(int)
    assert picture[-1, 10, :3] == pytest.approx((193, 195, 232), abs=4)
    assert picture[0, 10, :3] == pytest.approx((116, 120, 190), abs=4)


def test_three_d_shows_segmentation_and_frame(views):
    view, node = views.threeDWidget(0).threeDView(), views.threeDWidget(0).mrmlViewNode()
    segmentation = segmentation_of(box_labels(), RED)
    segmentation.CreateClosedSurfaceRepresentation()
    views.resetThreeDViews()
    picture = view.picture().astype(int)
    reddish = picture[..., 0] - picture[..., 2] > 60
    assert reddish.sum() > 1000
    node.SetBoxVisible(True)
    assert is_colour(view.picture(), (255, 0, 255), 60).sum() > 100


def test_wheel_moves_by_one_slice(views, red):
    slicer.util.setSliceViewerLayers(background=constant(10, "image"), fit=True)
    logic = red.sliceLogic()
    logic.SetSliceOffset(8 * SPACING[2])
    turn_wheel(red.sliceView(), 1)
    assert logic.GetSliceOffset() == pytest.approx(9 * SPACING[2])
    turn_wheel(red.sliceView(), -3)
    assert logic.GetSliceOffset() == pytest.approx(6 * SPACING[2])
    yellow = views.sliceWidget("Yellow")
    before = yellow.sliceLogic().GetSliceOffset()
    turn_wheel(yellow.sliceView(), 1)
    assert abs(yellow.sliceLogic().GetSliceOffset() - before) == pytest.approx(SPACING[0])


def test_wheel_with_control_zooms(views, red):
    slicer.util.setSliceViewerLayers(background=constant(10, "image"), fit=True)
    offset, width = red.sliceLogic().GetSliceOffset(), red.mrmlSliceNode().GetFieldOfView()[0]
    turn_wheel(red.sliceView(), 1, qt.Qt.ControlModifier)
    assert red.sliceLogic().GetSliceOffset() == offset
    assert red.mrmlSliceNode().GetFieldOfView()[0] != pytest.approx(width)


def test_middle_drag_moves_the_picture(views, red):
    slicer.util.setSliceViewerLayers(background=constant(10, "image"), fit=True)
    before = pixel_of(red, (20.0, 20.0, 0.0))
    drag(red.sliceView(), (100, 100), (130, 80), qt.Qt.MiddleButton)
    after = pixel_of(red, (20.0, 20.0, 0.0))
    assert (after[0] - before[0], after[1] - before[1]) == pytest.approx((-20, 30), abs=2)


def test_keys_step_through_slices(views, red):
    slicer.util.setSliceViewerLayers(background=constant(10, "image"), fit=True)
    red.sliceLogic().SetSliceOffset(8 * SPACING[2])
    red.sliceView().enterEvent(None)
    press_key(red.sliceView(), qt.Qt.Key_F, "f")
    assert red.sliceLogic().GetSliceOffset() == pytest.approx(9 * SPACING[2])


def test_slider_and_slice_follow_each_other(views, red):
    slicer.util.setSliceViewerLayers(background=constant(10, "image"), fit=True)
    slider = red.sliceController().sliceOffsetSlider()
    assert slider.singleStep == pytest.approx(SPACING[2])
    assert slider.maximum - slider.minimum == pytest.approx((SHAPE[0] - 1) * SPACING[2], abs=SPACING[2])
    slider.value = 15.0
    assert red.sliceLogic().GetSliceOffset() == pytest.approx(15.0)
    red.sliceLogic().SetSliceOffset(22.5)
    assert slider.value == pytest.approx(22.5)
    assert slider.prefix == "S: "


def test_linked_views_follow(views):
    slicer.util.setSliceViewerLayers(background=constant(10, "image"), fit=True)
    views.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutThreeOverThreeView)
    red, other = views.sliceWidget("Red"), views.sliceWidget("Red+")
    slicer.util.setSliceViewerLayers(background=red.mrmlSliceCompositeNode().GetBackgroundVolumeID(), fit=True)
    for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        node.SetLinkedControl(True)
    other.mrmlSliceNode().SetViewGroup(red.mrmlSliceNode().GetViewGroup())
    red.sliceController().setSliceOffsetValue(12.5)
    assert other.sliceLogic().GetSliceOffset() == pytest.approx(12.5)


def test_fit_button_shows_the_whole_volume(views, red):
    slicer.util.setSliceViewerLayers(background=constant(100, "image"), fit=True)
    width = red.mrmlSliceNode().GetFieldOfView()[0]
    red.mrmlSliceNode().SetFieldOfView(5.0, 5.0, 1.0)
    red.sliceController().fitToWindowToolButton().click()
    assert red.mrmlSliceNode().GetFieldOfView()[0] == pytest.approx(width)


def test_orientation_can_be_changed(views, red):
    red.setSliceOrientation("Sagittal")
    assert red.sliceOrientation == "Sagittal"
    assert red.sliceController().sliceOffsetSlider().prefix in ("R: ", "L: ")
    red.setSliceOrientation("Axial")


def test_coordinates_of_the_view(views, red):
    red.sliceLogic().SetSliceOffset(10.0)
    xyz = red.sliceView().convertRASToXYZ([5.0, 7.0, 10.0])
    assert red.sliceView().convertXYZToRAS(xyz) == pytest.approx([5.0, 7.0, 10.0])
    height = red.sliceView().picture().shape[0]
    row, column = pixel_of(red, (5.0, 7.0, 10.0))
    assert xyz[:2] == pytest.approx([column, height - 1 - row], abs=1)


def test_left_drag_turns_the_camera(views):
    view = views.threeDWidget(0).threeDView()
    before, focal_point = view.cameraNode().GetPosition(), view.cameraNode().GetFocalPoint()
    drag(view, (100, 100), (160, 110))
    after = view.cameraNode().GetPosition()
    assert np.linalg.norm(np.subtract(after, before)) > 20
    distances = [np.linalg.norm(np.subtract(position, focal_point)) for position in (before, after)]
    assert distances[0] == pytest.approx(distances[1], rel=1e-3)


def test_double_click_maximizes_a_view(views, red):
    centre_of_view = qt.QPointF(100, 100)
    event = qt.QMouseEvent(
        qt.QEvent.MouseButtonDblClick,
        centre_of_view,
        centre_of_view,
        qt.Qt.LeftButton,
        qt.Qt.LeftButton,
        qt.Qt.NoModifier,
    )
    qt.QApplication.sendEvent(red.sliceView(), event)
    assert red.isVisible()
    assert not views.sliceWidget("Green").isVisible()
    views.layoutLogic().GetLayoutNode().RemoveAllMaximizedViewNodes()
    assert views.sliceWidget("Green").isVisible()


def test_click_and_drag_of_slicer_util(views, red):
    slicer.util.setSliceViewerLayers(background=constant(10, "image"), fit=True)
    width = red.mrmlSliceNode().GetFieldOfView()[0]
    slicer.util.clickAndDrag(red, button="Right", start=(100, 100), end=(100, 140))
    assert red.mrmlSliceNode().GetFieldOfView()[0] != pytest.approx(width, rel=0.05)
    view = views.threeDWidget(0).threeDView()
    position = view.cameraNode().GetPosition()
    slicer.util.clickAndDrag(view, start=(100, 100), end=(160, 100))
    assert np.linalg.norm(np.subtract(view.cameraNode().GetPosition(), position)) > 20


def test_view_from_an_axis(views):
    view = views.threeDWidget(0).threeDView()
    view.rotateToViewAxis("S")
    direction = np.subtract(view.cameraNode().GetPosition(), view.cameraNode().GetFocalPoint())
    assert direction / np.linalg.norm(direction) == pytest.approx([0, 0, 1], abs=1e-3)


def test_views_are_drawn_at_their_size(views, red):
    view = red.sliceView()
    size = view.size
    assert view.picture().shape == (size.height(), size.width(), 4)
    assert tuple(red.mrmlSliceNode().GetDimensions()[:2]) == (size.width(), size.height())
    image = view.grab().toImage()
    assert (image.width(), image.height()) == (size.width(), size.height())
