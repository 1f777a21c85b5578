"""New landmarks get a network of their own: what was known stays, bit by bit."""

from dataclasses import replace

import numpy as np
import pytest

from napari_midrl.agents.reliability import evidence_size
from napari_midrl.data.progress import finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.errors import InputError, PackError
from napari_midrl.io.coreset import read_coreset
from napari_midrl.io.model_store import (
    ArrangementStatement,
    read_card,
    read_pack,
    write_card,
)
from napari_midrl.localizers.packs import localizer_of
from napari_midrl.workflows.finetune import finetune
from napari_midrl.workflows.finetune_runs import resumed, run_folder
from tests.tiny_agents import flat_reliability, noise, write_tiny_pack
from tests.workflows.test_finetune import QUICK, interrupted

OWN = replace(QUICK, landmarks=("new", "newer"))
OLD = ("old", "older")


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    """A pack of two landmarks that refuses some answers, and searches upright."""
    folder = tmp_path_factory.mktemp("packs") / "tiny"
    write_tiny_pack(folder)
    said = flat_reliability(
        weights=[0.1] * evidence_size(6),
        bias=1.0,
        landmark_bias={"older": 0.5},
        reject_below={"old": 0.01},
    )
    upright = ArrangementStatement(
        positions_mm=[(0.0, 0.0, 0.0), (0.0, 0.0, 20.0)], gain=1.0, max_looks=1
    )
    changes = {"reliability": said, "arrangement": upright}
    write_card(folder, read_card(folder).model_copy(update=changes))
    return folder


@pytest.fixture(scope="module")
def made(parent, cases, tmp_path_factory):
    """One run on landmarks that are all new, and its reports."""
    out, reports = tmp_path_factory.mktemp("out") / "child", []
    done = finish(finetune(str(parent), str(cases), str(out), OWN), reports.append)
    return done, reports


def found_by(folder, landmarks):
    settings = SearchSettings(landmarks, n_starts=3)
    return finish(localizer_of(read_pack(folder)).localize(noise(), settings))


def test_the_old_network_stays_as_it_is(made, parent):
    pack = read_pack(made[0].folder)
    assert pack.card.networks == [["old", "older"], ["new", "newer"]]
    assert pack.card.landmarks == ["old", "older", "new", "newer"]
    for name, tensor in read_pack(parent).tensors.items():
        np.testing.assert_array_equal(pack.of_network(0)[name], tensor)


def test_old_landmarks_are_found_as_before(made, parent):
    """In place, confidence, and what is refused."""
    before, after = (found_by(f, OLD) for f in (parent, made[0].folder))
    assert after.results == before.results
    for one, two in zip(before.trajectories, after.trajectories, strict=True):
        np.testing.assert_array_equal(one.positions_lps_mm, two.positions_lps_mm)


def test_the_new_network_begins_with_what_the_old_one_sees(made, parent):
    """And it learns: no layer is as it was."""
    old, new = read_pack(parent).of_network(0), read_pack(made[0].folder).of_network(1)
    assert set(old) == set(new)
    name = "global_part.enter.0.0.weight"
    change = np.abs(new[name] - old[name]).max()
    assert 0 < change < 0.1 * np.abs(old[name]).max()


def test_nothing_is_rehearsed_where_nothing_can_be_forgotten(made):
    learned = [report.metrics for report in made[1] if report.metrics]
    assert learned
    assert not any(metrics.get("is_past") for metrics in learned)
    assert not [note for note in made[0].notes if "rehearsed" in note]


def test_what_is_known_of_the_old_answers_still_holds(made, parent):
    said = read_card(made[0].folder).reliability
    old = read_card(parent).reliability
    assert said.landmarks == ["old", "older"]
    assert (said.reject_below, said.weights) == (old.reject_below, old.weights)
    assert read_card(made[0].folder).arrangement == read_card(parent).arrangement
    (note,) = [note for note in made[0].notes if "upright" in note]
    assert "new, newer" in note
    assert "old" not in note


def test_landmarks_can_share_the_old_network(parent, cases, tmp_path):
    settings = replace(OWN, shares_network=True)
    done = finish(finetune(str(parent), str(cases), str(tmp_path / "c"), settings))
    card = read_card(done.folder)
    assert card.networks == []
    assert card.landmarks == ["old", "older", "new", "newer"]
    assert card.reliability is None
    assert card.arrangement is None
    assert any("old, older, new, newer" in n for n in done.notes if "upright" in n)
    assert any("expect old, older to get worse" in note for note in done.notes)


def test_a_known_landmark_is_taught_where_it_is(made, cases, tmp_path):
    """Its network rehearses its own cases; the other stays as it is."""
    out, reports = tmp_path / "grandchild", []
    settings = replace(QUICK, landmarks=("newer",), n_updates=12)
    task = finetune(str(made[0].folder), str(cases), str(out), settings)
    finish(task, reports.append)
    before, after = read_pack(made[0].folder), read_pack(out)
    assert after.card.networks == before.card.networks
    for name, tensor in before.of_network(0).items():
        np.testing.assert_array_equal(after.of_network(0)[name], tensor)
    name = "global_part.enter.0.0.weight"
    assert (after.of_network(1)[name] != before.of_network(1)[name]).any()
    assert {r.metrics["is_past"] for r in reports if r.metrics} == {0.0, 1.0}
    assert after.card.reliability == before.card.reliability
    assert after.card.arrangement == before.card.arrangement


def test_old_landmarks_taught_further_are_judged_no_more(made, cases, tmp_path):
    settings = replace(QUICK, landmarks=("old",))
    out = tmp_path / "c"
    done = finish(finetune(str(made[0].folder), str(cases), str(out), settings))
    before, after = read_pack(made[0].folder), read_pack(out)
    for name, tensor in before.of_network(1).items():
        np.testing.assert_array_equal(after.of_network(1)[name], tensor)
    assert after.card.reliability is None
    assert after.card.arrangement is not None
    assert any("expect older to get worse" in note for note in done.notes)


def test_every_further_landmark_gets_a_further_network(parent, cases, tmp_path):
    for name, start in (("new", parent), ("newer", tmp_path / "new")):
        settings = replace(QUICK, landmarks=(name,))
        finish(finetune(str(start), str(cases), str(tmp_path / name), settings))
    pack = read_pack(tmp_path / "newer")
    assert pack.card.networks == [["old", "older"], ["new"], ["newer"]]
    for number in (0, 1):
        for name, tensor in read_pack(tmp_path / "new").of_network(number).items():
            np.testing.assert_array_equal(pack.of_network(number)[name], tensor)
    kept = read_coreset(pack.folder, pack.card.coreset_sha256)
    assert sorted({case.landmarks for case in kept}) == [("new",), ("newer",)]
    every = found_by(pack.folder, ("newer", "old", "new"))
    assert [result.name for result in every.results] == ["newer", "old", "new"]


def test_landmarks_of_two_networks_are_not_taught_at_once(made, cases, tmp_path):
    settings = replace(QUICK, landmarks=("old", "new"))
    task = finetune(str(made[0].folder), str(cases), str(tmp_path / "c"), settings)
    with pytest.raises(InputError, match="old and new are found by different"):
        finish(task)
    assert not any(tmp_path.iterdir())


def test_a_run_goes_on_as_it_was_begun(parent, cases, tmp_path):
    out = tmp_path / "c"
    settings = replace(OWN, relearns_past=True, shares_network=True)
    interrupted(parent, cases, out, 1, settings)
    assert resumed(str(out))[2] == replace(settings, training=None)
    other = replace(settings, shares_network=False)
    with pytest.raises(PackError, match="shares_network True, not False"):
        finish(finetune(str(parent), str(cases), str(out), other, resume=True))
    assert run_folder(out).exists()
