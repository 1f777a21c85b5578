"""Packs as versions of each other: where each comes from, and how near each comes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_midrl.errors import PackError
from napari_midrl.evaluation.before_after import Row, row_of_plain
from napari_midrl.evaluation.cells import ALL
from napari_midrl.io.model_store import (
    DENSE_ARCHITECTURE,
    pack_folders,
    read_card,
    user_packs,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

    from napari_midrl.io.model_store import ModelCard

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PackVersion:
    """What a list of versions shows of a pack; from its card alone.

    Parameters
    ----------
    name, folder, title
        As it is found, and what it is called for people.
    weights_sha256
        What it is: two packs with the same weights are the same agents.
    is_own
        Whether it is in the user's store; others ship with the program.
    architecture, landmarks
        Of the agents.
    parent, parent_sha256
        The pack it was fine-tuned from; empty for one that was not.
    finished
        When, ISO 8601 in UTC; empty if nobody wrote it down.
    train, held_out
        Hashes of images and landmark files, by name of the case.
    rows
        The tables before and after of its fine-tuning.
    carries_images
        Whether images of cases are in it.
    note
        Where its making departed from the plan.
    """

    name: str
    folder: Path
    title: str
    weights_sha256: str
    is_own: bool
    architecture: str
    landmarks: tuple[str, ...]
    parent: str = ""
    parent_sha256: str = ""
    finished: str = ""
    train: tuple[tuple[str, tuple[str, ...]], ...] = ()
    held_out: tuple[tuple[str, tuple[str, ...]], ...] = ()
    rows: tuple[Row, ...] = ()
    carries_images: bool = False
    note: str = ""

    @property
    def reason_against(self) -> str:
        """Why it cannot be fine-tuned; empty if it can."""
        if self.architecture == DENSE_ARCHITECTURE:
            return ""
        return f"Agents of architecture {self.architecture} cannot be fine-tuned."

    @property
    def day(self) -> str:
        """The day it was made, such as ``"2026-05-01"``; empty if not known."""
        return self.finished[:10]

    def of_all(self, group: str, agents: str = "after") -> Row | None:
        """Return the row of all landmarks of a group; None if nothing was measured."""
        for row in self.rows:
            if (row.group, row.landmark, row.agents) == (group, ALL, agents):
                return row
        return None


def pack_versions() -> tuple[PackVersion, ...]:
    """Return all packs on this machine, each after the one it comes from.

    A pack whose card cannot be read is left out, with a warning in the log.
    """
    found = []
    for name, folder in sorted(pack_folders().items()):
        try:
            found.append(version_in(folder, name))
        except PackError as error:
            _log.warning("left out agents %r: %s", name, error)
    return tuple(_by_descent(found))


def version_in(folder: Path, name: str = "") -> PackVersion:
    """Return what the card of a pack says of it as a version.

    Raises
    ------
    PackError
        If the card is missing or malformed.
    """
    card = read_card(folder)
    settings = card.training.settings
    return PackVersion(
        name=name or card.name,
        folder=folder,
        title=card.title,
        weights_sha256=card.weights_sha256,
        is_own=folder.parent == user_packs(),
        architecture=card.architecture,
        landmarks=tuple(card.landmarks),
        parent="" if card.parent is None else card.parent.name,
        parent_sha256="" if card.parent is None else card.parent.weights_sha256,
        finished=card.training.finished,
        train=_hashes(settings.get("train")),
        held_out=_hashes(settings.get("held_out")),
        rows=_rows(card),
        carries_images=bool(card.coreset_sha256),
        note=card.training.note,
    )


@dataclass(frozen=True)
class ComparedRow:
    """One landmark, as measured of two packs; None where one was not measured."""

    group: str
    landmark: str
    one: Row | None
    other: Row | None


@dataclass(frozen=True)
class VersionComparison:
    """Two packs by what their cards say.

    Parameters
    ----------
    one, other
        The packs.
    rows
        By group and landmark.
    caution
        Why the numbers do not compare; empty if they were measured on the same
        images and landmarks.
    """

    one: PackVersion
    other: PackVersion
    rows: tuple[ComparedRow, ...]
    caution: str


def compared(one: PackVersion, other: PackVersion) -> VersionComparison:
    """Return two packs side by side.

    A pack that was not fine-tuned has numbers only where the other one was fine-tuned
    from it: those measured before.
    """
    mine, theirs = _measured(one, other), _measured(other, one)
    keys = dict.fromkeys([*mine, *theirs])
    rows = tuple(ComparedRow(*key, mine.get(key), theirs.get(key)) for key in keys)
    return VersionComparison(one, other, rows, _caution(one, other))


def parent_among(
    version: PackVersion, versions: Iterable[PackVersion]
) -> PackVersion | None:
    """Return the parent of a version among those there are; None if it is gone."""
    for candidate in versions:
        if candidate.weights_sha256 == version.parent_sha256:
            return candidate
    return None


def _measured(version: PackVersion, other: PackVersion) -> dict[tuple[str, str], Row]:
    """Return rows of a version: from its own card, or as the parent of the other."""
    is_parent = other.parent_sha256 == version.weights_sha256
    rows, agents = (other.rows, "before") if is_parent else (version.rows, "after")
    return {(row.group, row.landmark): row for row in rows if row.agents == agents}


def _caution(one: PackVersion, other: PackVersion) -> str:
    if one.weights_sha256 == other.weights_sha256:
        return "These are the same agents."
    if one.weights_sha256 == other.parent_sha256:
        return ""
    if other.weights_sha256 == one.parent_sha256:
        return ""
    if not one.held_out or not other.held_out:
        return "One of them was not measured on held-out cases."
    if {h for _, h in one.held_out} == {h for _, h in other.held_out}:
        return ""
    return (
        "They were measured on different held-out cases: the numbers do not compare. "
        "Use midrl evaluate --against."
    )


def _by_descent(found: list[PackVersion]) -> Generator[PackVersion, None, None]:
    """Yield packs, descendants after their parents, the oldest first."""
    known = {version.weights_sha256 for version in found}
    children: dict[str, list[PackVersion]] = {}
    for version in sorted(found, key=lambda v: (v.is_own, v.finished, v.name)):
        has_parent = version.parent_sha256 in known - {version.weights_sha256}
        children.setdefault(version.parent_sha256 if has_parent else "", []).append(
            version
        )

    def descend(sha256: str) -> Generator[PackVersion, None, None]:
        for child in children.pop(sha256, []):
            yield child
            yield from descend(child.weights_sha256)

    yield from descend("")


def _hashes(cases: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(cases, dict):
        return ()
    return tuple((str(name), tuple(map(str, own))) for name, own in cases.items())


def _rows(card: ModelCard) -> tuple[Row, ...]:
    """Return the tables of a card; none if they are not as they should be."""
    try:
        return tuple(row_of_plain(row) for row in card.metrics["before_after"])
    except (KeyError, TypeError, ValueError):
        return ()
