"""The gate before every reader: nothing from outside is believed before it is checked.

A file's header may lie about sizes, point at other files, or be garbage. Sizes,
spacing and number type are checked from the header alone; only then are voxels
read. Whatever a parsing library raises on garbage leaves here as one `MidrlError`
that names the file.
"""

from __future__ import annotations

import csv
import re
import struct
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from napari_midrl.errors import ImageError, InputError, MidrlError, SeriesError
from napari_midrl.geometry.affine import shear_of, spacing_of
from napari_midrl.geometry.grid import MAX_SHEAR, VoxelGrid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

PARSE_ERRORS: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    csv.Error,
    struct.error,
    zlib.error,
)
"""What parsing libraries are known to raise on bytes that are not what they claim."""

MAX_AXIS = 8192
MIN_SPACING_MM, MAX_SPACING_MM = 1e-3, 100.0
MAX_REPAIRED_SHEAR = 1e-2
MAX_HEADER_BYTES = 2**20
MAX_TEXT_BYTES = 64 * 2**20

_TYPES = {"b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"}


@dataclass(frozen=True)
class ReadLimits:
    """How much a reader may take on; raise it for a very large examination.

    Parameters
    ----------
    max_voxels
        Voxels of one file or series.
    max_ram_share
        Share of the memory free right now that one file or series may fill, 0 to 1.
    max_files
        Files looked at in one folder and its subfolders.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    max_voxels: int = 2**30
    max_ram_share: float = 0.4
    max_files: int = 50_000

    def __post_init__(self) -> None:
        if self.max_voxels < 1 or self.max_files < 1 or not 0 < self.max_ram_share <= 1:
            msg = f"limits must be positive and the share at most 1, got {self}"
            raise ValueError(msg)


@contextmanager
def untrusted(
    path: str | Path,
    error: type[InputError] = ImageError,
    also: tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """Turn whatever a parser raises inside the block into one error naming the file.

    Parameters
    ----------
    path
        The file being read.
    error
        Class to raise; errors that are already a `MidrlError` pass unchanged.
    also
        Further exceptions of the parsing library that derive from nothing usual.
    """
    try:
        yield
    except MidrlError:
        raise
    except FileNotFoundError as problem:
        msg = "there is no such file"
        raise error(msg, path) from problem
    except PARSE_ERRORS + also as problem:
        text = " ".join(str(problem).split())[:300] or type(problem).__name__
        if issubclass(error, SeriesError):
            # pydicom quotes values of the header, which may name the patient.
            text = re.sub(r"(['\"]).*?\1", "...", text)
        msg = f"cannot be read: {text}"
        raise error(msg, path) from problem


def check_size(
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    path: str | Path,
    limits: ReadLimits,
) -> None:
    """Refuse an image that is too large, has no voxels, or is not real numbers.

    Parameters
    ----------
    shape
        Voxels along every axis, as the header claims.
    dtype
        Type of the stored numbers.
    path
        File or folder, for the message.
    limits
        Budget.

    Raises
    ------
    ImageError
        With the number that is out of bounds.
    """
    kind = np.dtype(dtype)
    if kind.str[1:] not in _TYPES:
        msg = f"voxels must be real numbers, the header says {kind}"
        raise ImageError(msg, path)
    if not shape or min(shape) < 1 or max(shape) > MAX_AXIS:
        msg = f"axes must have 1 to {MAX_AXIS} voxels, the header says {tuple(shape)}"
        raise ImageError(msg, path)
    voxels = int(np.prod([int(n) for n in shape], dtype=object))
    if voxels > limits.max_voxels:
        msg = (
            f"holds {voxels:,} voxels, more than the limit of {limits.max_voxels:,}; "
            "raise ReadLimits.max_voxels if that is right"
        )
        raise ImageError(msg, path)
    needed = voxels * max(kind.itemsize, 4)
    free = psutil.virtual_memory().available
    if needed > limits.max_ram_share * free:
        msg = (
            f"needs {needed / 2**30:.1f} GiB, more than {limits.max_ram_share:.0%} "
            f"of the {free / 2**30:.1f} GiB of free memory"
        )
        raise ImageError(msg, path)


def checked_grid(
    shape_ijk: Sequence[int], affine_lps: npt.NDArray[np.float64], path: str | Path
) -> tuple[VoxelGrid, tuple[str, ...]]:
    """Return the grid and what had to be mended, after checking affine and spacing.

    Axes that are almost orthogonal (rounding in a header) are made so around the
    middle of the image, by the polar decomposition of the directions; more shear
    than that is refused, because a voxel grid cannot hold it.

    Raises
    ------
    ImageError
        If the affine is not finite or not invertible, the spacing is impossible, or
        the axes are sheared.
    """
    affine = np.asarray(affine_lps, dtype=np.float64)
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        msg = "the position of the voxels in the patient is not finite"
        raise ImageError(msg, path)
    spacing_mm = spacing_of(affine)
    if spacing_mm.min() < MIN_SPACING_MM or spacing_mm.max() > MAX_SPACING_MM:
        msg = (
            f"voxel spacing must be {MIN_SPACING_MM} to {MAX_SPACING_MM:g} mm, "
            f"got {spacing_mm.round(6).tolist()}"
        )
        raise ImageError(msg, path)
    notes: tuple[str, ...] = ()
    shear = shear_of(affine)
    if shear > MAX_SHEAR:
        if shear > MAX_REPAIRED_SHEAR:
            msg = (
                f"voxel axes are not orthogonal (cosine {shear:.2g}); resample the "
                "image to an orthogonal grid first"
            )
            raise ImageError(msg, path)
        affine = _without_shear(affine, shape_ijk)
        notes = (f"voxel axes were not quite orthogonal (cosine {shear:.1g}); mended",)
    with untrusted(path):
        shape = (int(shape_ijk[0]), int(shape_ijk[1]), int(shape_ijk[2]))
        return VoxelGrid(shape, affine), notes


def _without_shear(
    affine: npt.NDArray[np.float64], shape_ijk: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Return the nearest affine with orthogonal axes, same spacing and center."""
    spacing_mm = spacing_of(affine)
    u, _, vt = np.linalg.svd(affine[:3, :3] / spacing_mm)
    center_ijk = (np.array(shape_ijk[:3]) - 1) / 2
    mended = np.eye(4)
    mended[:3, :3] = (u @ vt) * spacing_mm
    shift_mm = (affine[:3, :3] - mended[:3, :3]) @ center_ijk
    mended[:3, 3] = affine[:3, 3] + shift_mm
    return mended


def beside(header: Path, name: str) -> Path:
    """Return the data file a header names, if it lies beside the header.

    A detached header could otherwise make the reader show any file of the machine.

    Raises
    ------
    ImageError
        If the name is absolute, has a folder in it, or leads to a link.
    """
    plain = name.strip()
    target = header.parent / plain
    if (
        not plain
        or Path(plain).name != plain
        or plain in {".", ".."}
        # "LIST" and patterns make a reader take file names from the header.
        or plain.upper().startswith("LIST")
        or any(mark in plain for mark in '/\\:%"')
    ):
        msg = f"names the data file {name!r}; it must lie beside the header"
        raise ImageError(msg, header)
    if target.is_symlink():
        msg = f"the data file {plain!r} is a link; refused"
        raise ImageError(msg, header)
    if not target.is_file():
        msg = f"the data file {plain!r} is missing"
        raise ImageError(msg, header)
    return target


def read_text(path: Path, error: type[InputError]) -> str:
    """Return the text of a small UTF-8 file; a byte-order mark is dropped."""
    with untrusted(path, error):
        size = path.stat().st_size
        if size > MAX_TEXT_BYTES:
            msg = f"is {size:,} bytes long, too long for a table or list of points"
            raise error(msg, path)
        # Bytes, so that no line end inside a quoted cell is changed.
        return path.read_bytes().decode("utf-8-sig")
