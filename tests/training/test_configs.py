"""Config files of the recipes: what ships is what is trained; mistakes are named."""

import tomllib
from dataclasses import asdict, fields
from importlib import import_module
from pathlib import Path

import pytest

from napari_midrl.agents.dense_learning import Targets
from napari_midrl.agents.dense_network import DenseQConfig
from napari_midrl.errors import InputError
from napari_midrl.training import config_tables as tables
from napari_midrl.training.config_file import MAX_BYTES, ConfigFile
from napari_midrl.training.dense_loop import DenseTrainingSettings
from napari_midrl.training.views import ViewSettings
from napari_midrl.workflows.train import OWN_CASES, RECIPES

DENSE = ("brain-afids", "digital-patient")
PUBLISHED = ("midrl-2d", "midrl-3d")
FOLDER = Path(tables.__file__).parent / "configs"


def module_of(name):
    return import_module(f"napari_midrl.training.{RECIPES[name]}")


def shipped_values(name):
    return tomllib.loads(ConfigFile.shipped(name).text)


def plain(value):
    """Return tuples as the lists that a TOML file has."""
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value


def test_every_recipe_ships_its_file_and_no_other_does():
    assert {path.stem for path in FOLDER.iterdir()} == {*RECIPES, OWN_CASES}
    for name in RECIPES:
        source = module_of(name).RECIPE.source
        assert source.path == FOLDER / f"{name}.toml"


@pytest.mark.parametrize(
    ("table", "value", "elsewhere"),
    [
        (tables.NetworkTable, DenseQConfig, {"n_landmarks"}),
        (tables.RuleTable, Targets, set()),
        (tables.ViewTable, ViewSettings, set()),
        (tables.StageTable, DenseTrainingSettings, {"seed"}),
    ],
)
def test_a_table_has_every_key_of_its_value(table, value, elsewhere):
    """A new setting that no file can set would be forgotten."""
    names = {field.name for field in fields(value)}
    assert set(table.model_fields) == names - elsewhere


@pytest.mark.parametrize("name", DENSE)
def test_what_a_dense_file_says_is_what_is_trained(name):
    recipe, values = module_of(name).RECIPE, shipped_values(name)
    network = asdict(recipe.config)
    assert (
        values["network"].items() <= {k: plain(v) for k, v in network.items()}.items()
    )
    assert len(recipe.stages) == len(values["stage"])
    for built, stage in zip(recipe.stages, values["stage"], strict=True):
        built = asdict(built)
        for part in ("rule", "view"):
            stated = values.get(part, {}) | stage.pop(part, {})
            found = {key: plain(value) for key, value in built[part].items()}
            assert {key: found[key] for key in stated} == stated
        assert {key: built[key] for key in stage} == stage


def test_the_brain_is_searched_upright_as_its_file_says():
    recipe = module_of("brain-afids").RECIPE
    stated = shipped_values("brain-afids")["arrangement"]
    assert {key: getattr(recipe, key) for key in stated} == stated
    assert module_of("digital-patient").RECIPE.turn_gain is None


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_a_published_file_says_is_what_is_trained(name):
    recipe, values = module_of(name).RECIPE, shipped_values(name)
    lengths = {"n_updates": recipe.n_updates, "n_episodes": recipe.n_episodes}
    assert values["training"] == lengths
    counts = list(values["data"].values())
    assert list(recipe.make_cases.keywords.values()) == counts
    assert all(str(count) in recipe.data for count in counts)


def test_patients_are_drawn_as_the_file_says():
    recipe = module_of("digital-patient").RECIPE
    values = shipped_values("digital-patient")["data"]
    patients = recipe.make_cases.keywords["patients"]
    assert {key: plain(v) for key, v in patients.model_dump().items()} == values
    assert "each in nine physical and seven random contrasts" in recipe.data


def changed(tmp_path, name, old, new):
    """Return the shipped file with one place changed."""
    text = ConfigFile.shipped(name).text
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    return ConfigFile.read(path)


def test_another_number_is_taken_and_the_order_of_stages_kept(tmp_path):
    file = changed(tmp_path, "brain-afids", "n_updates = 700", "n_updates = 9")
    recipe = module_of("brain-afids").recipe_of(file)
    assert [stage.n_updates for stage in recipe.stages] == [3400, 9, 4000, 1400, 2500]
    assert recipe.source.path == tmp_path / "mine.toml"


def test_a_stage_changes_single_keys_of_what_all_share(tmp_path):
    new = "view.noise = 0.5\nrule.discount = 0.9\nn_updates = 3400"
    file = changed(tmp_path, "brain-afids", "n_updates = 3400", new)
    first, second = module_of("brain-afids").recipe_of(file).stages[:2]
    assert (first.view.noise, second.view.noise) == (0.5, ViewSettings().noise)
    assert first.view.shift_mm == second.view.shift_mm == 28.0
    assert (first.rule.discount, first.rule.n_rewards) == (0.9, 3)


def test_the_text_of_the_card_follows_the_numbers(tmp_path):
    file = changed(tmp_path, "digital-patient", "n_patients = 160", "n_patients = 3")
    recipe = module_of("digital-patient").recipe_of(file)
    assert recipe.data.startswith("3 procedural digital patients (numbers 100000 to 10")
    assert recipe.data.split(") ")[0].endswith("100002")
    assert recipe.make_cases.keywords["patients"].n_patients == 3


MISTAKES = [
    ("digital-patient", "noise = 0.05", "nois = 0.05", "view.nois: there is no such"),
    ("digital-patient", "n_patients = 160", "", "data.n_patients: this key is needed"),
    ("digital-patient", "n_patients = 160", "n_patients = 1.5", "data.n_patients"),
    ("digital-patient", "= 2      # of Dixon", "= 5 #", "data.n_other_contrasts"),
    ("digital-patient", "base_mm = 8.0", 'base_mm = "8"', "got '8'"),
    ("digital-patient", "base_mm = 8.0", "base_mm = true", "network.base_mm"),
    ("digital-patient", "base_mm = 8.0", "base_mm = nan", "network.base_mm"),
    ("digital-patient", "[100.0, 100.0, 100.0]", "[600, 1, 1]", "view.extent_mm"),
    ("digital-patient", "[32, 64, 96]", "[32, 64]", "network.channels"),
    ("digital-patient", "has_detail = true", "has_detail = 1", "network.has_detail"),
    ("digital-patient", "[[5, 6]]", "[[5, 10]]", "network: organs must be landmarks"),
    ("digital-patient", "[[5, 6]]", "[[5, -6]]", "network.organs"),
    ("digital-patient", 'learns = "organs"', 'learns = "it"', r"stage\[10\].learns"),
    ("brain-afids", "learning_rate = 1e-3", "learning_rate = 0", r"stage\[2\].learn"),
    ("brain-afids", "n_starts = 192", "seed = 5", r"stage\[1\].seed: there is no such"),
    ("brain-afids", "turn_gain = 1.5", "turn_gain = 0.5", "arrangement.turn_gain"),
    ("brain-afids", "max_looks = 6", "max_looks = 21", "arrangement.max_looks"),
    ("brain-afids", "discount = 0.5", "discount = 1.0", "rule.discount"),
    ("brain-afids", "[network]", "[network", "not TOML"),
    ("midrl-3d", "n_episodes = 4", "n_episodes = 3", "training.n_episodes.*divide 4"),
    ("midrl-3d", "n_whole_bodies = 17", "n_whole_bodies = 0", "data.n_whole_bodies"),
    ("midrl-2d", "n_breasts = 9", "n_breasts = -1", "data.n_breasts"),
    ("midrl-2d", "[training]", "[rules]\n[training]", "rules: there is no such key"),
]


@pytest.mark.parametrize(("name", "old", "new", "message"), MISTAKES)
def test_a_mistake_is_refused_by_file_and_key(tmp_path, name, old, new, message):
    file = changed(tmp_path, name, old, new)
    with pytest.raises(InputError, match=message) as caught:
        module_of(name).recipe_of(file)
    assert caught.value.path == tmp_path / "mine.toml"


def test_whole_numbers_do_for_lengths_and_no_limit_for_edges(tmp_path):
    new = "whole_extent_mm = [inf, 270, 240]\nbias = 1"
    old = "whole_extent_mm = [230.0, 270.0, 240.0]"
    recipe = module_of("brain-afids").recipe_of(
        changed(tmp_path, "brain-afids", old, new)
    )
    view = recipe.stages[0].view
    assert view.whole_extent_mm == (float("inf"), 270.0, 240.0)
    assert (view.bias, type(view.bias)) == (1.0, float)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"a = '\xff'", "UTF-8"), (b"#" * (MAX_BYTES + 1), "larger"), (b"", "needed")],
)
def test_what_is_no_config_file_is_refused(tmp_path, content, message):
    path = tmp_path / "odd.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        ConfigFile.read(path).checked(tables.DenseTable)
    assert caught.value.path == path


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read") as caught:
        ConfigFile.read(tmp_path / "none.toml")
    assert caught.value.path == tmp_path / "none.toml"


def test_a_file_of_another_recipe_is_refused():
    with pytest.raises(InputError, match="data: there is no such key"):
        module_of("brain-afids").recipe_of(ConfigFile.shipped("digital-patient"))
