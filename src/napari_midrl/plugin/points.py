"""Between a points layer, which the user may edit, and a set of landmarks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_midrl.data.landmarks import (
    Landmark,
    LandmarkSet,
    LandmarkSource,
    LandmarkStatus,
)
from napari_midrl.errors import InputError
from napari_midrl.plugin.world import METADATA_KEY, world_zyx_mm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt


MOVED_MM = 1e-3
"""A model's point moved farther than this was placed by a person."""


def landmarks_of_points(data: npt.ArrayLike, options: Mapping[str, Any]) -> LandmarkSet:
    """Return the landmarks of a points layer, as `layer.as_layer_data_tuple` gives it.

    A point that a model proposed and the user has moved counts as a person's; one
    that the user has deleted becomes undefined, not absent.

    Raises
    ------
    InputError
        If the points are not named 3D positions in mm.
    """
    world_lps_mm = _world_lps_mm(np.asarray(data, dtype=np.float64), options)
    names = _names(options, len(world_lps_mm))
    before = options.get("metadata", {}).get(METADATA_KEY, {}).get("landmarks")
    known = before if isinstance(before, LandmarkSet) else LandmarkSet(())
    placed = {
        name: (float(position[0]), float(position[1]), float(position[2]))
        for name, position in zip(names, world_lps_mm, strict=True)
    }
    merged = [_updated(landmark, placed) for landmark in known]
    old = {landmark.name for landmark in known}
    merged += [
        Landmark(name, position) for name, position in placed.items() if name not in old
    ]
    return replace(known, landmarks=tuple(merged))


def is_edited(data: npt.ArrayLike, options: Mapping[str, Any]) -> bool:
    """Return whether a person has moved, added, named or deleted a point."""
    before = options.get("metadata", {}).get(METADATA_KEY, {}).get("landmarks")
    return bool(landmarks_of_points(data, options) != before)


def _updated(
    landmark: Landmark, placed: Mapping[str, tuple[float, float, float]]
) -> Landmark:
    position = placed.get(landmark.name)
    was = landmark.position_lps_mm
    if position is None:
        if was is None:
            return landmark
        return replace(
            landmark,
            position_lps_mm=None,
            status=LandmarkStatus.UNDEFINED,
            source=LandmarkSource.HUMAN,
            confidence=None,
            rater="",
        )
    if was is not None and np.linalg.norm(np.subtract(was, position)) <= MOVED_MM:
        return landmark
    return replace(
        landmark,
        position_lps_mm=position,
        status=LandmarkStatus.DEFINED,
        source=LandmarkSource.HUMAN,
        confidence=None,
        rater="",
    )


def _world_lps_mm(
    data: npt.NDArray[np.float64], options: Mapping[str, Any]
) -> npt.NDArray[np.float64]:
    if data.ndim != 2 or data.shape[1] != 3:
        msg = (
            f"layer {options.get('name', 'points')!r} needs points in 3D, got shape "
            f"{data.shape}; save a replay's steps with Save trajectories instead"
        )
        raise InputError(msg)
    units = {str(unit) for unit in options.get("units") or ("mm",)}
    if not units <= {"mm", "millimeter"}:
        msg = f"points must be in mm to be saved as landmarks, got {sorted(units)}"
        raise InputError(msg)
    scale = np.asarray(options.get("scale", (1, 1, 1)), dtype=np.float64)
    translate = np.asarray(options.get("translate", (0, 0, 0)), dtype=np.float64)
    rotate = np.asarray(options.get("rotate", np.eye(3)), dtype=np.float64)
    affine = np.asarray(options.get("affine", np.eye(4)), dtype=np.float64)
    if np.any(np.asarray(options.get("shear", 0), dtype=np.float64) != 0):
        msg = f"layer {options.get('name', 'points')!r} is sheared; undo that first"
        raise InputError(msg)
    zyx = (data * scale) @ rotate.T + translate
    return world_zyx_mm(zyx @ affine[:3, :3].T + affine[:3, 3])


def _names(options: Mapping[str, Any], n_points: int) -> list[str]:
    """Return one name per point: its label, else a number; all different."""
    features = options.get("features")
    labels: Sequence[object] = ()
    if features is not None and "label" in features:
        labels = list(features["label"])
    names: list[str] = []
    for n in range(n_points):
        label = labels[n] if n < len(labels) else ""
        missing = label is None or label != label
        name = "" if missing else str(label).strip()
        if not name or name in names:
            number = n + 1
            while f"point {number}" in names:
                number += 1
            name = f"point {number}"
        names.append(name)
    return names
