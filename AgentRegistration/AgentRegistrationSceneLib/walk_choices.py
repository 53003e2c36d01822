"""How an agent is to walk: what a person, or a script, has chosen instead of what the model recommends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from DeformationLib.errors import InputError

if TYPE_CHECKING:
    from AgentRegistrationLib.agent_walk import WalkOptions

USUAL_TIGHTNESS = 1.5
"""Standard deviations within which fuzzy action control accepts every action, where nothing else is recommended."""


@dataclass(frozen=True)
class WalkChoices:
    """What is None is as the model recommends.

    Attributes:
        steps: at most so many.
        starts: walks from different places, of which the most similar one counts.
        seed: of every random draw.
        greedy: always the best action: nothing is random.
        tightness: of fuzzy action control, standard deviations; 0 for none.
        shrinks: how often an agent that goes to and fro goes on with half its step, before it stops.
        overlap: weight of the overlap of found structures beside the network's opinion; 0 for the network alone.
    """

    steps: int | None = None
    starts: int | None = None
    seed: int | None = None
    greedy: bool | None = None
    tightness: float | None = None
    shrinks: int | None = None
    overlap: float | None = None

    def check(self) -> None:
        """Raise InputError for numbers that make no sense."""
        for name, value, least in (
            (_("number of steps"), self.steps, 0),
            (_("number of starts"), self.starts, 1),
            (_("seed"), self.seed, 0),
            (_("tightness of the fuzzy control"), self.tightness, 0),
            (_("number of halved steps"), self.shrinks, 0),
            (_("weight of the overlap"), self.overlap, 0),
        ):
            if value is not None and not value >= least:
                raise InputError(
                    _("The {name} must be at least {least}, not {value:g}.").format(name=name, least=least, value=value)
                )

    def options(self, recommended: WalkOptions) -> WalkOptions:
        """The agent's options, from those that the model recommends."""
        from AgentRegistrationLib.agent_walk import walk_options

        return walk_options(recommended, **{name: value for name, value in vars(self).items() if value is not None})


def recommended_choices(card: Mapping) -> WalkChoices:
    """What a model's card recommends, for people to see; known without torch."""
    walk = card["model"].get("walk", {})
    return WalkChoices(
        int(walk.get("steps", 200)),
        int(walk.get("starts", 1)),
        int(walk.get("seed", 0)),
        bool(walk.get("greedy", False)),
        float(walk.get("tightness", USUAL_TIGHTNESS)),
        int(walk.get("shrinks", 0)),
        float(walk.get("overlap", 0.0)),
    )


def finds_structures(card: Mapping) -> bool:
    """Whether a model finds structures, whose overlap can count."""
    return bool(card["model"].get("configuration", {}).get("structures", 0))
