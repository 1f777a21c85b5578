"""One recipe, from nothing to a pack that can be searched with."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest
import torch

from napari_midrl.agents.dense_network import DenseQConfig
from napari_midrl.agents.presets import MIDRL_3D
from napari_midrl.data.progress import Progress, finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.volume import Volume
from napari_midrl.errors import InputError, PackError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.model_store import read_card, read_pack
from napari_midrl.localizers.midrl import MidrlLocalizer
from napari_midrl.localizers.packs import localizer_of
from napari_midrl.training import scalars
from napari_midrl.training.cases import TrainingCase, mean_arrangement
from napari_midrl.training.config_tables import DenseTable
from napari_midrl.training.dense_loop import DenseTrainingSettings
from napari_midrl.training.recipes import PublishedRecipe, Recipe
from napari_midrl.training.views import ViewSettings
from napari_midrl.workflows import train
from napari_midrl.workflows.train import RECIPES, config_text, train_pack

CHECKPOINT = "stage-1/checkpoint.safetensors"


def gray_cases(data):
    """One case of noise; it remembers which folder it was asked for."""
    yield Progress(0, 1, f"reading {data}")
    image = torch.rand(20, 20, 20, generator=torch.Generator().manual_seed(0))
    spacing, origin = torch.full((3,), 4.0), torch.zeros(3)
    return (TrainingCase("noise", (image,), spacing, origin, torch.full((1, 3), 40.0)),)


TINY = Recipe(
    name="tiny",
    title="Tiny",
    description="For tests.",
    landmarks=("middle",),
    landmark_notes={"middle": "center of the cube"},
    config=DenseQConfig(1, 4.0, (4, 4, 4), fine_channels=4, n_hidden=4),
    stages=(
        DenseTrainingSettings(
            n_updates=9,
            n_starts=4,
            n_fine_landmarks=1,
            checkpoint_every=1,
            view=ViewSettings(whole_share=1.0),
        ),
    ),
    make_cases=gray_cases,
    data="noise",
    licence="none",
    intended_use="Tests.",
    limits="Not a medical device.",
)


@pytest.fixture(autouse=True)
def tiny_recipe(monkeypatch):
    module = ModuleType("napari_midrl.training.tiny")
    module.RECIPE = TINY
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(RECIPES, "tiny", "tiny")


def test_a_recipe_ends_in_a_pack_that_loads(tmp_path):
    reports = []
    folder = finish(train_pack("tiny", tmp_path, seed=5, n_updates=2), reports.append)
    assert folder == tmp_path / "tiny"
    assert reports[-1].text == f"wrote {folder}"
    pack = read_pack(folder)
    assert MidrlLocalizer.from_pack(pack).landmarks == ("middle",)
    assert pack.card.training.seed == 5
    assert pack.card.training.n_updates == 2
    assert pack.card.training.settings["stages"][0]["n_starts"] == 4
    assert pack.card.training.versions["torch"] == torch.__version__
    assert pack.card.training.seconds >= 0
    assert pack.card.landmark_notes == {"middle": "center of the cube"}


def two_cases(*places):
    (blank,) = finish(gray_cases(None))
    return tuple(replace(blank, targets_lps_mm=torch.tensor(p)) for p in places)


def test_the_mean_arrangement_forgets_where_the_cases_lie():
    cases = two_cases(
        [[0.0, 0, 0], [2, 0, 0], [1, 3, 0]], [[10.0, 5, 5], [16, 5, 5], [13, 5, 8]]
    )
    assert np.array(mean_arrangement(cases)) == pytest.approx(
        np.array([(-2, -0.5, -0.5), (2, -0.5, -0.5), (0, 1, 1)])
    )


def test_an_arrangement_of_landmarks_that_are_missing_is_refused():
    nan = float("nan")
    with pytest.raises(InputError, match="every landmark"):
        mean_arrangement(two_cases([[0.0, 0, 0], [nan, nan, nan]]))


def test_a_recipe_with_a_gain_leaves_the_arrangement_in_the_card(tmp_path, monkeypatch):
    recipe = replace(TINY, turn_gain=2.5, max_looks=3, prior_share=0.25)
    monkeypatch.setattr(sys.modules["napari_midrl.training.tiny"], "RECIPE", recipe)
    card = read_card(finish(train_pack("tiny", tmp_path, n_updates=1)))
    assert card.arrangement.positions_mm == [(0, 0, 0)]
    assert (card.arrangement.gain, card.arrangement.max_looks) == (2.5, 3)
    assert card.arrangement.prior_share == 0.25


def test_a_seed_makes_the_same_pack_again(tmp_path):
    hashes = {
        read_card(
            finish(train_pack("tiny", tmp_path / name, seed=seed, n_updates=1))
        ).weights_sha256
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    }
    assert len(hashes) == 2


PUBLISHED = PublishedRecipe(
    name="walkers",
    title="Walkers",
    description="For tests.",
    landmarks=("middle",),
    preset=replace(
        MIDRL_3D,
        slice_axis=None,
        rules=replace(MIDRL_3D.rules, max_steps=20),
        batch_size=2,
        replay_size=60,
        warm_up_steps=500_000,
    ),
    n_updates=3,
    n_episodes=2,
    make_cases=lambda data: iter_one(noise_case()),
    data="noise",
    licence="none",
    intended_use="Tests.",
    limits="Not a medical device.",
)


def noise_case():
    grid = VoxelGrid((14, 12, 13), np.diag([2.0, 2.0, 5.0, 1.0]))
    array = np.random.default_rng(0).random(grid.shape_ijk)
    return Volume(array, grid, "noise"), {"middle": (12.0, 12.0, 30.0)}


def iter_one(case):
    yield Progress(0, 1, "drawing")
    return (case,)


@pytest.fixture
def walkers(monkeypatch):
    module = ModuleType("napari_midrl.training.walkers")
    module.RECIPE = PUBLISHED
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(RECIPES, "walkers", "walkers")


@pytest.mark.usefixtures("walkers")
def test_a_published_recipe_ends_in_a_pack_that_searches(tmp_path):
    folder = finish(train_pack("walkers", tmp_path, seed=4))
    pack = read_pack(folder)
    assert pack.card.architecture == "midrl-3d"
    assert pack.card.config == {"slice_axis": None}
    assert "3 of the published 500,000" in pack.card.training.note
    # The schedule shrank with it: 500,000 x 3 / 500,000.
    assert pack.card.training.settings["warm_up_steps"] == 3
    assert pack.card.training.settings["updates_per_epoch"] == 1
    localizer = localizer_of(pack)
    assert (localizer.name, localizer.landmarks) == ("walkers", ("middle",))
    quick = SearchSettings(n_starts=2, max_steps=5, device="cpu")
    found = finish(localizer.localize(noise_case()[0], quick))
    assert found.model_sha256 == pack.card.weights_sha256
    assert len(found.trajectories) == 2
    lines = (tmp_path / "stage-1" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["update"] for line in lines] == [1, 2, 3]
    assert pack.card.training.seconds > 0


@pytest.mark.usefixtures("walkers")
def test_a_published_training_is_not_trained_over_and_can_be_resumed(tmp_path):
    whole = finish(train_pack("walkers", tmp_path / "whole"))
    training = train_pack("walkers", tmp_path / "part")
    while not (tmp_path / "part" / "stage-1" / "checkpoint.json").exists():
        next(training)
    training.close()
    with pytest.raises(InputError, match="resume"):
        finish(train_pack("walkers", tmp_path / "part"))
    resumed = finish(train_pack("walkers", tmp_path / "part", resume=True))
    assert read_card(resumed).weights_sha256 == read_card(whole).weights_sha256


@pytest.mark.usefixtures("walkers")
@pytest.mark.parametrize(
    "config",
    [{"slice_axis": "X"}, {"slice_axis": 3}, {"rules": {}}, {"batch_size": 10**9}],
)
def test_a_card_cannot_change_the_rules_of_a_published_game(tmp_path, config):
    pack = read_pack(finish(train_pack("walkers", tmp_path, n_updates=1)))
    hostile = replace(pack, card=pack.card.model_copy(update={"config": config}))
    with pytest.raises(PackError, match="do not fit"):
        localizer_of(hostile)


def test_the_recipe_is_given_the_folder_of_the_data(tmp_path):
    reports = []
    data = tmp_path / "data"
    finish(train_pack("tiny", tmp_path, data=data, n_updates=1), reports.append)
    assert f"reading {data}" in [report.text for report in reports]


def test_a_folder_with_a_checkpoint_is_not_trained_over(tmp_path):
    finish(train_pack("tiny", tmp_path, n_updates=1))
    before = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(InputError, match="resume") as caught:
        finish(train_pack("tiny", tmp_path, n_updates=1))
    assert caught.value.path == tmp_path
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_an_interrupted_training_is_resumed_to_the_same_pack(tmp_path):
    """Even if it was stopped in the middle of a line of the log."""
    whole = finish(train_pack("tiny", tmp_path / "whole", n_updates=3))
    out = tmp_path / "stopped"
    training = train_pack("tiny", out, n_updates=3)
    while not (out / CHECKPOINT).exists():
        next(training)
    training.close()
    with (out / "stage-1" / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write('{"update": 2, "lo')
    resumed = finish(train_pack("tiny", out, resume=True, n_updates=3))
    assert read_card(resumed).weights_sha256 == read_card(whole).weights_sha256


def test_resuming_where_nothing_is_begins(tmp_path):
    assert finish(train_pack("tiny", tmp_path, resume=True, n_updates=1)).is_dir()


def test_a_checkpoint_of_another_seed_is_not_resumed(tmp_path):
    finish(train_pack("tiny", tmp_path, seed=1, n_updates=1))
    with pytest.raises(PackError, match="seed 1"):
        finish(train_pack("tiny", tmp_path, seed=2, resume=True, n_updates=2))


def test_a_checkpoint_beyond_the_wanted_length_is_not_resumed(tmp_path):
    """The card would say fewer updates than the weights have seen."""
    finish(train_pack("tiny", tmp_path, n_updates=2))
    with pytest.raises(PackError, match="2 updates"):
        finish(train_pack("tiny", tmp_path, resume=True, n_updates=1))


def test_an_unknown_recipe_is_answered_with_those_there_are(tmp_path):
    with pytest.raises(InputError, match="brain-afids"):
        finish(train_pack("spine", tmp_path))
    assert not list(tmp_path.iterdir())


def test_the_brain_recipe_asks_for_its_data(tmp_path):
    with pytest.raises(InputError, match="folder"):
        finish(train_pack("brain-afids", tmp_path))


def test_seconds_before_an_interruption_count_once(tmp_path):
    log = tmp_path / "log.jsonl"
    lines = (
        '{"update": 1, "seconds": 2.0}',
        '{"update": 2, "seconds": 9.0}',
        '{"update": 3, "se{"update": 2, "seconds": 3.0}',
        '{"update": 2, "seconds": 4.0}',
    )
    log.write_text("\n".join(lines))
    assert train._logged_seconds(log) == 6.0


def test_a_second_stage_begins_with_the_weights_of_the_first(tmp_path, monkeypatch):
    """One update at a rate of zero leaves the weights the stage was given."""
    first = TINY.stages[0]
    still = replace(first, learning_rate=0.0, follow_rate=0.0)
    both = replace(TINY, stages=(first, still))
    monkeypatch.setattr(sys.modules["napari_midrl.training.tiny"], "RECIPE", both)

    alone = read_pack(finish(train_pack("tiny", tmp_path / "both", n_updates=2)))
    monkeypatch.setattr(sys.modules["napari_midrl.training.tiny"], "RECIPE", TINY)
    one = read_pack(finish(train_pack("tiny", tmp_path / "one", n_updates=2)))

    assert alone.card.training.n_updates == 2 * one.card.training.n_updates
    for name, weights in one.tensors.items():
        np.testing.assert_allclose(alone.tensors[name], weights, atol=1e-6)


TINY_CONFIG = """
[network]
base_mm = 4
channels = [4, 4, 4]
fine_channels = 4
n_hidden = 4
[view]
whole_share = 1.0
[[stage]]
n_updates = 2
n_starts = 5
n_fine_landmarks = 1
"""


@pytest.fixture
def tiny_file(monkeypatch, tmp_path):
    """A config file of the tiny recipe, which can be read like one that ships."""

    def recipe_of(file):
        config = file.checked(DenseTable)
        numbers = {"config": config.network_of(1, file), "stages": config.stages()}
        return replace(TINY, **numbers, source=file)

    module = sys.modules["napari_midrl.training.tiny"]
    monkeypatch.setattr(module, "recipe_of", recipe_of, raising=False)
    path = tmp_path / "mine.toml"
    path.write_text(TINY_CONFIG, "utf-8")
    return path


def test_a_config_file_is_trained_by_and_told_in_the_card(tmp_path, tiny_file):
    pack = finish(train_pack("tiny", tmp_path / "out", config=tiny_file))
    training = read_card(pack).training
    assert training.n_updates == 2
    assert training.settings["stages"][0]["n_starts"] == 5
    told = training.settings["config"]
    assert told["sha256"] == hashlib.sha256(tiny_file.read_bytes()).hexdigest()
    assert told["file"] == "mine.toml"
    assert told["values"]["network"]["base_mm"] == 4
    assert "not by the one that ships" in training.note


def test_a_recipe_without_a_file_of_ones_own_has_no_such_note(tmp_path):
    pack = finish(train_pack("tiny", tmp_path, n_updates=1))
    assert read_card(pack).training.note == ""


def test_a_changed_config_does_not_resume_another_training(tmp_path, tiny_file):
    finish(train_pack("tiny", tmp_path / "out", config=tiny_file))
    tiny_file.write_text(TINY_CONFIG.replace("n_starts = 5", "n_starts = 6"), "utf-8")
    with pytest.raises(PackError, match="n_starts 5, not 6") as caught:
        finish(train_pack("tiny", tmp_path / "out", config=tiny_file, resume=True))
    assert caught.value.path == tmp_path / "out" / CHECKPOINT


def test_a_config_with_a_mistake_trains_nothing(tmp_path, tiny_file):
    tiny_file.write_text(TINY_CONFIG + "wiev.noise = 1\n", "utf-8")
    with pytest.raises(InputError, match=r"stage\[1\].wiev"):
        finish(train_pack("tiny", tmp_path / "out", config=tiny_file))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", sorted(set(RECIPES) - {"tiny"}))
def test_the_printed_config_is_the_one_that_is_trained_by(tmp_path, name):
    path = tmp_path / "copy.toml"
    path.write_text(config_text(name), "utf-8")
    recipe, own = (train._recipe(name, file, None, 0) for file in (path, None))
    assert recipe.data == own.data
    assert getattr(recipe, "stages", None) == getattr(own, "stages", None)
    assert recipe.source.statement()["values"] == own.source.statement()["values"]


def test_printing_a_config_needs_no_engine():
    code = (
        "import sys; from napari_midrl.workflows.train import config_text; "
        "config_text('brain-afids'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_arrangement_that_cases_lack_is_refused_before_training(
    tmp_path, monkeypatch
):
    def lacking(_data):
        yield Progress(0, 1, "drawing")
        return two_cases([[float("nan")] * 3])

    recipe = replace(TINY, turn_gain=2.0, make_cases=lacking)
    monkeypatch.setattr(sys.modules["napari_midrl.training.tiny"], "RECIPE", recipe)
    with pytest.raises(InputError, match="every landmark"):
        finish(train_pack("tiny", tmp_path))
    assert not list(tmp_path.iterdir())


class FakeWriter:
    """Remembers what a training wrote for TensorBoard."""

    made: ClassVar = []

    def __init__(self, folder, purge_step):
        self.folder, self.purge_step = folder, purge_step
        self.scalars, self.is_closed = [], False
        self.made.append(self)

    def add_scalar(self, tag, scalar_value, global_step):
        self.scalars.append((tag, scalar_value, global_step))

    def close(self):
        self.is_closed = True


@pytest.fixture
def writers(monkeypatch):
    """The writers of a training, in the order they were opened."""
    monkeypatch.setattr(FakeWriter, "made", [])
    monkeypatch.setattr(scalars, "_writer_class", lambda: FakeWriter)
    return FakeWriter.made


@pytest.mark.usefixtures("walkers")
@pytest.mark.parametrize("name", ["tiny", "walkers"])
def test_tensorboard_gets_what_is_logged_beside_the_log(tmp_path, writers, name):
    finish(train_pack(name, tmp_path, n_updates=3, tensorboard=True))
    (writer,) = writers
    assert (writer.folder, writer.purge_step) == (str(tmp_path / "stage-1"), 1)
    assert writer.is_closed
    lines = (tmp_path / "stage-1" / "log.jsonl").read_text().splitlines()
    logged = [
        (name, value, entry["update"])
        for entry in map(json.loads, lines)
        for name, value in entry.items()
        if name not in ("update", "seconds")
    ]
    # As text, since no NaN equals another.
    assert str([s for s in writer.scalars if s[0] != "seconds"]) == str(logged)


def test_a_resumed_training_replaces_what_was_shown_of_lost_updates(tmp_path, writers):
    training = train_pack("tiny", tmp_path, n_updates=3, tensorboard=True)
    while not (tmp_path / CHECKPOINT).exists():
        next(training)
    training.close()
    finish(train_pack("tiny", tmp_path, n_updates=3, tensorboard=True, resume=True))
    assert [writer.purge_step for writer in writers] == [1, 2]
    assert all(writer.is_closed for writer in writers)


def test_without_tensorboard_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match=r"pip install 'napari-midrl\[tensorboard\]'"):
        finish(train_pack("tiny", tmp_path, tensorboard=True))
    assert not list(tmp_path.iterdir())


def test_the_real_tensorboard_reads_what_was_written(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    finish(train_pack("tiny", tmp_path, n_updates=2, tensorboard=True))
    events = EventAccumulator(str(tmp_path / "stage-1"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == [1, 2]
    assert "learning_rate" in events.Tags()["scalars"]
