"""Old and new agents search the same case: both walks, one clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points

from napari_midrl.data.playback import playback_of
from napari_midrl.data.settings import SearchSettings
from napari_midrl.errors import InputError
from napari_midrl.evaluation.findings import known_positions
from napari_midrl.evaluation.metrics import error_mm
from napari_midrl.plugin.colors import Colors, faded, landmark_colors
from napari_midrl.plugin.ghosts import hide_ghost
from napari_midrl.plugin.layers import BLENDING, N_SPACES, text_options
from napari_midrl.plugin.names import Names
from napari_midrl.plugin.player import Player
from napari_midrl.plugin.readers import study_layers
from napari_midrl.plugin.removal import remove_layers
from napari_midrl.plugin.scene import ReplayScene, add_quietly
from napari_midrl.plugin.surroundings import borrow
from napari_midrl.plugin.views import SLAB_MM, set_slab
from napari_midrl.plugin.world import AXIS_LABELS, METADATA_KEY, UNITS, world_zyx_mm
from napari_midrl.workflows.finetune_source import open_case
from napari_midrl.workflows.pack_versions import pack_versions, parent_among

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from napari.layers import Layer

    from napari_midrl.data.annotations import Position
    from napari_midrl.data.landmarks import LandmarkSet
    from napari_midrl.data.playback import Playback
    from napari_midrl.data.progress import Progress
    from napari_midrl.data.study import Study
    from napari_midrl.data.trajectory import Localization
    from napari_midrl.data.volume import Volume
    from napari_midrl.plugin.finetune_dock import FineTuneDock
    from napari_midrl.workflows.finetune_source import CaseSource
    from napari_midrl.workflows.pack_versions import PackVersion

N_STARTS = 8
TRUTH_SIZE_PIXELS = (12, 22)
BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class BothFound:
    """What two packs found in one volume.

    Parameters
    ----------
    study, volume, truth
        The case, the volume searched, and its known landmarks.
    before, after
        What each pack found; None where it knows none of the landmarks.
    """

    study: Study
    volume: Volume
    truth: LandmarkSet
    before: Localization | None
    after: Localization


class SideBySide:
    """Plays two packs in the viewer of a dock: the old one dim, the new one bright.

    Parameters
    ----------
    dock
        The dock.
    """

    def __init__(self, dock: FineTuneDock) -> None:
        self._dock = dock
        self._bar = dock.ui.result.playback
        self._scenes: tuple[ReplayScene, ...] = ()
        self._layers: tuple[Layer, ...] = ()
        self._hidden: tuple[Layer, ...] = ()
        self._truth: Points | None = None
        self._after: Playback | None = None
        self._followed = ""
        self._known_lps_mm = np.empty((0, 3))
        self._surroundings = borrow(dock.viewer)
        self._names = Names(dock.viewer)
        self.player = Player(parent=dock)
        self.player.frame_changed.connect(self._on_frame)
        self.player.playing_changed.connect(self._bar.set_playing)
        self._bar.play_toggled.connect(self.player.toggle)
        self._bar.frame_chosen.connect(self.player.set_frame)
        self._bar.speed_changed.connect(self.player.set_speed)
        self._bar.loop_changed.connect(self._on_loop)
        self._bar.options_changed.connect(self._on_options)
        self._bar.follow_changed.connect(self._on_follow)
        self.player.set_speed(self._bar.speed.currentData())
        dims = dock.viewer.dims.events
        dims.current_step.connect(self._on_dims)
        dims.point.connect(self._on_moved)
        dims.order.connect(self._on_slicing)
        dims.ndisplay.connect(self._on_slicing)

    def play(self, source: CaseSource, case: str, version: PackVersion) -> None:
        """Let a pack and the one it comes from search a case, and play both."""
        if self._dock.is_busy:
            self._dock.tell("Wait until what runs has ended, or stop it.", error=True)
            return
        self._dock.run_task(lambda: self._both(source, case, version), self._on_both)

    def _both(
        self, source: CaseSource, case: str, version: PackVersion
    ) -> Generator[Progress, None, BothFound]:
        """Yield progress and return what both find; runs beside the window."""
        study, truth = yield from open_case(source, case)
        volume = next(
            (v for v in study.volumes if v.content_hash == truth.image_sha256),
            study.volumes[0],
        )
        placed = known_positions(truth)
        locate = self._dock.engine.locate
        wanted = tuple(name for name in version.landmarks if name in placed)
        if not wanted:
            msg = f"{version.name} knows none of the landmarks of {case}"
            raise InputError(msg)
        before = None
        parent = parent_among(version, pack_versions())
        known = () if parent is None else parent.landmarks
        shared = tuple(name for name in wanted if name in known)
        if parent is not None and shared:
            settings = SearchSettings(shared, N_STARTS)
            before = yield from locate(volume, str(parent.folder), settings)
        settings = SearchSettings(wanted, N_STARTS)
        after = yield from locate(volume, str(version.folder), settings)
        return BothFound(study, volume, truth, before, after)

    def _on_both(self, both: BothFound) -> None:
        self.clear()
        viewer = self._dock.viewer
        self._hide_others()
        colors = landmark_colors([m.name for m in both.truth])
        added = [
            viewer.add_image(data, **(options | {"visible": volume is both.volume}))
            for volume, (data, options, _) in zip(
                reversed(both.study.volumes), study_layers(both.study), strict=True
            )
        ]
        self._known_lps_mm = np.array(list(known_positions(both.truth).values()))
        self._truth = self._truth_layer(both.truth, colors)
        self._layers = (*added, self._truth)
        self._draw(both, colors)
        self._surroundings.planes.show(next(x for x in added if x.visible))
        viewer.reset_view()
        self._on_slicing()
        self._surroundings.planes.jump_to(self._known_lps_mm[0])
        self._dock.tell(_told(both))
        self.player.set_frame(0)
        self.player.play()

    def _hide_others(self) -> None:
        """Hide what is of another patient; its points would lie on this one."""
        viewer = self._dock.viewer
        self._hidden = tuple(layer for layer in viewer.layers if layer.visible)
        for layer in self._hidden:
            layer.visible = False

    def _draw(self, both: BothFound, colors: Colors) -> None:
        """Put both walks on one clock, the dim one below."""
        walks = {AFTER: both.after.trajectories}
        if both.before is not None:
            walks = {BEFORE: both.before.trajectories} | walks
        n_frames = max(playback_of(own).n_frames for own in walks.values())
        playbacks = {
            label: playback_of(own, least_frames=n_frames)
            for label, own in walks.items()
        }
        self._after, self._followed = playbacks[AFTER], ""
        self._bar.set_replay(n_frames, self._after.starts, self._after.landmarks)
        self._bar.setVisible(True)
        self.player.set_n_frames(n_frames)
        self._scenes = tuple(
            ReplayScene(
                self._dock.viewer,
                playback,
                faded(colors) if label == BEFORE else colors,
                self._bar.options(),
                label=label,
            )
            for label, playback in playbacks.items()
        )
        for scene in self._scenes:
            scene.add()

    def _truth_layer(self, truth: LandmarkSet, colors: Colors) -> Points:
        placed = [m for m in truth if m.position_lps_mm is not None]
        layer = Points(
            world_zyx_mm(np.array([m.position_lps_mm for m in placed])),
            name="known landmarks",
            symbol="cross",
            size=8.0,
            canvas_size_limits=TRUTH_SIZE_PIXELS,
            face_color=[colors[m.name] for m in placed],
            border_color=[colors[m.name] for m in placed],
            border_width=0,
            features={"label": [m.name for m in placed]},
            text=text_options("{label}"),
            blending=BLENDING,
            projection_mode="all",
            units=UNITS,
            axis_labels=AXIS_LABELS,
            metadata={METADATA_KEY: {"role": "known landmarks"}},
        )
        add_quietly(self._dock.viewer, layer)
        self._names.write(layer, n_spaces=N_SPACES)
        return layer

    # ---- the clock

    def pause(self) -> None:
        """Stop the clock."""
        self.player.pause()

    def clear(self) -> None:
        """Take case and walks away, and show again what was hidden for them."""
        self.player.set_n_frames(0)
        for scene in self._scenes:
            scene.close()
        self._scenes = ()
        viewer = self._dock.viewer
        self._surroundings.planes.show(None)
        remove_layers(viewer, [x for x in self._layers if x in viewer.layers])
        self._layers = ()
        for layer in self._hidden:
            if layer in viewer.layers:
                layer.visible = True
        self._hidden = ()
        self._truth = self._after = None
        self._followed = ""

    def close(self) -> None:
        """Stop the clock and leave the viewer as it was before the replay."""
        self.player.pause()
        self.clear()
        dims = self._dock.viewer.dims.events
        dims.current_step.disconnect(self._on_dims)
        dims.point.disconnect(self._on_moved)
        dims.order.disconnect(self._on_slicing)
        dims.ndisplay.disconnect(self._on_slicing)
        self._names.close()
        self._surroundings.release()

    def _on_frame(self, frame: int) -> None:
        for scene in self._scenes:
            scene.set_frame(frame)
        self._bar.show_frame(frame)
        self._move_views()

    def _on_follow(self, landmark: str) -> None:
        self._followed = landmark
        self._move_views()

    def _move_views(self) -> None:
        """Keep the slices on the new agent that is followed."""
        if self._after is None or not self._followed:
            return
        agents = self._after.agents(self._bar.options().start, self._followed)
        position_lps_mm = self._after.positions_lps_mm[agents[0], self.player.frame]
        self._surroundings.planes.jump_to(position_lps_mm)

    def _on_dims(self, event: object = None) -> None:
        """The viewer's own slider moves the replay too."""
        dims = self._dock.viewer.dims
        if any(scene.layers for scene in self._scenes) and dims.ndim == 4:
            frame = dims.current_step[0]
            if frame != self.player.frame:
                self.player.set_frame(frame)

    def _on_slicing(self, event: object = None) -> None:
        """Show what lies near a slice."""
        if not self._layers:
            return
        set_slab(self._dock.viewer, SLAB_MM)
        self._on_moved()

    def _on_moved(self, event: object = None) -> None:
        if self._truth is not None:
            places = self._known_lps_mm
            hide_ghost(self._dock.viewer, self._truth, places, TRUTH_SIZE_PIXELS)

    def _on_options(self) -> None:
        options: Any = self._bar.options()
        for scene in self._scenes:
            scene.set_options(options)

    def _on_loop(self, loop: bool) -> None:
        self.player.loop = loop


def _told(both: BothFound) -> str:
    """Return how near each came, for the user; old and new landmarks apart."""
    known = known_positions(both.truth)
    parts = []
    shared: tuple[str, ...] = ()
    if both.before is not None:
        shared = tuple(result.name for result in both.before.results)
        before = _mean_error(both.before, known, shared)
        after = _mean_error(both.after, known, shared)
        parts.append(f"before (dim) {before}, after (bright) {after}")
    new = [r.name for r in both.after.results if r.name not in shared]
    if new:
        parts.append(f"new landmarks {_mean_error(both.after, known, new)}")
    return f"{both.volume.name}: {'; '.join(parts)}. Crosses are the known places."


def _mean_error(
    found: Localization, known: Mapping[str, Position], names: Sequence[str]
) -> str:
    results = [result for result in found.results if result.name in names]
    errors = [
        float(error_mm(result.position_lps_mm, known[result.name]))
        for result in results
        if result.position_lps_mm is not None
    ]
    if not errors:
        return "found nothing"
    n_missed = len(results) - len(errors)
    missed = f" ({n_missed} not found)" if n_missed else ""
    return f"{np.mean(errors):.1f} mm off{missed}"
