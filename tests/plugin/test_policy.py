"""The policy in the dock, with fake agents: drawn, moved, cancelled, refused."""

import numpy as np
import pytest

from napari_midrl.data.policy import NO_POLICY
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.plugin.orientation import AXIAL, CORONAL, SAGITTAL, THREE_D

pytestmark = pytest.mark.gui

TURN = np.array([[0.9, -0.3, 0.2], [0.35, 0.85, -0.3], [-0.1, 0.35, 0.93]])


def oblique_affine():
    """Left-handed, anisotropic, turned; the middle of the volume near the origin."""
    directions, _ = np.linalg.qr(TURN)
    directions *= np.sign(np.diag(directions))
    affine = np.eye(4)
    affine[:3, :3] = directions @ np.diag([2.0, -2.0, 4.0])
    affine[:3, 3] = -affine[:3, :3] @ [44.5, 39.5, 29.5]
    assert not VoxelGrid((90, 80, 60), affine).is_axis_aligned()
    return affine


def settled(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.policy.is_busy, timeout=20_000)


def tick(qtbot, dock, *, landmark="left kidney", scale=0, arrows=True, basins=False):
    form = dock.ui.policy
    form.choose_landmark(landmark)
    form.scale.setCurrentIndex(scale)
    form.arrows.setChecked(arrows)
    form.basins.setChecked(basins)
    settled(qtbot, dock)


def layer_of(viewer, begin):
    found = [layer for layer in viewer.layers if layer.name.startswith(begin)]
    return found[0] if found else None


def shafts(layer):
    """Return points and unit vectors, LPS, of arrows in the plane."""
    lengths = np.linalg.norm(layer.data[:, 1], axis=1)
    own = layer.data[np.isclose(lengths, lengths.max())][..., ::-1].astype(float)
    ways = own[:, 1] / np.linalg.norm(own[:, 1], axis=1, keepdims=True)
    return own[:, 0] + own[:, 1] / 2, ways


@pytest.mark.parametrize("view", [AXIAL, CORONAL, SAGITTAL], ids=lambda v: v.name)
def test_arrows_of_an_oblique_volume_lie_in_the_slice_and_point_there(
    make_dock, qtbot, fakes, view
):
    volume = fakes.make_volume(affine=oblique_affine())
    viewer, dock = make_dock(show=True, volume=volume)
    dock.show_view(view)
    tick(qtbot, dock)
    layer = layer_of(viewer, "policy")
    assert layer.name == "policy: left kidney, steps of 16 mm"
    points, ways = shafts(layer)
    axis = 2 - view.order_zyx[0]
    np.testing.assert_allclose(points[:, axis], viewer.dims.point[2 - axis], atol=1e-3)
    assert volume.grid.contains(points).all()
    missing = fakes.TARGETS["left kidney"] - points
    assert len(points) > 40
    largest = np.abs(missing).argmax(axis=1)
    assert (np.abs(ways).argmax(axis=1) == largest).all()
    assert (np.sign(missing) * ways >= -1e-6).all()
    at_world = layer.data_to_world(layer.data[0, 0])
    np.testing.assert_allclose(at_world, layer.data[0, 0], atol=1e-6)


def test_arrows_follow_the_slice_and_are_colored_by_what_is_expected(
    make_dock, qtbot, fakes
):
    viewer, dock = make_dock(show=True)
    dock.show_view(AXIAL)
    tick(qtbot, dock)
    viewer.dims.set_point(0, 33.0)
    settled(qtbot, dock)
    layer = layer_of(viewer, "policy")
    points, _ = shafts(layer)
    np.testing.assert_allclose(points[:, 2], viewer.dims.point[0], atol=1e-3)
    begins = layer.data[:, 0, 2]
    bright = layer.edge_color[:, :3].sum(axis=1)
    assert bright[begins > 12].min() > bright[begins < -12].max()
    task = dock.policy._asked["arrows"]
    viewer.dims.set_point(0, 33.0)
    settled(qtbot, dock)
    assert dock.policy._asked["arrows"] is task


def test_what_the_user_set_of_the_layer_stays_when_the_slice_moves(make_dock, qtbot):
    viewer, dock = make_dock()
    dock.show_view(AXIAL)
    tick(qtbot, dock)
    layer = layer_of(viewer, "policy")
    layer.opacity = 0.4
    viewer.dims.set_point(0, 21.0)
    settled(qtbot, dock)
    assert layer_of(viewer, "policy") is layer
    assert layer.opacity == 0.4
    assert len(layer.edge_color) == len(layer.data)


def test_what_is_drawn_leaves_every_slice_where_it_is(make_dock, qtbot):
    """napari keeps the number of a slice when a layer of other steps comes or goes."""
    viewer, dock = make_dock()
    dock.show_view(AXIAL)
    place = (-70.0, 61.0, 33.0)
    viewer.dims.set_point((0, 1, 2), place)
    place = viewer.dims.point
    for scale, arrows, basins in (
        (0, 1, 0),
        (0, 1, 1),
        (2, 1, 1),
        (0, 0, 1),
        (0, 0, 0),
    ):
        tick(qtbot, dock, scale=scale, arrows=bool(arrows), basins=bool(basins))
        np.testing.assert_allclose(viewer.dims.point, place, atol=1e-6)


def test_closer_up_there_are_as_many_arrows_across(make_dock, qtbot):
    viewer, dock = make_dock(show=True)
    dock.show_view(AXIAL)
    tick(qtbot, dock)
    apart = dock.policy._asked["arrows"].sight.apart_mm
    viewer.scene.camera.zoom *= 4
    settled(qtbot, dock)
    assert dock.policy._asked["arrows"].sight.apart_mm == apart / 4


def test_basins_are_labels_in_register_with_the_volume(make_dock, qtbot, fakes):
    volume = fakes.make_volume(affine=oblique_affine())
    viewer, dock = make_dock(volume=volume)
    dock.show_view(CORONAL)
    before = viewer.dims.point
    tick(qtbot, dock, arrows=False, basins=True)
    np.testing.assert_allclose(viewer.dims.point, before, atol=1e-6)
    layer = layer_of(viewer, "basins")
    assert layer.name == "basins: left kidney, steps of 16 mm"
    x = fakes.TARGETS["left kidney"][0]
    for lps, label in (((x + 9, 10, 0), 1), ((x - 25, 10, 0), 2), ((0, 0, 400), None)):
        assert layer.get_value(lps[::-1], world=True) == label
    assert "70%" in dock.ui.policy.status.text()
    dock.ui.policy.link_clicked.emit("basin 1")
    assert viewer.dims.point[2] == pytest.approx(-60.0, abs=2.5)


def test_in_3d_arrows_lie_in_the_three_planes_and_basins_wait(make_dock, qtbot, fakes):
    viewer, dock = make_dock()
    tick(qtbot, dock, basins=True)
    dock.show_view(THREE_D)
    dock._planes.jump_to(fakes.TARGETS["heart"])
    settled(qtbot, dock)
    points, _ = shafts(layer_of(viewer, "policy"))
    on_planes = np.isclose(points, dock._planes.position_lps_mm, atol=1e-2)
    assert on_planes.any(axis=1).all()
    assert on_planes.any(axis=0).all()
    assert not layer_of(viewer, "basins").visible
    assert "2D" in dock.ui.policy.status.text()
    dock.show_view(AXIAL)
    settled(qtbot, dock)
    assert layer_of(viewer, "basins").visible


def test_a_close_up_that_is_not_in_sight_is_a_click_away(make_dock, qtbot, fakes):
    viewer, dock = make_dock(show=True)
    dock.show_view(AXIAL)
    viewer.dims.set_point(0, 90.0)
    tick(qtbot, dock, scale=2)
    assert layer_of(viewer, "policy") is None
    assert 'href="region 0"' in dock.ui.policy.status.text()
    dock.ui.policy.link_clicked.emit("region 0")
    settled(qtbot, dock)
    points, _ = shafts(layer_of(viewer, "policy"))
    away = np.abs(points - fakes.TARGETS["left kidney"])
    assert away.max() <= fakes.CUBE_MM / 2 + 1
    assert not dock.ui.policy.status.isVisible()


def test_unticking_takes_the_layers_away(make_dock, qtbot):
    viewer, dock = make_dock()
    tick(qtbot, dock, basins=True)
    n_layers = len(viewer.layers)
    dock.ui.policy.arrows.setChecked(False)
    dock.ui.policy.basins.setChecked(False)
    settled(qtbot, dock)
    assert len(viewer.layers) == n_layers - 2
    assert dock.ui.policy.status.text() == ""


def test_a_layer_the_user_removes_is_unticked(make_dock, qtbot):
    viewer, dock = make_dock()
    tick(qtbot, dock, basins=True)
    viewer.layers.remove(layer_of(viewer, "basins"))
    settled(qtbot, dock)
    assert not dock.ui.policy.basins.isChecked()
    assert dock.ui.policy.arrows.isChecked()
    assert layer_of(viewer, "policy") is not None


def test_closing_the_volume_takes_its_policy_away(make_dock, qtbot):
    viewer, dock = make_dock()
    tick(qtbot, dock, basins=True)
    viewer.layers.remove("T2w")
    settled(qtbot, dock)
    assert len(viewer.layers) == 0
    assert dock.policy._map is None
    assert not dock.ui.policy.arrows.isEnabled()
    assert "Open a volume" in dock.ui.policy.arrows.toolTip()


def test_another_volume_is_looked_at_anew(make_dock, qtbot, fakes):
    from napari_midrl.plugin.world import volume_layer

    viewer, dock = make_dock()
    tick(qtbot, dock)
    first = dock.policy._map
    data, options, _ = volume_layer(fakes.make_volume("ADC"))
    viewer.add_image(data, **options)
    settled(qtbot, dock)
    assert dock.policy._map is first
    dock.ui.form.volume.setCurrentText("ADC")
    settled(qtbot, dock)
    assert dock.policy._map is not first
    assert layer_of(viewer, "policy") is not None


def test_unticking_while_agents_look_stops_them(make_dock, qtbot, fakes):
    viewer, dock = make_dock(policy=fakes.endless_policy)
    dock.ui.policy.arrows.setChecked(True)
    qtbot.waitUntil(lambda: dock.policy._making is not None, timeout=10_000)
    qtbot.waitUntil(lambda: "Looking" in dock.ui.policy.status.text(), timeout=10_000)
    task = dock.policy._making
    dock.ui.policy.arrows.setChecked(False)
    settled(qtbot, dock)
    assert task.wait(5)
    assert dock.ui.policy.status.text() == ""
    assert layer_of(viewer, "policy") is None


def test_closing_the_dock_while_agents_look_leaves_nothing(make_dock, qtbot, fakes):
    viewer, dock = make_dock(policy=fakes.endless_policy)
    dock.ui.policy.basins.setChecked(True)
    qtbot.waitUntil(lambda: dock.policy._making is not None, timeout=10_000)
    task = dock.policy._making
    viewer.window.remove_dock_widget(dock)
    assert task.wait(5)
    viewer.dims.ndisplay = 3


def test_closing_the_dock_takes_the_policy_away(make_dock, qtbot):
    viewer, dock = make_dock()
    tick(qtbot, dock, basins=True)
    viewer.window.remove_dock_widget(dock)
    assert [layer.name for layer in viewer.layers] == ["T2w"]


def test_a_volume_that_cannot_be_searched_is_told_once(make_dock, qtbot, fakes):
    _, dock = make_dock(policy=fakes.failing_policy)
    dock.ui.policy.arrows.setChecked(True)
    qtbot.waitUntil(
        lambda: "only 1 voxel thick" in dock.ui.policy.status.text(), timeout=10_000
    )
    settled(qtbot, dock)
    assert "only 1 voxel thick" in dock.ui.policy.status.text()
    assert not dock.ui.policy.arrows.isChecked()


def test_published_agents_are_refused_with_the_reason(make_dock, qtbot, fakes):
    published = fakes.FakePack("old", "Published agents", policy_scales=())
    viewer, dock = make_dock(packs=(fakes.FakePack(), published))
    tick(qtbot, dock)
    dock.ui.form.pack.setCurrentText("Published agents")
    settled(qtbot, dock)
    assert layer_of(viewer, "policy") is None
    for widget in (dock.ui.policy.arrows, dock.ui.policy.basins):
        assert not widget.isEnabled()
        assert not widget.isChecked()
        assert widget.toolTip() == NO_POLICY
    assert "no map" in dock.ui.policy.status.text()
    dock.ui.form.pack.setCurrentText("Fake agents")
    assert dock.ui.policy.arrows.isEnabled()
    assert dock.ui.policy.status.text() == ""


def test_a_click_in_the_results_chooses_the_landmark(searched):
    _, dock = searched
    dock.ui.results.table.cellClicked.emit(2, 0)
    assert dock.ui.policy.landmark.currentText() == "right kidney"
