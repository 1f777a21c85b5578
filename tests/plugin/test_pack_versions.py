"""The versions of the fine-tuning dock: used, compared, handed on, played."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_midrl.data.progress import finish
from napari_midrl.data.study import Study
from napari_midrl.io.coreset import CORESET_NAME
from napari_midrl.io.model_store import read_card, user_packs
from napari_midrl.io.pack_file import read_pack_file
from napari_midrl.plugin import finetune_versions, questions
from napari_midrl.plugin.annotate_dock import AnnotateDock
from napari_midrl.plugin.finetune_dock import FineTuneDock
from napari_midrl.plugin.preferences import Preferences
from napari_midrl.plugin.search_dock import SearchDock
from napari_midrl.training.dense_loop import DenseTrainingSettings
from napari_midrl.training.views import ViewSettings
from napari_midrl.workflows.finetune import finetune
from napari_midrl.workflows.finetune_settings import FineTuneSettings
from napari_midrl.workflows.finetune_source import open_case
from tests.tiny_agents import write_case, write_cases, write_tiny_pack

pytestmark = pytest.mark.gui
VIEW = ViewSettings(extent_mm=((40.0,) * 3, (50.0,) * 3), whole_share=0.0)
QUICK = FineTuneSettings(
    hold_out=("case-1",),
    minutes=None,
    n_updates=2,
    n_starts=2,
    n_patients=1,
    training=DenseTrainingSettings(1, n_starts=4, n_fine_landmarks=1, view=VIEW),
)


@pytest.fixture
def dock(make_napari_viewer, tmp_path, monkeypatch, qtbot):
    """A dock with a pack, its child, and the cases it learned from listed."""
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_: str(tmp_path / "home"))
    in_use = ["tiny"]
    for module in ("finetune_versions", "search_dock"):
        monkeypatch.setattr(
            f"napari_midrl.plugin.{module}.default_pack", lambda: in_use[-1]
        )
    monkeypatch.setattr(finetune_versions, "use_by_default", in_use.append)
    write_tiny_pack(user_packs() / "tiny")
    cases = tmp_path / "cases"
    write_cases(cases, 3)
    write_case(cases / "case-3", 3, ["new", "old"])
    finish(finetune("tiny", str(cases), "child", QUICK))
    viewer = make_napari_viewer()
    dock = FineTuneDock(viewer, preferences=Preferences(default_pack="tiny"))
    viewer.window.add_dock_widget(dock, name="MIDRL: fine-tune", area="right")
    dock.take_folder(cases)
    qtbot.waitUntil(lambda: not dock.is_busy)
    return dock


def select(dock, *names):
    table = dock.ui.versions.table
    table.clearSelection()
    selection = table.selectionModel()
    for row in range(table.rowCount()):
        if table.item(row, 0).text().split()[0] in names:
            flags = selection.SelectionFlag
            index = table.model().index(row, 0)
            selection.select(index, flags.Select | flags.Rows)


def named(dock):
    table = dock.ui.versions.table
    return [table.item(row, 0).text() for row in range(table.rowCount())]


def status(dock):
    return dock.ui.status.text()


def test_versions_are_listed_and_the_one_in_use_is_told(dock):
    names = named(dock)
    assert names.index("child") == names.index("tiny (in use)") + 1
    assert "digital-patient" in names


def test_another_version_can_be_used_and_the_old_one_again(dock):
    viewer = dock.viewer
    search = SearchDock(viewer, preferences=Preferences(default_pack="tiny"))
    viewer.window.add_dock_widget(search, name="MIDRL: search", area="right")
    chosen = search.ui.form.pack
    select(dock, "child")
    dock.ui.versions.use_button.click()
    assert "child (in use)" in named(dock)
    assert chosen.currentData() == "child"
    assert "press Use to go back" in status(dock)
    assert not dock.ui.versions.use_button.isEnabled()
    select(dock, "tiny")
    dock.ui.versions.use_button.click()
    assert chosen.currentData() == "tiny"
    search.shut_down()
    select(dock, "child")
    dock.ui.versions.use_button.click()
    assert chosen.currentData() == "tiny"


def test_the_annotation_dock_offers_what_was_imported(dock, tmp_path, qtbot):
    path = tmp_path / "child.midrl-pack"
    dock.versions.export(dock.versions.named("child"), path, with_images=False)
    qtbot.waitUntil(lambda: not dock.is_busy)
    (user_packs() / "child").rename(tmp_path / "away")
    annotating = AnnotateDock(dock.viewer, preferences=Preferences(default_pack="tiny"))
    dock.viewer.window.add_dock_widget(annotating, name="MIDRL: annotate")
    offered = annotating.ui.propose.pack
    assert offered.findData("child") < 0
    dock.versions.import_file(path)
    qtbot.waitUntil(lambda: not dock.is_busy)
    assert offered.findData("child") >= 0
    assert offered.currentData() == "tiny"


def test_two_versions_are_compared_parent_first(dock):
    assert not dock.ui.versions.compare_button.isEnabled()
    select(dock, "tiny", "child")
    dock.ui.versions.compare_button.click()
    table = dock.ui.versions.comparison
    assert not table.isHidden()
    assert table.horizontalHeaderItem(1).text() == "tiny"
    texts = {table.item(n, 0).text(): n for n in range(table.rowCount())}
    row = texts["old (held out)"]
    one, other = (float(table.item(row, column).text()) for column in (1, 2))
    change = table.item(row, 3).text().replace("\N{MINUS SIGN}", "-")
    assert float(change) == pytest.approx(other - one, abs=0.11)


def test_a_version_shows_its_table(dock):
    select(dock, "child")
    assert "child from tiny: 3 cases, 1 held out" in dock.ui.result.title.text()
    assert {row.agents for row in dock.ui.result.table.value()} >= {"before", "after"}


def test_export_asks_about_images_of_patients(dock, tmp_path, monkeypatch, qtbot):
    path = tmp_path / "child.midrl-pack"
    monkeypatch.setattr(
        finetune_versions.QFileDialog, "getSaveFileName", lambda *_: (str(path), "")
    )
    asked = []

    def choose(_parent, _title, text, options):
        asked.append(text)
        return options[0] if len(asked) > 1 else ""

    monkeypatch.setattr(questions, "choose", choose)
    select(dock, "child")
    dock.ui.versions.export_button.click()
    assert "images of the cases" in asked[0]
    assert not path.exists()
    dock.ui.versions.export_button.click()
    qtbot.waitUntil(lambda: not dock.is_busy)
    assert status(dock) == f"Wrote {path}"
    assert CORESET_NAME not in read_pack_file(path).contents


def test_import_takes_over_or_tells_why_not(dock, tmp_path, monkeypatch, qtbot):
    path = tmp_path / "child.midrl-pack"
    dock.versions.export(dock.versions.named("child"), path, with_images=True)
    qtbot.waitUntil(lambda: not dock.is_busy)
    dock.versions.import_file(path)
    qtbot.waitUntil(lambda: not dock.is_busy)
    assert status(dock).startswith("Failed")
    assert "exists already" in status(dock)
    (user_packs() / "child").rename(tmp_path / "away")
    dock.versions.import_file(path)
    qtbot.waitUntil(lambda: not dock.is_busy)
    assert "Took over child" in status(dock)
    assert read_card(user_packs() / "child") == read_card(tmp_path / "away")
    path.write_bytes(path.read_bytes()[:-100])
    dock.versions.import_file(path)
    qtbot.waitUntil(lambda: not dock.is_busy)
    assert path.name in status(dock)


def test_old_and_new_agents_play_side_by_side(dock, qtbot):
    select(dock, "child")
    dock.ui.result.case.setCurrentText("case-1")
    dock.ui.result.play_button.click()
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=60_000)
    layers = {layer.name: layer for layer in dock.viewer.layers}
    assert {"agents (before)", "agents (after)", "known landmarks"} <= set(layers)
    player = dock.side_by_side.player
    player.pause()
    for label in ("before", "after"):
        steps = layers[f"agents ({label})"].data[:, 0]
        assert steps.max() == player.n_frames - 1
    player.set_frame(0)
    assert dock.viewer.dims.current_step[0] == 0
    # The one landmark that both seek is dim before and bright after.
    dim = layers["agents (before)"].face_color[0, :3]
    bright = layers["agents (after)"].face_color[:, :3]
    assert np.ptp(dim) < np.ptp(bright, axis=1).max()
    assert "new landmarks" in status(dock)
    dock.ui.result.playback.follow.setCurrentText("old")
    player.set_frame(3)
    agent = layers["agents (after)"].data
    walks = agent[agent[:, 0] == 3][:, 1:]
    assert np.abs(walks - np.array(dock.viewer.dims.point[-3:])).max(axis=1).min() < 2.1
    dock.side_by_side.clear()
    assert not dock.viewer.layers


def test_the_annotated_image_of_a_study_is_searched(dock, monkeypatch, qtbot):
    """Not just the first one."""
    source = dock.source
    (volume,) = finish(open_case(source, "case-1"))[0].volumes
    truth = finish(open_case(source, "case-1"))[1]
    other = replace(volume, array=volume.array[::-1].copy(), name="other")
    searched = []

    def opened(_source, _case):
        yield from ()
        study = Study("case-1", (other, volume.renamed("annotated")))
        return study, replace(truth, image_sha256=volume.content_hash)

    def locate(searched_volume, _pack, settings):
        searched.append(searched_volume.name)
        return (yield from locate_with_agents(searched_volume, "child", settings))

    locate_with_agents = dock.engine.locate
    monkeypatch.setattr("napari_midrl.plugin.side_by_side.open_case", opened)
    dock.engine = replace(dock.engine, locate=locate)
    select(dock, "child")
    dock.ui.result.play_button.click()
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=60_000)
    dock.side_by_side.pause()
    assert set(searched) == {"annotated"}
    visible = {layer.name: layer.visible for layer in dock.viewer.layers}
    assert (visible["annotated"], visible["other"]) == (True, False)


def test_a_pack_whose_parent_is_gone_plays_alone(dock, tmp_path, qtbot):
    (user_packs() / "tiny").rename(tmp_path / "away")
    dock.versions.refresh()
    select(dock, "child")
    dock.ui.result.play_button.click()
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=60_000)
    names = {layer.name for layer in dock.viewer.layers}
    assert "agents (after)" in names
    assert "agents (before)" not in names
    dock.side_by_side.pause()


def test_the_window_may_be_light(dock):
    dock.viewer.theme = "light"
    dock.tell("no", error=True)
    assert "#B3261E" in dock.ui.status.styleSheet()
    dock.viewer.theme = "dark"
    dock.tell("no", error=True)
    assert "#FF8A80" in dock.ui.status.styleSheet()


def test_better_is_green_and_worse_is_red(dock):
    select(dock, "child")
    rows = dock.ui.result.table.value()
    before = next(r for r in rows if r.agents == "before")
    table = dock.ui.result.table
    for change, name in ((-5.0, "#7fd8a4"), (5.0, "#ff9e9e")):
        after = replace(before, agents="after", median_mm=before.median_mm + change)
        table.set_value((before, after))
        assert table.item(2, 4).foreground().color().name() == name
    same = replace(before, agents="after", median_mm=before.median_mm + 0.1)
    # Of all landmarks there may be more after than before: that compares nothing.
    more = replace(before, agents="after", median_mm=99.0, n=before.n + 1)
    for after in (same, more):
        table.set_value((before, after))
        name = table.item(2, 4).foreground().color().name()
        assert name not in ("#7fd8a4", "#ff9e9e")
