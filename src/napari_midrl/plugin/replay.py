"""Joins the clock, the controls, the curves and the layers of a replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_midrl.data.playback import Playback, playback_of
from napari_midrl.plugin.player import Player
from napari_midrl.plugin.removal import remove_layers
from napari_midrl.plugin.scene import ReplayScene

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_midrl.data.trajectory import Localization
    from napari_midrl.plugin.colors import Colors
    from napari_midrl.plugin.planes import OrthoPlanes
    from napari_midrl.plugin.playback_bar import PlaybackBar
    from napari_midrl.plugin.q_plot import QPlot
    from napari_midrl.plugin.turns import Portions


class Replay(QObject):
    """The replay of the last search.

    Parameters
    ----------
    viewer
        The viewer.
    bar, plot
        Controls and curves.
    planes
        Moved along when an agent is followed in 3D.
    parent
        Qt parent.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        bar: PlaybackBar,
        plot: QPlot,
        planes: OrthoPlanes,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._bar = bar
        self._plot = plot
        self._planes = planes
        self._scene: ReplayScene | None = None
        self._colors: Colors = {}
        self._followed = ""
        self.playback: Playback | None = None
        self.player = Player(parent=self)
        self.player.frame_changed.connect(self._on_frame)
        self.player.playing_changed.connect(bar.set_playing)
        bar.play_toggled.connect(self.player.toggle)
        bar.frame_chosen.connect(self.player.set_frame)
        bar.speed_changed.connect(self.player.set_speed)
        bar.loop_changed.connect(self._on_loop)
        bar.options_changed.connect(self._on_options)
        bar.follow_changed.connect(self.follow)
        plot.frame_chosen.connect(self.player.set_frame)
        self.player.set_speed(bar.speed.currentData())
        viewer.dims.events.current_step.connect(self._on_dims)

    @property
    def scene(self) -> ReplayScene | None:
        """The layers of the replay, if there is one."""
        return self._scene

    def showing(self, found: Localization, colors: Colors) -> Portions:
        """Take the walks of a finished search, at the last frame, layer by layer."""
        remove_layers(self._viewer, self.let_go())
        if not found.trajectories:
            return
        playback = playback_of(found.trajectories)
        self.playback, self._colors = playback, colors
        self._bar.set_replay(playback.n_frames, playback.starts, playback.landmarks)
        self.player.set_n_frames(playback.n_frames)
        options = self._bar.options()
        yield
        self._plot.set_value(playback, options.start, colors)
        yield
        self._scene = ReplayScene(self._viewer, playback, colors, options)
        yield
        last = playback.n_frames - 1
        for _ in self._scene.adding():
            yield
            self.player.set_frame(last)

    def let_go(self) -> tuple[Layer, ...]:
        """Forget the search, and return its layers that are still in the viewer."""
        self.player.set_n_frames(0)
        self._bar.set_replay(0, (), ())
        self._plot.set_value(None, None, {})
        layers = () if self._scene is None else self._scene.let_go()
        self._scene = None
        self.playback = None
        self._followed = ""
        return layers

    def follow(self, landmark: str) -> None:
        """Keep the slices on the agent of a landmark; empty follows nobody."""
        self._followed = landmark
        self._move_views(self.player.frame)

    def step(self, n_frames: int) -> None:
        """Pause, and go some frames on or back."""
        self.player.pause()
        self.player.set_frame(self.player.frame + n_frames)

    def close(self) -> None:
        """Stop the clock and leave the viewer alone."""
        self.player.pause()
        self._viewer.dims.events.current_step.disconnect(self._on_dims)

    def _on_frame(self, frame: int) -> None:
        if self._scene is not None:
            self._scene.set_frame(frame)
        self._bar.show_frame(frame)
        self._plot.show_frame(frame)
        self._move_views(frame)

    def _on_dims(self, event: object = None) -> None:
        """The viewer's own slider moves the replay too."""
        dims = self._viewer.dims
        if self._scene is None or not self._scene.layers or dims.ndim != 4:
            return
        if dims.current_step[0] != self.player.frame:
            self.player.set_frame(dims.current_step[0])

    def _on_options(self) -> None:
        if self._scene is not None and self.playback is not None:
            options = self._bar.options()
            self._scene.set_options(options)
            self._plot.set_value(self.playback, options.start, self._colors)
            self._plot.show_frame(self.player.frame)
            self._move_views(self.player.frame)

    def _on_loop(self, loop: bool) -> None:
        self.player.loop = loop

    def _move_views(self, frame: int) -> None:
        if self.playback is None or not self._followed:
            return
        agents = self.playback.agents(self._bar.options().start, self._followed)
        position_lps_mm = self.playback.positions_lps_mm[agents[0], frame]
        self._planes.jump_to(position_lps_mm)
