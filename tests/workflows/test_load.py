"""Opening an examination is a task that reports, ends and can be stopped."""

import nibabel as nib
import numpy as np
import pytest

from napari_midrl.data.progress import Progress, finish
from napari_midrl.errors import ImageError
from napari_midrl.workflows.load import load_study


@pytest.fixture
def folder(tmp_path):
    for name in ("T1w", "T2w"):
        image = nib.Nifti1Image(np.ones((3, 4, 5), np.int16), np.eye(4))
        nib.save(image, tmp_path / f"{name}.nii")
    return tmp_path


def test_the_study_is_the_result(folder):
    study = finish(load_study(folder))
    assert [volume.name for volume in study.volumes] == ["T1w", "T2w"]


def test_each_file_is_reported(folder):
    reports: list[Progress] = []
    finish(load_study(folder), reports.append)
    assert [report.text for report in reports] == [
        "reading T1w.nii",
        "reading T2w.nii",
    ]


def test_closing_the_task_stops_it(folder):
    task = load_study(folder)
    next(task)
    task.close()
    with pytest.raises(StopIteration):
        next(task)


def test_nothing_readable_is_an_error(tmp_path):
    with pytest.raises(ImageError, match="nothing to open"):
        finish(load_study(tmp_path))
