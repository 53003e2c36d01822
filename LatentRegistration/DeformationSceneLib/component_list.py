"""The table of components in the panel: what each explains, and its amplitude, which can be typed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import qt
from slicer.i18n import tr as _

_AMPLITUDE_COLUMN = 3
_ROW_HEIGHT = 22


class ComponentList:
    """Fills a `QTableWidget` with one row per component.

    Args:
        table: the widget.
        onChosen: called with the component, counted from 0, that the user has chosen.
        onAmplitude: called with a component and the amplitude, in standard deviations, that the user has typed.
        title: of the first column; by default "Component".
    """

    def __init__(
        self, table, onChosen: Callable[[int], None], onAmplitude: Callable[[int, float], None], title: str = ""
    ):
        self._table, self._onChosen, self._onAmplitude = table, onChosen, onAmplitude
        self._amplitudes: list[float] = []
        self._filling = False
        titles = [title or _("Component"), _("Variance"), _("Cumulative"), _("Amplitude (SD)")]
        table.setColumnCount(len(titles))
        table.setHorizontalHeaderLabels(titles)
        table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        table.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        table.setEditTriggers(
            qt.QAbstractItemView.DoubleClicked
            | qt.QAbstractItemView.EditKeyPressed
            | qt.QAbstractItemView.AnyKeyPressed
            | qt.QAbstractItemView.SelectedClicked
        )
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        header = table.horizontalHeader()
        for column in range(_AMPLITUDE_COLUMN):
            header.setSectionResizeMode(column, qt.QHeaderView.Stretch)
        header.setSectionResizeMode(_AMPLITUDE_COLUMN, qt.QHeaderView.ResizeToContents)
        table.connect("currentCellChanged(int,int,int,int)", self._onCurrentCellChanged)
        table.connect("cellChanged(int,int)", self._onCellChanged)

    @property
    def count(self) -> int:
        """Number of components in the list."""
        return len(self._amplitudes)

    def fill(self, shares: Sequence[float]) -> None:
        """List components with these shares of the variance, 0..1; all amplitudes are zero. None empties the list."""
        self._filling = True
        self._amplitudes = [0.0] * len(shares)
        self._table.setRowCount(len(shares))
        total = 0.0
        for row, share in enumerate(shares):
            total += share
            for column, text in enumerate((str(row + 1), f"{100 * share:.1f} %", f"{100 * total:.1f} %", "0.00")):
                item = qt.QTableWidgetItem(text)
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                flags = qt.Qt.ItemIsSelectable | qt.Qt.ItemIsEnabled
                item.setFlags(flags | qt.Qt.ItemIsEditable if column == _AMPLITUDE_COLUMN else flags)
                self._table.setItem(row, column, item)
        self._filling = False

    def choose(self, component: int) -> None:
        """Show a component as the chosen one."""
        if component != self._table.currentRow() and 0 <= component < self.count:
            self._filling = True
            self._table.setCurrentCell(component, 0)
            self._filling = False

    def showAmplitudes(self, amplitudes: Sequence[float]) -> None:
        """Show amplitudes, in standard deviations, of the first components; those missing are zero."""
        wanted = (list(amplitudes) + [0.0] * self.count)[: self.count]
        for component, (present, value) in enumerate(zip(self._amplitudes, wanted, strict=True)):
            if present != value:
                self._show(component, value)

    def _show(self, component: int, value: float) -> None:
        self._filling = True
        self._amplitudes[component] = value
        item = self._table.item(component, _AMPLITUDE_COLUMN)
        item.setText(f"{value:.2f}")
        font = item.font()
        font.setBold(value != 0.0)
        item.setFont(font)
        self._filling = False

    def _onCurrentCellChanged(self, row, _column, _previousRow, _previousColumn) -> None:
        if not self._filling and row >= 0:
            self._onChosen(row)

    def _onCellChanged(self, row, column) -> None:
        if self._filling or column != _AMPLITUDE_COLUMN:
            return
        text = self._table.item(row, column).text()
        try:
            value = float(text.replace(",", ".").replace("SD", "").strip() or 0.0)
        except ValueError:
            value = self._amplitudes[row]
        if value != value or value in (float("inf"), float("-inf")):
            value = self._amplitudes[row]
        self._show(row, self._amplitudes[row])  # the text anew, also where it is refused
        if value != self._amplitudes[row]:
            self._onAmplitude(row, value)
