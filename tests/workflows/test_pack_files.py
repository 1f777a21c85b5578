"""Agents handed on as one file and taken over from one; versions side by side."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_midrl.cli.main import app
from napari_midrl.data.progress import finish
from napari_midrl.errors import InputError, OverwriteError, PackError
from napari_midrl.io.coreset import CORESET_NAME, read_coreset
from napari_midrl.io.model_store import (
    pack_folders,
    read_card,
    read_pack,
    user_packs,
    write_pack,
)
from napari_midrl.io.pack_file import read_pack_file
from napari_midrl.training.dense_loop import DenseTrainingSettings
from napari_midrl.training.views import ViewSettings
from napari_midrl.workflows.finetune import finetune
from napari_midrl.workflows.finetune_settings import FineTuneSettings
from napari_midrl.workflows.pack_files import export_pack, import_pack
from napari_midrl.workflows.pack_versions import (
    compared,
    pack_versions,
    parent_among,
    version_in,
)
from tests.tiny_agents import write_case, write_cases, write_tiny_pack

VIEW = ViewSettings(extent_mm=((40.0,) * 3, (50.0,) * 3), whole_share=0.0)
QUICK = FineTuneSettings(
    hold_out=("case-1",),
    minutes=None,
    n_updates=2,
    n_starts=2,
    n_patients=1,
    training=DenseTrainingSettings(1, n_starts=4, n_fine_landmarks=1, view=VIEW),
)


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    """A tiny pack and its child, which carries images of cases."""
    folder = tmp_path_factory.mktemp("packs")
    write_tiny_pack(folder / "tiny")
    write_cases(folder / "cases", 3)
    write_case(folder / "cases" / "case-3", 3, ["new", "old"])
    data = str(folder / "cases")
    finish(finetune(str(folder / "tiny"), data, str(folder / "child"), QUICK))
    return folder


@pytest.fixture
def store(tmp_path, monkeypatch):
    """An empty store of this test alone."""
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_: str(tmp_path / "home"))
    return user_packs()


def exported(packs, tmp_path, name="child", **options):
    path = tmp_path / f"{name}.midrl-pack"
    return finish(export_pack(str(packs / name), path, **options))


def test_agents_come_back_as_they_were(packs, store, tmp_path):
    folder = finish(import_pack(exported(packs, tmp_path, with_images=True)))
    assert folder == store / "child"
    assert pack_folders()["child"] == folder
    old, new = read_pack(packs / "child"), read_pack(folder)
    assert new.card == old.card
    for name, tensor in old.tensors.items():
        np.testing.assert_array_equal(new.tensors[name], tensor)
    assert read_coreset(folder, new.card.coreset_sha256)
    assert [path.name for path in store.iterdir()] == ["child"]


def test_images_of_patients_stay_here_unless_asked_for(packs, store, tmp_path):
    path = exported(packs, tmp_path)
    assert CORESET_NAME not in read_pack_file(path).contents
    card = read_card(finish(import_pack(path)))
    assert card.coreset_sha256 == ""
    assert replace_hash(card) == replace_hash(read_card(packs / "child"))


def replace_hash(card):
    return card.model_copy(update={"coreset_sha256": ""})


def test_a_name_that_is_taken_is_refused_and_another_one_helps(packs, store, tmp_path):
    path = exported(packs, tmp_path)
    finish(import_pack(path))
    with pytest.raises(OverwriteError, match="another name"):
        finish(import_pack(path))
    assert finish(import_pack(path, "other")).name == "other"
    with pytest.raises(OverwriteError):
        finish(import_pack(path, "digital-patient"))
    with pytest.raises(InputError, match="cannot be called"):
        finish(import_pack(path, "../evil"))
    assert sorted(p.name for p in store.iterdir()) == ["child", "other"]


def test_weights_that_do_not_fit_the_network_are_refused(packs, store, tmp_path):
    """Every hash is right, but it could not search."""
    pack = read_pack(packs / "tiny")
    tensors = dict(pack.tensors)
    name = next(iter(tensors))
    tensors[name] = tensors[name][..., :0]
    bad = tmp_path / "bad"
    write_pack(bad, pack.card.model_dump(exclude={"weights_sha256"}), tensors)
    path = finish(export_pack(str(bad), tmp_path / "bad.midrl-pack"))
    with pytest.raises(PackError) as caught:
        finish(import_pack(path))
    assert caught.value.path == path
    assert not any(store.iterdir())


def test_a_card_that_is_damaged_is_told_by_the_file(packs, store, tmp_path):
    """Hashes that its maker filled in himself do not make a card sound."""
    from napari_midrl.io.pack_file import PackFile, write_pack_file

    contents = dict(read_pack_file(exported(packs, tmp_path)).contents)
    card = json.loads(contents["model.json"]) | {"landmarks": ["new", "new"]}
    contents["model.json"] = json.dumps(card).encode()
    path = write_pack_file(PackFile(contents), tmp_path / "b.midrl-pack")
    with pytest.raises(PackError, match=r"b\.midrl-pack: model\.json: landmarks"):
        finish(import_pack(path))
    assert not any(store.iterdir())


def test_a_stopped_import_leaves_nothing(packs, store, tmp_path):
    task = import_pack(exported(packs, tmp_path))
    next(task)
    next(task)
    task.close()
    assert not any(store.iterdir())


def test_the_commands_export_import_list_and_compare(packs, store, tmp_path):
    def run(*arguments):
        return CliRunner().invoke(app, ["agents", *map(str, arguments)])

    path = tmp_path / "mine.midrl-pack"
    assert run("export", packs / "child", path).exit_code == 0
    assert run("export", packs / "child", path).exit_code == 2
    assert "mine" in run("import", path, "--name", "mine").stdout
    (line,) = [x for x in run("list").stdout.splitlines() if x.startswith("mine")]
    assert line.split()[1] == "tiny"
    result = run("compare", packs / "tiny", packs / "child")
    assert "held out" in result.stdout
    assert "newer" in result.stdout
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../x", b"x")
    refused = run("import", path, "--name", "again")
    assert (refused.exit_code, "no part of a pack" in refused.stderr) == (2, True)


def test_children_are_listed_after_their_parents(packs, store, tmp_path):
    for name in ("child", "tiny"):
        finish(import_pack(exported(packs, tmp_path, name)))
    names = [version.name for version in pack_versions()]
    assert names.index("child") == names.index("tiny") + 1
    child, tiny = (version_in(store / name) for name in ("child", "tiny"))
    assert parent_among(child, pack_versions()).name == "tiny"
    assert parent_among(tiny, pack_versions()) is None
    assert child.finished.startswith("20")
    assert [name for name, _ in child.held_out] == ["case-1"]


def test_a_child_is_compared_with_what_its_parent_did_on_the_same_cases(packs):
    tiny, child = (version_in(packs / name) for name in ("tiny", "child"))
    comparison = compared(tiny, child)
    assert comparison.caution == ""
    rows = {row.landmark: row for row in comparison.rows if row.group == "held out"}
    # The parent does not know the landmark that the child was taught.
    assert rows["new"].one is None
    assert rows["new"].other.agents == "after"
    assert rows["old"].one.agents == "before"


def test_numbers_of_different_cases_come_with_a_caution(packs):
    child = version_in(packs / "child")
    stranger = replace(child, weights_sha256="0" * 64, held_out=(("x", ("1",)),))
    assert "different held-out cases" in compared(child, stranger).caution
    same = replace(child, weights_sha256="0" * 64)
    assert compared(child, same).caution == ""
    assert "same agents" in compared(child, child).caution


def test_published_agents_say_why_they_cannot_be_fine_tuned(packs):
    version = replace(version_in(packs / "tiny"), architecture="midrl-3d")
    assert "midrl-3d cannot be fine-tuned" in version.reason_against
