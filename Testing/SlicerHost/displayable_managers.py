"""The displayable managers of Slicer's views: which ones there are, and groups of them for a renderer."""

from __future__ import annotations

from collections.abc import Iterable

import slicer
import vtk

SLICE_VIEW_MANAGERS = (
    # By qMRMLSliceView itself, in its order ...
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLScalarBarDisplayableManager",
    # ... and by the modules Colors, Markups, Segmentations and Transforms.
    "vtkMRMLColorLegendDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLTransformsDisplayableManager2D",
    "vtkMRMLLinearTransformsDisplayableManager",
)

THREE_D_VIEW_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLThreeDReformatDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager3D",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLTransformsDisplayableManager3D",
    "vtkMRMLLinearTransformsDisplayableManager",
    "vtkMRMLVolumeRenderingDisplayableManager",
)

# The object factory of slicer-core does not know this one by name; an instance can be added to a group all the same.
THREE_D_VIEW_MANAGERS_WITHOUT_FACTORY = ("vtkMRMLThreeDSliceEdgeDisplayableManager",)


def registered_factory(factory_class: type, names: Iterable[str], application_logic):
    """The factory (one per kind of view) that makes the managers named here, and those that modules add to it later."""
    factory = factory_class.GetInstance()
    factory.SetMRMLApplicationLogic(application_logic)
    for name in names:
        if not factory.IsDisplayableManagerRegistered(name):
            factory.RegisterDisplayableManager(name)
    return factory


def group_from_factory(
    factory, renderer: vtk.vtkRenderer, others: Iterable[str] = ()
) -> slicer.vtkMRMLDisplayableManagerGroup:
    """All managers of a factory, and `others` by class name, drawing into a renderer whose window has an interactor."""
    group = slicer.vtkMRMLDisplayableManagerGroup()
    group.Initialize(factory, renderer)
    _add(group, others, factory.GetMRMLApplicationLogic())
    return group


def group_of(
    names: Iterable[str], renderer: vtk.vtkRenderer, application_logic
) -> slicer.vtkMRMLDisplayableManagerGroup:
    """Exactly the managers named here, whatever the factories know."""
    # What vtkMRMLDisplayableManagerGroup.Initialize does for groups that have a factory.
    vtk.vtkMapper.SetResolveCoincidentTopologyToPolygonOffset()
    group = slicer.vtkMRMLDisplayableManagerGroup()
    group.SetRenderer(renderer)
    _add(group, names, application_logic)
    return group


def _add(group, names: Iterable[str], application_logic) -> None:
    for name in names:
        manager = getattr(slicer, name)()
        manager.SetMRMLApplicationLogic(application_logic)
        group.AddDisplayableManager(manager)
