"""The comparison at equal time, but for the learning itself."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import equal_time
from benchmarks.equal_time import (
    FROZEN,
    KINDS,
    OURS,
    PUBLISHED,
    REPRODUCED,
    DrawnCase,
    Patients,
    Plan,
    Stopwatch,
    landmarks_table,
    measure,
    missing,
    over_seeds,
    read_runs,
    systems_table,
    updates_within,
    write_runs,
)
from napari_midrl.data.landmarks import Landmark, LandmarkSet
from napari_midrl.data.progress import Progress
from napari_midrl.data.sequence import Sequence, SequenceKind
from napari_midrl.data.study import Study
from napari_midrl.data.trajectory import (
    LandmarkResult,
    Localization,
    SearchState,
    Trajectory,
)
from napari_midrl.data.volume import Volume
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.training.published_cases import WHOLE_BODY_LANDMARKS

PLAN = Plan(minutes=6.0, n_patients=17, n_unseen=6)
ALL_RUNS = (
    (OURS, 0),
    (REPRODUCED, 0),
    (FROZEN, 0),
    (OURS, 1),
    (REPRODUCED, 1),
)


def a_run(system, seed, plan=PLAN, mm=4.0, **more):
    parts = {"median_mm": mm, "p90_mm": 2 * mm, "within_10_mm": 0.5, "iou": 0.25}
    guess = {"guess_median_mm": 30.0, "guess_p90_mm": 70.0, "guess_within_10_mm": 0.1}
    return {
        "system": system,
        "seed": seed,
        "plan": dict(vars(plan)),
        "n_updates": 1200,
        "seconds": 360.0,
        "ends": parts | guess,
        "answers": parts | {"not_converged": 0.75, "median_mm": None},
        "cells": [
            {"landmark": "heart", "sequence": "T1w", "mean_mm": mm, "iou": 0.25},
            {"landmark": "heart", "sequence": "T2w", "mean_mm": 99.0, "iou": 0.0},
        ],
    } | more


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(equal_time.time, "process_time", lambda: Clock.now)
    return Clock


@pytest.mark.parametrize(
    ("seconds", "per_update", "expected"),
    [(360.0, 0.4, 900), (360.0, 9.7, 37), (1.0, 9.7, 1)],
)
def test_as_many_updates_are_made_as_fit(seconds, per_update, expected):
    """The schedules end at their last update, so that must come before the time is up;
    an update longer than all the time is made all the same.
    """
    assert updates_within(seconds, per_update) == expected


@pytest.mark.parametrize(("n_warm", "expected"), [(0, 50.0), (2, 30.0)])
def test_only_updates_are_timed(clock, n_warm, expected):
    """Not the cases that are prepared, nor the first updates of a process, nor what
    comes after the last.
    """
    watch = Stopwatch(n_warm)
    for now, done in [(170, 0), (180, 1), (190, 2), (200, 3), (220, 4)]:
        clock.now = float(now)
        watch(Progress(done, 4, ""))
    clock.now = 999.0

    assert watch.seconds == pytest.approx(expected)


@pytest.mark.parametrize("system", [OURS, REPRODUCED])
def test_an_update_is_timed_on_agents_that_are_thrown_away(clock, monkeypatch, system):
    asked = []

    def train(patients, n_updates, seed, watch):
        asked.append((len(patients.published), seed))
        for done in range(n_updates + 1):
            clock.now += 7.0 if done <= 2 else 3.0
            watch(Progress(done, n_updates, ""))

    monkeypatch.setitem(equal_time.TRAIN, system, train)
    patients = Patients(("a", "b"), tuple("abcdefghij"))

    assert equal_time.seconds_per_update(system, patients) == pytest.approx(3.0)
    ((n_cases, seed),) = asked
    assert n_cases < len(patients.published)
    assert seed not in range(100)


@pytest.mark.parametrize(("system", "copied"), [(REPRODUCED, True), (FROZEN, False)])
def test_only_the_defect_differs_and_the_schedule_is_scaled(
    monkeypatch, system, copied
):
    given = {}

    def train_published(preset, cases, settings):
        given.update(preset=preset, cases=cases, settings=settings)
        yield from ()

    monkeypatch.setattr(equal_time, "train_published", train_published)
    monkeypatch.setattr(equal_time, "PublishedLocalizer", lambda agents: agents)
    equal_time.TRAIN[system](Patients((), ("case",)), 40, 2, Stopwatch())

    assert given["settings"].copy_target is copied
    assert (given["settings"].n_updates, given["settings"].seed) == (40, 2)
    # 20 epochs are published, and an update more often than it is made cannot be.
    assert given["preset"].updates_per_epoch * given["preset"].n_epochs == 40
    assert given["cases"] == ("case",)


def test_our_one_cycle_schedule_is_cut_to_the_updates_that_fit(monkeypatch):
    given = {}

    def train_dense(config, cases, settings):
        given.update(config=config, settings=settings)
        yield from ()

    monkeypatch.setattr(equal_time, "train_dense", train_dense)
    monkeypatch.setattr(equal_time, "MidrlLocalizer", lambda *parts: parts)
    _, landmarks, _ = equal_time.TRAIN[OURS](Patients((), ()), 900, 2, Stopwatch())

    assert (given["settings"].n_updates, given["settings"].seed) == (900, 2)
    assert given["config"].n_landmarks == len(landmarks) == len(WHOLE_BODY_LANDMARKS)


def test_the_defect_is_shown_once():
    assert missing([], PLAN, 2) == ALL_RUNS


def test_runs_of_the_same_plan_are_not_made_again():
    longer = Plan(60.0, PLAN.n_patients, PLAN.n_unseen)
    runs = [a_run(OURS, 0), a_run(FROZEN, 0), a_run(REPRODUCED, 0, longer)]

    assert missing(runs, PLAN, 1) == ((REPRODUCED, 0),)


def test_a_write_that_breaks_off_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "runs.json"
    assert read_runs(path) == []
    write_runs(path, [a_run(OURS, 0)])

    def power_cut(self, target):
        raise OSError

    monkeypatch.setattr(Path, "replace", power_cut)
    with pytest.raises(OSError):  # noqa: PT011  # it has no words
        write_runs(path, [])

    assert read_runs(path) == [a_run(OURS, 0)]


def test_an_interrupted_comparison_goes_on(tmp_path, monkeypatch, capsys):
    """Finished runs are kept, and once all are there no patient is drawn."""
    path = tmp_path / "runs.json"
    made, drawn = [], []

    def one_run(system, seed, plan, patients, unseen):
        if len(made) == 2 and not drawn[1:]:
            raise KeyboardInterrupt
        made.append((system, seed))
        return a_run(system, seed, plan)

    monkeypatch.setattr(equal_time, "draw", drawn.append)
    monkeypatch.setattr(equal_time, "drawn_case", lambda seed: seed)
    monkeypatch.setattr(equal_time, "one_run", one_run)
    monkeypatch.setattr(sys, "argv", ["equal_time", "--json", str(path), "--seeds=2"])
    with pytest.raises(KeyboardInterrupt):
        equal_time.main()
    assert len(read_runs(path)) == 2
    equal_time.main()
    assert tuple(made) == ALL_RUNS
    equal_time.main()

    assert tuple(made) == ALL_RUNS
    assert len(drawn) == 2
    assert "| ours | 2 | 1,200 |" in capsys.readouterr().out


def test_the_table_shows_mean_and_range_over_seeds():
    runs = [a_run(OURS, 0, mm=4.0), a_run(OURS, 1, mm=5.0), a_run(FROZEN, 0, mm=80.0)]
    _, _, ours, frozen, guess = systems_table(runs).splitlines()

    assert "| 4.5 (4.0 to 5.0) | 9.0 (8.0 to 10.0) | 50% |" in ours
    # None of its answers has a distance.
    assert frozen.endswith("| 80.0 | 160.0 | 50% | 0.25 | 75% | - |")
    assert "| 0 | 0 | 30.0 | 70.0 | 10% |" in guess
    assert REPRODUCED not in systems_table(runs).replace(FROZEN, "")


def test_every_row_of_a_table_has_as_many_cells():
    runs = [a_run(OURS, 0), a_run(REPRODUCED, 0)]
    for table in (systems_table(runs), landmarks_table(runs)):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_each_landmark_stands_beside_what_the_paper_reports():
    runs = [a_run(OURS, 0), a_run(REPRODUCED, 0, mm=150.0), a_run(FROZEN, 0, mm=9.0)]
    lines = landmarks_table(runs).splitlines()[2:]

    assert lines[0] == (
        "| heart | T1w | 12.6 ± 9.4 | 0.62 ± 0.21 | 150.0 | 0.25 | 4.0 | 0.25 |"
    )
    assert set(PUBLISHED) == {(n, k.value) for n in WHOLE_BODY_LANDMARKS for k in KINDS}


def test_what_was_not_measured_is_a_dash():
    assert over_seeds([], ".1f") == over_seeds([None], ".1f") == "-"
    assert over_seeds([None, 2.0], ".1f") == "2.0"


class Restless:
    """Walks to 3 mm from the heart and does not say that it found it."""

    name = "restless"
    landmarks = ("heart",)

    def localize(self, volume, settings):
        yield Progress(0, 1, "searching")
        end = np.array([43.0, 40.0, 30.0])
        walk = Trajectory(
            landmark="heart",
            start=0,
            positions_lps_mm=end[None],
            box_sizes_mm=np.ones((1, 3)),
            step_sizes_mm=np.ones(1),
            scales=np.zeros(1, np.int64),
            actions=np.zeros(0, np.int64),
            q_values=np.zeros((0, 6), np.float32),
            action_names=("L+", "L-", "P+", "P-", "S+", "S-"),
            endpoint_lps_mm=end,
            terminated=False,
        )
        state = SearchState.NOT_CONVERGED
        result = LandmarkResult("heart", state, None, float("nan"), 0.0, 1)
        return Localization((result,), (walk,), self.name, "", 0.1, "cpu")


def test_ends_of_walks_count_also_where_agents_give_no_answer():
    """The paper knows no "not found"; the package does."""
    array = np.random.default_rng(0).integers(0, 900, (50, 40, 20)).astype(np.int16)
    grid = VoxelGrid(array.shape, np.diag([2.0, 2.0, 3.0, 1.0]))
    volume = Volume(array, grid, "T1w", Sequence(SequenceKind.T1W))
    truth = LandmarkSet((Landmark("heart", (40.0, 40.0, 30.0)),))
    cases = [
        DrawnCase(seed, study=Study("s", (volume,)), truth=truth) for seed in (0, 1)
    ]

    measured = measure(Restless(), cases)

    assert measured["answers"]["median_mm"] is None
    assert measured["answers"]["not_converged"] == 1
    assert measured["answers"]["within_10_mm"] == 0
    assert measured["ends"]["n"] == 2
    assert measured["ends"]["median_mm"] == pytest.approx(3)
    assert measured["ends"]["within_10_mm"] == 1
    (cell,) = measured["cells"]
    assert (cell["landmark"], cell["sequence"]) == ("heart", "T1w")
    assert 0 < cell["iou"] < 1
