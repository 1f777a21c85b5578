"""Landmarks as a CSV table that says everything needed to use it years later.

One row per landmark; a landmark without a position is a row too. Coordinates are LPS
mm; the voxel columns are a check. Tables with fewer columns (``label,l,p,s`` or
``label,r,a,s``, as 3D Slicer exports) are read as well.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl import __version__
from napari_midrl.data.landmarks import (
    Landmark,
    LandmarkSet,
    LandmarkSource,
    LandmarkStatus,
)
from napari_midrl.errors import LandmarkFileError
from napari_midrl.geometry.affine import directions_of, flip_lps_ras
from napari_midrl.io.atomic import write_text
from napari_midrl.io.tables import (
    finite,
    number_text,
    plain_text,
    read_table,
    safe_text,
    table_text,
)
from napari_midrl.io.untrusted import untrusted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_midrl.geometry.grid import VoxelGrid

SCHEMA_VERSION = "1"
COLUMNS = (
    "schema_version", "case_id", "landmark_id", "label", "description",
    "l", "p", "s", "units", "space", "i", "j", "k", "status", "source",
    "rater_id", "model_id", "model_sha256", "confidence", "image_sha256",
    "image_name", "frame_of_reference_uid", "sequence", "created_utc",
    "software_version",
)  # fmt: skip
MAX_VOXEL_GAP = 0.01
"""Voxels by which the voxel columns may differ from the coordinates in mm."""


def write_csv(
    landmarks: LandmarkSet, path: Path, grid: VoxelGrid | None, overwrite: bool
) -> tuple[Path, ...]:
    """Write the table, and the image's geometry beside it if a grid is given."""
    created = datetime.now(UTC).isoformat(timespec="seconds")
    rows = [
        _row(landmarks, number, landmark, grid, created)
        for number, landmark in enumerate(landmarks, start=1)
    ]
    written = [write_text(path, table_text(COLUMNS, rows), overwrite)]
    if grid is not None:
        # The table is what counts; its companion follows it.
        written.append(write_text(sidecar_of(path), _grid_json(grid), overwrite=True))
    return tuple(written)


def sidecar_of(path: Path) -> Path:
    """Return where the geometry of the image is kept beside a landmark table."""
    return path.with_suffix(".grid.json")


def read_csv(path: Path, grid: VoxelGrid | None) -> LandmarkSet:
    """Return the landmarks of our table, or of a plain one with named coordinates.

    Raises
    ------
    LandmarkFileError
        If columns are missing or ambiguous, a cell is wrong, the table is of several
        cases, or the voxel columns do not fit the grid; it names the line.
    """
    header, rows = read_table(path)
    axes = _axes(header, path)
    with untrusted(path, LandmarkFileError):
        landmarks = tuple(_landmark(row, axes, path) for row in rows)
        if grid is not None and {"i", "j", "k"} <= set(header):
            for row, landmark in zip(rows, landmarks, strict=True):
                _check_voxel(row, landmark, grid, path)
        return LandmarkSet(
            landmarks,
            image_name=_common(rows, "image_name", path),
            image_sha256=_common(rows, "image_sha256", path),
            case_id=_common(rows, "case_id", path),
            sequence=_common(rows, "sequence", path),
            frame_of_reference_uid=_common(rows, "frame_of_reference_uid", path),
            model_sha256=_common(rows, "model_sha256", path),
        )


def _row(
    landmarks: LandmarkSet,
    number: int,
    landmark: Landmark,
    grid: VoxelGrid | None,
    created: str,
) -> dict[str, str]:
    """Return one row of the table."""
    lps = [""] * 3
    ijk = [""] * 3
    if landmark.position_lps_mm is not None:
        lps = [number_text(x) for x in landmark.position_lps_mm]
        if grid is not None:
            ijk = [number_text(x) for x in grid.to_ijk(landmark.position_lps_mm)]
    is_model = landmark.source == LandmarkSource.MODEL
    confidence = landmark.confidence
    values = [
        SCHEMA_VERSION,
        safe_text(landmarks.case_id),
        str(number),
        safe_text(landmark.name),
        safe_text(landmark.description),
        *lps,
        "mm",
        "LPS",
        *ijk,
        landmark.status.value,
        landmark.source.value,
        "" if is_model else safe_text(landmark.rater),
        safe_text(landmark.rater) if is_model else "",
        landmarks.model_sha256,
        "" if confidence is None else number_text(confidence),
        landmarks.image_sha256,
        safe_text(landmarks.image_name),
        landmarks.frame_of_reference_uid,
        safe_text(landmarks.sequence),
        created,
        f"napari-midrl {__version__}",
    ]
    return dict(zip(COLUMNS, values, strict=True))


def _grid_json(grid: VoxelGrid) -> str:
    """Return the geometry of an image in ITK's words, LPS mm."""
    fields = {
        "space": "LPS",
        "units": "mm",
        "size": list(grid.shape_ijk),
        "spacing": grid.spacing_mm.tolist(),
        "origin": grid.affine_lps[:3, 3].tolist(),
        "direction": directions_of(grid.affine_lps).tolist(),
    }
    return json.dumps(fields, indent=2) + "\n"


def _axes(header: list[str], path: Path) -> tuple[str, str, str]:
    """Return the coordinate columns, which name the frame."""
    if "label" not in header:
        msg = f"a landmark table needs a column 'label', got {header[:10]}"
        raise LandmarkFileError(msg, path)
    found = [axes for axes in ("lps", "ras") if set(axes) - {"s"} <= set(header)]
    if len(found) != 1 or "s" not in header:
        msg = (
            "coordinates must be in columns l, p, s (LPS mm) or r, a, s (RAS mm), "
            f"got {header[:10]}"
        )
        raise LandmarkFileError(msg, path)
    return (found[0][0], found[0][1], "s")


def _landmark(
    row: Mapping[str, str], axes: tuple[str, str, str], path: Path
) -> Landmark:
    """Return the landmark of one row."""
    frame = "".join(axes).upper()
    _expect(row, "space", {"", frame}, path)
    _expect(row, "units", {"", "mm"}, path)
    _expect(row, "schema_version", {"", SCHEMA_VERSION}, path)
    # Columns of our own table carry guarded text, those of other programs do not.
    text = plain_text if "schema_version" in row else str
    status = _status(row, axes, path)
    position = None
    if status == LandmarkStatus.DEFINED:
        given = [finite(row, axis, path) for axis in axes]
        point = given if frame == "LPS" else flip_lps_ras(given).tolist()
        position = (point[0], point[1], point[2])
    source = row.get("source") or LandmarkSource.HUMAN.value
    _expect({"source": source, "": row[""]}, "source", set(LandmarkSource), path)
    confidence = finite(row, "confidence", path) if row.get("confidence") else None
    if confidence is not None and not 0 <= confidence <= 1:
        msg = f"line {row['']}: confidence must be 0 to 1, got {confidence}"
        raise LandmarkFileError(msg, path)
    if not row["label"]:
        msg = f"line {row['']}: the label is empty"
        raise LandmarkFileError(msg, path)
    return Landmark(
        name=text(row["label"]),
        position_lps_mm=position,
        status=status,
        source=LandmarkSource(source),
        confidence=confidence,
        description=text(row.get("description", "")),
        rater=text(row.get("model_id") or row.get("rater_id") or ""),
    )


def _status(
    row: Mapping[str, str], axes: tuple[str, str, str], path: Path
) -> LandmarkStatus:
    """Return the status by its column, Slicer's ``defined``, or the coordinates."""
    if row.get("status"):
        _expect(row, "status", set(LandmarkStatus), path)
        return LandmarkStatus(row["status"])
    defined = row.get("defined", "").strip().lower()
    empty = not any(row[axis].strip() for axis in axes)
    if defined in {"0", "false"} or empty:
        return LandmarkStatus.UNDEFINED
    return LandmarkStatus.DEFINED


def _expect(row: Mapping[str, str], column: str, allowed: set[str], path: Path) -> None:
    """Raise if the cell is there and not one of the allowed words."""
    value = row.get(column, "")
    if column in row and value not in allowed:
        msg = f"line {row['']}, column {column!r}: expected one of "
        msg += f"{sorted(str(word) for word in allowed)}, got {value!r}"
        raise LandmarkFileError(msg, path)


def _check_voxel(
    row: Mapping[str, str], landmark: Landmark, grid: VoxelGrid, path: Path
) -> None:
    """Raise if the voxel columns point elsewhere than the coordinates in mm."""
    if landmark.position_lps_mm is None or not row["i"]:
        return
    stated = [finite(row, axis, path) for axis in ("i", "j", "k")]
    actual = grid.to_ijk(landmark.position_lps_mm)
    gap = float(np.abs(actual - stated).max())
    if gap > MAX_VOXEL_GAP:
        msg = (
            f"line {row['']}: {landmark.name!r} lies {gap:.3g} voxels from what its "
            "columns i, j, k say; the table belongs to another image"
        )
        raise LandmarkFileError(msg, path)


def _common(rows: list[dict[str, str]], column: str, path: Path) -> str:
    """Return the text that all rows share in a column; empty if it is not there."""
    values = {row.get(column, "") for row in rows}
    if len(values) > 1:
        msg = f"column {column!r} holds {len(values)} values; one image per file"
        raise LandmarkFileError(msg, path)
    value = values.pop() if values else ""
    guarded = rows and "schema_version" in rows[0]
    return plain_text(value) if guarded else value
