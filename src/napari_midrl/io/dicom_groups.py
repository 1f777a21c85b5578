"""Sort DICOM frames into groups that are one volume each.

Frames that differ in series, size, image type, echo or b-value never share a volume.
Where several frames still lie at the same place, the header must say what tells them
apart (time, repetition, diffusion direction); if nothing does, the series is refused
rather than guessed.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.errors import SeriesError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from napari_midrl.io.dicom_headers import Frame

    Frames = tuple[Frame, ...]

SAME_PLACE_MM = 1e-2
SAME_DIRECTION = 1e-3

# What may tell frames at one place apart, the most telling first.
_DISTINCTIONS: tuple[Callable[[Frame], Hashable], ...] = (
    lambda frame: frame.echo_time_ms,
    lambda frame: frame.temporal_position,
    lambda frame: frame.direction,
    lambda frame: frame.acquisition,
    lambda frame: frame.trigger_time_ms,
    lambda frame: frame.acquired_s,
    lambda frame: frame.content_s,
)
# Where every slice has its own time or number, the repeats must follow each other.
_CLOCKS: tuple[Callable[[Frame], float | None], ...] = (
    lambda frame: frame.trigger_time_ms,
    lambda frame: frame.acquired_s,
    lambda frame: frame.instance,
)


def without_copies(frames: Iterable[Frame]) -> tuple[Frames, tuple[str, ...]]:
    """Return every frame once, and a warning if files came twice."""
    seen: dict[tuple[str, int], Frame] = {}
    copies = []
    for frame in frames:
        first = seen.setdefault((frame.sop_uid, frame.index), frame)
        if first is not frame:
            copies.append(frame.path.name)
    if not copies:
        return tuple(seen.values()), ()
    note = f"{len(copies)} files are copies of others and were left out: {copies[0]}"
    return tuple(seen.values()), (note,)


def split_series(frames: Iterable[Frame]) -> list[Frames]:
    """Return the frames of each series, in the order of the series numbers."""
    series: dict[tuple[int, str], list[Frame]] = defaultdict(list)
    for frame in frames:
        series[frame.series_number, frame.series_uid].append(frame)
    return [tuple(series[key]) for key in sorted(series)]


def split_volumes(series: Frames) -> tuple[list[Frames], tuple[str, ...]]:
    """Return the groups of one series that are one volume each, and remarks.

    Raises
    ------
    SeriesError
        If the slices run in several directions, or frames at one place cannot be told
        apart.
    """
    _check_orientations(series)
    groups: dict[tuple[Hashable, ...], list[Frame]] = defaultdict(list)
    for frame in series:
        groups[_kind_key(frame)].append(frame)
    b_values = sorted({f.b_value for f in series if f.b_value is not None})
    notes: tuple[str, ...] = ()
    if len(b_values) > 1:
        listed = ", ".join(f"{b:g}" for b in b_values)
        notes = (f"{title(series)} holds b-values {listed}: one volume each",)
    split = [v for group in groups.values() for v in _split_repeats(tuple(group))]
    volumes, strays = _without_strays(split)
    counts = {len(volume) * max(volume[0].tiles, 1) for volume in volumes}
    if len(counts) > 1:
        notes += (
            f"{title(series)} holds volumes of {sorted(counts)} slices; a file may be "
            "missing",
        )
    return volumes, notes + strays


def _without_strays(volumes: list[Frames]) -> tuple[list[Frames], tuple[str, ...]]:
    """Return the volumes without single slices that differ from the rest of a series.

    A slice whose header differs (another size, b-value, image type) would otherwise
    be listed as a volume, and look like the whole.
    """
    strays = [v for v in volumes if len(v) == 1 and not v[0].tiles]
    if not strays or len(volumes) == 1:
        return volumes, ()
    kept = [volume for volume in volumes if volume not in strays]
    note = f"{title(strays[0])}: a single slice that fits no volume of its series"
    more = f", and {len(strays) - 1} more like it" if strays[1:] else ""
    return kept, (f"{note}{more}; left out",)


def title(frames: Frames) -> str:
    """Return how a message names a series: its number and one of its files."""
    return f"series {frames[0].series_number} ({frames[0].path.name})"


def _check_orientations(series: Frames) -> None:
    """Raise if the slices do not all run the same way."""
    first = np.array(series[0].orientation)
    for frame in series[1:]:
        if np.abs(np.array(frame.orientation) - first).max() > SAME_DIRECTION:
            msg = (
                f"series {frame.series_number} mixes slice directions (a localizer?): "
                f"{series[0].path.name} and {frame.path.name} differ; not loaded"
            )
            raise SeriesError(msg, frame.path)


def _kind_key(frame: Frame) -> tuple[Hashable, ...]:
    """Return what the frames of one volume must share."""
    echo_time = None if frame.echo_time_ms is None else round(frame.echo_time_ms, 2)
    return (
        frame.rows,
        frame.columns,
        tuple(round(x, 4) for x in frame.pixel_spacing),
        frame.frame_of_reference_uid,
        frame.image_type,
        frame.tiles,
        frame.b_value,
        frame.echo if frame.echo is not None else echo_time,
    )


def _split_repeats(group: Frames) -> list[Frames]:
    """Return the group, or its repeats if several frames lie at the same place."""
    by_place: dict[Hashable, list[Frame]] = defaultdict(list)
    for frame in group:
        by_place[_place(frame)].append(frame)
    n_repeats = max(len(frames) for frames in by_place.values())
    if n_repeats == 1:
        return [group]
    for distinction in _DISTINCTIONS:
        parts: dict[Hashable, list[Frame]] = defaultdict(list)
        for frame in group:
            parts[distinction(frame)].append(frame)
        split = [tuple(part) for part in parts.values()]
        if len(split) == n_repeats and not any(_has_repeats(part) for part in split):
            return sorted(split, key=_when)
    for clock in _CLOCKS:
        in_turn = _split_in_turn(list(by_place.values()), clock)
        if in_turn:
            return in_turn
    one, other = next(frames for frames in by_place.values() if len(frames) > 1)[:2]
    msg = (
        f"series {one.series_number} holds several images at one place that nothing in "
        f"the headers tells apart: {one.path.name} and {other.path.name}; not loaded"
    )
    raise SeriesError(msg, one.path)


def _split_in_turn(
    places: list[list[Frame]], clock: Callable[[Frame], float | None]
) -> list[Frames]:
    """Return the repeats if each was over before the next began, else nothing."""
    times = [[(clock(frame), frame) for frame in frames] for frames in places]
    if any(time is None for frames in times for time, _ in frames):
        return []
    sorted_times = [
        sorted(
            ((time or 0.0, frame) for time, frame in frames), key=lambda pair: pair[0]
        )
        for frames in times
    ]
    if len({len(frames) for frames in sorted_times}) != 1:
        return []
    turns = list(zip(*sorted_times, strict=True))
    for turn, following in pairwise(turns):
        if max(time for time, _ in turn) >= min(time for time, _ in following):
            return []
    return [tuple(frame for _, frame in turn) for turn in turns]


def _when(part: Frames) -> tuple[float, float, int]:
    """Return a key that sorts repeats in time."""
    acquired = [frame.acquired_s for frame in part if frame.acquired_s is not None]
    position = part[0].temporal_position
    instance = min(frame.instance or 0 for frame in part)
    return (position or 0, min(acquired, default=0.0), instance)


def _has_repeats(group: Frames) -> bool:
    """Return whether two frames lie at the same place."""
    return len({_place(frame) for frame in group}) < len(group)


def _place(frame: Frame) -> tuple[int, ...]:
    """Return the position in whole hundredths of a millimeter."""
    return tuple(round(x / SAME_PLACE_MM) for x in frame.position)
