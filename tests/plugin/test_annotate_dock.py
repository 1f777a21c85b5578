"""The annotation dock on a rendered viewer, with real clicks, drags and keys."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_midrl.annotation.commands import AddProposals, Lock, Place, Skip
from napari_midrl.data.annotations import AnnotationState, Proposal
from napari_midrl.data.progress import Progress, finish
from napari_midrl.data.volume import UNCONFIRMED, Provenance
from napari_midrl.evaluation.disagreement import LandmarkDoubt
from napari_midrl.io.annotation_file import read_annotations
from napari_midrl.io.images import write_nifti
from napari_midrl.io.landmarks import read_landmarks
from napari_midrl.phantom.study import phantom_study
from napari_midrl.plugin import annotate_open, editor, exports, questions
from napari_midrl.plugin.actions import ShortcutsPage
from napari_midrl.plugin.annotate_dock import AnnotateDock
from napari_midrl.plugin.annotate_pointer import Pointer
from napari_midrl.plugin.annotate_scene import Held
from napari_midrl.plugin.engine import default_engine
from napari_midrl.plugin.orientation import AXIAL, CORONAL, SAGITTAL, THREE_D
from napari_midrl.plugin.preferences import Preferences
from napari_midrl.plugin.search_dock import SearchDock
from napari_midrl.plugin.views import jump_to
from napari_midrl.plugin.world import volume_layer
from napari_midrl.workflows import export_annotations, rank_cases
from napari_midrl.workflows.rank_cases import RankedCase

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

    def _make(volume=None, *, show=False, reader="ada", locate=None, engine=None):
        viewer = make_napari_viewer(show=show)
        if show:
            viewer.window.resize(1200, 900)
        data, options, _ = volume_layer(volume or fakes.make_volume())
        viewer.add_image(data, **options)
        dock = AnnotateDock(
            viewer,
            engine or fakes.fake_engine(locate or fakes.fake_locate),
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
    off = (-40.0, 20.0, 58.0)
    dock.do(AddProposals({"left kidney": Proposal(off, "agents 1", 0.3)}))
    drag(viewer, off, there)
    kidney = dock.session.annotations["left kidney"]
    np.testing.assert_allclose(kidney.position_lps_mm, there, atol=1.0)
    assert (kidney.source.value, kidney.model) == ("human", "agents 1")
    assert dock.session.undo_text == "correct and accept left kidney"
    dock.undo()
    dock.undo()
    dock.do(Lock("heart"))
    before = dock.session.annotations
    drag(viewer, truth, there)
    assert dock.session.annotations == before
    assert "locked" in dock.ui.status.text()
    np.testing.assert_allclose(
        viewer.layers["landmarks (ada)"].data[0][::-1],
        before["heart"].position_lps_mm,
    )


def test_napari_s_own_tools_become_commands_or_are_undone(make_annotating):
    """The layer is a view: whatever is done to it, the annotations stay the truth."""
    viewer, dock = make_annotating()
    for name in ("left knee", "heart", "left kidney"):
        dock.do(Place(name, TRUTH[name]))
    dock.do(Lock("heart"))
    layer = viewer.layers["landmarks (ada)"]
    names = list(layer.features["label"])
    layer.selected_data = {names.index("left knee"), names.index("heart")}
    layer.remove_selected()
    states = dock.session.annotations.state_of
    assert states("left knee") == AnnotationState.UNDEFINED
    assert states("heart") == AnnotationState.PLACED
    assert list(layer.features["label"]) == ["heart", "left kidney"]
    assert "heart" in dock.ui.status.text()
    dock.go_to("prostate")
    layer.add([0.0, 1.0, 2.0])
    assert dock.session.annotations["prostate"].position_lps_mm == (2.0, 1.0, 0.0)
    n_steps = dock.session.annotations
    layer.translate = (5, 5, 5)
    assert tuple(layer.translate) == (0, 0, 0)
    layer.name = "mine"
    data = np.array(layer.data)
    data[list(layer.features["label"]).index("left kidney")] += 3.0
    layer.data = data
    moved = dock.session.annotations["left kidney"].position_lps_mm
    np.testing.assert_allclose(moved, np.add(TRUTH["left kidney"], 3.0))
    dock.undo()
    assert dock.session.annotations == n_steps
    viewer.layers.remove("mine")
    assert dock.session.annotations == n_steps
    dock.go_to("heart")
    assert len(viewer.layers["landmarks (ada)"].data) == 3


def test_agents_propose_and_the_reader_judges(make_annotating, qtbot, fakes):
    viewer, dock = make_annotating()
    dock.do(Place("heart", TRUTH["heart"]))
    dock.action("Let agents propose").attempt()
    assert "running" in dock.ui.propose.run_button.toolTip()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=20_000)
    annotations = dock.session.annotations
    assert annotations["heart"].position_lps_mm == TRUTH["heart"]
    assert set(annotations.proposals) >= {"left kidney", "right kidney"}
    names = set(viewer.layers["proposals (fake 1.0)"].features["label"])
    assert names == set(annotations.proposals)
    assert dock.current == annotations.proposals_worst_first()[0]
    dock.go_to("left kidney")
    dock.ui.propose.accept_button.click()
    kidney = dock.session.annotations["left kidney"]
    assert kidney.position_lps_mm == fakes.TARGETS["left kidney"]
    assert (kidney.source.value, kidney.model) == ("model", "fake 1.0")
    n_left = len(dock.session.annotations.proposals)
    assert dock.ui.status.text() == f"Accepted left kidney; {n_left} left to judge."
    dock.go_to("right kidney")
    layer = viewer.layers["proposals (fake 1.0)"]
    data = np.array(layer.data)
    data[list(layer.features["label"]).index("right kidney")] += 2.0
    layer.data = data
    nudged = dock.session.annotations["right kidney"]
    assert (nudged.source.value, nudged.model) == ("human", "fake 1.0")
    assert dock.session.undo_text == "correct and accept right kidney"
    rest = len(dock.session.annotations.proposals)
    left = f"{rest} left to judge" if rest else "all proposals are judged"
    told = f"Done: correct and accept right kidney; {left}."
    assert dock.ui.status.text() == told
    if rest:
        dock.proposing.accept_all()
        assert not dock.session.annotations.proposals
    assert "heart" not in names


def test_all_volumes_of_the_examination_propose(make_annotating, qtbot, fakes):
    asked = []

    def locate_in_all(volumes, pack, settings):
        asked.append([volume.name for volume in volumes])
        found = yield from fakes.fake_locate(volumes[0], pack, settings)
        first, *others = found.results
        beyond = replace(first, position_lps_mm=(18.0, -30.0, 600.0))
        return replace(
            found,
            results=(beyond, *others),
            n_images=len(volumes),
            left_out=("PD: it is constant",),
        )

    engine = fakes.fake_engine(locate_in_all=locate_in_all)
    viewer, dock = make_annotating(fakes.volume_of_frame("T2w", "1"), engine=engine)
    box = dock.ui.propose
    assert not box.all_volumes.isEnabled()
    for name, frame in (("ADC", "1"), ("of another patient", "2")):
        data, options, _ = volume_layer(fakes.volume_of_frame(name, frame))
        viewer.add_image(data, **options)
    assert box.all_volumes.isEnabled()
    assert box.all_volumes.toolTip().splitlines()[1:] == ["ADC"]
    box.all_volumes.click()
    box.run_button.click()
    assert not box.all_volumes.isEnabled()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=20_000)
    assert asked == [["T2w", "ADC"]]
    proposals = dock.session.annotations.proposals
    assert "left kidney" in proposals
    assert "heart" not in proposals  # beyond the image that is annotated
    told = dock.ui.status.text()
    assert f"{len(proposals)} proposals of 2 volumes in" in told
    assert told.endswith("Not searched: PD: it is constant.")
    viewer.layers.remove("ADC")
    assert not box.all_volumes.isEnabled()


def test_a_proposal_that_is_dragged_is_told(make_annotating, qtbot):
    _, dock = make_annotating()
    dock.action("Let agents propose").attempt()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=20_000)
    before = dock.session.annotations.proposals
    x, y, z = before["left kidney"].position_lps_mm
    dock.go_to("left kidney")
    held = Held("left kidney", is_proposal=True)
    Pointer(dock).dropped(held, np.array([z, y, x + 4]))
    assert dock.session.undo_text == "correct and accept left kidney"
    assert dock.ui.status.text() == (
        f"Corrected and accepted left kidney; {len(before) - 1} left to judge."
    )


def test_the_last_proposal_judged_is_told(make_annotating, qtbot):
    _, dock = make_annotating()
    dock.action("Let agents propose").attempt()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=20_000)
    assert "judge the least certain first" in dock.ui.status.text()
    while dock.session.annotations.proposals:
        last = dock.current
        dock.ui.propose.reject_button.click()
    assert dock.ui.status.text() == f"Rejected {last}; all proposals are judged."


def test_from_the_shipped_agents_to_a_file_and_back(
    make_annotating, qtbot, tmp_path, monkeypatch
):
    """Propose, accept, undo all, redo all, export, reopen: nothing has moved."""
    study, truth = finish(phantom_study(11, regions=("whole body",), quick=True))
    _, dock = make_annotating(study.volumes[0], engine=default_engine())
    dock.ui.propose.pack.setCurrentIndex(
        dock.ui.propose.pack.findData("digital-patient")
    )
    dock.action("Let agents propose").attempt()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=240_000)
    proposals = dock.session.annotations.proposals
    there = {mark.name: mark.position_lps_mm for mark in truth.landmarks}
    near = [
        name
        for name, proposal in proposals.items()
        if math.dist(proposal.position_lps_mm, there.get(name, (math.inf,) * 3)) < 15
    ]
    assert len(near) >= 6, dock.ui.status.text()
    dock.proposing.accept_all()
    accepted = dock.session.annotations
    places = {m.name: m.position_lps_mm for m in accepted.landmarks if m.is_placed}
    assert set(places) == set(proposals)
    while dock.session.undo_text:
        dock.undo()
    assert not any(m.is_placed for m in dock.session.annotations.landmarks)
    while dock.session.redo_text:
        dock.redo()
    assert dock.session.annotations == accepted
    path = tmp_path / "out.csv"
    monkeypatch.setattr(exports, "ask_path", lambda *args: path)
    dock.ui.files.export_button.click()
    for name, position in places.items():
        back = read_landmarks(path)[name].position_lps_mm
        np.testing.assert_allclose(back, position, rtol=0, atol=1e-6)
    dock.stop()
    assert dock.start()
    assert dock.session.annotations == accepted


def test_what_is_exported_or_saved_comes_back(make_annotating, tmp_path, monkeypatch):
    _, dock = make_annotating()
    exact = {name: tuple(x + 1 / 3 for x in at) for name, at in TRUTH.items()}
    for name, position in exact.items():
        dock.do(Place(name, position))
    for suffix in (".csv", ".mrk.json", ".fcsv"):
        path = tmp_path / f"out{suffix}"
        monkeypatch.setattr(exports, "ask_path", lambda *args, to=path: to)
        dock.ui.files.export_button.click()
        back = read_landmarks(path)
        for name, position in exact.items():
            np.testing.assert_allclose(
                back[name].position_lps_mm, position, rtol=0, atol=1e-6
            )
    annotations = dock.session.annotations
    dock.ui.form.start_button.click()
    assert dock.session is None
    assert dock.ui.table.table.rowCount() == 0
    dock.ui.form.start_button.click()
    assert dock.session.annotations == annotations
    assert dock.current == "right kidney"
    assert "saved" in dock.ui.form.saved.text()
    for name in exact:
        dock.go_to(name)
        dock.steps.delete()
    assert dock.handing.import_file(tmp_path / "out.csv")
    assert dock.session.annotations["heart"].position_lps_mm == exact["heart"]


def test_mm_that_are_a_guess_are_asked_about(
    make_annotating, fakes, tmp_path, monkeypatch
):
    guessed = Provenance(details={"world": UNCONFIRMED})
    _, dock = make_annotating(replace(fakes.make_volume(), provenance=guessed))
    dock.do(Place("heart", TRUTH["heart"]))
    asked, answers = [], iter(["", exports.MM_ANYWAY])
    monkeypatch.setattr(
        questions, "choose", lambda *a: asked.append(a[2]) or next(answers)
    )
    table, voxels = tmp_path / "out.csv", tmp_path / "out.txt"
    monkeypatch.setattr(exports, "ask_path", lambda *args: table)
    dock.ui.files.export_button.click()
    assert not table.exists()
    assert "left and right are a guess" in asked[0]
    dock.ui.files.export_button.click()
    assert table.exists()
    for mark in dock.session.annotations.landmarks:
        dock.do(Place(mark.name, TRUTH["heart"]))
    monkeypatch.setattr(exports, "ask_path", lambda *args: voxels)
    dock.ui.files.export_button.click()
    assert voxels.exists()
    assert len(asked) == 2


def test_dicom_warns_of_identifiers_and_needs_dicom(make_annotating, monkeypatch):
    _, dock = make_annotating()
    dock.do(Place("heart", TRUTH["heart"]))
    asked = []
    monkeypatch.setattr(questions, "choose", lambda *a: asked.append(a) or "")
    dock.ui.files.sr_button.click()
    assert "not read from DICOM" in dock.ui.status.text()
    monkeypatch.setattr(export_annotations, "source_files", lambda volume: ())
    dock.ui.files.sr_button.click()
    assert "identifiers" in asked[-1][2]
    assert dock.ui.status.text() == "Not exported."


def test_a_file_changed_elsewhere_is_asked_about(make_annotating, monkeypatch):
    _, dock = make_annotating()
    dock.do(Place("heart", TRUTH["heart"]))
    path = dock.session.path
    text = path.read_text("utf-8")
    theirs = text.replace('"locked": false', '"locked": true')
    answers = iter(["", editor.MINE, editor.THEIRS])
    monkeypatch.setattr(questions, "choose", lambda *args: next(answers))
    path.write_text(theirs, "utf-8")
    assert not dock.do(Place("left knee", TRUTH["left knee"]))
    assert path.read_text("utf-8") == theirs
    assert dock.do(Place("left knee", TRUTH["left knee"]))
    assert path.with_name(path.name + ".bak").exists()
    path.write_text(theirs, "utf-8")
    assert not dock.do(Place("right knee", TRUTH["right knee"]))
    assert dock.session.annotations["heart"].is_locked
    dock.undo()
    assert dock.session.annotations["left knee"].is_placed


def test_a_damaged_file_is_asked_about_and_its_backup_used(
    make_annotating, monkeypatch
):
    _, dock = make_annotating()
    dock.do(Place("heart", TRUTH["heart"]))
    dock.do(Place("left knee", TRUTH["left knee"]))
    path = dock.session.path
    dock.stop()
    path.write_text("{", "utf-8")
    monkeypatch.setattr(questions, "choose", lambda *args: "")
    assert not dock.start()
    monkeypatch.setattr(questions, "choose", lambda *args: annotate_open.RESTORE)
    assert dock.start()
    assert dock.session.annotations["heart"].is_placed
    assert not dock.session.annotations["left knee"].is_placed


def test_a_file_of_another_image_is_refused_with_both_names(make_annotating, fakes):
    viewer, dock = make_annotating()
    dock.do(Place("heart", TRUTH["heart"]))
    path = dock.session.path
    data, options, _ = volume_layer(fakes.make_volume("ADC", seed=4))
    viewer.add_image(data, **options)
    dock.ui.form.image.setCurrentText("ADC")
    assert dock.session is None
    assert not dock.resume(path)
    assert "'T2w'" in dock.ui.status.text()
    assert "'ADC'" in dock.ui.status.text()
    dock.ui.form.image.setCurrentText("T2w")
    assert dock.resume(path)
    assert dock.session.annotations["heart"].is_placed


def test_each_protocol_has_a_file_of_its_own(make_annotating):
    _, dock = make_annotating()
    dock.do(Place("heart", TRUTH["heart"]))
    first = dock.session.path
    dock.ui.form.choose_protocol("lumbar")
    assert dock.session is None
    assert dock.start(), dock.ui.status.text()
    assert dock.do(Place(dock.current, (0.0, 0.0, 0.0)))
    assert dock.session.path != first
    dock.ui.form.choose_protocol("midrl")
    assert dock.start()
    assert dock.session.annotations["heart"].is_placed


def test_a_blind_reader_sees_the_other_one_when_done(make_annotating):
    viewer, dock = make_annotating(reader="bob")
    names = dock.session.annotations.names
    for name in names:
        dock.do(Place(name, TRUTH.get(name, (0.0, 0.0, 0.0))))
    path = dock.session.path
    dock.ui.form.reader.setText("ada")
    assert dock.start()
    assert dock.others.load(path)
    for name in names[:-1]:
        dock.do(Place(name, tuple(np.add(TRUTH.get(name, (0, 0, 0)), (0, 3.0, 0)))))
    assert "other readers" not in viewer.layers
    assert dock.ui.table.value()[0].other_mm is None
    assert not dock.ui.readers.consensus_button.isEnabled()
    dock.do(Skip(names[-1]))
    assert dock.ui.table.value()[0].other_mm == pytest.approx(3.0)
    assert len(viewer.layers["other readers"].data) == len(names)
    dock.ui.readers.shown.setCurrentText("consensus")
    assert len(viewer.layers["other readers"].data) == len(names) - 1
    assert "3.0 mm" in dock.ui.readers.summary.text()


def test_cases_are_listed_and_the_next_one_opens(make_annotating, qtbot, tmp_path):
    viewer, dock = make_annotating()
    viewer.layers["T2w"].name = "another"
    folder = tmp_path / "cases"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        write_nifti(next(fakes_volumes(name)), folder / name / "t2w.nii.gz")
    dock.cases.show(folder)
    qtbot.waitUntil(lambda: not dock.is_running, timeout=10_000)
    assert [row.name for row in dock.ui.cases.value()] == ["a", "b"]
    assert dock.ui.cases.table.item(0, 1).text() == "0 of 10"
    dock.ui.cases.next_button.click()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=20_000)
    assert dock.session is not None
    assert dock.session.image.name == "T2w"
    assert "Opened a" in dock.ui.status.text()
    dock.do(Place("heart", TRUTH["heart"]))
    assert dock.ui.cases.table.item(0, 1).text() == "1 of 10"
    assert dock.ui.cases.table.item(1, 1).text() == "0 of 10"
    dock.undo()
    assert dock.ui.cases.table.item(0, 1).text() == "0 of 10"


def test_agents_rank_the_cases_and_the_most_doubtful_opens(
    make_annotating, qtbot, tmp_path, monkeypatch
):
    def ranked(folder, pack_name, settings):
        asked.append((folder, pack_name, settings))
        yield Progress(0, 2, "b: searching")
        doubt = LandmarkDoubt("heart", 1.5, 21.0, 1, 1)
        return (
            RankedCase("b", folder / "b", (doubt,)),
            RankedCase("a", folder / "a", (replace(doubt, sequences_mm=0.0),)),
        )

    asked = []
    monkeypatch.setattr(rank_cases, "ranked_cases", ranked)
    _, dock = make_annotating()
    folder = tmp_path / "cases"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        write_nifti(next(fakes_volumes(name)), folder / name / "t2w.nii.gz")
    dock.cases.show(folder)
    qtbot.waitUntil(lambda: not dock.is_running, timeout=10_000)
    dock.ui.cases.rank_button.click()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=10_000)
    assert asked[0][:2] == (folder, "fake")
    assert set(asked[0][2].landmarks) == {
        "heart",
        "left kidney",
        "right kidney",
        "prostate",
    }
    assert "least sure of b" in dock.ui.status.text()
    doubts = [dock.ui.cases.table.item(n, 3).text() for n in range(2)]
    assert doubts == ["1.5", "21.0"]
    dock.ui.cases.next_button.click()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=20_000)
    assert "Opened b" in dock.ui.status.text()


def fakes_volumes(name):
    from midrl_fakes import make_volume

    yield make_volume(name)


def test_rename_skip_reorder_hide_and_their_reasons(make_annotating):
    viewer, dock = make_annotating()
    table = dock.ui.table
    table.table.item(0, 0).setText("knee L")
    assert dock.session.annotations.names[0] == "knee L"
    assert dock.current == "knee L"
    table.table.item(0, 0).setText("heart")
    assert dock.session.annotations.names[0] == "knee L"
    assert "another landmark" in dock.ui.status.text()
    assert table.table.item(0, 0).text() == "knee L"
    dock.ui.skip_button.click()
    assert dock.current == "right knee"
    assert table.count.text() == "0 of 10, 1 skipped"
    dock.ui.down_button.click()
    assert dock.session.annotations.names[2] == "right knee"
    assert dock.current == "right knee"
    dock.do(Place("right knee", TRUTH["right knee"]))
    table.shown_clicked.emit("right knee")
    assert len(viewer.layers["landmarks (ada)"].data) == 0
    table.lock_clicked.emit("right knee")
    assert dock.action("Delete the position").blocked() == "right knee is locked."
    assert not dock.ui.delete_button.isEnabled()
    page = ShortcutsPage(dock.registry, dock)
    said = [page.table.item(n, 2).text() for n in range(page.table.rowCount())]
    assert "right knee is locked." in said
    keys = [action.key for action in dock.registry]
    assert len(set(keys)) == len(keys)
    page.close()


def test_keys_work_on_the_canvas_and_in_the_table(make_annotating, qtbot):
    viewer, dock = make_annotating(show=True)
    native = viewer.window._qt_viewer.canvas.native
    dock.do(Place("left knee", TRUTH["left knee"]))
    control = Qt.KeyboardModifier.ControlModifier
    native.setFocus()
    QTest.keyClick(native, Qt.Key.Key_Z, control)
    assert not dock.session.annotations["left knee"].is_placed
    QTest.keyClick(native, Qt.Key.Key_Z, control | Qt.KeyboardModifier.ShiftModifier)
    assert dock.session.annotations["left knee"].is_placed
    QTest.keyClick(native, Qt.Key.Key_Up)
    assert dock.current == "left knee"
    QTest.keyClick(dock.ui.table.table, Qt.Key.Key_Down)
    assert dock.current == "right knee"
    QTest.keyClick(native, Qt.Key.Key_K)
    assert dock.session.annotations["right knee"].is_skipped
    assert dock.current == "left trochanter"
    QTest.keyClick(native, Qt.Key.Key_Return)
    assert dock.current == "right trochanter"
    QTest.keyClick(dock.ui.table.table, Qt.Key.Key_Return)
    assert dock.current == "heart"
    dock.go_to("left knee")
    QTest.keyClick(native, Qt.Key.Key_Delete)
    assert not dock.session.annotations["left knee"].is_placed


def test_a_click_snaps_to_the_brightest_place(make_annotating, fakes):
    array = np.zeros((40, 40, 40), np.float32)
    array[20, 22, 18] = 1000
    volume = fakes.make_volume()
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    volume = type(volume)(array, type(volume.grid)(array.shape, affine), "dot")
    _, dock = make_annotating(volume)
    dock.ui.snap.setCurrentText("Brightest near")
    dock.steps.place((42.0, 43.0, 36.0))
    np.testing.assert_allclose(
        dock.session.annotations["left knee"].position_lps_mm, (40, 44, 36), atol=1e-9
    )
    assert not dock.steps.place((500.0, 0.0, 0.0))
    assert "outside" in dock.ui.status.text()


def test_a_click_on_an_image_that_is_hidden_places_nothing(make_annotating):
    """What one sees then may be another patient."""
    _, dock = make_annotating()
    dock.image.visible = False
    Pointer(dock).clicked(None, np.array(TRUTH["left knee"][::-1]))
    assert dock.session.annotations.progress.n_placed == 0
    assert "hidden" in dock.ui.status.text()
    dock.image.visible = True
    Pointer(dock).clicked(None, np.array(TRUTH["left knee"][::-1]))
    assert dock.session.annotations.progress.n_placed == 1


def test_an_image_removed_mid_edit_loses_nothing(make_annotating):
    viewer, dock = make_annotating()
    dock.do(Place("heart", TRUTH["heart"]))
    path = dock.session.path
    viewer.layers["T2w"].name = "renamed"
    assert dock.session is not None
    viewer.layers.clear()
    assert dock.session is None
    assert path.name in dock.ui.status.text()
    assert read_annotations(path).document.annotations["heart"].is_placed
    assert not dock.ui.form.start_button.isEnabled()


def test_closing_dock_or_viewer_mid_edit_leaves_a_whole_file(
    make_annotating, qtbot, fakes
):
    viewer, dock = make_annotating(locate=fakes.endless_locate)
    dock.do(Place("heart", TRUTH["heart"]))
    path = dock.session.path
    dock.proposing.run()
    qtbot.waitUntil(lambda: "step" in dock.ui.status.text(), timeout=10_000)
    task = dock._task
    viewer.close()
    assert task.wait(5)
    assert read_annotations(path).document.annotations["heart"].is_placed


def test_no_page_makes_the_dock_scroll_on_a_laptop(make_annotating, qtbot):
    """The tables give way; who is not a medical device stays in sight."""
    viewer, dock = make_annotating(show=True)
    tabs, bar = dock.ui.tabs, dock.ui.verticalScrollBar()
    assert viewer.window._qt_window.height() == 900
    for n in range(tabs.count()):
        tabs.setCurrentIndex(n)
        qtbot.wait(50)
        assert bar.maximum() == 0, tabs.tabText(n)


def taken_keys(viewer):
    return {str(key) for key, on_key in viewer.keymap.items() if is_ours(on_key)}


def is_ours(on_key):
    return "napari_midrl" in repr(on_key)


def test_both_docks_live_together_and_either_closes_first(make_annotating, fakes):
    viewer, dock = make_annotating()
    keys = taken_keys(viewer)
    assert "Ctrl+Z" in keys
    search = SearchDock(viewer, fakes.fake_engine(), Preferences(autoplay=False))
    viewer.window.add_dock_widget(search, name="MIDRL: search", area="right")
    assert taken_keys(viewer) > keys
    dock.show_view(THREE_D)
    assert sum("axial" in layer.name for layer in viewer.layers) == 1
    viewer.window.remove_dock_widget(search)
    assert taken_keys(viewer) == keys
    dock.show_view(AXIAL)
    dock.do(Place("heart", TRUTH["heart"]))
    dock.show_view(THREE_D)
    assert sum("axial" in layer.name for layer in viewer.layers) == 1
    viewer.window.remove_dock_widget(dock)
    assert [layer.name for layer in viewer.layers] == ["T2w"]
    assert not any(key.startswith("midrl") for key in viewer.canvas.overlays)
    assert not taken_keys(viewer)
