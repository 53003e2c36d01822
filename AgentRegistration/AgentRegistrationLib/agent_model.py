"""A trained agent in use: register two images, or begin a registration that is watched and led step by step."""

from __future__ import annotations

from typing import Any

import torch

from DeformationLib.bundle import Bundle
from DeformationLib.errors import InputError
from DeformationLib.image import Image
from DeformationLib.pair_grid import PairGrid
from DeformationLib.progress import Progress, Stopwatch
from DeformationLib.trained_model import TrainedModel

from .agent_network import AgentNetwork, AgentNetworkConfiguration
from .agent_registration import AgentAlignment, AgentRegistration, AgentResult, look_for_agent
from .agent_walk import Agent, WalkOptions, walk_options
from .deformation_model import StatisticalDeformationModel
from .deformation_space import DeformationSpace
from .mode_explorer import ModeExplorer
from .template import AnatomyTemplate


class AgentModel(TrainedModel):
    """A Q network with its card and the deformation model whose modes are its actions.

    >>> model = AgentModel.load("hippocampus-agent")
    >>> result = model.register(read_image("fixed.nii.gz"), read_image("moving.nii.gz"))
    >>> result.write("output")

    >>> registration = model.begin(fixed, moving)
    >>> registration.walk.step()
    >>> registration.walk.take(action=3)
    >>> registration.run()
    >>> registration.result()
    """

    kind, usual = "AgentNetwork", "hippocampus-agent"

    def __init__(
        self,
        network: AgentNetwork,
        grid: PairGrid,
        card: dict[str, Any],
        deformation: StatisticalDeformationModel,
        template: AnatomyTemplate | None = None,
        device: str = "cpu",
        precision: torch.dtype | None = None,
    ) -> None:
        # Neighbouring actions differ by little: single precision unless another is asked for.
        super().__init__(network, grid, card, device, precision or torch.float32)
        self.deformation, self.template = deformation, template
        space = agent_space(deformation, card["model"].get("actions", {}))
        self.agent = Agent(self.network, space.to(self.device))

    @classmethod
    def _of_bundle(cls, bundle: Bundle, device: str, precision: torch.dtype | None) -> AgentModel:
        deformation = bundle.part("deformation", StatisticalDeformationModel.from_state)
        if deformation is None:
            raise InputError(f"The weights in {bundle.folder} lack the part 'deformation': install the model again.")
        template = bundle.part("template", AnatomyTemplate.from_state)
        return cls(bundle.network, bundle.grid, bundle.card, deformation, template, device, precision)

    @staticmethod
    def _network_and_grid(card: dict[str, Any]) -> tuple[AgentNetwork, PairGrid]:
        entry = card["model"]["configuration"]
        configuration = {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
        return AgentNetwork(AgentNetworkConfiguration(**configuration)), PairGrid.of_card(card["grid"], "patient")

    @property
    def space(self) -> DeformationSpace:
        """Where the agent walks."""
        return self.agent.space

    @property
    def options(self) -> WalkOptions:
        """How the agent walks where nothing else is asked for: what its card recommends."""
        return walk_options(**self.card["model"].get("walk", {}))

    def begin(
        self,
        fixed: Image,
        moving: Image,
        alignment: AgentAlignment | None = None,
        options: WalkOptions | None = None,
        progress: Progress | None = None,
        fixed_mask: Image | None = None,
        moving_mask: Image | None = None,
    ) -> AgentRegistration:
        """Align two images and put the agent at its start; arguments and errors as of `register`."""
        watch = Stopwatch()
        alignment = alignment or self.card["model"].get("alignment", "translation")
        view = look_for_agent(
            self.grid, fixed, moving, alignment, fixed_mask, moving_mask, self.template, self.device, progress, watch
        )
        return AgentRegistration(self.agent, self.grid, self.name, view, options or self.options, watch)

    def explorer(self, image: Image, structure: Image | None = None) -> ModeExplorer:
        """The modes of the deformation model on an image; see `ModeExplorer`."""
        return ModeExplorer(self, image, structure)

    def register(
        self,
        fixed: Image,
        moving: Image,
        alignment: AgentAlignment | None = None,
        options: WalkOptions | None = None,
        progress: Progress | None = None,
        fixed_mask: Image | None = None,
        moving_mask: Image | None = None,
    ) -> AgentResult:
        """Register two images.

        Args:
            fixed: image whose grid the result lives on.
            moving: image that is deformed.
            alignment: what is done first, see `AgentAlignment`; by default as the agent was trained.
            options: how the agent walks; by default as its card recommends.
            progress: reports and cancels.
            fixed_mask: where the structure of interest is, on any grid, every value but 0: the network looks there, and
                the similarity is measured there. Nothing is cut off.
            moving_mask: the same of the moving image.

        Raises:
            InputError: for unusable images and masks, and images that do not overlap where no alignment was asked for.
            Cancelled: through ``progress``.
        """
        progress = progress or Progress()
        masks = fixed_mask, moving_mask
        registration = self.begin(fixed, moving, alignment, options, progress.part(0.0, 0.2), *masks)
        registration.run(progress=progress.part(0.2, 0.9))
        return registration.result(progress.part(0.9, 1.0))


def agent_space(deformation: StatisticalDeformationModel, actions: dict[str, float]) -> DeformationSpace:
    """The space of a deformation model.

    Args:
        deformation: the model.
        actions: ``step``, share of a mode's mean amplitude that an action moves it by; standard deviations ``translation``
            (voxels) and ``rotation`` (degrees) of rigid motions, and their step ``rigid_step`` in those.
    """
    actions = dict(actions)
    steps = actions.pop("step", 0.25) * deformation.typical
    return DeformationSpace.of_model(deformation.field, steps, deformation.deviations, **actions)
