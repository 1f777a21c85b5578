"""Our agents and the published ones, after equally long training on one core.

``python -m benchmarks.equal_time --minutes 6 --seeds 3 --json FILE``

Three systems learn from the same digital patients and seek the same four landmarks in
the same unseen ones: ours (preset `midrl`), the published agents of a volume
(`midrl-3d`), and once these with the defect of their published code, a target network
that stays at random. The schedule of each is fitted to the time: updates are timed
first, on agents that are thrown away, and as many are made as fill the minutes. Drawing
patients does not count. Runs already in FILE are not made again.

Beside them stands what the paper reports [1]_, of real patients and 500,000 updates.

References
----------
.. [1] Parekh et al. (2020), Proc. MIDL, PMLR 121, 588-600, tables of the 3D
   multi-agent system, https://proceedings.mlr.press/v121/parekh20a.html
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from napari_midrl.data.progress import finish
from napari_midrl.data.sequence import SequenceKind
from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.trajectory import SearchState
from napari_midrl.evaluation.boxes import Dimension
from napari_midrl.evaluation.cells import ALL, of_dimension, pool, summarize
from napari_midrl.localizers.midrl import MidrlLocalizer
from napari_midrl.localizers.published import PublishedLocalizer
from napari_midrl.phantom.patient import FIRST_TRAINING_SEED
from napari_midrl.training import digital_patient, midrl_3d
from napari_midrl.training.dense_loop import train_dense
from napari_midrl.training.published import PublishedSettings, train_published
from napari_midrl.training.published_cases import (
    WHOLE_BODY_LANDMARKS,
    whole_body_cases,
)
from napari_midrl.workflows.cases import DigitalCase
from napari_midrl.workflows.evaluate import evaluate_cases

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_midrl.data.landmarks import LandmarkSet
    from napari_midrl.data.progress import Progress
    from napari_midrl.data.study import Study
    from napari_midrl.data.trajectory import Localization
    from napari_midrl.data.volume import Volume
    from napari_midrl.evaluation.cells import Cell
    from napari_midrl.evaluation.findings import Finding
    from napari_midrl.localizers.base import Localizer
    from napari_midrl.training.cases import TrainingCase
    from napari_midrl.training.published_world import Case

    Result = TypeVar("Result")
    Training = Generator[Progress, None, Result]
    Run = dict[str, Any]

N_PATIENTS = 17
"""As many whole bodies as the paper's agents learned from."""

OURS, REPRODUCED, FROZEN = "ours", "midrl-3d", "midrl-3d, frozen target"
KINDS = (SequenceKind.T1W, SequenceKind.T2W, SequenceKind.DIXON_WATER)
SEARCH = SearchSettings(n_starts=1, max_steps=1500, device="cpu")
"""One start per image and 1,500 steps at most, as published."""

PUBLISHED = {
    ("heart", "T1w"): (12.6, 9.4, 0.62, 0.21),
    ("left kidney", "T1w"): (10.2, 6.5, 0.66, 0.19),
    ("left trochanter", "T1w"): (6.4, 2.7, 0.78, 0.10),
    ("left knee", "T1w"): (22.9, 20.4, 0.43, 0.34),
    ("heart", "T2w"): (18.0, 7.6, 0.47, 0.14),
    ("left kidney", "T2w"): (29.3, 33.2, 0.44, 0.32),
    ("left trochanter", "T2w"): (27.6, 17.1, 0.34, 0.26),
    ("left knee", "T2w"): (91.7, 126.2, 0.35, 0.37),
    ("heart", "Dixon water"): (10.1, 4.8, 0.65, 0.13),
    ("left kidney", "Dixon water"): (6.9, 4.0, 0.75, 0.14),
    ("left trochanter", "Dixon water"): (15.9, 14.5, 0.60, 0.25),
    ("left knee", "Dixon water"): (68.7, 92.6, 0.49, 0.41),
}
"""Published distance in mm and IoU, each mean and standard deviation, of 8 patients."""


@dataclass(frozen=True)
class Plan:
    """What a run learns from and is measured on, and for how long it learns.

    Parameters
    ----------
    minutes
        Of learning, on one core.
    n_patients
        To learn from; published 17.
    n_unseen
        To be measured on.
    """

    minutes: float
    n_patients: int
    n_unseen: int


@dataclass(frozen=True)
class Patients:
    """The patients that both systems learn from, each as the system sees them."""

    dense: tuple[TrainingCase, ...]
    published: tuple[Case, ...]


@dataclass(frozen=True)
class DrawnCase(DigitalCase):
    """A digital patient that is drawn once and measured on many times."""

    study: Study | None = None
    truth: LandmarkSet | None = None

    def open(self) -> Training[tuple[Study, LandmarkSet]]:
        yield from ()
        assert self.study is not None
        assert self.truth is not None
        return self.study, self.truth


@dataclass
class WatchedLocalizer:
    """A localizer that remembers its last answer."""

    inner: Localizer
    last: Localization | None = None

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def landmarks(self) -> tuple[str, ...]:
        return self.inner.landmarks

    def localize(
        self, volume: Volume, settings: SearchSettings
    ) -> Training[Localization]:
        self.last = yield from self.inner.localize(volume, settings)
        return self.last


@dataclass(frozen=True)
class WhereTheyEnded:
    """The same walks, with their ends as answers, as the paper counts them.

    There an agent that found no rest, or rests at the edge of the image, has an error
    like any other; here it reports that it found nothing.
    """

    watched: WatchedLocalizer
    name: str = "ends"
    landmarks: tuple[str, ...] = WHOLE_BODY_LANDMARKS

    def localize(
        self, volume: Volume, settings: SearchSettings
    ) -> Training[Localization]:
        yield from ()
        found = self.watched.last
        assert found is not None
        ends = {walk.landmark: walk.endpoint_lps_mm for walk in found.trajectories}
        results = tuple(
            replace(
                result,
                state=SearchState.FOUND,
                position_lps_mm=tuple(ends[result.name].tolist()),
            )
            for result in found.results
        )
        return replace(found, results=results)


@dataclass
class Stopwatch:
    """Times a training by its reports, in seconds of the one core it computes on.

    They are seconds of the wall clock too, if the core has nothing else to do; on a
    shared machine the neighbors would otherwise decide who learns longer.

    Parameters
    ----------
    n_warm
        Updates that are not timed; the first of a process are slow.
    """

    n_warm: int = 0
    begun: float = field(default_factory=time.process_time)
    seconds: float = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.process_time()
        # Before the first update cases are prepared, which is no learning.
        if progress.done <= self.n_warm:
            self.begun = now
        self.seconds = now - self.begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--patients", type=int, default=N_PATIENTS)
    parser.add_argument("--unseen", type=int, default=6)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    plan = Plan(chosen.minutes, chosen.patients, chosen.unseen)
    runs = read_runs(chosen.json)
    wanted = missing(runs, plan, chosen.seeds)
    if wanted:
        patients = draw(plan.n_patients)
        unseen = [drawn_case(seed) for seed in range(plan.n_unseen)]
        print(f"drew {plan.n_patients} patients and {plan.n_unseen} more", flush=True)
    for system, seed in wanted:
        runs.append(one_run(system, seed, plan, patients, unseen))
        write_runs(chosen.json, runs)
        brief = {name: v for name, v in runs[-1].items() if name != "cells"}
        print(json.dumps(brief), flush=True)
    print("\n" + tables([run for run in runs if run["plan"] == vars(plan)]))


def missing(
    runs: Sequence[Run], plan: Plan, n_seeds: int
) -> tuple[tuple[str, int], ...]:
    """Return system and seed of the runs still to be made, seed by seed."""
    done = {(run["system"], run["seed"]) for run in runs if run["plan"] == vars(plan)}
    wanted = []
    for seed in range(n_seeds):
        wanted += [(OURS, seed), (REPRODUCED, seed)]
        # The defect is shown once; it is no third competitor.
        wanted += [(FROZEN, seed)] if seed == 0 else []
    return tuple(run for run in wanted if run not in done)


def read_runs(path: Path) -> list[Run]:
    """Return the runs in a file; none if there is no file."""
    return json.loads(path.read_text("utf-8")) if path.exists() else []


def write_runs(path: Path, runs: Sequence[Run]) -> None:
    """Write all runs; the old file stays until the new one is whole."""
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(json.dumps(runs, indent=1) + "\n", "utf-8")
    unfinished.replace(path)


def draw(n_patients: int) -> Patients:
    """Return patients to learn from, in the form of either recipe.

    Ours learns from coarse tissue maps in drawn contrasts, `midrl-3d` from the acquired
    images of the same patients: both as their recipes have it.
    """
    rows = [digital_patient.LANDMARKS.index(name) for name in WHOLE_BODY_LANDMARKS]
    return Patients(
        tuple(
            case.of_landmarks(rows)
            for case in map(
                digital_patient.digital_case,
                range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + n_patients),
            )
        ),
        finish(whole_body_cases(n_patients=n_patients)),
    )


def drawn_case(seed: int) -> DrawnCase:
    """Return a patient with the images that are searched."""
    study, truth = finish(DigitalCase(seed).open())
    volumes = tuple(v for v in study.volumes if v.sequence.kind in KINDS)
    return DrawnCase(seed, study=replace(study, volumes=volumes), truth=truth)


def one_run(
    system: str,
    seed: int,
    plan: Plan,
    patients: Patients,
    unseen: Sequence[DrawnCase],
) -> Run:
    """Train one system for the minutes of the plan and measure it."""
    n_updates = updates_within(60 * plan.minutes, seconds_per_update(system, patients))
    watch = Stopwatch()
    localizer = TRAIN[system](patients, n_updates, seed, watch)
    begun = time.perf_counter()
    measured = measure(localizer, unseen)
    return {
        "system": system,
        "seed": seed,
        "plan": dict(vars(plan)),
        "n_updates": n_updates,
        "seconds": round(watch.seconds, 1),
        "evaluation_seconds": round(time.perf_counter() - begun, 1),
        **measured,
    }


def seconds_per_update(system: str, patients: Patients) -> float:
    """Return how long an update takes now, from a few whose agents are thrown away."""
    n_warm, n_timed = (2, 30) if system == OURS else (2, 3)
    # Of `midrl-3d` one patient will do: an update costs the same, preparing less.
    few = replace(patients, published=patients.published[: len(KINDS)])
    watch = Stopwatch(n_warm)
    TRAIN[system](few, n_warm + n_timed, 1_000, watch)
    return watch.seconds / n_timed


def updates_within(seconds: float, seconds_per_update: float) -> int:
    """Return how many updates fit, at least 1."""
    return max(1, math.floor(seconds / seconds_per_update))


def ours(
    patients: Patients, n_updates: int, seed: int, watch: Stopwatch
) -> MidrlLocalizer:
    """Train our agents by the first stage of their recipe, cut to so many updates."""
    recipe = digital_patient.RECIPE
    # The first stage teaches no agent to see an organ as a whole.
    n = len(WHOLE_BODY_LANDMARKS)
    config = replace(recipe.config, n_landmarks=n, organs=())
    settings = replace(recipe.stages[0], n_updates=n_updates, seed=seed)
    network = finish(train_dense(config, patients.dense, settings), watch)
    return MidrlLocalizer(OURS, WHOLE_BODY_LANDMARKS, network)


def published(
    patients: Patients,
    n_updates: int,
    seed: int,
    watch: Stopwatch,
    *,
    copy_target: bool = True,
) -> PublishedLocalizer:
    """Train the published agents by their schedule, scaled to so many updates."""
    recipe = midrl_3d.RECIPE
    settings = PublishedSettings(
        n_updates=n_updates,
        seed=seed,
        n_episodes=recipe.n_episodes,
        copy_target=copy_target,
        updates_per_report=1,
    )
    preset = recipe.preset.scaled(n_updates)
    training = train_published(preset, patients.published, settings)
    return PublishedLocalizer(finish(training, watch))


TRAIN = {
    OURS: ours,
    REPRODUCED: published,
    FROZEN: partial(published, copy_target=False),
}


def measure(localizer: Localizer, unseen: Sequence[DrawnCase]) -> Run:
    """Return errors of the answers, and of where the walks ended."""
    watched = WatchedLocalizer(localizer)
    evaluation = finish(
        evaluate_cases(
            watched, unseen, "unseen digital patients", SEARCH, WhereTheyEnded(watched)
        )
    )
    return {
        "answers": pooled(evaluation.findings),
        "ends": pooled(evaluation.others),
        "cells": [
            {"landmark": cell.landmark, "sequence": cell.sequence, **numbers(cell)}
            for cell in of_dimension(summarize(evaluation.others), Dimension.VOLUME)
        ],
    }


def pooled(findings: Sequence[Finding]) -> Run:
    """Return the numbers of all landmarks in all sequences, in 3D."""
    cells = of_dimension(pool(findings), Dimension.VOLUME)
    (everything,) = (cell for cell in cells if cell.landmark == ALL)
    return numbers(everything)


def numbers(cell: Cell) -> Run:
    """Return what the tables show of a cell; None where there is no such number."""
    summary, guess = cell.summary, cell.baseline
    found = {
        "n": summary.n,
        "median_mm": summary.median_mm,
        "p90_mm": summary.p90_mm,
        "mean_mm": summary.mean_mm,
        "sd_mm": summary.sd_mm,
        "within_10_mm": summary.success_at_mm[10.0],
        "iou": cell.iou_mean,
        "not_converged": cell.not_converged,
        "guess_median_mm": math.nan if guess is None else guess.median_mm,
        "guess_p90_mm": math.nan if guess is None else guess.p90_mm,
        "guess_within_10_mm": math.nan if guess is None else guess.success_at_mm[10.0],
    }
    return {k: None if math.isnan(v) else round(v, 3) for k, v in found.items()}


def tables(runs: Sequence[Run]) -> str:
    """Return the systems beside each other, and each landmark beside the paper's."""
    return "\n\n".join(
        (
            "Distances, shares and IoU of where the walks ended, as the paper counts:",
            systems_table(runs),
            "Mean distance in mm, and mean IoU, of where the walks ended:",
            landmarks_table(runs),
        )
    )


def systems_table(runs: Sequence[Run]) -> str:
    """Return a row per system: mean over seeds, and the range where they differ.

    Parameters
    ----------
    runs
        Of one plan.
    """
    lines = [
        "| system | seeds | updates | s | median mm | 90th percentile mm "
        "| within 10 mm | IoU | no answer | median mm of answers |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for system in TRAIN:
        mine = [run for run in runs if run["system"] == system]
        if mine:
            cells = " | ".join(
                over_seeds([value(run, part, name) for run in mine], digits)
                for part, name, digits in SYSTEM_COLUMNS
            )
            lines.append(f"| {system} | {len(mine)} | {cells} |")
    if runs:
        cells = " | ".join(
            over_seeds([runs[0]["ends"][f"guess_{name}"]], digits)
            for name, digits in GUESS_COLUMNS
        )
        lines.append(f"| {GUESS} | | 0 | 0 | {cells} | | | |")
    return "\n".join(lines)


GUESS = "guess: mean position in the other unseen patients"
GUESS_COLUMNS = (("median_mm", ".1f"), ("p90_mm", ".1f"), ("within_10_mm", ".0%"))
SYSTEM_COLUMNS = (
    (None, "n_updates", ",.0f"),
    (None, "seconds", ".0f"),
    ("ends", "median_mm", ".1f"),
    ("ends", "p90_mm", ".1f"),
    ("ends", "within_10_mm", ".0%"),
    ("ends", "iou", ".2f"),
    ("answers", "not_converged", ".0%"),
    ("answers", "median_mm", ".1f"),
)
"""Part of the run, number in it, and how it is printed."""


def value(run: Run, part: str | None, name: str) -> float | None:
    """Return a number of a run, or of its answers or ends."""
    return (run if part is None else run[part])[name]


def landmarks_table(runs: Sequence[Run]) -> str:
    """Return a row per landmark and sequence: published, reproduced, ours."""
    lines = [
        "| landmark | sequence | published mm | IoU | midrl-3d mm | IoU "
        "| ours mm | IoU |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (landmark, sequence), (mm, sd_mm, iou, sd_iou) in PUBLISHED.items():
        cells = [f"{mm:.1f} ± {sd_mm:.1f}", f"{iou:.2f} ± {sd_iou:.2f}"]
        for system in (REPRODUCED, OURS):
            mine = [
                cell
                for run in runs
                if run["system"] == system
                for cell in run["cells"]
                if (cell["landmark"], cell["sequence"]) == (landmark, sequence)
            ]
            cells.append(over_seeds([cell["mean_mm"] for cell in mine], ".1f"))
            cells.append(over_seeds([cell["iou"] for cell in mine], ".2f"))
        lines.append(f"| {landmark} | {sequence} | {' | '.join(cells)} |")
    return "\n".join(lines)


def over_seeds(values: Sequence[float | None], digits: str) -> str:
    """Return the mean and, where seeds differ, the range: ``"4.1 (3.9 to 4.4)"``."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    mean, low, high = (f"{f(known):{digits}}" for f in (np.mean, min, max))
    return mean if low == high else f"{mean} ({low} to {high})"


if __name__ == "__main__":
    main()
