"""3D Slicer's older point lists, ``.fcsv``, which the AFIDs protocol uses.

Dialects read: Slicer 3 (``label,x,y,z,sel,vis``, RAS), Slicer 4 and 5 (14 columns, or
16 as Slicer 5 writes). Written: 14 columns, LPS, LF, which Slicer, the AFIDs validator
and afids-utils all accept.
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.data.landmarks import Landmark, LandmarkSet, LandmarkStatus
from napari_midrl.errors import LandmarkFileError
from napari_midrl.geometry.affine import flip_lps_ras
from napari_midrl.io.atomic import write_text
from napari_midrl.io.names import free_name
from napari_midrl.io.tables import number_text
from napari_midrl.io.untrusted import read_text, untrusted

if TYPE_CHECKING:
    from pathlib import Path

    from napari_midrl.io.frames import Frame

_HEADER = (
    "# Markups fiducial file version = 4.11\n"
    "# CoordinateSystem = LPS\n"
    "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"
)
_SYSTEMS: dict[str, Frame] = {"0": "RAS", "RAS": "RAS", "1": "LPS", "LPS": "LPS"}
_DEFINED = "2"


def write_fcsv(landmarks: LandmarkSet, path: Path, overwrite: bool) -> Path:
    """Write the landmarks that have a position; the format cannot hold the others."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    # AFIDs: the label is the number, the description the name.
    is_afids = all(landmark.description.isdecimal() for landmark in landmarks)
    for number, landmark in enumerate(landmarks, start=1):
        if landmark.position_lps_mm is None:
            continue
        texts = [landmark.name, landmark.description]
        if is_afids:
            texts.reverse()
        texts = [re.sub(r"[\r\n]+", " ", text) for text in texts]
        xyz = [number_text(x) for x in landmark.position_lps_mm]
        writer.writerow([number, *xyz, 0, 0, 0, 1, 1, 1, 0, *texts, ""])
    return write_text(path, _HEADER + out.getvalue(), overwrite)


def read_fcsv(path: Path, frame: Frame | None) -> LandmarkSet:
    """Return the landmarks of an ``.fcsv`` file.

    Parameters
    ----------
    path
        The file.
    frame
        The frame to assume where the file does not state it.

    Raises
    ------
    LandmarkFileError
        If the frame is not stated and not given, or a row is malformed; it names the
        line.
    """
    text = read_text(path, LandmarkFileError)
    # Not splitlines(), which also breaks at characters that labels may hold.
    lines = re.split("\r\n|\r|\n", text)
    comments = [line for line in lines if line.lstrip().startswith("#")]
    rows = [
        (number, line)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    has_version = any("file version" in line for line in comments)
    if not comments and not rows:
        msg = "is empty"
        raise LandmarkFileError(msg, path)
    with untrusted(path, LandmarkFileError):
        if not has_version:
            points = [_slicer3_point(number, line, path) for number, line in rows]
            return _as_set(points, "RAS", path)
        stated = _stated_frame(comments, path) or frame
        if stated is None:
            msg = (
                "does not say whether its coordinates are LPS or RAS (no "
                "CoordinateSystem line) and programs read it differently; pass "
                'frame="LPS" or frame="RAS"'
            )
            raise LandmarkFileError(msg, path)
        return _as_set([_point(n, line, path) for n, line in rows], stated, path)


def _stated_frame(comments: list[str], path: Path) -> Frame | None:
    """Return the frame the header states, None if it states none."""
    for line in comments:
        found = re.match(r"\s*#\s*CoordinateSystem\s*=\s*(\S+)", line)
        if found is None:
            continue
        if found[1] not in _SYSTEMS:
            msg = f"coordinate system {found[1]!r} is unknown; expected LPS or RAS"
            raise LandmarkFileError(msg, path)
        return _SYSTEMS[found[1]]
    return None


def _cells(number: int, line: str, allowed: set[int], path: Path) -> list[str]:
    """Return the cells of one line, of which there must be an allowed number."""
    cells = next(csv.reader([line]))
    if len(cells) not in allowed:
        msg = f"line {number}: {len(cells)} columns, expected {sorted(allowed)}"
        raise LandmarkFileError(msg, path)
    return cells


def _xyz(number: int, cells: list[str], path: Path) -> tuple[float, ...]:
    """Return three finite coordinates."""
    try:
        xyz = tuple(float(cell) for cell in cells)
    except ValueError:
        xyz = (np.nan,) * 3
    if not np.isfinite(xyz).all():
        msg = f"line {number}: expected three numbers, got {cells}"
        raise LandmarkFileError(msg, path)
    return xyz


_Point = tuple[str, str, tuple[float, ...] | None]


def _point(number: int, line: str, path: Path) -> _Point:
    """Return label, description and position of a Slicer 4 or 5 row."""
    cells = _cells(number, line, {14, 16}, path)
    defined = len(cells) == 14 or cells[14].strip() == _DEFINED
    xyz = _xyz(number, cells[1:4], path) if defined else None
    return cells[11] or cells[0] or f"point {number}", cells[12], xyz


def _slicer3_point(number: int, line: str, path: Path) -> _Point:
    """Return label, description and position of a Slicer 3 row."""
    cells = _cells(number, line, {4, 5, 6}, path)
    return cells[0] or f"point {number}", "", _xyz(number, cells[1:4], path)


def _as_set(points: list[_Point], frame: Frame, path: Path) -> LandmarkSet:
    """Return the points as landmarks with names that differ."""
    # AFIDs: labels are the numbers 1 to 32, descriptions the names.
    is_afids = bool(points) and all(p[0].isdecimal() and p[1] for p in points)
    warnings = []
    taken: set[str] = set()
    landmarks = []
    for label, description, xyz in points:
        wanted, remark = (description, label) if is_afids else (label, description)
        name = free_name(wanted, taken)
        if name != wanted:
            warnings.append(f"{path.name}: a second {wanted!r} was renamed {name!r}")
        taken.add(name)
        position = None
        if xyz is not None:
            lps = xyz if frame == "LPS" else flip_lps_ras(xyz).tolist()
            position = (lps[0], lps[1], lps[2])
        status = LandmarkStatus.DEFINED if position else LandmarkStatus.UNDEFINED
        landmarks.append(Landmark(name, position, status, description=remark))
    return LandmarkSet(tuple(landmarks), warnings=tuple(warnings))
