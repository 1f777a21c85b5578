"""Image files (NIfTI, NRRD, MetaImage) to volumes, and volumes to NIfTI."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

from napari_midrl.data.sequence import Sequence, SequenceKind
from napari_midrl.data.volume import Volume
from napari_midrl.errors import ImageError
from napari_midrl.geometry.affine import flip_affine_lps_ras
from napari_midrl.io.atomic import replacing
from napari_midrl.io.itk_images import read_metaimage, read_nrrd
from napari_midrl.io.nifti import RawImage, read_nifti
from napari_midrl.io.sequence_words import (
    b_value_from_words,
    kind_from_words,
    phase_from_words,
)
from napari_midrl.io.untrusted import ReadLimits, read_text, untrusted

if TYPE_CHECKING:
    from collections.abc import Callable

_READERS: dict[str, Callable[[Path, ReadLimits], RawImage]] = {
    ".nii.gz": read_nifti,
    ".nii": read_nifti,
    ".nrrd": read_nrrd,
    ".nhdr": read_nrrd,
    ".mha": read_metaimage,
    ".mhd": read_metaimage,
}
IMAGE_SUFFIXES = tuple(_READERS)
"""Endings of the files `read_image` reads."""

_SIDECAR_WORDS = ("SeriesDescription", "ProtocolName", "SequenceName", "ImageType")


def image_suffix(path: str | Path) -> str | None:
    """Return the ending that says which reader takes the file; None if none does."""
    name = Path(path).name.lower()
    return next((suffix for suffix in IMAGE_SUFFIXES if name.endswith(suffix)), None)


def read_image(path: str | Path, limits: ReadLimits | None = None) -> Volume:
    """Return the one volume of an image file.

    Parameters
    ----------
    path
        ``.nii``, ``.nii.gz``, ``.nrrd``, ``.nhdr``, ``.mha`` or ``.mhd``.
    limits
        How much it may take; None means `ReadLimits()`.

    Returns
    -------
    volume
        Voxels in file order, LPS mm, named after the file; the sequence is read from
        the name and a JSON file beside it, and is UNKNOWN where they do not say.

    Raises
    ------
    ImageError
        If the file cannot be trusted or read, or holds several phases.
    """
    volumes = read_images(path, limits)
    if len(volumes) != 1:
        msg = f"holds {len(volumes)} phases; use read_images to get them all"
        raise ImageError(msg, path)
    return volumes[0]


def read_images(
    path: str | Path, limits: ReadLimits | None = None
) -> tuple[Volume, ...]:
    """Return the volumes of an image file, one per phase of a 4-D file.

    The last axis of a 4-D file counts phases. b-values come from a ``.bval`` file
    beside it, times from the header. See `read_image` for the rest.
    """
    path = Path(path)
    suffix = image_suffix(path)
    if suffix is None:
        msg = f"is not one of the image formats {', '.join(IMAGE_SUFFIXES)}"
        raise ImageError(msg, path)
    raw = _READERS[suffix](path, limits or ReadLimits())
    stem = path.name[: -len(suffix)]
    base = _guess_sequence(path.with_name(stem), stem)
    provenance = raw.provenance
    if raw.array.dtype.kind == "f" and not np.isfinite(raw.array).all():
        notes = (*provenance.warnings, "some voxels are not finite numbers")
        provenance = replace(provenance, warnings=notes)
    if raw.array.ndim == 3:
        return (Volume(raw.array, raw.grid, stem or path.name, base, provenance),)
    sequences = _phase_sequences(raw, base, path.with_name(stem + ".bval"))
    return tuple(
        Volume(
            np.ascontiguousarray(raw.array[..., phase]),
            raw.grid,
            f"{stem} {_phase_words(sequence, phase)}",
            sequence,
            provenance,
        )
        for phase, sequence in enumerate(sequences)
    )


def write_nifti(volume: Volume, path: str | Path, overwrite: bool = False) -> Path:
    """Write the volume as NIfTI and return the path.

    sform and qform are both set, code 1 (scanner), in mm; no patient field is filled.
    The qform holds single-precision numbers, so points move by up to a micrometer.

    Parameters
    ----------
    volume
        Any grid; booleans are written as 8-bit numbers.
    path
        ``.nii`` or ``.nii.gz``.
    overwrite
        Replace an existing file, keeping the old one as ``.bak``.

    Raises
    ------
    OverwriteError
        If the file exists and `overwrite` is false.
    ValueError
        If the suffix is not NIfTI.
    """
    path = Path(path)
    suffix = image_suffix(path)
    if suffix not in (".nii", ".nii.gz"):
        msg = f"path must end in .nii or .nii.gz, got {path.name!r}"
        raise ValueError(msg)
    is_mask = volume.array.dtype == np.bool_
    array = volume.array.astype(np.uint8) if is_mask else volume.array
    affine_ras = flip_affine_lps_ras(volume.grid.affine_lps)
    image = nib.Nifti1Image(array, affine_ras, dtype=array.dtype)
    image.set_sform(affine_ras, code=1)
    image.set_qform(affine_ras, code=1)
    image.header.set_xyzt_units("mm", "sec")
    with replacing(path, overwrite, suffix=suffix) as temporary:
        nib.save(image, temporary)
    return path


def _guess_sequence(stem_path: Path, stem: str) -> Sequence:
    """Return the sequence by the file name and the JSON file beside it."""
    words = stem
    sidecar = stem_path.with_name(stem + ".json")
    if sidecar.is_file() and not sidecar.is_symlink():
        words += " " + " ".join(_sidecar_words(sidecar))
    kind = kind_from_words(stem)
    if kind == SequenceKind.UNKNOWN:
        kind = kind_from_words(words)
    b_value = b_value_from_words(words) if kind == SequenceKind.DWI else None
    is_dynamic = kind in (SequenceKind.DCE, SequenceKind.DCE_SUBTRACTION)
    phase, time_s = phase_from_words(stem) if is_dynamic else (None, None)
    return Sequence(kind, b_value, time_s, phase)


def _sidecar_words(sidecar: Path) -> list[str]:
    """Return the words about the sequence in a BIDS or dcm2niix JSON file."""
    try:
        fields: Any = json.loads(read_text(sidecar, ImageError))
    except (ImageError, ValueError, RecursionError):
        return []
    if not isinstance(fields, dict):
        return []
    return [str(fields[key]) for key in _SIDECAR_WORDS if key in fields]


def _phase_sequences(raw: RawImage, base: Sequence, bval: Path) -> list[Sequence]:
    """Return the sequence of each phase of a 4-D file."""
    n_phases = raw.array.shape[3]
    if bval.is_file() and not bval.is_symlink():
        with untrusted(bval):
            b_values = [float(word) for word in read_text(bval, ImageError).split()]
        if len(b_values) != n_phases or not np.isfinite(b_values).all():
            msg = f"must hold {n_phases} finite b-values, one per phase"
            raise ImageError(msg, bval)
        return [
            Sequence(SequenceKind.DWI, b_value_s_mm2=b, phase=phase)
            for phase, b in enumerate(b_values)
        ]
    step = raw.phase_seconds
    return [
        replace(base, phase=phase, time_s=None if step is None else phase * step)
        for phase in range(n_phases)
    ]


def _phase_words(sequence: Sequence, phase: int) -> str:
    """Return what tells one phase of a file from the next."""
    if sequence.b_value_s_mm2 is not None:
        return f"b={sequence.b_value_s_mm2:g} phase {phase}"
    time = "" if sequence.time_s is None else f" t={sequence.time_s:.3g} s"
    return f"phase {phase}{time}"
