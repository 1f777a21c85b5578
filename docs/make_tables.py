"""Write what was measured into the README, docs/results.md and the model cards.

    midrl evaluate digital-patient phantom:1000-1099 --jobs 2 --json whole.json
    midrl evaluate digital-patient phantom:1000-1099 --region breast --json breast.json
    midrl evaluate digital-patient phantom:1000-1099 --region prostate \
        --json prostate.json
    python docs/make_tables.py digital-patient whole.json breast.json prostate.json

    python -m benchmarks.template_poses FOLDER CASES --poses 10
    midrl evaluate brain-afids CASES/upright --json upright.json
    midrl evaluate brain-afids CASES/posed --json posed.json
    python docs/make_tables.py brain-afids upright.json posed.json

FOLDER holds the brain templates and their fiducials.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from napari_midrl.io.model_store import read_card, write_card

ROOT = Path(__file__).parents[1]
PACKS = ROOT / "src" / "napari_midrl" / "packs"
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
DIGITAL_COMMAND = "midrl evaluate digital-patient phantom:1000-LAST --region REGION"
"""Once per region: an image of a breast and of a whole body are different tasks."""

BRAIN_COMMANDS = (
    "python -m benchmarks.template_poses FOLDER CASES --poses 10; "
    "midrl evaluate brain-afids CASES/upright; midrl evaluate brain-afids CASES/posed"
)


PAPER = {
    "heart": ("heart",),
    "kidney": ("left kidney", "right kidney"),
    "trochanter": ("left trochanter", "right trochanter"),
    "knee": ("left knee", "right knee"),
    "nipple": ("left nipple", "right nipple"),
    "prostate": ("prostate",),
}
"""The paper's landmarks; it does not tell left from right."""

PAPER_IOU = {
    ("heart", "T1w"): ("0.75", "0.62"),
    ("heart", "T2w"): ("0.58", "0.47"),
    ("heart", "Dixon in"): ("0.79", "0.71"),
    ("heart", "Dixon opposed"): ("0.77", "0.62"),
    ("heart", "Dixon fat"): ("0.78", "0.48"),
    ("heart", "Dixon water"): ("0.82", "0.65"),
    ("kidney", "T1w"): ("0.70", "0.66"),
    ("kidney", "T2w"): ("0.59", "0.44"),
    ("kidney", "Dixon in"): ("0.62", "0.54"),
    ("kidney", "Dixon opposed"): ("0.74", "0.71"),
    ("kidney", "Dixon fat"): ("0.69", "0.51"),
    ("kidney", "Dixon water"): ("0.70", "0.75"),
    ("trochanter", "T1w"): ("0.74", "0.78"),
    ("trochanter", "T2w"): ("0.29", "0.34"),
    ("trochanter", "Dixon in"): ("0.85", "0.81"),
    ("trochanter", "Dixon opposed"): ("0.83", "0.74"),
    ("trochanter", "Dixon fat"): ("0.78", "0.85"),
    ("trochanter", "Dixon water"): ("0.75", "0.60"),
    ("knee", "T1w"): ("0.88", "0.43"),
    ("knee", "T2w"): ("0.68", "0.35"),
    ("knee", "Dixon in"): ("0.88", "0.45"),
    ("knee", "Dixon opposed"): ("0.87", "0.51"),
    ("knee", "Dixon fat"): ("0.87", "0.69"),
    ("knee", "Dixon water"): ("0.91", "0.49"),
    ("nipple", "T1w"): ("0.78", ""),
    ("nipple", "T2w FS"): ("0.51", ""),
    ("nipple", "DCE phase 0"): ("0.50", ""),
    ("nipple", "DCE phase 1"): ("0.20", ""),
    ("nipple", "DCE subtraction"): ("0.12", ""),
    ("prostate", "T2w"): ("0.48", ""),
    ("prostate", "ADC"): ("0.34", ""),
}
"""Mean IoU in 2D and in 3D as published [1]_, on 8 whole bodies, 3 breasts and 3
prostates of real people; the landmarks of one side, the 3D agents in whole bodies.

.. [1] Parekh et al. (2020), Proc. MIDL, PMLR 121, 588-600,
   https://proceedings.mlr.press/v121/parekh20a.html
"""


def main() -> None:
    pack, *files = sys.argv[1:]
    write = {"digital-patient": digital_patient, "brain-afids": brain_afids}[pack]
    write(*(json.loads(Path(file).read_text()) for file in files))


def digital_patient(
    whole: dict[str, Any], breast: dict[str, Any], prostate: dict[str, Any]
) -> None:
    regions = {"whole body": whole, "breast": breast, "prostate": prostate}
    fill(ROOT / "README.md", "digital-patient", digital_table(regions))
    fill(ROOT / "docs" / "results.md", "digital-patient", paper_table(regions))
    write_metrics(
        "digital-patient",
        {
            "unit": "mm",
            "data": "digital patients from 1000 on, 16 starts; not learned from",
            "n_patients": {name: data["n_cases"] for name, data in regions.items()},
            "command": DIGITAL_COMMAND,
            "cells": [
                {"region": region, **cell}
                for region, report in regions.items()
                for cell in cells_of(report)
                if region not in SHOWN_IN or cell["landmark"] in PAPER[SHOWN_IN[region]]
            ],
        },
    )


def brain_afids(upright: dict[str, Any], posed: dict[str, Any]) -> None:
    fill(ROOT / "README.md", "brain-afids", brain_table(upright, posed))
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


def fill(path: Path, pack: str, lines: list[str]) -> None:
    """Replace what stands between a pack's markers on a page, and show it."""
    begin, end = (f"<!-- measured:{pack}:{edge} -->" for edge in ("begin", "end"))
    block = re.compile(f"(?<={begin}\n).*(?=\n{end})", re.DOTALL)
    table = "\n".join(lines)
    text, n = block.subn(lambda _: table, path.read_text())
    assert n == 1, f"{path.name} has lost its markers of {pack}"
    path.write_text(text)
    print(table)


def digital_table(regions: dict[str, dict[str, Any]]) -> list[str]:
    """Return medians of the paper's landmarks, in whole bodies and in regions."""
    n = {region: report["n_cases"] for region, report in regions.items()}
    rows = [
        "**`digital-patient`** on digital patients it has not learned from (numbers "
        f"from 1000 on: {n['whole body']} whole bodies, {n['breast']} breasts, "
        f"{n['prostate']} prostates), 16 starts; median error in mm over all "
        "sequences, and overlap of boxes of the published size (mean IoU):",
        "",
        "| landmark | region | findings | median mm | within 4 mm | within 10 mm | "
        "IoU 3D | IoU 2D |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for region, report in regions.items():
        for name, members in PAPER.items():
            found = [f for f in report["findings"] if f["landmark"] in members]
            if region != "whole body" and name != SHOWN_IN[region]:
                continue
            errors = np.array([error_mm(f) for f in found])
            near = " | ".join(f"{np.mean(errors <= mm):.0%}" for mm in (4, 10))
            iou = " | ".join(
                f"{np.mean([f['iou'][d] for f in found]):.2f}" for d in ("3d", "2d")
            )
            rows.append(
                f"| {name} | {region} | {len(found)} | {np.nanmedian(errors):.1f} | "
                f"{near} | {iou} |"
            )
    return [
        *rows,
        "",
        f"`{DIGITAL_COMMAND}`; every sequence beside the paper's numbers: "
        "[docs/results.md](docs/results.md)",
    ]


SHOWN_IN = {"breast": "nipple", "prostate": "prostate"}
"""What a regional image is made for."""


def paper_table(regions: dict[str, dict[str, Any]]) -> list[str]:
    """Return a row per landmark and sequence of the paper, ours beside it."""
    rows = [
        "| landmark | sequence | n | median mm | 90 % mm | not found | IoU 3D | "
        "IoU 2D | paper, IoU 3D | paper, IoU 2D |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (name, sequence), (plane, volume) in PAPER_IOU.items():
        region = {"nipple": "breast", "prostate": "prostate"}.get(name, "whole body")
        found = [
            f
            for f in regions[region]["findings"]
            if f["landmark"] in PAPER[name] and f["sequence"] == sequence
        ]
        errors = np.array([error_mm(f) for f in found])
        iou = [np.mean([f["iou"][d] for f in found]) for d in ("3d", "2d")]
        rows.append(
            f"| {name} | {sequence} | {len(found)} | {np.nanmedian(errors):.1f} | "
            f"{np.nanpercentile(errors, 90):.1f} | {np.mean(np.isnan(errors)):.1%} | "
            f"{iou[0]:.2f} | {iou[1]:.2f} | {volume} | {plane} |"
        )
    return rows


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
    folder = PACKS / pack
    write_card(folder, read_card(folder).model_copy(update={"metrics": metrics}))


if __name__ == "__main__":
    main()
