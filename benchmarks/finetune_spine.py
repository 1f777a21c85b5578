"""How few real exams teach agents the lumbar vertebrae.

``python -m benchmarks.finetune_spine --data FOLDER --cases 5 --json FILE``

FOLDER holds ``exam-NN_water.nii.gz`` and ``landmarks.csv`` (MyoSegmenTUM by way of
fastcleverseg: measured, never shipped). Agents of a pack that knows no vertebra learn
from exams 01 to NN and are measured on exams 22 to 32, which no run learns from;
there is no exam 19. The table is printed as ``midrl finetune`` prints it.

The files have lost their world: z runs from head to foot. Here every exam is turned
by half a turn about its y axis, so that S points to the head and handedness stays;
left and right may be exchanged, which the landmarks, all near the middle, do not show.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import nibabel as nib
import numpy as np

from napari_midrl.cli.console import print_line, print_table
from napari_midrl.cli.finetune import COLUMNS, cells_of
from napari_midrl.cli.finetune_driver import announced
from napari_midrl.data.landmarks import Landmark, LandmarkSet
from napari_midrl.data.progress import finish
from napari_midrl.evaluation.before_after import as_plain
from napari_midrl.io.landmarks import write_landmarks
from napari_midrl.workflows.finetune import finetune
from napari_midrl.workflows.finetune_settings import FineTuneSettings

FIRST_HELD_OUT, LAST = 22, 32
HALF_TURN = np.diag([-1.0, 1.0, -1.0, 1.0])
"""About the y axis."""


def main() -> None:
    """Run one fine-tuning."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/spine-dixon"))
    parser.add_argument("--cases", type=int, default=5, choices=(5, 10, 21))
    parser.add_argument("--pack", default="digital-patient")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--updates", type=int)
    parser.add_argument("--share", action="store_true", help="one network for all")
    parser.add_argument("--no-replay", action="store_true", help="needs --share")
    parser.add_argument(
        "--relearn", action="store_true", help="replay as published; needs --share"
    )
    parser.add_argument("--patients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="keep the new pack here")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if (given.no_replay or given.relearn) and not given.share:
        parser.error("a network of its own needs no replay; add --share")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        held_out = write_cases(given.data, folder / "cases", given.cases)
        settings = FineTuneSettings(
            hold_out=held_out,
            minutes=None if given.updates else given.minutes,
            n_updates=given.updates,
            replay_share=0.0 if given.no_replay else FineTuneSettings.replay_share,
            relearns_past=given.relearn,
            shares_network=given.share,
            seed=given.seed,
            n_patients=given.patients,
        )
        begun = time.perf_counter()
        out = given.out or folder / "spine"
        task = finetune(given.pack, str(folder / "cases"), str(out), settings)
        done = finish(task, announced(None))
        seconds = time.perf_counter() - begun
    print_table(COLUMNS, map(cells_of, done.rows))
    print_line(f"{done.n_updates} updates, {seconds / 60:.1f} minutes in all")
    if given.json:
        numbers = {
            "cases": given.cases,
            "pack": given.pack,
            "shared": given.share,
            "replay": not given.no_replay,
            "relearned": given.relearn,
            "seed": given.seed,
            "n_updates": done.n_updates,
            "seconds": round(seconds, 1),
            "rows": [as_plain(row) for row in done.rows],
        }
        given.json.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")


def write_cases(data: Path, folder: Path, last_training: int) -> tuple[str, ...]:
    """Write the exams as cases, head up, and return the names of those held out."""
    placed: dict[str, list[Landmark]] = defaultdict(list)
    with (data / "landmarks.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            position = [float(row[f"{axis}_mm"]) for axis in "xyz"]
            x, y, z = (HALF_TURN[:3, :3] @ position).tolist()
            placed[row["exam"]].append(Landmark(row["label"], (x, y, z)))
    held_out = []
    for exam, landmarks in sorted(placed.items()):
        number = int(exam.removeprefix("exam-"))
        if FIRST_HELD_OUT <= number <= LAST:
            held_out.append(exam)
        elif number > last_training:
            continue
        (folder / exam).mkdir(parents=True)
        image = nib.load(data / f"{exam}_water.nii.gz")
        # A half turn about y is the same in RAS as in LPS.
        turned = nib.Nifti1Image(np.asarray(image.dataobj), HALF_TURN @ image.affine)
        nib.save(turned, folder / exam / "water.nii.gz")
        write_landmarks(LandmarkSet(tuple(landmarks)), folder / exam / "landmarks.csv")
    return tuple(held_out)


if __name__ == "__main__":
    main()
