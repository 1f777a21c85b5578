"""NRRD and MetaImage files through ITK, after their text headers were checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk  # noqa: N813

from napari_midrl.data.volume import UNCONFIRMED, Provenance
from napari_midrl.errors import ImageError
from napari_midrl.io.nifti import RawImage
from napari_midrl.io.untrusted import (
    MAX_HEADER_BYTES,
    ReadLimits,
    beside,
    check_size,
    checked_grid,
    untrusted,
)

if TYPE_CHECKING:
    from pathlib import Path

_TYPES = {
    sitk.sitkInt8: "i1",
    sitk.sitkUInt8: "u1",
    sitk.sitkInt16: "i2",
    sitk.sitkUInt16: "u2",
    sitk.sitkInt32: "i4",
    sitk.sitkUInt32: "u4",
    sitk.sitkInt64: "i8",
    sitk.sitkUInt64: "u8",
    sitk.sitkFloat32: "f4",
    sitk.sitkFloat64: "f8",
}


def read_nrrd(path: Path, limits: ReadLimits) -> RawImage:
    """Return the voxels of a ``.nrrd`` or ``.nhdr`` file and where they lie.

    Raises
    ------
    ImageError
        If it is not NRRD, names a data file elsewhere, is truncated or too large.
    """
    fields = _nrrd_fields(path)
    for name, value in fields:
        if name in {"datafile", "data file"}:
            beside(path, value)
    warnings, details = [], {}
    if "space" not in {name for name, _ in fields}:
        warnings.append(
            "the header does not say in which space the image lies (no 'space' "
            "field); taken as left-posterior-superior, confirm before using mm"
        )
        details["world"] = UNCONFIRMED
    return _read(path, "NrrdImageIO", "NRRD", limits, tuple(warnings), details)


def read_metaimage(path: Path, limits: ReadLimits) -> RawImage:
    """Return the voxels of a ``.mha`` or ``.mhd`` file and where they lie.

    Raises
    ------
    ImageError
        If it is not MetaImage, names a data file elsewhere, is truncated or too large.
    """
    for data_file in _metaimage_data_files(path):
        if data_file.upper() != "LOCAL":
            beside(path, data_file)
    return _read(path, "MetaImageIO", "MetaImage", limits, (), {})


def _read(
    path: Path,
    image_io: str,
    name: str,
    limits: ReadLimits,
    warnings: tuple[str, ...],
    details: dict[str, str],
) -> RawImage:
    """Return the image read by the named ITK class, after a look at its header."""
    with untrusted(path):
        reader = sitk.ImageFileReader()
        reader.SetImageIO(image_io)
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        shape = reader.GetSize()
        if len(shape) not in (3, 4) or reader.GetNumberOfComponents() != 1:
            msg = (
                "must be a scalar image with 3 axes, or 4 with phases last; the header "
                f"says {shape} with {reader.GetNumberOfComponents()} components"
            )
            raise ImageError(msg, path)
        check_size(shape, _TYPES.get(reader.GetPixelID(), "V8"), path, limits)
        n = len(shape)
        direction = np.array(reader.GetDirection()).reshape(n, n)
        affine = np.eye(4)
        affine[:3, :3] = direction[:3, :3] * np.array(reader.GetSpacing()[:3])
        affine[:3, 3] = reader.GetOrigin()[:3]
        grid, notes = checked_grid(shape[:3], affine, path)
        array = sitk.GetArrayFromImage(reader.Execute()).transpose()
    provenance = Provenance(str(path), name, (*warnings, *notes), details)
    return RawImage(array, grid, provenance)


def _header_text(path: Path) -> str:
    """Return the start of the file as text, one character per byte."""
    with untrusted(path), path.open("rb") as stream:
        return stream.read(MAX_HEADER_BYTES).decode("latin-1")


def _nrrd_fields(path: Path) -> list[tuple[str, str]]:
    """Return the fields of an NRRD header, names in lower case, repeats included."""
    text = _header_text(path)
    if not text.startswith("NRRD0"):
        msg = "is empty or not NRRD"
        raise ImageError(msg, path)
    header, *rest = re.split(r"\r?\n\r?\n", text, maxsplit=1)
    if not rest and len(text) == MAX_HEADER_BYTES:
        msg = f"has a header of more than {MAX_HEADER_BYTES:,} bytes"
        raise ImageError(msg, path)
    fields = []
    for line in re.split(r"[\r\n]+", header)[1:]:
        name, colon, value = line.partition(":")
        if colon and not line.startswith("#") and not value.startswith("="):
            fields.append((" ".join(name.lower().split()), value.strip()))
    return fields


def _metaimage_data_files(path: Path) -> list[str]:
    """Return what the MetaImage header says about where its voxels are.

    The header ends with the first ``ElementDataFile``. Spellings that ITK may or may
    not take for it are returned too, so that none escapes the check.
    """
    found = []
    for line in re.split(r"[\r\n]+", _header_text(path)):
        name, _, value = line.replace(":", "=", 1).partition("=")
        if "elementdatafile" in name.lower():
            found.append(value.strip())
            if name.strip() == "ElementDataFile":
                return found
    msg = "is empty or not MetaImage: no ElementDataFile in the header"
    raise ImageError(msg, path)
