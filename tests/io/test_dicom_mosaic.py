"""Siemens mosaics become the volumes they are made of."""

import struct

import numpy as np
import pydicom
import pytest

from napari_midrl.errors import SeriesError
from napari_midrl.io.dicom import read_dicom_study
from napari_midrl.io.dicom_mosaic import (
    Mosaic,
    first_tile_position,
    split_mosaic,
)


def csa_header(**entries):
    """Bytes of a Siemens CSA2 header with lists of numbers."""
    out = b"SV10" + b"\4\3\2\1" + struct.pack("<II", len(entries), 77)
    for name, numbers in entries.items():
        out += struct.pack("<64si4siii", name.encode(), 3, b"FD", 4, len(numbers), 77)
        for number in numbers:
            text = f"{number:.8f}".encode() + b"\0"
            out += struct.pack("<iiii", *[len(text)] * 4)
            out += text + bytes(-len(text) % 4)
    return out


@pytest.fixture
def mosaic_file(tmp_path, write_series):
    """Five slices of 4 x 6 voxels in a picture of 3 x 3 tiles, pixels 2 x 1 mm."""

    def _write(normal=(0, 0, -1), **private):
        (path,) = write_series(tmp_path, n=1)
        ds = pydicom.dcmread(path)
        ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.ImagePositionPatient = [100, 200, 300]
        ds.PixelSpacing = [2, 1]
        ds.SpacingBetweenSlices = 5
        ds.Rows, ds.Columns = 12, 18
        picture = np.zeros((12, 18), "<u2")
        for n in range(5):
            r, c = divmod(n, 3)
            rows, columns = np.mgrid[0:4, 0:6]
            tile = 100 * (n + 1) + 10 * rows + columns
            picture[4 * r : 4 * r + 4, 6 * c : 6 * c + 6] = tile
        ds.PixelData = picture.tobytes()
        ds.add_new(0x00190010, "LO", "SIEMENS MR HEADER")
        if private.get("tiles", 5):
            ds.add_new(0x0019100A, "US", 5)
        ds.add_new(0x00290010, "LO", "SIEMENS CSA HEADER")
        header = csa_header(EchoLinePosition=[32], SliceNormalVector=normal, X=[])
        ds.add_new(0x00291010, "OB", private.get("header", header))
        ds.save_as(path)
        return tmp_path

    return _write


def test_a_hand_worked_mosaic(mosaic_file):
    """The picture is 18 x 12, a tile 6 x 4: the first voxel lies 6 and 4 further in."""
    (volume,) = read_dicom_study(mosaic_file(normal=(0, 0, 1))).volumes
    assert volume.array.shape == (6, 4, 5)
    assert volume.array[5, 2, 3] == 400 + 20 + 5
    expected = np.diag([1.0, 2, 5, 1])
    expected[:3, 3] = [100 + 6 * 1, 200 + 4 * 2, 300]
    np.testing.assert_allclose(volume.grid.affine_lps, expected)


def test_slices_may_run_against_the_normal(mosaic_file):
    """The same voxels at the mirrored heights; k still runs along the normal."""
    (volume,) = read_dicom_study(mosaic_file(normal=(0, 0, -1))).volumes
    assert np.linalg.det(volume.grid.affine_lps[:3, :3]) > 0
    first_slice = volume.grid.to_ijk([106, 208, 300]).round().astype(int)
    assert tuple(first_slice) == (0, 0, 4)
    assert volume.array[tuple(first_slice)] == 100
    last_slice = volume.grid.to_ijk([106, 208, 280]).round().astype(int)
    assert volume.array[tuple(last_slice)] == 500


@pytest.mark.parametrize(
    ("private", "reason"),
    [
        ({"tiles": 0}, "number of slices"),
        ({"header": csa_header(Other=[1])}, "slice direction"),
        ({"header": csa_header(SliceNormalVector=[0, 0])}, "slice direction"),
        ({"header": b"SV10" + bytes(8)}, "cannot be read"),
        ({"header": b""}, "slice direction"),
    ],
)
def test_a_mosaic_that_does_not_tell_its_slices_is_refused(
    mosaic_file, private, reason
):
    """It must not open as one big slice."""
    with pytest.raises(SeriesError, match=reason):
        read_dicom_study(mosaic_file(**private))


def test_tiles_are_cut_row_by_row():
    picture = np.arange(36).reshape(6, 6)
    slices = split_mosaic(picture, Mosaic(3, 2, np.array([0, 0, 1.0])))
    assert slices.shape == (3, 3, 3)
    assert slices[:, 0, 0].tolist() == [0, 3, 18]


def test_the_center_of_the_picture_is_the_center_of_the_slice():
    """What defines the shift: both share the middle."""
    steps = np.array([[1.5, 0.1], [0.0, 2.0], [-0.3, 0.4]])
    position = np.array([10.0, 20, 30])
    first = first_tile_position(position, steps, (12, 18), 3)
    middle_of_picture = position + steps @ [18 / 2, 12 / 2]
    middle_of_slice = first + steps @ [6 / 2, 4 / 2]
    np.testing.assert_allclose(middle_of_slice, middle_of_picture)
