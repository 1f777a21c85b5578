"""From a pack and a few cases to a new pack; nothing old is touched."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_midrl.cli.main import app
from napari_midrl.data.progress import finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.errors import InputError, OverwriteError, PackError
from napari_midrl.io.coreset import read_coreset
from napari_midrl.io.model_store import (
    read_card,
    read_pack,
    write_card,
)
from napari_midrl.localizers.packs import localizer_of
from napari_midrl.training.dense_loop import DenseTrainingSettings
from napari_midrl.training.views import ViewSettings
from napari_midrl.workflows import finetune as module
from napari_midrl.workflows.finetune import finetune
from napari_midrl.workflows.finetune_cases import Split, cases_in, split_of
from napari_midrl.workflows.finetune_runs import discard, resumed, run_folder
from napari_midrl.workflows.finetune_settings import FineTuneSettings, PlanProgress
from tests.tiny_agents import flat_reliability, noise, write_cases, write_tiny_pack

TRAINING = DenseTrainingSettings(
    n_updates=1,
    n_starts=4,
    n_fine_landmarks=1,
    weight_decay=0.0,
    checkpoint_every=1,
    view=ViewSettings(extent_mm=((40.0,) * 3, (50.0,) * 3), whole_share=0.0),
)
QUICK = FineTuneSettings(
    hold_out=("case-3",),
    minutes=None,
    n_updates=3,
    n_starts=2,
    n_patients=1,
    training=TRAINING,
)


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    """A pack of two landmarks that nobody taught, and that never are refused."""
    folder = tmp_path_factory.mktemp("packs") / "tiny"
    write_tiny_pack(folder)
    said = flat_reliability(bias=1.0)
    write_card(folder, read_card(folder).model_copy(update={"reliability": said}))
    return folder


@pytest.fixture(scope="module")
def made(parent, cases, tmp_path_factory):
    """One whole run, its result and its reports."""
    out = tmp_path_factory.mktemp("out") / "child"
    reports = []
    before = {p.name: p.read_bytes() for p in parent.iterdir()}
    done = finish(finetune(str(parent), str(cases), str(out), QUICK), reports.append)
    assert {p.name: p.read_bytes() for p in parent.iterdir()} == before
    return done, reports


def test_what_the_parent_refuses_is_not_what_the_child_refuses(made, parent):
    """Limits are fitted to weights, and these are others now."""
    assert read_card(parent).reliability is not None
    assert read_card(made[0].folder).reliability is None


def test_the_new_pack_knows_old_and_new_landmarks(made):
    card = read_card(made[0].folder)
    assert card.landmarks == ["old", "older", "new", "newer"]
    assert card.name == "child"


def test_the_new_pack_can_be_searched_with(made):
    localizer = localizer_of(read_pack(made[0].folder))
    settings = SearchSettings(landmarks=("newer",), n_starts=2)
    found = finish(localizer.localize(noise(), settings))
    assert [result.name for result in found.results] == ["newer"]


def test_the_card_says_where_the_pack_comes_from(made, parent, cases):
    card = read_card(made[0].folder)
    old = read_card(parent)
    assert card.parent.name == "tiny"
    assert card.parent.weights_sha256 == old.weights_sha256 != card.weights_sha256
    assert (card.training.recipe, card.training.seed) == ("fine-tune", 0)
    assert card.training.n_updates == 3
    settings = card.training.settings
    assert sorted(settings["train"]) == ["case-0", "case-1", "case-2"]
    assert list(settings["held_out"]) == ["case-3"]
    table = (cases / "case-3" / "landmarks.csv").read_bytes()
    assert hashlib.sha256(table).hexdigest() in settings["held_out"]["case-3"]
    rows = card.metrics["before_after"]
    assert {row["agents"] for row in rows} == {"mean position", "before", "after"} - (
        # The held-out case has no landmark that the pack knew.
        {"before"}
    )
    assert [entry["update"] for entry in card.metrics["history"]] == [1, 2, 3]


def test_the_plan_is_told_before_the_start(made):
    plans = [r for r in made[1] if isinstance(r, PlanProgress)]
    assert len(plans) == 1
    plan = plans[0].plan
    assert plan.new_landmarks == ("new", "newer")
    assert plan.landmarks == ("new", "newer", "old")
    assert plan.split == Split(("case-0", "case-1", "case-2"), ("case-3",))
    assert plan.seconds > plan.seconds_per_update > 0
    first = next(n for n, r in enumerate(made[1]) if r.metrics)
    assert made[1].index(plans[0]) < first


def test_nothing_is_left_of_the_run(made):
    folder = made[0].folder
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert sorted(p.name for p in folder.iterdir()) == [
        "coreset.safetensors",
        "model.json",
        "weights.safetensors",
    ]


def test_the_new_pack_carries_what_it_learned_from(made):
    card = read_card(made[0].folder)
    kept = read_coreset(made[0].folder, card.coreset_sha256)
    assert sum(case.weight for case in kept) == 3
    assert {case.name.split(",")[0] for case in kept} == {"case-0", "case-1", "case-2"}
    # Only one of them says anything about an old landmark.
    assert sorted(case.landmarks for case in kept) == [
        ("new", "newer"),
        ("new", "newer"),
        ("old", "new", "newer"),
    ]


def test_a_pack_need_not_carry_images(parent, cases, tmp_path):
    settings = replace(QUICK, carries_cases=False)
    done = finish(finetune(str(parent), str(cases), str(tmp_path / "c"), settings))
    assert read_card(done.folder).coreset_sha256 == ""
    assert not (done.folder / "coreset.safetensors").exists()


def test_a_second_fine_tuning_rehearses_the_first(made, cases, tmp_path):
    reports = []
    child = finish(
        finetune(
            str(made[0].folder),
            str(cases),
            str(tmp_path / "grandchild"),
            replace(QUICK, landmarks=("new",), n_updates=12),
        ),
        reports.append,
    )
    flags = {r.metrics["is_past"] for r in reports if r.metrics}
    assert flags == {0.0, 1.0}
    card = read_card(child.folder)
    assert card.parent.name == "child"
    rows = card.metrics["before_after"]
    assert {"mean position", "before", "after"} == {row["agents"] for row in rows}


def weights_of(folder):
    return read_pack(folder).tensors


def interrupted(parent, cases, out, n_updates, settings=QUICK, **options):
    task = finetune(str(parent), str(cases), str(out), settings, **options)
    for report in task:
        if report.metrics and report.done == n_updates:
            break
    task.close()


def test_an_interrupted_run_ends_as_if_it_had_not_been(made, parent, cases, tmp_path):
    out = tmp_path / "child"
    interrupted(parent, cases, out, 2)
    assert not out.exists()
    task = finetune(str(parent), str(cases), str(out), QUICK, resume=True)
    done = finish(task)
    for name, tensor in weights_of(made[0].folder).items():
        np.testing.assert_array_equal(tensor, weights_of(done.folder)[name])
    assert (
        read_card(out).metrics["history"]
        == (read_card(made[0].folder).metrics["history"])
    )


def test_agents_made_among_the_cases_are_no_cases(parent, tmp_path):
    write_cases(tmp_path / "cases")
    interrupted(parent, tmp_path / "cases", tmp_path / "cases" / "mine", 1)
    target = str(tmp_path / "cases" / "mine")
    args = (str(parent), str(tmp_path / "cases"), target, QUICK)
    finish(finetune(*args, resume=True))
    assert "mine" not in {case.name for case in cases_in(str(tmp_path / "cases"))}


def test_stopping_keeps_the_best_weights_so_far(parent, cases, tmp_path, monkeypatch):
    errors = iter([7.0, 3.0, 5.0, 6.0, 9.0])

    def measured(_work, _network):
        yield from ()
        return dict.fromkeys(
            ("error", "held_out_median_mm", "held_out_mean_mm", "held_out_wrong"),
            next(errors),
        )

    monkeypatch.setattr(module, "_measured", measured)
    seen = []
    done = finish(
        finetune(
            str(parent),
            str(cases),
            str(tmp_path / "c"),
            replace(QUICK, n_updates=5),
            stop=lambda: len(seen) == 4,
        ),
        lambda report: seen.append(report) if report.metrics else None,
    )
    assert done.n_updates == 2
    card = read_card(done.folder)
    assert card.training.n_updates == 2
    assert "Stopped early" in card.training.note


def test_stopping_without_held_out_cases_keeps_the_latest(parent, cases, tmp_path):
    """Nothing is measured, so there is no best; it must not go on all the same."""
    seen = []
    done = finish(
        finetune(
            str(parent),
            str(cases),
            str(tmp_path / "c"),
            replace(QUICK, n_updates=50, hold_out=()),
            stop=lambda: len(seen) == 2,
        ),
        lambda report: seen.append(report) if report.metrics else None,
    )
    assert done.n_updates == 2
    assert "none were measured" in read_card(tmp_path / "c").training.note
    for name, tensor in weights_of(parent).items():
        grown = weights_of(tmp_path / "c")[name]
        if grown.shape == tensor.shape and "weight" in name:
            assert not np.array_equal(grown, tensor)


def test_resuming_without_a_run_is_refused(parent, cases, tmp_path):
    with pytest.raises(InputError, match="no interrupted"):
        finish(finetune(str(parent), str(cases), str(tmp_path / "c"), resume=True))


def test_a_run_is_not_begun_again_by_mistake(parent, cases, tmp_path):
    out = tmp_path / "c"
    interrupted(parent, cases, out, 1)
    with pytest.raises(InputError, match="interrupted fine-tuning") as caught:
        finish(finetune(str(parent), str(cases), str(out), QUICK))
    assert caught.value.path == run_folder(out)


def test_a_run_of_another_seed_is_not_resumed(parent, cases, tmp_path):
    interrupted(parent, cases, tmp_path / "c", 1)
    task = finetune(
        str(parent), str(cases), str(tmp_path / "c"), replace(QUICK, seed=1),
        resume=True,
    )  # fmt: skip
    with pytest.raises(PackError, match="seed 0, not 1"):
        finish(task)


def test_nothing_is_replaced(parent, cases, tmp_path):
    out = tmp_path / "there"
    out.mkdir()
    with pytest.raises(OverwriteError):
        finish(finetune(str(parent), str(cases), str(out), QUICK))


def test_a_name_of_a_pack_that_ships_is_refused(parent, cases):
    with pytest.raises(OverwriteError):
        finish(finetune(str(parent), str(cases), "digital-patient", QUICK))


def test_a_pack_that_comes_into_being_meanwhile_stays(parent, cases, tmp_path):
    out = tmp_path / "c"
    task = finetune(str(parent), str(cases), str(out), QUICK)
    next(task)
    (out / "mine").mkdir(parents=True)
    with pytest.raises(OverwriteError, match="meanwhile"):
        finish(task)
    assert [path.name for path in out.iterdir()] == ["mine"]


def test_a_closed_run_loses_no_update(parent, cases, tmp_path):
    """Checkpoints come rarely; who pauses between them goes on from where it was."""
    seldom = replace(QUICK, training=replace(TRAINING, checkpoint_every=1000))
    interrupted(parent, cases, tmp_path / "c", 2, seldom)
    task = finetune(str(parent), str(cases), str(tmp_path / "c"), seldom, resume=True)
    reports = []
    finish(task, reports.append)
    assert [report.done for report in reports if report.metrics] == [3]
    plan = next(r.plan for r in reports if isinstance(r, PlanProgress))
    assert plan.n_updates == 3


def test_the_record_is_enough_to_resume(made, parent, cases, tmp_path):
    """Whoever goes on need not remember what was asked for."""
    out = str(tmp_path / "child")
    settings = replace(QUICK, landmarks=("new",), left_out=("case-0",))
    interrupted(parent, cases, out, 1, settings)
    pack, data, again = resumed(out)
    assert (pack, data) == (str(parent), str(cases))
    assert again == replace(settings, training=None)


def test_two_processes_do_not_work_on_one_run(parent, cases, tmp_path):
    out = str(tmp_path / "c")
    interrupted(parent, cases, out, 1)
    first = finetune(str(parent), str(cases), out, QUICK, resume=True)
    next(first)
    with pytest.raises(InputError, match="is at work"):
        finish(finetune(str(parent), str(cases), out, QUICK, resume=True))
    with pytest.raises(InputError, match="is at work"):
        discard(run_folder(tmp_path / "c"))
    first.close()
    discard(run_folder(tmp_path / "c"))
    assert not any(tmp_path.iterdir())


def test_a_case_that_is_left_out_may_be_broken(parent, cases, tmp_path):
    for number in range(2):
        (tmp_path / "cases" / f"case-{number}").mkdir(parents=True)
        for path in (cases / f"case-{number}").iterdir():
            (tmp_path / "cases" / f"case-{number}" / path.name).hardlink_to(path)
    (tmp_path / "cases" / "broken").mkdir()
    data = str(tmp_path / "cases")
    settings = replace(QUICK, hold_out=("case-1",), left_out=("broken",))
    done = finish(finetune(str(parent), data, str(tmp_path / "c"), settings))
    assert done.plan.split == Split(("case-0",), ("case-1",))
    with pytest.raises(InputError, match="all cases are left out"):
        cases_in(data, ("broken", "case-0", "case-1"))


@pytest.mark.parametrize("name", ["Mine", "my agents", ".x", "a" * 65, "x.training"])
def test_a_name_that_a_card_refuses_is_refused_at_once(parent, cases, tmp_path, name):
    """Not after twenty minutes, when the card is written."""
    with pytest.raises(InputError, match="cannot be called"):
        finish(finetune(str(parent), str(cases), str(tmp_path / name), QUICK))


def test_landmarks_that_no_case_places_are_refused(parent, cases, tmp_path):
    settings = replace(QUICK, landmarks=("knee",))
    with pytest.raises(InputError, match="knee"):
        finish(finetune(str(parent), str(cases), str(tmp_path / "c"), settings))


def test_a_folder_without_cases_is_refused(parent, tmp_path):
    with pytest.raises(InputError, match="holds no case"):
        finish(finetune(str(parent), str(tmp_path), str(tmp_path / "c"), QUICK))


def test_digital_patients_are_no_cases_to_learn_from(parent, tmp_path):
    with pytest.raises(InputError, match="digital patients"):
        finish(finetune(str(parent), "phantom:0-1", str(tmp_path / "c"), QUICK))


def test_holding_out_a_stranger_is_refused(parent, cases, tmp_path):
    settings = replace(QUICK, hold_out=("case-9",))
    with pytest.raises(InputError, match="case-9"):
        finish(finetune(str(parent), str(cases), str(tmp_path / "c"), settings))


def test_holding_out_all_is_refused(parent, cases, tmp_path):
    settings = replace(QUICK, hold_out=tuple(f"case-{n}" for n in range(4)))
    with pytest.raises(InputError, match="no case is left"):
        finish(finetune(str(parent), str(cases), str(tmp_path / "c"), settings))


def test_a_case_cannot_be_learned_from_and_held_out():
    with pytest.raises(ValueError, match="at once"):
        Split(("a", "b"), ("b",))


class Named:
    def __init__(self, name):
        self.name = name


@pytest.mark.parametrize(("share", "n"), [(0.0, 0), (0.01, 1), (0.2, 2), (0.5, 5)])
def test_a_share_is_held_out_by_chance(tmp_path, share, n):
    cases = [Named(f"c{number}") for number in range(10)]
    split = split_of(str(tmp_path), cases, share, seed=0)
    assert len(split.held_out) == n
    turned = split_of(str(tmp_path), cases[::-1], share, seed=0)
    assert set(split.held_out) == set(turned.held_out)


def test_too_little_time_is_refused_before_the_start(parent, cases, tmp_path):
    settings = replace(QUICK, minutes=0.001, n_updates=None)
    with pytest.raises(InputError, match="minutes are enough for"):
        finish(finetune(str(parent), str(cases), str(tmp_path / "c"), settings))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [{"n_updates": None}, {"minutes": 5.0}, {"replay_share": 1.0}, {"n_starts": 0}],
)
def test_settings_that_cannot_be_are_refused(change):
    with pytest.raises(ValueError, match="got"):
        replace(QUICK, **change)


def test_the_command_prints_plan_and_table(parent, cases, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "napari_midrl.training.finetune.settings_for",
        lambda n, seed: replace(TRAINING, n_updates=n, seed=seed),
    )
    names = tmp_path / "held-out.txt"
    names.write_text("case-3\n", encoding="utf-8")
    arguments = [
        *("finetune", "--pack", str(parent), "--cases", str(cases)),
        *("--out", str(tmp_path / "c"), "--updates", "2", "--hold-out", str(names)),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "new: new, newer" in result.stderr
    assert "held out: case-3" in result.stderr
    assert "mean position" in result.stdout
    assert json.loads((tmp_path / "c" / "model.json").read_text())["name"] == "c"
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 2
    assert "exists already" in again.stderr
