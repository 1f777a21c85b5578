"""Table of what a search finds, one row per landmark."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_midrl.data.trajectory import SearchState
from napari_midrl.plugin.colors import Colors, color_of
from napari_midrl.plugin.column import take_what_is_left
from napari_midrl.plugin.icons import color_icon
from napari_midrl.plugin.tables import frame_box, set_tooltips, style_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_midrl.plugin.result_rows import ResultRow

_HEADERS = (
    "Landmark",
    "{frame} mm",
    "\N{PLUS-MINUS SIGN}mm",
    "Agree",
    "Sure",
    "Steps",
    "State",
)
STATE = len(_HEADERS) - 1
POSITION, AGREE, SURE = map(_HEADERS.index, ("{frame} mm", "Agree", "Sure"))
_WIDTHS = (0, 129, 33, 40, 40, 33, 62)
LEAST_HEIGHT = 84
"""Of the table, pixels; what a window has more is its own."""

_TOOLTIPS = (
    "Landmark sought, with its color everywhere in the window",
    "Position in the patient in mm, in the frame chosen above",
    "Root mean square distance of the starts from the position, in mm",
    "Share of the starts that ended together; while they walk, that have settled;\n"
    "after a search of all volumes, of the volumes that have the place there;\n"
    "red where fewer than half of them agree",
    "Share of such answers that are within 5 mm, as far as computed patients tell;\n"
    "that of the starts that agree for agents that were not calibrated",
    "Steps an agent took, the median over the starts",
    "Found, not converged, or outside the volume",
)
_STATE_COLORS = {
    SearchState.FOUND.value: "#7FD8A4",
    SearchState.NOT_CONVERGED.value: "#FFC66D",
    SearchState.OUTSIDE.value: "#FF9E9E",
}
_DOUBTFUL_COLOR = "#FF9E9E"
_WALKING_COLOR = "#9AA3AD"
_FITTED = QHeaderView.ResizeMode.ResizeToContents


class ResultTable(QWidget):
    """Landmark, position, spread, agreement, confidence, steps and state.

    Positions come in LPS mm and are shown in the frame the user picks.
    """

    landmark_chosen = Signal(str)
    """Emitted with the name when the user goes to a row."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[ResultRow, ...] = ()
        self._colors: Colors = {}

        self.frame = frame_box()
        self.summary = QLabel()
        self.table = QTableWidget(0, len(_HEADERS))
        self._style_table()

        top = QHBoxLayout()
        top.addWidget(self.summary, 1)
        top.addWidget(QLabel("Frame"))
        top.addWidget(self.frame)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        layout.addWidget(self.table)

        self.frame.currentTextChanged.connect(self._fill)
        self.table.currentCellChanged.connect(self._on_cell_changed)
        self.table.cellClicked.connect(self._on_cell_clicked)
        self.set_value((), {})

    def _style_table(self) -> None:
        table = self.table
        self._heights, _ = style_table(table, _WIDTHS, row_height=21)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        take_what_is_left(table, LEAST_HEIGHT)
        table.setWordWrap(True)
        self._heights.setSectionResizeMode(_FITTED)

    def value(self) -> tuple[ResultRow, ...]:
        """Return the rows shown."""
        return self._rows

    def set_value(self, rows: Sequence[ResultRow], colors: Colors) -> None:
        """Show these rows."""
        self._rows = tuple(rows)
        self._colors = colors
        n_found = sum(row.state == SearchState.FOUND for row in self._rows)
        self.summary.setText(
            f"{n_found} of {len(self._rows)} landmarks found"
            if self._rows
            else "No search yet"
        )
        self._fill()

    def _fill(self, frame: str | None = None) -> None:
        frame = self.frame.currentText()
        table = self.table
        with signals_blocked(table), _fitted_once(self._heights):
            table.setRowCount(len(self._rows))
            table.setHorizontalHeaderLabels([h.format(frame=frame) for h in _HEADERS])
            set_tooltips(table, _TOOLTIPS)
            for n, row in enumerate(self._rows):
                self._fill_row(n, row, frame)

    def _fill_row(self, n: int, row: ResultRow, frame: str) -> None:
        state_color = _STATE_COLORS.get(row.state, _WALKING_COLOR)
        doubts = {AGREE: row.is_contested, SURE: row.is_unsure}
        texts = row.texts(frame)
        tooltip = f"{row.name}: {row.state}"
        if row.position_lps_mm is not None:
            tooltip += f"\n{texts[POSITION]} mm, {frame}"
        if row.agreement_text:
            tooltip += f"\n{row.agreement_text}"
        for column, text in enumerate(texts):
            item = self.table.item(n, column)
            if item is None:
                item = QTableWidgetItem()
                self.table.setItem(n, column, item)
                if 0 < column < STATE:
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
            item.setText(text)
            item.setToolTip(tooltip)
            if column == 0:
                item.setIcon(color_icon(color_of(self._colors, row.name)))
            elif column in doubts:
                color = QColor(_DOUBTFUL_COLOR) if doubts[column] else None
                item.setData(Qt.ItemDataRole.ForegroundRole, color)
            elif column == STATE:
                item.setForeground(QColor(state_color))

    def _on_cell_changed(self, row: int, column: int, *previous: int) -> None:
        """Arrow keys move the views along with the row."""
        if 0 <= row < len(self._rows) and previous[0] != row:
            self.landmark_chosen.emit(self._rows[row].name)

    def _on_cell_clicked(self, row: int, column: int) -> None:
        """A click on the row already chosen jumps back to it."""
        self.landmark_chosen.emit(self._rows[row].name)


@contextmanager
def _fitted_once(rows: QHeaderView) -> Iterator[None]:
    """Fit the heights of rows to their texts in the end, not after every text.

    Qt does so at once, which takes twenty times as long as to fill the table.
    """
    rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    try:
        yield
    finally:
        rows.setSectionResizeMode(_FITTED)
