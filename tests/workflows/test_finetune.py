"""From a pack and a few cases to a new pack; nothing old is touched."""

import hashlib
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from napari_midrl.agents.dense_network import DenseQConfig, DenseQNetwork
from napari_midrl.cli.main import app
from napari_midrl.data.landmarks import Landmark, LandmarkSet
from napari_midrl.data.progress import finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.volume import Volume
from napari_midrl.errors import InputError, OverwriteError, PackError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.coreset import read_coreset
from napari_midrl.io.images import write_nifti
from napari_midrl.io.landmarks import write_landmarks
from napari_midrl.io.model_store import read_card, read_pack, write_pack
from napari_midrl.localizers.packs import localizer_of
from napari_midrl.training.dense_loop import DenseTrainingSettings
from napari_midrl.training.views import ViewSettings
from napari_midrl.workflows import finetune as module
from napari_midrl.workflows.finetune import finetune, run_folder
from napari_midrl.workflows.finetune_cases import Split, split_of
from napari_midrl.workflows.finetune_settings import FineTuneSettings, PlanProgress

CONFIG = DenseQConfig(2, 4.0, (4, 4, 4), fine_channels=4, n_hidden=4)
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
    """A pack of two landmarks that nobody taught."""
    folder = tmp_path_factory.mktemp("packs") / "tiny"
    torch.manual_seed(0)
    network = DenseQNetwork(CONFIG)
    config = asdict(CONFIG)
    del config["n_landmarks"]
    statement = {"recipe": "tiny", "data": "none", "licence": "none", "seed": 0}
    card = {
        "name": "tiny",
        "title": "Tiny",
        "version": "1",
        "description": "For tests.",
        "architecture": "midrl-dense",
        "config": config,
        "landmarks": ["old", "older"],
        "training": {**statement, "n_updates": 0, "seconds": 0.0},
        "intended_use": "Tests.",
        "limits": "All.",
    }
    write_pack(folder, card, {n: t.numpy() for n, t in network.state_dict().items()})
    return folder


def write_case(folder, seed, names):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = (-30, 10, 200)
    volume = Volume(
        rng.integers(0, 900, (16, 16, 16)).astype(np.int16),
        VoxelGrid((16, 16, 16), affine),
        "noise",
    )
    write_nifti(volume, folder / "image.nii.gz")
    places = affine[:3, 3] + rng.uniform(12, 48, (len(names), 3))
    marks = [Landmark(n, tuple(p)) for n, p in zip(names, places.tolist(), strict=True)]
    write_landmarks(LandmarkSet(tuple(marks)), folder / "landmarks.csv")


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """Four cases; one of them also places a landmark the pack knows."""
    folder = tmp_path_factory.mktemp("cases")
    for number in range(4):
        names = ["new", "newer", "old"] if number == 1 else ["new", "newer"]
        write_case(folder / f"case-{number}", number, names)
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


def test_the_new_pack_knows_old_and_new_landmarks(made):
    card = read_card(made[0].folder)
    assert card.landmarks == ["old", "older", "new", "newer"]
    assert card.name == "child"


def test_the_new_pack_can_be_searched_with(made):
    localizer = localizer_of(read_pack(made[0].folder))
    volume = Volume(
        np.random.default_rng(0).random((16, 16, 16)),
        VoxelGrid((16, 16, 16), np.diag([4.0, 4.0, 4.0, 1.0])),
        "noise",
    )
    settings = SearchSettings(landmarks=("newer",), n_starts=2)
    found = finish(localizer.localize(volume, settings))
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
