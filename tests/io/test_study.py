"""Folders, single files and lists of files become one study."""

import nibabel as nib
import numpy as np
import pytest

from napari_midrl.data.progress import Progress, finish
from napari_midrl.errors import ImageError
from napari_midrl.io.study import is_readable, read_study, study_steps


@pytest.fixture
def nifti(tmp_path):
    def _save(name):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(np.ones((3, 4, 5), np.int16), np.eye(4)), path)
        return path

    return _save


def test_a_folder_of_images_is_a_study(tmp_path, nifti):
    nifti("case7/T1w.nii.gz")
    nifti("case7/T2w.nii")
    study = read_study(tmp_path / "case7")
    assert study.name == "case7"
    assert [v.name for v in study.volumes] == ["T1w", "T2w"]


def test_files_of_the_same_name_get_names_of_their_own(nifti):
    study = read_study([nifti("a/T1w.nii"), nifti("b/T1w.nii")])
    assert [v.name for v in study.volumes] == ["T1w", "T1w (2)"]


def test_one_file_is_a_study_named_after_it(nifti):
    assert read_study(nifti("sub-03.nii.gz")).name == "sub-03"


def test_files_of_two_bids_subjects_are_not_one_body(tmp_path, nifti):
    for name in ("sub-01_T1w.nii", "sub-01_T2w.nii"):
        nifti(f"sub-jects/{name}")
    assert not read_study(tmp_path / "sub-jects").warnings
    nifti("sub-jects/sub-02_T1w.nii")
    (warning,) = read_study(tmp_path / "sub-jects").warnings
    assert "different patients (sub-01, sub-02)" in warning


def test_folders_that_hold_the_same_names_may_be_of_several_patients(tmp_path, nifti):
    nifti("anna/T1w.nii")
    nifti("anna/T2w.nii")
    nifti("bert/T2w.nii")
    (warning,) = read_study(tmp_path, None).warnings
    assert warning.startswith("T2w.nii lies in 2 of the folders")
    assert not read_study(tmp_path / "anna").warnings


def test_a_bad_image_does_not_lose_the_good_ones(tmp_path, nifti):
    nifti("case/T1w.nii")
    (tmp_path / "case" / "bad.nii").write_bytes(b"garbage")
    study = read_study(tmp_path / "case")
    assert [v.name for v in study.volumes] == ["T1w"]
    assert "bad.nii" in study.warnings[0]


def test_dicom_and_images_open_together(tmp_path, nifti, write_series):
    write_series(tmp_path / "dicom")
    path = nifti("T1w.nii")
    study = read_study([tmp_path / "dicom", path])
    assert [v.name for v in study.volumes] == ["T2w", "T1w"]
    assert study.name.startswith("case-")


def test_one_dicom_file_opens_alone_with_a_remark(tmp_path, write_series):
    path = write_series(tmp_path)[0]
    (volume,) = read_study(path).volumes
    assert volume.array.shape == (8, 6, 1)
    assert "single slice" in volume.provenance.warnings[0]


@pytest.mark.parametrize("name", ["missing", "empty", "text.txt"])
def test_what_cannot_be_opened_is_named(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("hello")
    with pytest.raises(ImageError, match=name):
        read_study(tmp_path / name)


def test_progress_counts_up_to_the_end(tmp_path, write_series):
    write_series(tmp_path)
    reports: list[Progress] = []
    finish(study_steps(tmp_path), reports.append)
    assert reports
    assert all(0 <= report.done <= report.total for report in reports)
    assert [r.done for r in reports] == sorted(r.done for r in reports)


def test_what_is_readable_is_known_without_reading(tmp_path, nifti, write_series):
    """A folder of other things must not be claimed, or every drop is hijacked."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "table.csv").write_text("a,b\n")
    write_series(tmp_path / "series")[0].rename(tmp_path / "series" / "IM0001")
    assert is_readable(tmp_path / "series")
    assert is_readable(tmp_path / "series" / "IM0001")
    assert is_readable(nifti("x.nii.gz"))
    assert not is_readable(tmp_path / "other")
    assert not is_readable(tmp_path / "other" / "table.csv")
    assert not is_readable(tmp_path / "missing.nii")
