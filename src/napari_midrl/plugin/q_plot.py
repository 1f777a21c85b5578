"""Curves of the best Q-value over the steps, with a line at the frame shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_midrl.plugin.colors import Colors, color_of

if TYPE_CHECKING:
    from napari_midrl.data.playback import Playback


class QPlot(QWidget):
    """How much each agent still hopes to gain, step by step.

    The Q-value of the best action falls toward zero near the landmark: the reward is
    the distance gained, and there little is left to gain.
    """

    frame_chosen = Signal(int)
    """Emitted while the user drags the line."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = pg.PlotWidget()
        self.plot.setFixedHeight(104)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.hideButtons()
        self.plot.setMenuEnabled(False)
        self.plot.setLabel("bottom", "step")
        self.plot.setLabel("left", "best Q")
        self.plot.setToolTip(
            "Largest Q-value of each agent of the start shown. Drag the line to scrub."
        )
        self.line = pg.InfiniteLine(0, movable=True)
        self.line.setVisible(False)
        self.plot.addItem(self.line)
        self.line.sigDragged.connect(self._on_dragged)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        self.set_theme("#262930", "#d0d4da")
        self.set_value(None, None, {})

    def set_theme(self, background: str, foreground: str) -> None:
        """Take the colors of the window."""
        self.plot.setBackground(background)
        for side in ("left", "bottom"):
            axis = self.plot.getAxis(side)
            axis.setPen(foreground)
            axis.setTextPen(foreground)
        self.line.setPen(pg.mkPen(foreground, width=1, style=Qt.PenStyle.DashLine))

    def set_value(
        self, playback: Playback | None, start: int | None, colors: Colors
    ) -> None:
        """Draw the agents of one start, or the median over all starts for None."""
        self.plot.clear()
        self.plot.addItem(self.line)
        has_curves = playback is not None and playback.n_frames > 0
        self.line.setVisible(has_curves)
        for side in ("left", "bottom"):  # numbers of no curve would be invented
            self.plot.getAxis(side).setStyle(showValues=has_curves)
        if playback is None:
            return
        self.line.setBounds((0, max(playback.n_frames - 1, 0)))
        self.plot.setXRange(0, max(playback.n_frames - 1, 1), padding=0.02)
        for name in playback.landmarks:
            curve = q_curve(playback, start, name)
            pen = pg.mkPen(color_of(colors, name), width=1)
            self.plot.plot(np.arange(len(curve)), curve, pen=pen, antialias=True)

    def show_frame(self, frame: int) -> None:
        """Put the line at a frame without announcing it."""
        self.line.blockSignals(True)
        self.line.setValue(frame)
        self.line.blockSignals(False)

    def _on_dragged(self, line: object = None) -> None:
        self.frame_chosen.emit(round(self.line.value()))


def q_curve(playback: Playback, start: int | None, landmark: str) -> np.ndarray:
    """Return the best Q-value by step of one agent, or the median over the starts."""
    curves = playback.best_q[playback.agents(start, landmark)]
    known = np.isfinite(curves).any(axis=0)
    n_steps = int(known.sum())
    curve: np.ndarray = np.nanmedian(curves[:, :n_steps], axis=0)
    return curve
