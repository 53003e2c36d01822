"""The section Modes of the panel: what the actions of an agent change, explored on one image."""

from __future__ import annotations

from slicer.i18n import tr as _

from DeformationSceneLib.explore_section import ExploreSection


class ModesSection(ExploreSection):
    """Explores the modes of an agent's deformation model."""

    def componentTitle(self) -> str:
        """What the list calls a component."""
        return _("Mode")
