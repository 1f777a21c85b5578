"""Tests for napari_midrl.training.published and its checkpoints."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_midrl.agents.dqn import Algorithm
from napari_midrl.agents.networks import Architecture
from napari_midrl.agents.presets import MIDRL_2D, MIDRL_3D, ScaleUnit
from napari_midrl.data.progress import finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.volume import Volume
from napari_midrl.errors import InputError, PackError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.localizers.published import PublishedLocalizer
from napari_midrl.training import published
from napari_midrl.training.published import PublishedSettings, train_published
from napari_midrl.training.published_checkpoint import CARD_NAME, read_checkpoint

QUICK = {
    "architecture": Architecture(channels=(3, 4), kernels=(3, 3), hidden=(8,)),
    "batch_size": 8,
    "replay_size": 300,
    "warm_up_steps": 50,
    "updates_per_target_copy": 5,
    "updates_per_epoch": 2,
}
TINY_2D = replace(
    MIDRL_2D, rules=replace(MIDRL_2D.rules, roi_size=(9, 9, 1), max_steps=30), **QUICK
)
TINY_3D = replace(
    MIDRL_3D, rules=replace(MIDRL_3D.rules, roi_size=(7, 7, 5), max_steps=30), **QUICK
)


def case(seed, shape=(24, 22, 20), names=("a", "b")):
    """A bright sphere on an oblique grid, and places around it."""
    rng = np.random.default_rng(seed)
    angle = 0.2
    affine = np.eye(4)
    affine[:2, :2] = [
        [np.cos(angle), -np.sin(angle)],
        [np.sin(angle), np.cos(angle)],
    ]
    affine[:3, :3] *= (1.5, -1.5, 3.0)
    voxel = rng.uniform(0.3, 0.7, 3) * shape
    grid = VoxelGrid(shape, affine)
    voxels = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    away = np.linalg.norm(voxels - voxel, axis=-1)
    array = np.exp(-(away**2) / 50) + rng.normal(0, 0.02, shape)
    points = {
        name: tuple(grid.to_lps_mm(voxel + number)) for number, name in enumerate(names)
    }
    return Volume(array.astype(np.float32), grid, f"case {seed}"), points


CASES = [case(seed) for seed in range(3)]


def train(preset=TINY_3D, cases=CASES, **settings):
    return finish(
        train_published(
            preset, cases, PublishedSettings(**{"n_updates": 12} | settings)
        )
    )


def assert_same_weights(one, other):
    assert one.weights.keys() == other.weights.keys()
    for name, weights in one.weights.items():
        assert torch.equal(weights, other.weights[name]), name


@pytest.mark.parametrize("preset", [TINY_2D, TINY_3D])
def test_a_few_updates_then_a_search(preset):
    """Smoke: from random weights to landmarks in the patient."""
    reports = []
    settings = PublishedSettings(n_updates=30, updates_per_report=10, n_episodes=2)
    agents = finish(train_published(preset, CASES, settings), reports.append)
    assert agents.n_updates == 30
    assert agents.landmarks == ("a", "b")
    assert [r.done for r in reports if r.done] == [10, 20, 30]
    assert np.isfinite(reports[-1].metrics["loss"])
    assert reports[-1].metrics["epsilon"] < 0.1
    volume = CASES[0][0]
    task = PublishedLocalizer(agents).localize(volume, SearchSettings(("b",), 3))
    assert len(finish(task).trajectories) == 3


@pytest.mark.parametrize("preset", [TINY_2D, TINY_3D])
def test_same_seed_same_weights(preset):
    """Every weight equal, not only their sum; another seed, other weights."""
    one, other = train(preset), train(preset)
    assert_same_weights(one, other)
    assert one.sha256 == other.sha256 != train(preset, seed=1).sha256


def test_training_changes_every_layer():
    """PReLU slopes and the heads of all agents included."""
    before, after = train(n_updates=1), train(n_updates=12)
    for name, weights in after.weights.items():
        assert not torch.equal(weights, before.weights[name]), name


def test_an_interrupted_training_goes_on_as_if_nothing_happened(tmp_path):
    """Stopped after 7 updates and resumed: every weight as without the stop."""
    whole = train()
    train(n_updates=7, checkpoint_folder=tmp_path)
    resumed = train(checkpoint_folder=tmp_path)
    assert resumed.n_updates == 12
    assert_same_weights(whole, resumed)


def test_a_cancelled_training_leaves_a_checkpoint_to_resume_from(tmp_path):
    """The generator is closed in mid-run; the last checkpoint is complete."""
    settings = PublishedSettings(
        n_updates=12,
        checkpoint_folder=tmp_path,
        updates_per_checkpoint=4,
        updates_per_report=1,
    )
    task = train_published(TINY_3D, CASES, settings)
    reports = itertools.dropwhile(lambda report: report.done < 6, task)
    next(reports)
    task.close()
    assert read_checkpoint(tmp_path)[1]["n_updates"] == 4
    assert_same_weights(finish(train_published(TINY_3D, CASES, settings)), train())


def test_a_finished_training_is_not_begun_again(tmp_path):
    first = train(checkpoint_folder=tmp_path)
    assert_same_weights(first, train(checkpoint_folder=tmp_path, n_updates=3))


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    train(checkpoint_folder=tmp_path)
    with pytest.raises(PackError, match="seed differs"):
        train(checkpoint_folder=tmp_path, seed=5)
    with pytest.raises(PackError, match="preset differs"):
        train(replace(TINY_3D, discount=0.8), checkpoint_folder=tmp_path)
    with pytest.raises(PackError, match="images differs"):
        train(cases=[CASES[1], CASES[0], CASES[2]], checkpoint_folder=tmp_path)


@pytest.mark.parametrize("damage", ["card", "tensors", "gone", "format", "elsewhere"])
def test_a_damaged_checkpoint_is_named(tmp_path, damage):
    train(checkpoint_folder=tmp_path, n_updates=2)
    card, tensors = tmp_path / CARD_NAME, tmp_path / "state-2.safetensors"
    text = json.loads(card.read_text())
    if damage == "card":
        card.write_text("{")
    elif damage == "tensors":
        tensors.write_bytes(tensors.read_bytes()[:100])
    elif damage == "gone":
        tensors.unlink()
    elif damage == "format":
        card.write_text(json.dumps(text | {"format": "other"}))
    else:
        card.write_text(json.dumps(text | {"tensors": "../state.safetensors"}))
    wrong = tensors if damage in {"tensors", "gone"} else card
    with pytest.raises(PackError, match=wrong.name):
        train(checkpoint_folder=tmp_path)


def test_a_folder_keeps_one_state(tmp_path):
    train(checkpoint_folder=tmp_path, updates_per_checkpoint=3)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["checkpoint.json", "state-12.safetensors"]


def differing_target(tmp_path, **settings):
    """Return whether the target network differs from the online one at the end."""
    train(checkpoint_folder=tmp_path, **settings)
    tensors, _ = read_checkpoint(tmp_path)
    online = {n: t for n, t in tensors.items() if n.startswith("online/")}
    return any(
        not torch.equal(t, tensors[n.replace("online/", "target/")])
        for n, t in online.items()
    )


def test_the_target_network_is_copied_when_it_is_time_and_only_then(tmp_path):
    """Every 5 updates. The published 3D code never does, which this test catches."""
    assert differing_target(tmp_path / "before", n_updates=9)
    assert not differing_target(tmp_path / "at", n_updates=10)
    assert differing_target(tmp_path / "after", n_updates=11)


def test_the_published_mistake_can_be_switched_on(tmp_path):
    """Without copies the target stays at random for ever, as in the published code."""
    targets = []
    for n_updates in (5, 10):
        folder = tmp_path / str(n_updates)
        assert differing_target(folder, n_updates=n_updates, copy_target=False)
        targets.append(read_checkpoint(folder)[0]["target/heads.0.advantage.0.weight"])
    assert torch.equal(*targets)


def test_episodes_side_by_side_see_the_same_number_of_steps(monkeypatch):
    """4 steps per update and agent, in four passes of one or one pass of four."""
    counts = []

    class CountingMemory(published.ReplayMemory):
        def add(self, transitions):
            counts.append(len(transitions))
            super().add(transitions)

    monkeypatch.setattr(published, "ReplayMemory", CountingMemory)
    for n_episodes in (1, 4):
        counts.clear()
        train(n_updates=10, n_episodes=n_episodes)
        warm_up = -(-50 // n_episodes) * n_episodes
        assert sum(counts) == 2 * (warm_up + 10 * 4)
    with pytest.raises(ValueError, match="must divide 4"):
        train(n_episodes=3)


def test_cases_are_visited_in_order_by_each_agent(monkeypatch):
    """As published; a case without a landmark is no case for that agent."""
    visits = []
    original = published.SearchGame.restart

    def spy(self, walkers, volume_ids, *rest):
        visits.extend(zip(walkers.tolist(), volume_ids.tolist(), strict=True))
        original(self, walkers, volume_ids, *rest)

    monkeypatch.setattr(published.SearchGame, "restart", spy)
    cases = [CASES[0], (CASES[1][0], {"a": CASES[1][1]["a"]}), CASES[2]]
    train(cases=cases, n_updates=40)
    first = [volume for walker, volume in visits if walker == 0]
    second = [volume for walker, volume in visits if walker == 1]
    assert first[:5] == [0, 1, 2, 0, 1]
    assert second[:4] == [0, 2, 0, 2]


@pytest.mark.parametrize(
    "change",
    [
        {"algorithm": Algorithm.DOUBLE_DQN},
        {"architecture": replace(QUICK["architecture"], dueling=True)},
        {"scale_unit": ScaleUnit.MM},
        {"slice_axis": "P"},
    ],
    ids=str,
)
def test_every_variant_of_a_preset_trains(change):
    assert train(replace(TINY_3D, **change)).sha256 != train().sha256


def test_a_landmark_outside_its_volume_is_named():
    volume, _ = CASES[0]
    with pytest.raises(InputError, match="'elbow' of 'case 0' lies outside"):
        train(cases=[(volume, {"elbow": (999.0, 0.0, 0.0)})])


def test_nothing_to_learn_from_is_said():
    with pytest.raises(InputError, match="no case has a landmark"):
        train(cases=[])
    with pytest.raises(ValueError, match="at least 1"):
        PublishedSettings(n_updates=0)
