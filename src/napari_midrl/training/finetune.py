"""Fine-tuning: an old network learns from a few new cases and keeps what it knew."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from napari_midrl.errors import PackError
from napari_midrl.training.dense_loop import (
    CHECKPOINT_NAME,
    DenseTrainingSettings,
    train_dense,
)
from napari_midrl.training.views import ViewSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from napari_midrl.agents.dense_network import DenseQNetwork
    from napari_midrl.data.progress import Progress
    from napari_midrl.training.cases import TrainingCase
    from napari_midrl.training.dense_loop import Past

    Measure = Callable[[DenseQNetwork], Generator[Progress, None, dict[str, float]]]

BEST_NAME = "best.safetensors"

VIEW = ViewSettings(
    rotation_degrees=10.0,
    scale=0.1,
    elastic_mm=3.0,
    elastic_grid_mm=40.0,
    extent_mm=((60.0, 120.0, 120.0), (300.0, 300.0, 400.0)),
    whole_share=0.9,
    whole_margin=0.05,
    shift_mm=5.0,
    landmark_share=0.7,
    remap_share=0.0,
    blur_mm=3.0,
    noise=0.04,
    bias=0.3,
)
"""Views of new cases: nearly whole, and in their own contrast up to a gamma. Random
contrasts make agents that never saw the sequence find their way in it, and take far
longer; who fine-tunes has the sequence."""


def settings_for(n_updates: int, seed: int) -> DenseTrainingSettings:
    """Return settings that suit a fine-tuning of so many updates."""
    return DenseTrainingSettings(
        n_updates=n_updates,
        n_starts=128,
        n_fine_landmarks=6,
        learning_rate=1.5e-3,
        seed=seed,
        checkpoint_every=50,
        outside_weight=0.1,
        # It would shrink agents that the cases at hand say nothing about.
        weight_decay=0.0,
        view=VIEW,
    )


@dataclass(frozen=True)
class Best:
    """The best weights of a fine-tuning so far.

    Parameters
    ----------
    network
        With these weights.
    n_updates
        After how many.
    error
        What was measured then; smaller is better.
    """

    network: DenseQNetwork
    n_updates: int
    error: float


def fine_tune(
    network: DenseQNetwork,
    cases: Sequence[TrainingCase],
    settings: DenseTrainingSettings,
    folder: Path,
    *,
    past: Past | None = None,
    measure: Measure | None = None,
    measure_every: int = 200,
) -> Generator[Progress, None, DenseQNetwork]:
    """Yield progress and return the trained network, that of the last update.

    The best weights so far lie in the folder: who closes this early takes them from
    there (`best_in`). At the regular end the last weights count and not the best:
    the learning rate has faded, and cases that chose the weights would no longer be
    held out.

    Parameters
    ----------
    network
        To begin with; it stays as it is.
    cases
        To learn from.
    settings
        See there.
    folder
        For checkpoint, best weights and `log.jsonl`; an interrupted training goes on
        from there.
    past
        Old experience to mix in; None forgets it.
    measure
        Yields progress and returns metrics of a network, ``"error"`` among them,
        which is to be small.
    measure_every
        Updates between two measurements.

    Raises
    ------
    PackError
        If the folder holds a checkpoint that is damaged or of another training.
    TrainingError
        If the weights no longer change.
    """
    watch = None
    if measure is not None:
        watch = partial(
            _watched,
            measure=measure,
            every=measure_every,
            n_updates=settings.n_updates,
            folder=folder,
        )
    return (
        yield from train_dense(
            network.config, cases, settings, folder, network, past=past, watch=watch
        )
    )


def _watched(
    n_done: int,
    averaged: DenseQNetwork,
    *,
    measure: Measure,
    every: int,
    n_updates: int,
    folder: Path,
) -> Generator[Progress, None, dict[str, float]]:
    """Measure now and then, and keep the best weights."""
    if n_done % every and n_done != n_updates:
        return {}
    was_training = averaged.training
    metrics = yield from measure(averaged)
    averaged.train(was_training)
    # What was measured after this update is of a run that was interrupted and did
    # not come back to it; this one makes it again.
    known = _record(folder)
    if known is None or metrics["error"] < known[1] or known[0] >= n_done:
        _keep(averaged, n_done, metrics["error"], folder)
    return metrics


def _keep(network: DenseQNetwork, n_done: int, error: float, folder: Path) -> None:
    tensors = {name: t.contiguous().clone() for name, t in network.state_dict().items()}
    unfinished = folder / f"{BEST_NAME}.unfinished"
    record = json.dumps({"n_updates": n_done, "error": error})
    save_file(tensors, unfinished, metadata={"best": record})
    unfinished.replace(folder / BEST_NAME)


def _record(folder: Path) -> tuple[int, float] | None:
    """Return after how many updates the best weights were, and their error."""
    path = folder / BEST_NAME
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            best = json.loads((file.metadata() or {})["best"])
        return int(best["n_updates"]), float(best["error"])
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        msg = f"is not what a fine-tuning keeps: {error}"
        raise PackError(msg, path) from error


def best_in(folder: Path, network: DenseQNetwork) -> Best | None:
    """Return the best weights that a fine-tuning left; None if it measured nothing.

    Parameters
    ----------
    folder
        Of the fine-tuning.
    network
        Of the same architecture; it gets the weights.

    Raises
    ------
    PackError
        If the file is damaged or of another architecture.
    """
    record = _record(folder)
    if record is None:
        return None
    try:
        network.load_state_dict(load_file(folder / BEST_NAME))
    except (SafetensorError, RuntimeError) as error:
        msg = f"does not fit this fine-tuning: {error}"
        raise PackError(msg, folder / BEST_NAME) from error
    return Best(network, *record)


def latest_in(folder: Path, network: DenseQNetwork) -> Best | None:
    """Return the latest weights of a fine-tuning that was closed; None without any.

    For one that measures nothing: nobody knows which were the best, so the error is
    NaN.

    Parameters
    ----------
    folder
        Of the fine-tuning.
    network
        Of the same architecture; it gets the weights.

    Raises
    ------
    PackError
        If the checkpoint is damaged or of another architecture.
    """
    path = folder / CHECKPOINT_NAME
    if not path.exists():
        return None
    try:
        tensors = load_file(path)
        before = "averaged_net."
        own = {n.removeprefix(before): t for n, t in tensors.items() if before in n}
        network.load_state_dict(own)
        return Best(network, int(tensors["n_done"]), math.nan)
    except (SafetensorError, RuntimeError, KeyError) as error:
        msg = f"does not fit this fine-tuning: {error}"
        raise PackError(msg, path) from error
