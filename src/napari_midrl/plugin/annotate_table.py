"""Table of the landmarks to place: state, place, source, and the other reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_midrl.data.annotations import AnnotationState
from napari_midrl.plugin.colors import Colors, color_of
from napari_midrl.plugin.column import take_what_is_left
from napari_midrl.plugin.icons import color_icon, eye_icon, lock_icon
from napari_midrl.plugin.tables import frame_box, set_tooltips, style_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QIcon

    from napari_midrl.data.annotations import AnnotationCount
    from napari_midrl.plugin.annotate_rows import AnnotateRow

NAME, STATE, POSITION, SOURCE, CONFIDENCE, OTHER, LOCK, SHOWN = range(8)
_HEADERS = ("Landmark", "State", "{frame} mm", "Source", "Conf.", "Other", "", "")
_WIDTHS = (0, 65, 130, 48, 41, 38, 20, 20)
_TOOLTIPS = (
    "Landmark, with its color in the views; double-click or F2 renames it",
    "Undefined, placed, proposed by a model and not judged, or skipped",
    "Position in the patient in mm, in the frame chosen above",
    "Who chose the position: a person, a model, or a consensus of readers",
    "How sure the model is of a position that is still its own",
    "Distance to the other reader in mm",
    "Locked landmarks cannot be changed; click to lock or unlock",
    "Whether the landmark is drawn; click to hide or show",
)
_STATE_COLORS = {
    AnnotationState.PLACED: "#7FD8A4",
    AnnotationState.PROPOSED: "#FFC66D",
    AnnotationState.SKIPPED: "#9AA3AD",
    AnnotationState.UNDEFINED: "#9AA3AD",
}
_ON, _OFF = "#D6DCE2", "#59626C"


class AnnotateTable(QWidget):
    """Landmarks in the reader's order; the row chosen is the landmark at hand.

    It knows no annotations: the dock fills in rows and acts on the signals.
    """

    chosen = Signal(str)
    """The user went to this landmark."""

    renamed = Signal(str, str)
    """The user wants to call the first name the second one."""

    lock_clicked = Signal(str)
    shown_clicked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[AnnotateRow, ...] = ()
        self._colors: Colors = {}
        self.frame = frame_box()
        self.count = QLabel()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.table = QTableWidget(0, len(_HEADERS))
        self._style_table()
        top = QHBoxLayout()
        top.addWidget(self.count)
        top.addWidget(self.bar, 1)
        top.addWidget(QLabel("Frame"))
        top.addWidget(self.frame)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(top)
        layout.addWidget(self.table, 1)
        self.frame.currentTextChanged.connect(self._fill)
        self.table.currentCellChanged.connect(self._on_cell_changed)
        self.table.cellClicked.connect(self._on_cell_clicked)
        self.table.itemChanged.connect(self._on_item_changed)

    def value(self) -> tuple[AnnotateRow, ...]:
        """Return the rows shown."""
        return self._rows

    def set_value(
        self, rows: Sequence[AnnotateRow], colors: Colors, count: AnnotationCount | None
    ) -> None:
        """Show these rows and how far the reader is; the row at hand stays it."""
        self._rows, self._colors = tuple(rows), colors
        self.count.setText("" if count is None else count.text)
        self.bar.setRange(0, max(1, 0 if count is None else count.n_total))
        self.bar.setValue(0 if count is None else count.n_placed + count.n_skipped)
        self._fill()

    def current(self) -> str | None:
        """Return the landmark at hand."""
        row = self.table.currentRow()
        return self._rows[row].name if 0 <= row < len(self._rows) else None

    def go_to(self, name: str | None) -> None:
        """Make a landmark the one at hand, without a signal."""
        names = [row.name for row in self._rows]
        with signals_blocked(self.table):
            if name in names:
                self.table.setCurrentCell(names.index(name), NAME)
            else:
                self.table.setCurrentCell(-1, -1)

    def begin_renaming(self) -> None:
        """Let the user type another name into the cell of the landmark at hand."""
        item = self.table.item(self.table.currentRow(), NAME)
        if item is not None:
            self.table.editItem(item)

    def _style_table(self) -> None:
        table = self.table
        style_table(table, _WIDTHS, row_height=21, least_width=20)
        table.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        take_what_is_left(table, 150)
        table.setTabKeyNavigation(False)

    def _fill(self, frame: str | None = None) -> None:
        frame = self.frame.currentText()
        table, current = self.table, self.current()
        with signals_blocked(table):
            table.setRowCount(len(self._rows))
            table.setHorizontalHeaderLabels([h.format(frame=frame) for h in _HEADERS])
            set_tooltips(table, _TOOLTIPS)
            for n, row in enumerate(self._rows):
                self._fill_row(n, row, frame)
        self.go_to(current)

    def _fill_row(self, n: int, row: AnnotateRow, frame: str) -> None:
        for column, text in enumerate((*row.texts(frame), "", "")):
            item = self.table.item(n, column)
            if item is None:
                item = QTableWidgetItem()
                self.table.setItem(n, column, item)
                if column >= POSITION and column != SOURCE:
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                if column != NAME:
                    item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
            item.setText(text)
            item.setToolTip(row.tooltip)
        self._item(n, NAME).setIcon(color_icon(color_of(self._colors, row.name)))
        self._item(n, STATE).setForeground(QColor(_STATE_COLORS[row.state]))
        self._item(n, LOCK).setIcon(_mark(lock_icon, row.is_locked))
        self._item(n, SHOWN).setIcon(_mark(eye_icon, not row.is_hidden))

    def _item(self, row: int, column: int) -> QTableWidgetItem:
        item = self.table.item(row, column)
        assert item is not None  # every cell was filled before
        return item

    def _on_cell_changed(self, row: int, column: int, *previous: int) -> None:
        if 0 <= row < len(self._rows) and previous[0] != row:
            self.chosen.emit(self._rows[row].name)

    def _on_cell_clicked(self, row: int, column: int) -> None:
        """A click on the row already chosen jumps back to it."""
        name = self._rows[row].name
        if column == LOCK:
            self.lock_clicked.emit(name)
        elif column == SHOWN:
            self.shown_clicked.emit(name)
        else:
            self.chosen.emit(name)

    def _on_item_changed(self, item: QTableWidgetItem) -> None:
        if item.column() == NAME and 0 <= item.row() < len(self._rows):
            name, text = self._rows[item.row()].name, item.text().strip()
            if text != name:
                self.renamed.emit(name, text)


def _mark(icon: object, is_on: bool) -> QIcon:
    """Return a picture, dimmed where it says no."""
    assert callable(icon)
    made: QIcon = icon(_ON if is_on else _OFF)
    return made
