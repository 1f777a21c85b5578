"""Several readers of one image: how far apart they are, and where they agree."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.data.landmarks import (
    Landmark,
    LandmarkSet,
    LandmarkSource,
    LandmarkStatus,
)
from napari_midrl.errors import InputError, OtherImageError
from napari_midrl.evaluation.metrics import error_mm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_midrl.data.annotations import AnnotationDocument, Position

DEFAULT_TOLERANCE_MM = 4.0


@dataclass(frozen=True)
class ReaderRow:
    """One landmark by all readers.

    Parameters
    ----------
    name
        As the first reader calls it.
    positions_lps_mm
        By reader, in LPS mm; readers who did not place it are not in it.
    distance_mm
        Largest distance between two readers in mm; None if fewer than two placed it.
    mean_lps_mm
        Mean of all readers in LPS mm; None if fewer than two placed it.
    consensus_lps_mm
        Mean of the readers that agree, LPS mm; None if no majority agrees.
    agreeing
        Those readers; empty if there is no consensus.
    """

    name: str
    positions_lps_mm: Mapping[str, Position]
    distance_mm: float | None = None
    mean_lps_mm: Position | None = None
    consensus_lps_mm: Position | None = None
    agreeing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """All landmarks by all readers.

    Parameters
    ----------
    readers
        Names, the one at work first.
    rows
        In the order of the first reader.
    is_blind
        Whether the others' landmarks are kept back until the first reader is done.
    """

    readers: tuple[str, ...]
    rows: tuple[ReaderRow, ...]
    is_blind: bool = False


def compare_readers(
    own: AnnotationDocument,
    others: Sequence[AnnotationDocument],
    *,
    blind: bool = False,
    tolerance_mm: float = DEFAULT_TOLERANCE_MM,
) -> Comparison:
    """Return how far readers of one image are apart.

    Landmarks are told by what the protocol calls them, whatever a reader does.

    Parameters
    ----------
    own
        Of the reader at work.
    others
        At least one; readers differ, image and protocol are the same.
    blind
        Keep the others' landmarks, and all that follows from them, back until every
        landmark of `own` is placed or skipped.
    tolerance_mm
        Readers agree on a landmark if no two of them are farther apart.

    Raises
    ------
    OtherImageError
        If an annotation is of another image; it names both.
    InputError
        If readers or protocols do not fit, or there is no other reader.
    """
    readers = (own.reader, *(other.reader for other in others))
    _check(own, others, readers)
    if blind and not own.annotations.progress.is_done:
        rows = tuple(
            _row(name, _placed([own], asked), tolerance_mm)
            for name, asked in _landmarks(own)
        )
        return Comparison(readers, rows, is_blind=True)
    rows = tuple(
        _row(name, _placed([own, *others], asked), tolerance_mm)
        for name, asked in _landmarks(own)
    )
    return Comparison(readers, rows)


def consensus_landmarks(own: AnnotationDocument, comparison: Comparison) -> LandmarkSet:
    """Return the landmarks on which a majority of the readers agrees.

    Those without a consensus are undefined, not left out.

    Parameters
    ----------
    own
        Any of the documents compared; it gives image and descriptions.
    comparison
        Of `compare_readers`.

    Raises
    ------
    InputError
        If the comparison is blind.
    """
    if comparison.is_blind:
        msg = "place or skip every landmark first: the other readers are still hidden"
        raise InputError(msg)
    plain = own.as_landmark_set()
    landmarks = tuple(_consensus(row, plain[row.name]) for row in comparison.rows)
    return replace(plain, landmarks=landmarks)


def agreeing_readers(
    positions_lps_mm: Mapping[str, Position], tolerance_mm: float
) -> tuple[str, ...]:
    """Return the largest group of readers of which no two are too far apart.

    Parameters
    ----------
    positions_lps_mm
        By reader, LPS mm.
    tolerance_mm
        How far apart two that agree may be, mm.

    Returns
    -------
    readers
        More than half of them, and at least two; the group closest together if
        several are as large. Empty if there is none.
    """
    names = tuple(positions_lps_mm)
    for size in range(len(names), max(1, len(names) // 2), -1):
        groups = [
            (_distance_mm([positions_lps_mm[n] for n in group]), group)
            for group in combinations(names, size)
        ]
        nearest_mm, group = min(groups)
        if nearest_mm <= tolerance_mm:
            return group
    return ()


def _check(
    own: AnnotationDocument,
    others: Sequence[AnnotationDocument],
    readers: tuple[str, ...],
) -> None:
    if not others or len(set(readers)) < len(readers):
        msg = f"need annotations of different readers, got those of {list(readers)}"
        raise InputError(msg)
    for other in others:
        if other.image.sha256 != own.image.sha256:
            msg = (
                f"{other.reader!r} read the image {other.image.name!r}, "
                f"{own.reader!r} read {own.image.name!r}"
            )
            raise OtherImageError(msg)
        if set(other.protocol.names) != set(own.protocol.names):
            msg = (
                f"{other.reader!r} followed the protocol {other.protocol.name!r}, "
                f"{own.reader!r} followed {own.protocol.name!r}"
            )
            raise InputError(msg)


def _landmarks(own: AnnotationDocument) -> list[tuple[str, str]]:
    """Return what the reader and the protocol call every landmark of the protocol."""
    return [
        (landmark.name, landmark.protocol_name)
        for landmark in own.annotations.landmarks
        if landmark.protocol_name
    ]


def _placed(documents: list[AnnotationDocument], asked: str) -> dict[str, Position]:
    return {
        document.reader: landmark.position_lps_mm
        for document in documents
        for landmark in document.annotations.landmarks
        if landmark.protocol_name == asked and landmark.position_lps_mm is not None
    }


def _row(name: str, positions: dict[str, Position], tolerance_mm: float) -> ReaderRow:
    if len(positions) < 2:
        return ReaderRow(name, positions)
    agreeing = agreeing_readers(positions, tolerance_mm)
    return ReaderRow(
        name,
        positions,
        distance_mm=_distance_mm(list(positions.values())),
        mean_lps_mm=_mean(list(positions.values())),
        consensus_lps_mm=_mean([positions[n] for n in agreeing]) if agreeing else None,
        agreeing=agreeing,
    )


def _distance_mm(positions: list[Position]) -> float:
    """Return the largest distance between two of at least two positions."""
    return max(float(error_mm(a, b)) for a, b in combinations(positions, 2))


def _mean(positions: list[Position]) -> Position:
    x, y, z = np.mean(positions, axis=0)
    return (float(x), float(y), float(z))


def _consensus(row: ReaderRow, plain: Landmark) -> Landmark:
    status = LandmarkStatus.UNDEFINED
    if row.consensus_lps_mm is not None:
        status = LandmarkStatus.DEFINED
    return Landmark(
        row.name,
        row.consensus_lps_mm,
        status,
        source=LandmarkSource.CONSENSUS,
        description=plain.description,
        rater=" + ".join(row.agreeing),
    )
