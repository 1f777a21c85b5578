"""Kill a program that fine-tunes, or exports a data set, again and again.

    python -m benchmarks.kill_learning -n 200

A child fine-tunes small agents on a few cases of noise; killed, the next one goes on
from its checkpoint. It acknowledges every update that was reported. After every kill
the agents it began with are byte for byte what they were, the checkpoint is readable
and no older than the last acknowledged update, and the new pack is whole or not there.
Another child writes a data set of annotated cases again and again: what is there must
always be readable and complete. The exit status is 1 if anything was lost.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

# Before torch starts threads: children are forked.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file

from benchmarks.kill import killed_child
from napari_midrl.agents.dense_network import DenseQConfig, DenseQNetwork
from napari_midrl.annotation.commands import Place
from napari_midrl.data.landmarks import Landmark, LandmarkSet
from napari_midrl.data.progress import finish
from napari_midrl.data.volume import Volume
from napari_midrl.errors import MidrlError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.images import read_image, write_nifti
from napari_midrl.io.landmarks import write_landmarks
from napari_midrl.io.model_store import read_pack, write_pack
from napari_midrl.io.protocols import find_protocol
from napari_midrl.io.run_record import has_record
from napari_midrl.training.dense_loop import CHECKPOINT_NAME, DenseTrainingSettings
from napari_midrl.training.views import ViewSettings
from napari_midrl.workflows.annotate import open_session
from napari_midrl.workflows.annotation_cases import case_rows
from napari_midrl.workflows.cases import find_cases
from napari_midrl.workflows.export_dataset import export_dataset, random_splits
from napari_midrl.workflows.finetune import finetune
from napari_midrl.workflows.finetune_runs import run_folder
from napari_midrl.workflows.finetune_settings import FineTuneSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    Acknowledge = Callable[[int], None]
    Child = Callable[[Path, int, Acknowledge], None]

# What a fine-tuning imports on its way; the children find it there and are killed while
# they learn, not while they import.
for module in (
    "torch._dynamo",
    "napari_midrl.localizers.packs",
    "napari_midrl.training.digital_patient",
    "napari_midrl.training.finetune",
    "napari_midrl.training.growing",
):
    importlib.import_module(module)

N_CASES = 4
N_UPDATES = 12
LEARNING_LIFE_S, EXPORTING_LIFE_S = 4.0, 0.3


@dataclass
class Counts:
    """What happened in all runs, and what was wrong."""

    kills: int = 0
    kills_while_learning: int = 0
    updates_acknowledged: int = 0
    packs_finished: int = 0
    exports_acknowledged: int = 0
    data_sets_checked: int = 0
    lost: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def prepare(folder: Path) -> None:
    """Write a pack that nobody taught, cases of noise, and annotations of them."""
    config = DenseQConfig(1, 4.0, (4, 4, 4), fine_channels=4, n_hidden=4)
    torch.manual_seed(0)
    weights = DenseQNetwork(config).state_dict()
    shape = {k: v for k, v in asdict(config).items() if k != "n_landmarks"}
    statement = {"recipe": "none", "data": "none", "licence": "none", "seed": 0}
    card = {
        "name": "parent",
        "title": "Parent",
        "version": "1",
        "description": "Untaught.",
        "architecture": "midrl-dense",
        "config": shape,
        "landmarks": ["old"],
        "training": {**statement, "n_updates": 0, "seconds": 0.0},
        "intended_use": "None.",
        "limits": "All.",
    }
    write_pack(folder / "parent", card, {n: t.numpy() for n, t in weights.items()})
    rng = np.random.default_rng(0)
    grid = VoxelGrid((16, 16, 16), np.diag([4.0, 4.0, 4.0, 1.0]))
    protocol = find_protocol("midrl")
    for number in range(N_CASES):
        case = folder / "cases" / f"case-{number}"
        images = folder / "images" / f"case-{number}"
        case.mkdir(parents=True)
        images.mkdir(parents=True)
        array = rng.integers(0, 900, grid.shape_ijk).astype(np.int16)
        x, y, z = rng.uniform(12, 48, 3).tolist()
        for path in (case / "image.nii.gz", images / "image.nii.gz"):
            write_nifti(Volume(array, grid, "noise"), path)
        mark = Landmark("new", (x, y, z))
        write_landmarks(LandmarkSet((mark,)), case / "landmarks.csv")
        session = open_session(
            read_image(images / "image.nii.gz"),
            protocol,
            "Ann",
            images / "image.ann.midrl.json",
        )
        session.apply(Place(protocol.landmarks[0].name, (x, y, z)))


def settings() -> FineTuneSettings:
    """Return those of a fine-tuning that takes a second."""
    return FineTuneSettings(
        hold_out=("case-3",),
        minutes=None,
        n_updates=N_UPDATES,
        n_starts=2,
        n_patients=1,
        training=DenseTrainingSettings(
            n_updates=1,
            n_starts=4,
            n_fine_landmarks=1,
            checkpoint_every=1,
            view=ViewSettings(extent_mm=((40.0,) * 3, (50.0,) * 3), whole_share=0.0),
        ),
    )


def learn(folder: Path, seed: int, acknowledge: Acknowledge) -> None:
    """Fine-tune, or go on with it; acknowledge the count of updates."""
    del seed
    target = folder / "child"
    goes_on = has_record(run_folder(target))
    task = finetune(
        str(folder / "parent"),
        str(folder / "cases"),
        str(target),
        settings(),
        resume=goes_on,
    )
    for report in task:
        if report.metrics and "loss" in report.metrics:
            acknowledge(report.done)


def export(folder: Path, seed: int, acknowledge: Acknowledge) -> None:
    """Write the data set until killed; acknowledge how often."""
    protocol = find_protocol("midrl")
    rows = finish(case_rows(folder / "images", protocol, "Ann"))
    for number in range(10_000):
        splits = random_splits([row.name for row in rows], seed + number)
        export_dataset(rows, splits, folder / "set", protocol, overwrite=True)
        acknowledge(number + 1)


def kill_often(
    n: int,
    folder: Path,
    seed: int = 0,
    learner: Child = learn,
    exporter: Child = export,
) -> Counts:
    """Return the counts of `n` children killed at random moments, half of each kind.

    Parameters
    ----------
    n
        Kills.
    folder
        Where the files go; empty at first.
    seed
        Of the moments.
    learner, exporter
        What the children do; others only to see that losses are found.
    """
    counts = Counts()
    rng = np.random.default_rng(seed)
    # In a child, so that torch starts no thread in the process that forks.
    preparing = multiprocessing.Process(target=prepare, args=(folder,))
    preparing.start()
    preparing.join()
    parent = _content(folder / "parent")
    was_exported = False
    for run in range(n):
        counts.kills += 1
        if run % 2:
            life_s = float(rng.uniform(0, EXPORTING_LIFE_S))
            done = killed_child(exporter, folder, seed + run, life_s)
            counts.exports_acknowledged += done
            was_exported |= done > 0
            _check_data_set(folder / "set", was_exported, run, counts)
            continue
        life_s = float(rng.uniform(0, LEARNING_LIFE_S))
        done = killed_child(learner, folder, seed + run, life_s)
        counts.updates_acknowledged += done
        _check_learning(folder, done, run, counts)
        if _content(folder / "parent") != parent:
            counts.lost.append(f"run {run}: the agents to begin with have changed")
        if counts.unreadable:
            break
    return counts


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _check_learning(folder: Path, acknowledged: int, run: int, counts: Counts) -> None:
    """The new pack is whole or not there, the checkpoint no older than was said."""
    target = folder / "child"
    if target.exists():
        try:
            read_pack(target)
        except MidrlError as problem:
            counts.unreadable.append(str(problem))
            return
        counts.packs_finished += 1
        shutil.rmtree(target)
        shutil.rmtree(run_folder(target), ignore_errors=True)
        return
    path = run_folder(target) / CHECKPOINT_NAME
    counts.kills_while_learning += path.exists()
    try:
        n_done = int(load_file(path)["n_done"]) if path.exists() else 0
    except (SafetensorError, KeyError, OSError) as problem:
        counts.unreadable.append(f"{path}: {problem}")
        return
    if n_done < acknowledged:
        counts.lost.append(f"run {run}: {acknowledged} updates said, {n_done} kept")


def _check_data_set(folder: Path, was_exported: bool, run: int, counts: Counts) -> None:
    """Every case of the data set can be read; it never vanishes again."""
    if not (folder / "dataset.json").exists():
        if was_exported:
            counts.lost.append(f"run {run}: the data set has vanished")
        return
    try:
        cases = find_cases(str(folder))
    except MidrlError as problem:
        counts.unreadable.append(str(problem))
        return
    counts.data_sets_checked += 1
    if len(cases) != N_CASES:
        counts.lost.append(f"run {run}: {len(cases)} of {N_CASES} cases are left")


def main() -> None:
    """Run and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=200, help="kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="for a program")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts = kill_often(arguments.n, Path(folder), arguments.seed)
    if arguments.json:
        print(json.dumps(asdict(counts)))
    else:
        for name, value in asdict(counts).items():
            shown = value if isinstance(value, int) else len(value)
            print(f"{name.replace('_', ' '):26} {shown}")
        for problem in (*counts.lost, *counts.unreadable):
            print(problem)
    sys.exit(bool(counts.lost or counts.unreadable))


if __name__ == "__main__":
    main()
