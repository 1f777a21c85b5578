"""What was annotated becomes cases that training and evaluation read."""

import json
import shutil

import numpy as np
import pytest

from napari_midrl.annotation.commands import Place, Rename, Reorder, Skip
from napari_midrl.annotation.imports import Import, Strangers
from napari_midrl.data.landmarks import Landmark, LandmarkStatus
from napari_midrl.data.progress import finish
from napari_midrl.data.protocol import LandmarkProtocol, ProtocolLandmark
from napari_midrl.data.volume import Volume
from napari_midrl.errors import ImageError, InputError, MidrlError, OverwriteError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.dataset import read_dataset
from napari_midrl.io.images import read_image, write_nifti
from napari_midrl.io.protocols import find_protocol
from napari_midrl.workflows.annotate import open_session
from napari_midrl.workflows.annotation_cases import case_rows
from napari_midrl.workflows.cases import find_cases
from napari_midrl.workflows.export_dataset import export_dataset, random_splits

PROTOCOL = LandmarkProtocol("ab", "AB", tuple(map(ProtocolLandmark, "ab")))
HERE, THERE = (0.1 + 0.2, 1.0, 2.0), (1.5, 2.5, 3.5)


def save_image(path, seed):
    array = np.random.default_rng(seed).normal(size=(4, 5, 6)).astype(np.float32)
    grid = VoxelGrid((4, 5, 6), np.diag([-1.0, 2, 3, 1]))
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_nifti(Volume(array, grid, "x"), path)


def annotate(image, *commands):
    session = open_session(read_image(image), PROTOCOL, "Ann")
    for command in commands:
        session.apply(command)
    return session


@pytest.fixture
def folder(tmp_path):
    """Two annotated cases, one of them a folder with two images, and an untouched."""
    folder = tmp_path / "exams"
    one = save_image(folder / "one" / "scan" / "T1w.nii.gz", 1)
    save_image(folder / "one" / "scan" / "T2w.nii.gz", 2)
    two = save_image(folder / "two.nii.gz", 3)
    save_image(folder / "untouched.nii.gz", 4)
    annotate(one, Place("a", HERE), Skip("b"))
    annotate(two, Rename("a", "mine"), Reorder("mine", 1), Place("mine", THERE))
    return folder


SPLITS = {"one": "train", "two": "test"}


def exported(folder, splits=SPLITS, **options):
    rows = finish(case_rows(folder, PROTOCOL, "Ann"))
    return export_dataset(rows, splits, folder.parent / "set", PROTOCOL, **options)


def test_cases_are_found_with_their_landmarks_and_only_their_image(folder):
    path, left_out = exported(folder)
    one, two = find_cases(str(path.parent))

    assert left_out == ("untouched",)
    assert (one.name, two.name) == ("one", "two")
    study, truth = finish(one.open())
    assert [volume.name for volume in study.volumes] == ["T1w"]
    assert truth["a"].position_lps_mm == HERE
    assert truth["b"].status == LandmarkStatus.SKIPPED
    assert truth.case_id == "one"


def test_a_split_is_a_choice_of_cases(folder):
    path, _ = exported(folder)

    assert [c.name for c in find_cases(str(path.parent), split="train")] == ["one"]
    assert [c.name for c in find_cases(str(path.parent), split="test")] == ["two"]
    with pytest.raises(InputError, match=r"dataset\.json: holds no case for valid"):
        find_cases(str(path.parent), split="validation")
    with pytest.raises(InputError, match="only a data set"):
        find_cases("phantom:1000", split="test")


def test_landmarks_are_called_what_the_protocol_calls_them(folder):
    path, _ = exported(folder)
    two = find_cases(str(path.parent), split="test")[0]

    assert [m.name for m in two.truth] == ["a", "b"]
    assert two.truth["a"].position_lps_mm == THERE
    assert read_dataset(path.parent).protocol == PROTOCOL


def test_what_the_protocol_does_not_ask_for_is_left_out(folder):
    extra = Import((Landmark("x", HERE),), strangers=Strangers.ADD)
    annotate(folder / "two.nii.gz", extra)
    path, _ = exported(folder)

    assert [m.name for m in find_cases(str(path.parent))[1].truth] == ["a", "b"]


def test_images_stay_where_they_are_and_may_move_along(folder, tmp_path):
    path, _ = exported(folder)
    assert not list(path.parent.rglob("*.nii.gz"))

    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.move(folder, moved / "exams")
    shutil.move(path.parent, moved / "set")
    assert finish(find_cases(str(moved / "set"))[0].open())[1]["a"]


def test_an_image_that_is_gone_or_changed_is_an_error(folder):
    path, _ = exported(folder)
    _, two = find_cases(str(path.parent))
    image = folder / "two.nii.gz"
    image.unlink()
    save_image(image, 99)

    with pytest.raises(ImageError, match="not among those of the case 'two'"):
        finish(two.open())
    image.unlink()
    with pytest.raises(ImageError, match="image of case 'two' is not there"):
        find_cases(str(path.parent))


def test_an_older_data_set_is_replaced_only_when_asked_and_stays_whole(folder):
    path, _ = exported(folder)
    before = path.read_text()
    with pytest.raises(OverwriteError, match=r"dataset\.json"):
        exported(folder)
    annotate(folder / "two.nii.gz", Place("b", HERE))
    exported(folder, overwrite=True)

    assert find_cases(str(path.parent))[1].truth["b"].position_lps_mm == HERE
    assert path.with_name("dataset.json.bak").read_text() == before
    path.write_text(before)
    assert find_cases(str(path.parent))[1].truth["b"].position_lps_mm is None


def test_what_is_no_data_set_is_refused_before_anything_is_written(folder):
    with pytest.raises(InputError, match=r"neither for training.*\['two'\]"):
        exported(folder, {"one": "train"})
    session = annotate(folder / "one" / "scan" / "T2w.nii.gz", Place("a", HERE))
    with pytest.raises(InputError, match=r"several annotated images.*\['one'\]"):
        exported(folder)
    session.path.write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        exported(folder)
    rows = finish(case_rows(folder, PROTOCOL, "Bob"))
    with pytest.raises(InputError, match="no case has a landmark placed"):
        export_dataset(rows, SPLITS, folder.parent / "set", PROTOCOL)
    rows = finish(case_rows(folder / "one", PROTOCOL, "Ann"))
    assert not (folder.parent / "set").exists()


def test_another_protocol_is_refused(folder):
    (folder / "one" / "scan" / "T2w.nii.gz").unlink()
    rows = finish(case_rows(folder, PROTOCOL, "Ann"))

    with pytest.raises(InputError, match="protocol 'ab', not 'lumbar'"):
        export_dataset(rows, SPLITS, folder.parent / "set", find_protocol("lumbar"))


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"cases": []}, "cases: .*at least 1"),
        ({"schema_version": 2}, "schema_version"),
        ({"extra": 1}, "extra: .*not permitted"),
        ({"landmarks": "../one.csv"}, "must lie in the folder"),
        ({"landmarks": "/one.csv"}, "must lie in the folder"),
        ({"split": "exam"}, r"cases\.0\.split"),
        ({"images": []}, r"cases\.0\.images"),
        ({"name": "two"}, r"twice: \['two'\]"),
    ],
    ids=str,
)
def test_a_bad_data_set_is_refused_by_field(folder, changes, cause):
    path, _ = exported(folder)
    fields = json.loads(path.read_text())
    is_of_case = set(changes) & set(fields["cases"][0])
    (fields["cases"][0] if is_of_case else fields).update(changes)
    path.write_text(json.dumps(fields))

    with pytest.raises(MidrlError, match=rf"dataset\.json: .*{cause}"):
        find_cases(str(path.parent))


def test_splits_are_by_chance_but_repeat():
    names = [f"case {n}" for n in range(10)]
    splits = random_splits(names, 0, test=0.3, validation=0.2)

    assert sorted(splits) == names
    counts = [list(splits.values()).count(s) for s in ("train", "validation", "test")]
    assert counts == [5, 2, 3]
    assert random_splits(names[::-1], 0, test=0.3, validation=0.2) == splits
    assert random_splits(names, 1, test=0.3, validation=0.2) != splits
    with pytest.raises(ValueError, match="none to learn from"):
        random_splits(names, 0, test=0.6, validation=0.4)
