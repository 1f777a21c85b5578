"""Are agents right as often as they say? On digital patients nothing was fitted to.

``python -m benchmarks.reliability --patients 6 --jobs 2 --json FILE``

Patients that neither training nor `midrl calibrate` has seen are searched whole, in
part, and in the published fields of view. Answers are binned by their confidence; what
is refused as "not in this volume" is counted apart.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from napari_midrl.agents.reliability import Reliability
from napari_midrl.io.model_store import find_pack, read_card
from napari_midrl.workflows.calibrate import RIGHT_MM, THERE_MM, Answer, answers_of

FIRST_SEED = 210_000
EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)


def main() -> None:
    """Search, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", default="digital-patient")
    parser.add_argument("--patients", type=int, default=6)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    folder = find_pack(chosen.pack)
    statement = read_card(folder).reliability
    if statement is None:
        parser.error(f"{chosen.pack} was never calibrated")
    reliability = Reliability(**statement.model_dump(exclude={"fitted_to"}))
    seeds = range(FIRST_SEED, FIRST_SEED + chosen.patients)
    with ProcessPoolExecutor(chosen.jobs, get_context("spawn")) as workers:
        each = workers.map(answers_of, [folder] * len(seeds), seeds)
        answers = [answer for found in each for answer in found]
    table = summarized(answers, reliability)
    if chosen.json:
        chosen.json.write_text(json.dumps(table, indent=1) + "\n", "utf-8")
    print_table(table)


def summarized(answers: list[Answer], reliability: Reliability) -> dict[str, Any]:
    """Return counts by confidence, and what is refused."""
    said = np.array([reliability.confidence(answer.evidence) for answer in answers])
    errors = np.array([answer.error_mm for answer in answers])
    kept = said >= reliability.reject_below
    there, absent = errors <= THERE_MM, np.isinf(errors)
    bins = []
    for low, high in pairwise(EDGES):
        those = kept & (said >= low) & ((said < high) | (high == EDGES[-1]))
        if those.any():
            bins.append(
                {
                    "confidence": [low, high],
                    "n": int(those.sum()),
                    "mean_confidence": round(float(said[those].mean()), 3),
                    "within_5_mm": round(float((errors[those] <= RIGHT_MM).mean()), 3),
                    "within_10_mm": round(float(there[those].mean()), 3),
                }
            )
    return {
        "answers": len(answers),
        "absent": int(absent.sum()),
        "absent_refused": round(float((~kept)[absent].mean()), 3),
        "within_10_mm": int(there.sum()),
        "within_10_mm_refused": round(float((~kept)[there].mean()), 4),
        "bins": bins,
    }


def print_table(table: dict[str, Any]) -> None:
    """Print what `summarized` returns."""
    print(
        f"{table['answers']} answers. Of {table['absent']} where the image does not "
        f"show the landmark {table['absent_refused']:.0%} are refused, of "
        f"{table['within_10_mm']} within 10 mm {table['within_10_mm_refused']:.1%}."
    )
    print(f"{'confidence':>12}{'n':>7}{'mean':>8}{'< 5 mm':>9}{'< 10 mm':>9}")
    for row in table["bins"]:
        low, high = row["confidence"]
        print(
            f"{low:5.1f} to {high:3.1f}{row['n']:7}{row['mean_confidence']:8.2f}"
            f"{row['within_5_mm']:9.1%}{row['within_10_mm']:9.1%}"
        )


if __name__ == "__main__":
    main()
