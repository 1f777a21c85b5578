"""Landmarks handed on arrive where they were, and nothing else goes along."""

import highdicom
import numpy as np
import pydicom
import pytest
from highdicom.sr import Comprehensive3DSR
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from SimpleITK import ReadImage

from napari_midrl.annotation.commands import (
    Accept,
    AddProposals,
    Place,
    Rename,
    Skip,
)
from napari_midrl.data.annotations import (
    AnnotationDocument,
    Proposal,
    identity_of,
    new_annotations,
)
from napari_midrl.data.progress import finish
from napari_midrl.data.protocol import LandmarkProtocol, ProtocolLandmark
from napari_midrl.data.volume import Volume
from napari_midrl.errors import (
    InputError,
    LandmarkFileError,
    OverwriteError,
    SeriesError,
)
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.annotation_file import write_annotations
from napari_midrl.io.images import write_nifti
from napari_midrl.io.landmarks import read_landmarks
from napari_midrl.io.study import read_study
from napari_midrl.io.voxel_text import read_voxel_text
from napari_midrl.workflows.annotate import open_session
from napari_midrl.workflows.annotation_cases import case_rows
from napari_midrl.workflows.cases import find_cases
from napari_midrl.workflows.export_annotations import (
    export_dicom,
    export_landmarks,
    export_proposals,
)
from napari_midrl.workflows.export_dataset import export_dataset

AFFINE = np.eye(4)
AFFINE[:3, :3] = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, -1]]) * (1, 2, 3)
AFFINE[:3, 3] = (-30.5, 12.25, 100)
GRID = VoxelGrid((8, 9, 10), AFFINE)
VOLUME = Volume(np.arange(720.0).reshape(8, 9, 10), GRID, "T2w")
PROTOCOL = LandmarkProtocol(
    "two",
    "Two",
    (
        ProtocolLandmark("knee, left", "of the patient", number=1),
        ProtocolLandmark("Ärmel", number=2),
    ),
)
HERE, THERE = (
    tuple(GRID.to_lps_mm(ijk).tolist()) for ijk in ((1.25, 2.5, 3.75), (7, 8, 9))
)
GUESS = Proposal(THERE, "agents 1.0", 0.25, "ab" * 32)


def annotated(*commands, volume=VOLUME, protocol=PROTOCOL):
    annotations = new_annotations(protocol)
    for command in commands:
        annotations = command.apply(annotations)
    return AnnotationDocument(identity_of(volume), "Dr. Ann", protocol, annotations)


FULL = annotated(
    Place("knee, left", HERE), AddProposals({"Ärmel": GUESS}), Accept("Ärmel")
)


# --- tables and lists ------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".csv", ".mrk.json", ".fcsv"])
def test_positions_arrive_exactly(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    assert path in export_landmarks(FULL, path, VOLUME)

    read = read_landmarks(path, grid=GRID)
    assert [m.name for m in read] == ["knee, left", "Ärmel"]
    assert [m.position_lps_mm for m in read] == [HERE, THERE]


@pytest.mark.parametrize("suffix", [".csv", ".mrk.json"])
def test_who_chose_a_position_goes_along(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    export_landmarks(FULL, path, VOLUME, case_id="case 7")
    read = read_landmarks(path)

    assert read.image_sha256 == VOLUME.content_hash
    assert read.case_id == "case 7"
    assert [(m.source.value, m.rater) for m in read] == [
        ("human", "Dr. Ann"), ("model", "agents 1.0")
    ]  # fmt: skip
    assert read["Ärmel"].confidence == 0.25


def test_an_open_proposal_is_never_among_the_landmarks(tmp_path):
    open_ = annotated(Place("knee, left", HERE), AddProposals({"Ärmel": GUESS}))
    export_landmarks(open_, tmp_path / "mine.csv", VOLUME)
    export_proposals(open_, tmp_path / "theirs.csv", VOLUME)

    mine = read_landmarks(tmp_path / "mine.csv")
    assert mine["Ärmel"].position_lps_mm is None
    assert "agents" not in (tmp_path / "mine.csv").read_text("utf-8")
    theirs = read_landmarks(tmp_path / "theirs.csv")
    assert [m.name for m in theirs] == ["Ärmel"]
    assert theirs.model_sha256 == "ab" * 32


def test_a_list_of_numbered_landmarks_is_as_afids_writes_it(tmp_path):
    export_landmarks(FULL, tmp_path / "a.fcsv", VOLUME)
    rows = (tmp_path / "a.fcsv").read_text("utf-8").splitlines()[3:]

    assert [row.split(",", 11)[11] for row in rows] == ['1,"knee, left",', "2,Ärmel,"]


def test_a_landmark_beside_the_protocol_makes_an_ordinary_list(tmp_path):
    plain = LandmarkProtocol("p", "P", (ProtocolLandmark("a", "word"),))
    export_landmarks(
        annotated(Place("a", HERE), protocol=plain), tmp_path / "a.fcsv", VOLUME
    )

    assert (tmp_path / "a.fcsv").read_text("utf-8").endswith(",a,word,\n")


def test_an_export_never_takes_the_place_of_annotations(tmp_path):
    """They hold more: proposals, locks, the protocol."""
    with pytest.raises(ValueError, match="path must end in"):
        export_landmarks(FULL, tmp_path / "a.midrl.json", VOLUME, overwrite=True)


def test_annotations_are_read_like_any_landmark_file(tmp_path):
    open_ = annotated(Place("knee, left", HERE), AddProposals({"Ärmel": GUESS}))
    write_annotations(open_, tmp_path / "a.midrl.json", expected=None)
    read = read_landmarks(tmp_path / "a.midrl.json")

    assert read == open_.as_landmark_set()
    assert read["Ärmel"].position_lps_mm is None


def test_another_image_is_no_export(tmp_path):
    with pytest.raises(ValueError, match="of 'T2w', not of 'T1w'"):
        export_landmarks(
            FULL, tmp_path / "a.csv", Volume(VOLUME.array + 1, GRID, "T1w")
        )


# --- voxel text ------------------------------------------------------------------


def test_voxel_text_holds_the_indices_another_program_sees(tmp_path):
    """SimpleITK's continuous index of the same place in the image written as NIfTI."""
    path = tmp_path / "a.txt"
    export_landmarks(FULL, path, VOLUME)
    image = ReadImage(write_nifti(VOLUME, tmp_path / "a.nii.gz"))

    rows = [[float(x) for x in line.split(",")] for line in path.read_text().split()]
    np.testing.assert_allclose(rows, [(1.25, 2.5, 3.75), (7, 8, 9)], atol=1e-9)
    for row, position in zip(rows, (HERE, THERE), strict=True):
        seen = image.TransformPhysicalPointToContinuousIndex(position)
        np.testing.assert_allclose(seen, row, atol=1e-4)


def test_voxel_text_is_read_with_the_image_and_the_names(tmp_path):
    path = tmp_path / "a.txt"
    export_landmarks(FULL, path, VOLUME)
    read = read_voxel_text(path, GRID, PROTOCOL.names)

    for mark, position in zip(read, (HERE, THERE), strict=True):
        np.testing.assert_allclose(mark.position_lps_mm, position, atol=1e-9)
    path.write_text("1 2 3\r\n\n4.5\t5 6\n")
    read = read_voxel_text(path, GRID, PROTOCOL.names)
    np.testing.assert_allclose(GRID.to_ijk(read["Ärmel"].position_lps_mm), (4.5, 5, 6))


def test_voxel_text_cannot_say_that_a_landmark_is_missing(tmp_path):
    half = annotated(Place("knee, left", HERE), Skip("Ärmel"))

    with pytest.raises(LandmarkFileError, match="not placed: Ärmel"):
        export_landmarks(half, tmp_path / "a.txt", VOLUME)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("1,2,3\n", "holds 1 landmarks, expected 2"),
        ("1,2,3\n1,2\n", "line 2: expected three numbers"),
        ("1,2,3\n1,2,nan\n", "line 2: expected three numbers"),
        ("x,y,z\n1,2,3\n", "line 1: expected three numbers"),
        ("1,2,3\n1,2,-30\n", "line 2: voxel .* is not in the image"),
    ],
)
def test_wrong_voxel_text_is_refused_by_line(tmp_path, text, cause):
    path = tmp_path / "a.txt"
    path.write_text(text)

    with pytest.raises(LandmarkFileError, match=rf"a\.txt: .*{cause}"):
        read_voxel_text(path, GRID, PROTOCOL.names)


# --- DICOM -----------------------------------------------------------------------

UID = "1.2.826.0.1.3680043.8.498."


def write_slice(folder, number, series=1):
    """A pseudonymized slice: attributes that any object of a study needs are gone."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = MRImageStorage
    ds.SOPInstanceUID = f"{UID}{series}.{number}"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.MediaStorageSOPClassUID = MRImageStorage
    ds.PatientName, ds.PatientID = "Someone", "ID-7"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = UID + "8", f"{UID}9.{series}"
    ds.FrameOfReferenceUID = UID + "7"
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "MR", series, number + 1
    ds.Rows, ds.Columns, ds.PixelSpacing = 6, 8, [1.5, 0.75]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient = [-3, -4, 5 + 3 * number]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelRepresentation = 0
    ds.PixelData = np.full((6, 8), 100 * series + number, "<u2").tobytes()
    ds.save_as(folder / f"{series}-{number}.dcm", enforce_file_format=True)


@pytest.fixture
def scan(tmp_path):
    """A volume of the first of two series in a folder."""
    folder = tmp_path / "scan"
    folder.mkdir()
    for series in (1, 2):
        for number in range(4):
            write_slice(folder, number, series)
    return read_study(folder).volumes[0]


@pytest.fixture
def reading(scan):
    """Two landmarks on it, one of a model."""
    return annotated(
        Place("knee, left", (1.1, 2.2, 7.3)),
        AddProposals({"Ärmel": Proposal((-1.0, 0.125, 11.0), "agents 1.0", 0.5)}),
        Accept("Ärmel"),
        volume=scan,
    )


@pytest.mark.parametrize("kind", ["SR", "RTSTRUCT"])
def test_identifiers_go_along_only_when_that_is_meant(tmp_path, scan, reading, kind):
    path = tmp_path / "a.dcm"
    with pytest.raises(InputError, match="identifiers of the source study"):
        export_dicom(reading, path, scan, kind)
    assert not path.exists()


def test_a_report_is_read_back_by_highdicom(tmp_path, scan, reading):
    path = export_dicom(
        reading, tmp_path / "a.dcm", scan, "SR", identifiers_confirmed=True
    )
    report = Comprehensive3DSR.from_dataset(pydicom.dcmread(path))
    groups = report.content.get_planar_roi_measurement_groups(
        graphic_type=highdicom.sr.GraphicTypeValues3D.POINT
    )

    assert (report.PatientID, report.StudyInstanceUID) == ("ID-7", UID + "8")
    assert [g.tracking_identifier for g in groups] == ["knee, left", "Ärmel"]
    for group, expected in zip(groups, [(1.1, 2.2, 7.3), (-1, 0.125, 11)], strict=True):
        np.testing.assert_allclose(group.roi.value, [expected], atol=1e-5)
        assert group.roi.frame_of_reference_uid == UID + "7"
    assert "agents" in str(groups[1])
    assert "agents" not in str(groups[0])
    assert report.get_evidence_series() == [(UID + "8", UID + "9.1")]


def test_a_structure_set_holds_a_point_per_landmark(tmp_path, scan, reading):
    path = export_dicom(
        reading, tmp_path / "a.dcm", scan, "RTSTRUCT", identifiers_confirmed=True
    )
    ds = pydicom.dcmread(path)

    assert [roi.ROIName for roi in ds.StructureSetROISequence] == [
        "knee, left", "Ärmel"
    ]  # fmt: skip
    for roi in ds.StructureSetROISequence:
        assert roi.ReferencedFrameOfReferenceUID == UID + "7"
    points = [roi.ContourSequence[0] for roi in ds.ROIContourSequence]
    assert {p.ContourGeometricType for p in points} == {"POINT"}
    assert [list(map(float, p.ContourData)) for p in points] == [
        [1.1, 2.2, 7.3], [-1, 0.125, 11]
    ]  # fmt: skip
    assert all(len(str(x)) <= 16 for p in points for x in p.ContourData)
    assert [o.ROIInterpreter for o in ds.RTROIObservationsSequence] == ["Dr. Ann", ""]
    study = ds.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    (series,) = study.RTReferencedSeriesSequence
    assert len(series.ContourImageSequence) == 4


@pytest.mark.parametrize("kind", ["SR", "RTSTRUCT"])
def test_every_number_fits_what_dicom_allows(tmp_path, scan, kind):
    """pydicom checks each value as it is read; a long number would be refused."""
    awkward = annotated(
        Place("knee, left", (-123.45678901234567, 1e-17, 0.1 + 0.2)),
        Rename("Ärmel", "name with a \\ backslash ^ and more" * 3),
        volume=scan,
    )
    path = export_dicom(
        awkward, tmp_path / "a.dcm", scan, kind, identifiers_confirmed=True
    )
    with pydicom.config.strict_reading():
        str(pydicom.dcmread(path))


def test_an_existing_file_is_kept(tmp_path, scan, reading):
    path = tmp_path / "a.dcm"
    path.write_text("precious")

    with pytest.raises(OverwriteError):
        export_dicom(reading, path, scan, "SR", identifiers_confirmed=True)
    assert path.read_text() == "precious"


def test_only_an_image_from_dicom_files_has_a_study(tmp_path, scan, reading):
    with pytest.raises(SeriesError, match="'T2w' was not read from DICOM"):
        export_dicom(FULL, tmp_path / "a.dcm", VOLUME, "SR", identifiers_confirmed=True)
    for path in (tmp_path / "scan").iterdir():
        path.unlink()
    with pytest.raises(SeriesError, match="no file of the series"):
        export_dicom(
            reading, tmp_path / "a.dcm", scan, "SR", identifiers_confirmed=True
        )


def test_nothing_placed_is_nothing_to_export(tmp_path, scan):
    with pytest.raises(InputError, match="no landmark with a position"):
        export_dicom(
            annotated(volume=scan),
            tmp_path / "a.dcm",
            scan,
            "SR",
            identifiers_confirmed=True,
        )


def test_a_series_becomes_a_case_of_a_data_set(tmp_path, scan):
    """Its files lie in a folder with another series; the hash says which one it was."""
    session = open_session(scan, PROTOCOL, "Ann")
    session.apply(Place("Ärmel", (1.1, 2.2, 7.3)))
    assert session.path.parent == tmp_path / "scan"

    rows = finish(case_rows(tmp_path, PROTOCOL, "Ann"))
    export_dataset(rows, {"scan": "train"}, tmp_path / "set", PROTOCOL)
    (case,) = find_cases(str(tmp_path / "set"))
    study, truth = finish(case.open())

    assert truth["Ärmel"].position_lps_mm == (1.1, 2.2, 7.3)
    assert truth.image_sha256 in {volume.content_hash for volume in study.volumes}
    assert len(study.volumes) == 2
