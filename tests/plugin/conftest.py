"""A viewer with a volume and the dock, searched by fake agents."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location(
    "midrl_fakes", Path(__file__).with_name("fakes.py")
)
fakes_module = importlib.util.module_from_spec(_SPEC)
sys.modules["midrl_fakes"] = fakes_module
_SPEC.loader.exec_module(fakes_module)


@pytest.fixture
def fakes():
    return fakes_module


@pytest.fixture
def make_dock(make_napari_viewer, qtbot, fakes):
    """Return a function that makes a viewer with one volume, docked by the dock."""
    from napari_midrl.plugin.preferences import Preferences
    from napari_midrl.plugin.search_dock import SearchDock
    from napari_midrl.plugin.world import volume_layer

    def _make(
        locate=fakes.fake_locate,
        *,
        show=False,
        volume=None,
        n_starts=3,
        **engine,
    ):
        viewer = make_napari_viewer(show=show)
        data, options, _ = volume_layer(volume or fakes.make_volume())
        viewer.add_image(data, **options)
        preferences = Preferences(n_starts=n_starts, autoplay=False)
        dock = SearchDock(viewer, fakes.fake_engine(locate, **engine), preferences)
        viewer.window.add_dock_widget(dock, name="MIDRL: search", area="right")
        return viewer, dock

    return _make


@pytest.fixture
def searched(make_dock, qtbot):
    """Return a viewer and its dock after a search."""
    viewer, dock = make_dock()
    dock.run()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=20_000)
    return viewer, dock
