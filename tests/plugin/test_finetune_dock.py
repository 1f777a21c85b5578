"""The fine-tuning dock with real processes, a tiny pack and cases of noise."""

from __future__ import annotations

import importlib
import shutil
import time

import numpy as np
import psutil
import pytest
import qtpy
from qtpy.QtCore import QEvent, Qt

from napari_midrl.annotation.commands import Place
from napari_midrl.io.model_store import read_card, user_packs
from napari_midrl.io.protocols import find_protocol
from napari_midrl.io.run_record import worker_of
from napari_midrl.plugin import questions
from napari_midrl.plugin.annotate_dock import AnnotateDock
from napari_midrl.plugin.finetune_dock import FineTuneDock
from napari_midrl.plugin.preferences import Preferences
from napari_midrl.plugin.training_process import TrainingProcess
from napari_midrl.workflows.finetune_runs import interrupted_runs
from napari_midrl.workflows.finetune_source import Role
from tests.tiny_agents import write_case, write_cases, write_tiny_pack

pytestmark = pytest.mark.gui
PATIENCE_MS = 120_000
MINUTES = 3
"""Enough for the least number of updates, also on a machine that is busy."""


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store of its own, with one pack that can be fine-tuned in seconds."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    if tmp_path not in user_packs().parents:
        pytest.skip("the store of this system cannot be moved")
    write_tiny_pack(user_packs() / "tiny")
    return user_packs()


@pytest.fixture
def cases(tmp_path):
    write_cases(tmp_path / "cases", 3)
    return tmp_path / "cases"


@pytest.fixture
def make_dock(make_napari_viewer, store):
    def _make():
        viewer = make_napari_viewer()
        dock = FineTuneDock(viewer, preferences=Preferences(default_pack="tiny"))
        viewer.window.add_dock_widget(dock, name="MIDRL: fine-tune", area="right")
        return viewer, dock

    return _make


@pytest.fixture
def dock(make_dock, cases, qtbot):
    """A dock with three cases listed."""
    _, dock = make_dock()
    dock.take_folder(cases)
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=PATIENCE_MS)
    dock.ui.train.minutes.setValue(MINUTES)
    return dock


def status(dock):
    return dock.ui.status.text()


def until_update(dock, qtbot, n):
    curves = dock.ui.curves
    qtbot.waitUntil(lambda: curves.n_updates >= n, timeout=PATIENCE_MS)


def ended(dock, qtbot):
    qtbot.waitUntil(lambda: not dock.training.is_running, timeout=PATIENCE_MS)


def test_cases_are_listed_with_a_split_and_landmarks(dock):
    assert status(dock) == "3 of 3 cases can be used."
    roles = dock.ui.cases.roles()
    assert sorted(roles) == ["case-0", "case-1", "case-2"]
    assert list(roles.values()).count(Role.HOLD_OUT) == 1
    assert set(dock.ui.cases.chosen_landmarks()) >= {"new", "newer"}
    assert dock.ui.train.name.text() == "tiny-2"
    assert dock.ui.train.start_button.isEnabled()


def test_rehearsal_is_offered_where_something_could_be_forgotten(dock):
    """Landmarks that are all new get a network of their own."""
    cases = dock.ui.cases
    cases.set_roles(dict.fromkeys(cases.roles(), Role.LEARN))
    assert "old" in cases.chosen_landmarks()
    assert cases.rehearse.isEnabled()
    (old,) = [i for i in cases._landmark_items() if i.text().startswith("known")]
    old.setCheckState(Qt.CheckState.Unchecked)
    assert not cases.rehearse.isEnabled()
    assert "network of their own" in cases.rehearse.toolTip()
    cases.set_running(running=True)
    old.setCheckState(Qt.CheckState.Checked)
    assert not cases.rehearse.isEnabled()
    cases.set_running(running=False)
    assert cases.rehearse.isEnabled()
    assert "forget it" in cases.rehearse.toolTip()


def test_another_patient_is_out_of_sight_while_agents_play(dock, qtbot):
    """Points of one patient must not lie on the image of another one."""
    viewer = dock.viewer
    other = viewer.add_points(np.zeros((1, 3)), name="of another patient")
    hidden = viewer.add_points(np.zeros((1, 3)), visible=False)
    tiny = dock.versions.named("tiny")
    dock.side_by_side.play(dock.source, "case-1", tiny)
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=PATIENCE_MS)
    assert "known landmarks" in viewer.layers, status(dock)
    assert not other.visible
    dock.side_by_side.clear()
    assert list(viewer.layers) == [other, hidden]
    assert (other.visible, hidden.visible) == (True, False)


def test_a_dock_that_is_closed_leaves_nothing_of_its_replay(dock, qtbot):
    viewer = dock.viewer
    other = viewer.add_points(np.zeros((1, 3)), name="of another patient")
    tiny = dock.versions.named("tiny")
    dock.side_by_side.play(dock.source, "case-1", tiny)
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=PATIENCE_MS)
    assert len(viewer.layers) > 1, status(dock)
    dock.shut_down()
    assert list(viewer.layers) == [other]
    assert other.visible


def test_paused_closed_resumed_and_finished(dock, make_dock, store, qtbot):
    """What one would do: start, pause, restart napari, resume, have enough."""
    dock.ui.train.start_button.click()
    until_update(dock, qtbot, 3)
    assert not dock.ui.train.start_button.isEnabled()
    assert "updates of" in dock.ui.train.plan.text()
    dock.ui.train.pause_button.click()
    ended(dock, qtbot)
    assert status(dock).startswith("Paused")
    (run,) = interrupted_runs()
    dock.shut_down()

    _, again = make_dock()
    assert again.ui.train.runs.currentText().startswith(f"tiny-2: {run.n_updates} of")
    again.ui.train.resume_button.click()
    until_update(again, qtbot, run.n_updates + 2)
    curves = again.ui.curves
    qtbot.waitUntil(lambda: curves.n_measured > 0, timeout=PATIENCE_MS)
    again.ui.train.finish_button.click()
    ended(again, qtbot)
    assert "tiny-2 is ready" in status(again)
    assert read_card(store / "tiny-2").parent.name == "tiny"
    agents = [row.agents for row in again.ui.result.table.value()]
    assert "after" in agents
    assert interrupted_runs() == ()
    assert again.ui.train.interrupted.isHidden()


def test_a_viewer_that_closes_leaves_a_training_that_can_be_resumed(
    dock, store, cases, make_dock, qtbot
):
    """No hang, no process left over, nothing lost but the update at hand."""
    dock.ui.train.start_button.click()
    until_update(dock, qtbot, 3)
    pid = dock.training.pid
    begun = time.monotonic()
    dock.viewer.close()
    assert time.monotonic() - begun < 20
    process = psutil.Process(pid) if psutil.pid_exists(pid) else None
    if process is not None:
        qtbot.waitUntil(lambda: not process.is_running(), timeout=PATIENCE_MS)
    # Not even a dead one that nobody has looked after.
    qtbot.waitUntil(lambda: not psutil.pid_exists(pid), timeout=10_000)
    (run,) = interrupted_runs()
    assert run.n_updates >= 3
    assert (run.folder / "checkpoint.safetensors").exists()
    _, again = make_dock()
    assert again.ui.train.resume_button.isEnabled()


def test_a_training_that_dies_takes_nothing_along(dock, cases, qtbot):
    dock.ui.train.start_button.click()
    until_update(dock, qtbot, 3)
    before = {p: p.read_bytes() for p in cases.rglob("*") if p.is_file()}
    psutil.Process(dock.training.pid).kill()
    ended(dock, qtbot)
    assert "died" in status(dock)
    assert "Resume goes on" in status(dock)
    assert dock.ui.train.resume_button.isEnabled()
    assert {p: p.read_bytes() for p in cases.rglob("*") if p.is_file()} == before
    # Its mark is still there, but of a process that is gone.
    (run,) = interrupted_runs()
    assert worker_of(run.folder) is None


def test_the_name_of_an_interrupted_training_is_not_free(dock, qtbot, monkeypatch):
    """And to discard it is asked about first."""
    dock.ui.train.start_button.click()
    until_update(dock, qtbot, 1)
    dock.training.let_go()
    qtbot.waitUntil(lambda: len(interrupted_runs()) == 1, timeout=PATIENCE_MS)
    dock.training.refresh_runs()
    assert not dock.ui.train.start_button.isEnabled()
    assert "resume or discard" in dock.ui.train.start_button.toolTip()
    monkeypatch.setattr(questions, "choose", lambda *_: "")
    dock.ui.train.discard_button.click()
    assert len(interrupted_runs()) == 1
    monkeypatch.setattr(questions, "choose", lambda *_: "Discard")
    dock.ui.train.discard_button.click()
    assert interrupted_runs() == ()
    assert dock.ui.train.start_button.isEnabled()


def test_a_folder_that_was_deleted_is_named_on_resume(dock, cases, qtbot):
    dock.ui.train.start_button.click()
    until_update(dock, qtbot, 1)
    dock.ui.train.pause_button.click()
    ended(dock, qtbot)
    shutil.rmtree(cases)
    dock.ui.train.resume_button.click()
    ended(dock, qtbot)
    assert status(dock).startswith("Failed")
    assert str(cases) in status(dock)
    assert len(interrupted_runs()) == 1


def test_a_plan_is_measured_without_learning(dock, store, qtbot):
    dock.ui.train.plan_button.click()
    ended(dock, qtbot)
    assert "nothing was learned" in status(dock)
    assert "updates of" in dock.ui.train.plan.text()
    assert sorted(p.name for p in store.iterdir()) == ["tiny"]
    assert dock.ui.train.start_button.isEnabled()
    dock.ui.train.minutes.setValue(MINUTES + 1)
    assert "updates of" not in dock.ui.train.plan.text()


def test_nothing_can_be_started_without_cases(make_dock, tmp_path, qtbot):
    _, dock = make_dock()
    button = dock.ui.train.start_button
    assert not button.isEnabled()
    assert "Choose cases" in button.toolTip()
    assert "Choose cases" in dock.ui.train.plan.text()
    dock.training.start()
    assert "Choose cases" in status(dock)
    dock.take_folder(tmp_path / "gone")
    qtbot.waitUntil(lambda: not dock.is_busy)
    assert "is no folder" in status(dock)
    dock.take_annotated()
    assert "Open MIDRL: annotate" in status(dock)


def check(dock, name, role, state=Qt.CheckState.Checked):
    box = dock.ui.cases
    row = [case.name for case in box.cases()].index(name)
    box.table.item(row, 2 if role is Role.LEARN else 3).setCheckState(state)


def test_a_case_is_learned_from_or_held_out_never_both(dock):
    for n in range(3):
        check(dock, f"case-{n}", Role.HOLD_OUT)
    assert set(dock.ui.cases.roles().values()) == {Role.HOLD_OUT}
    assert "No case is left" in dock.ui.train.start_button.toolTip()
    assert dock.ui.cases.landmarks.count() == 0
    for n in range(3):
        check(dock, f"case-{n}", Role.LEARN)
    assert set(dock.ui.cases.roles().values()) == {Role.LEARN}
    assert "No case is held out" in dock.ui.train.plan.text()
    check(dock, "case-0", Role.LEARN, Qt.CheckState.Unchecked)
    assert dock.ui.cases.roles()["case-0"] is Role.LEAVE_OUT


def test_landmarks_that_are_off_stay_off(dock):
    names = dock.ui.cases.chosen_landmarks()
    dock.ui.cases.landmarks.item(0).setCheckState(Qt.CheckState.Unchecked)
    dock.draw_again()
    assert names[0] not in dock.ui.cases.chosen_landmarks()
    assert names[1] in dock.ui.cases.chosen_landmarks()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tiny", "exists already"),
        ("digital-patient", "exists already"),
        ("My Agents", "cannot be called"),
        ("", "cannot be called"),
    ],
)
def test_a_name_that_cannot_be_is_told_before_the_start(dock, name, says):
    dock.ui.train.name.setText(name)
    dock.training.refresh()
    assert not dock.ui.train.start_button.isEnabled()
    assert says in dock.ui.train.start_button.toolTip()


def test_broken_cases_are_listed_and_left_out(dock, cases, qtbot):
    (cases / "empty").mkdir()
    dock.take_folder(cases)
    qtbot.waitUntil(lambda: not dock.is_busy)
    assert "3 of 4 cases can be used" in status(dock)
    assert "empty" in status(dock)
    assert "empty" not in dock.ui.cases.roles()


def test_a_window_that_did_not_close_after_all_offers_to_resume(dock, qtbot):
    """napari asks before it closes, and the user may think better of it."""
    dock.ui.train.start_button.click()
    until_update(dock, qtbot, 2)
    dock.eventFilter(None, QEvent(QEvent.Type.Close))
    assert not dock.training.is_running
    assert "Resume goes on" in status(dock)
    resume = dock.ui.train.resume_button
    qtbot.waitUntil(resume.isEnabled, timeout=PATIENCE_MS)
    assert "tiny-2" in dock.ui.train.runs.currentText()


def test_a_training_in_another_window_is_not_started_again(dock, make_dock, qtbot):
    dock.ui.train.start_button.click()
    until_update(dock, qtbot, 1)
    _, other = make_dock()
    assert other.ui.train.name.text() == "tiny-3"
    other.ui.cases.set_cases(dock.ui.cases.cases(), "the same")
    other.source = dock.source
    other._on_cases_changed()
    other.ui.train.name.setText("tiny-2")
    other.training.refresh()
    assert "another window" in other.ui.train.start_button.toolTip()
    dock.ui.train.pause_button.click()
    ended(dock, qtbot)


def test_what_is_annotated_here_can_be_learned(make_dock, tmp_path, qtbot):
    """The case that is open, and those that are listed, as they are now."""
    protocol = find_protocol("lumbar")
    root = tmp_path / "exams"
    for n in range(2):
        write_case(root / f"exam-{n}", n, ["x"])
        (root / f"exam-{n}" / "landmarks.csv").unlink()
    viewer, dock = make_dock()
    preferences = Preferences(reader="ada", protocol="lumbar")
    annotating = AnnotateDock(viewer, preferences=preferences)
    viewer.window.add_dock_widget(annotating, name="MIDRL: annotate", area="right")
    dock.take_annotated()
    assert "Nothing is annotated" in status(dock)
    annotating.cases.show(root)
    qtbot.waitUntil(lambda: not annotating.is_running)
    for n in range(2):
        annotating.cases.open(annotating.ui.cases.value()[n])
        qtbot.waitUntil(lambda: not annotating.is_running)
        annotating.do(Place(protocol.names[n], (0.0, 40.0, 230.0)))
        annotating.cases.show(root)
        qtbot.waitUntil(lambda: not annotating.is_running)
    dock.take_annotated()
    qtbot.waitUntil(lambda: not dock.is_busy)
    assert status(dock) == "2 of 2 cases can be used."
    assert [case.name for case in dock.ui.cases.cases()] == ["exam-0", "exam-1"]
    check(dock, "exam-0", Role.LEARN)
    check(dock, "exam-1", Role.LEARN)
    assert dock.ui.cases.chosen_landmarks() == protocol.names[:2]
    # The folder itself says the same.
    dock.take_folder(root)
    qtbot.waitUntil(lambda: not dock.is_busy)
    assert len(dock.ui.cases.cases()) == 2
    dock.ui.train.minutes.setValue(MINUTES)
    dock.ui.train.plan_button.click()
    ended(dock, qtbot)
    assert "Measured" in status(dock), status(dock)


def test_a_full_disk_is_told(dock, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_midrl.plugin.finetune_training.prepared", fail)
    dock.ui.train.start_button.click()
    assert status(dock).startswith("Not started")
    assert "No space left" in status(dock)
    assert not dock.training.is_running


def test_published_agents_are_gray(dock, store):
    card = (store / "tiny" / "model.json").read_text()
    (store / "old").mkdir()
    text = card.replace('"midrl-dense"', '"midrl-3d"').replace('"tiny"', '"old"')
    (store / "old" / "model.json").write_text(text)
    dock.versions.refresh()
    combo = dock.ui.cases.pack
    item = combo.model().item(combo.findData("old"))
    assert not item.isEnabled()
    assert "cannot be fine-tuned" in item.toolTip()
    assert dock.ui.cases.chosen_pack() == "tiny"


def test_a_process_is_seen_off_when_qt_is_gone(cases, store, qtbot):
    """The thread that listens must not end before the process does."""
    said = []
    process = TrainingProcess(
        ["--out", "x", "--pack", "tiny", "--cases", str(cases), "--minutes", "3"],
        on_message=said.append,
        on_end=said.append,
    )
    qtbot.waitUntil(lambda: len(said) > 0, timeout=PATIENCE_MS)
    sip_or_shiboken_delete(process._signals)
    process._process.stdin.close()
    assert process.wait(PATIENCE_MS / 1000)
    assert not psutil.pid_exists(process.pid)


def sip_or_shiboken_delete(thing):
    """Delete the C++ side of a Qt object, as the end of the program does."""
    if qtpy.API_NAME.startswith("PyQt"):
        importlib.import_module(f"{qtpy.API_NAME}.sip").delete(thing)
    else:
        importlib.import_module("shiboken6").delete(thing)
