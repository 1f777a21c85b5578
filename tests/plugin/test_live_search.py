"""What is drawn while a search runs."""

import numpy as np

from napari_midrl.data.progress import SearchProgress
from napari_midrl.plugin import scene
from napari_midrl.plugin.legend import Legend
from napari_midrl.plugin.scene import LiveSearch


def report(done, place_mm):
    positions = np.full((1, 2, 3), float(place_mm))
    boxes = np.full((1, 2, 3), 20.0)
    return SearchProgress(done, 6, "", positions_lps_mm=positions, box_sizes_mm=boxes)


def test_no_trail_leads_to_the_starts_of_a_second_look(make_napari_viewer, monkeypatch):
    monkeypatch.setattr(scene, "LEAST_TRAIL_INTERVAL_S", 0.0)
    viewer = make_napari_viewer()
    live = LiveSearch(viewer, ["AC"], {"AC": "#ffffff"})
    for done, place_mm in ((0, 0), (1, 4), (5, 6)):
        live.show(report(done, place_mm))
    trails = viewer.layers["trails (searching)"]
    assert np.abs(trails.data[:, 1]).max() == 4
    live.show(report(0, 90))
    live.show(report(0, 92))
    assert np.abs(trails.data[:, 1]).max() == 2


def test_layers_come_one_by_one(make_napari_viewer, monkeypatch):
    """Each keeps the window for a while; all at once, for too long."""
    monkeypatch.setattr(scene, "LEAST_TRAIL_INTERVAL_S", 0.0)
    viewer = make_napari_viewer()
    live = LiveSearch(viewer, ["AC"], {"AC": "#ffffff"})
    for done in range(4):
        before = len(viewer.layers)
        live.show(report(done, done))
        assert len(viewer.layers) == min(done + 1, 3) == before + (done < 3)


def test_a_legend_that_would_cover_the_image_is_left_out(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    legend = Legend(viewer)

    def listed():
        return [k for k in viewer.canvas.overlays if k.startswith("midrl_legend")]

    legend.show([f"point {n}" for n in range(10)], {})
    qtbot.waitUntil(lambda: len(listed()) == 10)
    drawn = [viewer.canvas.overlays[key] for key in listed()]
    legend.show([f"point {n}" for n in range(10)], {})
    assert [viewer.canvas.overlays[key] for key in listed()] == drawn
    legend.show([f"point {n}" for n in range(32)], {})
    qtbot.wait(50)
    assert listed() == []
