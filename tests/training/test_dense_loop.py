"""Training of the dense agents: repeatable, resumable, and it learns."""

import json
from dataclasses import replace

import pytest
import torch

from napari_midrl.agents.dense_learning import Targets
from napari_midrl.agents.dense_network import DenseQConfig, DenseQNetwork
from napari_midrl.agents.dense_scales import COARSE_SCALES
from napari_midrl.agents.dense_walk import walk
from napari_midrl.data.progress import finish
from napari_midrl.errors import InputError, TrainingError
from napari_midrl.training import dense_loop
from napari_midrl.training.cases import TrainingCase
from napari_midrl.training.dense_loop import (
    DenseTrainingSettings,
    seconds_per_update,
    train_dense,
)
from napari_midrl.training.views import ViewSettings, draw_view

BASE_MM = 2.0
TINY = DenseQConfig(
    n_landmarks=2, base_mm=BASE_MM, channels=(4, 4, 4), fine_channels=4, n_hidden=4
)
SMALL_VIEWS = ViewSettings(extent_mm=((36.0,) * 3, (44.0,) * 3), whole_share=0.0)
QUICK = DenseTrainingSettings(
    n_updates=4, n_starts=8, n_fine_landmarks=1, seed=3, view=SMALL_VIEWS
)
CHECKPOINT = "checkpoint.safetensors"


def sphere_case(seed, n_landmarks=1, size=48, radius=7):
    """One bright ball in a gray cube; more landmarks lie beside it."""
    generator = torch.Generator().manual_seed(seed)
    axis = torch.arange(float(size))
    ijk = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)
    center = size / 2 + (torch.rand(3, generator=generator) - 0.5) * 0.4 * size
    image = torch.full((size,) * 3, 0.2)
    image[(ijk - center).norm(dim=-1) < radius] = 1.0
    beside = center + torch.arange(float(n_landmarks))[:, None] * torch.tensor(
        [3.0, 0, 0]
    )
    targets = beside * BASE_MM - 40
    return TrainingCase(
        f"ball {seed}",
        (image,),
        torch.full((3,), BASE_MM),
        torch.full((3,), -40.0),
        targets,
    )


CASES = tuple(sphere_case(seed, n_landmarks=2, size=24, radius=4) for seed in range(2))


def weights(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def assert_same(one, two):
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, two[name]), name


def trained(settings=QUICK, folder=None):
    return weights(finish(train_dense(TINY, CASES, settings, folder)))


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """Four updates without interruption: weights, and the folder they left."""
    folder = tmp_path_factory.mktemp("whole")
    return trained(replace(QUICK, checkpoint_every=2), folder), folder


def test_the_same_seed_gives_the_same_weights(whole_run):
    assert_same(trained(), whole_run[0])


def test_another_seed_gives_other_weights(whole_run):
    other = trained(replace(QUICK, seed=4))
    assert not torch.equal(
        other["global_part.head_4.weight"], whole_run[0]["global_part.head_4.weight"]
    )


WITH_ORGANS = replace(TINY, has_detail=True, organs=((0, 1),), organ_channels=(4, 4, 4))


@pytest.mark.parametrize("config", [TINY, replace(TINY, has_detail=True), WITH_ORGANS])
def test_every_part_of_the_network_learns(config):
    before, after = (
        weights(finish(train_dense(config, CASES, replace(QUICK, n_updates=n))))
        for n in (0, 4)
    )
    untouched = [
        name for name, tensor in after.items() if torch.equal(tensor, before[name])
    ]
    assert not untouched


def test_the_detail_learns_from_both_its_scales():
    config = replace(TINY, has_detail=True)
    report = next(train_dense(config, CASES, QUICK))
    assert [f"loss_{n}" in report.metrics for n in range(7)] == [True] * 6 + [False]


def test_where_organs_alone_learn_all_else_stays(tmp_path):
    settings = replace(QUICK, learns="organs")
    torch.manual_seed(5)
    initial = DenseQNetwork(WITH_ORGANS)
    before = weights(initial)

    def training(folder):
        return train_dense(WITH_ORGANS, CASES, settings, folder, initial)

    whole = training(tmp_path / "whole")
    report = next(whole)
    assert [f"loss_{n}" in report.metrics for n in range(5)] == [True] * 4 + [False]
    after = weights(finish(whole))
    moved = {
        name.split(".")[0] for name in before if (before[name] != after[name]).any()
    }
    assert moved == {"organ_part"}
    # A checkpoint holds the optimizer's state of that part alone.
    first_half = training(tmp_path / "halves")
    next(first_half)
    first_half.close()
    assert_same(weights(finish(training(tmp_path / "halves"))), after)


def test_where_organs_do_not_learn_the_others_learn_as_if_there_were_none():
    plain = replace(WITH_ORGANS, organs=())
    torch.manual_seed(5)
    initial = weights(
        finish(train_dense(WITH_ORGANS, CASES, replace(QUICK, n_updates=0)))
    )
    settings = replace(QUICK, learns="others")
    without = weights(finish(train_dense(plain, CASES, settings)))
    beside = weights(finish(train_dense(WITH_ORGANS, CASES, settings)))
    organs = {name: t for name, t in beside.items() if name.startswith("organ_part.")}
    assert_same(organs, {name: initial[name] for name in organs})
    assert_same({n: t for n, t in beside.items() if n not in organs}, without)


def test_a_case_without_an_organ_cannot_teach_them():
    case = replace(CASES[0], targets_lps_mm=torch.full((2, 3), torch.nan))
    settings = replace(QUICK, learns="organs")
    with pytest.raises(TrainingError, match="ball 0: 20 views show no organ"):
        next(train_dense(WITH_ORGANS, (case,), settings))


@pytest.mark.parametrize("stop_after", [2, 3])
def test_an_interrupted_training_ends_as_if_it_had_not_been(
    tmp_path, whole_run, stop_after
):
    """Stopped at a checkpoint, or one update after it, which is then made again."""
    settings = replace(QUICK, checkpoint_every=2)
    training = train_dense(TINY, CASES, settings, tmp_path)
    for _ in range(stop_after):
        next(training)
    training.close()
    assert_same(trained(settings, tmp_path), whole_run[0])
    assert_same(
        dense_loop.load_file(tmp_path / CHECKPOINT),
        dense_loop.load_file(whole_run[1] / CHECKPOINT),
    )


def test_a_checkpoint_holds_networks_and_optimizer(whole_run):
    tensors = dense_loop.load_file(whole_run[1] / CHECKPOINT)
    parts = {name.split(".")[0] for name in tensors}
    assert parts == {
        "online_net",
        "target_net",
        "averaged_net",
        "optimizer",
        "n_done",
    }
    assert tensors["n_done"] == 4
    assert any(name.endswith("exp_avg_sq") for name in tensors)


def test_a_finished_training_is_not_made_again(whole_run):
    reports = []
    network = finish(train_dense(TINY, CASES, QUICK, whole_run[1]), reports.append)
    assert not reports
    assert_same(weights(network), whole_run[0])


def test_a_write_cut_short_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    settings = replace(QUICK, checkpoint_every=1)
    training = train_dense(TINY, CASES, settings, tmp_path)
    next(training)
    good = (tmp_path / CHECKPOINT).read_bytes()

    def half(_tensors, path, metadata):
        path.write_bytes(good[: len(good) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(dense_loop, "save_file", half)
    with pytest.raises(KeyboardInterrupt):
        next(training)
    monkeypatch.undo()
    assert (tmp_path / CHECKPOINT).read_bytes() == good
    reports = []
    finish(train_dense(TINY, CASES, settings, tmp_path), reports.append)
    assert [report.done for report in reports] == [2, 3, 4]


def test_a_damaged_checkpoint_is_refused_by_name(tmp_path, whole_run):
    good = (whole_run[1] / CHECKPOINT).read_bytes()
    (tmp_path / CHECKPOINT).write_bytes(good[: len(good) // 2])
    with pytest.raises(InputError, match="does not fit") as caught:
        finish(train_dense(TINY, CASES, QUICK, tmp_path))
    assert caught.value.path == tmp_path / CHECKPOINT


def test_a_checkpoint_of_another_network_is_refused(tmp_path, whole_run):
    (tmp_path / CHECKPOINT).write_bytes((whole_run[1] / CHECKPOINT).read_bytes())
    wider = replace(TINY, n_hidden=8)
    with pytest.raises(InputError, match="does not fit") as caught:
        finish(train_dense(wider, CASES, QUICK, tmp_path))
    assert caught.value.path == tmp_path / CHECKPOINT


def test_a_checkpoint_of_another_seed_is_refused(tmp_path, whole_run):
    """The card of the pack would name a seed that does not make it."""
    (tmp_path / CHECKPOINT).write_bytes((whole_run[1] / CHECKPOINT).read_bytes())
    with pytest.raises(InputError, match="seed 3"):
        finish(train_dense(TINY, CASES, replace(QUICK, seed=9), tmp_path))


OTHERS = [
    (replace(QUICK, n_starts=9), "n_starts 8, not 9"),
    (replace(QUICK, n_updates=5), "n_updates 4, not 5"),
    (replace(QUICK, learning_rate=1e-4), "learning_rate 0.0015, not 0.0001"),
    (replace(QUICK, rule=Targets(discount=0.9)), "rule.discount 0.5, not 0.9"),
    (replace(QUICK, view=replace(SMALL_VIEWS, noise=0.5)), "view.noise 0.08, not 0.5"),
]


@pytest.mark.parametrize(("settings", "message"), OTHERS)
def test_a_checkpoint_of_other_settings_is_refused(whole_run, settings, message):
    """The card would tell of settings that did not make the weights."""
    with pytest.raises(InputError, match=f"training with {message}") as caught:
        finish(train_dense(TINY, CASES, settings, whole_run[1]))
    assert caught.value.path == whole_run[1] / CHECKPOINT


def test_a_checkpoint_of_another_resolution_is_refused(whole_run):
    """Its weights would fit."""
    finer = replace(TINY, base_mm=1.0)
    with pytest.raises(InputError, match=r"base_mm 2\.0, not 1\.0"):
        finish(train_dense(finer, CASES, QUICK, whole_run[1]))


def other_image():
    image = 1 - CASES[1].images[0]
    return replace(CASES[1], images=(image,))


@pytest.mark.parametrize(
    "cases",
    [CASES[:1], CASES[::-1], (CASES[0], other_image())],
    ids=["fewer", "another order", "another image"],
)
def test_a_checkpoint_of_other_cases_is_refused(whole_run, cases):
    with pytest.raises(InputError, match="on other cases"):
        finish(train_dense(TINY, cases, QUICK, whole_run[1]))


def test_a_checkpoint_that_began_with_other_weights_is_refused(whole_run):
    network = finish(train_dense(TINY, CASES, QUICK, whole_run[1]))
    with pytest.raises(InputError, match="began with other weights"):
        finish(train_dense(TINY, CASES, QUICK, whole_run[1], network))


def test_an_older_checkpoint_that_says_less_is_resumed(tmp_path, whole_run):
    """It knew no network, no cases, and not every setting of today."""
    tensors = dense_loop.load_file(whole_run[1] / CHECKPOINT)
    settings = {"seed": 3, "n_updates": 4, "fine_only": False, "view": {"noise": 0.08}}
    metadata = {"settings": json.dumps(settings)}
    dense_loop.save_file(tensors, tmp_path / CHECKPOINT, metadata=metadata)
    assert_same(trained(QUICK, tmp_path), whole_run[0])


def test_every_update_is_a_line_of_the_log(whole_run):
    lines = (whole_run[1] / "log.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    assert [entry["update"] for entry in entries] == [1, 2, 3, 4]
    for entry in entries:
        parts = [value for name, value in entry.items() if name.startswith("loss_")]
        assert entry["loss"] == pytest.approx(sum(parts), rel=1e-4)
        assert entry["seconds"] > 0
        # Of the update itself, which is counted from 0.
        rate = dense_loop.learning_rate_at(entry["update"] - 1, QUICK)
        assert entry["learning_rate"] == rate


def test_every_update_is_reported():
    reports = []
    finish(train_dense(TINY, CASES, replace(QUICK, n_updates=2)), reports.append)
    assert [(report.done, report.total) for report in reports] == [(1, 2), (2, 2)]
    assert all(report.metrics["loss"] > 0 for report in reports)


def test_a_landmark_that_a_case_lacks_teaches_nothing():
    """And spoils nothing: the loss stays a number."""
    case = CASES[0]
    targets = case.targets_lps_mm.clone()
    targets[1] = torch.nan
    lacking = (replace(case, targets_lps_mm=targets),)
    network = finish(train_dense(TINY, lacking, replace(QUICK, n_updates=2)))
    assert all(tensor.isfinite().all() for tensor in network.state_dict().values())


def balls_missed_by(network, settings):
    """How far walks at the coarse scales end from the ball in views never seen."""
    misses = []
    for seed in range(8):
        generator = torch.Generator().manual_seed(10_000 + seed)
        view = draw_view(sphere_case(100 + seed), BASE_MM, settings.view, generator)
        with torch.inference_mode():
            maps = network.encode(view.array)
            share = 0.2 + 0.6 * torch.rand(1, 6, 3, generator=generator)
            here = view.low + share * (view.high - view.low)
            for field, scale in zip(maps.fields, COARSE_SCALES, strict=True):
                budgets = torch.full((1, 6), 60)
                limits = view.low, view.high, scale.step, budgets
                here = finish(walk(field, here, *limits)).endpoints
        misses.append((here - view.targets[:, None]).norm(dim=-1))
    return torch.cat(misses)


def test_agents_learn_to_find_a_ball():
    """From rewards alone, in some twenty seconds of one core."""
    settings = DenseTrainingSettings(
        n_updates=220,
        n_starts=128,
        n_fine_landmarks=1,
        learning_rate=6e-3,
        follow_rate=0.1,
        rule=Targets(discount=0.7),
        view=ViewSettings(
            rotation_degrees=15.0,
            scale=0.1,
            elastic_mm=2.0,
            whole_share=1.0,
            remap_share=0.0,
            blur_mm=0.0,
            noise=0.02,
            bias=0.0,
        ),
    )
    config = replace(
        TINY, n_landmarks=1, channels=(8, 8, 16), fine_channels=8, n_hidden=16
    )
    state = dense_loop._TrainingState(config, settings)
    before = balls_missed_by(state.online_net, settings)
    cases = [sphere_case(seed) for seed in range(6)]
    for _ in range(settings.n_updates):
        state.update(cases)
    after = balls_missed_by(state.online_net, settings)
    assert after.median() < 3
    assert after.median() < 0.2 * before.median()


def broken_case():
    case = sphere_case(0, n_landmarks=2, size=24, radius=4)
    return replace(case, images=(torch.full_like(case.images[0], torch.nan),))


BLIND = replace(QUICK, view=replace(SMALL_VIEWS, remap_share=0.0))


def test_one_gradient_that_is_no_number_does_no_harm():
    state = dense_loop._TrainingState(TINY, BLIND)
    before = weights(state.online_net)
    state.update([broken_case()])
    assert_same(weights(state.online_net), before)
    state.update(CASES)
    assert all(tensor.isfinite().all() for tensor in weights(state.online_net).values())


def test_a_training_on_what_is_no_number_is_given_up():
    settings = replace(BLIND, n_updates=50)
    with pytest.raises(TrainingError, match="21 updates"):
        finish(train_dense(TINY, [broken_case()], settings))


def test_the_learning_rate_warms_up_and_fades():
    rates = [dense_loop._schedule(done / 100) for done in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1, abs=1e-3)
    assert rates[-1] == pytest.approx(0.02)
    assert rates[3:] == sorted(rates[3:], reverse=True)


@pytest.mark.parametrize(("measured_s", "expected"), [(0.0, 1.0), (13.0, 2.0)])
def test_updates_are_measured_until_the_time_is_over(monkeypatch, measured_s, expected):
    """The first four are quick, one of them to warm up; later ones are not."""
    clock = [0.0]
    durations = iter([9.0, 1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 2.0, 100.0])

    def update(*_):
        clock[0] += next(durations)

    monkeypatch.setattr(dense_loop._TrainingState, "update", update)
    monkeypatch.setattr(dense_loop.time, "perf_counter", lambda: clock[0])
    network = DenseQNetwork(TINY)
    each = seconds_per_update(TINY, CASES, QUICK, network, measured_s=measured_s)
    assert each == pytest.approx(expected)
