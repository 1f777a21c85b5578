"""Where everything in the dock sits; no behavior."""

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
from napari_midrl.plugin.playback_bar import PlaybackBar
from napari_midrl.plugin.q_plot import QPlot
from napari_midrl.plugin.result_table import ResultTable
from napari_midrl.plugin.search_form import SearchForm

WIDTH = 480
LEAST_WIDTH = 400
DISCLAIMER = "Research software, not a medical device."
SHORTCUTS = (
    ("Ctrl+Return", "run the search"),
    ("Ctrl+Space", "play or pause"),
    ("Ctrl+Left, Ctrl+Right", "one step back or on"),
    *((view.key.replace("-", "+"), f"{view.name} view") for view in STANDARD_VIEWS),
)


class DockLayout(QScrollArea):
    """Views, search, results and replay below each other, in a column that scrolls."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.views = {view.name: QPushButton(view.name) for view in STANDARD_VIEWS}
        for view in STANDARD_VIEWS:
            self.views[view.name].setToolTip(
                f"{view.name} view ({view.key.replace('-', '+')})"
            )
        self.form = SearchForm()
        self.results = ResultTable()
        self.playback = PlaybackBar()
        self.plot = QPlot()
        self.save_landmarks = QPushButton("Landmarks\N{HORIZONTAL ELLIPSIS}")
        self.save_trajectories = QPushButton("Trajectories\N{HORIZONTAL ELLIPSIS}")
        self.save_movie = QPushButton("Movie\N{HORIZONTAL ELLIPSIS}")
        self.footer = QLabel(DISCLAIMER)
        self.footer.setStyleSheet("color: gray;")
        self.shortcuts = QLabel("Shortcuts")
        self.shortcuts.setToolTip(
            "\n".join(f"{key}: {what}" for key, what in SHORTCUTS)
        )
        self.shortcuts.setStyleSheet("color: gray; text-decoration: underline;")
        self._lay_out()

    def _lay_out(self) -> None:
        column = QWidget()
        layout = QVBoxLayout(column)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(4)
        layout.addLayout(_row(*self.views.values()))
        layout.addWidget(_group("Search", self.form))
        save = _row(self.save_landmarks, self.save_trajectories, self.save_movie)
        save.insertWidget(0, QLabel("Save"))
        layout.addWidget(
            _group(
                "Results",
                self.results,
                save,
            )
        )
        layout.addWidget(_group("Replay", self.playback, self.plot))
        foot = QHBoxLayout()
        foot.addWidget(self.footer, 1)
        foot.addWidget(self.shortcuts)
        layout.addLayout(foot)
        layout.addStretch(1)
        self.setWidget(column)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(LEAST_WIDTH)

    def sizeHint(self) -> QSize:
        """Leave most of the window to the picture."""
        return QSize(WIDTH, 860)


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        row.addWidget(widget, 1)
    return row


def _group(title: str, *parts: QWidget | QHBoxLayout) -> QGroupBox:
    group = QGroupBox(title)
    layout = QVBoxLayout(group)
    layout.setContentsMargins(7, 4, 7, 5)
    layout.setSpacing(4)
    for part in parts:
        if isinstance(part, QWidget):
            layout.addWidget(part)
        else:
            layout.addLayout(part)
    return group
