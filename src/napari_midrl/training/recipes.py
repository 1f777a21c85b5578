"""What a pack is made from: one recipe per shipped pack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from napari_midrl.agents.dense_network import DenseQConfig
    from napari_midrl.agents.presets import Preset
    from napari_midrl.data.progress import Progress
    from napari_midrl.training.cases import TrainingCase
    from napari_midrl.training.config_file import ConfigFile
    from napari_midrl.training.dense_loop import DenseTrainingSettings
    from napari_midrl.training.published_world import Case


@dataclass(frozen=True)
class Recipe:
    """How to make a pack from nothing.

    Parameters
    ----------
    name, title, description
        Of the pack.
    landmarks
        One per agent.
    landmark_notes
        What each landmark is, by name.
    config
        Architecture.
    stages
        Trainings one after the other, each from the weights of the one before.
    make_cases
        Yields progress and returns the labelled anatomies; takes the folder of the
        training data, None for recipes that draw their own.
    data, licence
        What the weights learned from, and on what terms.
    intended_use, limits
        For the model card.
    turn_gain
        Of the pack's `agents.upright.Arrangement`; None for agents that search a
        turned patient as it lies.
    max_looks, prior_share
        Of that arrangement.
    source
        File that its numbers come from, if they do.
    """

    name: str
    title: str
    description: str
    landmarks: tuple[str, ...]
    landmark_notes: dict[str, str]
    config: DenseQConfig
    stages: tuple[DenseTrainingSettings, ...]
    make_cases: Callable[
        [Path | None], Generator[Progress, None, tuple[TrainingCase, ...]]
    ]
    data: str
    licence: str
    intended_use: str
    limits: str
    turn_gain: float | None = None
    max_looks: int = 8
    prior_share: float = 0.0
    source: ConfigFile | None = None


@dataclass(frozen=True)
class PublishedRecipe:
    """How to make a pack of the published agents.

    Parameters
    ----------
    name, title, description, landmarks, data, licence, intended_use, limits, source
        As in `Recipe`.
    preset
        The system, on its published schedule.
    n_updates
        Updates of this training; the schedule is scaled to it (`Preset.scaled`).
    n_episodes
        Played side by side.
    make_cases
        Yields progress and returns volumes and what they show; takes the folder of
        the training data, None for recipes that draw their own.
    """

    name: str
    title: str
    description: str
    landmarks: tuple[str, ...]
    preset: Preset
    n_updates: int
    n_episodes: int
    make_cases: Callable[[Path | None], Generator[Progress, None, tuple[Case, ...]]]
    data: str
    licence: str
    intended_use: str
    limits: str
    source: ConfigFile | None = None
