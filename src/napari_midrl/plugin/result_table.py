"""Table of what a search found, one row per landmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_midrl.data.trajectory import LandmarkResult, SearchState
from napari_midrl.geometry.affine import flip_lps_ras
from napari_midrl.plugin.colors import Colors, color_of
from napari_midrl.plugin.swatch import color_icon

if TYPE_CHECKING:
    from collections.abc import Sequence

FRAMES = ("LPS", "RAS")
_HEADERS = (
    "Landmark",
    "{frame} mm",
    "\N{PLUS-MINUS SIGN} mm",
    "Agree",
    "Steps",
    "State",
)
_TOOLTIPS = (
    "Landmark sought, with its color everywhere in the window",
    "Position in the patient, mm, in the frame chosen above",
    "Root mean square distance of the agreeing starts from the position",
    "Share of the starts that ended together",
    "Steps an agent took (median over the starts)",
    "Found, not converged, or outside the volume",
)
_STATE_COLORS = {
    SearchState.FOUND: "#7FD8A4",
    SearchState.NOT_CONVERGED: "#FFC66D",
    SearchState.OUTSIDE: "#FF9E9E",
}


class ResultTable(QWidget):
    """Landmark, position, spread, agreement, steps and state.

    Positions come in LPS mm and are shown in the frame the user picks.
    """

    landmark_chosen = Signal(str)
    """Emitted with the name when the user goes to a row."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._results: tuple[LandmarkResult, ...] = ()
        self._colors: Colors = {}

        self.frame = QComboBox()
        self.frame.addItems(list(FRAMES))
        self.frame.setToolTip(
            "LPS as in DICOM and ITK: x to the left, y to posterior.\n"
            "RAS as in NIfTI and 3D Slicer's display: x to the right, y to anterior."
        )
        self.summary = QLabel("No search yet")
        self.table = QTableWidget(0, len(_HEADERS))
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setMinimumHeight(150)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(22)
        self.table.setShowGrid(False)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(28)
        # The style of napari leaves too much air for seven numbers in a dock.
        self.table.setStyleSheet(
            "QTableWidget, QHeaderView { font-size: 11px; }"
            "QHeaderView::section { padding: 1px 2px; }"
            "QTableWidget::item { padding: 0 1px; }"
        )

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
        self._fill()

    def value(self) -> tuple[LandmarkResult, ...]:
        """Return the results shown."""
        return self._results

    def set_value(self, results: Sequence[LandmarkResult], colors: Colors) -> None:
        """Show results."""
        self._results = tuple(results)
        self._colors = colors
        n_found = sum(r.state == SearchState.FOUND for r in self._results)
        self.summary.setText(
            f"{n_found} of {len(self._results)} landmarks found"
            if self._results
            else "No search yet"
        )
        self._fill()

    def _fill(self, frame: str | None = None) -> None:
        frame = self.frame.currentText()
        self.table.blockSignals(True)
        self.table.setRowCount(len(self._results))
        self.table.setHorizontalHeaderLabels([h.format(frame=frame) for h in _HEADERS])
        for column, tooltip in enumerate(_TOOLTIPS):
            self.table.horizontalHeaderItem(column).setToolTip(tooltip)
        for row, result in enumerate(self._results):
            for column, text in enumerate(row_texts(result, frame)):
                item = QTableWidgetItem(text)
                if column == 0:
                    item.setIcon(color_icon(color_of(self._colors, result.name)))
                elif 1 <= column <= 4:
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                else:
                    item.setForeground(QColor(_STATE_COLORS[result.state]))
                item.setToolTip(f"{result.name}: {result.state.value}")
                self.table.setItem(row, column, item)
        self.table.blockSignals(False)

    def _on_cell_changed(self, row: int, column: int, *previous: int) -> None:
        """Arrow keys move the views along with the row."""
        if 0 <= row < len(self._results) and previous[0] != row:
            self.landmark_chosen.emit(self._results[row].name)

    def _on_cell_clicked(self, row: int, column: int) -> None:
        """A click on the row already chosen jumps back to it."""
        self.landmark_chosen.emit(self._results[row].name)


def row_texts(result: LandmarkResult, frame: str) -> tuple[str, ...]:
    """Return one row of the table; `frame` is ``"LPS"`` or ``"RAS"``."""
    if result.position_lps_mm is None:
        position = spread = "\N{EN DASH}"
    else:
        xyz = result.position_lps_mm
        shown = flip_lps_ras(xyz) if frame == "RAS" else xyz
        # Adding 0 turns -0.0 into 0.0.
        position = "  ".join(f"{round(float(x), 1) + 0:.1f}" for x in shown)
        spread = f"{result.spread_mm:.1f}"
    return (
        result.name,
        position,
        spread,
        f"{result.agreement:.0%}",
        str(result.n_steps),
        result.state.value,
    )
