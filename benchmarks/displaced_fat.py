"""What displaced fat does to the shipped agents.

``python -m benchmarks.displaced_fat --patients 5 --json FILE``

Spin echoes displace fat along the readout, in coronal images of the whole body along
its length, and digital patients are imaged so. Here each is scanned three times, the
same anatomy with fat 2 mm towards the head, where it is, and 2 mm towards the feet: by
how much the answers move along is what agents do not see.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_midrl.data.progress import finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.phantom.acquire import acquire
from napari_midrl.phantom.patient import draw_patient
from napari_midrl.phantom.protocols import protocol_grid, whole_body_protocols
from napari_midrl.phantom.render import patient_landmarks, tissue_map
from napari_midrl.workflows.localize import load_localizer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from napari_midrl.data.trajectory import LandmarkResult

FIRST_SEED = 2000
TO_FEET_MM = (-2.0, 0.0, 2.0)
FAR_MM = 20.0
"""Beyond it another structure was taken for the landmark, which is not asked here."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", default="digital-patient")
    parser.add_argument("--patients", type=int, default=5)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    rows = summarized(errors_mm(chosen.pack, chosen.patients))
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    print(
        "| landmark | sequence | fat to the feet, mm | n | median mm | too high, mm |"
    )
    print("|---|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")


def errors_mm(
    pack: str, n_patients: int
) -> dict[tuple[str, str, float], list[np.ndarray]]:
    """Return errors, LPS mm, by landmark of either side, sequence and displacement."""
    localizer = finish(load_localizer(pack))
    found = defaultdict(list)
    for seed in range(FIRST_SEED, FIRST_SEED + n_patients):
        patient = draw_patient(seed)
        truth = patient_landmarks(patient)
        for protocol in whole_body_protocols()[:2]:
            tissues = tissue_map(patient, protocol_grid(patient, protocol))
            for to_feet_mm in TO_FEET_MM:
                moved = replace(protocol, fat_shift_mm=to_feet_mm)
                (volume,) = acquire(patient, moved, tissues)
                results = finish(localizer.localize(volume, SearchSettings())).results
                for kind, error in near_ones(results, truth):
                    found[kind, protocol.kind.value, to_feet_mm].append(error)
    return found


def near_ones(
    results: Iterable[LandmarkResult], truth: Mapping[str, tuple[float, float, float]]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the landmark, of either side, and the error of every answer near it."""
    for result in results:
        if result.position_lps_mm is None or result.name not in truth:
            continue
        error = np.subtract(result.position_lps_mm, truth[result.name])
        if np.linalg.norm(error) < FAR_MM:
            yield result.name.split()[-1], error


def summarized(
    found: dict[tuple[str, str, float], list[np.ndarray]],
) -> list[dict[str, Any]]:
    """Return a row per landmark, sequence and displacement."""
    return [
        {
            "landmark": kind,
            "sequence": sequence,
            "to_feet_mm": to_feet_mm,
            "n": len(errors),
            "median_mm": round(float(np.median(np.linalg.norm(errors, axis=1))), 1),
            "too_high_mm": round(float(np.mean(errors, axis=0)[2]), 1),
        }
        for (kind, sequence, to_feet_mm), errors in sorted(found.items())
    ]


if __name__ == "__main__":
    main()
