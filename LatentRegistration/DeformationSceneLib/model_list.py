"""A combo box of the installed models, kept in step with a parameter."""

from __future__ import annotations

from collections.abc import Callable

from slicer.i18n import tr as _

from DeformationLib.errors import InputError


class ModelList:
    """Fills a combo box with the models' names, and tells what the chosen one is for.

    Args:
        comboBox: the list; its items' data are the names.
        purposeLabel: shows the purpose on the chosen model's card; None for none.
        logic: gives names and cards.
        onChosen: called with the name that the user has chosen.
        without: shown where no model is installed; empty for just that.
    """

    def __init__(self, comboBox, purposeLabel, logic, onChosen: Callable[[str], None], without: str = ""):
        self._comboBox, self._purposeLabel, self._logic, self._onChosen = comboBox, purposeLabel, logic, onChosen
        self._filling = False
        self._without = without or _("No model is installed.")
        self._described: str | None = None
        self._comboBox.connect("currentIndexChanged(int)", self._onIndexChanged)
        self.refresh()

    @property
    def name(self) -> str:
        """Name of the chosen model; empty where there is none."""
        return self._comboBox.currentText

    def refresh(self) -> None:
        """List the models that are installed now; the choice stays where its model is still there."""
        chosen, self._filling, self._described = self.name, True, None
        self._comboBox.clear()
        for name in self._logic.modelNames():
            self._comboBox.addItem(name)
        self._filling = False
        self.choose(chosen)

    def choose(self, name: str) -> None:
        """Show a model as chosen; one that is not installed leaves the list as it is."""
        index = self._comboBox.findText(name)
        if index >= 0 and index != self._comboBox.currentIndex:
            self._filling = True
            self._comboBox.setCurrentIndex(index)
            self._filling = False
        self._describe()

    def _onIndexChanged(self, _index) -> None:
        if not self._filling:
            self._describe()
            self._onChosen(self.name)

    def _describe(self) -> None:
        # Called at every change of a parameter: a card is read from the disk only for another model.
        if self.name == self._described:
            return
        self._described = self.name
        try:
            purpose = self._logic.modelCard(self.name)["purpose"] if self.name else self._without
        except InputError as error:
            purpose = str(error)
        self._comboBox.setToolTip(purpose)
        if self._purposeLabel is not None:
            self._purposeLabel.setText(purpose)
