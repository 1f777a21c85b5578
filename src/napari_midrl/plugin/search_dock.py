"""The dock "MIDRL: search": choose, search, watch, correct, save."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.QtWidgets import QFileDialog

from napari_midrl.data.progress import Progress, SearchProgress
from napari_midrl.data.settings import SearchSettings
from napari_midrl.errors import MidrlError
from napari_midrl.plugin.background import BackgroundTask
from napari_midrl.plugin.canvas import undrawn
from napari_midrl.plugin.canvas_keys import CanvasKeys
from napari_midrl.plugin.colors import Colors, landmark_colors
from napari_midrl.plugin.column import ELLIPSIS
from napari_midrl.plugin.dock import Dock, failure_text, set_up_canvas
from napari_midrl.plugin.dock_layout import DockLayout
from napari_midrl.plugin.engine import Engine, default_engine
from napari_midrl.plugin.exports import (
    ask_movie_path,
    error_text,
    export_landmarks,
    export_trajectories,
)
from napari_midrl.plugin.layers import N_SPACES, landmarks_layer, show_points
from napari_midrl.plugin.legend import Legend
from napari_midrl.plugin.live import LiveSearch
from napari_midrl.plugin.live_canvas import LiveCanvas
from napari_midrl.plugin.movie import movie_frames, write_movie
from napari_midrl.plugin.names import Names
from napari_midrl.plugin.orientation import STANDARD_VIEWS, StandardView
from napari_midrl.plugin.pack_news import news
from napari_midrl.plugin.points import is_edited, landmarks_of_points
from napari_midrl.plugin.policy_view import PolicyView
from napari_midrl.plugin.preferences import (
    Preferences,
    default_pack,
    load_preferences,
)
from napari_midrl.plugin.readers import study_layers
from napari_midrl.plugin.readiness import Readiness
from napari_midrl.plugin.removal import hiding, removing
from napari_midrl.plugin.replay import Replay
from napari_midrl.plugin.result_rows import (
    SEARCHING,
    ResultRow,
    found_text,
    replay_rows,
    row_of_result,
)
from napari_midrl.plugin.saving_task import SavingTask
from napari_midrl.plugin.surroundings import borrow
from napari_midrl.plugin.turns import Turns
from napari_midrl.plugin.views import SLAB_MM, set_slab, show_standard_view
from napari_midrl.plugin.volumes import VolumeLayers
from napari_midrl.plugin.world import volume_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import napari.viewer
    from napari.layers import Image, Layer, Points

    from napari_midrl.data.landmarks import LandmarkSet
    from napari_midrl.data.study import Study
    from napari_midrl.data.trajectory import Localization
    from napari_midrl.data.volume import Volume
    from napari_midrl.plugin.turns import Portions

LEAST_TABLE_INTERVAL_S = 0.25
SAVE_LANDMARKS = "As a table (LPS mm), 3D Slicer markups, or fcsv; asks first."
SAVE_TRAJECTORIES = "Every step of every agent as a table: position, action, Q-values."
SAVE_MOVIE = "What the canvas shows, step by step."


class SearchDock(Dock):
    """Find landmarks in a volume and watch the agents search.

    Parameters
    ----------
    napari_viewer
        The viewer it is docked in.
    engine
        The workflows behind it; None means those of this package.
    preferences
        Defaults; None means those of napari's Preferences.
    """

    def __init__(
        self,
        napari_viewer: napari.viewer.Viewer,
        engine: Engine | None = None,
        preferences: Preferences | None = None,
    ) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._engine = engine or default_engine()
        self._preferences = preferences or load_preferences()
        self._task: BackgroundTask | None = None
        self._canvas = LiveCanvas(napari_viewer)
        self._live: LiveSearch | None = None
        self._outdated: list[Layer] = []
        self._volume: Volume | None = None
        self._source: Image | None = None
        self._landmark_layer: Points | None = None
        self._colors: Colors = {}
        self._table_time = 0.0
        self.found: Localization | None = None

        self.ui = DockLayout()
        self.fill_with(self.ui)
        self._surroundings = borrow(napari_viewer)
        self._planes = self._surroundings.planes
        self._legend = Legend(napari_viewer)
        self._volumes = VolumeLayers(napari_viewer, self._on_volumes_changed)
        self.replay = Replay(
            napari_viewer, self.ui.playback, self.ui.plot, self._planes, self
        )
        self.policy = PolicyView(
            napari_viewer,
            self.ui.policy,
            self._planes,
            self._engine,
            self.ui.form.value,
            self,
        )
        self._movie = SavingTask(self)
        self._removal = Turns(self)
        self.readiness = Readiness(
            self._engine, self.ui.form, self._canvas.warming, self
        )
        self._connect()
        self._show_preferences()
        self._show_packs()
        self._on_volumes_changed()
        self._set_up_viewer()
        self._update_saving()

    # ---- set-up

    def _connect(self) -> None:
        ui = self.ui
        for view in STANDARD_VIEWS:
            ui.views[view.name].clicked.connect(partial(self._on_view_clicked, view))
        ui.form.run_requested.connect(self.run)
        ui.form.cancel_requested.connect(self.cancel)
        ui.form.open_requested.connect(self._on_open)
        ui.form.volume_changed.connect(self._on_volume_chosen)
        ui.form.pack_changed.connect(self._on_pack_chosen)
        ui.results.landmark_chosen.connect(self.jump_to_landmark)
        ui.save_landmarks.clicked.connect(self._on_save_landmarks)
        ui.save_trajectories.clicked.connect(self._on_save_trajectories)
        ui.save_movie.clicked.connect(self._on_save_movie)
        self._movie.reported.connect(ui.form.show_progress)
        self._movie.ended.connect(self._on_movie_ended)
        self.replay.player.frame_changed.connect(self._on_replayed)
        self.replay.player.playing_changed.connect(self._on_replayed)
        news.changed.connect(self._on_pack_news)

    def _show_preferences(self) -> None:
        chosen = self._preferences
        self.ui.form.set_value(
            SearchSettings(n_starts=chosen.n_starts, device=chosen.device)
        )
        self.ui.results.frame.setCurrentText(chosen.frame)
        self.ui.playback.set_speed(chosen.steps_per_s)
        self.ui.playback.set_tail_length(chosen.trail_length)

    def _show_packs(self) -> None:
        try:
            packs = self._engine.available_packs()
        except (MidrlError, OSError) as error:
            self.ui.form.set_packs(())
            self.ui.form.set_trouble(error_text(error))
            self.ui.form.show_status(error_text(error), error=True)
        else:
            self.ui.form.set_packs(packs, self._preferences.default_pack)

    def _on_pack_news(self) -> None:
        """Offer new packs at once, and choose the one that is in use now, if new."""
        if self.is_running:
            return
        before, now = self._preferences.default_pack, default_pack()
        chosen = self.ui.form.pack.currentData()
        self._preferences = replace(self._preferences, default_pack=now)
        self._show_packs()
        index = self.ui.form.pack.findData(chosen)
        if now == before and index >= 0:
            self.ui.form.pack.setCurrentIndex(index)

    def _set_up_viewer(self) -> None:
        viewer = self._viewer
        set_up_canvas(viewer)
        viewer.canvas.overlays.axes.visible = False
        self._names = Names(viewer)
        viewer.dims.events.order.connect(self._on_slicing_changed)
        viewer.dims.events.ndisplay.connect(self._on_slicing_changed)
        viewer.events.theme.connect(self._on_theme)
        self._on_slicing_changed()
        self._on_theme()
        acts: dict[str, Callable[[], object]] = {
            view.key: partial(self.show_view, view) for view in STANDARD_VIEWS
        }
        acts |= {
            "Control-Enter": self.run,
            "Control-Space": self.replay.player.toggle,
            "Control-Left": partial(self.replay.step, -1),
            "Control-Right": partial(self.replay.step, 1),
        }
        self._keys = CanvasKeys(viewer, acts)

    # ---- volumes and packs

    def _on_volumes_changed(self) -> None:
        self.ui.form.set_volumes(list(self._volumes.layers()))
        self._on_volume_chosen(self.ui.form.volume.currentText())

    def _on_volume_chosen(self, name: str) -> None:
        layer = self._volumes.layers().get(name)
        trouble = ""
        if layer is not None:
            try:
                _, warnings = volume_of(layer)
            except (MidrlError, ValueError) as error:
                trouble = error_text(error)
                self.ui.form.show_status(trouble, error=True)
            else:
                if not self.is_running:
                    self.ui.form.show_status("\n".join(warnings))
        self.ui.form.set_trouble(trouble)
        beside = () if layer is None else self._volumes.beside(layer)
        self.ui.form.set_beside([volume.name for volume in beside])
        self._planes.show(layer)
        self.policy.set_source(None if trouble else layer)

    def _on_pack_chosen(self, name: str) -> None:
        pack = self.ui.form.chosen_pack()
        colors = landmark_colors(() if pack is None else pack.landmarks)
        self.ui.form.show_colors(colors)
        self.policy.set_pack(pack, colors)

    def _on_open(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open a study")
        if folder:
            self.open_study(Path(folder))

    def open_study(self, path: Path) -> None:
        """Read a study beside the window and add its volumes."""
        self._start(partial(self._engine.load_study, (path,)), on_return=self._on_study)
        self.ui.form.show_status(f"Reading {path.name}{ELLIPSIS}")

    def _on_study(self, study: Study) -> None:
        for data, options, _ in study_layers(study):
            self._viewer.add_image(data, **options)
        self.ui.form.volume.setCurrentText(study.volumes[0].name)
        self.ui.form.show_status(f"Opened {len(study.volumes)} volumes")
        self._viewer.reset_view()

    # ---- searching

    @property
    def is_running(self) -> bool:
        """Whether something runs beside the window."""
        return self._task is not None

    def run(self) -> None:
        """Search the chosen volume."""
        form = self.ui.form
        pack = form.chosen_pack()
        layer = self._volumes.layers().get(form.volume.currentText())
        if pack is None or layer is None or not form.run_button.isEnabled():
            return
        try:
            self._volume, _ = volume_of(layer)
        except (MidrlError, ValueError) as error:
            form.show_status(error_text(error), error=True)
            return
        settings = form.value()
        self._source = layer
        self._colors = landmark_colors(pack.landmarks)
        self._forget_search()
        names = settings.landmarks or pack.landmarks
        self._legend.show(names, self._colors)
        self._live = LiveSearch(self._viewer, self._canvas, names, self._colors)
        volumes = (self._volume, *form.all_volumes.of(self._volumes.beside(layer)))
        search = self._engine.search_of(volumes, pack.name, settings)
        self._start(search, on_return=self._on_found, waits=True)
        form.show_status(f"Loading the engine{ELLIPSIS}")

    def cancel(self) -> None:
        """Stop what runs; the window is free at once."""
        self._movie.stop("Movie cancelled.")
        if self._task is None:
            return
        self._task.stop()
        self._task = None
        self._end_live()
        self.ui.form.set_running(False)
        self.ui.form.show_status("Cancelled.")
        self._update_saving()

    def _start(self, make: Any, *, on_return: Any, waits: bool = False) -> None:
        self._task = BackgroundTask(
            make,
            self,
            on_report=self._on_report,
            on_return=on_return,
            on_error=self._on_error,
            on_end=self._on_end,
            waits=waits,
        )
        self.watch_window()
        self.ui.form.set_running(True)
        self.ui.form.show_progress(Progress(0, 0, ""))
        self._update_saving()
        self._task.start()

    def _on_report(self, progress: Progress) -> None:
        self.ui.form.show_progress(progress)
        if isinstance(progress, SearchProgress) and self._live is not None:
            self._live.show(progress)
            now = time.monotonic()
            if now - self._table_time >= LEAST_TABLE_INTERVAL_S:
                self._table_time = now
                self.ui.results.set_value(self._live.rows(), self._colors)

    def _on_found(self, found: Localization) -> Portions:
        """Show it all, in portions: between two of them the window can draw."""
        try:
            self.found = found
            yield
            self._removal.finish()
            self._show_results(found)
            yield from self.replay.showing(found, self._colors)
            with undrawn(self._viewer):
                self._show_landmarks(found)
                yield
            yield
            # Not before: napari would take its step slider away and make another.
            yield from self._ending_live()
        except GeneratorExit:
            # Half of it is worse than nothing.
            self._forget_search()
            self._end_live()
            raise
        self.ui.form.show_status(found_text(found))
        if self._preferences.autoplay:
            self.replay.player.play()

    def show_as_played(self, frame: int) -> None:
        """Show a frame of the replay as it looks while it plays, and stay there."""
        self.replay.player.pause()
        self.replay.player.set_frame(frame)
        self._show_progress_at(frame)

    def _on_replayed(self, value: object = None) -> None:
        """While a replay plays, landmarks appear as their agents settle."""
        found, playback = self.found, self.replay.playback
        if found is None or playback is None:
            return
        if self.replay.player.is_playing:
            self._show_progress_at(self.replay.player.frame)
        else:
            self._show_results(found)
            self._show_settled(set(playback.landmarks))

    def _show_progress_at(self, frame: int) -> None:
        found, playback = self.found, self.replay.playback
        if found is None or playback is None:
            return
        rows = replay_rows(playback, found.results, frame)
        self.ui.results.set_value(rows, self._colors)
        self._show_settled({row.name for row in rows if row.state != SEARCHING})

    def _show_settled(self, names: set[str]) -> None:
        """Show these of the landmarks found."""
        layer = self._landmark_layer
        if layer is None or layer not in self._viewer.layers:
            return
        shown = [str(label) in names for label in layer.features["label"]]
        if shown != list(layer.shown):
            show_points(layer, shown)

    def _show_results(self, found: Localization) -> None:
        rows = [row_of_result(result) for result in found.results]
        self.ui.results.set_value(rows, self._colors)

    def _on_error(self, error: Exception) -> None:
        self._end_live()
        self.ui.form.show_status(failure_text(error), error=True)

    def _on_end(self) -> None:
        self._task = None
        self.ui.form.set_running(False)
        self._update_saving()

    def _end_live(self) -> None:
        self._removal.start(self._ending_live())

    def _ending_live(self) -> Portions:
        """Take the agents away, and return how the last search's layers are removed."""
        if self._live is not None:
            self._live.close()
            self._live = None
        return removing(self._viewer, self._outdated)

    def _forget_search(self) -> None:
        """Hide the last search; landmarks the user has corrected stay.

        Its layers are removed once nothing runs any more: it keeps the window too long.
        """
        gone: list[Layer] = [*self.replay.let_go()]
        self.ui.results.set_value((), {})
        self.found = None
        layer = self._landmark_layer
        self._landmark_layer = None
        if layer is not None and layer in self._viewer.layers:
            data, options, _ = layer.as_layer_data_tuple()
            if not is_edited(data, options):
                gone.append(layer)
        before = [layer for layer in self._outdated if layer in self._viewer.layers]
        self._outdated = [*before, *gone]
        self._removal.start(hiding(gone))

    def _show_landmarks(self, found: Localization) -> None:
        from napari_midrl.workflows.localize import as_landmarks

        if self._volume is None:
            return
        landmarks = as_landmarks(found, self._volume)
        pack = found.localizer
        data, options, _ = landmarks_layer(
            landmarks, self._colors, name=f"landmarks ({pack})"
        )
        options["metadata"]["midrl"]["volume"] = self._volume
        self._landmark_layer = self._viewer.add_points(data, **options)
        self._names.write(self._landmark_layer, n_spaces=N_SPACES)

    # ---- looking

    def jump_to_landmark(self, name: str) -> None:
        """Move all views to a landmark that was found."""
        for row in self.ui.results.value():
            if row.name == name:
                self._jump_to_row(row)
        self.ui.policy.choose_landmark(name)

    def _jump_to_row(self, row: ResultRow) -> None:
        if row.position_lps_mm is None:
            self.ui.form.show_status(f"{row.name}: {row.state}.")
            return
        self._planes.jump_to(row.position_lps_mm)

    def show_view(self, view: StandardView) -> None:
        """Turn to a standard view."""
        show_standard_view(self._viewer, view)

    def _on_view_clicked(self, view: StandardView, checked: bool = False) -> None:
        self.show_view(view)

    def _on_slicing_changed(self, event: object = None) -> None:
        set_slab(self._viewer, SLAB_MM)

    def _on_theme(self, event: object = None) -> None:
        theme = get_theme(self._viewer.theme)
        self.ui.plot.set_theme(theme.background.as_hex(), theme.text.as_hex())

    # ---- saving

    def landmarks(self) -> LandmarkSet | None:
        """Return the landmarks of the last search with the user's corrections."""
        layer = self._landmark_layer
        if layer is None or layer not in self._viewer.layers:
            return None
        data, options, _ = layer.as_layer_data_tuple()
        return landmarks_of_points(data, options)

    @property
    def searched_volume(self) -> Volume | None:
        """Volume that was searched last."""
        return self._volume

    def _on_save_landmarks(self) -> None:
        landmarks, volume = self.landmarks(), self._volume
        if landmarks is None or volume is None:
            self.ui.form.show_status(
                "The landmark layer was removed; run the search again.", error=True
            )
            return
        self._tell_saved(partial(export_landmarks, self, landmarks, volume))

    def _on_save_trajectories(self) -> None:
        if self.found is not None:
            self._tell_saved(
                partial(export_trajectories, self, self.found.trajectories)
            )

    def _tell_saved(self, save: Any) -> None:
        try:
            text = save()
        except (MidrlError, OSError, ValueError) as error:
            self.ui.form.show_status(f"Not saved: {error_text(error)}", error=True)
        else:
            if text:
                self.ui.form.show_status(text)

    def _on_save_movie(self) -> None:
        path = ask_movie_path(self)
        if path is not None:
            self.save_movie(path)

    def movie(self, path: Path) -> Generator[Progress, None, Path]:
        """Yield progress while every step is played into a movie; replaces the file."""
        self.replay.player.pause()
        frames = movie_frames(self.replay.player.n_frames)
        return write_movie(path, frames, self._draw_frame, overwrite=True)

    def save_movie(self, path: Path) -> None:
        """Write a movie beside the user's work; replaces the file."""
        self._movie.start(self.movie(path))
        self.ui.form.set_running(True)
        self._update_saving()

    def _draw_frame(self, frame: int) -> Any:
        self.show_as_played(frame)
        return self._viewer.screenshot(canvas_only=True, flash=False)

    def _on_movie_ended(self, text: str, error: bool) -> None:
        self._on_replayed()
        self.ui.form.set_running(self.is_running)
        self.ui.form.show_status(text, error=error)
        self._update_saving()

    def _update_saving(self) -> None:
        busy = self.is_running or self._movie.is_running
        has_walks = self.found is not None and bool(self.found.trajectories)
        for button, ready, tooltip in (
            (self.ui.save_landmarks, self.found is not None, SAVE_LANDMARKS),
            (self.ui.save_trajectories, has_walks, SAVE_TRAJECTORIES),
            (self.ui.save_movie, has_walks, SAVE_MOVIE),
        ):
            button.setEnabled(ready and not busy)
            reason = "Wait until it has ended." if busy else "Run a search first."
            button.setToolTip(tooltip if ready and not busy else reason)

    # ---- closing

    def let_go(self) -> None:
        """Let go of a running task; the window closes."""
        self.readiness.stop()
        self.cancel()
        self._removal.finish()
        self._legend.clear()
        self.policy.let_go()
        self.replay.player.pause()

    def close_all(self) -> None:
        """Stop everything and leave the viewer as one would expect without the dock."""
        self.readiness.stop()
        self.cancel()
        self._removal.finish()
        news.changed.disconnect(self._on_pack_news)
        self.replay.close()
        self.policy.close()
        self._volumes.close()
        self._surroundings.release()
        self._legend.clear()
        self._canvas.close()
        dims = self._viewer.dims
        dims.events.order.disconnect(self._on_slicing_changed)
        dims.events.ndisplay.disconnect(self._on_slicing_changed)
        self._viewer.events.theme.disconnect(self._on_theme)
        self._names.close()
        self._keys.give_back()
