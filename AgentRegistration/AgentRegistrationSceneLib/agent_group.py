"""The group Agent of the panel: how the agent is to walk, as its model recommends or as a person has chosen."""

from __future__ import annotations

from DeformationLib.errors import InputError

from .walk_choices import WalkChoices, finds_structures, recommended_choices

_OWN = ("stepsSpinBox", "startsSpinBox", "greedyCheckBox", "fuzzyCheckBox", "shrinksSpinBox")


class AgentGroup:
    """Shows what a model recommends in the fields that are not a person's own.

    Args:
        ui: widgets by name.
        logic: gives the models' cards.
    """

    def __init__(self, ui, logic):
        self._ui, self._logic = ui, logic
        self._parameters = None

    def setParameterNode(self, parameterNode):
        """Connect with the parameters, or with none."""
        self._parameters = parameterNode

    def choices(self) -> WalkChoices:
        """What is to be handed to the agent."""
        parameters = self._parameters
        if parameters.recommended:
            return WalkChoices(seed=parameters.seed)
        tightness = parameters.tightness if parameters.fuzzy else 0.0
        return WalkChoices(
            parameters.steps,
            parameters.starts,
            parameters.seed,
            parameters.greedy,
            tightness,
            parameters.shrinks,
            parameters.overlap,
        )

    def parametersChanged(self):
        """Show what follows from the parameters."""
        ui, parameters = self._ui, self._parameters
        own = not parameters.recommended
        for name in _OWN:
            getattr(ui, name).enabled = own
        ui.tightnessSpinBox.enabled = own and parameters.fuzzy
        try:
            card = self._logic.modelCard(parameters.model)
        except InputError:
            return  # the list of models says what is wrong
        ui.overlapSpinBox.enabled = own and finds_structures(card)
        if not own:
            self._showRecommended(recommended_choices(card))

    def _showRecommended(self, choices: WalkChoices):
        parameters = self._parameters
        shown = {
            "steps": choices.steps,
            "starts": choices.starts,
            "greedy": choices.greedy,
            "fuzzy": choices.tightness > 0,
            "tightness": choices.tightness or parameters.tightness,
            "shrinks": choices.shrinks,
            "overlap": choices.overlap,
        }
        for name, value in shown.items():
            if getattr(parameters, name) != value:
                setattr(parameters, name, value)
