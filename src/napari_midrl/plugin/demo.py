"""The whole way in one call: a sample study, its agents, their search, the files."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import napari
import napari.viewer
from qtpy.QtWidgets import QApplication

from napari_midrl.data.progress import finish
from napari_midrl.errors import MidrlError
from napari_midrl.plugin.movie import movie_suffixes
from napari_midrl.plugin.orientation import THREE_D
from napari_midrl.plugin.preferences import Preferences
from napari_midrl.plugin.samples import digital_patient
from napari_midrl.plugin.search_dock import SearchDock
from napari_midrl.plugin.writers import save_landmarks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_midrl.plugin.engine import Engine

PACK = "digital-patient"
WINDOW_SIZE = (1440, 950)
PATIENCE_S = 900.0
DOCK_NAME = "MIDRL: search"


def open_demo(
    viewer: napari.viewer.Viewer | None = None,
    *,
    seed: int = 0,
    out: Path | None = None,
    engine: Engine | None = None,
) -> tuple[Path, ...]:
    """Open a sample study, let the agents search it, and play their search.

    Parameters
    ----------
    viewer
        None opens one; it then stays open until the user closes it, or, with `out`,
        until the files are written.
    seed
        Of the digital patient.
    out
        Folder for ``landmarks.csv``, ``search.mp4`` (``.gif`` without PyAV) and
        ``window.png``; existing ones are replaced.
    engine
        The workflows behind the dock; None means those of this package.

    Returns
    -------
    files
        What was written.

    Raises
    ------
    MidrlError
        If the search fails; it carries what the dock shows.
    """
    own = viewer is None
    viewer = napari.Viewer(title="napari-midrl demo") if viewer is None else viewer
    viewer.window.resize(*WINDOW_SIZE)
    dock = show_sample(viewer, seed=seed, engine=engine)
    dock.run()
    if out is None:
        if own:
            napari.run()
        return ()
    files = write_results(viewer, dock, out)
    if own:
        viewer.close()
    return files


def show_sample(
    viewer: napari.viewer.Viewer, *, seed: int, engine: Engine | None = None
) -> SearchDock:
    """Add the sample study and the dock, in 3D; return the dock."""
    for data, options, _ in digital_patient(seed):
        viewer.add_image(data, **options)
    dock = SearchDock(viewer, engine, Preferences(default_pack=PACK))
    viewer.window.add_dock_widget(dock, name=DOCK_NAME, area="right")
    _process_events(lambda: True, 5.0)
    dock.show_view(THREE_D)
    return dock


def write_results(
    viewer: napari.viewer.Viewer, dock: SearchDock, out: Path
) -> tuple[Path, ...]:
    """Wait for the search of the dock and write what it found."""
    out.mkdir(parents=True, exist_ok=True)
    if not _process_events(lambda: not dock.is_running, PATIENCE_S):
        dock.cancel()
        msg = f"the search took longer than {PATIENCE_S:.0f} s"
        raise MidrlError(msg)
    landmarks, volume = dock.landmarks(), dock.searched_volume
    if dock.found is None or landmarks is None or volume is None:
        raise MidrlError(dock.ui.form.status.text())
    dock.replay.player.pause()
    table = out / "landmarks.csv"
    save_landmarks(landmarks, table, grid=volume.grid, confirmed=True, over_human=False)
    picture = out / "window.png"
    dock.show_as_played(dock.replay.player.n_frames // 3)
    _process_events(lambda: False, 0.5)
    viewer.screenshot(str(picture), canvas_only=False, flash=False)
    movie = out / f"search{movie_suffixes()[0]}"
    finish(dock.movie(movie))
    return table, movie, picture


def _process_events(done: Callable[[], bool], seconds: float) -> bool:
    """Keep the window alive until something is done; return whether it is."""
    until = time.monotonic() + seconds
    while True:
        QApplication.processEvents()
        if done():
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(0.01)
