"""Where everything in the fine-tuning dock sits; no behavior."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QTabWidget, QWidget

from napari_midrl.plugin.column import Column, group
from napari_midrl.plugin.finetune_boxes import CasesBox, ResultBox, TrainBox
from napari_midrl.plugin.training_curves import TrainingCurves
from napari_midrl.plugin.versions_box import VersionsBox

WIDTH = 540
ERROR_COLORS = ("#FF8A80", "#B3261E")


class FineTuneLayout(Column):
    """Cases, training and pages below each other, in a column that scrolls."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(WIDTH, parent)
        self.cases = CasesBox()
        self.train = TrainBox()
        self.result = ResultBox()
        self.versions = VersionsBox()
        self.curves = TrainingCurves()
        self.tabs = QTabWidget()
        self.tabs.addTab(self.curves, "Curves")
        self.tabs.addTab(self.result, "Before and after")
        self.tabs.addTab(self.versions, "Versions")
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        self.status.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
        )
        self.footer.setWordWrap(True)
        self._is_light = False
        self._lay_out()

    def _lay_out(self) -> None:
        layout = self.column
        layout.addWidget(group("Cases", self.cases))
        layout.addWidget(group("Training", self.train))
        layout.addWidget(self.status)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(self.footer)

    def set_theme(self, background: str, foreground: str, *, is_light: bool) -> None:
        """Take the colors of the window."""
        self._is_light = is_light
        self.curves.set_theme(background, foreground)
        self.result.table.set_light(is_light)
        self.versions.comparison.set_light(is_light)

    def show_status(self, text: str, *, error: bool = False) -> None:
        """Show one sentence below the training, errors in red."""
        self.status.setText(text)
        color = ERROR_COLORS[self._is_light]
        self.status.setStyleSheet(f"color: {color};" if error else "")
