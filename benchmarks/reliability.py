"""Are agents right as often as they say? On digital patients nothing was fitted to.

``python -m benchmarks.reliability --patients 6 --jobs 2 --json FILE``

Patients that neither training nor `midrl calibrate` has seen are searched whole, in
part, and in the published fields of view. Answers are binned by their confidence; what
is refused as "not in this volume" is counted by landmark: of answers about landmarks
that the image does not show, which should be, and of those within 10 mm, which should
not. Cells of landmark and image that lose any of the latter are named.
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_midrl.data.progress import finish
from napari_midrl.io.model_store import find_pack, read_card
from napari_midrl.localizers.midrl import reliability_of
from napari_midrl.workflows.calibrate import RIGHT_MM, THERE_MM, Answer, answers_in

if TYPE_CHECKING:
    from napari_midrl.agents.reliability import Reliability

FIRST_SEED = 210_000
EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)
CONFIDENT = (0.5, 0.8, 0.9, 0.95)
"""Confidences from which on an answer may be called confident."""


def main() -> None:
    """Search, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", default="digital-patient")
    parser.add_argument("--patients", type=int, default=6)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    folder = find_pack(chosen.pack)
    card = read_card(folder)
    reliability = reliability_of(card, card.by_network[0])
    if reliability is None:
        parser.error(f"{chosen.pack} was never calibrated")
    seeds = range(FIRST_SEED, FIRST_SEED + chosen.patients)
    answers = finish(answers_in(folder, seeds, chosen.jobs))
    table = summarized(answers, reliability)
    if chosen.json:
        chosen.json.write_text(json.dumps(table, indent=1) + "\n", "utf-8")
    print_table(table)


def summarized(answers: list[Answer], reliability: Reliability) -> dict[str, Any]:
    """Return counts by confidence, and what is refused of each landmark."""
    said = np.array([reliability.confidence(a.landmark, a.evidence) for a in answers])
    refused = np.array(
        [
            reliability.refuses(answer.landmark, float(confidence))
            for answer, confidence in zip(answers, said, strict=True)
        ]
    )
    errors = np.array([answer.error_mm for answer in answers])
    landmarks = np.array([answer.landmark for answer in answers])
    images = np.array([answer.image for answer in answers])
    there, absent = errors <= THERE_MM, np.isinf(errors)
    bins = []
    for low, high in pairwise(EDGES):
        those = ~refused & (said >= low) & ((said < high) | (high == EDGES[-1]))
        if those.any():
            bins.append(
                {
                    "confidence": [low, high],
                    "n": int(those.sum()),
                    "mean_confidence": round(float(said[those].mean()), 3),
                    "within_5_mm": _share(errors <= RIGHT_MM, those),
                    "within_10_mm": _share(there, those),
                }
            )
    confident = []
    for limit in CONFIDENT:
        those = ~refused & (said >= limit)
        confident.append(
            {
                "from": limit,
                "n": int(those.sum()),
                "within_5_mm": _share(errors <= RIGHT_MM, those),
                "within_10_mm": _share(there, those),
                "not_shown": int((those & absent).sum()),
            }
        )
    lost = []
    for landmark, image in sorted({(a.landmark, a.image) for a in answers}):
        cell = there & (landmarks == landmark) & (images == image)
        if (cell & refused).any():
            n = [int((cell & refused).sum()), int(cell.sum())]
            lost.append({"landmark": landmark, "image": image, "refused": n})
    return {
        "answers": len(answers),
        "patients": len({answer.patient for answer in answers}),
        **_refusals(refused, there, absent),
        "bins": bins,
        "confident": confident,
        "landmarks": {
            name: _refusals(refused, there, absent, landmarks == name)
            for name in dict.fromkeys(landmarks.tolist())
        },
        "cells_that_lose": lost,
    }


def _refusals(
    refused: np.ndarray,
    there: np.ndarray,
    absent: np.ndarray,
    those: np.ndarray | None = None,
) -> dict[str, int | float | None]:
    """Return what is refused of those answers: rightly, and wrongly."""
    if those is not None:
        there, absent = there & those, absent & those
    return {
        "absent": int(absent.sum()),
        "absent_refused": _share(refused, absent),
        "within_10_mm": int(there.sum()),
        "within_10_mm_refused": _share(refused, there),
    }


def _share(which: np.ndarray, among: np.ndarray) -> float | None:
    return round(float(which[among].mean()), 4) if among.any() else None


def print_table(table: dict[str, Any]) -> None:
    """Print what `summarized` returns."""
    print(
        f"{table['answers']} answers in {table['patients']} patients. Of "
        f"{table['absent']} where the image does not show the landmark "
        f"{_percent(table['absent_refused'])} are refused, of "
        f"{table['within_10_mm']} within 10 mm "
        f"{_percent(table['within_10_mm_refused'])}."
    )
    print(f"\n{'confidence':>12}{'n':>7}{'mean':>8}{'< 5 mm':>9}{'< 10 mm':>9}")
    for row in table["bins"]:
        low, high = row["confidence"]
        print(
            f"{low:5.1f} to {high:3.1f}{row['n']:7}{row['mean_confidence']:8.2f}"
            f"{_percent(row['within_5_mm']):>9}{_percent(row['within_10_mm']):>9}"
        )
    print(f"\n{'confident':>12}{'n':>7}{'< 5 mm':>9}{'< 10 mm':>9}{'not shown':>11}")
    for row in table["confident"]:
        print(
            f"{row['from']:12.0%}{row['n']:7}{_percent(row['within_5_mm']):>9}"
            f"{_percent(row['within_10_mm']):>9}{row['not_shown']:11}"
        )
    print(f"\n{'':18}{'not shown':>10}{'refused':>9}{'< 10 mm':>9}{'refused':>9}")
    for name, row in table["landmarks"].items():
        print(
            f"{name:18}{row['absent']:10}{_percent(row['absent_refused']):>9}"
            f"{row['within_10_mm']:9}{_percent(row['within_10_mm_refused']):>9}"
        )
    for cell in table["cells_that_lose"]:
        refused, n = cell["refused"]
        print(f"{cell['landmark']} in {cell['image']}: {refused} of {n} refused")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


if __name__ == "__main__":
    main()
