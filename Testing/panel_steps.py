"""What several tests of the panel need: waiting for its work, and holding that work up."""

from __future__ import annotations

import threading
import time

import slicer

from DeformationSceneLib.placement import nodes_of

SECONDS = 60.0
"""How long a test waits before it fails."""


def scene_ids(scene) -> set[str]:
    """IDs of all nodes of a scene."""
    return {node.GetID() for node in nodes_of(scene)}


def handle_events(seconds: float) -> None:
    """Let the window live for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        slicer.app.processEvents()
        time.sleep(0.002)


class Obstacle:
    """Holds the work of the panel up inside its thread, where the model is loaded, until the test lets it go on."""

    def __init__(self, monkeypatch, panel):
        self.reached, self.go_on = threading.Event(), threading.Event()
        original = panel.logic.model

        def model(*arguments):
            self.reached.set()
            self.go_on.wait(SECONDS)
            return original(*arguments)

        monkeypatch.setattr(panel.logic, "model", model)
