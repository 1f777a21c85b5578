"""Agent packs on disk: kept whole, and nothing in them believed unchecked."""

import json
import struct

import numpy as np
import pytest

from napari_midrl.errors import PackError
from napari_midrl.io import model_store
from napari_midrl.io.model_store import (
    CARD_NAME,
    WEIGHTS_NAME,
    find_pack,
    pack_folders,
    read_card,
    read_pack,
    write_pack,
)

CARD = {
    "name": "tiny",
    "title": "Tiny agents",
    "version": "1.0",
    "description": "Für Tests.",
    "architecture": "midrl-dense",
    "config": {"base_mm": 2.0, "channels": [4, 4, 4]},
    "landmarks": ["AC", "PC"],
    "training": {
        "recipe": "none",
        "data": "none",
        "licence": "none",
        "seed": 0,
        "n_updates": 1,
        "seconds": 0.5,
    },
    "intended_use": "Tests.",
    "limits": "Not a medical device.",
}
TENSORS = {
    "a.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1),
    "a.bias": np.array([-1.5, 2.5], dtype=np.float32),
}


@pytest.fixture
def pack(tmp_path):
    write_pack(tmp_path / "tiny", CARD, TENSORS)
    return tmp_path / "tiny"


def change_card(folder, **changes):
    path = folder / CARD_NAME
    card = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**card, **changes}), encoding="utf-8")


def with_weights(folder, content):
    """Put other bytes in the place of the weights, and their hash on the card."""
    (folder / WEIGHTS_NAME).write_bytes(content)
    digest = model_store.hashlib.sha256(content).hexdigest()
    change_card(folder, weights_sha256=digest)


def safetensors(header, body=b""):
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(content)) + content + body


def test_a_pack_comes_back_as_it_was_written(pack):
    loaded = read_pack(pack)
    assert loaded.folder == pack
    assert loaded.card.name == "tiny"
    assert loaded.card.description == "Für Tests."
    assert loaded.card.landmarks == ["AC", "PC"]
    assert set(loaded.tensors) == set(TENSORS)
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(loaded.tensors[name], array)
        assert loaded.tensors[name].dtype == array.dtype


def test_the_same_weights_have_the_same_hash(tmp_path):
    hashes = {
        write_pack(tmp_path / name, CARD, TENSORS).weights_sha256 for name in "ab"
    }
    assert len(hashes) == 1


def test_writing_leaves_two_files_and_nothing_else(pack):
    write_pack(pack, CARD, TENSORS)
    assert sorted(p.name for p in pack.iterdir()) == [CARD_NAME, WEIGHTS_NAME]


def test_a_write_cut_short_is_not_taken_for_a_pack(pack, monkeypatch):
    """The card is written last and names the hash of the weights."""
    other = {name: array + 1 for name, array in TENSORS.items()}

    def fail(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(model_store.json, "dumps", lambda *_a, **_k: "x")
    replace = model_store.Path.replace
    written = []

    def replace_once(self, target):
        if written:
            fail()
        written.append(target)
        return replace(self, target)

    monkeypatch.setattr(model_store.Path, "replace", replace_once)
    with pytest.raises(KeyboardInterrupt):
        write_pack(pack, CARD, other)
    monkeypatch.undo()
    assert [path.name for path in written] == [WEIGHTS_NAME]
    with pytest.raises(PackError, match="SHA-256"):
        read_pack(pack)


@pytest.mark.parametrize("where", [0, 40, -1])
def test_a_changed_byte_in_the_weights_is_noticed(pack, where):
    path = pack / WEIGHTS_NAME
    content = bytearray(path.read_bytes())
    content[where] ^= 1
    path.write_bytes(content)
    with pytest.raises(PackError, match="SHA-256") as caught:
        read_pack(pack)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"weights_sha256": "not a hash"}, "weights_sha256"),
        ({"backdoor": "import os"}, "backdoor"),
        ({"training": {"recipe": "x"}}, r"training\."),
        ({"name": "../../etc"}, "name"),
        ({"name": "Brain Afids"}, "name"),
        ({"landmarks": []}, "landmarks"),
        ({"landmarks": ["AC", "AC"]}, "landmarks"),
        ({"landmarks": ["AC", ""]}, "landmarks"),
        ({"architecture": "pickle"}, "architecture"),
        ({"schema_version": 2}, "schema_version"),
    ],
)
def test_a_card_that_is_not_a_card_is_refused_by_field(pack, changes, cause):
    change_card(pack, **changes)
    with pytest.raises(PackError, match=cause) as caught:
        read_card(pack)
    assert caught.value.path == pack / CARD_NAME


RELIABLE = {"means": [0.0], "scales": [1.0], "weights": [1.0], "bias": 0.0}


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"reject_below": 0.1}, r"reliability\.reject_below"),
        ({"reject_below": {"AC": 1.1}}, r"reject_below\.AC"),
        ({"reject_below": {"AC": -1e-9}}, r"reject_below\.AC"),
        ({"reject_below": {"AC": float("nan")}}, r"reject_below\.AC"),
        ({"reject_below": {"AC": "never"}}, r"reject_below\.AC"),
        ({"reject_below": {"heart": 0.1}}, "heart"),
        ({"landmark_bias": {"heart": 0.1}}, "heart"),
        ({"landmark_bias": {"PC": float("inf")}}, r"landmark_bias\.PC"),
        ({"landmark_bias": [0.1, 0.2]}, "landmark_bias"),
        ({"reject_below": dict.fromkeys(map(str, range(513)), 0.0)}, "reject_below"),
        ({"backdoor": {"AC": 0.1}}, "backdoor"),
    ],
)
def test_a_reliability_is_of_landmarks_the_agents_know(pack, changes, cause):
    change_card(pack, reliability={**RELIABLE, "reject_below": {"AC": 0.1}})
    assert read_card(pack).reliability.reject_below == {"AC": 0.1}
    change_card(pack, reliability={**RELIABLE, **changes})
    with pytest.raises(PackError, match=cause) as caught:
        read_card(pack)
    assert caught.value.path == pack / CARD_NAME


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"null"])
def test_a_card_that_is_not_json_is_refused(pack, content):
    (pack / CARD_NAME).write_bytes(content)
    with pytest.raises(PackError) as caught:
        read_card(pack)
    assert caught.value.path == pack / CARD_NAME


@pytest.mark.parametrize(
    ("limit", "name"),
    [("MAX_CARD_BYTES", CARD_NAME), ("MAX_WEIGHTS_BYTES", WEIGHTS_NAME)],
)
def test_a_file_larger_than_allowed_is_not_read(pack, monkeypatch, limit, name):
    monkeypatch.setattr(model_store, limit, 10)
    with pytest.raises(PackError, match="more than the 10 allowed") as caught:
        read_pack(pack)
    assert caught.value.path == pack / name


@pytest.mark.parametrize("name", [CARD_NAME, WEIGHTS_NAME])
def test_a_missing_file_is_named(pack, name):
    (pack / name).unlink()
    with pytest.raises(PackError, match="cannot be read") as caught:
        read_pack(pack)
    assert caught.value.path == pack / name


def test_a_folder_in_the_place_of_a_file_is_named(pack):
    (pack / WEIGHTS_NAME).unlink()
    (pack / WEIGHTS_NAME).mkdir()
    with pytest.raises(PackError, match="cannot be read"):
        read_pack(pack)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04K\x01.",
        struct.pack("<Q", 2**63) + b"{}",
        safetensors(b"{"),
        safetensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}),
        safetensors(
            {"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}},
            bytes(8),
        ),
        safetensors(
            {"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)
        ),
        safetensors(
            {"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}, bytes(4)
        ),
        safetensors(
            {"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}, bytes(4)
        ),
        safetensors(
            {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}},
            struct.pack("<f", float("nan")),
        ),
        safetensors(
            {"a": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}}, bytes(8)
        ),
    ],
    ids=[
        "empty",
        "pickle",
        "endless header",
        "broken header",
        "too few bytes",
        "vast tensor",
        "unknown type",
        "bfloat16",
        "float8",
        "not a number",
        "whole numbers",
    ],
)
def test_weights_that_are_not_plain_float32_are_refused(pack, content):
    with_weights(pack, content)
    with pytest.raises(PackError) as caught:
        read_pack(pack)
    assert caught.value.path == pack / WEIGHTS_NAME


@pytest.fixture
def two_places(tmp_path, monkeypatch):
    """A package folder and a user folder, each with packs of its own."""
    shipped, own = tmp_path / "package", tmp_path / "user"
    monkeypatch.setattr(model_store.resources, "files", lambda _name: shipped)
    monkeypatch.setattr(model_store.platformdirs, "user_data_dir", lambda _name: own)
    for place, names in ((shipped, ("brain", "body")), (own, ("mine", "brain"))):
        for name in names:
            write_pack(place / "packs" / name, {**CARD, "name": name}, TENSORS)
    return shipped / "packs", own / "packs"


def test_packs_of_the_user_are_found_beside_the_shipped_ones(two_places):
    shipped, own = two_places
    assert pack_folders() == {
        "brain": shipped / "brain",
        "body": shipped / "body",
        "mine": own / "mine",
    }
    assert find_pack("mine") == own / "mine"


def test_a_shipped_name_means_the_shipped_pack(two_places):
    """A file in the user's folder cannot quietly stand in for it; its path can."""
    shipped, own = two_places
    assert find_pack("brain") == shipped / "brain"
    assert find_pack(str(own / "brain")) == own / "brain"


def test_a_name_wins_over_a_folder_of_that_name_nearby(
    two_places, tmp_path, monkeypatch
):
    write_pack(tmp_path / "here" / "brain", {**CARD, "name": "brain"}, TENSORS)
    monkeypatch.chdir(tmp_path / "here")
    assert find_pack("brain") == two_places[0] / "brain"


def test_folders_without_a_card_are_no_packs(two_places):
    (two_places[1] / "notes").mkdir()
    (two_places[1] / "readme.txt").write_text("x")
    assert set(pack_folders()) == {"brain", "body", "mine"}


@pytest.mark.usefixtures("two_places")
def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(PackError, match=r"'heart'.*'body', 'brain', 'mine'"):
        find_pack("heart")


def test_no_user_folder_is_no_trouble(tmp_path, monkeypatch):
    nowhere = tmp_path / "nowhere"
    monkeypatch.setattr(
        model_store.platformdirs, "user_data_dir", lambda _name: nowhere
    )
    monkeypatch.setattr(model_store.resources, "files", lambda _name: nowhere)
    assert pack_folders() == {}
