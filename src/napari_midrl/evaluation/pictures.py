"""Slices through a landmark with its true and its found position."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.geometry.grid import VoxelGrid, resample

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.data.volume import Volume
    from napari_midrl.evaluation.findings import Finding

PIXELS = 240
"""Edge of a picture."""

MIN_SIDE_MM = 160.0
_MARGIN = 2.5
_PERCENTILES = (1.0, 99.5)


@dataclass(frozen=True)
class Plane:
    """How a plane of the patient is laid on the screen.

    Parameters
    ----------
    name
        As a radiologist calls it.
    right_lps, down_lps
        Unit vectors in LPS; the patient's left is on the right of the screen.
    letters
        Directions at the left, right, upper and lower edge.
    """

    name: str
    right_lps: tuple[int, int, int]
    down_lps: tuple[int, int, int]
    letters: str


PLANES = (
    Plane("axial", (1, 0, 0), (0, 1, 0), "RLAP"),
    Plane("coronal", (1, 0, 0), (0, 0, -1), "RLSI"),
    Plane("sagittal", (0, 1, 0), (0, 0, -1), "APSI"),
)


@dataclass(frozen=True)
class Picture:
    """One slice through the true landmark, which is its middle.

    Parameters
    ----------
    plane
        Which.
    png
        The slice as a gray PNG file, `PIXELS` on each edge.
    side_mm
        Edge of the picture.
    found_px
        Found position projected onto the slice, (x, y) in pixels from the upper left.
    """

    plane: Plane
    png: bytes
    side_mm: float
    found_px: tuple[float, float]


@dataclass(frozen=True)
class WorstCase:
    """A large error, to look at.

    Parameters
    ----------
    finding
        With a found position.
    pictures
        Axial, coronal and sagittal slice.
    """

    finding: Finding
    pictures: tuple[Picture, ...]


def picture_of(finding: Finding, volume: Volume) -> WorstCase:
    """Return three slices of a volume through the true position of a finding.

    Raises
    ------
    ValueError
        If the finding has no found position.
    """
    if finding.found_lps_mm is None:
        msg = f"{finding.landmark!r} in {finding.case!r} has no position to show"
        raise ValueError(msg)
    way_mm = np.subtract(finding.found_lps_mm, finding.true_lps_mm)
    side_mm = max(MIN_SIDE_MM, _MARGIN * float(np.abs(way_mm).max()))
    slices = [_slice(volume, finding.true_lps_mm, plane, side_mm) for plane in PLANES]
    # One window for all three, or the same tissue would differ between them.
    shown = np.concatenate([pixels[pixels != 0] for pixels in slices])
    low, high = np.percentile(shown, _PERCENTILES) if shown.size else (0.0, 1.0)
    pictures = []
    for plane, pixels in zip(PLANES, slices, strict=True):
        gray = np.clip((pixels - low) / max(high - low, 1e-9), 0, 1) * 255
        px_per_mm = PIXELS / side_mm
        found_px = (
            PIXELS / 2 + float(np.dot(way_mm, plane.right_lps)) * px_per_mm,
            PIXELS / 2 + float(np.dot(way_mm, plane.down_lps)) * px_per_mm,
        )
        pictures.append(Picture(plane, png(gray.astype(np.uint8)), side_mm, found_px))
    return WorstCase(finding, tuple(pictures))


def _slice(
    volume: Volume,
    through_lps_mm: tuple[float, float, float],
    plane: Plane,
    side_mm: float,
) -> npt.NDArray[np.float32]:
    """Return the square around a point, rows from top to bottom; 0 outside."""
    step_mm = side_mm / PIXELS
    right, down = np.array(plane.right_lps), np.array(plane.down_lps)
    affine = np.eye(4)
    affine[:3, 0] = right * step_mm
    affine[:3, 1] = down * step_mm
    affine[:3, 2] = np.cross(right, down) * step_mm
    corner = (PIXELS - 1) / 2 * step_mm * (right + down)
    affine[:3, 3] = np.array(through_lps_mm) - corner
    grid = VoxelGrid((PIXELS, PIXELS, 1), affine)
    sampled = resample(volume.array, volume.grid, grid)
    pixels: npt.NDArray[np.float32] = sampled[:, :, 0].T.astype(np.float32)
    return np.nan_to_num(pixels)


def png(gray: npt.NDArray[np.uint8]) -> bytes:
    """Return a gray image, shape (rows, columns), as a PNG file.

    Notes
    -----
    Written here because no image library is among the dependencies; PNG
    Specification, https://www.w3.org/TR/png-3/.
    """
    height, width = gray.shape
    # Every row begins with its filter type; 0 = none.
    rows = np.pad(gray, ((0, 0), (1, 0))).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(rows, 9))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum
