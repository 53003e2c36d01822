#!/usr/bin/env python3
"""Time to redraw the host's views when one thing changes: three slice views and a 3-D view of 400 x 300 pixels.

A phantom with its segmentation and a displacement field is shown in the four-up layout. "change" is what Slicer's nodes
and logics do at once, "redraw" the drawing of all views that the change concerns, "smooth" the same with smooth edges,
as in pictures that are kept. Medians over the repetitions, milliseconds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from Testing.SlicerHost.application import start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=10)
    repetitions = parser.parse_args().repetitions
    start()
    from Testing.SlicerHost.application_views import show_views

    manager = show_views((802, 646))
    changes = _changes(manager)
    print(f"{'what changes':34}{'views':>6}{'change':>9}{'redraw':>9}{'smooth':>9}{'ratio':>7}")
    for name, change in changes:
        views, *times = _measured(manager, change, repetitions)
        changing, live, smooth = (1000 * statistics.median(values) for values in times)
        print(f"{name:34}{views:6}{changing:9.1f}{live:9.1f}{smooth:9.1f}{live / smooth:7.2f}")


def _measured(manager, change: Callable[[int], None], repetitions: int) -> tuple[int, list, list, list]:
    """How many views a change concerns; seconds for the change, for redrawing, for redrawing smoothly."""
    views = [widget.viewWidget() for widget in manager.viewWidgets() if widget.isVisible()]
    changing, live, smooth, concerned = [], [], [], 0
    for repetition in range(repetitions + 1):
        began = time.perf_counter()
        change(repetition)
        changed = time.perf_counter()
        before = sum(view.number_of_renders for view in views)
        for view in views:
            view.picture()
        drawn = time.perf_counter()
        concerned = sum(view.number_of_renders for view in views) - before
        for view in views:
            view.renderSmooth()
        ended = time.perf_counter()
        # The first round builds what later ones use again.
        if repetition:
            changing.append(changed - began)
            live.append(drawn - changed)
            smooth.append(ended - drawn)
    return concerned, changing, live, smooth


def _changes(manager) -> list[tuple[str, Callable[[int], None]]]:
    """What is changed, by name; builds the scene."""
    import slicer
    from vtk.util.numpy_support import vtk_to_numpy

    from DeformationLib.phantoms import two_part_phantom
    from DeformationSceneLib.segmentations import add_segmentation
    from DeformationSceneLib.transforms import style_transform_display
    from DeformationSceneLib.volumes import add_volume

    scene = slicer.mrmlScene
    image, labels = two_part_phantom(4, size=64)
    volume = add_volume(scene, image, "phantom")
    segmentation = add_segmentation(scene, labels, "structure")
    segmentation.CreateClosedSurfaceRepresentation()
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    manager.resetThreeDViews()
    red = manager.sliceWidget("Red").sliceLogic()
    middle = red.GetSliceOffset()
    surfaces = [
        segmentation.GetClosedSurfaceInternalRepresentation(segment)
        for segment in segmentation.GetSegmentation().GetSegmentIDs()
    ]
    vectors, transform = _wave(scene)
    display = transform.GetDisplayNode()

    def move_surfaces(repetition: int) -> None:
        for surface in surfaces:
            vtk_to_numpy(surface.GetPoints().GetData())[:] += 0.2 * (-1) ** repetition
            surface.GetPoints().Modified()
            surface.Modified()
        segmentation.GetSegmentation().InvokeEvent(slicer.vtkSegmentation.RepresentationModified)

    def change_volume(repetition: int) -> None:
        slicer.util.arrayFromVolume(volume)[:] *= 1.01 ** ((-1) ** repetition)
        slicer.util.arrayFromVolumeModified(volume)

    def change_field(repetition: int) -> None:
        vtk_to_numpy(vectors.GetPointData().GetScalars())[:] *= 1.05 ** ((-1) ** repetition)
        vectors.Modified()
        transform.GetTransformFromParent().Modified()
        transform.Modified()

    def field_as(kind: str) -> Callable[[int], None]:
        def change(repetition: int) -> None:
            if repetition == 0:
                style_transform_display(display, transform, kind, spacing_mm=4.0)
                display.SetVisibility2D(True)
                display.SetVisibility(True)
            change_field(repetition)

        return change

    def turn_camera(repetition: int) -> None:
        view = manager.threeDWidget(0).threeDView()
        view.renderer().GetActiveCamera().Azimuth(3)
        view.scheduleRender()

    def outline_surfaces(repetition: int) -> None:
        segmentation.GetDisplayNode().SetPreferredDisplayRepresentationName2D("Closed surface")
        move_surfaces(repetition)

    return [
        ("slice offset of one view", lambda repetition: red.SetSliceOffset(middle + repetition % 5)),
        ("camera", turn_camera),
        ("voxels of the volume", change_volume),
        ("surfaces, slices show label maps", move_surfaces),
        ("surfaces, slices show surfaces", outline_surfaces),
        ("arrows every 4 mm", field_as("arrows")),
        ("grid every 4 mm", field_as("grid")),
    ]


def _wave(scene):
    """A smooth displacement field of 1.5 mm over the phantom: its image data and its transform node."""
    import slicer
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    image = vtk.vtkImageData()
    image.SetDimensions(24, 24, 24)
    image.SetSpacing(3, 3, 3)
    image.SetOrigin(-34.5, -34.5, -34.5)
    image.AllocateScalars(vtk.VTK_DOUBLE, 3)
    z, y, x = np.meshgrid(*[np.linspace(-2, 2, 24)] * 3, indexing="ij")
    field = 1.5 * np.stack([np.sin(y), np.cos(z), np.sin(x)], axis=-1)
    vtk_to_numpy(image.GetPointData().GetScalars())[:] = field.reshape(-1, 3)
    grid = slicer.vtkOrientedGridTransform()
    grid.SetDisplacementGridData(image)
    node = scene.AddNewNodeByClass("vtkMRMLGridTransformNode", "wave")
    node.SetAndObserveTransformFromParent(grid)
    node.CreateDefaultDisplayNodes()
    return image, node


if __name__ == "__main__":
    main()
