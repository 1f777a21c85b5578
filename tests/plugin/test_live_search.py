"""What is drawn while a search runs."""

import numpy as np
import pytest

from napari_midrl.data.progress import SearchProgress
from napari_midrl.plugin.canvas import view_of
from napari_midrl.plugin.legend import Legend
from napari_midrl.plugin.live import LiveSearch
from napari_midrl.plugin.live_canvas import LiveCanvas
from napari_midrl.plugin.orientation import STANDARD_VIEWS
from napari_midrl.plugin.views import show_standard_view

GREEN = (0.0, 1.0, 0.0, 1.0)


class Recorder:
    """Keeps what is to be drawn."""

    def draw(self, points, point_colors, ends, end_colors):
        assert len(points) == len(point_colors)
        assert len(ends) == len(end_colors)
        self.points, self.ends = points, ends

    def clear(self):
        self.points = self.ends = ()


def report(done, place_mm, n_starts=2):
    positions = np.full((1, n_starts, 3), float(place_mm))
    boxes = np.full((1, n_starts, 3), 20.0)
    return SearchProgress(done, 6, "", positions_lps_mm=positions, box_sizes_mm=boxes)


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((40, 60, 80)), scale=(3, 2, 1.5), translate=(10, 20, 30))
    return viewer


@pytest.fixture
def live(viewer):
    recorder = Recorder()
    return LiveSearch(viewer, recorder, ["AC"], {"AC": "#00ff00"}), recorder


def test_no_trail_leads_to_the_starts_of_a_second_look(live):
    search, drawn = live
    search._viewer.dims.ndisplay = 3
    n_box = 24
    for done, place_mm in ((0, 0), (1, 4), (5, 6)):
        search.show(report(done, place_mm))
    np.testing.assert_array_equal(drawn.ends[n_box:, 0], [0, 4, 4, 6])
    search.show(report(0, 90))
    assert len(drawn.ends) == n_box
    search.show(report(0, 92))
    np.testing.assert_array_equal(drawn.ends[n_box:, 0], [90, 92])


def test_a_slice_shows_the_agents_near_it(live):
    search, drawn = live
    viewer = search._viewer
    viewer.dims.set_point(0, 40.0)
    search.show(report(0, 41.0))
    assert len(drawn.points) == 2
    assert len(drawn.ends)
    viewer.dims.set_point(0, 100.0)
    assert len(drawn.points) == len(drawn.ends) == 0
    viewer.dims.ndisplay = 3
    assert len(drawn.points) == 2
    search.close()
    viewer.dims.set_point(0, 40.0)
    assert len(drawn.points) == 0


def middle_of_green(viewer):
    """Return row and column of what is green on the canvas."""
    picture = viewer.screenshot(canvas_only=True, flash=False).astype(float)
    is_green = (picture[..., 1] > 200) & (picture[..., 0] < 60)
    assert is_green.any()
    return np.argwhere(is_green).mean(axis=0)


@pytest.mark.parametrize("name", [view.name for view in STANDARD_VIEWS])
@pytest.mark.parametrize("with_steps", [False, True])
def test_agents_are_where_napari_draws_points(viewer, qtbot, name, with_steps):
    if with_steps:
        viewer.add_points(np.zeros((3, 4)), visible=False)
    view = next(v for v in STANDARD_VIEWS if v.name == name)
    place = np.array([[55.0, 95.0, 70.0]])
    points = viewer.add_points(
        place, size=8, face_color="#00ff00", border_width=0, projection_mode="all"
    )
    show_standard_view(viewer, view)
    for axis in range(3):
        viewer.dims.set_point(axis - 3, place[0, axis])
    qtbot.wait(50)
    expected = middle_of_green(viewer)
    viewer.layers.remove(points)

    canvas = LiveCanvas(viewer)
    canvas.draw(place, np.array([GREEN]), place[:0], np.zeros((0, 4)))
    np.testing.assert_allclose(middle_of_green(viewer), expected, atol=1.0)

    ends = np.concatenate([place - 6, place + 6])
    canvas.draw(place[:0], np.zeros((0, 4)), ends, np.array([GREEN, GREEN]))
    np.testing.assert_allclose(middle_of_green(viewer), expected, atol=1.5)


def test_the_canvas_is_left_as_it_was(viewer, qtbot):
    scene = view_of(viewer).scene
    before = set(scene.children)
    picture = viewer.screenshot(canvas_only=True, flash=False)
    canvas = LiveCanvas(viewer)
    for _ in canvas.warming():
        assert len(set(scene.children) - before) == 2
        same = viewer.screenshot(canvas_only=True, flash=False)
        np.testing.assert_array_equal(same, picture)
    assert not any(node.visible for node in set(scene.children) - before)
    canvas.close()
    assert set(scene.children) == before


def test_a_viewer_without_a_known_canvas_draws_nothing():
    from napari.components import ViewerModel

    canvas = LiveCanvas(ViewerModel())
    canvas.draw(np.zeros((1, 3)), np.array([GREEN]), np.zeros((0, 3)), np.zeros((0, 4)))
    canvas.clear()
    canvas.close()
    Legend(ViewerModel()).show(["AC"], {})


def colors_in_corner(viewer):
    """Return the strong colors at the upper left of the canvas, from above."""
    corner = viewer.screenshot(canvas_only=True, flash=False)[:200, :150, :3]
    strong = (corner.max(axis=-1) > 200) & (corner.min(axis=-1) < 60)
    rows = np.flatnonzero(strong.any(axis=1))
    return [tuple(corner[r][strong[r]][0] > 128) for r in rows]


def test_a_legend_lists_the_names_in_their_colors(viewer):
    legend = Legend(viewer)
    names = ["heart", "left knee", "right knee"]
    legend.show(names, {"heart": "#ff0000", "left knee": "#00ff00"})
    found = colors_in_corner(viewer)
    assert found[0] == (True, False, False)
    assert (False, True, False) in found
    legend.clear()
    assert colors_in_corner(viewer) == []


def test_a_legend_is_drawn_once(viewer):
    legend = Legend(viewer)
    before = set(view_of(viewer).children)

    def drawn():
        return set(view_of(viewer).children) - before

    names = [f"point {n}" for n in range(10)]
    legend.show(names, {})
    first = drawn()
    assert len(first) == 1
    legend.show(names, {})
    assert drawn() == first
    legend.show(names[:5], {})
    assert len(drawn()) == 1
    assert drawn() != first
    legend.show([], {})
    assert not drawn()


def test_a_legend_that_would_cover_the_image_is_left_out(viewer):
    legend = Legend(viewer)
    before = set(view_of(viewer).children)
    legend.show([f"point {n}" for n in range(32)], {})
    assert set(view_of(viewer).children) == before
