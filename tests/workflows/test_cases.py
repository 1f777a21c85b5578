"""Folders and seeds to cases, and one clear sentence where that cannot be."""

import nibabel
import numpy as np
import pytest

from napari_midrl.data.landmarks import Landmark, LandmarkSet, LandmarkStatus
from napari_midrl.data.progress import finish
from napari_midrl.errors import ImageError, InputError, LandmarkFileError
from napari_midrl.io.landmarks import write_landmarks
from napari_midrl.workflows import cases
from napari_midrl.workflows.cases import DigitalCase, FileCase, find_cases


def save_image(path, corrupt=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    if corrupt:
        path.write_bytes(b"no image")
    else:
        array = np.arange(1000, dtype=np.float32).reshape(10, 10, 10)
        nibabel.save(nibabel.Nifti1Image(array, np.diag([2, 2, 3, 1])), path)


def save_landmarks(path, *landmarks):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_landmarks(
        LandmarkSet(landmarks or (Landmark("AC", (-4.0, -4.0, 6.0)),)), path
    )


@pytest.fixture
def folder(tmp_path):
    """Two cases: a table with two images, and a Slicer file with one in a subfolder."""
    save_landmarks(tmp_path / "case 1" / "landmarks.csv")
    save_image(tmp_path / "case 1" / "T1w.nii.gz")
    save_image(tmp_path / "case 1" / "T2w.nii.gz")
    save_landmarks(tmp_path / "case 2" / "points.mrk.json")
    save_image(tmp_path / "case 2" / "images" / "T1w.nii.gz")
    (tmp_path / ".hidden").mkdir()
    return tmp_path


def test_a_subfolder_is_a_case(folder):
    found = find_cases(str(folder))

    assert [case.name for case in found] == ["case 1", "case 2"]
    study, truth = finish(found[0].open())
    assert [volume.name for volume in study.volumes] == ["T1w", "T2w"]
    assert truth["AC"].position_lps_mm == (-4, -4, 6)
    assert len(finish(found[1].open())[0].volumes) == 1


def test_a_flat_folder_is_one_case(folder):
    (case,) = find_cases(str(folder / "case 1"))

    assert case.name == "case 1"
    assert [path.name for path in case.image_files] == ["T1w.nii.gz", "T2w.nii.gz"]


def test_every_landmark_format_will_do(folder):
    (folder / "case 1" / "landmarks.csv").unlink()
    save_landmarks(folder / "case 1" / "afids.fcsv")

    assert find_cases(str(folder))[0].landmark_file.name == "afids.fcsv"


@pytest.mark.parametrize("data", ["nowhere", "empty", "file.txt"])
def test_what_is_no_folder_of_cases_is_refused(tmp_path, data):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("")

    with pytest.raises(InputError, match=rf"{data}: (is no folder|holds no case)"):
        find_cases(str(tmp_path / data))


def test_a_case_without_landmarks_is_named(folder):
    (folder / "case 2" / "points.mrk.json").unlink()

    with pytest.raises(InputError, match=r"case 2: a case needs one landmark file"):
        find_cases(str(folder))


def test_two_landmark_files_are_ambiguous(folder):
    save_landmarks(folder / "case 2" / "other.csv")

    with pytest.raises(InputError, match=r"case 2: .*'other.csv', 'points.mrk.json'"):
        find_cases(str(folder))


def test_a_flat_folder_of_folders_is_ambiguous(folder):
    save_landmarks(folder / "landmarks.csv")

    with pytest.raises(InputError, match="and also cases of their own"):
        find_cases(str(folder))


def test_a_case_without_an_image_is_named(folder):
    (folder / "case 2" / "images" / "T1w.nii.gz").unlink()

    with pytest.raises(ImageError, match=r"case 2: a case needs an image"):
        find_cases(str(folder))


def test_a_malformed_landmark_file_is_named(folder):
    (folder / "case 2" / "points.mrk.json").write_text("{")

    with pytest.raises(LandmarkFileError, match=r"points.mrk.json"):
        find_cases(str(folder))


def test_landmarks_without_a_position_are_none(folder):
    path = folder / "case 1" / "landmarks.csv"
    path.unlink()
    save_landmarks(path, Landmark("AC", None, LandmarkStatus.SKIPPED))

    with pytest.raises(LandmarkFileError, match="no landmark with a position"):
        find_cases(str(folder))


def test_an_image_that_cannot_be_read_is_an_error(folder):
    """The reader of a study would leave it out; here that would change the numbers."""
    save_image(folder / "case 1" / "T2w.nii.gz", corrupt=True)

    with pytest.raises(ImageError, match=r"T2w.nii.gz"):
        finish(find_cases(str(folder))[0].open())


@pytest.mark.parametrize(
    ("data", "seeds"), [("phantom:7", [7]), ("phantom:1000-1002", [1000, 1001, 1002])]
)
def test_seeds_are_digital_patients(data, seeds):
    assert find_cases(data) == tuple(DigitalCase(seed) for seed in seeds)
    assert find_cases(data)[0].name == f"digital patient {seeds[0]}"


@pytest.mark.parametrize(
    "seeds", ["", "x", "3-", "-3", "5-4", "1-2-3", "1.5", "9" * 12]
)
def test_bad_seeds_are_refused(seeds):
    with pytest.raises(InputError, match="expected phantom:FIRST-LAST"):
        find_cases(f"phantom:{seeds}")


def test_regions_are_checked_and_of_one_sex(folder):
    with pytest.raises(InputError, match=r"among \['whole body'.*got \['head'\]"):
        find_cases("phantom:1", ["head"])
    with pytest.raises(InputError, match="digital patients"):
        find_cases(str(folder), ["breast"])
    men = find_cases("phantom:0-19", ["prostate"])
    women = find_cases("phantom:0-19", ["breast"])
    assert men
    assert women
    assert len(men) + len(women) == 20
    assert len(find_cases("phantom:0-19", ["prostate", "whole body"])) == 20
    seed = men[0].seed
    with pytest.raises(InputError, match="sex"):
        find_cases(f"phantom:{seed}", ["breast"])


def test_a_digital_patient_is_imaged_as_asked(monkeypatch):
    def imaged(seed, regions):
        return (seed, regions)
        yield

    monkeypatch.setattr(cases, "phantom_study", imaged)

    assert finish(DigitalCase(3, ("breast",)).open()) == (3, ("breast",))
    assert not isinstance(DigitalCase(3), FileCase)
