"""Rows of the table of landmarks that a reader annotates."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from napari_midrl.data.annotations import AnnotationState
from napari_midrl.plugin.colors import PALETTE, Colors
from napari_midrl.plugin.millimeters import distance_text, position_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_midrl.data.annotations import AnnotationSet, Position
    from napari_midrl.data.protocol import LandmarkProtocol
    from napari_midrl.workflows.compare_readers import Comparison


@dataclass(frozen=True)
class AnnotateRow:
    """One landmark of the table.

    Parameters
    ----------
    name
        As the reader calls it.
    state
        How far it is.
    position_lps_mm
        Where it is, or where a model proposes it, LPS mm; None if neither.
    source
        Whose position that is: ``"human"``, ``"model"``, ``"consensus"`` or nothing.
    model
        The model that chose or inspired the position; empty if none.
    confidence
        The model's, 0 to 1; None if there is none.
    other_mm
        Largest distance to another reader in mm; None if unknown or kept back.
    is_locked, is_hidden
        As the reader set it.
    has_proposal
        Whether a proposal waits to be judged.
    description
        What the protocol says to look for.
    """

    name: str
    state: AnnotationState
    position_lps_mm: Position | None = None
    source: str = ""
    model: str = ""
    confidence: float | None = None
    other_mm: float | None = None
    is_locked: bool = False
    is_hidden: bool = False
    has_proposal: bool = False
    description: str = ""

    def texts(self, frame: str) -> tuple[str, ...]:
        """Return the cells with text; `frame` is ``"LPS"`` or ``"RAS"``."""
        return (
            self.name,
            self.state.value,
            position_text(self.position_lps_mm, frame),
            self.source,
            "" if self.confidence is None else f"{self.confidence:.0%}",
            "" if self.other_mm is None else distance_text(self.other_mm),
        )

    @property
    def tooltip(self) -> str:
        """What else is known, for the pointer that rests on the row."""
        lines = [self.name if not self.description else self.description]
        if self.model and self.source == "human":
            lines.append(f"corrected from a proposal of {self.model}")
        elif self.model:
            lines.append(f"by {self.model}")
        if self.has_proposal and self.state != AnnotationState.PROPOSED:
            lines.append("a proposal waits to be judged")
        if self.is_locked:
            lines.append("locked")
        return "\n".join(lines)


def annotate_rows(
    annotations: AnnotationSet,
    protocol: LandmarkProtocol,
    comparison: Comparison | None = None,
) -> tuple[AnnotateRow, ...]:
    """Return one row per landmark, in the reader's order.

    Parameters
    ----------
    annotations
        What the reader said so far.
    protocol
        What was asked for; gives the descriptions.
    comparison
        With other readers; None if there are none.
    """
    apart: Mapping[str, float | None] = {}
    if comparison is not None:
        apart = {row.name: row.distance_mm for row in comparison.rows}
    return tuple(
        _row(annotations, protocol, name, apart.get(name)) for name in annotations.names
    )


def protocol_colors(annotations: AnnotationSet, protocol: LandmarkProtocol) -> Colors:
    """Return a color by landmark: the protocol's, or one of the palette."""
    colors: Colors = {}
    for n, landmark in enumerate(annotations.landmarks):
        asked = landmark.protocol_name
        number = protocol.names.index(asked) if asked else n
        own = protocol[asked].color if asked else None
        colors[landmark.name] = own or PALETTE[number % len(PALETTE)]
    return colors


def hint_text(
    annotations: AnnotationSet,
    protocol: LandmarkProtocol,
    current: str | None,
    *,
    is_armed: bool,
    is_slice: bool,
) -> str:
    """Return what the user can do with the landmark at hand, with its name in bold.

    Parameters
    ----------
    annotations, protocol
        What the reader said so far, and what was asked for.
    current
        The landmark at hand.
    is_armed
        Whether a click places it.
    is_slice
        Whether the view is a slice; in 3D clicks do nothing.
    """
    if current is None:
        return "Every landmark is placed or skipped. Drag a point to correct it."
    if not is_slice:
        return "Turn to a slice to place or to correct; clicks do nothing in 3D."
    landmark, name = annotations[current], escape(current)
    if is_armed:
        what = f"Click on a slice to place <b>{name}</b>"
        if current in annotations.proposals:
            what = f"Accept, reject or drag the proposal for <b>{name}</b>"
        asked = landmark.protocol_name
        about = protocol[asked].description if asked else ""
        return f"{what}: {escape(about)}." if about else f"{what}."
    if landmark.is_locked:
        return f"<b>{name}</b> is locked."
    if landmark.is_placed:
        return f"<b>{name}</b> is placed; drag it to correct it."
    return f"<b>{name}</b> waits, but placing by click is off."


def _row(
    annotations: AnnotationSet,
    protocol: LandmarkProtocol,
    name: str,
    other_mm: float | None,
) -> AnnotateRow:
    landmark = annotations[name]
    proposal = annotations.proposals.get(name)
    state = annotations.state_of(name)
    position, source = landmark.position_lps_mm, landmark.source.value
    model, confidence = landmark.model, landmark.confidence
    if position is None:
        source = ""
    if state == AnnotationState.PROPOSED and proposal is not None:
        position, source = proposal.position_lps_mm, "model"
        model, confidence = proposal.model, proposal.confidence
    asked = landmark.protocol_name
    return AnnotateRow(
        name=name,
        state=state,
        position_lps_mm=position,
        source=source,
        model=model,
        confidence=confidence,
        other_mm=other_mm,
        is_locked=landmark.is_locked,
        is_hidden=landmark.is_hidden,
        has_proposal=proposal is not None,
        description=protocol[asked].description if asked else "",
    )
