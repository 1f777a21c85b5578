"""How long the window stands still while it searches: python -m benchmarks.stall.

A timer of the window ticks every few milliseconds. While something else keeps the
window's thread or the interpreter it cannot, and neither can the user do anything; the
longest time between two ticks is measured: from the click until the search is over, and
from then until its layers and names are all drawn.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import napari
import psutil
from qtpy.QtCore import QEventLoop, QObject, Qt, QTimer

from benchmarks.speed import body
from benchmarks.speed.dense import PACK
from benchmarks.speed.effort import FULL
from napari_midrl.plugin.orientation import AXIAL
from napari_midrl.plugin.preferences import Preferences
from napari_midrl.plugin.search_dock import SearchDock
from napari_midrl.plugin.world import volume_layer

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_midrl.data.volume import Volume

TICK_MS = 5
QUIET_MS = 1000
"""How long the window is watched when nothing runs, and after a search."""

PATIENCE_S = 600
WINDOW_SIZE = (1280, 860)


class Ticks(QObject):
    """A timer of the window that notes how late it comes."""

    def __init__(self) -> None:
        super().__init__()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._on_tick)
        self._last = 0.0
        self._longest = 0.0

    def longest_ms(self, run: Callable[[], None]) -> float:
        """Return the longest time between two ticks while something runs."""
        self._last, self._longest = time.perf_counter(), 0.0
        self._timer.start(TICK_MS)
        run()
        self._timer.stop()
        self._on_tick()
        return round(1000 * self._longest, 1)

    def _on_tick(self) -> None:
        now = time.perf_counter()
        self._longest = max(self._longest, now - self._last)
        self._last = now


def measure(volume: Volume, n_searches: int) -> list[dict[str, float]]:
    """Return the longest gaps: with nothing to do, in a search, while it is shown.

    All landmarks of the pack are sought, by the dock's button, and the agents are seen
    while they search. The dock has got ready before the first search, as it does by
    itself once there is a volume.
    """
    viewer = napari.Viewer()
    viewer.window.resize(*WINDOW_SIZE)
    data, options, _ = volume_layer(volume)
    viewer.add_image(data, **options)
    # It would play the search once it is over, which is another matter.
    preferences = Preferences(default_pack=PACK, autoplay=False)
    dock = SearchDock(viewer, preferences=preferences)
    viewer.window.add_dock_widget(dock, name="MIDRL: search", area="right")
    # Without a GPU, drawing in 3D alone takes longer than what is asked here.
    dock.show_view(AXIAL)
    until = time.monotonic() + PATIENCE_S
    while not dock.readiness.is_ready and time.monotonic() < until:
        watch(10 * TICK_MS)
    watch(QUIET_MS)
    ticks, rows = Ticks(), []
    for _ in range(n_searches):
        idle_ms = ticks.longest_ms(lambda: watch(QUIET_MS))
        before_s = stolen_s()
        stall_ms = ticks.longest_ms(lambda: search(dock))
        stolen_ms = round(1000 * (stolen_s() - before_s), 1)
        showing_ms = ticks.longest_ms(lambda: see(dock))
        if dock.found is None:
            raise SystemExit(dock.ui.form.status.text())
        row = {"idle_ms": idle_ms, "stall_ms": stall_ms, "showing_ms": showing_ms}
        rows.append(row | {"stolen_ms": stolen_ms})
    viewer.close()
    return rows


def search(dock: SearchDock) -> None:
    """Click, and let the window work until something is found."""
    dock.ui.form.run_button.click()
    until = time.monotonic() + PATIENCE_S
    while dock.is_running and dock.found is None and time.monotonic() < until:
        watch(TICK_MS)


def see(dock: SearchDock) -> None:
    """Let the window work until what was found is drawn."""
    until = time.monotonic() + PATIENCE_S
    while dock.is_running and time.monotonic() < until:
        watch(10 * TICK_MS)
    watch(QUIET_MS)


def stolen_s() -> float:
    """Return the time that a virtual machine's processors were not its own, if told."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))


def watch(milliseconds: int) -> None:
    """Let the window work for some time."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("volume", type=Path, nargs="?", help="kept by the benchmarks")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--searches", type=int, default=3)
    chosen = parser.parse_args()
    volume = body.load(chosen.volume) if chosen.volume else body.whole_body(FULL.shape)
    rows = measure(volume, chosen.searches)
    if chosen.json:
        print(json.dumps(rows, indent=1))
        return
    print("longest gap of the window's event loop, milliseconds")
    for number, row in enumerate(rows, start=1):
        print(
            f"search {number}: {row['stall_ms']}; showing it: {row['showing_ms']}; "
            f"before it: {row['idle_ms']}; host took {row['stolen_ms']}"
        )


if __name__ == "__main__":
    main()
