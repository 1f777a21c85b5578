"""The column of a dock: groups below each other, and what they are made of."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QFrame,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_midrl.plugin.orientation import STANDARD_VIEWS

LEAST_WIDTH = 400
DISCLAIMER = "Research software, not a medical device."
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


class Column(QScrollArea):
    """Parts below each other, in a column that scrolls.

    Parameters
    ----------
    width
        That it would like to have, pixels.
    parent
        Qt parent.
    """

    def __init__(self, width: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._width = width
        content = QWidget()
        self.column = QVBoxLayout(content)
        self.column.setContentsMargins(6, 4, 6, 4)
        self.column.setSpacing(4)
        self.footer = QLabel(DISCLAIMER)
        self.footer.setStyleSheet("color: gray;")
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(LEAST_WIDTH)

    def add_foot(self, shortcuts: QWidget) -> None:
        """Add the disclaimer, and beside it where the keys are told."""
        foot = QHBoxLayout()
        foot.addWidget(self.footer, 1)
        foot.addWidget(shortcuts)
        self.column.addLayout(foot)

    def sizeHint(self) -> QSize:
        """Leave most of the window to the picture."""
        return QSize(self._width, 860)


def group(title: str, *parts: QWidget | QHBoxLayout) -> QGroupBox:
    """Return parts below each other in a frame with a title."""
    box = QGroupBox(title)
    layout = QVBoxLayout(box)
    layout.setContentsMargins(7, 4, 7, 5)
    layout.setSpacing(4)
    for part in parts:
        if isinstance(part, QWidget):
            layout.addWidget(part)
        else:
            layout.addLayout(part)
    return box


def row_of(*widgets: QWidget, spacing: int | None = 4) -> QHBoxLayout:
    """Return widgets beside each other, equally wide; None spaces as the style does."""
    row = QHBoxLayout()
    if spacing is not None:
        row.setSpacing(spacing)
    for widget in widgets:
        widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        row.addWidget(widget, 1)
    return row


def view_buttons() -> dict[str, QPushButton]:
    """Return a button for each standard view, by its name."""
    buttons = {view.name: QPushButton(view.name) for view in STANDARD_VIEWS}
    for view in STANDARD_VIEWS:
        key = view.key.replace("-", "+")
        buttons[view.name].setToolTip(f"{view.name} view ({key})")
    return buttons


def take_what_is_left(widget: QWidget, least: int) -> None:
    """Let a widget have the height that others leave, and never less than this.

    A column that scrolls otherwise gives each as much as it would like, and the lower
    ones lie outside the window.
    """
    widget.setMinimumHeight(least)
    policy = QSizePolicy.Policy
    widget.setSizePolicy(policy.Expanding, policy.Ignored)
