"""Getting ready for a search while the window has nothing else to do."""

from dataclasses import replace

import pytest

from napari_midrl.data.progress import Progress
from napari_midrl.plugin import readiness
from napari_midrl.plugin.preferences import Preferences
from napari_midrl.plugin.search_dock import SearchDock
from napari_midrl.plugin.world import volume_layer

pytestmark = pytest.mark.gui


@pytest.fixture
def make(make_napari_viewer, fakes, monkeypatch):
    """Return a viewer, a dock without a volume, and the packs that were loaded."""
    monkeypatch.setattr(readiness, "DELAY_MS", 0)

    def _make(prepare=None):
        loaded = []

        def load(pack):
            yield Progress(0, 0, "loading")
            loaded.append(pack)

        engine = replace(fakes.fake_engine(), prepare=prepare or load)
        viewer = make_napari_viewer()
        dock = SearchDock(viewer, engine, Preferences(autoplay=False))
        viewer.window.add_dock_widget(dock, name="MIDRL: search", area="right")
        return viewer, dock, loaded

    return _make


def open_volume(viewer, fakes):
    data, options, _ = volume_layer(fakes.make_volume())
    viewer.add_image(data, **options)


def test_once_there_is_a_volume_the_agents_are_loaded(make, fakes, qtbot):
    viewer, dock, loaded = make()
    qtbot.wait(100)
    assert not loaded
    assert not dock.readiness.is_ready
    open_volume(viewer, fakes)
    qtbot.waitUntil(lambda: dock.readiness.is_ready, timeout=10_000)
    assert loaded == ["fake"]
    open_volume(viewer, fakes)
    qtbot.wait(100)
    assert loaded == ["fake"]
    assert dock.ui.form.status.text() == ""


def test_a_search_that_comes_first_is_not_held_up(make, fakes, qtbot):
    viewer, dock, _ = make()
    open_volume(viewer, fakes)
    dock.run()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=20_000)
    assert "Found 5 of 6" in dock.ui.form.status.text()


def test_agents_that_cannot_be_loaded_are_told_of_by_the_search(make, fakes, qtbot):
    asked = []

    def broken(pack):
        asked.append(pack)
        yield Progress(0, 0, "loading")
        raise RuntimeError

    viewer, dock, _ = make(broken)
    open_volume(viewer, fakes)
    qtbot.waitUntil(lambda: bool(asked), timeout=10_000)
    qtbot.wait(100)
    assert not dock.readiness.is_ready
    assert dock.ui.form.status.text() == ""
    assert dock.ui.form.run_button.isEnabled()


def test_a_dock_that_is_closed_loads_no_further(make, fakes, qtbot):
    begun, ended = [], []

    def slow(pack):
        begun.append(pack)
        while True:
            yield Progress(0, 0, "loading")
            if ended:
                begun.append("again")

    viewer, dock, _ = make(slow)
    open_volume(viewer, fakes)
    qtbot.waitUntil(lambda: bool(begun), timeout=10_000)
    task = dock.readiness._task
    viewer.window.remove_dock_widget(dock)
    assert task.wait(5)
    ended.append(1)
    assert begun == ["fake"]
