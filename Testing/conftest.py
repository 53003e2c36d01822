"""Fixtures of the tests that need the scene: the host, an empty scene, the module's logic."""

from __future__ import annotations

import pytest

from Testing.SlicerHost.application import start


@pytest.fixture(scope="session")
def application():
    """The headless host, started once."""
    return start()


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
