"""The annotation dock on a rendered viewer, with real clicks, drags and keys."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_midrl.annotation.commands import Lock
from napari_midrl.io.annotation_file import read_annotations
from napari_midrl.plugin.annotate_dock import AnnotateDock
from napari_midrl.plugin.orientation import AXIAL, CORONAL, SAGITTAL
from napari_midrl.plugin.preferences import Preferences
from napari_midrl.plugin.views import jump_to
from napari_midrl.plugin.world import volume_layer

pytestmark = pytest.mark.gui

TRUTH = {
    "left knee": (38.0, -42.0, -80.0),
    "right knee": (-36.0, -40.0, -78.0),
    "left trochanter": (44.0, 12.0, -40.0),
    "right trochanter": (-42.0, 10.0, -38.0),
    "heart": (18.0, -30.0, 60.0),
    "left kidney": (45.0, 30.0, 0.0),
}


@pytest.fixture
def make_annotating(make_napari_viewer, fakes, tmp_path):
    """Return a function that makes a viewer with a volume and an open session."""

    def _make(volume=None, *, show=False, reader="ada", locate=None):
        viewer = make_napari_viewer(show=show)
        if show:
            viewer.window.resize(1200, 900)
        data, options, _ = volume_layer(volume or fakes.make_volume())
        viewer.add_image(data, **options)
        dock = AnnotateDock(
            viewer,
            fakes.fake_engine(locate or fakes.fake_locate),
            Preferences(n_starts=2, reader=reader),
            folder=tmp_path,
        )
        viewer.window.add_dock_widget(dock, name="MIDRL: annotate", area="right")
        assert dock.start(), dock.ui.status.text()
        return viewer, dock

    return _make


def oblique_volume(fakes):
    """Return a volume with oblique, anisotropic, left-handed axes."""
    turn, tilt = np.deg2rad(17), np.deg2rad(9)
    about_s = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    about_l = np.array(
        [[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]]
    )
    affine = np.eye(4)
    affine[:3, :3] = about_s @ about_l @ np.diag([-2.5, 2.5, 4.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array([90, 80, 60]) - 1) / 2)
    return fakes.make_volume("oblique", affine=affine)


def pixel_of(viewer, position_lps_mm):
    """Return the pixel of the canvas at which a position of the slice is drawn."""
    shown = [axis - (viewer.dims.ndim - 3) for axis in viewer.dims.order[-2:]]
    point = np.asarray(position_lps_mm)[::-1][shown]
    camera = viewer.scene.camera
    sign = [
        1 if str(camera.orientation[1]) == "down" else -1,
        1 if str(camera.orientation[2]) == "right" else -1,
    ]
    native = viewer.window._qt_viewer.canvas.native
    middle = np.array([native.height(), native.width()]) / 2
    row, column = middle + (point - camera.center[-2:]) * camera.zoom * sign
    return QPoint(round(column), round(row))


def click(viewer, position_lps_mm):
    native = viewer.window._qt_viewer.canvas.native
    QTest.mouseMove(native, pixel_of(viewer, position_lps_mm))
    QTest.mouseClick(
        native,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
        pixel_of(viewer, position_lps_mm),
    )


def drag(viewer, begin_lps_mm, end_lps_mm):
    native = viewer.window._qt_viewer.canvas.native
    begin, end = pixel_of(viewer, begin_lps_mm), pixel_of(viewer, end_lps_mm)
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QTest.mousePress(native, left, none, begin)
    for share in (0.2, 0.5, 0.8, 1.0):
        QTest.mouseMove(native, begin + (end - begin) * share, delay=5)
    QTest.mouseRelease(native, left, none, end)


def on_slice(viewer, view, position_lps_mm):
    """Return the position moved into the middle of the nearest slice of the view."""
    layer, axis = viewer.layers[0], view.order_zyx[0]
    point = np.array(position_lps_mm[::-1], dtype=float)
    number = round((point[axis] + 0.1 - layer.translate[axis]) / layer.scale[axis])
    point[axis] = layer.translate[axis] + number * layer.scale[axis]
    return tuple(point[::-1])


def in_voxels(volume, a, b):
    return np.abs(volume.grid.to_ijk(a) - volume.grid.to_ijk(b)).max()


@pytest.mark.parametrize(
    ("kind", "view"),
    [
        ("straight", AXIAL),
        ("oblique", AXIAL),
        ("oblique", CORONAL),
        ("oblique", SAGITTAL),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_real_clicks_place_six_landmarks_where_they_are(
    make_annotating, qtbot, fakes, kind, view
):
    volume = fakes.make_volume() if kind == "straight" else oblique_volume(fakes)
    viewer, dock = make_annotating(volume, show=True)
    dock.show_view(view)
    for name, near in TRUTH.items():
        assert dock.armed == name
        truth = on_slice(viewer, view, near)
        jump_to(viewer, truth)
        qtbot.wait(20)
        click(viewer, truth)
        placed = dock.session.annotations[name].position_lps_mm
        assert placed is not None, dock.ui.status.text()
        assert in_voxels(volume, placed, truth) < 0.5
    assert dock.ui.table.count.text() == "6 of 10"
    layer = viewer.layers["landmarks (ada)"]
    assert list(layer.features["label"]) == list(TRUTH)
    stored = read_annotations(dock.session.path).document.annotations
    assert stored == dock.session.annotations
    before = [stored]
    for _ in TRUTH:
        dock.ui.undo_button.click()
        before.append(dock.session.annotations)
    assert before[-1].progress.n_placed == 0
    assert len(viewer.layers["landmarks (ada)"].data) == 0
    assert not dock.ui.undo_button.isEnabled()
    for _ in TRUTH:
        dock.ui.redo_button.click()
    assert dock.session.annotations == stored


def test_a_drag_is_one_step_and_a_locked_point_stays(make_annotating, qtbot):
    viewer, dock = make_annotating(show=True)
    truth, there = (18.0, -30.0, 58.0), (30.0, -18.0, 58.0)
    dock.show_view(AXIAL)
    dock.go_to("heart")
    jump_to(viewer, truth)
    qtbot.wait(20)
    click(viewer, truth)
    center = viewer.scene.camera.center
    drag(viewer, truth, there)
    moved = dock.session.annotations["heart"].position_lps_mm
    np.testing.assert_allclose(moved, there, atol=1.0)
    assert dock.session.undo_text == "move heart"
    assert viewer.scene.camera.center == center
    dock.undo()
    assert dock.session.undo_text == "place heart"
    dock.do(Lock("heart"))
    before = dock.session.annotations
    drag(viewer, truth, there)
    assert dock.session.annotations == before
    assert "locked" in dock.ui.status.text()
    np.testing.assert_allclose(
        viewer.layers["landmarks (ada)"].data[0][::-1],
        before["heart"].position_lps_mm,
    )
