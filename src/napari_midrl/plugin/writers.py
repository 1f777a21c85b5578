"""npe2 writers: a points layer as CSV, Slicer markups or fcsv."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_midrl.data.landmarks import LandmarkSet, LandmarkSource
from napari_midrl.data.volume import Volume
from napari_midrl.errors import MidrlError, OverwriteError
from napari_midrl.plugin.points import landmarks_of_points
from napari_midrl.plugin.world import METADATA_KEY

if TYPE_CHECKING:
    from napari_midrl.geometry.grid import VoxelGrid


def write_points(path: str, data: Any, options: dict[str, Any]) -> list[str]:
    """Write a points layer and return the path; napari has asked before replacing."""
    landmarks = landmarks_of_points(data, options)
    volume = options.get("metadata", {}).get(METADATA_KEY, {}).get("volume")
    grid = volume.grid if isinstance(volume, Volume) else None
    save_landmarks(landmarks, Path(path), grid=grid, confirmed=Path(path).exists())
    return [path]


def save_landmarks(
    landmarks: LandmarkSet,
    path: Path,
    *,
    grid: VoxelGrid | None = None,
    confirmed: bool = False,
    over_human: bool = False,
) -> None:
    """Write landmarks; what a person placed is not replaced without a word.

    Parameters
    ----------
    landmarks
        What to write; the suffix of `path` says how.
    path
        ``.csv``, ``.mrk.json`` or ``.fcsv``.
    grid
        Of the image they were placed on, for the voxel columns.
    confirmed
        Whether the user agreed to replace the file.
    over_human
        Whether the user agreed to replace a person's landmarks by a model's.

    Raises
    ------
    OverwriteError
        If the file exists and the user did not agree.
    """
    from napari_midrl.io.landmarks import write_landmarks

    if path.exists() and not over_human and replaces_human(landmarks, path):
        msg = (
            "holds landmarks placed by a person, and these come from a model; "
            "save them under another name"
        )
        raise OverwriteError(msg, path)
    write_landmarks(landmarks, path, grid=grid, overwrite=confirmed)


def replaces_human(landmarks: LandmarkSet, path: Path) -> bool:
    """Return whether a model's landmarks would replace a person's.

    A file that cannot be read counts as a person's.
    """
    from napari_midrl.io.landmarks import read_landmarks

    if not all(landmark.source == LandmarkSource.MODEL for landmark in landmarks):
        return False
    try:
        old = read_landmarks(path)
    except (MidrlError, OSError, UnicodeDecodeError):
        return True
    return any(
        landmark.source == LandmarkSource.HUMAN and landmark.position_lps_mm is not None
        for landmark in old
    )
