"""Which landmarks are to be placed, in which order, and what each of them is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")


@dataclass(frozen=True)
class ProtocolLandmark:
    """One landmark that a protocol asks for.

    Parameters
    ----------
    name
        One line of text without blanks around it.
    description
        What to look for.
    color
        ``"#RRGGBB"``; None leaves it to the display.
    mirror
        Name of the same landmark on the other side of the body; None where there is
        none.
    number
        The protocol's own number for it, from 1, where files go by numbers (AFIDs).

    Raises
    ------
    ValueError
        If the name, the color or the number is not of that kind.
    """

    name: str
    description: str = ""
    color: str | None = None
    mirror: str | None = None
    number: int | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.color is not None and not _COLOR.fullmatch(self.color):
            msg = f"{self.name!r}: color must be '#RRGGBB', got {self.color!r}"
            raise ValueError(msg)
        if self.number is not None and self.number < 1:
            msg = f"{self.name!r}: number must be at least 1, got {self.number}"
            raise ValueError(msg)


@dataclass(frozen=True)
class LandmarkProtocol:
    """Landmarks to be placed on an image, in this order.

    Parameters
    ----------
    name
        Small letters, digits, ``.``, ``_`` and ``-``; at most 64.
    title
        For people.
    landmarks
        At least one; names and numbers differ.
    source
        Where the definitions come from.

    Raises
    ------
    ValueError
        If names are not so, or mirror partners do not name each other.
    """

    name: str
    title: str
    landmarks: tuple[ProtocolLandmark, ...]
    source: str = ""

    def __post_init__(self) -> None:
        if not _SLUG.fullmatch(self.name):
            msg = f"a protocol is named like 'afids-32', got {self.name!r}"
            raise ValueError(msg)
        if not self.landmarks:
            msg = "a protocol needs at least one landmark"
            raise ValueError(msg)
        _check_different([landmark.name for landmark in self.landmarks])
        _check_different([m.number for m in self.landmarks if m.number is not None])
        self._check_mirrors()

    def _check_mirrors(self) -> None:
        partners = {landmark.name: landmark.mirror for landmark in self.landmarks}
        for name, mirror in partners.items():
            if mirror is not None and (mirror == name or partners.get(mirror) != name):
                msg = f"mirror partners must name each other: {name!r} names {mirror!r}"
                raise ValueError(msg)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the landmarks, in order."""
        return tuple(landmark.name for landmark in self.landmarks)

    def __getitem__(self, name: str) -> ProtocolLandmark:
        """Return the landmark of that name; KeyError lists the names there are."""
        for landmark in self.landmarks:
            if landmark.name == name:
                return landmark
        msg = f"no landmark {name!r}; there are {list(self.names)}"
        raise KeyError(msg)


def check_name(name: str) -> None:
    """Raise ValueError unless this can be a landmark's name: one line of text."""
    if not name or name != name.strip() or not name.isprintable():
        msg = f"a name must be one line of text without blanks around it, got {name!r}"
        raise ValueError(msg)


def _check_different(values: Sequence[object]) -> None:
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        msg = f"landmarks of a protocol must differ, got twice: {twice}"
        raise ValueError(msg)
