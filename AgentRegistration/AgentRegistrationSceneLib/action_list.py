"""The table of the best actions where an agent stands; one of them can be taken by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import qt
from slicer.i18n import tr as _

from .trajectory_nodes import action_name

if TYPE_CHECKING:
    from .walk_run import ShownAction

_ROW_HEIGHT = 22


class ActionList:
    """Fills a `QTableWidget` with one row per action, the best first.

    Args:
        table: the widget.
        onTaken: called with the action that was double clicked.
    """

    def __init__(self, table, onTaken: Callable[[int], None]):
        self._table, self._onTaken = table, onTaken
        self._actions: list[int] = []
        titles = [_("Action"), _("Q-value"), _("Accepted")]
        table.setColumnCount(len(titles))
        table.setHorizontalHeaderLabels(titles)
        table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        table.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        for column in range(len(titles)):
            table.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.Stretch)
        table.connect("cellDoubleClicked(int,int)", self._onDoubleClicked)

    @property
    def chosen(self) -> int | None:
        """The action of the chosen row; the best one where none is chosen; None in an empty list."""
        row = max(self._table.currentRow(), 0)
        return self._actions[row] if row < len(self._actions) else None

    def show(self, actions: Sequence[ShownAction]) -> None:
        """List actions."""
        self._actions = [shown.action for shown in actions]
        if self._table.rowCount != len(actions):
            self._table.setRowCount(len(actions))
        for row, shown in enumerate(actions):
            for column, text in enumerate(
                (action_name(shown.action), f"{shown.q:+.3f}", f"{100 * shown.acceptance:.0f} %")
            ):
                item = self._table.item(row, column)
                if item is None:
                    item = qt.QTableWidgetItem()
                    if column:
                        item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                    self._table.setItem(row, column, item)
                item.setText(text)

    def _onDoubleClicked(self, row, _column):
        if 0 <= row < len(self._actions):
            self._onTaken(self._actions[row])
