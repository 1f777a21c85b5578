"""Landmarks as the published DQN agents for medical images read them.

One ``x,y,z`` per line without a header: voxel indices from 0 in the order of the file.
Which landmark it is only the number of the line says, so none can be missing. The
files say nothing of the image; without it they are worthless.

References
----------
.. [1] https://github.com/gml16/rl-medical, `src/dataReader.py`
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.data.landmarks import Landmark, LandmarkSet
from napari_midrl.errors import LandmarkFileError
from napari_midrl.io.atomic import write_text
from napari_midrl.io.tables import number_text
from napari_midrl.io.untrusted import read_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_midrl.geometry.grid import VoxelGrid

VOXEL_TEXT_SUFFIX = ".txt"


def write_voxel_text(
    landmarks: LandmarkSet, path: Path, grid: VoxelGrid, overwrite: bool = False
) -> Path:
    """Write the voxel indices of all landmarks, unrounded; return the path.

    Parameters
    ----------
    landmarks
        All with a position.
    path
        The file.
    grid
        Of the image that the indices count in.
    overwrite
        Replace an existing file; the old one stays as ``.bak``.

    Raises
    ------
    LandmarkFileError
        If a landmark has no position, which this format cannot say.
    OverwriteError
        If the file exists and `overwrite` is false.
    """
    missing = [m.name for m in landmarks if m.position_lps_mm is None]
    if missing:
        msg = (
            "this format tells landmarks by the number of the line, so none can be "
            f"missing; not placed: {', '.join(missing)}"
        )
        raise LandmarkFileError(msg, path)
    lines = [
        ",".join(number_text(x) for x in grid.to_ijk(m.position_lps_mm)) + "\n"
        for m in landmarks
        if m.position_lps_mm is not None
    ]
    return write_text(path, "".join(lines), overwrite)


def read_voxel_text(path: Path, grid: VoxelGrid, names: Sequence[str]) -> LandmarkSet:
    """Return the landmarks of such a file.

    Parameters
    ----------
    path
        The file; commas or blanks between the numbers.
    grid
        Of the image that the indices count in.
    names
        Of the landmarks, line by line.

    Raises
    ------
    LandmarkFileError
        If there are not as many lines as names, a line is not three numbers, or a
        place is not in the image.
    """
    text = read_text(path, LandmarkFileError)
    lines = [line for line in re.split("\r\n|\r|\n", text) if line.strip()]
    if len(lines) != len(names):
        msg = f"holds {len(lines)} landmarks, expected {len(names)}: {list(names)}"
        raise LandmarkFileError(msg, path)
    landmarks = []
    for number, (line, name) in enumerate(zip(lines, names, strict=True), start=1):
        ijk = _numbers(line, number, path)
        l_mm, p_mm, s_mm = grid.to_lps_mm(ijk).tolist()
        if not grid.contains((l_mm, p_mm, s_mm)):
            msg = (
                f"line {number}: voxel {ijk} of {name!r} is not in the image of "
                f"{grid.shape_ijk} voxels; is the file of another image, or in mm?"
            )
            raise LandmarkFileError(msg, path)
        landmarks.append(Landmark(name, (l_mm, p_mm, s_mm)))
    return LandmarkSet(tuple(landmarks))


def _numbers(line: str, number: int, path: Path) -> list[float]:
    try:
        numbers = [float(word) for word in re.split(r"[,\s]+", line.strip(", \t"))]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not np.isfinite(numbers).all():
        msg = f"line {number}: expected three numbers, got {line[:60]!r}"
        raise LandmarkFileError(msg, path)
    return numbers
