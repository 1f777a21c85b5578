"""Which cases there are to learn from: folders, data sets, annotations."""

import pytest

from napari_midrl.annotation.commands import Place
from napari_midrl.data.progress import finish
from napari_midrl.errors import InputError
from napari_midrl.io.dataset import read_dataset
from napari_midrl.io.images import read_images
from napari_midrl.io.protocols import find_protocol
from napari_midrl.workflows.annotate import default_path, open_session
from napari_midrl.workflows.finetune_cases import cases_in
from napari_midrl.workflows.finetune_source import (
    Role,
    cases_of_folder,
    cases_of_reading,
    caution_about,
    has_cases,
    open_case,
    prepared,
    readings_in,
    reason_against,
)
from tests.tiny_agents import write_case, write_cases

INSIDE = (0.0, 40.0, 230.0)


@pytest.fixture
def folder(tmp_path):
    write_cases(tmp_path / "cases", 5)
    return tmp_path / "cases"


def annotate(folder, reader, names):
    """Let a reader place landmarks on the image of a case."""
    protocol = find_protocol("lumbar")
    (volume,) = read_images(folder / "image.nii.gz")
    path = default_path(volume, reader)
    session = open_session(volume, protocol, reader, path)
    for name in names:
        session.apply(Place(name, INSIDE))
    return session


@pytest.fixture
def annotated(tmp_path):
    """Three images, two of them annotated by ada and one by bob."""
    root = tmp_path / "annotated"
    for n in range(3):
        write_case(root / f"exam-{n}", n, ["x"])
        (root / f"exam-{n}" / "landmarks.csv").unlink()
    names = find_protocol("lumbar").names
    annotate(root / "exam-0", "ada", names[:2])
    annotate(root / "exam-1", "ada", names[:1])
    annotate(root / "exam-2", "bob", names[:1])
    return root


def test_a_folder_lists_cases_and_holds_out_a_fifth(folder):
    source = finish(cases_of_folder(folder))
    assert [case.name for case in source.cases] == [f"case-{n}" for n in range(5)]
    roles = {case.name: case.role for case in source.cases}
    assert list(roles.values()).count(Role.HOLD_OUT) == 1
    counts = source.counts(dict.fromkeys(roles, Role.LEARN))
    assert counts == {"new": 5, "newer": 5, "old": 1}
    assert source.counts(dict.fromkeys(roles, Role.HOLD_OUT)) == {}


def test_a_case_that_cannot_be_used_is_listed_with_its_reason(folder):
    (folder / "empty").mkdir()
    source = finish(cases_of_folder(folder))
    (bad,) = [case for case in source.cases if case.problem]
    assert (bad.name, bad.role) == ("empty", Role.LEAVE_OUT)
    assert "needs one landmark file" in bad.problem


def test_a_folder_that_is_gone_is_refused(folder):
    with pytest.raises(InputError, match="is no folder"):
        finish(cases_of_folder(folder / "gone"))


def test_readers_and_protocols_of_annotations_are_found(annotated, folder):
    assert not has_cases(annotated)
    assert has_cases(folder)
    texts = [reading.text for reading in readings_in(annotated)]
    assert texts == ["lumbar by ada, 2 images", "lumbar by bob, 1 image"]


def test_annotations_become_a_data_set_in_the_run(annotated, tmp_path):
    reading = readings_in(annotated)[0]
    source = finish(cases_of_reading(annotated, reading))
    assert [case.name for case in source.cases] == ["exam-0", "exam-1"]
    roles = {"exam-0": Role.LEARN, "exam-1": Role.HOLD_OUT}
    data = prepared(source, roles, tmp_path)
    splits = {c.name: c.split for c in read_dataset(tmp_path / "cases").cases}
    assert splits == {"exam-0": "train", "exam-1": "test"}
    assert [case.name for case in cases_in(data)] == ["exam-0", "exam-1"]
    # Started again under the same name, with another split.
    prepared(source, {"exam-0": Role.LEARN, "exam-1": Role.LEAVE_OUT}, tmp_path)
    assert [c.name for c in read_dataset(tmp_path / "cases").cases] == ["exam-0"]


def test_nothing_placed_is_refused(annotated):
    reading = readings_in(annotated)[1]
    (annotated / "exam-2").rename(annotated.parent / "moved")
    with pytest.raises(InputError, match="placed yet"):
        finish(cases_of_reading(annotated, reading))


def test_a_case_is_opened_with_its_landmarks(annotated, folder):
    source = finish(cases_of_reading(annotated, readings_in(annotated)[0]))
    study, truth = finish(open_case(source, "exam-1"))
    assert len(study.volumes) == 1
    placed = [m.name for m in truth if m.position_lps_mm is not None]
    assert placed == [find_protocol("lumbar").names[0]]
    study, truth = finish(open_case(finish(cases_of_folder(folder)), "case-1"))
    assert {m.name for m in truth} == {"new", "newer", "old"}
    with pytest.raises(InputError, match="no case 'gone'"):
        finish(open_case(source, "gone"))


@pytest.mark.parametrize(
    ("roles", "says"),
    [
        ([], "Choose cases"),
        ([Role.HOLD_OUT], "No case is left"),
        ([Role.LEAVE_OUT], "No case is left"),
        ([Role.LEARN], ""),
    ],
)
def test_what_cannot_be_started_says_why(roles, says):
    reason = reason_against({str(n): role for n, role in enumerate(roles)})
    assert reason.startswith(says)
    assert bool(reason) == bool(says)


@pytest.mark.parametrize(
    ("n_learn", "n_held_out", "says"),
    [(5, 0, "nobody will know"), (1, 2, "One case to learn"), (4, 1, "One case is")],
)
def test_a_poor_split_is_told(n_learn, n_held_out, says):
    roles = [Role.LEARN] * n_learn + [Role.HOLD_OUT] * n_held_out
    assert says in caution_about({str(n): role for n, role in enumerate(roles)})


def test_a_good_split_needs_no_words():
    roles = [Role.LEARN] * 4 + [Role.HOLD_OUT] * 2
    assert caution_about({str(n): role for n, role in enumerate(roles)}) == ""
