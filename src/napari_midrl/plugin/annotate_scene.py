"""Draws a reader's annotations in the viewer: three layers that never mix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_midrl.plugin.annotate_boxes import CONSENSUS, MEAN, NOTHING
from napari_midrl.plugin.annotate_layers import (
    LANDMARKS,
    OTHERS,
    PROPOSALS,
    LayerLook,
    PointsView,
)
from napari_midrl.plugin.colors import Colors, color_of
from napari_midrl.plugin.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer
    import numpy as np
    import numpy.typing as npt

    from napari_midrl.data.annotations import AnnotationSet, Position
    from napari_midrl.workflows.compare_readers import Comparison

    Edited = Callable[[tuple[str, ...], dict[str, Position], list[Position]], None]


@dataclass(frozen=True)
class Held:
    """A point under the mouse.

    Parameters
    ----------
    name
        Of the landmark.
    is_proposal
        Whether it is a model's proposal.
    """

    name: str
    is_proposal: bool


class AnnotationScene:
    """The layers of landmarks, of proposals, and of other readers.

    Parameters
    ----------
    viewer
        The viewer.
    on_landmarks_edited, on_proposals_edited, on_others_edited
        Called when the user changed a layer with napari's tools; see `PointsView`.
    on_removed
        Called when the user removed a layer.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        on_landmarks_edited: Edited,
        on_proposals_edited: Edited,
        on_others_edited: Edited,
        on_removed: Callable[[], None],
    ) -> None:
        self._names = Names(viewer)

        def view(look: LayerLook, on_edit: Edited) -> PointsView:
            return PointsView(viewer, look, self._names, on_edit, on_removed)

        self.others = view(OTHERS, on_others_edited)
        self.proposals = view(PROPOSALS, on_proposals_edited)
        self.landmarks = view(LANDMARKS, on_landmarks_edited)
        self._views = (self.others, self.proposals, self.landmarks)

    def draw(
        self,
        annotations: AnnotationSet,
        reader: str,
        colors: Colors,
        current: str | None = None,
        comparison: Comparison | None = None,
        shown_of_others: str = "",
    ) -> None:
        """Draw everything anew.

        Parameters
        ----------
        annotations, reader
            What is shown, and whose it is.
        colors
            By landmark.
        current
            The landmark at hand, drawn larger.
        comparison, shown_of_others
            With other readers, and what of them is drawn.
        """
        hidden = {m.name for m in annotations.landmarks if m.is_hidden}
        placed = {
            m.name: m.position_lps_mm
            for m in annotations.landmarks
            if m.position_lps_mm is not None and m.name not in hidden
        }
        proposed = {
            name: proposal.position_lps_mm
            for name, proposal in annotations.proposals.items()
            if name not in hidden
        }
        models = sorted({p.model for p in annotations.proposals.values()})
        elsewhere, shades = _elsewhere(comparison, shown_of_others, colors, hidden)
        self.others.draw("other readers", elsewhere, shades)
        self.proposals.draw(
            f"proposals ({', '.join(models)})", proposed, colors, current
        )
        self.landmarks.draw(f"landmarks ({reader})", placed, colors, current)

    def nearest(
        self,
        point_zyx: npt.NDArray[np.float64],
        shown: tuple[int, int],
        reach_mm: float,
    ) -> Held | None:
        """Return the point under the mouse; a landmark goes before a proposal."""
        for view in (self.landmarks, self.proposals):
            found = view.nearest(point_zyx.tolist(), shown, reach_mm)
            if found is not None:
                return Held(found[0], view is self.proposals)
        return None

    def preview(self, held: Held, position_lps_mm: Position) -> None:
        """Draw a point where it is dragged to."""
        view = self.proposals if held.is_proposal else self.landmarks
        view.preview(held.name, position_lps_mm)

    def clear(self) -> None:
        """Take all layers away."""
        for view in self._views:
            view.remove()

    def close(self) -> None:
        """Take all layers away and stop listening."""
        for view in self._views:
            view.close()
        self._names.close()


def _elsewhere(
    comparison: Comparison | None, shown: str, colors: Colors, hidden: set[str]
) -> tuple[dict[str, Position], Colors]:
    """Return what is drawn of other readers, with their names, and its colors."""
    positions: dict[str, Position] = {}
    shades: Colors = {}
    if comparison is None or comparison.is_blind or shown == NOTHING:
        return positions, shades
    for row in comparison.rows:
        if row.name in hidden:
            continue
        if shown in (MEAN, CONSENSUS):
            point = row.mean_lps_mm if shown == MEAN else row.consensus_lps_mm
            marks = {} if point is None else {shown: point}
        else:
            marks = {
                reader: position
                for reader, position in row.positions_lps_mm.items()
                if reader != comparison.readers[0]
            }
        for whose, position in marks.items():
            label = f"{row.name} \N{MIDDLE DOT} {whose}"
            positions[label] = position
            shades[label] = color_of(colors, row.name)
    return positions, shades
