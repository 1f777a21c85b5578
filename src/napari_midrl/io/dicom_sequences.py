"""Name the MR sequence of DICOM volumes, and find the phases of dynamic scans."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.data.sequence import Sequence, SequenceKind
from napari_midrl.data.volume import Provenance, Volume
from napari_midrl.geometry.grid import resample
from napari_midrl.io.sequence_words import kind_from_words

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from napari_midrl.io.dicom_headers import Frame

SAME_GRID_MM = 1e-2
MAX_DYNAMIC_TR_MS = 100.0
"""Slower T1-weighted scans (MPRAGE, spin echo) are repeats, not phases."""

_BY_IMAGE_TYPE = {
    "ADC": SequenceKind.ADC,
    "IN_PHASE": SequenceKind.DIXON_IN,
    "IP": SequenceKind.DIXON_IN,
    "OPP_PHASE": SequenceKind.DIXON_OPPOSED,
    "OUT_PHASE": SequenceKind.DIXON_OPPOSED,
    "OP": SequenceKind.DIXON_OPPOSED,
    "WATER": SequenceKind.DIXON_WATER,
    "W": SequenceKind.DIXON_WATER,
    "FAT": SequenceKind.DIXON_FAT,
    "F": SequenceKind.DIXON_FAT,
    "SUBTRACT": SequenceKind.DCE_SUBTRACTION,
    "SUBTRACTION": SequenceKind.DCE_SUBTRACTION,
    "SUB": SequenceKind.DCE_SUBTRACTION,
    "DIFFUSION": SequenceKind.DWI,
    "TRACEW": SequenceKind.DWI,
    "TRACE": SequenceKind.DWI,
}
_MAY_BE_DYNAMIC = {
    SequenceKind.DCE,
    SequenceKind.T1W,
    SequenceKind.UNKNOWN,
    SequenceKind.DIXON_WATER,
    SequenceKind.DIXON_FAT,
}
_FAT_SATURATION = {"FS", "SFS", "FATSAT", "FAT_SAT", "SPIR", "SPAIR", "FSA_GEMS"}
_MAPS = {"P", "PHASE", "R", "REAL", "I", "IMAGINARY", "PHASE MAP", "B0", "EADC", "FA"}


@dataclass(frozen=True, eq=False)
class NamedGroup:
    """A group of frames and the sequence it shows.

    Parameters
    ----------
    frames
        One volume.
    sequence
        Its kind, with b-value, phase and time where they apply.
    listed_at
        Series number it is listed under: for a phase, that of the whole scan.
    """

    frames: tuple[Frame, ...]
    sequence: Sequence
    listed_at: int


def sequence_of(frames: tuple[Frame, ...]) -> Sequence:
    """Return the sequence of one volume by its image type, words and timing.

    The image type, which the scanner writes, goes before the description, which a
    person typed; the timing decides where both are silent.
    """
    frame = frames[0]
    kind = _kind(frame)
    b_value = frame.b_value if kind == SequenceKind.DWI else None
    return Sequence(kind, b_value_s_mm2=b_value)


def name_phases(
    groups: Iterable[tuple[Frame, ...]],
) -> tuple[NamedGroup, ...]:
    """Return every volume with its sequence, phases of dynamic scans numbered.

    Volumes of one protocol, geometry and timing that were acquired one after the other
    are phases, whether the scanner put them in one series or in a series each. Times
    count from the start of the first phase present.
    """
    named = [
        NamedGroup(frames, sequence_of(frames), frames[0].series_number)
        for frames in groups
    ]
    named = _with_unweighted_diffusion(named)
    dynamic: dict[Hashable, list[int]] = defaultdict(list)
    for number, group in enumerate(named):
        if _may_be_dynamic(group):
            dynamic[_protocol_key(group)].append(number)
    for numbers in dynamic.values():
        phases = _as_phases([named[number] for number in numbers])
        for number, phase in zip(numbers, phases, strict=True):
            named[number] = phase
    return tuple(sorted(named, key=_listing_order))


def subtraction(post: Volume, pre: Volume) -> Volume:
    """Return post minus pre, what took up contrast, on the grid of `post`.

    A study is listed as the scanner sent it: this volume is made when the user asks,
    never on loading, because a patient who moved between the phases gives bright rims
    that look like uptake. `pre` is resampled if its grid differs.

    Parameters
    ----------
    post, pre
        Two phases of one dynamic scan.

    Returns
    -------
    difference
        float32, kind `DCE_SUBTRACTION`, time and phase of `post`.
    """
    before = pre.array
    if pre.grid != post.grid:
        before = resample(pre.array, pre.grid, post.grid)
    difference = post.array.astype(np.float32) - before.astype(np.float32)
    return Volume(
        difference,
        post.grid,
        f"{post.name} - {pre.name}",
        replace(post.sequence, kind=SequenceKind.DCE_SUBTRACTION),
        Provenance(source=f"{post.name} minus {pre.name}"),
        post.frame_of_reference_uid,
    )


def _kind(frame: Frame) -> SequenceKind:
    """Return the kind of contrast of one frame."""
    if frame.modality != "MR":
        return SequenceKind.UNKNOWN
    if set(frame.image_type) & _MAPS and "ADC" not in frame.image_type:
        return SequenceKind.UNKNOWN
    for code, kind in _BY_IMAGE_TYPE.items():
        # One-letter codes stand for Dixon in the third and later places only.
        if code in frame.image_type[2:]:
            return kind
    kind = kind_from_words(frame.words)
    # Some scanners write b = 0 into every image they make.
    if kind == SequenceKind.UNKNOWN and frame.b_value and "EP" in frame.scanning:
        kind = SequenceKind.DWI
    if kind == SequenceKind.UNKNOWN:
        kind = _kind_from_timing(frame)
    if kind == SequenceKind.T2W and _is_fat_saturated(frame):
        kind = SequenceKind.T2W_FS
    return kind


def _with_unweighted_diffusion(groups: list[NamedGroup]) -> list[NamedGroup]:
    """Return the groups, b = 0 images of a diffusion series named as such."""
    diffusion = {
        group.frames[0].series_uid
        for group in groups
        if group.sequence.kind == SequenceKind.DWI
    }
    return [
        replace(group, sequence=Sequence(SequenceKind.DWI, b_value_s_mm2=0.0))
        if group.sequence.kind == SequenceKind.UNKNOWN
        and group.frames[0].b_value == 0
        and group.frames[0].series_uid in diffusion
        else group
        for group in groups
    ]


def _may_be_dynamic(group: NamedGroup) -> bool:
    """Return whether repeats of it would be phases: dynamic scans are fast."""
    if group.sequence.kind not in _MAY_BE_DYNAMIC:
        return False
    repetition_ms = group.frames[0].repetition_time_ms
    is_fast = repetition_ms is not None and repetition_ms < MAX_DYNAMIC_TR_MS
    return is_fast or group.sequence.kind != SequenceKind.T1W


def _kind_from_timing(frame: Frame) -> SequenceKind:
    """Return the contrast that repetition time, echo time and flip angle make."""
    repetition, echo = frame.repetition_time_ms, frame.echo_time_ms
    if repetition is None or echo is None or "EP" in frame.scanning:
        return SequenceKind.UNKNOWN
    if "SE" in frame.scanning:
        if repetition > 1500:
            return SequenceKind.T2W if echo > 60 else SequenceKind.PD
        return (
            SequenceKind.T1W
            if repetition < 1000 and echo < 30
            else (SequenceKind.UNKNOWN)
        )
    if "GR" in frame.scanning and repetition < 100 and echo < 10:
        low_flip = frame.flip_angle is not None and frame.flip_angle <= 5
        return SequenceKind.PD if low_flip else SequenceKind.T1W
    return SequenceKind.UNKNOWN


def _is_fat_saturated(frame: Frame) -> bool:
    """Return whether fat was suppressed, by saturation or by inversion."""
    inversion = frame.inversion_time_ms
    nulls_fat = inversion is not None and 80 <= inversion <= 260
    return nulls_fat or bool(_FAT_SATURATION & set(frame.options))


def _protocol_key(group: NamedGroup) -> Hashable:
    """Return what the phases of one dynamic scan share."""
    frame = group.frames[0]
    places = np.array([f.position for f in group.frames])
    block = np.concatenate([places.min(axis=0), places.max(axis=0)])
    return (
        frame.protocol, frame.rows, frame.columns, len(group.frames), frame.tiles,
        frame.echo_time_ms, frame.repetition_time_ms, frame.flip_angle,
        frame.frame_of_reference_uid, frame.image_type[2:],
        tuple(np.round(block / SAME_GRID_MM).astype(int).tolist()),
        tuple(round(x, 3) for x in frame.orientation + frame.pixel_spacing),
    )  # fmt: skip


def _as_phases(groups: list[NamedGroup]) -> list[NamedGroup]:
    """Return the groups as numbered phases if they are a dynamic scan."""
    says_dynamic = groups[0].sequence.kind == SequenceKind.DCE
    starts = [_start_s(group) for group in groups]
    listed_at = min(group.listed_at for group in groups)
    known = [start for start in starts if start is not None]
    if len(groups) < (1 if says_dynamic else 3):
        return groups
    if len(known) != len(groups) or len(set(known)) != len(known):
        if not says_dynamic:
            return groups
        return [
            replace(
                group,
                sequence=replace(group.sequence, phase=number),
                listed_at=listed_at,
            )
            for number, group in enumerate(groups)
        ]
    kind = groups[0].sequence.kind
    if kind == SequenceKind.T1W:
        kind = SequenceKind.DCE
    order = sorted(known)
    return [
        replace(
            group,
            sequence=Sequence(
                kind, time_s=round(start - order[0], 4), phase=order.index(start)
            ),
            listed_at=listed_at,
        )
        for group, start in zip(groups, known, strict=True)
    ]


def _start_s(group: NamedGroup) -> float | None:
    """Return when a phase began: trigger time if it varies, else acquisition time."""
    times = [f.acquired_s for f in group.frames if f.acquired_s is not None]
    delays = [f.trigger_time_ms for f in group.frames if f.trigger_time_ms is not None]
    if not times:
        return min(delays) / 1000 if delays else None
    return min(times) + (min(delays) / 1000 if delays else 0.0)


def _listing_order(group: NamedGroup) -> tuple[float, ...]:
    """Return a key that lists volumes by series, echo, b-value and time."""
    frame, sequence = group.frames[0], group.sequence
    return (
        float(group.listed_at),
        frame.echo_time_ms or 0.0,
        sequence.b_value_s_mm2 or 0.0,
        float(sequence.phase or 0),
    )
