"""Siemens mosaics: all slices of a volume tiled into one DICOM picture."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    from pydicom.dataset import Dataset

_CSA_IMAGE_HEADER = 0x00291010
_N_TILES = 0x0019100A
_NORMAL = b"SliceNormalVector"


@dataclass(frozen=True, eq=False)
class Mosaic:
    """How the tiles of a mosaic lie.

    Parameters
    ----------
    n_slices
        Tiles that hold a slice; the rest are empty.
    per_side
        Tiles along each side of the picture.
    normal
        Direction from the first slice to the next, unit vector in LPS.
    """

    n_slices: int
    per_side: int
    normal: npt.NDArray[np.float64]


def mosaic_tiles(ds: Dataset, image_type: tuple[str, ...]) -> int:
    """Return the number of slices in a mosaic, 0 for an ordinary picture.

    Raises
    ------
    ValueError
        If the picture says it is a mosaic and does not say of how many slices.
    """
    if "MOSAIC" not in image_type:
        return 0
    element = ds.get(_N_TILES)
    tiles = 0 if element is None else int(element.value)
    if tiles < 1:
        msg = "the Siemens mosaic's private header lacks the number of slices"
        raise ValueError(msg)
    return tiles


def read_mosaic(ds: Dataset) -> Mosaic:
    """Return the layout of a mosaic from the Siemens private header.

    Raises
    ------
    ValueError
        If the private header does not tell the slice direction.
    """
    element = ds.get(_CSA_IMAGE_HEADER)
    numbers = [] if element is None else _csa_numbers(element.value or b"", _NORMAL)
    if len(numbers) != 3 or not 0.9 < np.linalg.norm(numbers) < 1.1:
        msg = "the Siemens mosaic's private header lacks the slice direction"
        raise ValueError(msg)
    direction = np.array(numbers)
    n_slices = mosaic_tiles(ds, ("MOSAIC",))
    per_side = int(np.ceil(np.sqrt(n_slices)))
    return Mosaic(n_slices, per_side, direction / np.linalg.norm(direction))


def split_mosaic(
    picture: npt.NDArray[np.generic], mosaic: Mosaic
) -> npt.NDArray[np.generic]:
    """Return the slices of a mosaic; shape (n_slices, rows, columns)."""
    rows, columns = (n // mosaic.per_side for n in picture.shape)
    tiles = picture.reshape(mosaic.per_side, rows, mosaic.per_side, columns)
    return tiles.swapaxes(1, 2).reshape(-1, rows, columns)[: mosaic.n_slices]


def first_tile_position(
    position: npt.NDArray[np.float64],
    directions_mm: npt.NDArray[np.float64],
    picture_shape: tuple[int, int],
    per_side: int,
) -> npt.NDArray[np.float64]:
    """Return where the first voxel of the first slice lies, LPS mm.

    Siemens writes the position that the corner would have if the whole picture were
    one slice around the same center.

    Parameters
    ----------
    position
        ImagePositionPatient of the picture, shape (3,).
    directions_mm
        Steps along a row and along a column as columns, shape (3, 2), mm.
    picture_shape
        Rows and columns of the picture.
    per_side
        Tiles along each side.
    """
    rows, columns = picture_shape
    surplus = np.array([columns - columns // per_side, rows - rows // per_side]) / 2
    first: npt.NDArray[np.float64] = position + directions_mm @ surplus
    return first


def _csa_numbers(header: bytes, name: bytes) -> list[float]:
    """Return the numbers of one entry of a Siemens CSA2 header; empty if absent.

    The layout, all little-endian: "SV10", 4 bytes, number of entries, 77; per entry a
    64-byte name, 4 + 4 + 4 bytes, number of items, 4 bytes; per item its length four
    times, then text padded to 4 bytes.
    """
    if header[:4] != b"SV10":
        return []
    (n_entries,) = struct.unpack_from("<I", header, 8)
    at = 16
    for _ in range(min(n_entries, 1000)):
        entry, n_items = struct.unpack_from("<64s12xi4x", header, at)
        at += 84
        numbers = []
        for _ in range(n_items):
            (length,) = struct.unpack_from("<i12x", header, at)
            text = header[at + 16 : at + 16 + length].split(b"\0")[0].strip()
            at += 16 + (length + 3) // 4 * 4
            if text and entry.split(b"\0")[0] == name:
                numbers.append(float(text))
        if numbers:
            return numbers
    return []
