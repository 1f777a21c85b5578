"""The published agents on the step-by-step engine: all at once, and one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from benchmarks.speed.dense import n_steps
from benchmarks.speed.effort import SIX
from benchmarks.speed.timing import best_of, ratio, rounded
from napari_midrl.agents import search
from napari_midrl.agents.networks import initialize_weights
from napari_midrl.agents.presets import MIDRL_3D, TrainedAgents
from napari_midrl.data.progress import finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.localizers.published import PublishedLocalizer

if TYPE_CHECKING:
    from benchmarks.speed.effort import Effort
    from napari_midrl.data.volume import Volume

N_STARTS = 4


def measure(effort: Effort, volume: Volume) -> dict[str, Any]:
    """Return agent-steps per second of preset `midrl-3d` with random weights.

    One agent of it sees a smaller box than the peer's (45 x 45 x 11), with more than
    twice the weights.
    """
    together = _steps_per_second(effort, volume)
    per_pass, search.WALKERS_PER_PASS = search.WALKERS_PER_PASS, 1
    try:
        alone = _steps_per_second(effort, volume)
    finally:
        search.WALKERS_PER_PASS = per_pass
    return {
        "step_by_step_steps_per_s": rounded(together),
        "step_by_step_alone_steps_per_s": rounded(alone),
        "step_by_step_batched_speedup": ratio(together, alone),
    }


def _steps_per_second(effort: Effort, volume: Volume) -> float:
    network = MIDRL_3D.make_network(len(SIX))
    initialize_weights(network, torch.Generator().manual_seed(0))
    localizer = PublishedLocalizer(
        TrainedAgents(MIDRL_3D, SIX, network.state_dict(), 0)
    )
    settings = SearchSettings(
        SIX, N_STARTS, max_steps=effort.n_step_by_step, device="cpu"
    )
    seconds, found = best_of(
        effort.n_best, lambda: finish(localizer.localize(volume, settings))
    )
    return n_steps(found) / seconds
