"""Fixtures of the tests that need the scene: the host, an empty scene, the module's logic."""

from __future__ import annotations

from pathlib import Path

import pytest

from Testing.SlicerHost.application import load_module, start

# Before the tests are collected: what they import takes qt, slicer.i18n and others from the host.
_APPLICATION = start()


@pytest.fixture(scope="session")
def application():
    """The headless host, started once."""
    return _APPLICATION


@pytest.fixture(autouse=True)
def no_slot_errors():
    """No test leaves behind what a slot or observer raised, or a refused connection; `expected_errors` takes them out."""
    from Testing.SlicerHost.signals import refused_connections, slot_errors

    slot_errors.clear()
    refused_connections.clear()
    yield
    left = [str(error) for error in slot_errors] + refused_connections
    slot_errors.clear()
    refused_connections.clear()
    assert left == []


@pytest.fixture
def scene(application):
    """The scene of the host, emptied before and after the test."""
    scene = application.mrmlScene()
    scene.Clear(False)
    yield scene
    scene.Clear(False)


@pytest.fixture(scope="session")
def module(application):
    """The file LatentRegistration.py, loaded as Slicer loads it."""
    from Testing.demo import load_module

    return load_module()


@pytest.fixture
def panel(scene):
    """The panel of LatentRegistration, opened as by its user; asserts in the end that no slot has raised anything."""
    yield from _opened_panel("LatentRegistration")


@pytest.fixture
def motion_models(tmp_path_factory, monkeypatch):
    """A motion model of slices with random weights is installed as cardiac-cine-2d, in place of the bundled one."""
    from Testing.motion_fixtures import motion_bundle

    folder = tmp_path_factory.mktemp("motion-models")
    motion_bundle(folder, name="cardiac cine 2d")
    monkeypatch.setenv("LATENTMOTION_MODELS", str(folder))


@pytest.fixture
def motion_panel(scene, motion_models):
    """The panel of MotionModel; as `panel`."""
    yield from _opened_panel("MotionModel")


@pytest.fixture
def risk_models(tmp_path_factory, monkeypatch):
    """A motion model of slices with random weights is installed as fingerprint, and a risk model of its fingerprints."""
    from Testing.motion_fixtures import motion_bundle
    from Testing.risk_panel_fixtures import risk_bundle

    folder = tmp_path_factory.mktemp("risk-models")
    motion_bundle(folder, name="fingerprint", slots=6, prior="unit")
    risk_bundle(folder, name="trained-risk", latent=5, slots=6, motion_model="fingerprint")
    monkeypatch.setenv("LATENTMOTION_MODELS", str(folder))
    return folder


@pytest.fixture
def risk_panel(scene, risk_models):
    """The panel of RiskPrediction; as `panel`."""
    yield from _opened_panel("RiskPrediction")


@pytest.fixture(scope="session")
def random_agents(tmp_path_factory):
    """A folder with agents of volumes and of slices with random weights."""
    from Testing.agent_fixtures import write_agents

    return write_agents(tmp_path_factory.mktemp("agents"))


@pytest.fixture
def agent_models(random_agents, monkeypatch):
    """The random agents are installed as hippocampus-agent and cardiac-slice-agent, in place of the bundled ones."""
    monkeypatch.setenv("LATENTMOTION_MODELS", str(random_agents))
    return random_agents


@pytest.fixture
def agent_panel(scene, agent_models):
    """The panel of AgentRegistration; as `panel`."""
    yield from _opened_panel("AgentRegistration")


def _opened_panel(name):
    import slicer

    from Testing.SlicerHost.modules import unload_module
    from Testing.SlicerHost.signals import slot_errors

    slot_errors.clear()
    load_module(Path(__file__).parents[1] / name / f"{name}.py")
    slicer.app.module_selector.selectModule(name)
    assert slot_errors == []
    yield getattr(slicer.modules, f"{name}Widget")
    unload_module(name)
    errors, slot_errors[:] = list(slot_errors), []
    assert errors == []


@pytest.fixture
def views(scene):
    """The layout manager, with slice, 3-D and plot views of the scene."""
    from Testing.SlicerHost.application_views import close_views, show_views

    yield show_views()
    close_views()


@pytest.fixture(scope="module")
def layout_manager(application):
    """The views of the application for all tests of one file, which saves the time to make them for each."""
    from Testing.SlicerHost.application_views import close_views, show_views

    yield show_views((800, 650))
    close_views()
    application.processEvents()


@pytest.fixture
def empty_views(scene, layout_manager):
    """The file's layout manager, with views of an empty scene in the four-up layout; no slot may raise anything."""
    import slicer

    from Testing.SlicerHost.signals import slot_errors

    slot_errors.clear()
    layout_manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    slicer.app.processEvents()
    yield layout_manager
    errors, slot_errors[:] = list(slot_errors), []
    assert errors == []


@pytest.fixture
def main_window(scene):
    """The main window with its views; without it, as in Slicer, there are no dialogs."""
    from Testing.SlicerHost.main_window import show_main_window

    window = show_main_window()
    yield window
    window.close_window()


@pytest.fixture(scope="session")
def phantom_folder(tmp_path_factory):
    """A folder with images/ and labels/ of six phantoms, 0.nii.gz to 5.nii.gz."""
    from DeformationLib.image_io import write_image
    from DeformationLib.phantoms import two_part_phantom

    folder = tmp_path_factory.mktemp("phantoms")
    for seed in range(6):
        image, labels = two_part_phantom(seed)
        write_image(image, folder / "images" / f"{seed}.nii.gz")
        write_image(labels, folder / "labels" / f"{seed}.nii.gz")
    return folder
