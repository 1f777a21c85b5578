"""Errors of the shipped packs on data they have not learned from.

``python -m benchmarks.accuracy digital-patient --seeds 0-19``
``python -m benchmarks.accuracy brain-afids --data FOLDER``

Prints a table and, with ``--json FILE``, writes every error.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np

from napari_midrl.data.progress import finish
from napari_midrl.data.sequence import SequenceKind
from napari_midrl.data.settings import SearchSettings
from napari_midrl.evaluation.metrics import summarize_errors
from napari_midrl.io.images import read_image
from napari_midrl.io.landmarks import read_landmarks
from napari_midrl.workflows.evaluate import (
    Cell,
    case_errors,
    evaluate_on_digital_patients,
    gather,
)
from napari_midrl.workflows.localize import load_localizer

KINDS = (SequenceKind.T1W, SequenceKind.T2W, SequenceKind.DIXON_WATER)
HELD_BACK = ("avg152T1", "avg152T2", "avg152PD")
FIDUCIALS = "tpl-MNI152Lin_res-01_desc-groundtruth_afids.fcsv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack")
    parser.add_argument("--seeds", default="0-19", help="first-last digital patient")
    parser.add_argument("--data", type=Path, help="folder of the brain templates")
    parser.add_argument("--starts", type=int, default=16)
    parser.add_argument("--all-sequences", action="store_true")
    parser.add_argument("--region", action="append", help="default: whole body")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    settings = SearchSettings(n_starts=chosen.starts)
    if chosen.data is not None:
        cells = brain_cells(chosen.pack, chosen.data, settings)
    else:
        first, last = (int(part) for part in chosen.seeds.split("-"))
        cells = finish(
            evaluate_on_digital_patients(
                chosen.pack,
                range(first, last + 1),
                tuple(SequenceKind) if chosen.all_sequences else KINDS,
                settings,
                regions=tuple(chosen.region or ["whole body"]),
            )
        )
    print_table(cells)
    if chosen.json is not None:
        write_json(cells, chosen.json)


def brain_cells(pack: str, data: Path, settings: SearchSettings) -> tuple[Cell, ...]:
    """Return the errors on the templates held back from training, as they lie."""
    localizer = finish(load_localizer(pack))
    truth = read_landmarks(data / FIDUCIALS)
    rows = []
    for name in HELD_BACK:
        volume = read_image(data / f"{name}.nii.gz")
        found = finish(localizer.localize(volume, settings))
        rows.append((name, case_errors(found, truth)))
    return gather(rows)


def print_table(cells: tuple[Cell, ...]) -> None:
    print(
        "| landmark | sequence | n | missed | mean mm | median mm | 90 % mm | < 10 mm |"
    )
    print("|---|---|---|---|---|---|---|---|")
    pooled = [error for cell in cells for error in cell.errors_mm]
    rows = [(c.landmark, c.sequence, c.summary) for c in cells]
    for landmark in dict.fromkeys(cell.landmark for cell in cells):
        same = [c.errors_mm for c in cells if c.landmark == landmark]
        everything = [error for errors in same for error in errors]
        rows.append((f"**{landmark}**", "all", summarize_errors(everything)))
    for landmark, sequence, s in [*rows, ("**all**", "all", summarize_errors(pooled))]:
        print(
            f"| {landmark} | {sequence} | {s.n} | {s.n_missed} | {s.mean_mm:.1f} "
            f"± {s.sd_mm:.1f} | {s.median_mm:.1f} | {s.p90_mm:.1f} "
            f"| {s.success_at_mm[10.0]:.2f} |"
        )


def write_json(cells: tuple[Cell, ...], path: Path) -> None:
    found = [
        asdict(cell.summary)
        | {
            "landmark": cell.landmark,
            "sequence": cell.sequence,
            # JSON knows no NaN.
            "errors_mm": [
                None if math.isnan(e) else round(e, 2) for e in cell.errors_mm
            ],
        }
        for cell in cells
    ]
    for entry in found:
        for key, value in entry.items():
            if isinstance(value, float) and not np.isfinite(value):
                entry[key] = None
    path.write_text(json.dumps({"cells": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
