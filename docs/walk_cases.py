"""The cases of the walk: digital patients, all but one annotated already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from window import KIDNEYS, NEW_LANDMARK, write_digital_cases

from napari_midrl.annotation.commands import Place
from napari_midrl.data.progress import finish
from napari_midrl.data.protocol import LandmarkProtocol, ProtocolLandmark
from napari_midrl.io.annotation_file import ANNOTATION_SUFFIX
from napari_midrl.io.protocols import write_protocol
from napari_midrl.workflows.annotate import open_session
from napari_midrl.workflows.load import load_study

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from napari_midrl.data.annotations import Position

READER, OTHER_READER = "ada", "ben"
NEW_ONE = "mid-kidneys"
"""As the walk calls it: its name must not cover those of the kidneys beside it."""
KNEES = ("left knee", "right knee")
PROTOCOL = LandmarkProtocol(
    "kidneys",
    "My own list: one landmark no agent knows yet",
    (
        ProtocolLandmark(NEW_ONE, "halfway between the centers of both kidneys"),
        ProtocolLandmark("heart", "center of the heart"),
        *(ProtocolLandmark(name, f"center of the {name}") for name in KIDNEYS),
        *(ProtocolLandmark(name, f"center of the {name} cap") for name in KNEES),
    ),
)
READERS_APART_MM = 1.5
"""Scatter of the other reader along each axis."""


@dataclass(frozen=True)
class WalkCases:
    """What the walk begins with.

    Parameters
    ----------
    folder
        Of the cases.
    protocol, other_reader
        Files of the list of landmarks and of the other reader's landmarks.
    open_case
        Name of the case that is annotated in the walk.
    places
        What lies where in it, LPS mm.
    """

    folder: Path
    protocol: Path
    other_reader: Path
    open_case: str
    places: Mapping[str, Position]


def make_cases(folder: Path, seeds: Iterable[int]) -> WalkCases:
    """Write patients and annotate all but the last; another reader did that one."""
    written = {
        case: {**places, NEW_ONE: places[NEW_LANDMARK]}
        for case, places in write_digital_cases(folder, seeds).items()
    }
    *done, last = written
    for case in done:
        annotate_case(case, READER, written[case])
    rng = np.random.default_rng(0)
    theirs = {
        name: tuple(np.add(place, rng.normal(0, READERS_APART_MM, 3)).tolist())
        for name, place in written[last].items()
        if name in PROTOCOL.names
    }
    beside = folder.with_name("of-ben")
    beside.mkdir()
    file = beside / f"{last.name}.ben{ANNOTATION_SUFFIX}"
    annotate_case(last, OTHER_READER, theirs, file)
    protocol = write_protocol(PROTOCOL, folder.with_name("kidneys.json"))
    places = {name: written[last][name] for name in PROTOCOL.names}
    return WalkCases(folder, protocol, file, last.name, places)


def annotate_case(
    case: Path, reader: str, places: Mapping[str, Position], file: Path | None = None
) -> None:
    """Place every landmark of the list in a case, as a reader who had time."""
    (volume,) = finish(load_study((case,))).volumes
    session = open_session(volume, PROTOCOL, reader, file)
    for name in PROTOCOL.names:
        session.apply(Place(name, places[name]))
