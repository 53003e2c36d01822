"""Colour tables that Slicer does not have without further files: diverging ones, and whatever pictures need."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer

Stops = Sequence[tuple[float, tuple[float, float, float]]]
"""Places in 0..1, rising, and the colours there, 0..1; linear between them."""

DIVERGING: Stops = (
    (0.0, (0.02, 0.19, 0.58)),
    (0.25, (0.26, 0.57, 0.86)),
    (0.5, (1.0, 1.0, 1.0)),
    (0.75, (0.94, 0.49, 0.30)),
    (1.0, (0.65, 0.0, 0.15)),
)
"""Blue, white, red."""


def colours_at(values, stops: Stops) -> np.ndarray:
    """Colours ``(..., 3)`` of values in 0..1; those beyond get the colour of the nearer end."""
    places = [place for place, _colour in stops]
    channels = [np.interp(values, places, [colour[channel] for _place, colour in stops]) for channel in range(3)]
    return np.stack(channels, axis=-1)


def colour_table(scene: slicer.vtkMRMLScene, tag: str, name: str, stops: Stops) -> slicer.vtkMRMLColorTableNode:
    """The scene's table of a tag, 256 colours; made when it is asked for first."""
    singleton = scene.GetSingletonNode(tag, "vtkMRMLColorTableNode")
    if singleton is not None:
        return singleton
    node = slicer.vtkMRMLColorTableNode()
    node.SetName(name)
    node.SetSingletonTag(tag)
    node.SetTypeToUser()
    node.SetNumberOfColors(256)
    for index, colour in enumerate(colours_at(np.linspace(0.0, 1.0, 256), stops)):
        node.SetColor(index, f"{index}", *map(float, colour), 1.0)
    node.SetHideFromEditors(False)
    return scene.AddNode(node)
