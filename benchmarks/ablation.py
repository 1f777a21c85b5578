"""What each choice of the training brings, one left out at a time.

``python -m benchmarks.ablation FOLDER --json FILE --seeds 3 --jobs 2``

FOLDER holds the brain templates. Agents of eight AFIDs learn from the training
templates in coarse steps (base unit 6 mm, few updates, so that a run takes minutes on
one core) and then search the held-back template in random poses and three contrasts.
The numbers say which choice learns faster, not how well the shipped agents do. Runs
already in FILE are not made again, so an interrupted table is gone on with.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.template_poses import FIRST_SEED, HELD_BACK, Pose, write_posed
from napari_midrl.agents.dense_learning import Targets
from napari_midrl.data.progress import finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.io.images import read_image
from napari_midrl.io.landmarks import read_landmarks
from napari_midrl.localizers.midrl import MidrlLocalizer
from napari_midrl.training.brain_afids import LANDMARKS, RECIPE, brain_cases
from napari_midrl.training.dense_loop import DenseTrainingSettings, train_dense
from napari_midrl.workflows.processes import results_in_order

if TYPE_CHECKING:
    from napari_midrl.agents.dense_network import DenseQNetwork
    from napari_midrl.data.landmarks import LandmarkSet
    from napari_midrl.data.volume import Volume

    Run = dict[str, Any]
    Test = tuple[Volume, LandmarkSet]

SOUGHT = (
    "AC",
    "PC",
    "PMJ",
    "genu of CC",
    "splenium of CC",
    "R LV at PC",
    "L AL temporal horn",
    "R ventral occipital horn",
)
CONFIG = replace(RECIPE.config, base_mm=6.0, n_landmarks=len(SOUGHT))
BASE = replace(RECIPE.stages[0], n_updates=400, n_starts=48, n_fine_landmarks=4, seed=0)
VARIANTS: dict[str, DenseTrainingSettings] = {
    "as shipped": BASE,
    "discount 0.9 (published)": replace(BASE, rule=Targets(discount=0.9)),
    "discount 0 (no bootstrapping)": replace(BASE, rule=Targets(discount=0.0)),
    "1-step returns": replace(BASE, rule=Targets(n_rewards=1)),
    "single Q-learning": replace(BASE, rule=Targets(double=False)),
    "no lagging network": replace(BASE, follow_rate=1.0),
    "12 starts a landmark, not 48": replace(BASE, n_starts=12),
    "no random contrasts": replace(BASE, view=replace(BASE.view, remap_share=0.0)),
    "heads always in the middle": replace(
        BASE, view=replace(BASE.view, shift_mm=0.0, whole_share=1.0)
    ),
}
N_POSES = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    chosen = parser.parse_args()
    runs = json.loads(chosen.json.read_text()) if chosen.json.exists() else []
    made = {(run["variant"], run["seed"]) for run in runs}
    missing = [
        (name, seed)
        for seed in range(chosen.seeds)
        for name in VARIANTS
        if (name, seed) not in made
    ]
    for run in results_in_order(partial(one_run, chosen.data), missing, chosen.jobs):
        runs.append(run)
        chosen.json.write_text(json.dumps(runs, indent=1) + "\n")
        print(run, flush=True)
    print_table(runs)


def posed_tests(data: Path) -> list[Test]:
    """Return the held-back template in random poses, once in every contrast."""
    tests = []
    for seed in range(FIRST_SEED, FIRST_SEED + N_POSES):
        with tempfile.TemporaryDirectory() as folder:
            write_posed(data, HELD_BACK[0], Pose.draw(seed), Path(folder))
            truth = read_landmarks(Path(folder) / "truth.csv")
            tests += [
                (read_image(Path(folder) / name), truth) for name in HELD_BACK[0].images
            ]
    return tests


def one_run(data: Path, run: tuple[str, int]) -> Run:
    name, seed = run
    settings = replace(VARIANTS[name], seed=seed)
    rows = [LANDMARKS.index(landmark) for landmark in SOUGHT]
    cases = [case.of_landmarks(rows) for case in finish(brain_cases(data))]
    begun = time.perf_counter()
    network = finish(train_dense(CONFIG, cases, settings))
    seconds = time.perf_counter() - begun
    errors = errors_mm(network, posed_tests(data))
    return {
        "variant": name,
        "seed": seed,
        "n_updates": settings.n_updates,
        "seconds": round(seconds, 1),
        "n": len(errors),
        "median_mm": round(float(np.median(errors)), 2),
        "mean_mm": round(float(np.mean(errors)), 2),
        "within_10_mm": round(float(np.mean(errors <= 10)), 3),
    }


def errors_mm(network: DenseQNetwork, tests: list[Test]) -> np.ndarray:
    """Return how far every agent ended from its landmark, shape (n,).

    Of agents, not of their consensus, which may leave a landmark out.
    """
    localizer = MidrlLocalizer("ablation", SOUGHT, network)
    errors = []
    for volume, truth in tests:
        found = finish(localizer.localize(volume, SearchSettings(n_starts=6)))
        for walk in found.trajectories:
            position = np.array(truth[walk.landmark].position_lps_mm)
            errors.append(np.linalg.norm(walk.endpoint_lps_mm - position))
    return np.array(errors)


def print_table(runs: list[Run]) -> None:
    print("\n| variant | median mm, each seed | mean mm | within 10 mm |")
    print("|---|---|---|---|")
    for name in VARIANTS:
        mine = sorted(
            (run for run in runs if run["variant"] == name), key=lambda run: run["seed"]
        )
        if not mine:
            continue
        medians = ", ".join(f"{run['median_mm']:.1f}" for run in mine)
        mean, near = (
            np.mean([run[key] for run in mine]) for key in ("mean_mm", "within_10_mm")
        )
        print(f"| {name} | {medians} | {mean:.1f} | {near:.0%} |")


if __name__ == "__main__":
    main()
