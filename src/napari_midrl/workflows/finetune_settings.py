"""What a user chooses for a fine-tuning, what is planned, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_midrl.data.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from napari_midrl.evaluation.before_after import Row
    from napari_midrl.training.dense_loop import DenseTrainingSettings
    from napari_midrl.workflows.finetune_cases import Split


PAUSE, FINISH = "pause", "finish"
"""What can be said to a fine-tuning in another process, a line each."""


@dataclass(frozen=True)
class FineTuneSettings:
    """What a user may choose.

    Parameters
    ----------
    landmarks
        To learn, of those the cases place; None means all.
    hold_out
        Share of the cases, or their names; see `split_of`.
    left_out
        Names of cases that are neither learned from nor held out.
    minutes
        For everything, tables included; None if the number of updates is given.
    n_updates
        Instead of the minutes.
    replay_share
        Of the updates that rehearse what the pack knows; 0 forgets it.
    relearns_past
        Whether that is learning by reward again, as experience replay is published,
        and not remembering what the pack expects there (`training.dense_loop.Past`).
    shares_network
        Whether landmarks that are all new join the first network of the pack, instead
        of getting a network of their own, which leaves the old ones as they are.
    carries_cases
        Whether the new pack gets a small coreset of the cases it learned from, so
        that a later fine-tuning need not forget them. It then holds image data.
    seed
        Of split, views and new weights.
    n_starts
        Start points per landmark of the tables.
    n_patients
        Digital patients to measure old landmarks on.
    training
        Of the loop; None for what suits a fine-tuning. Its seed and number of updates
        are replaced.

    Raises
    ------
    ValueError
        If a number is out of range, or neither or both of minutes and updates are
        given.
    """

    landmarks: tuple[str, ...] | None = None
    hold_out: float | tuple[str, ...] | None = None
    left_out: tuple[str, ...] = ()
    minutes: float | None = 20.0
    n_updates: int | None = None
    replay_share: float = 0.25
    relearns_past: bool = False
    shares_network: bool = False
    carries_cases: bool = True
    seed: int = 0
    n_starts: int = 16
    n_patients: int = 4
    training: DenseTrainingSettings | None = None

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.n_updates is None):
            msg = f"give minutes or updates, got {self.minutes} and {self.n_updates}"
            raise ValueError(msg)
        if not (self.minutes or self.n_updates or 0) > 0:
            msg = (
                f"need some time, got {self.minutes} minutes, {self.n_updates} updates"
            )
            raise ValueError(msg)
        if not 0 <= self.replay_share < 1 or self.n_starts < 1 or self.n_patients < 0:
            msg = f"share must be 0 to 1, and numbers positive, got {self}"
            raise ValueError(msg)


@dataclass(frozen=True)
class Plan:
    """What is going to be done, before it is done.

    Parameters
    ----------
    split
        Cases to learn from and held out.
    landmarks, new_landmarks
        To be learned, and those of them that the pack does not know.
    n_updates
        Views to learn from.
    seconds_per_update
        As measured from a few that were thrown away.
    seconds
        All that is still to come, tables included.
    """

    split: Split
    landmarks: tuple[str, ...]
    new_landmarks: tuple[str, ...]
    n_updates: int
    seconds_per_update: float
    seconds: float


@dataclass(frozen=True)
class PlanProgress(Progress):
    """The report that carries the plan."""

    plan: Plan | None = None


@dataclass(frozen=True)
class FineTuned:
    """A new pack, and what changed.

    Parameters
    ----------
    folder
        Of the pack.
    plan
        How it was made.
    n_updates
        After which the weights were taken; fewer than planned if it was stopped.
    rows
        The table before and after.
    notes
        What a careful reader should know, one sentence each.
    """

    folder: Path
    plan: Plan
    n_updates: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
