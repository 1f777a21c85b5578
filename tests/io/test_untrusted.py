"""Any bytes into any reader give a value or one typed error that names the file."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_midrl.data.landmarks import Landmark, LandmarkSet, LandmarkStatus
from napari_midrl.errors import ImageError, MidrlError
from napari_midrl.io.images import read_images
from napari_midrl.io.landmarks import read_landmarks, write_landmarks
from napari_midrl.io.study import read_study
from napari_midrl.io.trajectories import read_trajectories
from napari_midrl.io.untrusted import ReadLimits, check_size, checked_grid

SMALL = ReadLimits(max_voxels=2**16)
IMAGES = [".nii", ".nii.gz", ".nrrd", ".mha"]
LANDMARKS = [".csv", ".fcsv", ".mrk.json"]


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """One small valid file of every format."""
    folder = tmp_path_factory.mktemp("samples")
    array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    for suffix in (".nii", ".nii.gz"):
        nib.save(nib.Nifti1Image(array, np.eye(4)), folder / f"x{suffix}")
    for suffix in (".nrrd", ".mha"):
        sitk.WriteImage(sitk.GetImageFromArray(array), str(folder / f"x{suffix}"))
    points = LandmarkSet(
        (Landmark("AC", (1, 2, 3)), Landmark("PC", None, LandmarkStatus.UNDEFINED))
    )
    for suffix in LANDMARKS:
        write_landmarks(points, folder / f"x{suffix}")
    return {path.name[1:]: path.read_bytes() for path in folder.iterdir()}


def read(path):
    """Read a file with the reader of its ending."""
    name = path.name
    if name.endswith(tuple(LANDMARKS)):
        return read_landmarks(path)
    if name.endswith(".dcm"):
        return read_study(path, SMALL)
    return read_images(path, SMALL)


def gives_a_value_or_names_the_file(path):
    """The contract; whatever else is raised fails the test."""
    said = str(path)
    try:
        read(path)
    except MidrlError as problem:
        said = str(problem)
    assert str(path) in said


MUTATIONS = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=6
)
FUZZ = settings(
    deadline=None,
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("suffix", [*IMAGES, *LANDMARKS])
@FUZZ
@given(mutations=MUTATIONS, keep=st.floats(0.05, 1))
def test_damaged_files(tmp_path, samples, suffix, mutations, keep):
    """Bytes changed and the end cut off."""
    data = bytearray(samples[suffix])
    for at, byte in mutations:
        data[at % len(data)] = byte
    path = tmp_path / f"x{suffix}"
    path.write_bytes(data[: int(len(data) * keep)])
    gives_a_value_or_names_the_file(path)


@FUZZ
@given(mutations=MUTATIONS, keep=st.floats(0.3, 1))
def test_damaged_dicom(tmp_path, write_series, mutations, keep):
    path = tmp_path / "im-0.dcm"
    if not path.exists():
        write_series(tmp_path, n=1)
        (tmp_path / "good").write_bytes(path.read_bytes())
    data = bytearray((tmp_path / "good").read_bytes())
    for at, byte in mutations:
        data[at % len(data)] = byte
    path.write_bytes(data[: int(len(data) * keep)])
    gives_a_value_or_names_the_file(path)


@pytest.mark.parametrize("suffix", [*IMAGES, *LANDMARKS, ".nhdr", ".mhd", ".dcm"])
@settings(
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.binary(max_size=600))
def test_garbage(tmp_path, suffix, data):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(data)
    gives_a_value_or_names_the_file(path)


@given(text=st.text(max_size=300))
@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_garbage_tables(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_text(text, encoding="utf-8", errors="ignore")
    for reader in (read_landmarks, read_trajectories):
        said = "x.csv"
        try:
            reader(path)
        except MidrlError as problem:
            said = str(problem)
        assert "x.csv" in said


@pytest.mark.parametrize(
    ("shape", "dtype", "reason"),
    [
        ((4, 4, 0), "i2", "1 to 8192"),
        ((4, 4, 8193), "i2", "1 to 8192"),
        ((), "i2", "1 to 8192"),
        ((4, 4, 4), "c8", "real numbers"),
        ((4, 4, 4), "V3", "real numbers"),
        ((8192, 8192, 8192), "i2", "more than the limit"),
    ],
)
def test_sizes_that_are_refused(shape, dtype, reason):
    with pytest.raises(ImageError, match=reason):
        check_size(shape, dtype, "x.nii", ReadLimits())


@pytest.mark.parametrize(
    ("affine", "reason"),
    [
        (np.diag([1, 1, np.inf, 1]), "finite"),
        (np.diag([1, 1, 1e-4, 1]), "spacing"),
        (np.diag([1, 1, 101, 1]), "spacing"),
        (np.diag([1, 1, 0, 1]), "spacing"),
        (np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]), "orth"),
    ],
)
def test_places_that_are_refused(affine, reason):
    with pytest.raises(ImageError, match=reason):
        checked_grid((4, 4, 4), affine, "x.nii")


def test_limits_must_make_sense():
    for wrong in ({"max_voxels": 0}, {"max_ram_share": 2.0}, {"max_files": 0}):
        with pytest.raises(ValueError, match="positive"):
            ReadLimits(**wrong)
