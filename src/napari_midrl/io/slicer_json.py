"""3D Slicer's point lists, ``.mrk.json`` (markups schema 1.0.3)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_midrl.data.landmarks import (
    Landmark,
    LandmarkSet,
    LandmarkSource,
    LandmarkStatus,
)
from napari_midrl.errors import LandmarkFileError
from napari_midrl.geometry.affine import flip_lps_ras
from napari_midrl.io.atomic import write_text
from napari_midrl.io.names import free_name
from napari_midrl.io.untrusted import read_text, untrusted

if TYPE_CHECKING:
    from pathlib import Path

# "master" is right: Slicer writes it so, and its reader looks for this text.
SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/"
    "Resources/Schema/markups-schema-v1.0.3.json#"
)
_SCHEMA_PATTERN = re.compile(
    r".*markups-schema-v1\.[0-9]+\.[0-9]+\.json#*$", re.IGNORECASE
)
_MM_PER_UNIT = {"mm": 1.0, "um": 1e-3}
_SET_FIELDS = (
    "image_name", "image_sha256", "case_id", "sequence", "frame_of_reference_uid",
    "model_sha256",
)  # fmt: skip


def write_mrk_json(landmarks: LandmarkSet, path: Path, overwrite: bool) -> Path:
    """Write one list of points in LPS mm; return the path.

    A landmark without a position is a point without ``position``, which is how Slicer
    shows what is still to be placed. What Slicer has no field for (who placed a point,
    on which image) goes into a block ``midrl`` that Slicer passes over.
    """
    missing = all(landmark.position_lps_mm is None for landmark in landmarks)
    markup: dict[str, Any] = {
        "type": "Fiducial",
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": False,
        "fixedNumberOfControlPoints": bool(missing and len(landmarks)),
        "labelFormat": "%N-%d",
        "controlPoints": [
            _control_point(number, landmark)
            for number, landmark in enumerate(landmarks, start=1)
        ],
        "midrl": {name: getattr(landmarks, name) for name in _SET_FIELDS}
        | {"points": [_point_details(landmark) for landmark in landmarks]},
    }
    confidences = [landmark.confidence for landmark in landmarks]
    if confidences and None not in confidences:
        markup["measurements"] = [
            {
                "name": "confidence",
                "enabled": True,
                "description": "Confidence of the model, 0 to 1",
                "controlPointValues": confidences,
            }
        ]
    document = {"@schema": SCHEMA, "markups": [markup]}
    text = json.dumps(document, indent=4, ensure_ascii=False, allow_nan=False)
    return write_text(path, text + "\n", overwrite)


def _control_point(number: int, landmark: Landmark) -> dict[str, Any]:
    """Return one point as Slicer writes it."""
    point: dict[str, Any] = {
        "id": str(number),
        "label": landmark.name,
        "description": landmark.description,
        "associatedNodeID": "",
    }
    if landmark.position_lps_mm is not None:
        point["position"] = list(landmark.position_lps_mm)
    defined = landmark.position_lps_mm is not None
    return point | {
        "selected": True,
        "locked": False,
        "visibility": True,
        "positionStatus": "defined" if defined else "undefined",
    }


def _point_details(landmark: Landmark) -> dict[str, Any]:
    """Return what Slicer has no field for."""
    return {
        "status": landmark.status.value,
        "source": landmark.source.value,
        "rater": landmark.rater,
        "confidence": landmark.confidence,
    }


def read_mrk_json(path: Path) -> LandmarkSet:
    """Return the landmarks of a ``.mrk.json`` file.

    Markups that are no points are passed over with a warning.

    Raises
    ------
    LandmarkFileError
        If it is not a markups file, holds no list of points, or a point is malformed.
    """
    text = read_text(path, LandmarkFileError)
    with untrusted(path, LandmarkFileError):
        document = json.loads(text, parse_constant=_refuse_constant)
        if not isinstance(document, dict) or not _SCHEMA_PATTERN.match(
            str(document.get("@schema", ""))
        ):
            msg = "is not a Slicer markups file (no '@schema' of version 1)"
            raise LandmarkFileError(msg, path)
        markups = document.get("markups")
        if not isinstance(markups, list) or not all(
            isinstance(markup, dict) and isinstance(markup.get("type"), str)
            for markup in markups
        ):
            msg = "must hold a list 'markups', each with a 'type'"
            raise LandmarkFileError(msg, path)
        return _read_markups(markups, path)


def _refuse_constant(name: str) -> float:
    """Refuse NaN and Infinity, which JSON does not have."""
    msg = f"{name} is not a JSON number"
    raise ValueError(msg)


def _read_markups(markups: list[dict[str, Any]], path: Path) -> LandmarkSet:
    """Return the points of all lists of points."""
    lists = [markup for markup in markups if markup["type"] == "Fiducial"]
    others = sorted({markup["type"] for markup in markups} - {"Fiducial"})
    warnings = [f"{path.name}: markups of type {kind} passed over" for kind in others]
    if not lists:
        msg = f"holds no list of points, only {others}"
        raise LandmarkFileError(msg, path)
    if len(lists) > 1:
        warnings.append(f"{path.name}: {len(lists)} lists of points put together")
    taken: set[str] = set()
    landmarks = []
    for markup in lists:
        details = _points_details(markup)
        for number, point in enumerate(markup.get("controlPoints") or [], start=1):
            known = details[number - 1] if number <= len(details) else {}
            landmarks.append(
                _landmark(point, number, known, markup, taken, warnings, path)
            )
    block = lists[0].get("midrl")
    fields = block if isinstance(block, dict) and len(lists) == 1 else {}
    return LandmarkSet(
        tuple(landmarks),
        **{name: str(fields.get(name, "")) for name in _SET_FIELDS},
        warnings=tuple(warnings),
    )


def _points_details(markup: dict[str, Any]) -> list[dict[str, Any]]:
    """Return our own block about each point, if the list was not edited since."""
    block = markup.get("midrl")
    points = block.get("points") if isinstance(block, dict) else None
    if not isinstance(points, list) or len(points) != len(
        markup.get("controlPoints") or []
    ):
        return []
    return [point if isinstance(point, dict) else {} for point in points]


def _landmark(
    point: Any,
    number: int,
    details: dict[str, Any],
    markup: dict[str, Any],
    taken: set[str],
    warnings: list[str],
    path: Path,
) -> Landmark:
    """Return one control point as a landmark."""
    if not isinstance(point, dict):
        msg = f"point {number} must be an object, got {point!r}"
        raise LandmarkFileError(msg, path)
    wanted = str(point.get("label") or point.get("id") or f"point {number}")
    name = free_name(wanted, taken)
    taken.add(name)
    if name != wanted:
        warnings.append(f"{path.name}: a second {wanted!r} was renamed {name!r}")
    given = point.get("positionStatus", "defined")
    if given not in {"defined", "undefined", "preview", "missing"}:
        msg = f"point {number}: positionStatus {given!r} is unknown"
        raise LandmarkFileError(msg, path)
    position = _position(point, number, markup, path) if given == "defined" else None
    if given == "defined" and position is None:
        warnings.append(f"{path.name}: {name!r} has no position; taken as undefined")
    status = LandmarkStatus.DEFINED
    if position is None:
        skipped = given == "missing" or details.get("status") == "skipped"
        status = LandmarkStatus.SKIPPED if skipped else LandmarkStatus.UNDEFINED
    return Landmark(
        name,
        position,
        status,
        source=LandmarkSource(details.get("source", "human")),
        confidence=details.get("confidence"),
        description=str(point.get("description") or ""),
        rater=str(details.get("rater", "")),
    )


def _position(
    point: dict[str, Any], number: int, markup: dict[str, Any], path: Path
) -> tuple[float, float, float] | None:
    """Return the position in LPS mm; None if the point has none."""
    given = point.get("position")
    # Slicer writes "" for undefined points, against its own schema.
    if given is None or given == "":
        return None
    if (
        not isinstance(given, list)
        or len(given) != 3
        or not all(
            isinstance(x, (int, float)) and not isinstance(x, bool) for x in given
        )
    ):
        msg = f"point {number}: position must be three numbers, got {given!r}"
        raise LandmarkFileError(msg, path)
    frame = markup.get("coordinateSystem", "LPS")
    units = markup.get("coordinateUnits", "mm")
    unit = units[0] if isinstance(units, list) and units else units
    if frame not in {"LPS", "RAS"} or unit not in _MM_PER_UNIT:
        msg = f"coordinates must be LPS or RAS in mm or um, got {frame!r} in {unit!r}"
        raise LandmarkFileError(msg, path)
    mm = np.array(given, dtype=np.float64)
    if unit != "mm":
        mm = mm * _MM_PER_UNIT[unit]
    lps = mm if frame == "LPS" else flip_lps_ras(mm)
    if not np.isfinite(lps).all():
        msg = f"point {number}: position must be finite, got {given!r}"
        raise LandmarkFileError(msg, path)
    return (float(lps[0]), float(lps[1]), float(lps[2]))
