"""Table of what a fine-tuning changed, landmark by landmark."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QTableWidget, QTableWidgetItem, QWidget

from napari_midrl.plugin.tables import set_tooltips, style_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_midrl.evaluation.before_after import Row

GROUPS = {
    "held out": "Held-out cases",
    "kept": "Known before, on digital patients",
}
HEADERS = (
    *("Landmark", "Agents", "n", "Mean", "Median", "90 %"),
    *("<4", "<10", "Wrong", "None"),
)
TOOLTIPS = (
    "Landmark; what is known of all of a group comes last",
    "Before and after; 'guess' is the mean position in the cases learned from, which "
    "looks at no image",
    "Searches: one per image of each case",
    "Mean error in mm, of the searches that gave a position",
    "Median error in mm",
    "Nine of ten errors are smaller, in mm",
    "Share of all searches within 4 mm",
    "Share of all searches within 10 mm",
    "Share of all searches that ended nearer to another landmark",
    "Share of all searches that gave no position",
)
WIDTHS = (0, 44, 30, 44, 46, 44, 42, 42, 44, 42)
AGENTS = {"mean position": "guess", "before": "before", "after": "after"}
BETTER, WORSE = ("#7FD8A4", "#1B7F4B"), ("#FF9E9E", "#B3261E")
CHANGED_MM = 0.5
"""Less of a change of the median is no color worth."""


class BeforeAfterTable(QTableWidget):
    """Rows per landmark; those after in green or red where the median changed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(HEADERS), parent)
        self._rows: tuple[Row, ...] = ()
        self._is_light = False
        self.setHorizontalHeaderLabels(list(HEADERS))
        set_tooltips(self, TOOLTIPS)
        style_table(self, WIDTHS)

    def value(self) -> tuple[Row, ...]:
        """Return the rows shown."""
        return self._rows

    def set_light(self, is_light: bool) -> None:
        """Use colors for a light or a dark window."""
        self._is_light = is_light
        self.set_value(self._rows)

    def set_value(self, rows: Sequence[Row]) -> None:
        """Show these rows, by group and landmark."""
        self._rows = tuple(rows)
        self.clearSpans()
        self.setRowCount(0)
        for group in dict.fromkeys(row.group for row in self._rows):
            self._add_title(GROUPS.get(group, group))
            own = [row for row in self._rows if row.group == group]
            for landmark in dict.fromkeys(row.landmark for row in own):
                self._add_landmark([row for row in own if row.landmark == landmark])

    def _add_title(self, text: str) -> None:
        n = self.rowCount()
        self.insertRow(n)
        item = QTableWidgetItem(text)
        font = item.font()
        font.setBold(True)
        item.setFont(font)
        self.setItem(n, 0, item)
        self.setSpan(n, 0, 1, len(HEADERS))

    def _add_landmark(self, rows: Sequence[Row]) -> None:
        before = next((row for row in rows if row.agents == "before"), None)
        for number, row in enumerate(rows):
            n = self.rowCount()
            self.insertRow(n)
            color = self._color(row, before)
            name = "" if number else row.landmark
            for column, text in enumerate((name, *texts_of(row))):
                item = QTableWidgetItem(text)
                item.setToolTip(f"{row.landmark}, {row.agents}: {TOOLTIPS[column]}")
                if column > 1:
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                if color and column:
                    item.setForeground(QColor(color))
                self.setItem(n, column, item)

    def _color(self, row: Row, before: Row | None) -> str:
        # Of all landmarks together there are more after than before, if some are new.
        if row.agents != "after" or before is None or before.n != row.n:
            return ""
        change = row.median_mm - before.median_mm
        if isnan(change) or abs(change) < CHANGED_MM:
            return ""
        return (BETTER if change < 0 else WORSE)[self._is_light]


def texts_of(row: Row) -> tuple[str, ...]:
    """Return a row as shown, without the landmark."""
    return (
        AGENTS.get(row.agents, row.agents),
        str(row.n),
        *(_mm(row.mean_mm), _mm(row.median_mm), _mm(row.p90_mm)),
        *(f"{share:.0%}" for share in (row.within_4_mm, row.within_10_mm, row.wrong)),
        f"{row.n_missed / row.n:.0%}",
    )


def _mm(value: float) -> str:
    return "\N{EN DASH}" if isnan(value) else f"{value:.1f}"
