"""NIfTI files: the header audited first, then the voxels.

A NIfTI file may place its voxels twice, by an sform and by a qform, and programs
differ in which they believe when the two disagree (nibabel takes the sform, ITK may
take the qform). The rule here: equal within a micrometer -> use it; else the sform
if its code is positive, otherwise the qform, with a warning that names both and the
choice kept in the provenance.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, HeaderTypeError
from nibabel.wrapstruct import WrapStructError

from napari_midrl.data.volume import UNCONFIRMED, Provenance
from napari_midrl.errors import ImageError
from napari_midrl.geometry.affine import apply_affine, flip_affine_lps_ras
from napari_midrl.io.untrusted import (
    MAX_HEADER_BYTES,
    ReadLimits,
    check_size,
    checked_grid,
    untrusted,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_midrl.geometry.grid import VoxelGrid

    Affine = npt.NDArray[np.float64]

NIBABEL_ERRORS = (ImageFileError, HeaderDataError, HeaderTypeError, WrapStructError)
FORMS_AGREE_MM = 1e-3

_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 1e-3}
_SECONDS_PER_UNIT = {0: 1.0, 8: 1.0, 16: 1e-3, 24: 1e-6}


@dataclass(frozen=True, eq=False)
class RawImage:
    """Voxels and place of an image file, before its volumes are named.

    Parameters
    ----------
    array
        Shape (i, j, k) or (i, j, k, phases).
    grid
        Of one phase.
    provenance
        Format, choices and warnings.
    phase_seconds
        Time between phases if the header says so, else None.
    """

    array: npt.NDArray[np.generic]
    grid: VoxelGrid
    provenance: Provenance
    phase_seconds: float | None = None


def read_nifti(path: Path, limits: ReadLimits) -> RawImage:
    """Return the voxels of a ``.nii`` or ``.nii.gz`` file and where they lie.

    Raises
    ------
    ImageError
        If the file is not NIfTI, is truncated or too large, or its axes are sheared.
    """
    with untrusted(path, ImageError, NIBABEL_ERRORS):
        header = _read_header(path)
        shape = _spatial_shape(header, path)
        check_size(shape, header.get_data_dtype(), path, limits)
        affine_ras, details, warnings = _choose_form(header, shape, path)
        scale, unit_note = _mm_per_unit(header, path)
        affine_ras[:3] *= scale
        details |= unit_note
        grid, notes = checked_grid(shape[:3], flip_affine_lps_ras(affine_ras), path)
        array = _read_voxels(path, shape)
    return RawImage(
        array,
        grid,
        Provenance(str(path), "NIfTI", (*warnings, *notes), details),
        _phase_seconds(header),
    )


def _read_header(path: Path) -> nib.Nifti1Header:
    """Return the header alone, read from the first bytes of the file."""
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rb") as stream:
        start = stream.read(540)
    if len(start) < 348:
        msg = f"is empty or truncated: {len(start)} bytes of header, expected 348"
        raise ImageError(msg, path)
    size = {int.from_bytes(start[:4], order) for order in ("little", "big")}
    if 348 in size and start[344:347] == b"n+1":
        header = nib.Nifti1Header(start[:348])
    elif 540 in size and start[4:7] == b"n+2" and len(start) == 540:
        header = nib.Nifti2Header(start)
    else:
        msg = "is not a single-file NIfTI image"
        raise ImageError(msg, path)
    if not 0 <= float(header["vox_offset"]) <= MAX_HEADER_BYTES:
        msg = f"voxels cannot start at byte {float(header['vox_offset']):g}"
        raise ImageError(msg, path)
    return header


def _spatial_shape(header: nib.Nifti1Header, path: Path) -> tuple[int, ...]:
    """Return (i, j, k) or (i, j, k, phases) as the header claims."""
    shape = tuple(int(n) for n in header.get_data_shape())
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) == 2:
        shape = (*shape, 1)
    if len(shape) not in (3, 4):
        msg = f"must have 3 axes, or 4 with phases last, the header says {shape}"
        raise ImageError(msg, path)
    return shape


def _choose_form(
    header: nib.Nifti1Header, shape: tuple[int, ...], path: Path
) -> tuple[Affine, dict[str, str], list[str]]:
    """Return the affine to RAS in the header's unit, what was chosen, and warnings."""
    warnings: list[str] = []
    sform = _usable(header.get_sform(coded=True), "sform", warnings)
    try:
        coded_qform = header.get_qform(coded=True)
    except (HeaderDataError, ValueError):
        coded_qform = (np.full((4, 4), np.nan), int(header["qform_code"]))
    qform = _usable(coded_qform, "qform", warnings)
    codes = f"sform code {int(header['sform_code'])}, "
    codes += f"qform code {int(header['qform_code'])}"
    if sform is None and qform is None:
        warnings.append(
            f"no usable sform or qform ({codes}): the file does not say where it lies "
            "in the patient; left and right are a guess, confirm before using mm"
        )
        base = np.array(header.get_base_affine(), dtype=np.float64)
        return base, {"nifti form": "none", "world": UNCONFIRMED}, warnings
    if sform is None or qform is None:
        name = "qform" if sform is None else "sform"
        chosen = qform if sform is None else sform
        assert chosen is not None
        return chosen, {"nifti form": f"{name} ({codes})"}, warnings
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape[:3]])).reshape(3, 8).T
    gaps = apply_affine(sform, corners) - apply_affine(qform, corners)
    gap_mm = float(np.linalg.norm(gaps, axis=1).max()) * _mm_per_unit(header, path)[0]
    if gap_mm <= FORMS_AGREE_MM:
        return sform, {"nifti form": f"sform = qform ({codes})"}, warnings
    warnings.append(
        f"sform and qform disagree by {gap_mm:.3g} mm ({codes}); the sform is used, "
        "other programs may use the qform"
    )
    return sform, {"nifti form": f"sform, not qform ({codes})"}, warnings


def _usable(
    coded: tuple[Affine | None, int], name: str, warnings: list[str]
) -> Affine | None:
    """Return the form if its code is positive and it can be inverted, else None."""
    affine, code = coded
    if affine is None or code <= 0:
        return None
    affine = np.array(affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-15:
        warnings.append(f"the {name} has code {code} but cannot be inverted; ignored")
        return None
    return affine


def _mm_per_unit(header: nib.Nifti1Header, path: Path) -> tuple[float, dict[str, str]]:
    """Return mm per spatial unit of the header, and a remark if it is not mm."""
    unit = int(header["xyzt_units"]) & 7
    if unit not in _MM_PER_UNIT:
        msg = f"spatial unit code {unit} is unknown; expected meter, mm or micrometer"
        raise ImageError(msg, path)
    names = {0: "not stated, taken as mm", 1: "meter", 3: "micrometer"}
    note = {"nifti unit": names[unit]} if unit in names else {}
    return _MM_PER_UNIT[unit], note


def _phase_seconds(header: nib.Nifti1Header) -> float | None:
    """Return seconds between phases of a 4-D file if stated."""
    unit = int(header["xyzt_units"]) & 56
    step = float(header["pixdim"][4]) * _SECONDS_PER_UNIT.get(unit, 0.0)
    return step if unit and np.isfinite(step) and step > 0 else None


def _read_voxels(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.generic]:
    """Return the voxels in native byte order; scaled values become float32."""
    image = nib.load(path)
    proxy = image.dataobj
    scaled = (proxy.slope, proxy.inter) != (1.0, 0.0)
    array = np.asanyarray(proxy)
    if scaled:
        array = array.astype(np.float32)
    native: npt.NDArray[np.generic] = array.astype(
        array.dtype.newbyteorder("="), copy=False
    )
    return native.reshape(shape)
