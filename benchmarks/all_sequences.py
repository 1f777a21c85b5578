"""What searching all sequences of an examination brings over searching one.

``python -m benchmarks.all_sequences --patients 6 --json FILE``

Digital patients that nothing else uses are imaged whole in all six published sequences
and searched as by `midrl locate --all-volumes`: the error of every single image, and
that of the one answer where the surest of them agree.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass, field
from math import dist, inf
from pathlib import Path
from typing import Any

import numpy as np

from napari_midrl.data.progress import finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.phantom.study import phantom_study
from napari_midrl.workflows.localize_study import locate_in_study

FIRST_SEED = 6000
FAR_MM = 10.0


@dataclass
class Errors:
    """Of one landmark, either side, in mm; infinite where nothing was found."""

    one_image: list[float] = field(default_factory=list)
    all_images: list[float] = field(default_factory=list)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", default="digital-patient")
    parser.add_argument("--patients", type=int, default=6)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    rows = summarized(errors_mm(chosen.pack, chosen.patients))
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")


def errors_mm(pack: str, n_patients: int) -> dict[str, Errors]:
    """Return the errors in single images and of the one answer, by landmark."""
    errors: dict[str, Errors] = defaultdict(Errors)
    for seed in range(FIRST_SEED, FIRST_SEED + n_patients):
        study, landmarks = finish(phantom_study(seed, regions=("whole body",)))
        truth = {mark.name: mark.position_lps_mm for mark in landmarks}
        found = finish(locate_in_study(study, pack, SearchSettings()))
        for row, result in enumerate(found.results):
            if result.name not in truth:
                continue
            mine, place = errors[result.name.split()[-1]], truth[result.name]
            mine.all_images.append(_error_mm(result.position_lps_mm, place))
            mine.one_image += [
                _error_mm(search.results[row].position_lps_mm, place)
                for _, search in found.searches
            ]
    return errors


def _error_mm(
    found: tuple[float, float, float] | None, place: tuple[float, float, float]
) -> float:
    return inf if found is None else dist(found, place)


def summarized(errors: dict[str, Errors]) -> list[dict[str, Any]]:
    """Return a row per landmark, and one of all."""
    pooled = Errors(
        [mm for each in errors.values() for mm in each.one_image],
        [mm for each in errors.values() for mm in each.all_images],
    )
    rows = []
    for name, each in [*sorted(errors.items()), ("all", pooled)]:
        row: dict[str, Any] = {"landmark": name}
        for label, found in (("one", each.one_image), ("all", each.all_images)):
            values = np.array(found)
            row[f"n, {label}"] = len(values)
            row[f"median mm, {label}"] = round(float(np.median(values)), 1)
            # Between two numbers of which one is infinite there is none.
            row[f"90 % mm, {label}"] = round(
                float(np.quantile(values, 0.9, method="higher")), 1
            )
            far = float((values > FAR_MM).mean())
            row[f"beyond 10 mm, {label}"] = f"{far:.1%}"
        rows.append(row)
    return rows


if __name__ == "__main__":
    main()
