"""Protocols that ship, a user's own, and Slicer's templates."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_midrl.data.landmarks import Landmark, LandmarkSet, LandmarkStatus
from napari_midrl.data.protocol import LandmarkProtocol, ProtocolLandmark
from napari_midrl.errors import MidrlError, OverwriteError, ProtocolError
from napari_midrl.io.landmarks import write_landmarks
from napari_midrl.io.model_store import find_pack, read_card
from napari_midrl.io.protocols import (
    find_protocol,
    protocol_files,
    read_protocol,
    write_protocol,
)

KNEES = LandmarkProtocol(
    "knees",
    "Knees",
    (
        ProtocolLandmark("left", "of the patient", "#FF0000", "right", 2),
        ProtocolLandmark("right", mirror="left", number=1),
        ProtocolLandmark("Wirbel Ⅻ, 'vorn'"),
    ),
    source="a test",
)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """The user's own data folder, empty."""
    folder = tmp_path / "home"
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_: str(folder))
    return folder / "protocols"


# --- shipped ---------------------------------------------------------------------


def test_three_protocols_ship():
    assert sorted(protocol_files()) == ["afids-32", "lumbar", "midrl"]


@pytest.mark.parametrize("name", ["afids-32", "lumbar", "midrl"])
def test_a_shipped_protocol_is_described_and_colored(name):
    protocol = find_protocol(name)

    assert protocol.name == name
    assert protocol.source
    assert all(m.description and m.color for m in protocol.landmarks)


@pytest.mark.parametrize(
    ("name", "pack"), [("midrl", "digital-patient"), ("afids-32", "brain-afids")]
)
def test_proposals_of_the_shipped_agents_fit_the_shipped_protocols(name, pack):
    """Same names in the same order: a proposal finds its landmark by name."""
    assert list(find_protocol(name).names) == read_card(find_pack(pack)).landmarks


def test_afids_are_numbered_as_their_files_number_them():
    landmarks = find_protocol("afids-32").landmarks

    assert [m.number for m in landmarks] == list(range(1, 33))
    assert landmarks[1].description == "posterior commissure"


def test_what_comes_in_pairs_names_its_partner():
    assert find_protocol("midrl")["left knee"].mirror == "right knee"
    assert find_protocol("afids-32")["L MB"].mirror == "R MB"
    assert find_protocol("afids-32")["AC"].mirror is None
    assert {m.mirror for m in find_protocol("lumbar").landmarks} == {None}


# --- the user's own --------------------------------------------------------------


def test_a_protocol_is_read_as_it_was_written(tmp_path):
    path = write_protocol(KNEES, tmp_path / "knees.json")

    assert read_protocol(path) == KNEES
    with pytest.raises(OverwriteError):
        write_protocol(KNEES, path)


def test_own_protocols_are_found_by_name_or_file(own_folder, tmp_path):
    own_folder.mkdir(parents=True)
    write_protocol(KNEES, own_folder / "knees.json")
    elsewhere = write_protocol(KNEES, tmp_path / "other.json")

    assert find_protocol("knees") == find_protocol(str(elsewhere)) == KNEES


def test_a_shipped_name_is_the_shipped_protocol(own_folder):
    own_folder.mkdir(parents=True)
    write_protocol(KNEES, own_folder / "midrl.json")

    assert len(find_protocol("midrl").landmarks) == 10


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(ProtocolError, match=r"'elbow'.*afids-32.*lumbar.*midrl"):
        find_protocol("elbow")


def fields(**changes):
    """A protocol file with some fields changed."""
    good = {"name": "a", "title": "A", "landmarks": [{"name": "x"}, {"name": "y"}]}
    return json.dumps(good | changes)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "cannot be read"),
        ("[]", "valid dictionary"),
        ("[" * 100_000, "cannot be read"),
        (fields(landmarks=[]), "at least one landmark"),
        (fields(landmarks=[{"name": "x"}, {"name": "x"}]), "twice: .'x'"),
        (fields(landmarks=[{"name": " x"}]), "without blanks"),
        (fields(landmarks=[{"name": "x\ny"}]), "one line"),
        (fields(landmarks=[{"name": 3}]), r"landmarks\.0\.name: .*string"),
        (
            fields(landmarks=[{"name": "x", "colour": "red"}]),
            r"colour: .*not permi",
        ),
        (fields(landmarks=[{"name": "x", "color": "red"}]), "#RRGGBB"),
        (fields(landmarks=[{"name": "x", "mirror": "z"}]), "must name each other"),
        (fields(landmarks=[{"name": "x", "mirror": "x"}]), "must name each other"),
        (
            fields(landmarks=[{"name": "x", "number": 1}, {"name": "y", "number": 1}]),
            "twice: .'1'",
        ),
        (fields(landmarks=[{"name": "x", "number": 0}]), "at least 1"),
        (fields(name="../a"), "named like"),
        (fields(schema_version=2), "schema_version"),
    ],
)
def test_a_bad_file_is_refused_by_name_and_cause(tmp_path, text, cause):
    path = tmp_path / "own.json"
    path.write_text(text)

    with pytest.raises(ProtocolError, match=rf"own\.json: .*{cause}") as caught:
        read_protocol(path)
    assert caught.value.path == path


@given(content=st.binary(max_size=200))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("name", ["own.json", "own.mrk.json"])
def test_any_bytes_give_a_protocol_or_a_typed_error(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    try:
        protocol = read_protocol(path)
    except MidrlError:
        return
    assert protocol.landmarks


def test_the_example_of_the_documentation_is_a_protocol(tmp_path):
    page = Path(__file__).parents[2] / "docs" / "files-and-frames.md"
    (example,) = re.findall("```json\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    path = tmp_path / "own.json"
    path.write_text(example, encoding="utf-8")

    assert read_protocol(path).names == ("left knee", "right knee")


# --- Slicer templates ------------------------------------------------------------


def test_a_slicer_template_becomes_a_protocol(tmp_path):
    """Saved with all points undefined, or from a finished case: positions are moot."""
    path = tmp_path / "My Knees.mrk.json"
    marks = (
        Landmark("b", None, LandmarkStatus.UNDEFINED, description="the second"),
        Landmark("a", (1, 2, 3)),
    )
    write_landmarks(LandmarkSet(marks), path)

    protocol = read_protocol(path)

    assert (protocol.name, protocol.title) == ("my-knees", "My Knees")
    assert protocol.names == ("b", "a")
    assert protocol["b"].description == "the second"


def test_a_slicer_template_without_points_is_refused(tmp_path):
    path = tmp_path / "none.mrk.json"
    write_landmarks(LandmarkSet(()), path)

    with pytest.raises(ProtocolError, match=r"none\.mrk\.json: .*at least one"):
        read_protocol(path)


def test_a_damaged_slicer_template_is_a_protocol_error(tmp_path):
    path = tmp_path / "bad.mrk.json"
    path.write_text("{}")

    with pytest.raises(ProtocolError, match=r"bad\.mrk\.json: .*markups"):
        read_protocol(path)
