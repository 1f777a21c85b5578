"""Buttons and sliders of a replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_midrl.plugin.icons import pause_icon, play_icon
from napari_midrl.plugin.scene import ReplayOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

SPEEDS = (2.0, 5.0, 10.0, 20.0, 40.0, 80.0)
NOTHING_TO_PLAY = "Run a search first: then its steps can be replayed."
NOBODY = "nobody"
ALL_STARTS = "all starts"
_SIGN_COLOR = "#8C95A0"


class PlaybackBar(QWidget):
    """Play, scrub, speed, and what of the search is drawn.

    It owns no clock: the dock joins it to a `Player`.
    """

    play_toggled = Signal()
    frame_chosen = Signal(int)
    speed_changed = Signal(float)
    loop_changed = Signal(bool)
    options_changed = Signal()
    follow_changed = Signal(str)
    """Name of the landmark whose agent the views follow; empty for none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tail_length = 60
        self.play_button = QToolButton()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.step = QLabel("step \N{EN DASH}")
        self.step.setMinimumWidth(86)
        self.step.setAlignment(
            Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        )
        self.speed = QComboBox()
        for speed in SPEEDS:
            self.speed.addItem(f"{speed:g} steps/s", speed)
        self.loop = QCheckBox("Loop")
        self.trails = QCheckBox("Trails")
        self.boxes = QCheckBox("Boxes")
        self.starts = QComboBox()
        self.follow = QComboBox()
        self._lay_out()
        self._connect()
        self.trails.setChecked(True)
        self.boxes.setChecked(True)
        self.set_speed(20.0)
        self.set_playing(False)
        self.set_replay(0, (), ())

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self.play_button)
        top.addWidget(self.slider, 1)
        top.addWidget(self.step)
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        grid.addWidget(QLabel("Show"), 0, 0)
        grid.addWidget(self.starts, 0, 1)
        grid.addWidget(QLabel("Speed"), 0, 2)
        grid.addWidget(self.speed, 0, 3)
        grid.addWidget(QLabel("Follow"), 1, 0)
        grid.addWidget(self.follow, 1, 1)
        checks = QHBoxLayout()
        for check in (self.trails, self.boxes, self.loop):
            checks.addWidget(check)
        grid.addLayout(checks, 1, 2, 1, 2)
        for combo in (self.starts, self.follow, self.speed):
            combo.setSizePolicy(
                QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred
            )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        layout.addLayout(grid)

    def _connect(self) -> None:
        self.play_button.clicked.connect(self._on_play_clicked)
        self.slider.valueChanged.connect(self._on_slider_changed)
        self.speed.currentIndexChanged.connect(self._on_speed_changed)
        self.loop.toggled.connect(self.loop_changed)
        self.trails.toggled.connect(self._on_options_changed)
        self.boxes.toggled.connect(self._on_options_changed)
        self.starts.currentIndexChanged.connect(self._on_options_changed)
        self.follow.currentIndexChanged.connect(self._on_follow_changed)

    def options(self) -> ReplayOptions:
        """Return what is to be drawn, as shown."""
        return ReplayOptions(
            start=self.starts.currentData(),
            trails=self.trails.isChecked(),
            boxes=self.boxes.isChecked(),
            tail_length=self._tail_length,
        )

    def set_tail_length(self, tail_length: int) -> None:
        """Take the steps until a trail has faded, from the preferences."""
        self._tail_length = tail_length

    def set_speed(self, steps_per_s: float) -> None:
        """Choose the offered speed nearest to this one."""
        nearest = min(SPEEDS, key=lambda speed: abs(speed - steps_per_s))
        self.speed.setCurrentIndex(SPEEDS.index(nearest))

    def set_replay(
        self, n_frames: int, starts: Sequence[int], landmarks: Sequence[str]
    ) -> None:
        """Take the size of a new replay; 0 frames disables all controls."""
        with signals_blocked(self.slider), signals_blocked(self.starts):
            self.slider.setRange(0, max(n_frames - 1, 0))
            self.slider.setValue(0)
            self.starts.clear()
            for start in starts:
                self.starts.addItem(f"start {start + 1}", start)
            self.starts.addItem(ALL_STARTS, None)
            self.starts.setCurrentIndex(0)
        with signals_blocked(self.follow):
            self.follow.clear()
            self.follow.addItem(NOBODY, "")
            for name in landmarks:
                self.follow.addItem(name, name)
        for widget in (
            self.play_button,
            self.slider,
            self.starts,
            self.follow,
            self.trails,
            self.boxes,
        ):
            widget.setEnabled(n_frames > 0)
            widget.setToolTip("" if n_frames else NOTHING_TO_PLAY)
        if n_frames:
            self.play_button.setToolTip("Play or pause (Ctrl+Space)")
            self.follow.setToolTip("Keep the slices on one agent")
        self.show_frame(0)

    def show_frame(self, frame: int) -> None:
        """Show the number of the frame without announcing it."""
        with signals_blocked(self.slider):
            self.slider.setValue(frame)
        last = self.slider.maximum()
        enabled = self.slider.isEnabled()
        self.step.setText(f"step {frame} / {last}" if enabled else "step \N{EN DASH}")

    def set_playing(self, playing: bool) -> None:
        """Show a pause sign while playing, else a play sign."""
        draw = pause_icon if playing else play_icon
        self.play_button.setIcon(draw(_SIGN_COLOR))

    def _on_play_clicked(self) -> None:
        self.play_toggled.emit()

    def _on_slider_changed(self, frame: int) -> None:
        self.show_frame(frame)
        self.frame_chosen.emit(frame)

    def _on_speed_changed(self, index: int) -> None:
        self.speed_changed.emit(self.speed.currentData())

    def _on_options_changed(self, value: object = None) -> None:
        self.options_changed.emit()

    def _on_follow_changed(self, index: int) -> None:
        self.follow_changed.emit(self.follow.currentData() or "")
