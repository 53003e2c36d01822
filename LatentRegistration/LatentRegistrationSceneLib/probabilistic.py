"""What the analyses of a probabilistic model have in common: which models can do them, and reading their inputs."""

from __future__ import annotations

from collections.abc import Mapping

from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.image import Image

_CLASS = "VelocityNetwork"


def is_probabilistic(card: Mapping) -> bool:
    """Whether a model's card names a probabilistic one, which has a distribution of codes."""
    model = card.get("model")
    return isinstance(model, Mapping) and model.get("class") == _CLASS


def check_probabilistic(card: Mapping) -> None:
    """Raise InputError for the card of any other model."""
    if not is_probabilistic(card):
        raise InputError(
            _(
                "The model '{name}' is not probabilistic, so that there is nothing to draw samples from: "
                "choose a probabilistic model."
            ).format(name=card.get("name", ""))
        )


def check_same_dimension(images: Mapping[str, Image]) -> None:
    """Raise InputError where some images, given by their nodes' names, are single slices and others are volumes."""
    flat = [name for name, image in images.items() if image.geometry.size[2] == 1]
    solid = [name for name in images if name not in flat]
    if flat and solid:
        raise InputError(
            _(
                "'{slice}' is a single slice and '{volume}' a volume: a deformation can only be transported from slice "
                "to slice, or from volume to volume."
            ).format(slice=flat[0], volume=solid[0])
        )


def check_in_scene(*nodes) -> None:
    """Raise InputError when one of the nodes, None aside, was deleted while something was computed from it."""
    if any(node is not None and node.GetScene() is None for node in nodes):
        raise InputError(_("A node was deleted while it was being worked on: nothing was added to the scene."))
