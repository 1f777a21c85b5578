"""A digital patient as files: all of them, or none."""

import numpy as np
import pytest

from napari_midrl.data.landmarks import Landmark, LandmarkSet
from napari_midrl.data.progress import Progress, finish
from napari_midrl.data.sequence import Sequence, SequenceKind
from napari_midrl.data.study import Study
from napari_midrl.data.volume import Volume
from napari_midrl.errors import OverwriteError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.landmarks import read_landmarks
from napari_midrl.io.study import read_study
from napari_midrl.workflows import phantom

AFFINE = np.array(
    [[-2.0, 0, 0, 9], [0, 1.8, -1, 8], [0, 1, 1.8, 7], [0, 0, 0, 1]], dtype=float
)


@pytest.fixture
def patient(monkeypatch):
    """A patient of two small volumes in place of the real one."""
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    grid = VoxelGrid((2, 3, 4), AFFINE)
    volumes = (
        Volume(array, grid, "T2w", Sequence(SequenceKind.T2W)),
        Volume(array + 1, grid, "DWI b=800", Sequence(SequenceKind.DWI, 800.0)),
    )
    landmarks = LandmarkSet((Landmark("heart", (1.5, -2.5, 3.5)),))

    def phantom_study(seed, quick=False):
        yield Progress(0, 1, "imaging")
        return Study(f"phantom {seed}", volumes), landmarks

    monkeypatch.setattr(phantom, "phantom_study", phantom_study)
    return volumes, landmarks


def test_the_files_bring_the_patient_back(patient, tmp_path):
    volumes, landmarks = patient

    files = finish(phantom.write_phantom(7, tmp_path / "out"))

    assert [f.name for f in files] == ["t2w.nii.gz", "dwi_b800.nii.gz", "landmarks.csv"]
    assert sorted(tmp_path.rglob("*")) == sorted([tmp_path / "out", *files])
    read = read_study([files[0]]).volumes[0]
    np.testing.assert_array_equal(read.array, volumes[0].array)
    np.testing.assert_allclose(read.grid.affine_lps, AFFINE, atol=1e-5)
    heart = read_landmarks(files[-1])["heart"]
    assert heart.position_lps_mm == landmarks["heart"].position_lps_mm


def test_a_cancelled_run_leaves_nothing(patient, tmp_path):
    task = phantom.write_phantom(7, tmp_path / "out")
    while "writing dwi" not in next(task).text:
        pass
    assert list(tmp_path.rglob("t2w.nii.gz"))

    task.close()

    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_taken(patient, tmp_path):
    finish(phantom.write_phantom(7, tmp_path))

    assert (tmp_path / "landmarks.csv").exists()


@pytest.mark.parametrize("name", ["", "notes.txt"])
def test_a_folder_in_use_and_a_file_are_refused(patient, tmp_path, name):
    (tmp_path / "notes.txt").write_text("mine")

    with pytest.raises(OverwriteError, match="already exists"):
        finish(phantom.write_phantom(7, tmp_path / name))
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
