"""Sequences that no training has shown: what they cost the shipped agents.

``python -m benchmarks.new_sequences --patients 10 --json FILE``

`digital-patient` learned from T1w, T2w with and without fat suppression, Dixon, DWI,
ADC and DCE, and from random contrasts. Here unseen digital patients are scanned, on
one grid, as T1w and as two sequences that are none of these: proton density (TR 3000,
TE 15 ms) and STIR (an inversion 265 ms before the excitation nulls fat; TR 4000, TE
50). The same bodies, landmarks and noise level, so that only the contrast differs.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_midrl.data.progress import finish
from napari_midrl.data.sequence import SequenceKind
from napari_midrl.data.settings import SearchSettings
from napari_midrl.phantom.acquire import acquire
from napari_midrl.phantom.patient import draw_patient
from napari_midrl.phantom.protocols import protocol_grid, whole_body_protocols
from napari_midrl.phantom.render import patient_landmarks, tissue_map
from napari_midrl.phantom.sequences import Contrast
from napari_midrl.workflows.localize import load_localizer

FIRST_SEED = 2000
CONTRASTS = {
    "T1w (seen)": None,
    "PD": Contrast(SequenceKind.PD, 3000, 15),
    "STIR": Contrast(SequenceKind.UNKNOWN, 4000, 50, ti=265),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", default="digital-patient")
    parser.add_argument("--patients", type=int, default=10)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    rows = summarized(errors_mm(chosen.pack, chosen.patients))
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    print(f"{'sequence':14}{'n':>6}{'median mm':>11}{'90 % mm':>9}{'not found':>11}")
    for row in rows:
        print(
            f"{row['sequence']:14}{row['n']:6}{row['median_mm']:11.2f}"
            f"{row['p90_mm']:9.1f}{row['not_found']:11.1%}"
        )


def errors_mm(pack: str, n_patients: int) -> dict[str, list[float]]:
    """Return the error of every landmark by sequence; infinite if not found."""
    localizer = finish(load_localizer(pack))
    found: dict[str, list[float]] = {name: [] for name in CONTRASTS}
    for seed in range(FIRST_SEED, FIRST_SEED + n_patients):
        patient = draw_patient(seed)
        base = whole_body_protocols()[0]
        tissues = tissue_map(patient, protocol_grid(patient, base))
        truth = patient_landmarks(patient)
        for name, contrast in CONTRASTS.items():
            protocol = base
            if contrast is not None:
                protocol = replace(base, kind=contrast.kind, contrast=contrast)
            (volume,) = acquire(patient, protocol, tissues)
            results = finish(localizer.localize(volume, SearchSettings())).results
            for result in results:
                place = truth.get(result.name)
                if place is None or not volume.grid.contains(place):
                    continue
                there = result.position_lps_mm
                error = (
                    np.inf
                    if there is None
                    else np.linalg.norm(np.subtract(there, place))
                )
                found[name].append(float(error))
    return found


def summarized(found: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Return a row per sequence; who is not found is left out of the distances."""
    rows = []
    for name, errors in found.items():
        some = np.array(errors)
        known = some[np.isfinite(some)]
        median, p90 = np.percentile(known, [50, 90])
        rows.append(
            {
                "sequence": name,
                "n": len(some),
                "median_mm": round(float(median), 3),
                "p90_mm": round(float(p90), 3),
                "not_found": round(1 - len(known) / len(some), 4),
            }
        )
    return rows


if __name__ == "__main__":
    main()
