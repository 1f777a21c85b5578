"""Write what was measured into the README and the model cards.

    midrl evaluate digital-patient phantom:0-19 --sequence T1w --sequence T2w \
        --sequence "Dixon water" --json digital.json
    python -m benchmarks.template_poses FOLDER CASES --poses 10
    midrl evaluate brain-afids CASES/upright --json upright.json
    midrl evaluate brain-afids CASES/posed --json posed.json
    python docs/make_tables.py digital.json upright.json posed.json

FOLDER holds the brain templates and their fiducials.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
PACKS = ROOT / "src" / "napari_midrl" / "packs"
BLOCK = re.compile(r"(<!-- measured:begin -->\n).*(\n<!-- measured:end -->)", re.DOTALL)
CELL_KEYS = (
    "landmark",
    "sequence",
    "n",
    "not_converged",
    "mean_mm",
    "sd_mm",
    "median_mm",
    "p90_mm",
    "iou_mean",
    "dice_mean",
)
COLUMNS = ("T1w", "T2w", "PD", "Dixon water")
DIGITAL_COMMAND = (
    "midrl evaluate digital-patient phantom:0-19 --sequence T1w --sequence T2w "
    '--sequence "Dixon water"'
)
BRAIN_COMMANDS = (
    "python -m benchmarks.template_poses FOLDER CASES --poses 10; "
    "midrl evaluate brain-afids CASES/upright; midrl evaluate brain-afids CASES/posed"
)


def main() -> None:
    digital, upright, posed = (json.loads(Path(a).read_text()) for a in sys.argv[1:4])
    lines = [*digital_table(digital), "", *brain_table(upright, posed)]
    readme = ROOT / "README.md"
    text, n = BLOCK.subn(
        lambda block: block[1] + "\n".join(lines) + block[2], readme.read_text()
    )
    assert n == 1, "the README has lost its markers"
    readme.write_text(text)
    write_metrics(
        "digital-patient",
        {
            "unit": "mm",
            "data": "digital patients 0-19, whole body, 16 starts; not learned from",
            "command": DIGITAL_COMMAND,
            "cells": cells_of(digital),
        },
    )
    write_metrics(
        "brain-afids",
        {
            "unit": "mm",
            "data": "template MNI152Lin (avg152 T1, T2, PD), held back from training",
            "command": BRAIN_COMMANDS,
            "as it lies": [
                {
                    "landmark": finding["landmark"],
                    "sequence": finding["sequence"],
                    "error_mm": rounded(error_mm(finding)),
                }
                for finding in upright["findings"]
            ],
            "in random poses": cells_of(posed),
        },
    )
    print("\n".join(lines))


def digital_table(report: dict[str, Any]) -> list[str]:
    errors = errors_of(report)
    sequences = sequences_of(errors)
    landmarks = list(dict.fromkeys(landmark for landmark, _ in errors))
    rows = [
        "**`digital-patient`** on 20 digital patients it has not learned from (numbers "
        "0 to 19), whole body, 16 starts; median error in mm:",
        "",
        "| landmark (n = 20 patients; prostate: 10 men) | "
        + " | ".join(sequences)
        + " | within 4 mm | within 10 mm |",
        "|---" * (len(sequences) + 3) + "|",
    ]
    for landmark in [*landmarks, None]:
        each = [pooled(errors, landmark, sequence) for sequence in sequences]
        whole = pooled(errors, landmark, None)
        name = "**all**" if landmark is None else landmark
        medians = " | ".join(f"{np.nanmedian(values):.1f}" for values in each)
        near = " | ".join(f"{np.mean(whole <= mm):.0%}" for mm in (4, 10))
        rows.append(f"| {name} | {medians} | {near} |")
    return [*rows, "", f"`{DIGITAL_COMMAND}`"]


def brain_table(upright: dict[str, Any], posed: dict[str, Any]) -> list[str]:
    lying, turned = errors_of(upright), errors_of(posed)
    sequences = sequences_of(lying)
    n_poses = len(pooled(turned, "AC", sequences[0]))
    rows = [
        "**`brain-afids`** on the template MNI152Lin, held back from training, as it "
        f"lies (one image each) and in {n_poses} random poses (turned by up to 20 "
        "degrees, scaled by 0.9 to 1.1, shifted by up to 25 mm, voxels of 1 to 3 mm); "
        "error in mm:",
        "",
        "| fiducial | "
        + " | ".join(f"{s}, as it lies" for s in sequences)
        + " | "
        + " | ".join(f"{s}, posed" for s in sequences)
        + " |",
        "|---" * (2 * len(sequences) + 1) + "|",
    ]
    for name, landmark in (("AC, median", "AC"), ("PC, median", "PC")):
        values = [
            np.nanmedian(pooled(errors, landmark, sequence))
            for errors in (lying, turned)
            for sequence in sequences
        ]
        rows.append(f"| {name} | " + " | ".join(f"{v:.1f}" for v in values) + " |")
    means = [
        np.nanmean(pooled(errors, None, sequence))
        for errors in (lying, turned)
        for sequence in sequences
    ]
    rows.append("| all 32, mean | " + " | ".join(f"{v:.1f}" for v in means) + " |")
    return [*rows, "", f"`{BRAIN_COMMANDS}`"]


def errors_of(report: dict[str, Any]) -> dict[tuple[str, str], list[float]]:
    """Return errors in mm by landmark and sequence; NaN where nothing was found."""
    errors: dict[tuple[str, str], list[float]] = {}
    for finding in report["findings"]:
        key = finding["landmark"], finding["sequence"]
        errors.setdefault(key, []).append(error_mm(finding))
    return errors


def sequences_of(errors: dict[tuple[str, str], list[float]]) -> list[str]:
    found = {sequence for _, sequence in errors}
    return [s for s in COLUMNS if s in found] + sorted(found.difference(COLUMNS))


def error_mm(finding: dict[str, Any]) -> float:
    error = (finding["error_mm"] or {}).get("3d")
    return float("nan") if error is None else float(error)


def pooled(
    errors: dict[tuple[str, str], list[float]],
    landmark: str | None,
    sequence: str | None,
) -> np.ndarray:
    return np.array(
        [
            value
            for (of_landmark, of_sequence), values in errors.items()
            if landmark in (None, of_landmark) and sequence in (None, of_sequence)
            for value in values
        ]
    )


def cells_of(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {key: rounded(cell[key]) for key in CELL_KEYS}
        for cell in report["cells"]
        if cell["dimension"] == "3d"
    ]


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, 2)
    return value


def write_metrics(pack: str, metrics: dict[str, Any]) -> None:
    """Put what was measured into a card; the weights and their hash stay."""
    path = PACKS / pack / "model.json"
    card = json.loads(path.read_text())
    card["metrics"] = metrics
    path.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
