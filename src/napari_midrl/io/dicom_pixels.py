"""Stored numbers of DICOM frames, every common compression included.

pydicom decodes what it has decoders for. Lossless JPEG (process 14), the usual form
in older archives, needs a GPL or GDCM decoder there; ITK carries GDCM, so such a
frame is handed to it in a new minimal file that holds the pixels and their format and
nothing else of the original header.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import SimpleITK as sitk  # noqa: N813
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels import get_decoder

from napari_midrl.errors import SeriesError
from napari_midrl.io.untrusted import untrusted

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.generic]

DICOM_ERRORS = (InvalidDicomError, BytesLengthException)
"""What pydicom raises that derives from nothing usual."""

_FORMAT = (
    "SOPClassUID", "SOPInstanceUID", "SamplesPerPixel", "PhotometricInterpretation",
    "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "NumberOfFrames", "PixelData",
)  # fmt: skip


def read_dataset(path: Path) -> Dataset:
    """Return the whole data set of a DICOM file."""
    with untrusted(path, SeriesError, DICOM_ERRORS), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path)


def stored_frames(ds: Dataset, path: Path) -> Array:
    """Return the stored numbers of every frame; shape (n_frames, rows, columns).

    Raises
    ------
    SeriesError
        If the pixels are missing, truncated or in a compression nobody here knows.
    """
    with untrusted(path, SeriesError, DICOM_ERRORS), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "PixelData" not in ds:
            msg = "holds no pixels; it may be truncated"
            raise SeriesError(msg, path)
        syntax = ds.file_meta.TransferSyntaxUID
        compressed = syntax.is_compressed
        if compressed and not get_decoder(syntax).is_available:
            pixels = _decode_with_itk(ds)
        else:
            pixels = ds.pixel_array
        shape = (int(ds.get("NumberOfFrames") or 1), int(ds.Rows), int(ds.Columns))
        return np.asarray(pixels).reshape(shape)


def _decode_with_itk(ds: Dataset) -> Array:
    """Return the pixels as GDCM decodes them from a file made for the purpose."""
    plain: Any = Dataset()
    for keyword in _FORMAT:
        if keyword in ds:
            setattr(plain, keyword, ds[keyword].value)
    plain["PixelData"].VR = "OB"
    plain["PixelData"].is_undefined_length = True
    plain.file_meta = FileMetaDataset()
    plain.file_meta.TransferSyntaxUID = ds.file_meta.TransferSyntaxUID
    plain.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    plain.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "frame.dcm")
        plain.save_as(file, enforce_file_format=True)
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(file))
        pixels: Array = sitk.GetArrayFromImage(reader.Execute())
        return pixels
