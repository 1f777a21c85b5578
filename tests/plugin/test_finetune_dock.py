"""The fine-tuning dock with real processes, a tiny pack and cases of noise."""

from __future__ import annotations

import pytest

from napari_midrl.io.model_store import read_card, user_packs
from napari_midrl.plugin.finetune_dock import FineTuneDock
from napari_midrl.plugin.preferences import Preferences
from napari_midrl.workflows.finetune_runs import interrupted_runs
from napari_midrl.workflows.finetune_source import Role
from tests.tiny_agents import write_cases, write_tiny_pack

pytestmark = pytest.mark.gui
PATIENCE_MS = 120_000


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
    dock.ui.train.minutes.setValue(1)
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
