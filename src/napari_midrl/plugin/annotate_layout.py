"""Where everything in the annotation dock sits; no behavior."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTabWidget,
    QWidget,
)

from napari_midrl.annotation.snap import Extremum
from napari_midrl.plugin.annotate_boxes import (
    CasesBox,
    FilesBox,
    ProposeBox,
    ReadersBox,
)
from napari_midrl.plugin.annotate_form import AnnotateForm
from napari_midrl.plugin.annotate_table import AnnotateTable
from napari_midrl.plugin.column import Column, group, row_of, view_buttons

WIDTH = 520
SNAPS = {
    "Where I click": None,
    "Brightest near": Extremum.BRIGHTEST,
    "Darkest near": Extremum.DARKEST,
}


class AnnotateLayout(Column):
    """Views, case, landmarks and pages below each other, in a column that scrolls."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(WIDTH, parent)
        self.views = view_buttons()
        self.form = AnnotateForm()
        self.table = AnnotateTable()
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        self.hint.setMinimumHeight(30)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignVCenter)
        self.undo_button = QPushButton("Undo")
        self.redo_button = QPushButton("Redo")
        self.skip_button = QPushButton("Skip")
        self.lock_button = QPushButton("Lock")
        self.hide_button = QPushButton("Hide")
        self.delete_button = QPushButton("Delete")
        self.up_button = QPushButton("\N{UPWARDS ARROW}")
        self.down_button = QPushButton("\N{DOWNWARDS ARROW}")
        self.placing = QCheckBox("Place by click")
        self.placing.setChecked(True)
        self.placing.setToolTip("A click on a slice places the landmark of the row.")
        self.snap = QComboBox()
        self.snap.addItems(list(SNAPS))
        self.snap.setToolTip(
            "Put the point where you click, or on the nearby voxel that is brightest "
            "or darkest,\nfiner than a voxel."
        )
        self.propose = ProposeBox()
        self.readers = ReadersBox()
        self.cases = CasesBox()
        self.files = FilesBox()
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
        )
        self.shortcuts = QPushButton("Shortcuts")
        self.shortcuts.setFlat(True)
        self.shortcuts.setToolTip("All keys, and why one does nothing now (F1).")
        self._lay_out()

    def show_status(self, text: str, *, error: bool = False) -> None:
        """Show one sentence below the pages, errors in red."""
        self.status.setText(text)
        self.status.setStyleSheet("color: #FF8A80;" if error else "")

    def _lay_out(self) -> None:
        layout = self.column
        layout.addLayout(row_of(*self.views.values()))
        layout.addWidget(group("Case", self.form))
        clicks = QHBoxLayout()
        clicks.addWidget(self.placing)
        clicks.addStretch(1)
        clicks.addWidget(QLabel("Put the point"))
        clicks.addWidget(self.snap)
        edits = row_of(
            self.skip_button,
            self.lock_button,
            self.hide_button,
            self.delete_button,
            self.up_button,
            self.down_button,
        )
        landmarks = group(
            "Landmarks",
            self.table,
            self.hint,
            clicks,
            edits,
            row_of(self.undo_button, self.redo_button),
        )
        layout.addWidget(landmarks, 1)
        tabs = QTabWidget()
        tabs.addTab(self.propose, "Propose")
        tabs.addTab(self.readers, "Second reader")
        tabs.addTab(self.cases, "Cases")
        tabs.addTab(self.files, "Files")
        self.tabs = tabs
        layout.addWidget(tabs)
        layout.addWidget(self.status)
        self.add_foot(self.shortcuts)
