"""What a training learns: the loss of every update, and mm in held-out cases."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_midrl.plugin.column import take_what_is_left

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt

LEAST_HEIGHT = 120
LEAST_INTERVAL_S = 0.25
SMOOTHED_OVER = 15
LOSS, MEAN, MEDIAN = "#56B4E9", "#E69F00", "#00C08B"
NO_EPSILON = (
    "No epsilon: these agents learn from states drawn all over each view, not by "
    "exploring at random."
)


class TrainingCurves(QWidget):
    """Two plots beside each other, both over the updates."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._loss: dict[int, float] = {}
        self._mean: dict[int, float] = {}
        self._median: dict[int, float] = {}
        self._drawn_at = 0.0
        self.loss = _plot(
            "Temporal-difference loss of every update, and its running median.",
            0.05,
        )
        self.error = _plot(
            "Error in the held-out cases, from few starts: mean (a search without an "
            "answer counts as the size of the image) and median.",
            1.0,
        )
        self._raw = self.loss.plot(pen=pg.mkPen(f"{LOSS}60", width=1))
        self._smooth = self.loss.plot(pen=pg.mkPen(LOSS, width=2))
        self._curves = {
            name: self.error.plot(
                pen=pg.mkPen(color, width=2),
                symbol="o",
                symbolSize=5,
                symbolBrush=color,
                symbolPen=None,
            )
            for name, color in (("mean", MEAN), ("median", MEDIAN))
        }
        grid = QGridLayout(self)
        grid.setContentsMargins(4, 4, 4, 4)
        grid.setVerticalSpacing(2)
        grid.addWidget(QLabel(_colored(LOSS, "Loss per update")), 0, 0)
        measured = (
            f"Held out, mm: {_colored(MEAN, 'mean')}, {_colored(MEDIAN, 'median')}"
        )
        grid.addWidget(QLabel(measured), 0, 1)
        grid.addWidget(self.loss, 1, 0)
        grid.addWidget(self.error, 1, 1)
        grid.setRowStretch(1, 1)
        for column in (0, 1):
            grid.setColumnStretch(column, 1)
        note = QLabel(NO_EPSILON)
        note.setWordWrap(True)
        note.setStyleSheet("color: gray; font-size: 11px;")
        grid.addWidget(note, 2, 0, 1, 2)
        self.set_theme("#262930", "#d0d4da")

    def set_theme(self, background: str, foreground: str) -> None:
        """Take the colors of the window."""
        for plot in (self.loss, self.error):
            plot.setBackground(background)
            for side in ("left", "bottom"):
                axis = plot.getAxis(side)
                axis.setPen(foreground)
                axis.setTextPen(foreground)

    @property
    def n_updates(self) -> int:
        """Number of updates shown."""
        return len(self._loss)

    @property
    def n_measured(self) -> int:
        """How often the held-out cases were measured."""
        return len(self._mean)

    def set_value(
        self, entries: Iterable[Mapping[str, float]], n_updates: int = 0
    ) -> None:
        """Show the entries of a log.

        Parameters
        ----------
        entries
            With ``"update"`` and what was measured then.
        n_updates
            Updates in all, for the axis; 0 if not known.
        """
        for known in (self._loss, self._mean, self._median):
            known.clear()
        for entry in entries:
            self._take(int(entry["update"]), entry)
        for plot in (self.loss, self.error):
            if n_updates:
                plot.setXRange(0, n_updates, padding=0.02)
            else:
                plot.enableAutoRange(axis="x")
        self._draw()

    def add(self, update: int, metrics: Mapping[str, float]) -> None:
        """Show one more update."""
        self._take(update, metrics)
        is_measured = update in self._mean
        if is_measured or time.monotonic() - self._drawn_at > LEAST_INTERVAL_S:
            self._draw()

    def _take(self, update: int, metrics: Mapping[str, float]) -> None:
        for known, name in (
            (self._loss, "loss"),
            (self._mean, "held_out_mean_mm"),
            (self._median, "held_out_median_mm"),
        ):
            if name in metrics:
                known[update] = metrics[name]

    def _draw(self) -> None:
        self._drawn_at = time.monotonic()
        updates, losses = _columns(self._loss)
        self._raw.setData(updates, losses)
        self._smooth.setData(updates, running_median(losses, SMOOTHED_OVER))
        self._curves["mean"].setData(*_columns(self._mean))
        self._curves["median"].setData(*_columns(self._median))


def running_median(values: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.float64]:
    """Return the median of each value and the up to n - 1 values before it."""
    if not values.size:
        return values
    padded = np.concatenate([np.full(n - 1, np.nan), values])
    windows = np.lib.stride_tricks.sliding_window_view(padded, n)
    medians: npt.NDArray[np.float64] = np.nanmedian(windows, axis=1)
    return medians


def _columns(
    known: Mapping[int, float],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    updates = sorted(known)
    return np.array(updates, float), np.array([known[n] for n in updates], float)


def _colored(color: str, text: str) -> str:
    return f'<span style="color:{color}">\N{BLACK CIRCLE}</span> {text}'


def _plot(tooltip: str, least_range: float) -> pg.PlotWidget:
    plot = pg.PlotWidget()
    take_what_is_left(plot, LEAST_HEIGHT)
    plot.setMouseEnabled(x=False, y=False)
    plot.hideButtons()
    plot.setMenuEnabled(False)
    plot.setToolTip(f"{tooltip}\nAlong the bottom: updates.")
    # Else the digits of rounding errors fill the axis of a value that stays.
    plot.getViewBox().setLimits(minYRange=least_range)
    return plot
