"""The dock with fake agents: runs, fails, cancels, plays, saves, leaks nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtTest import QTest

from napari_midrl.data.landmarks import LandmarkSource
from napari_midrl.data.trajectory import SearchState
from napari_midrl.errors import OverwriteError
from napari_midrl.io.landmarks import read_landmarks
from napari_midrl.plugin import exports, scene
from napari_midrl.plugin.canvas import ABOVE_LAYERS, view_of
from napari_midrl.plugin.live import LiveSearch
from napari_midrl.plugin.movie import write_movie
from napari_midrl.plugin.orientation import CORONAL, THREE_D
from napari_midrl.plugin.preferences import Preferences
from napari_midrl.plugin.result_table import AGREE, STATE, SURE
from napari_midrl.plugin.search_dock import SearchDock
from napari_midrl.plugin.world import volume_layer
from napari_midrl.plugin.writers import save_landmarks, write_points

pytestmark = pytest.mark.gui


def cell(dock, row, column):
    return dock.ui.results.table.item(row, column).text()


def test_a_search_fills_table_layers_and_replay(searched, fakes):
    viewer, dock = searched
    assert {"agents", "fields of view", "trails", "landmarks (fake 1.0)"} <= {
        layer.name for layer in viewer.layers
    }
    assert not any("searching" in layer.name for layer in viewer.layers)
    assert cell(dock, 0, 0) == "heart"
    assert cell(dock, 5, STATE) == "not converged"
    headers = dock.ui.results.table.horizontalHeaderItem
    shown = {headers(n).text(): cell(dock, 0, n) for n in range(STATE)}
    assert (shown["Agree"], shown["Sure"]) == ("95%", "90%")
    assert dock.ui.playback.play_button.isEnabled()
    assert "Found 5 of 6" in dock.ui.form.status.text()
    for layer in viewer.layers:
        units = {str(unit) for unit in layer.units}
        assert units <= {"mm", "millimeter", "pixel"}
        assert tuple(layer.axis_labels)[-3:] == ("z", "y", "x")


def test_the_frame_switch_flips_left_and_posterior_only(searched):
    _, dock = searched
    assert cell(dock, 0, 1) == "18.0  -30.0  60.0"
    dock.ui.results.frame.setCurrentText("RAS")
    assert cell(dock, 0, 1) == "-18.0  30.0  60.0"
    assert dock.ui.results.table.horizontalHeaderItem(1).text() == "RAS mm"


def test_a_row_click_moves_every_slice_to_the_landmark(searched, fakes):
    viewer, dock = searched
    dock.ui.results.table.cellClicked.emit(1, 0)
    np.testing.assert_allclose(
        viewer.dims.point[-3:], fakes.TARGETS["left kidney"][::-1], atol=0.6
    )
    dock.show_view(THREE_D)
    dock.ui.results.table.cellClicked.emit(0, 0)
    planes = [layer for layer in viewer.layers if "axial" in layer.name]
    at = planes[0].data_to_world(planes[0].plane.position)
    np.testing.assert_allclose(at, fakes.TARGETS["heart"][::-1], atol=1e-3)


def test_slices_and_planes_stay_at_the_place_when_the_view_turns(searched, fakes):
    viewer, dock = searched
    heart, kidney = (fakes.TARGETS[name][::-1] for name in ("heart", "left kidney"))
    dock.ui.results.table.cellClicked.emit(0, 0)
    dock.show_view(THREE_D)
    planes = dock._planes.planes
    np.testing.assert_allclose(dock._planes.position_lps_mm[::-1], heart, atol=0.6)
    for plane in planes:
        plane.plane.position = plane.world_to_data(kidney)
    dock.show_view(CORONAL)
    np.testing.assert_allclose(viewer.dims.point[-3:], kidney, atol=0.6)


def test_scrubbing_moves_the_points_and_the_viewers_slider(searched):
    viewer, dock = searched
    dock.ui.playback.slider.setValue(7)
    assert viewer.dims.current_step[0] == 7
    assert dock.ui.plot.line.value() == 7
    viewer.dims.set_current_step(0, 3)
    assert dock.ui.playback.slider.value() == 3
    playback = dock.replay.playback
    agents = next(layer for layer in viewer.layers if layer.name == "agents")
    row = agents.data[agents.data[:, 0] == 3][0]
    np.testing.assert_allclose(
        row[1:], playback.positions_lps_mm[0, 3][::-1], atol=1e-3
    )


def test_landmarks_appear_in_a_movie_when_their_agents_have_settled(searched):
    """In 3D napari draws points that are not shown, so they have to be transparent."""
    viewer, dock = searched
    layer = viewer.layers["landmarks (fake 1.0)"]
    dock.show_as_played(2)
    assert not layer.shown.any()
    assert (layer.face_color[:, 3] == 0).all()
    assert dock.ui.results.summary.text() == "0 of 6 landmarks found"
    dock.show_as_played(dock.replay.player.n_frames - 1)
    assert layer.shown.all()
    assert (layer.border_color[:, 3] == 1).all()
    dock.show_as_played(2)
    dock.ui.playback.slider.setValue(5)
    assert layer.shown.all()


def test_all_starts_trails_boxes_and_following_can_be_chosen(searched):
    viewer, dock = searched
    bar = dock.ui.playback
    bar.starts.setCurrentIndex(bar.starts.count() - 1)
    layers = {layer.name: layer for layer in viewer.layers}
    assert len(layers["agents"].data) == 6 * 3 * dock.replay.playback.n_frames
    bar.boxes.setChecked(False)
    bar.trails.setChecked(False)
    assert not layers["fields of view"].visible
    assert not layers["trails"].visible
    bar.follow.setCurrentText("heart")
    dock.replay.player.set_frame(4)
    np.testing.assert_allclose(
        viewer.dims.point[-3:],
        dock.replay.playback.positions_lps_mm[0, 4][::-1],
        atol=0.6,
    )


def test_hidden_boxes_stay_hidden_in_3d(make_dock, qtbot):
    viewer, dock = make_dock()
    dock.show_view(THREE_D)
    bar = dock.ui.playback
    bar.boxes.setChecked(False)
    dock.run()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=20_000)
    assert not viewer.layers["fields of view"].visible
    bar.starts.setCurrentIndex(bar.starts.count() - 1)
    assert not viewer.layers["fields of view"].visible
    bar.boxes.setChecked(True)
    assert viewer.layers["fields of view"].visible


def test_boxes_of_many_agents_move_as_those_of_few(searched, monkeypatch):
    """Too many for a layer with steps, they are redrawn for each frame."""
    viewer, dock = searched
    stepped = viewer.layers["fields of view"].data
    monkeypatch.setattr(scene, "MOST_STEPPED_BOXES", 1)
    starts = dock.ui.playback.starts
    starts.setCurrentIndex(starts.count() - 1)
    starts.setCurrentIndex(0)
    boxes = viewer.layers["fields of view"]
    drawn, needless = [], []
    boxes.events.set_data.connect(lambda: drawn.append(dock.replay.player.frame))
    boxes.events.thumbnail.connect(needless.append)
    boxes.events.data.connect(needless.append)
    for frame in (3, 9):
        dock.replay.player.set_frame(frame)
        at_frame = stepped[stepped[:, 0, 0] == frame][..., 1:]
        np.testing.assert_allclose(boxes.data, at_frame, atol=1e-3)
    assert drawn == [3, 9]
    assert not needless
    dock.ui.playback.boxes.setChecked(False)
    dock.replay.player.set_frame(4)
    dock.ui.playback.boxes.setChecked(True)
    at_frame = stepped[stepped[:, 0, 0] == 4][..., 1:]
    np.testing.assert_allclose(boxes.data, at_frame, atol=1e-3)


def test_no_thumbnail_is_drawn_with_a_step(searched):
    """They are black, and take a quarter of the step."""
    _, dock = searched
    drawn = []
    dock.ui.playback.starts.setCurrentIndex(1)
    for layer in dock.replay.scene.layers:
        layer.events.thumbnail.connect(drawn.append)
    for frame in (3, 9):
        dock.replay.player.set_frame(frame)
    assert not drawn


def test_cancel_frees_the_window_within_half_a_second(make_dock, qtbot, fakes):
    viewer, dock = make_dock(fakes.endless_locate)
    dock.ui.form.run_button.click()
    qtbot.waitUntil(lambda: "step" in dock.ui.form.status.text(), timeout=10_000)
    task = dock._task
    began = time.monotonic()
    dock.ui.form.cancel_button.click()
    assert time.monotonic() - began < 0.5
    assert dock.ui.form.run_button.isEnabled()
    assert task.wait(5)
    assert not drawn_live(viewer)


def drawn_live(viewer):
    """Return what is seen on the canvas above all layers."""
    nodes = view_of(viewer).scene.children
    return [n for n in nodes if n.order == ABOVE_LAYERS and n.visible]


def test_no_layer_comes_or_goes_while_a_search_runs(
    make_dock, qtbot, monkeypatch, fakes
):
    """Each would keep the window for a tenth of a second and more."""
    viewer, dock = make_dock(partial(fakes.fake_locate, pause_s=0.05))
    dock.run()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=20_000)
    old = [layer for layer in viewer.layers if layer.name != dock._source.name]
    events, seen = [], []
    show = LiveSearch.show

    def shown(live, report):
        show(live, report)
        seen.append((len(drawn_live(viewer)), [layer.visible for layer in old]))

    def on_change(event):
        events.append((event.type, event.value.name, dock.found is not None))

    monkeypatch.setattr(LiveSearch, "show", shown)
    viewer.layers.events.inserted.connect(on_change)
    viewer.layers.events.removed.connect(on_change)
    dock.run()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=20_000)
    assert seen[-1] == (2, [False] * 4)
    assert [kind for kind, _, _ in events] == ["inserted"] * 4 + ["removed"] * 4
    assert {is_over for _, _, is_over in events} == {True}
    names = [layer.name for layer in viewer.layers[1:]]
    assert names == ["trails", "fields of view", "agents", "landmarks (fake 1.0)"]
    assert not drawn_live(viewer)


def test_between_two_layers_of_a_result_the_window_works(make_dock, qtbot):
    viewer, dock = make_dock()
    turns, at = [], {}
    clock = QTimer(dock)
    clock.timeout.connect(lambda: turns.append(0))
    clock.start(0)
    viewer.layers.events.inserted.connect(
        lambda event: at.update({event.value.name: len(turns)})
    )
    dock.run()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=20_000)
    clock.stop()
    own = ("trails", "fields of view", "agents", "landmarks (fake 1.0)")
    assert len({at[name] for name in own}) == len(own)


def test_a_result_is_cancelled_whole(make_dock, qtbot):
    """It is shown in portions, and half of it would be worse than nothing."""
    viewer, dock = make_dock()
    before = list(viewer.layers)

    def cancel_soon(event):
        if event.value.name == "fields of view":
            QTimer.singleShot(0, dock.cancel)

    viewer.layers.events.inserted.connect(cancel_soon)
    dock.run()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=20_000)
    qtbot.wait(100)
    assert dock.ui.form.status.text() == "Cancelled."
    assert dock.found is None
    assert list(viewer.layers) == before
    assert not dock.ui.results.value()
    assert dock.ui.form.run_button.isEnabled()


@pytest.mark.parametrize(
    ("search", "words"),
    [("failing_locate", "only 1 voxel thick"), ("crashing_locate", "out of memory")],
)
def test_an_error_is_told_and_the_dock_goes_on(make_dock, qtbot, fakes, search, words):
    """A RuntimeError counts: torch raises it when memory runs out."""
    _, dock = make_dock(getattr(fakes, search))
    dock.run()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=10_000)
    assert words in dock.ui.form.status.text()
    assert dock.ui.form.run_button.isEnabled()


def test_closing_the_dock_while_it_runs_stops_the_task(make_dock, qtbot, fakes):
    viewer, dock = make_dock(fakes.endless_locate)
    dock.run()
    qtbot.waitUntil(lambda: "step" in dock.ui.form.status.text(), timeout=10_000)
    task = dock._task
    viewer.window.remove_dock_widget(dock)
    assert task.wait(5)
    assert not dock.is_running
    assert not any(key.startswith("midrl") for key in viewer.canvas.overlays)
    viewer.dims.ndisplay = 3
    viewer.layers.clear()


def test_closing_the_window_while_it_runs_leaves_no_thread(make_dock, qtbot, fakes):
    viewer, dock = make_dock(fakes.endless_locate)
    dock.run()
    qtbot.waitUntil(lambda: "step" in dock.ui.form.status.text(), timeout=10_000)
    task = dock._task
    viewer.close()
    assert task.wait(5)


def test_removing_or_renaming_layers_never_breaks_the_replay(searched):
    viewer, dock = searched
    for name in ("agents", "landmarks (fake 1.0)"):
        viewer.layers.remove(name)
    dock.ui.playback.slider.setValue(5)
    viewer.layers["T2w"].name = "renamed"
    assert dock.ui.form.volume.currentText() == "renamed"
    viewer.layers.clear()
    dock.ui.playback.slider.setValue(2)
    assert not dock.ui.form.run_button.isEnabled()
    assert "Open a volume" in dock.ui.form.run_button.toolTip()


def test_saved_landmarks_come_back_where_they_were(searched, tmp_path, fakes):
    _, dock = searched
    for suffix in (".csv", ".mrk.json", ".fcsv"):
        path = tmp_path / f"landmarks{suffix}"
        save_landmarks(dock.landmarks(), path, grid=dock.searched_volume.grid)
        back = read_landmarks(path)
        assert np.allclose(back["heart"].position_lps_mm, fakes.TARGETS["heart"])
    assert read_landmarks(tmp_path / "landmarks.csv")["nipple"].position_lps_mm is None


def test_a_persons_file_is_not_replaced_by_a_models(searched, tmp_path):
    viewer, _dock = searched
    layer = viewer.layers["landmarks (fake 1.0)"]
    path = tmp_path / "landmarks.csv"
    data, options, _ = layer.as_layer_data_tuple()
    write_points(str(path), data + 1.0, options)
    assert read_landmarks(path)["heart"].source == LandmarkSource.HUMAN
    with pytest.raises(OverwriteError, match="person"):
        write_points(str(path), data, options)


def test_the_save_button_asks_before_it_replaces(searched, tmp_path, monkeypatch):
    _, dock = searched
    path = tmp_path / "landmarks.csv"
    path.write_text("mine")
    monkeypatch.setattr(exports, "ask_path", lambda *args: path)
    monkeypatch.setattr(exports, "ask_replace", lambda *args, **kwargs: False)
    dock.ui.save_landmarks.click()
    assert path.read_text() == "mine"
    assert dock.ui.form.status.text() == "Not saved."


def test_unchecking_every_landmark_says_why_nothing_can_run(make_dock):
    _, dock = make_dock()
    form = dock.ui.form
    form.all_landmarks.click()
    assert form.chosen_landmarks() == ()
    assert not form.run_button.isEnabled()
    assert "at least one landmark" in form.run_button.toolTip()
    form.landmarks.item(0).setCheckState(Qt.CheckState.Checked)
    assert form.all_landmarks.checkState() == Qt.CheckState.PartiallyChecked


def test_the_left_of_the_patient_is_drawn_on_the_right(make_dock, qtbot, fakes):
    """Rendered: a bright ball in the patient's left, from the front, in 2D and 3D."""
    array = np.zeros((40, 40, 40), np.float32)
    array[30:36, 16:24, 26:32] = 1000
    volume = fakes.make_volume(affine=np.diag([2.0, 2.0, 2.0, 1.0]))
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -40
    grid = type(volume.grid)(array.shape, affine)
    volume = type(volume)(array, grid, "ball")
    viewer, dock = make_dock(volume=volume, show=True)
    viewer.canvas.overlays.scale_bar.visible = False
    for edge in ("left", "right", "top", "bottom"):
        viewer.canvas.overlays[f"midrl_{edge}"].color = "black"
    layer = viewer.layers["ball"]
    layer.contrast_limits = (0, 1000)
    dock.show_view(CORONAL)
    dims_at = grid.to_lps_mm((32, 20, 29))[::-1]
    viewer.dims.set_point((0, 1, 2), tuple(dims_at))
    for is_3d in (False, True):
        if is_3d:
            dock.show_view(THREE_D)
            dock._planes.jump_to(dims_at[::-1])
        qtbot.wait(200)
        bright = viewer.screenshot(flash=False)[..., :3].sum(axis=-1) > 300
        rows, columns = np.nonzero(bright)
        assert len(rows) > 20
        assert columns.mean() > 0.53 * bright.shape[1]
        assert rows.mean() < 0.5 * bright.shape[0]


def test_a_real_click_on_run_searches(make_dock, qtbot):
    viewer, dock = make_dock(show=True)
    button = dock.ui.form.run_button
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton, pos=QPoint(10, 5))
    qtbot.waitUntil(lambda: dock.found is not None, timeout=20_000)
    assert viewer.screenshot(flash=False).std() > 1


NOT_FOUND = {"state": SearchState.OUTSIDE, "position_lps_mm": None}


def test_all_volumes_are_searched_as_one_examination(make_dock, qtbot, fakes):
    asked = []

    def locate_in_all(volumes, pack, settings):
        asked.append([volume.name for volume in volumes])
        found = yield from fakes.fake_locate(volumes[0], pack, settings)
        first, *others = found.results
        first = replace(first, agreement=1 / 3, agreeing=("DWI",))
        refused = replace(others[0], confidence=0.01, **NOT_FOUND)
        others = (refused, *others[1:])
        left_out = ("PD: it is constant",)
        found = replace(found, results=(first, *others), left_out=left_out)
        return replace(found, n_images=len(volumes))

    viewer, dock = make_dock(
        locate_in_all=locate_in_all, volume=fakes.volume_of_frame("T2w", "1")
    )
    form = dock.ui.form
    assert not form.all_volumes.isEnabled()
    assert "No other open volume" in form.all_volumes.toolTip()
    for name, frame in (("ADC", "1"), ("DWI", "1"), ("of another patient", "2")):
        data, options, _ = volume_layer(fakes.volume_of_frame(name, frame))
        viewer.add_image(data, **options)
    form.volume.setCurrentText("of another patient")
    assert not form.all_volumes.isEnabled()
    form.volume.setCurrentText("ADC")
    assert form.all_volumes.isEnabled()
    assert form.all_volumes.toolTip().splitlines()[1:] == ["DWI", "T2w"]
    form.all_volumes.click()

    form.run_button.click()
    assert not form.all_volumes.isEnabled()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=20_000)

    assert asked == [["ADC", "DWI", "T2w"]]
    assert "landmarks in 3 volumes in" in form.status.text()
    assert form.status.text().endswith("Not searched: PD: it is constant.")
    assert form.all_volumes.isEnabled()
    assert dock.landmarks().image_name == "ADC"
    contested, other = (dock.ui.results.table.item(row, AGREE) for row in (0, 1))
    assert contested.foreground().color().name() == "#ff9e9e"
    assert other.foreground().color().name() != "#ff9e9e"
    assert contested.toolTip().endswith("1 of 3 images agree: DWI")
    hardly = dock.ui.results.table.item(1, SURE)
    assert hardly.foreground().color().name() == "#ff9e9e"
    first = dock.found.results[0].name
    assert dock.landmarks()[first].description == "1 of 3 images agree: DWI"

    form.all_volumes.click()
    form.run_button.click()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=20_000)
    assert len(asked) == 1
    assert "volumes" not in form.status.text()


def test_a_layer_of_unknown_origin_is_not_searched_with_the_others(make_dock, fakes):
    viewer, dock = make_dock(volume=fakes.make_volume("T2w"))
    viewer.add_image(np.zeros((8, 8, 8)), name="foreign")
    layers = dock._volumes.layers()
    assert set(layers) == {"foreign", "T2w"}
    assert all(dock._volumes.beside(layer) == () for layer in layers.values())


def test_a_movie_is_written_whole_or_not_at_all(tmp_path):
    """Odd sides are made even; a cancelled movie leaves no file."""
    draw = lambda n: np.full((33, 41, 4), 10 * n, np.uint8)  # noqa: E731
    for suffix in (".gif", ".webp", ".mp4"):
        path = tmp_path / f"search{suffix}"
        task = write_movie(path, range(6), draw)
        next(task)
        task.close()
        assert list(tmp_path.iterdir()) == []
        list(write_movie(path, range(6), draw))
        assert path.stat().st_size > 100
        path.unlink()


def test_a_wide_movie_is_shrunk_unless_told_how_wide_it_may_be(tmp_path):
    draw = lambda n: np.full((300, 1201, 3), 10 * n, np.uint8)  # noqa: E731
    sizes = []
    for options in ({}, {"most_across": 1360}):
        path = tmp_path / "wide.webp"
        list(write_movie(path, range(2), draw, overwrite=True, **options))
        with Image.open(path) as movie:
            sizes.append(movie.size)
    assert sizes == [(800, 198), (1200, 300)]


def test_keys_work_on_the_canvas(make_dock):
    """napari fails at every key if one bound function has no name."""
    viewer, _ = make_dock(show=True)
    native = viewer.window._qt_viewer.canvas.native
    QTest.keyClick(native, Qt.Key.Key_C, Qt.KeyboardModifier.ShiftModifier)
    assert viewer.dims.order == CORONAL.order_zyx


def test_opening_the_dock_imports_no_torch():
    """Starting must be quick; torch comes when a search begins."""
    code = (
        "import sys, napari_midrl.plugin.search_dock, napari_midrl.plugin.readers;"
        "from napari_midrl.plugin.engine import default_engine;"
        "default_engine().available_packs();"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=120)
    assert done.returncode == 0


def test_letters_show_on_a_light_canvas_too(make_dock, fakes):
    viewer, _ = make_dock(fakes.endless_locate)

    def brightness():
        color = viewer.canvas.overlays["midrl_left"].color
        return float(np.mean(np.asarray(color)[:3]))

    viewer.theme = "dark"
    on_dark = brightness()
    viewer.theme = "light"
    assert brightness() < 0.4 < 0.7 < on_dark
    viewer.theme = "dark"
    assert brightness() == on_dark


def test_the_dock_does_not_scroll_on_a_laptop(make_napari_viewer, fakes, qtbot):
    """The table gives way; who is not a medical device stays in sight."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1200, 900)
    data, options, _ = volume_layer(fakes.make_volume())
    viewer.add_image(data, **options)
    dock = SearchDock(viewer, fakes.fake_engine(), Preferences(autoplay=False))
    viewer.window.add_dock_widget(dock, name="MIDRL: search", area="right")
    qtbot.wait(100)
    assert viewer.window._qt_window.height() == 900
    assert dock.ui.verticalScrollBar().maximum() == 0
