"""A file of annotations comes back exactly, or says why it does not."""

import json
import os
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_midrl.data.annotations import (
    AnnotatedLandmark,
    AnnotationDocument,
    AnnotationSet,
    ImageIdentity,
    Proposal,
    new_annotations,
)
from napari_midrl.data.landmarks import LandmarkSource
from napari_midrl.data.protocol import LandmarkProtocol, ProtocolLandmark
from napari_midrl.errors import (
    AnnotationFileError,
    ChangedOnDiskError,
    InputError,
    MidrlError,
    OtherImageError,
)
from napari_midrl.io.annotation_file import (
    annotation_file_name,
    annotation_text,
    backup_of,
    read_annotations,
    remove_leftovers,
    restore_backup,
    set_aside,
    write_annotations,
)

IMAGE = ImageIdentity("T2w axial", "ab" * 32, "case 7.nii.gz", "T2w", "1.2.3")
PROTOCOL = LandmarkProtocol(
    "knees",
    "Knees",
    (
        ProtocolLandmark("left", "of the patient", "#FF0000", "right", 1),
        ProtocolLandmark("right", mirror="left"),
    ),
)
EMPTY = AnnotationDocument(IMAGE, "Ann", PROTOCOL, new_annotations(PROTOCOL))

# Numbers whose shortest text has 17 digits, and both zeros.
AWKWARD = (0.1 + 0.2, -0.0, 123.45678901234567)


def with_landmarks(*landmarks, proposals=None):
    annotations = AnnotationSet(landmarks, proposals or {})
    return AnnotationDocument(IMAGE, "Ann", PROTOCOL, annotations)


FULL = with_landmarks(
    AnnotatedLandmark(
        "rechts",
        "right",
        AWKWARD,
        source=LandmarkSource.MODEL,
        model="agents 1.0",
        confidence=1 / 3,
        is_locked=True,
    ),
    AnnotatedLandmark("left", "left", is_skipped=True, is_hidden=True),
    AnnotatedLandmark("mine", position_lps_mm=(1, 2, 3)),
    AnnotatedLandmark("open"),
    proposals={"open": Proposal(AWKWARD, "agents 2.0", 2 / 3, "cd" * 32)},
)

NAMES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=9)
POSITIONS = st.tuples(*[st.floats(-1e6, 1e6, allow_subnormal=True)] * 3)
CONFIDENCES = st.none() | st.floats(0, 1)


@st.composite
def documents(draw):
    landmarks = []
    names = draw(st.lists(NAMES, unique=True, max_size=5))
    for number, name in enumerate(names):
        at = draw(st.none() | POSITIONS)
        lock, hide = draw(st.booleans()), draw(st.booleans())
        placed = {}
        if at is not None:
            placed = {
                "source": draw(st.sampled_from(LandmarkSource)),
                "model": draw(st.just("") | NAMES),
                "confidence": draw(CONFIDENCES),
            }
        landmarks.append(
            AnnotatedLandmark(
                name,
                PROTOCOL.names[number] if number < draw(st.integers(0, 2)) else "",
                at,
                at is None and draw(st.booleans()),
                is_locked=lock,
                is_hidden=hide,
                **placed,
            )
        )
    proposed = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    proposals = {
        name: draw(st.builds(Proposal, POSITIONS, NAMES, CONFIDENCES))
        for name in proposed
    }
    return with_landmarks(*landmarks, proposals=proposals)


def refused(text, tmp_path):
    """Return the error that a file of this text gives."""
    path = tmp_path / "a.midrl.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AnnotationFileError, match=r"a\.midrl\.json: ") as caught:
        read_annotations(path)
    return caught.value


def changed(document=FULL, **changes):
    """Return the text of a file with fields changed; None takes a field away."""
    fields = json.loads(annotation_text(document)) | changes
    return json.dumps({k: v for k, v in fields.items() if v is not None})


# --- round trip ------------------------------------------------------------------


@given(document=documents())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_what_is_read_is_what_was_written(tmp_path, document):
    path = tmp_path / "a.midrl.json"
    path.unlink(missing_ok=True)
    stamp = write_annotations(document, path, expected=None)
    stored = read_annotations(path)

    assert stored.document == document
    # Equality does not tell -0.0 from 0.0; the texts do.
    assert repr(stored.document) == repr(document)
    assert stored.stamp == stamp


def test_the_file_says_everything_in_plain_words(tmp_path):
    """Somebody may have to read it in ten years, without this program."""
    path = tmp_path / "a.midrl.json"
    write_annotations(FULL, path, expected=None, software="napari-midrl 9")
    fields = json.loads(path.read_text("utf-8"))

    assert (fields["space"], fields["units"]) == ("LPS", "mm")
    assert fields["image"]["name"] == "T2w axial"
    assert fields["reader"] == "Ann"
    assert fields["software"] == "napari-midrl 9"
    assert [m["state"] for m in fields["landmarks"]] == [
        "placed", "skipped", "placed", "undefined"
    ]  # fmt: skip
    assert [p["name"] for p in fields["proposals"]] == ["open"]
    assert "0.30000000000000004" in path.read_text("utf-8")


def test_proposals_are_in_their_own_section_only():
    fields = json.loads(annotation_text(FULL))

    assert "agents 2.0" not in json.dumps(fields["landmarks"])


# --- damaged files ---------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 100, -2])
def test_a_truncated_file_is_refused(tmp_path, length):
    assert "cannot be read" in str(refused(annotation_text(FULL)[:length], tmp_path))


LANDMARK = json.loads(annotation_text(FULL))["landmarks"][0]
PROPOSAL = json.loads(annotation_text(FULL))["proposals"][0]


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"format": "other"}, "not a file of annotations"),
        ({"schema_version": 2}, "version 2; this program reads 1"),
        ({"space": "RAS"}, "space: .*'LPS'"),
        ({"reader": None}, "reader: Field required"),
        ({"reader": ""}, "one line of text"),
        ({"extra": 1}, "extra: .*not permitted"),
        ({"landmarks": [LANDMARK, LANDMARK]}, "twice: ..rechts"),
        (
            {"landmarks": [LANDMARK | {"protocol_name": "nose"}], "proposals": []},
            "not ask for ..nose",
        ),
        ({"landmarks": [LANDMARK | {"state": "skipped"}]}, "is skipped at"),
        ({"landmarks": [LANDMARK | {"position_lps_mm": None}]}, "is placed at None"),
        ({"landmarks": [LANDMARK | {"position_lps_mm": [1, 2]}]}, "at least 3"),
        (
            {"landmarks": [LANDMARK | {"position_lps_mm": [1, 2, "3"]}]},
            r"landmarks\.0\.position_lps_mm\.2: .*number",
        ),
        (
            {"landmarks": [LANDMARK | {"position_lps_mm": [1, 2, float("nan")]}]},
            "finite",
        ),
        ({"landmarks": [LANDMARK | {"confidence": 2}]}, "between 0 and 1"),
        ({"proposals": [PROPOSAL, PROPOSAL]}, "two proposals"),
        ({"proposals": [PROPOSAL | {"name": "nose"}]}, "no landmark: ..nose"),
        ({"image": {"name": "a", "sha256": "12"}}, r"image\.sha256"),
    ],
    ids=str,
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path, changes, cause):
    text = changed(**{k: v for k, v in changes.items() if v is not None})
    for key in [k for k, v in changes.items() if v is None]:
        text = json.dumps({k: v for k, v in json.loads(text).items() if k != key})

    assert refused(text, tmp_path).args
    with pytest.raises(AnnotationFileError, match=cause):
        read_annotations(tmp_path / "a.midrl.json")


@given(content=st.binary(max_size=300))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_one_typed_error(tmp_path, content):
    path = tmp_path / "a.midrl.json"
    path.write_bytes(content)
    with pytest.raises(MidrlError, match=r"a\.midrl\.json"):
        read_annotations(path)


def test_a_damaged_file_names_the_one_before_and_is_not_replaced_by_it(tmp_path):
    path = tmp_path / "a.midrl.json"
    stamp = write_annotations(FULL, path, expected=None)
    write_annotations(EMPTY, path, expected=stamp)
    path.write_text("{")

    with pytest.raises(AnnotationFileError, match=r"kept as a\.midrl\.json\.bak"):
        read_annotations(path)
    assert path.read_text() == "{"


def test_the_one_before_can_be_put_back_and_the_damaged_one_is_kept(tmp_path):
    path = tmp_path / "a.midrl.json"
    stamp = write_annotations(FULL, path, expected=None)
    write_annotations(EMPTY, path, expected=stamp)
    path.write_text("{")

    (kept,) = restore_backup(path)

    assert read_annotations(path).document == FULL
    assert read_annotations(backup_of(path).rename(tmp_path / "b")).document == FULL
    assert kept.read_text() == "{"


def test_a_damaged_backup_is_not_put_back(tmp_path):
    path = tmp_path / "a.midrl.json"
    path.write_text("{")
    backup_of(path).write_text("[")

    with pytest.raises(AnnotationFileError, match=r"a\.midrl\.json\.bak: "):
        restore_backup(path)
    assert path.read_text() == "{"


def test_a_missing_file_names_the_one_before(tmp_path):
    path = tmp_path / "a.midrl.json"
    stamp = write_annotations(FULL, path, expected=None)
    write_annotations(FULL, path, expected=stamp)
    path.unlink()

    with pytest.raises(AnnotationFileError, match=r"no such file; .*json\.bak"):
        read_annotations(path)
    assert restore_backup(path) == ()
    assert read_annotations(path).document == FULL


def test_files_can_be_set_aside_to_begin_anew(tmp_path):
    path = tmp_path / "a.midrl.json"
    for text in ("1", "2"):
        path.write_text(text)
        backup_of(path).write_text("bak " + text)
        set_aside(path)

    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a.midrl.json.aside-1",
        "a.midrl.json.aside-2",
        "a.midrl.json.bak.aside-1",
        "a.midrl.json.bak.aside-2",
    ]


# --- of another image or reader --------------------------------------------------


def test_a_file_of_another_image_is_refused_with_both_names(tmp_path):
    path = tmp_path / "a.midrl.json"
    write_annotations(FULL, path, expected=None)
    other = ImageIdentity("T1w sagittal", "ef" * 32)

    with pytest.raises(OtherImageError, match=r"'T2w axial'.*'T1w sagittal'"):
        read_annotations(path, image=other)


def test_a_renamed_image_is_still_the_same_image(tmp_path):
    path = tmp_path / "a.midrl.json"
    write_annotations(FULL, path, expected=None)

    renamed = ImageIdentity("my favorite", IMAGE.sha256)
    assert read_annotations(path, image=renamed).document == FULL


def test_a_file_of_another_reader_is_refused_with_both_names(tmp_path):
    path = tmp_path / "a.midrl.json"
    write_annotations(FULL, path, expected=None)

    with pytest.raises(AnnotationFileError, match="'Ann', not of 'Bob'"):
        read_annotations(path, reader="Bob")


# --- writing ---------------------------------------------------------------------


def test_a_file_that_was_not_read_is_not_replaced(tmp_path):
    path = tmp_path / "a.midrl.json"
    write_annotations(FULL, path, expected=None)

    with pytest.raises(ChangedOnDiskError, match="nothing was read from it"):
        write_annotations(EMPTY, path, expected=None)
    assert read_annotations(path).document == FULL


def test_a_change_by_somebody_else_is_noticed_and_kept(tmp_path):
    path = tmp_path / "a.midrl.json"
    mine = write_annotations(EMPTY, path, expected=None)
    theirs = write_annotations(FULL, path, expected=mine)

    with pytest.raises(ChangedOnDiskError, match=r"a\.midrl\.json: was changed"):
        write_annotations(EMPTY, path, expected=mine)
    assert read_annotations(path).stamp == theirs
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a.midrl.json",
        "a.midrl.json.bak",
    ]


def test_a_change_in_the_middle_of_writing_is_noticed(tmp_path, monkeypatch):
    path = tmp_path / "a.midrl.json"
    mine = write_annotations(EMPTY, path, expected=None)
    write = type(path).write_bytes

    def write_and_meddle(target, content):
        write(target, content)
        path.write_text("theirs")

    monkeypatch.setattr(type(path), "write_bytes", write_and_meddle)
    with pytest.raises(ChangedOnDiskError):
        write_annotations(FULL, path, expected=mine)
    assert path.read_text() == "theirs"


def test_a_deleted_file_is_written_anew(tmp_path):
    path = tmp_path / "a.midrl.json"
    stamp = write_annotations(EMPTY, path, expected=None)
    path.unlink()
    write_annotations(FULL, path, expected=stamp)

    assert read_annotations(path).document == FULL


def test_a_missing_folder_is_one_clear_error(tmp_path):
    with pytest.raises(InputError, match=r"a\.midrl\.json: cannot be written"):
        write_annotations(FULL, tmp_path / "gone" / "a.midrl.json", expected=None)


def test_only_old_leftovers_are_removed(tmp_path):
    old, new, other = (
        tmp_path / name
        for name in (".1.midrl-unfinished", ".2.midrl-unfinished", ".3.json")
    )
    for path in (old, new, other):
        path.write_text("{")
        long_ago = time.time() - 7200
        os.utime(path, None if path is new else (long_ago, long_ago))
    remove_leftovers(tmp_path)

    assert {p.name for p in tmp_path.iterdir()} == {new.name, other.name}


def test_the_name_of_a_file_is_plain_and_follows_the_voxels():
    name = annotation_file_name(IMAGE, "Ann Bö/../")
    assert name == "case-7.abababab.Ann-Bö.midrl.json"

    renamed = ImageIdentity("x", IMAGE.sha256, IMAGE.file)
    assert annotation_file_name(renamed, "A") == annotation_file_name(IMAGE, "A")
    unnamed = ImageIdentity("T2w", "cd" * 32)
    assert annotation_file_name(unnamed, "..") == "T2w.cdcdcdcd.unnamed.midrl.json"


# --- export ----------------------------------------------------------------------


def test_landmarks_for_export_carry_image_reader_and_model():
    out = FULL.as_landmark_set("case 7")

    assert (out.image_name, out.image_sha256) == ("T2w axial", "ab" * 32)
    assert (out.case_id, out.sequence) == ("case 7", "T2w")
    assert [m.status.value for m in out] == [
        "defined", "skipped", "defined", "undefined"
    ]  # fmt: skip
    assert (out["rechts"].rater, out["mine"].rater) == ("agents 1.0", "Ann")
    assert out["rechts"].confidence == 1 / 3
    assert out["left"].description == "of the patient"


def test_open_proposals_are_exported_by_themselves():
    out = FULL.proposals_as_landmark_set()

    assert [m.name for m in out] == ["open"]
    assert out["open"].position_lps_mm == AWKWARD
    assert out["open"].source == LandmarkSource.MODEL
    assert out.model_sha256 == "cd" * 32
