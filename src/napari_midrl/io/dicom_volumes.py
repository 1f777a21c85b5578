"""One sorted group of DICOM frames to voxels on a grid.

highdicom decides whether slices are regular and turns DICOM attributes into an affine;
this module explains to the user what is wrong when they are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from highdicom import Volume as DicomVolume
from highdicom.spatial import get_volume_positions

from napari_midrl.errors import SeriesError
from napari_midrl.io.dicom_groups import title
from napari_midrl.io.dicom_mosaic import first_tile_position, read_mosaic, split_mosaic
from napari_midrl.io.dicom_pixels import read_dataset, stored_frames
from napari_midrl.io.untrusted import ReadLimits, check_size, checked_grid, untrusted

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_midrl.geometry.grid import VoxelGrid
    from napari_midrl.io.dicom_headers import Frame

    Array = npt.NDArray[np.generic]
    Frames = tuple[Frame, ...]

SPACING_TOLERANCE = 0.01
"""Share of the mean slice distance by which one distance may differ."""


def check_group(frames: Frames, limits: ReadLimits) -> None:
    """Refuse a group that is too large for the limits, by its headers alone."""
    # A file is decoded whole, whatever part of it the group needs.
    n_slices = max(len(frames), max(frame.n_in_file for frame in frames))
    shape = (frames[0].columns, frames[0].rows, n_slices)
    bits = frames[0].bits
    if bits not in (8, 16, 32):
        msg = f"stores {bits} bits per voxel, expected 8, 16 or 32"
        raise SeriesError(msg, frames[0].path)
    check_size(shape, f"i{bits // 8}", frames[0].path, limits)


def build(
    frames: Frames, limits: ReadLimits, decoded: dict[Path, Array]
) -> tuple[Array, VoxelGrid, tuple[str, ...]]:
    """Return voxels in order (i, j, k), their grid and remarks.

    i runs along the rows, j down the columns, k along their right-handed normal.
    Rescaled values become float32; unscaled ones keep the stored type.

    Parameters
    ----------
    frames
        One group of `dicom_groups.split_volumes`.
    limits
        Voxel and memory budget.
    decoded
        Pixels of the file read last; kept up to date.

    Raises
    ------
    SeriesError
        If a slice is missing, doubled or out of line, or its pixels cannot be read.
    """
    check_group(frames, limits)
    if frames[0].tiles:
        return _build_mosaic(frames, decoded)
    ordered, slice_mm, notes = _in_order(frames)
    array = _read_slices(ordered, decoded)
    volume = DicomVolume.from_attributes(
        array=array,
        image_position=ordered[0].position,
        image_orientation=ordered[0].orientation,
        pixel_spacing=ordered[0].pixel_spacing,
        spacing_between_slices=slice_mm,
        coordinate_system="PATIENT",
    )
    return *_to_ijk(volume.array, volume.affine, ordered[0].path), notes


def _to_ijk(
    array: Array, affine: npt.NDArray[np.float64], path: Path
) -> tuple[Array, VoxelGrid]:
    """Return (slice, row, column) voxels as (i, j, k) with k along the normal."""
    ijk = array.transpose(2, 1, 0)
    affine_lps = np.asarray(affine, dtype=np.float64)[:, [2, 1, 0, 3]]
    if np.linalg.det(affine_lps[:3, :3]) < 0:
        last = ijk.shape[2] - 1
        affine_lps[:3, 3] += last * affine_lps[:3, 2]
        affine_lps[:3, 2] *= -1
        ijk = ijk[:, :, ::-1]
    grid, _ = checked_grid(ijk.shape, affine_lps, path)
    return np.ascontiguousarray(ijk), grid


def _in_order(frames: Frames) -> tuple[Frames, float, tuple[str, ...]]:
    """Return the frames from first to last slice, their distance in mm, remarks."""
    if len(frames) == 1:
        stated = frames[0].slice_spacing or 1.0
        note = f"{title(frames)} is a single slice; its thickness is the header's"
        return frames, stated, (note,)
    with untrusted(frames[0].path, SeriesError):
        slice_mm, places = get_volume_positions(
            [frame.position for frame in frames],
            frames[0].orientation,
            rtol=SPACING_TOLERANCE,
        )
    if slice_mm is None or places is None:
        raise _irregular(frames)
    ordered = tuple(frames[places.index(n)] for n in range(len(frames)))
    return ordered, float(slice_mm), ()


def _irregular(frames: Frames) -> SeriesError:
    """Return the error that says where the stack of slices breaks."""
    row, column = np.array(frames[0].orientation).reshape(2, 3)
    heights = np.array([f.position for f in frames]) @ np.cross(row, column)
    order = np.argsort(heights, kind="stable")
    gaps = np.diff(heights[order])
    usual = float(np.median(gaps))
    worst = int(np.abs(gaps - usual).argmax())
    below, above = frames[order[worst]], frames[order[worst + 1]]
    if abs(gaps[worst] - usual) <= SPACING_TOLERANCE * usual:
        cause = "slices are shifted sideways against each other (gantry tilt?)"
    elif gaps[worst] > 1.5 * usual:
        missing = max(round(gaps[worst] / usual) - 1, 1)
        cause = (
            f"{missing} slice{'s' * (missing > 1)} missing between {below.path.name} "
            f"and {above.path.name} ({gaps[worst]:.2f} mm apart, usually {usual:.2f})"
        )
    else:
        cause = (
            f"slices are not evenly spaced: {below.path.name} and {above.path.name} "
            f"are {gaps[worst]:.2f} mm apart, usually {usual:.2f}"
        )
    return SeriesError(f"{title(frames)}: {cause}; not loaded", above.path)


def _read_slices(frames: Frames, decoded: dict[Path, Array]) -> Array:
    """Return the voxels slice by slice; shape (n_slices, rows, columns)."""
    slices = []
    for frame in frames:
        if frame.path not in decoded:
            decoded.clear()
            whole = stored_frames(read_dataset(frame.path), frame.path)
            decoded[frame.path] = whole
        pixels = decoded[frame.path]
        if frame.index >= len(pixels):
            msg = f"has no frame {frame.index + 1}; it may be truncated"
            raise SeriesError(msg, frame.path)
        slices.append(pixels[frame.index])
    scales = np.array([(frame.slope, frame.intercept) for frame in frames])
    with untrusted(frames[0].path, SeriesError):
        if (scales == (1.0, 0.0)).all():
            return np.stack(slices)
        return np.stack(
            [
                (pixels * slope + intercept).astype(np.float32)
                for pixels, (slope, intercept) in zip(slices, scales, strict=True)
            ]
        )


def _build_mosaic(
    frames: Frames, decoded: dict[Path, Array]
) -> tuple[Array, VoxelGrid, tuple[str, ...]]:
    """Return the volume inside one Siemens mosaic."""
    frame = frames[0]
    if len(frames) > 1:
        msg = f"{title(frames)}: mosaics at different places; not loaded"
        raise SeriesError(msg, frame.path)
    with untrusted(frame.path, SeriesError):
        mosaic = read_mosaic(read_dataset(frame.path))
        slices = split_mosaic(_read_slices(frames, decoded)[0], mosaic)
        down, across = frame.pixel_spacing
        row, column = np.array(frame.orientation).reshape(2, 3)
        steps = np.stack([row * across, column * down], axis=1)
        first = first_tile_position(
            np.array(frame.position),
            steps,
            (frame.rows, frame.columns),
            mosaic.per_side,
        )
        if not frame.slice_spacing:
            msg = "is a Siemens mosaic without the distance of its slices"
            raise SeriesError(msg, frame.path)
        affine = np.eye(4)
        affine[:3, 0] = mosaic.normal * frame.slice_spacing
        affine[:3, 1], affine[:3, 2], affine[:3, 3] = steps[:, 1], steps[:, 0], first
        array, grid = _to_ijk(slices, affine, frame.path)
    return array, grid, ()
