"""A session loses nothing: every change is on the disk before it counts."""

from datetime import datetime

import numpy as np
import pytest

from napari_midrl.annotation.commands import (
    Accept,
    AddProposals,
    Delete,
    Lock,
    Move,
    Place,
    Rename,
    Skip,
)
from napari_midrl.annotation.imports import Conflicts, Import, Strangers
from napari_midrl.data.annotations import Proposal, identity_of, new_annotations
from napari_midrl.data.landmarks import Landmark, LandmarkSet, LandmarkSource
from napari_midrl.data.progress import finish
from napari_midrl.data.protocol import LandmarkProtocol, ProtocolLandmark
from napari_midrl.data.volume import Volume
from napari_midrl.errors import (
    AnnotationFileError,
    ChangedOnDiskError,
    EditError,
    InputError,
    LandmarkFileError,
    OtherImageError,
)
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.annotation_file import read_annotations, restore_backup, set_aside
from napari_midrl.io.images import read_image, write_nifti
from napari_midrl.io.landmarks import write_landmarks
from napari_midrl.workflows.annotate import (
    AnnotationSession,
    default_path,
    import_command,
    open_session,
    proposal_command,
)
from napari_midrl.workflows.annotation_cases import case_rows, next_case

PROTOCOL = LandmarkProtocol("abc", "ABC", tuple(map(ProtocolLandmark, "abc")))
HERE, THERE = (0.1 + 0.2, -2.0, 3.5), (4.0, 5.0, 6.0)

# Oblique, anisotropic, left-handed.
TURN = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, -1.0]])
AFFINE = np.eye(4)
AFFINE[:3, :3] = TURN * (1.0, 2.0, 3.0)


def make_volume(name="T2w", seed=0):
    array = np.random.default_rng(seed).normal(size=(4, 5, 6)).astype(np.float32)
    return Volume(array, VoxelGrid((4, 5, 6), AFFINE), name)


VOLUME = make_volume()
EMPTY = new_annotations(PROTOCOL)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.midrl.json"


def reopened(path, volume=VOLUME, reader="Ann"):
    return open_session(volume, PROTOCOL, reader, path)


# --- editing ---------------------------------------------------------------------


def test_nothing_is_written_before_the_first_change(path):
    session = reopened(path)

    assert session.annotations == new_annotations(PROTOCOL)
    assert session.saved_text == "nothing to save yet -> a.midrl.json"
    assert not path.exists()


def test_every_step_is_on_the_disk_when_it_returns(path):
    session = reopened(path)
    steps = [
        lambda: session.apply(Place("a", HERE)),
        lambda: session.apply(AddProposals({"b": Proposal(THERE, "m", 0.5)})),
        lambda: session.apply(Accept("b")),
        session.undo,
        session.undo,
        session.redo,
        lambda: session.apply(Skip("c")),
    ]
    for step in steps:
        now = step()
        assert now is session.annotations
        assert read_annotations(path).document.annotations == now
        assert read_annotations(path).document == session.document


def test_a_session_goes_on_where_the_last_one_ended(path):
    """However that ended: nothing was kept back for a proper goodbye."""
    before = reopened(path).apply(Place("a", HERE))

    session = reopened(path)
    assert session.annotations == before
    assert session.annotations["a"].position_lps_mm == HERE
    session.apply(Move("a", THERE))
    assert reopened(path).annotations["a"].position_lps_mm == THERE


def test_undo_and_redo_say_what_they_would_do(path):
    session = reopened(path)
    session.apply(Place("a", HERE))
    session.undo()

    assert (session.undo_text, session.redo_text) == (None, "place a")
    with pytest.raises(EditError, match="nothing to undo"):
        session.undo()


def test_a_refused_command_writes_nothing(path):
    session = reopened(path)
    session.apply(Place("a", HERE))
    content = path.read_bytes()

    with pytest.raises(EditError):
        session.apply(Place("a", THERE))
    assert path.read_bytes() == content


def test_a_command_that_changes_nothing_writes_nothing(path):
    session = reopened(path)
    session.apply(Lock("a"))
    path.unlink()

    session.apply(Lock("a"))
    assert not path.exists()


def test_a_change_that_cannot_be_written_does_not_count(path, monkeypatch):
    session = reopened(path)
    before = session.apply(Place("a", HERE))

    def full(*_args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(type(path), "write_bytes", full)
        with pytest.raises(InputError, match="No space left on device"):
            session.apply(Move("a", THERE))
    assert session.annotations is before
    assert session.undo_text == "place a"
    session.apply(Move("a", THERE))
    assert reopened(path).annotations == session.annotations


def test_the_user_sees_when_and_where_it_was_saved(path):
    times = iter([datetime(2026, 1, 2, 14, 5), datetime(2026, 1, 2, 14, 7)])
    document = reopened(path).document
    session = AnnotationSession(document, path, clock=lambda: next(times))

    session.apply(Place("a", HERE))
    assert session.saved_text == "saved 14:05 -> a.midrl.json"
    session.undo()
    assert session.saved_text == "saved 14:07 -> a.midrl.json"


# --- what may go wrong with the file ---------------------------------------------


def test_a_damaged_file_is_not_overwritten_and_its_backup_can_be_used(path):
    session = reopened(path)
    before = session.apply(Place("a", HERE))
    session.apply(Place("b", HERE))
    path.write_text("{")

    with pytest.raises(AnnotationFileError, match=r"kept as a\.midrl\.json\.bak"):
        reopened(path)
    restore_backup(path)
    assert reopened(path).annotations == before


def test_a_vanished_file_does_not_pass_for_a_new_case(path):
    session = reopened(path)
    session.apply(Place("a", HERE))
    session.apply(Place("b", HERE))
    path.unlink()

    with pytest.raises(AnnotationFileError, match=r"no such file.*\.bak"):
        reopened(path)
    set_aside(path)
    assert reopened(path).annotations == new_annotations(PROTOCOL)


def test_a_file_of_another_image_is_refused_with_both_names(path):
    reopened(path).apply(Place("a", HERE))

    with pytest.raises(OtherImageError, match=r"'T2w'.*'T1w'"):
        reopened(path, make_volume("T1w", seed=1))


def test_a_renamed_image_keeps_its_landmarks(path):
    before = reopened(path).apply(Place("a", HERE))

    assert reopened(path, VOLUME.renamed("x")).annotations == before


def test_the_same_voxels_elsewhere_are_another_image(path):
    """A shifted image would shift every landmark against the anatomy."""
    reopened(path).apply(Place("a", HERE))
    shifted = AFFINE.copy()
    shifted[0, 3] = 0.001
    moved = Volume(VOLUME.array, VoxelGrid((4, 5, 6), shifted), "T2w")

    with pytest.raises(OtherImageError):
        reopened(path, moved)


def test_a_file_of_another_reader_or_protocol_is_refused(path):
    reopened(path).apply(Place("a", HERE))
    other = LandmarkProtocol("ab", "AB", tuple(map(ProtocolLandmark, "ab")))

    with pytest.raises(AnnotationFileError, match="'Ann', not of 'Bob'"):
        reopened(path, reader="Bob")
    with pytest.raises(AnnotationFileError, match="'abc' with 3 landmarks, not 'ab'"):
        open_session(VOLUME, other, "Ann", path)


def two_sessions(path):
    """The same file open twice; the other one wrote last."""
    mine = reopened(path)
    mine.apply(Place("a", HERE))
    theirs = reopened(path)
    theirs.apply(Place("b", THERE))
    return mine, theirs


def test_a_conflict_is_an_error_and_loses_neither_side(path):
    mine, theirs = two_sessions(path)
    before = mine.annotations

    with pytest.raises(ChangedOnDiskError, match=r"a\.midrl\.json"):
        mine.apply(Place("c", HERE))
    assert mine.annotations is before
    assert reopened(path).annotations == theirs.annotations


def test_their_version_can_be_taken_and_mine_is_one_undo_away(path):
    mine, theirs = two_sessions(path)
    before = mine.annotations

    assert mine.take_theirs() == theirs.annotations
    assert mine.undo_text == "take a.midrl.json as it was changed elsewhere"
    assert mine.undo() == before
    assert reopened(path).annotations == before


def test_my_version_can_be_kept_and_theirs_is_the_backup(path):
    mine, theirs = two_sessions(path)

    mine.keep_mine()
    assert reopened(path).annotations == mine.annotations
    restore_backup(path)
    assert reopened(path).annotations == theirs.annotations


def test_a_session_can_go_on_in_another_file(path):
    session = reopened(path)
    first = session.apply(Place("a", HERE))
    elsewhere = path.with_name("b.midrl.json")
    session.save_as(elsewhere)
    session.apply(Place("b", HERE))

    assert reopened(path).annotations == first
    assert reopened(elsewhere).annotations == session.annotations


def test_another_file_is_not_replaced(path):
    session = reopened(path)
    session.apply(Place("a", HERE))
    there = path.with_name("b.midrl.json")
    there.write_text("precious")

    with pytest.raises(ChangedOnDiskError):
        session.save_as(there)
    assert there.read_text() == "precious"
    assert session.path == path
    session.apply(Place("b", HERE))


# --- where the file is -----------------------------------------------------------


def test_the_file_lies_beside_the_image(tmp_path):
    volume = read_image(write_nifti(VOLUME, tmp_path / "exam.1_T2w.nii.gz"))
    found = default_path(volume, "Dr. Ann")

    assert found.parent == tmp_path
    assert found.name == f"exam.{volume.content_hash[:8]}.Dr-Ann.midrl.json"
    session = open_session(volume, PROTOCOL, "Dr. Ann")
    session.apply(Place("a", HERE))
    assert read_annotations(found).document.image.file == "exam.1_T2w.nii.gz"


def test_an_image_without_a_file_is_kept_with_the_users_data(tmp_path, monkeypatch):
    home = tmp_path / "home"
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_: str(home))

    assert default_path(VOLUME, "Ann").parent == home / "annotations"
    open_session(VOLUME, PROTOCOL, "Ann").apply(Place("a", HERE))
    assert open_session(VOLUME, PROTOCOL, "Ann").annotations["a"].is_placed


# --- taking over -----------------------------------------------------------------


def landmark_file(path, *landmarks, **fields):
    write_landmarks(LandmarkSet(landmarks, **fields), path)
    return path


def test_a_file_of_people_becomes_landmarks(tmp_path, path):
    file = landmark_file(tmp_path / "a.csv", Landmark("a", HERE))
    command = import_command(file, VOLUME, EMPTY)

    assert isinstance(command, Import)
    assert command.text == "import from a.csv"
    assert reopened(path).apply(command)["a"].position_lps_mm == HERE


def test_a_file_of_a_model_becomes_proposals(tmp_path, path):
    found = Landmark(
        "a", HERE, source=LandmarkSource.MODEL, confidence=0.5, rater="agents 1.0"
    )
    file = landmark_file(tmp_path / "a.csv", found, model_sha256="ab" * 32)
    now = reopened(path).apply(import_command(file, VOLUME, EMPTY))

    assert now.progress.n_placed == 0
    assert now.proposals["a"] == Proposal(HERE, "agents 1.0", 0.5, "ab" * 32)


def test_another_readers_file_can_be_taken_over(tmp_path, path):
    theirs = reopened(tmp_path / "b.midrl.json", reader="Bob")
    theirs.apply(Place("a", HERE))

    now = reopened(path).apply(import_command(theirs.path, VOLUME, EMPTY))
    assert now["a"].position_lps_mm == HERE


def test_voxel_indices_are_taken_over_by_the_names_of_the_protocol(tmp_path, path):
    (tmp_path / "a.txt").write_text("1,2,3\n0,0,0\n3,4,5\n")
    command = import_command(tmp_path / "a.txt", VOLUME, EMPTY, names=PROTOCOL.names)
    now = reopened(path).apply(command)

    np.testing.assert_allclose(
        VOLUME.grid.to_ijk(now["c"].position_lps_mm), (3, 4, 5), atol=1e-9
    )


def test_landmarks_of_another_image_are_taken_over_only_if_that_is_meant(tmp_path):
    other = make_volume("T1w", seed=1)
    file = landmark_file(
        tmp_path / "a.csv",
        Landmark("a", HERE),
        image_name="T1w",
        image_sha256=other.content_hash,
    )
    with pytest.raises(OtherImageError, match="'T1w', not on 'T2w'"):
        import_command(file, VOLUME, EMPTY)
    assert import_command(file, VOLUME, EMPTY, any_image=True)


def test_a_malformed_file_is_named(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("label,l,p\n")

    with pytest.raises(LandmarkFileError, match=r"a\.csv"):
        import_command(file, VOLUME, EMPTY)


def test_what_agents_found_is_proposed_where_the_set_has_it(path):
    annotations = reopened(path).annotations
    found = LandmarkSet((Landmark("a", HERE, rater="m"), Landmark("x", HERE)))

    assert list(proposal_command(found, annotations).proposals) == ["a"]
    with pytest.raises(EditError, match="agents look for x"):
        proposal_command(LandmarkSet((Landmark("x", HERE),)), annotations)


def test_agents_find_a_landmark_by_the_name_of_the_protocol(path):
    """The reader may call it something else, even what another landmark was called."""
    session = reopened(path)
    session.apply(Rename("a", "mine"))
    session.apply(Rename("b", "a"))
    found = LandmarkSet(
        (Landmark("c", HERE), Landmark("b", THERE), Landmark("a", (0, 0, 0)))
    )

    command = proposal_command(found, session.annotations)
    assert {n: p.position_lps_mm for n, p in command.proposals.items()} == {
        "c": HERE, "a": THERE, "mine": (0, 0, 0)
    }  # fmt: skip


def test_choices_of_an_import_are_passed_on(tmp_path):
    file = landmark_file(tmp_path / "a.csv", Landmark("a", HERE))
    command = import_command(
        file, VOLUME, EMPTY, conflicts=Conflicts.KEEP, strangers=Strangers.ADD
    )

    assert (command.conflicts, command.strangers) == (Conflicts.KEEP, Strangers.ADD)


# --- the table of cases ----------------------------------------------------------


@pytest.fixture
def cases(tmp_path):
    """Three cases: a folder, and two image files beside each other."""
    folder = tmp_path / "cases"
    (folder / "one").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / ".hidden").mkdir()
    write_nifti(VOLUME, folder / "one" / "T2w.nii.gz")
    write_nifti(make_volume(seed=1), folder / "two_T2w.nii.gz")
    write_nifti(make_volume(seed=2), folder / "two_T2w_b.nii.gz")
    return folder


def rows_of(folder, reader="Ann", **options):
    return finish(case_rows(folder, PROTOCOL, reader, **options))


def test_the_table_lists_every_case_with_its_progress(cases):
    volume = read_image(cases / "two_T2w.nii.gz")
    session = open_session(volume, PROTOCOL, "Ann")
    session.apply(Place("a", HERE))
    session.apply(Skip("b"))

    rows = rows_of(cases)

    assert [(row.name, row.text) for row in rows] == [
        ("one", "0 of 3"),
        ("two_T2w", "1 of 3, 1 skipped"),
        ("two_T2w_b", "0 of 3"),
    ]
    assert (rows[1].file, rows[1].image_name) == (session.path, "two_T2w")
    assert rows[0].images == cases / "one"
    assert next_case(rows) == rows[0]


def test_another_readers_work_does_not_count(cases):
    volume = read_image(cases / "one" / "T2w.nii.gz")
    open_session(volume, PROTOCOL, "Bob").apply(Place("a", HERE))

    assert [row.text for row in rows_of(cases)] == ["0 of 3"] * 3
    assert rows_of(cases, "Bob")[0].text == "1 of 3"


def test_a_done_case_is_not_the_next(cases):
    for name in ("one/T2w.nii.gz", "two_T2w.nii.gz", "two_T2w_b.nii.gz"):
        session = open_session(read_image(cases / name), PROTOCOL, "Ann")
        for landmark in "abc":
            session.apply(Skip(landmark))

    assert next_case(rows_of(cases)) is None
    open_session(read_image(cases / name), PROTOCOL, "Ann").apply(Place("a", HERE))
    assert next_case(rows_of(cases)) is None


def test_a_damaged_file_is_in_the_table_by_its_cause(cases):
    for reader in ("Ann", "Bob"):
        for name in ("one/T2w.nii.gz", "two_T2w.nii.gz"):
            session = open_session(read_image(cases / name), PROTOCOL, reader)
            session.apply(Place("a", HERE))
            if reader == "Ann":
                session.path.write_text("{")

    rows = rows_of(cases)
    assert ["cannot be read" in row.text for row in rows] == [True, True, False]
    assert not any(row.problem for row in rows_of(cases, "Bob"))


def test_files_may_be_kept_apart_from_the_images(cases, tmp_path):
    apart = tmp_path / "apart"
    (apart / "one").mkdir(parents=True)
    volume = read_image(cases / "one" / "T2w.nii.gz")
    file = default_path(volume, "Ann", apart / "one")
    open_session(volume, PROTOCOL, "Ann", file).apply(Place("a", HERE))

    assert rows_of(cases)[0].text == "0 of 3"
    assert rows_of(cases, annotations=apart)[0].text == "1 of 3"


def test_a_folder_without_cases_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no case"):
        rows_of(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        rows_of(tmp_path / "gone")


def test_deleted_and_renamed_landmarks_come_back_as_they_were_left(path):
    session = reopened(path)
    for command in (Place("a", HERE), Delete("a"), Rename("b", "B")):
        session.apply(command)

    assert reopened(path).annotations == session.annotations
    assert reopened(path).image == identity_of(VOLUME)
