"""Rows of the result table, while agents walk and when they have settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.plugin.millimeters import distance_text, position_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_midrl.data.playback import Playback
    from napari_midrl.data.trajectory import LandmarkResult, Localization

SEARCHING = "searching"
NOTHING = "\N{EN DASH}"


@dataclass(frozen=True)
class ResultRow:
    """One landmark of the table.

    Parameters
    ----------
    name
        The landmark.
    position_lps_mm
        LPS mm; None if there is none to show.
    spread_mm
        Root mean square distance of the starts from the position.
    agreement
        Share of the starts that agree, or have settled while the search runs.
    n_steps
        Steps made.
    state
        In words.
    confidence
        0 to 1; None while the search runs, or if it is not known.
    is_unsure, is_contested, agreement_text
        Of `LandmarkResult`.
    """

    name: str
    position_lps_mm: tuple[float, float, float] | None
    spread_mm: float
    agreement: float
    n_steps: int
    state: str
    confidence: float | None = None
    is_unsure: bool = False
    is_contested: bool = False
    agreement_text: str = ""

    def texts(self, frame: str) -> tuple[str, ...]:
        """Return the cells; `frame` is ``"LPS"`` or ``"RAS"``."""
        position = position_text(self.position_lps_mm, frame) or NOTHING
        spread = NOTHING
        if self.position_lps_mm is not None:
            spread = distance_text(self.spread_mm)
        agreement = f"{self.agreement:.0%}"
        sure = NOTHING if self.confidence is None else f"{self.confidence:.0%}"
        steps = str(self.n_steps)
        return self.name, position, spread, agreement, sure, steps, self.state


def row_of_result(result: LandmarkResult) -> ResultRow:
    """Return the row of a landmark whose search has ended."""
    return ResultRow(
        result.name,
        result.position_lps_mm,
        result.spread_mm,
        result.agreement,
        result.n_steps,
        result.state.value,
        result.confidence,
        result.is_unsure,
        result.is_contested,
        result.agreement_text,
    )


def found_text(found: Localization) -> str:
    """Return what a search brought, in a sentence or two."""
    n_found = sum(result.position_lps_mm is not None for result in found.results)
    images = f" in {found.n_images} volumes" if found.n_images > 1 else ""
    text = (
        f"Found {n_found} of {len(found.results)} landmarks{images} in "
        f"{found.seconds:.1f} s on {found.device}."
    )
    if found.turned_degrees:
        turned = f"{found.turned_degrees:.0f}\N{DEGREE SIGN}"
        text += f" The volume was turned by {turned} for the search."
    return text + left_out_text(found)


def left_out_text(found: Localization) -> str:
    """Return a sentence, after a space, on volumes not searched; empty without any."""
    return f" Not searched: {'; '.join(found.left_out)}." if found.left_out else ""


def rows_of_walk(
    names: Sequence[str],
    positions_lps_mm: npt.NDArray[np.float64],
    settled: npt.NDArray[np.bool_],
    step: int,
) -> list[ResultRow]:
    """Return the rows of a search that still runs.

    Parameters
    ----------
    names
        Landmarks sought.
    positions_lps_mm
        Of the agents; shape (n_landmarks, n_starts, 3).
    settled
        Whether an agent moves no more; shape (n_landmarks, n_starts).
    step
        Steps made so far.

    Returns
    -------
    rows
        With the median of the agents as position, LPS mm.
    """
    rows = []
    for name, positions, still in zip(names, positions_lps_mm, settled, strict=True):
        middle = np.median(positions, axis=0)
        spread_mm = float(np.sqrt(((positions - middle) ** 2).sum(axis=1).mean()))
        position = (float(middle[0]), float(middle[1]), float(middle[2]))
        state = "settled" if still.all() else SEARCHING
        rows.append(
            ResultRow(name, position, spread_mm, float(still.mean()), step, state)
        )
    return rows


def replay_rows(
    playback: Playback, results: Sequence[LandmarkResult], frame: int
) -> list[ResultRow]:
    """Return the rows at a frame of a replay: a result once its agents have settled."""
    rows = []
    for result in results:
        agents = playback.agents(landmark=result.name)
        settled = playback.n_positions[agents] <= frame
        if settled.all():
            rows.append(row_of_result(result))
        else:
            positions = playback.positions_lps_mm[agents, frame]
            rows += rows_of_walk([result.name], positions[None], settled[None], frame)
    return rows
