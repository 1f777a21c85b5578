"""Where everything in the dock sits; no behavior."""

from __future__ import annotations

from qtpy.QtWidgets import QLabel, QPushButton, QWidget

from napari_midrl.plugin.column import ELLIPSIS, Column, group, row_of, view_buttons
from napari_midrl.plugin.orientation import STANDARD_VIEWS
from napari_midrl.plugin.playback_bar import PlaybackBar
from napari_midrl.plugin.policy_form import PolicyForm
from napari_midrl.plugin.q_plot import QPlot
from napari_midrl.plugin.result_table import ResultTable
from napari_midrl.plugin.search_form import SearchForm

WIDTH = 500
SHORTCUTS = (
    ("Ctrl+Return", "run the search"),
    ("Ctrl+Space", "play or pause"),
    ("Ctrl+Left, Ctrl+Right", "one step back or on"),
    *((view.key.replace("-", "+"), f"{view.name} view") for view in STANDARD_VIEWS),
)


class DockLayout(Column):
    """Views, search, results, replay, policy, in a column that scrolls."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(WIDTH, parent)
        self.views = view_buttons()
        self.form = SearchForm()
        self.results = ResultTable()
        self.policy = PolicyForm()
        self.playback = PlaybackBar()
        self.plot = QPlot()
        self.save_landmarks = QPushButton(f"Landmarks{ELLIPSIS}")
        self.save_trajectories = QPushButton(f"Trajectories{ELLIPSIS}")
        self.save_movie = QPushButton(f"Movie{ELLIPSIS}")
        self.shortcuts = QLabel("Shortcuts")
        self.shortcuts.setToolTip(
            "\n".join(f"{key}: {what}" for key, what in SHORTCUTS)
        )
        self.shortcuts.setStyleSheet("color: gray; text-decoration: underline;")
        self._lay_out()

    def _lay_out(self) -> None:
        layout = self.column
        layout.addLayout(row_of(*self.views.values(), spacing=None))
        layout.addWidget(group("Search", self.form))
        save = row_of(
            self.save_landmarks, self.save_trajectories, self.save_movie, spacing=None
        )
        save.insertWidget(0, QLabel("Save"))
        layout.addWidget(group("Results", self.results, save), 1)
        layout.addWidget(group("Replay", self.playback, self.plot))
        layout.addWidget(group("Policy: what the agents would do", self.policy))
        self.add_foot(self.shortcuts)
