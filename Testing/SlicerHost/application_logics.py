"""The application logic and the logics of Slicer's own modules, as the application sets them up."""

from __future__ import annotations

import os

import slicer

# Registration order of the application: colours first, since display nodes look for them.
_LOGICS = {
    "Colors": "vtkMRMLColorLogic",
    "Units": "vtkSlicerUnitsLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Models": "vtkSlicerModelsLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Texts": "vtkSlicerTextsLogic",
    "ViewControllers": "vtkSlicerViewControllersLogic",
}


def make_application_logic(scene: slicer.vtkMRMLScene, temporary_path: str) -> slicer.vtkSlicerApplicationLogic:
    """The application logic with the remote-IO cache without which the scene reads no .mrb file."""
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetTemporaryPath(temporary_path)
    logic.SetMRMLScene(scene)
    remote_io = slicer.vtkMRMLRemoteIOLogic()
    remote_io.GetCacheManager().SetRemoteCacheDirectory(os.path.join(temporary_path, "RemoteIO"))
    data_io = slicer.vtkDataIOManagerLogic()
    logic.SetMRMLSceneDataIO(scene, remote_io, data_io)
    # The application logic keeps no reference to the two.
    logic.host_data_io = (remote_io, data_io)
    return logic


def make_module_logics(application_logic, scene: slicer.vtkMRMLScene) -> dict[str, object]:
    """The logics of Slicer's modules by module name, with the default colour nodes in the scene."""
    logics = {}
    for module_name, class_name in _LOGICS.items():
        logic = getattr(slicer, class_name)()
        if hasattr(logic, "SetMRMLApplicationLogic"):
            logic.SetMRMLApplicationLogic(application_logic)
        logic.SetMRMLScene(scene)
        application_logic.SetModuleLogic(module_name, logic)
        logics[module_name] = logic
    logics["Colors"].AddDefaultColorNodes()
    application_logic.SetColorLogic(logics["Colors"])
    return logics
