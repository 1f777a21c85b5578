"""Landmarks keep their place on the way from format to format."""

from dataclasses import replace

import numpy as np
import pytest

from napari_midrl.data.landmarks import Landmark, LandmarkSet, LandmarkStatus
from napari_midrl.data.volume import Volume
from napari_midrl.errors import InputError, LandmarkFileError, OverwriteError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.images import write_nifti
from napari_midrl.io.landmarks import read_landmarks, write_landmarks
from napari_midrl.io.study import read_study
from napari_midrl.workflows.convert import convert_landmarks

AFFINE = np.array(
    [[-2.0, 0, 0, 9], [0, 1.8, -1, 8], [0, 1, 1.8, 7], [0, 0, 0, 1]], dtype=float
)
INSIDE_MM = tuple(AFFINE[:3] @ [1, 1, 2, 1])
LANDMARKS = LandmarkSet(
    (
        Landmark("AC", INSIDE_MM, description="front, of two"),
        Landmark("PC", (100.0, 0.1 + 0.2, -5e-7)),
        Landmark("RAF", None, LandmarkStatus.UNDEFINED),
    )
)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.csv"
    write_landmarks(LANDMARKS, path)
    return path


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.nii.gz"
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    write_nifti(Volume(array, VoxelGrid((2, 3, 4), AFFINE), "image"), path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".mrk.json", ".fcsv"])
def test_no_point_moves(source, tmp_path, suffix):
    target = tmp_path / f"target{suffix}"

    written = convert_landmarks(source, target)

    read = read_landmarks(target)
    assert [m.name for m in written] == [m.name for m in read]
    for landmark in read:
        before = LANDMARKS[landmark.name].position_lps_mm
        if before is None:
            assert landmark.position_lps_mm is None
        else:
            assert landmark.position_lps_mm == pytest.approx(before, abs=1e-3)


def test_what_a_format_cannot_hold_is_said(source, tmp_path):
    written = convert_landmarks(source, tmp_path / "target.fcsv")

    assert [m.name for m in written] == ["AC", "PC"]
    assert written.warnings[-1].endswith("has no position: RAF")


def test_an_unknown_ending_lists_those_there_are(source, tmp_path):
    with pytest.raises(InputError, match=r"target\.txt: .* \.csv or \.fcsv or"):
        convert_landmarks(source, tmp_path / "target.txt")


@pytest.mark.parametrize(("frame", "sign"), [("LPS", 1), ("RAS", -1)])
def test_the_frame_is_asked_of_the_user_where_the_file_is_silent(tmp_path, frame, sign):
    """An .fcsv without a header line says nothing of its frame."""
    path = tmp_path / "silent.fcsv"
    columns = "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"
    path.write_text(
        f"# Markups fiducial file version = 4.11\n# columns = {columns}\n"
        "1,10,20,30,0,0,0,1,1,1,0,AC,,\n"
    )

    landmarks = convert_landmarks(path, tmp_path / "out.csv", frame=frame)

    assert landmarks["AC"].position_lps_mm == (sign * 10, sign * 20, 30)


def test_an_image_gives_its_identity_and_warns_of_points_outside(
    source, image, tmp_path
):
    target = tmp_path / "target.csv"

    written = convert_landmarks(source, target, image=image)

    volume = read_study([image]).volumes[0]
    assert read_landmarks(target).image_sha256 == volume.content_hash
    assert written.warnings == (f"outside of {volume.name!r}: PC",)


def test_landmarks_of_another_image_are_refused(tmp_path, image):
    source, target = tmp_path / "other.csv", tmp_path / "target.csv"
    other = replace(LANDMARKS, image_name="other", image_sha256="0" * 64)
    write_landmarks(other, source)

    with pytest.raises(LandmarkFileError, match=r"other\.csv: .* placed on 'other'"):
        convert_landmarks(source, target, image=image)
    assert not target.exists()


def test_an_existing_target_is_kept(source, tmp_path):
    target = tmp_path / "target.csv"
    target.write_text("mine")

    with pytest.raises(OverwriteError, match=r"target\.csv"):
        convert_landmarks(source, target)
    assert target.read_text() == "mine"

    convert_landmarks(source, target, overwrite=True)
    assert len(read_landmarks(target)) == 3


def test_a_file_is_not_converted_onto_itself(source):
    with pytest.raises(InputError, match="same file"):
        convert_landmarks(source, source, overwrite=True)
