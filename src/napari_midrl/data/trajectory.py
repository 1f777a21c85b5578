"""One agent's walk through a volume, and what a whole search found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from napari_midrl.data.arrays import freeze
from napari_midrl.data.landmarks import Landmark, LandmarkSource, LandmarkStatus

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


DOUBTFUL = 0.05
"""Confidence below which a landmark that was found is more likely not there."""


class SearchState(StrEnum):
    """How the search for one landmark ended."""

    FOUND = "found"
    NOT_CONVERGED = "not converged"
    OUTSIDE = "outside the volume"


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The walk of one agent from one start point, one row per position.

    Row 0 is the start. Row t + 1 is where `actions[t]` led. All arrays are marked
    read-only.

    Parameters
    ----------
    landmark
        Name of the landmark the agent looks for.
    start
        Number of the start point, from 0.
    positions_lps_mm
        Shape (n_steps + 1, 3), LPS mm.
    box_sizes_mm
        Edges along L, P, S of the region the agent sees there; shape
        (n_steps + 1, 3), mm.
    step_sizes_mm
        Length of one move at that position's scale; shape (n_steps + 1,), mm.
    scales
        Scale of the position, 0 = coarsest; shape (n_steps + 1,), int.
    actions
        Index into `action_names`; shape (n_steps,), int.
    q_values
        Expected return of every action at the positions left; shape
        (n_steps, n_actions), in units of the reward.
    action_names
        Such as ``("L+", "L-", "P+", "P-", "S+", "S-")``.
    endpoint_lps_mm
        Where the agent settled, shape (3,); one of its last positions by the end
        rule, refined where the engine interpolates.
    terminated
        True if the end rule was met, False if the step budget ran out first.

    Raises
    ------
    ValueError
        If the arrays disagree on the number of steps.
    """

    landmark: str
    start: int
    positions_lps_mm: npt.NDArray[np.float64]
    box_sizes_mm: npt.NDArray[np.float64]
    step_sizes_mm: npt.NDArray[np.float64]
    scales: npt.NDArray[np.int64]
    actions: npt.NDArray[np.int64]
    q_values: npt.NDArray[np.float32]
    action_names: tuple[str, ...]
    endpoint_lps_mm: npt.NDArray[np.float64]
    terminated: bool

    def __post_init__(self) -> None:
        n = len(self.positions_lps_mm)
        expected = {
            "positions_lps_mm": (n, 3),
            "box_sizes_mm": (n, 3),
            "step_sizes_mm": (n,),
            "scales": (n,),
            "actions": (n - 1,),
            "q_values": (n - 1, len(self.action_names)),
            "endpoint_lps_mm": (3,),
        }
        freeze(self, expected)

    @property
    def n_steps(self) -> int:
        """Moves made; one less than the positions."""
        return len(self.actions)


@dataclass(frozen=True)
class LandmarkResult:
    """What all agents that sought one landmark say together.

    Parameters
    ----------
    name
        The landmark.
    state
        Found, not converged, or outside the volume.
    position_lps_mm
        Consensus of the starts, LPS mm; None unless found.
    spread_mm
        Root mean square distance of the agreeing endpoints from the consensus.
    agreement
        Share of starts whose endpoint belongs to the consensus, 0 to 1; where several
        images were searched, of the images that show the place.
    n_steps
        Median number of steps an agent took.
    confidence
        0 to 1; None if the localizer does not estimate it.
    evidence
        Numbers that tell a right answer from a wrong one; empty for a localizer that
        has none. See `agents.reliability`.
    agreeing
        Where several images were searched, names of those that agree, surest first.
    """

    name: str
    state: SearchState
    position_lps_mm: tuple[float, float, float] | None
    spread_mm: float
    agreement: float
    n_steps: int
    confidence: float | None = None
    evidence: tuple[float, ...] = ()
    agreeing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.state == SearchState.FOUND) != (self.position_lps_mm is not None):
            msg = f"{self.name!r} is {self.state} at {self.position_lps_mm}"
            raise ValueError(msg)

    @property
    def is_unsure(self) -> bool:
        """Whether there is hardly any confidence, found or not."""
        return self.confidence is not None and self.confidence < DOUBTFUL

    @property
    def is_contested(self) -> bool:
        """Whether fewer than half of the images that show the place agree on it."""
        return bool(self.agreeing) and self.agreement < 0.5

    @property
    def is_doubtful(self) -> bool:
        """Whether a person should look twice at what was found, or leave it out."""
        is_found = self.state == SearchState.FOUND
        return is_found and (self.is_unsure or self.is_contested)

    @property
    def agreement_text(self) -> str:
        """Which images agree, in words; empty where only one was searched."""
        if not self.agreeing:
            return ""
        n_agreeing, names = len(self.agreeing), ", ".join(self.agreeing)
        n_images = round(n_agreeing / self.agreement)
        return f"{n_agreeing} of {n_images} images agree: {names}"

    def as_landmark(self, rater: str = "") -> Landmark:
        """Return it as a model's landmark; undefined unless it was found."""
        found = self.state == SearchState.FOUND
        return Landmark(
            name=self.name,
            position_lps_mm=self.position_lps_mm,
            status=LandmarkStatus.DEFINED if found else LandmarkStatus.UNDEFINED,
            source=LandmarkSource.MODEL,
            confidence=self.confidence,
            description=self.agreement_text if found else self.state.value,
            rater=rater,
        )


@dataclass(frozen=True)
class Localization:
    """Everything one search of one volume brought.

    Parameters
    ----------
    results
        One per landmark sought, in the order asked for.
    trajectories
        Every start of every landmark; may be empty for a localizer without agents.
    localizer
        Name of the pack or method.
    model_sha256
        Hash of its weights.
    seconds
        Wall time from the loaded volume to the results.
    device
        Where it ran, such as ``"cpu"``.
    turned_degrees
        By how much the volume was turned upright for this search; the agents moved
        along the axes of the turned volume.
    n_images
        Volumes of one examination that were searched, and have settled on one answer.
    left_out
        Why another of its volumes was not searched, one sentence each.
    """

    results: tuple[LandmarkResult, ...]
    trajectories: tuple[Trajectory, ...]
    localizer: str
    model_sha256: str
    seconds: float
    device: str
    turned_degrees: float = 0.0
    n_images: int = 1
    left_out: tuple[str, ...] = ()
