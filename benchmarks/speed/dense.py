"""The dense engine against one box at a time, and against what the machine can do."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.speed import machine, one_box
from benchmarks.speed.effort import SIX
from benchmarks.speed.flops import counted_flops
from benchmarks.speed.one_at_a_time import (
    are_same,
    n_different_walks,
    search_one_at_a_time,
)
from benchmarks.speed.timing import Stopwatch, best_of, ratio, rounded
from napari_midrl.agents import dense_search
from napari_midrl.agents.dense_network import DenseQNetwork
from napari_midrl.agents.working_view import working_view
from napari_midrl.data.progress import SearchProgress, finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.workflows.localize import load_localizer

if TYPE_CHECKING:
    from benchmarks.speed.effort import Effort
    from napari_midrl.data.trajectory import Localization
    from napari_midrl.data.volume import Volume
    from napari_midrl.localizers.base import Localizer

PACK = "digital-patient"
PARTS = (
    "working view",
    "encoder",
    "coarse walks",
    "cubes",
    "refine",
    "fine walks",
    "detail",
    "detail walks",
    "results",
)


def measure(effort: Effort, volume: Volume) -> dict[str, Any]:
    """Return how fast searches are, all within one run."""
    localizer = finish(load_localizer(PACK))
    before = machine.mm_gflops(effort.mm_size)
    settings = SearchSettings(SIX, effort.n_starts, device="cpu")
    many_starts = replace(settings, n_starts=effort.n_many)
    seconds, found = searched(localizer, volume, settings, effort.n_best)
    many_seconds, many = searched(localizer, volume, many_starts, effort.n_best)
    box_rate = one_box.steps_per_second(
        volume, len(SIX), effort.n_box_steps, effort.n_best
    )
    encoder = measured_encoder(localizer, volume, effort)
    after = machine.mm_gflops(effort.mm_size)
    peak = max(before, after)
    convolution_peak = machine.convolution_gflops(effort.mm_size)
    dense_rate = n_steps(many) / many_seconds
    parts = breakdown(localizer, volume, settings, effort.n_best)
    alone = search_one_at_a_time(localizer, volume, settings)
    return {
        "mm_peak_gflops": rounded(peak),
        "mm_peak_gflops_before": rounded(before),
        "mm_peak_gflops_after": rounded(after),
        "conv_peak_gflops": rounded(convolution_peak),
        "volume_shape": list(volume.array.shape),
        "volume_spacing_mm": volume.grid.spacing_mm.round(3).tolist(),
        "one_box_steps_per_s": rounded(box_rate),
        "one_box_gflop": rounded(one_box_gflop()),
        "dense_steps_per_s": rounded(dense_rate),
        "dense_starts": effort.n_many,
        "dense_steps": n_steps(many),
        "dense_seconds": rounded(many_seconds),
        "speedup_vs_one_box": ratio(dense_rate, box_rate),
        "seconds_6x16": rounded(seconds),
        "steps_6x16": n_steps(found),
        "seconds_6x16_parts": parts,
        **encoder,
        "encoder_share_of_peak": ratio(encoder["encoder_gflops"], peak),
        "encoder_share_of_conv_peak": ratio(
            encoder["encoder_gflops"], convolution_peak
        ),
        "same_trajectories": are_same(found, alone),
        "different_trajectories": n_different_walks(found, alone),
    }


def searched(
    localizer: Localizer, volume: Volume, settings: SearchSettings, n_best: int
) -> tuple[float, Localization]:
    """Return seconds from the array to the endpoints, best of some, and the search."""
    finish(localizer.localize(volume, settings))
    return best_of(n_best, lambda: finish(localizer.localize(volume, settings)))


def n_steps(found: Localization) -> int:
    """Return the moves of all agents to where they settled.

    Those that only proved that an agent goes round in circles do not count.
    """
    return sum(trajectory.n_steps for trajectory in found.trajectories)


def one_box_gflop() -> float:
    """Return the operations for one box of the peer, in units of 1e9."""
    network = one_box.OneBoxNetwork(1).eval()
    box = torch.zeros(1, one_box.N_FRAMES, *(one_box.BOX,) * 3)
    with counted_flops(network) as count, torch.inference_mode():
        network(box, 0)
    return count.total / 1e9


def measured_encoder(
    localizer: Localizer, volume: Volume, effort: Effort
) -> dict[str, float]:
    """Return what the encoder does per second on the view of a volume."""
    networks: list[DenseQNetwork] = []
    encode = DenseQNetwork.encode

    def remember(network: DenseQNetwork, array: torch.Tensor) -> Any:
        networks.append(network)
        return encode(network, array)

    DenseQNetwork.encode = remember
    try:
        one = SearchSettings(SIX[:1], 1, max_steps=1, device="cpu")
        finish(localizer.localize(volume, one))
    finally:
        DenseQNetwork.encode = encode
    network = networks[0]
    view = torch.from_numpy(working_view(volume, network.config.base_mm).array)
    with torch.inference_mode():
        with counted_flops(network) as count:
            network.encode(view)
        seconds, _ = best_of(2 * effort.n_best, lambda: network.encode(view))
    return {
        "encoder_gflop": rounded(count.total / 1e9),
        "encoder_seconds": rounded(seconds),
        "encoder_gflops": rounded(count.total / seconds / 1e9),
        "view_shape": list(view.shape),
    }


def breakdown(
    localizer: Localizer, volume: Volume, settings: SearchSettings, n_best: int
) -> dict[str, float]:
    """Return the seconds that parts of a search take, of the fastest of some."""
    runs = [_parts(localizer, volume, settings) for _ in range(n_best)]
    fastest = min(runs, key=lambda parts: sum(parts.values()))
    return {part: rounded(fastest[part]) for part in PARTS}


def _parts(
    localizer: Localizer, volume: Volume, settings: SearchSettings
) -> Counter[str]:
    """Return seconds by part: of calls that are watched, and of what is left.

    A search says where it is: it prepares the volume, looks at the whole of it, walks,
    looks closer, walks, looks closer still, walks.
    """
    watch = Stopwatch()
    stages: Counter[int] = Counter()
    watched = [
        (DenseQNetwork, "encode", "encoder"),
        (DenseQNetwork, "refine", "refine"),
        (DenseQNetwork, "look_at_detail", "detail"),
        (dense_search, "cube_at", "cubes"),
    ]
    cubes_by_stage: dict[int, float] = {}
    with watch.watching(*watched):
        searching = localizer.localize(volume, settings)
        stage, last = 0, time.perf_counter()
        while True:
            report = next(searching, None)
            now = time.perf_counter()
            stages[stage if report is not None else -1] += now - last
            last = now
            if report is None:
                break
            if not isinstance(report, SearchProgress):
                cubes_by_stage[stage] = watch.seconds["cubes"]
                stage += 1
    in_fine = cubes_by_stage.get(3, watch.seconds["cubes"])
    in_detail = watch.seconds["cubes"] - in_fine
    took = watch.seconds
    return Counter(
        {
            "working view": stages[0] + stages[1],
            "encoder": took["encoder"],
            "coarse walks": stages[2] - took["encoder"],
            "cubes": took["cubes"],
            "refine": took["refine"],
            "fine walks": stages[3] - in_fine - took["refine"],
            "detail": took["detail"],
            "detail walks": stages[4] - in_detail - took["detail"],
            "results": stages[-1],
        }
    )
