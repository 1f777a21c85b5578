"""Landmarks for a PACS or a planning system: DICOM SR and RT structure sets.

Both become part of the study of the images and carry its patient, so whoever writes
one has to say that this is meant. Coordinates are LPS mm, as everywhere in DICOM.

References
----------
.. [1] DICOM PS3.16, TID 1500 "Measurement Report", TID 1410 "Planar ROI Measurements
   and Qualitative Evaluations".
.. [2] DICOM PS3.3, C.8.8.5 "Structure Set", C.8.8.6 "ROI Contour".
"""

from __future__ import annotations

import re
import warnings
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

from napari_midrl import __version__
from napari_midrl.data.landmarks import LandmarkSource
from napari_midrl.errors import InputError, SeriesError
from napari_midrl.io.atomic import replacing
from napari_midrl.io.untrusted import untrusted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from napari_midrl.data.landmarks import Landmark, LandmarkSet

IDENTIFIER_WARNING = (
    "This file contains identifiers of the source study: patient's name, number, sex "
    "and birth date, and the numbers of study and series, as they are in the images."
)
_MANUFACTURER = "napari-midrl"
_PATIENT_AND_STUDY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID",
    "StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip


def write_sr(
    landmarks: LandmarkSet,
    images: Sequence[Path],
    path: Path,
    *,
    identifiers_confirmed: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write a structured report (Comprehensive 3D SR, TID 1500) and return the path.

    Every landmark with a position is one measurement group: a point in the frame of
    reference, its name as tracking identifier, and the model where a model chose it.
    Positions are stored in single precision, which moves them by less than 0.1 um.

    Parameters
    ----------
    landmarks
        With the frame of reference of the images, or none.
    images
        DICOM files of the image they were placed on.
    path
        The file, ``.dcm``.
    identifiers_confirmed
        That the user read `IDENTIFIER_WARNING` and means it.
    overwrite
        Replace an existing file; the old one stays as ``.bak``.

    Raises
    ------
    InputError
        If that is not confirmed, no landmark has a position, or it cannot be written.
    SeriesError
        If the images cannot be read, or are not of one study and frame of reference.
    OverwriteError
        If the file exists and `overwrite` is false.
    """
    placed = _placed(landmarks, path, identifiers_confirmed)
    headers = _headers(images, landmarks.frame_of_reference_uid)
    return _write(_report, placed, headers, path, overwrite)


def write_rtstruct(
    landmarks: LandmarkSet,
    images: Sequence[Path],
    path: Path,
    *,
    identifiers_confirmed: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write an RT structure set, one POINT per landmark, and return the path.

    Parameters and errors are those of `write_sr`. Positions are stored as decimal
    texts of 16 characters, which moves them by less than a nanometer.
    """
    placed = _placed(landmarks, path, identifiers_confirmed)
    headers = _headers(images, landmarks.frame_of_reference_uid)
    return _write(_structure_set, placed, headers, path, overwrite)


def _placed(landmarks: LandmarkSet, path: Path, confirmed: bool) -> list[Landmark]:
    if not confirmed:
        msg = f"{IDENTIFIER_WARNING} Say that this is meant (identifiers_confirmed)"
        raise InputError(msg, path)
    placed = [m for m in landmarks if m.position_lps_mm is not None]
    if not placed:
        msg = "there is no landmark with a position to write"
        raise InputError(msg, path)
    return placed


def _headers(images: Iterable[Path], frame_of_reference_uid: str) -> list[Dataset]:
    """Return the headers of the images, which must be of one study and frame."""
    headers = []
    for path in images:
        with untrusted(path, SeriesError):
            headers.append(pydicom.dcmread(path, stop_before_pixels=True))
            for name in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID"):
                if not headers[-1].get(name):
                    msg = f"has no {name}"
                    raise SeriesError(msg, path)
    studies = {str(header.get("StudyInstanceUID", "")) for header in headers}
    frames = {str(header.get("FrameOfReferenceUID", "")) for header in headers}
    if not headers or len(studies) != 1 or len(frames) != 1 or "" in studies | frames:
        msg = (
            f"need DICOM images of one study and one frame of reference, got "
            f"{len(headers)} images of {len(studies)} and {len(frames)}"
        )
        raise SeriesError(msg)
    if frame_of_reference_uid not in ("", *frames):
        msg = "the landmarks lie in another frame of reference than the images"
        raise SeriesError(msg)
    for header in headers:
        for name in _PATIENT_AND_STUDY:
            # Pseudonymized images often lack what every object of a study must have.
            if name not in header:
                setattr(header, name, "")
    return headers


def _write(
    make: Callable[[list[Landmark], list[Dataset]], Dataset],
    placed: list[Landmark],
    headers: list[Dataset],
    path: Path,
    overwrite: bool,
) -> Path:
    """Write what `make` makes of landmarks and headers, whole or not at all."""
    with (
        warnings.catch_warnings(),
        replacing(path, overwrite) as temporary,
        untrusted(path, SeriesError),
    ):
        # pydicom remarks on values of the source files, which are copied as they are.
        warnings.simplefilter("ignore")
        make(placed, headers).save_as(temporary, enforce_file_format=True)
    return path


def _report(placed: list[Landmark], headers: list[Dataset]) -> Dataset:
    # Half a second, which nobody should wait for who does not export.
    import highdicom.sr as sr
    from pydicom.sr.codedict import codes

    frame = str(headers[0].FrameOfReferenceUID)
    landmark_code = sr.CodedConcept("landmark", "99MIDRL", "Anatomical landmark")
    groups = [
        sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(generate_uid(), mark.name),
            referenced_region=sr.ImageRegion3D(
                sr.GraphicTypeValues3D.POINT, np.array([mark.position_lps_mm]), frame
            ),
            finding_type=landmark_code,
            algorithm_id=_algorithm(mark),
        )
        for mark in placed
    ]
    readers = {m.rater for m in placed if m.source != LandmarkSource.MODEL} - {""}
    observer = sr.ObserverContext(
        codes.DCM.Person,
        sr.PersonObserverIdentifyingAttributes(_person(" and ".join(sorted(readers)))),
    )
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_person_context=observer),
        procedure_reported=codes.LN.MRIUnspecifiedBodyRegion,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    return sr.Comprehensive3DSR(
        evidence=headers,
        content=report,
        series_instance_uid=generate_uid(),
        series_number=9000,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer=_MANUFACTURER,
    )


def _algorithm(mark: Landmark) -> Any:
    """Return which model chose a position; None for a person."""
    import highdicom.sr as sr

    if mark.source != LandmarkSource.MODEL:
        return None
    name, _, version = (mark.rater or "agents").rpartition(" ")
    return sr.AlgorithmIdentification(name or version, version if name else "unknown")


def _structure_set(placed: list[Landmark], headers: list[Dataset]) -> Dataset:
    now = datetime.now()
    out = Dataset()
    out.file_meta = FileMetaDataset()
    out.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    out.SpecificCharacterSet = "ISO_IR 192"
    out.SOPClassUID = RTStructureSetStorage
    out.SOPInstanceUID = generate_uid()
    out.file_meta.MediaStorageSOPInstanceUID = out.SOPInstanceUID
    for name in _PATIENT_AND_STUDY:
        setattr(out, name, headers[0].get(name))
    out.Modality = "RTSTRUCT"
    out.SeriesInstanceUID = generate_uid()
    out.SeriesNumber = 9001
    out.OperatorsName = ""
    out.Manufacturer = _MANUFACTURER
    out.SoftwareVersions = __version__
    out.InstanceNumber = 1
    out.StructureSetLabel = "Landmarks"
    out.StructureSetDate = f"{now:%Y%m%d}"
    out.StructureSetTime = f"{now:%H%M%S}"
    out.ApprovalStatus = "UNAPPROVED"
    out.ReferencedFrameOfReferenceSequence = [_reference(headers)]
    frame = headers[0].FrameOfReferenceUID
    numbered = list(enumerate(placed, start=1))
    out.StructureSetROISequence = [_roi(n, m, frame) for n, m in numbered]
    out.ROIContourSequence = [_contour(n, m) for n, m in numbered]
    out.RTROIObservationsSequence = [_observation(n, m) for n, m in numbered]
    return out


def _reference(headers: list[Dataset]) -> Dataset:
    """Return the frame of reference with the series and images it is known from."""
    by_series: dict[str, list[Dataset]] = {}
    for header in headers:
        by_series.setdefault(str(header.SeriesInstanceUID), []).append(header)
    study = Dataset()
    study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    study.ReferencedSOPInstanceUID = headers[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = []
    for uid, images in by_series.items():
        series = Dataset()
        series.SeriesInstanceUID = uid
        series.ContourImageSequence = []
        for image in images:
            item = Dataset()
            item.ReferencedSOPClassUID = image.SOPClassUID
            item.ReferencedSOPInstanceUID = image.SOPInstanceUID
            series.ContourImageSequence.append(item)
        study.RTReferencedSeriesSequence.append(series)
    reference = Dataset()
    reference.FrameOfReferenceUID = headers[0].FrameOfReferenceUID
    reference.RTReferencedStudySequence = [study]
    return reference


def _roi(number: int, mark: Landmark, frame_of_reference_uid: str) -> Dataset:
    roi = Dataset()
    roi.ROINumber = number
    roi.ReferencedFrameOfReferenceUID = frame_of_reference_uid
    roi.ROIName = _plain(mark.name)
    is_model = mark.source == LandmarkSource.MODEL
    roi.ROIGenerationAlgorithm = "AUTOMATIC" if is_model else "MANUAL"
    return roi


def _contour(number: int, mark: Landmark) -> Dataset:
    contour = Dataset()
    contour.ContourGeometricType = "POINT"
    contour.NumberOfContourPoints = 1
    position = mark.position_lps_mm or ()
    contour.ContourData = [format_number_as_ds(x) for x in position]
    roi = Dataset()
    roi.ReferencedROINumber = number
    roi.ContourSequence = [contour]
    return roi


def _observation(number: int, mark: Landmark) -> Dataset:
    observation = Dataset()
    observation.ObservationNumber = number
    observation.ReferencedROINumber = number
    observation.RTROIInterpretedType = "MARKER"
    person = "" if mark.source == LandmarkSource.MODEL else mark.rater
    observation.ROIInterpreter = _person(person) if person else ""
    return observation


def _plain(text: str) -> str:
    r"""Return text as a short DICOM text may be: 64 characters without a backslash."""
    return text.replace("\\", "/")[:64].strip()


def _person(text: str) -> str:
    """Return text as a DICOM person's name: one component group."""
    return re.sub(r"[\\^=]+", " ", text)[:64].strip() or "unknown"
