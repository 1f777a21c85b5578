"""Rewrite a landmark file in another format, without moving a point."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_midrl.errors import InputError, LandmarkFileError
from napari_midrl.io.landmarks import (
    LANDMARK_SUFFIXES,
    read_landmarks,
    write_landmarks,
)
from napari_midrl.io.study import read_study

if TYPE_CHECKING:
    from pathlib import Path

    from napari_midrl.data.landmarks import LandmarkSet
    from napari_midrl.data.volume import Volume
    from napari_midrl.io.frames import Frame


def convert_landmarks(
    source: Path,
    target: Path,
    *,
    frame: Frame | None = None,
    image: Path | None = None,
    overwrite: bool = False,
) -> LandmarkSet:
    """Return the landmarks written to the target file.

    Parameters
    ----------
    source, target
        Landmark files; their formats follow from their names.
    frame
        Coordinate frame of the source where the file itself does not say; never
        overrules a file that does.
    image
        The image the landmarks belong to. The target then carries its name and hash,
        and voxel indices where the format has room for them.
    overwrite
        Whether an existing target may be replaced.

    Raises
    ------
    LandmarkFileError
        If the source is malformed, or was placed on an image other than `image`.
    InputError
        If the target's ending is unknown, or the image holds no volume or several.
    OverwriteError
        If the target exists and may not be replaced.
    """
    if source.resolve() == target.resolve():
        msg = "source and target are the same file"
        raise InputError(msg, source)
    if not target.name.lower().endswith(LANDMARK_SUFFIXES):
        msg = f"expected a name that ends in {' or '.join(LANDMARK_SUFFIXES)}"
        raise InputError(msg, target)
    landmarks, grid = read_landmarks(source, frame=frame), None
    if image is not None:
        volume = _volume_of(image, landmarks, source)
        grid = volume.grid
        # Again, so that voxel columns are held against the image.
        landmarks = read_landmarks(source, frame=frame, grid=grid)
        landmarks = _placed_on(landmarks, volume)
    write_landmarks(landmarks, target, grid=grid, overwrite=overwrite)
    return _without_the_lost(landmarks, target)


def _without_the_lost(landmarks: LandmarkSet, target: Path) -> LandmarkSet:
    """Return the landmarks that the target's format can hold; warn of the others."""
    lost = [mark.name for mark in landmarks if mark.position_lps_mm is None]
    if not lost or not target.name.lower().endswith(".fcsv"):
        return landmarks
    text = f"this format leaves out what has no position: {', '.join(lost)}"
    return replace(
        landmarks,
        landmarks=tuple(mark for mark in landmarks if mark.name not in lost),
        warnings=(*landmarks.warnings, text),
    )


def _volume_of(image: Path, landmarks: LandmarkSet, source: Path) -> Volume:
    """Return the volume of the image that the landmarks were placed on."""
    volumes = read_study([image]).volumes
    if landmarks.image_sha256:
        volumes = tuple(v for v in volumes if v.content_hash == landmarks.image_sha256)
        if not volumes:
            msg = (
                f"these landmarks were placed on {landmarks.image_name!r}, "
                f"whose voxels or geometry differ from those of {image}"
            )
            raise LandmarkFileError(msg, source)
    if len(volumes) != 1:
        names = ", ".join(repr(volume.name) for volume in volumes)
        msg = f"expected one volume to place the landmarks on, got: {names or 'none'}"
        raise InputError(msg, image)
    return volumes[0]


def _placed_on(landmarks: LandmarkSet, volume: Volume) -> LandmarkSet:
    """Return the landmarks with the image's identity; warn of those outside it."""
    outside = [
        landmark.name
        for landmark in landmarks
        if landmark.position_lps_mm is not None
        and not volume.grid.contains(landmark.position_lps_mm)
    ]
    warnings = landmarks.warnings
    if outside:
        warnings += (f"outside of {volume.name!r}: {', '.join(outside)}",)
    return replace(
        landmarks,
        image_name=volume.name,
        image_sha256=volume.content_hash,
        sequence=volume.sequence.label,
        frame_of_reference_uid=volume.frame_of_reference_uid or "",
        warnings=warnings,
    )
