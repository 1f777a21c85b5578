"""What the header of a DICOM file says about each of its frames, pixels unread.

A classic file holds one frame, an enhanced one many; both become `Frame` values, so
that sorting and building need not know the difference. Nothing that identifies the
patient is kept.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom

from napari_midrl.errors import SeriesError
from napari_midrl.io.dicom_mosaic import mosaic_tiles
from napari_midrl.io.dicom_pixels import DICOM_ERRORS
from napari_midrl.io.untrusted import untrusted

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset

DEFLATED = "1.2.840.10008.1.2.1.99"

_TAGS: list[Any] = [
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID",
    "FrameOfReferenceUID", "PatientID", "Modality", "SeriesNumber",
    "SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName",
    "ImageType", "ScanningSequence", "ScanOptions", "SequenceVariant", "EchoTime",
    "EchoNumbers", "RepetitionTime", "InversionTime", "FlipAngle",
    "AcquisitionNumber", "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime",
    "ContentTime", "TriggerTime", "TemporalPositionIdentifier", "InstanceNumber",
    "DiffusionBValue", "DiffusionGradientOrientation", "Rows", "Columns",
    "PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient",
    "SliceThickness", "SpacingBetweenSlices", "RescaleSlope", "RescaleIntercept",
    "ModalityLUTSequence", "SamplesPerPixel", "BitsAllocated", "NumberOfFrames",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    # b-values of the vendors, and the Siemens mosaic
    0x00190010, 0x0019100A, 0x0019100C, 0x00290010, 0x00291010, 0x00430010,
    0x00431039, 0x20010010, 0x20011003,
]  # fmt: skip

_SEQUENCE_B_VALUE = re.compile(r"_b(\d{1,5})")
# GE adds 1e9 to b-values of some releases.
_GE_OFFSET = 1_000_000_000


@dataclass(frozen=True)
class Frame:
    """One slice, or one mosaic of slices, as its header describes it.

    Parameters
    ----------
    path, index, n_in_file
        File, number of the frame in it from 0, and frames in the file.
    series_uid, series_number, study_uid, sop_uid, frame_of_reference_uid
        Identifiers as in DICOM; `series_number` is 0 where absent.
    modality
        ``"MR"`` and so on.
    patient
        A hash that tells two patients apart and names neither.
    rows, columns, bits, position, orientation, pixel_spacing
        Geometry as in DICOM: position of the first voxel's center in LPS mm, cosines
        of the row and column directions, spacing down and across in mm.
    slice_spacing
        What the header says about the distance of slices, mm, 0 if nothing; only used
        for a single slice and a mosaic.
    slope, intercept
        Stored number to value.
    tiles
        Slices of a Siemens mosaic, 0 for an ordinary frame.
    b_value, direction
        Diffusion weighting in s/mm² and its direction; None where there is none.
    echo, echo_time_ms, repetition_time_ms, inversion_time_ms, flip_angle
        Timing; None where absent.
    temporal_position, acquisition, trigger_time_ms, acquired_s, content_s, instance
        What may tell phases apart; times in seconds since midnight or the epoch.
    image_type, scanning, options
        Code strings in upper case.
    words
        Series description, protocol and sequence name; never shown.
    protocol
        Protocol name and sequence name: equal for the phases of one dynamic scan.
    """

    path: Path
    index: int
    n_in_file: int
    series_uid: str
    series_number: int
    study_uid: str
    sop_uid: str
    frame_of_reference_uid: str
    modality: str
    patient: str
    rows: int
    columns: int
    bits: int
    position: tuple[float, float, float]
    orientation: tuple[float, ...]
    pixel_spacing: tuple[float, float]
    slice_spacing: float
    slope: float
    intercept: float
    tiles: int
    b_value: float | None
    direction: tuple[float, ...] | None
    echo: int | None
    echo_time_ms: float | None
    repetition_time_ms: float | None
    inversion_time_ms: float | None
    flip_angle: float | None
    temporal_position: int | None
    acquisition: int | None
    trigger_time_ms: float | None
    acquired_s: float | None
    content_s: float | None
    instance: int | None
    image_type: tuple[str, ...]
    scanning: tuple[str, ...]
    options: tuple[str, ...]
    words: str
    protocol: str


def is_dicom(path: Path) -> bool:
    """Return whether the file carries the DICOM mark; only 132 bytes are read."""
    try:
        with path.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False


def read_frames(path: Path) -> tuple[Frame, ...]:
    """Return the frames of a DICOM file; empty if it holds no image.

    Raises
    ------
    SeriesError
        If the file is empty, truncated in its header, or compressed as a whole.
    """
    with untrusted(path, SeriesError, DICOM_ERRORS), warnings.catch_warnings():
        # pydicom warns of every value that bends the standard; scanners often do.
        warnings.simplefilter("ignore")
        if path.stat().st_size == 0:
            msg = "is empty"
            raise SeriesError(msg, path)
        _refuse_deflated(path)
        ds = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
        if "PerFrameFunctionalGroupsSequence" in ds:
            return tuple(
                _frame(path, ds, index, _flatten(ds, index))
                for index in range(len(ds.PerFrameFunctionalGroupsSequence))
            )
        if "ImagePositionPatient" not in ds:
            # Reports, presentation states and the like; an image cut short is not one.
            if "SOPClassUID" in ds and "Image Storage" not in ds.SOPClassUID.name:
                return ()
            msg = "has no position in the patient; a screenshot, or truncated"
            raise SeriesError(msg, path)
        return (_frame(path, ds, 0, {}),)


def _refuse_deflated(path: Path) -> None:
    """Refuse files compressed as a whole, which could unpack to anything."""
    meta = pydicom.filereader.read_file_meta_info(path)
    if str(meta.get("TransferSyntaxUID", "")) == DEFLATED:
        msg = "is a deflated DICOM file; unpack it first (dcmconv +te)"
        raise SeriesError(msg, path)


def _flatten(ds: Dataset, index: int) -> dict[str, Any]:
    """Return the functional groups of one frame of an enhanced file, by keyword."""
    groups: dict[str, Any] = {}
    shared = ds.get("SharedFunctionalGroupsSequence") or []
    for item in [*shared, ds.PerFrameFunctionalGroupsSequence[index]]:
        for element in item:
            if element.VR != "SQ" or element.tag.is_private or not element.value:
                continue
            for inner in element.value[0]:
                if inner.VR == "SQ" and inner.keyword.startswith("DiffusionGradient"):
                    groups |= {e.keyword: e.value for e in inner.value[0]}
                elif inner.keyword:
                    groups[inner.keyword] = inner.value
    return groups


def _frame(path: Path, ds: Dataset, index: int, groups: dict[str, Any]) -> Frame:
    """Return one frame's facts; `groups` goes before the file's own attributes."""

    def get(*names: str) -> Any:
        for name in names:
            value = groups.get(name, ds.get(name))
            if value is not None and value != "":
                return value
        return None

    if int(get("SamplesPerPixel") or 1) != 1:
        msg = "is a color image"
        raise SeriesError(msg, path)
    if "ModalityLUTSequence" in ds:
        msg = "holds values behind a look-up table, which is not supported"
        raise SeriesError(msg, path)
    image_type = _codes(get("FrameType") or get("ImageType"))
    image_type += _codes(get("ComplexImageComponent"))
    words = [get("SeriesDescription"), get("ProtocolName")]
    words += [get("SequenceName", "PulseSequenceName")]
    position = _numbers(get, "ImagePositionPatient", 3)
    spacing = _numbers(get, "PixelSpacing", 2)
    rows, columns = _numbers(get, "Rows", 1), _numbers(get, "Columns", 1)
    return Frame(
        path=path,
        index=index,
        n_in_file=max(int(ds.get("NumberOfFrames") or 1), 1),
        series_uid=str(ds.SeriesInstanceUID),
        series_number=_integer(get("SeriesNumber")) or 0,
        study_uid=str(get("StudyInstanceUID") or ""),
        sop_uid=str(get("SOPInstanceUID") or path),
        frame_of_reference_uid=str(get("FrameOfReferenceUID") or ""),
        modality=str(get("Modality") or "MR"),
        patient=hashlib.sha256(str(ds.get("PatientID", "")).encode()).hexdigest()[:8],
        rows=int(rows[0]),
        columns=int(columns[0]),
        bits=int(get("BitsAllocated") or 16),
        position=(position[0], position[1], position[2]),
        orientation=_numbers(get, "ImageOrientationPatient", 6),
        pixel_spacing=(spacing[0], spacing[1]),
        slice_spacing=abs(_number(get("SpacingBetweenSlices", "SliceThickness")) or 0),
        slope=_number(get("RescaleSlope")) or 1.0,
        intercept=_number(get("RescaleIntercept")) or 0.0,
        tiles=mosaic_tiles(ds, image_type),
        b_value=_b_value(ds, get),
        direction=_direction(get("DiffusionGradientOrientation")),
        echo=_integer(get("EchoNumbers")),
        echo_time_ms=_number(get("EffectiveEchoTime", "EchoTime")),
        repetition_time_ms=_number(get("RepetitionTime")),
        inversion_time_ms=_number(get("InversionTime", "InversionTimes")),
        flip_angle=_number(get("FlipAngle")),
        temporal_position=_integer(
            get("TemporalPositionIndex", "TemporalPositionIdentifier")
        ),
        acquisition=_integer(get("FrameAcquisitionNumber", "AcquisitionNumber")),
        trigger_time_ms=_number(get("NominalCardiacTriggerDelayTime", "TriggerTime")),
        acquired_s=_acquired_s(get),
        content_s=_time_s(get("ContentTime")),
        instance=_integer(get("InstanceNumber")),
        image_type=image_type,
        scanning=_codes(get("ScanningSequence")),
        options=_codes(get("ScanOptions")),
        words=" ".join(str(word) for word in words if word),
        protocol=f"{get('ProtocolName') or get('SeriesDescription')}|{words[2]}",
    )


def _b_value(ds: Dataset, get: Any) -> float | None:
    """Return the diffusion weighting in s/mm² by the standard or a vendor's tag."""
    standard = _number(get("DiffusionBValue"))
    if standard is not None:
        return standard
    if str(ds.get(0x00190010, _EMPTY).value).startswith("SIEMENS MR") and (
        0x0019100C in ds
    ):
        return _private_number(ds[0x0019100C].value)
    if "GEMS_PARM" in str(ds.get(0x00430010, _EMPTY).value) and 0x00431039 in ds:
        value = _private_number(ds[0x00431039].value)
        return None if value is None else value % _GE_OFFSET
    if str(ds.get(0x20010010, _EMPTY).value).startswith("Philips") and (
        0x20011003 in ds
    ):
        return _private_number(ds[0x20011003].value)
    named = _SEQUENCE_B_VALUE.search(str(get("SequenceName") or ""))
    return float(named[1]) if named else None


class _Empty:
    """Stands for a private element that is not there."""

    value = ""


_EMPTY = _Empty()


def _private_number(value: Any) -> float | None:
    """Return the first number of a private value, which may come as text or bytes."""
    if isinstance(value, bytes):
        if len(value) == 4 and value.strip(b"0123456789. \\") != b"":
            return float(np.frombuffer(value, "<f4")[0])
        value = value.decode("latin-1").split("\\")[0].strip(" \0")
    if isinstance(value, (list, pydicom.multival.MultiValue)):
        value = value[0] if len(value) else None
    return _number(value)


def _number(value: Any) -> float | None:
    """Return a finite float, or None."""
    if isinstance(value, (list, pydicom.multival.MultiValue)):
        value = value[0] if len(value) else None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _integer(value: Any) -> int | None:
    """Return a whole number, or None."""
    number = _number(value)
    return None if number is None else int(number)


def _numbers(get: Any, keyword: str, n: int) -> tuple[float, ...]:
    """Return exactly n finite floats of an attribute that every image must have."""
    value = get(keyword)
    try:
        numbers = tuple(float(x) for x in np.atleast_1d(value))
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != n or not np.isfinite(numbers).all():
        msg = f"{keyword} is missing or is not {n} finite numbers"
        raise ValueError(msg)
    return numbers


def _direction(value: Any) -> tuple[float, ...] | None:
    """Return a rounded diffusion direction, or None."""
    return None if value is None else tuple(round(float(x), 3) for x in value)


def _codes(value: Any) -> tuple[str, ...]:
    """Return code strings as a tuple in upper case."""
    if value is None:
        return ()
    words = [value] if isinstance(value, str) else list(value)
    return tuple(str(word).strip().upper() for word in words if str(word).strip())


def _acquired_s(get: Any) -> float | None:
    """Return when the frame was acquired, in seconds on the scanner's clock.

    Midnight is passed over by counting days where the header gives the date.
    """
    stamp = str(get("FrameAcquisitionDateTime", "AcquisitionDateTime") or "")
    if len(stamp) >= 14:
        return _days(stamp[:8]) * 86_400.0 + (_time_s(stamp[8:]) or 0.0)
    time = _time_s(get("AcquisitionTime"))
    if time is None:
        return None
    return _days(str(get("AcquisitionDate") or "")) * 86_400.0 + time


def _days(date: str) -> int:
    """Return a day number for a DICOM date, 0 if it is none."""
    if not re.fullmatch(r"\d{8}", date):
        return 0
    try:
        day = np.datetime64(f"{date[:4]}-{date[4:6]}-{date[6:]}", "D")
    except ValueError:
        return 0
    return int(day.astype(np.int64))


def _time_s(value: Any) -> float | None:
    """Return seconds since midnight of a DICOM time such as ``"124018.907500"``."""
    found = re.match(r"(\d\d)(\d\d)(\d\d(?:\.\d+)?)", str(value or ""))
    if found is None:
        return None
    return int(found[1]) * 3600.0 + int(found[2]) * 60.0 + float(found[3])
