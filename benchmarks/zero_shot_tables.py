"""The tables of docs/real-mri.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "real-mri.md"
IMAGES = ROOT / "docs" / "images"
PICTURE = "real-abdomen-{}"
BLOCK = re.compile(r"(<!-- measured:begin -->\n).*(<!-- measured:end -->)", re.DOTALL)
READ_WITH = re.compile(r"<!-- read with: ([0-9a-f]{8}) -->")
"""Which weights the words around the tables are about."""

COMMAND = "python -m benchmarks.zero_shot --data FOLDER --docs"


def write_docs(report: dict[str, Any], page: Path = DOCS) -> list[str]:
    """Put the tables into the page and return what its author must look at.

    Raises
    ------
    SystemExit
        If a part was skipped: an empty table must not replace a measured one.
    """
    for part in ("abdomen", "prostate"):
        if "skipped" in report[part]:
            msg = f"{page.name} stays as it is; the {part}: {report[part]['skipped']}"
            raise SystemExit(msg)
    lines = tables(report)
    text, n = BLOCK.subn(
        lambda block: block[1] + "\n".join(lines) + "\n" + block[2],
        page.read_text("utf-8"),
    )
    if n != 1:
        msg = f"{page.name} has lost its markers"
        raise SystemExit(msg)
    page.write_text(text, "utf-8")
    now = report["weights_sha256"][:8]
    read_with = READ_WITH.findall(text)
    if read_with == [now]:
        return []
    return [
        f"{page.name}: the words are about weights {read_with}, the tables about "
        f"{now}; look at the pictures, mend the words, and write {now} there"
    ]


def tables(report: dict[str, Any]) -> list[str]:
    """Return the page's tables, line by line."""
    return [
        f"Pack `{report['pack']}`, weights `{report['weights_sha256'][:8]}`, "
        f"{report['n_starts']} starts.",
        "",
        *abdomen_table(report["abdomen"]),
        "",
        *prostate_table(report["prostate"]),
        "",
        *absent_table(report["abdomen"], report["prostate"]),
        "",
        f"`{COMMAND} --pack {report['pack']}`",
    ]


def abdomen_table(abdomen: dict[str, Any]) -> list[str]:
    """Return how far from the kidneys the agents ended."""
    rows = [
        "**Kidneys in the abdomen**: distance in mm from the endpoint to the centroid "
        "of the kidney in the label map, in 3D and in the slice plane alone:",
        "",
        "| landmark | label | starts that agree | distance | in the slice plane | "
        "inside the organ | middle of the image to the centroid | the same in the "
        "slice plane |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {row['landmark']} | {row['label']} | {row['agreement']:.0%} | "
        f"{_mm(row['error_mm'], row['state'])} | {_mm(row['in_plane_mm'])} | "
        f"{'yes' if row['inside'] else 'no'} | {row['middle_error_mm']:.1f} | "
        f"{row['middle_in_plane_mm']:.1f} |"
        for row in abdomen["organs"]
    ]
    cut = [row["landmark"] for row in abdomen["organs"] if row["cut_off"]]
    hollow = [
        row["landmark"] for row in abdomen["organs"] if not row["centroid_inside"]
    ]
    notes = []
    if cut:
        notes.append(
            f"Cut off by the edge of the image: {', '.join(cut)}; the centroid is that "
            "of the part shown."
        )
    if hollow:
        notes.append(
            f"The centroid itself is not inside the label: {', '.join(hollow)}; the "
            "organ bends around it."
        )
    return [*rows, "", " ".join(notes)] if notes else rows


def prostate_table(prostate: dict[str, Any]) -> list[str]:
    """Return where the agents ended in every sequence."""
    apart = prostate["apart_mm"]
    first = next(iter(apart), "")
    rows = [
        "**Prostate in every sequence of one study**: endpoint in the patient, LPS mm, "
        f"its distance from the endpoint in {first or 'T2w'} and from the middle of "
        "the image:",
        "",
        f"| sequence | endpoint | starts that agree | from {first or 'T2w'} | from the "
        "middle | surely absent, yet found |",
        "|---|---|---|---|---|---|",
    ]
    for row in prostate["sequences"]:
        place = row["position_lps_mm"]
        where = (
            row["state"] if place is None else ", ".join(f"{round(x)}" for x in place)
        )
        name = row["image"]
        away = 0.0 if name == first else apart.get(first, {}).get(name)
        wrong = [said["landmark"] for said in row["absent"] if _found(said)]
        rows.append(
            f"| {row['sequence']} | {where} | {row['agreement']:.0%} | "
            f"{_mm(away if place is not None else None)} | "
            f"{_mm(row['from_middle_mm'])} | {', '.join(wrong) or 'none'} |"
        )
    n_found = len(apart)
    between = _pairs(apart)
    middles = _pairs(prostate["middles_apart_mm"])
    words = f"Found in {n_found} of {len(prostate['sequences'])} images. "
    if len(between):
        words += (
            f"Any two of these endpoints lie {np.median(between):.0f} mm apart in the "
            f"median, {between.min():.0f} to {between.max():.0f} mm. "
        )
    words += (
        "The middles of the images, the guess that does not look, lie within "
        f"{middles.max(initial=0.0):.1f} mm of one another."
    )
    return [*rows, "", words]


def absent_table(abdomen: dict[str, Any], prostate: dict[str, Any]) -> list[str]:
    """Return how often agents saw that their landmark is not there."""
    images = [row["absent"] for row in prostate["sequences"]]
    names = list(
        dict.fromkeys(
            said["landmark"] for image in [abdomen["absent"], *images] for said in image
        )
    )
    rows = [
        "**Landmarks that are surely not in the picture**: images in which the agents "
        "rightly gave no position:",
        "",
        "| landmark | abdomen | prostate |",
        "|---|---|---|",
    ]
    cells = [
        [_rejected(name, part) for part in ([abdomen["absent"]], images)]
        for name in names
    ]
    for name, row in zip(names, cells, strict=True):
        rows.append(f"| {name} | " + " | ".join(_share(cell) for cell in row) + " |")
    whole = [
        _share((sum(r for r, _ in column), sum(n for _, n in column)))
        for column in zip(*cells, strict=True)
    ]
    return [*rows, "| **all** | " + " | ".join(whole) + " |"]


def _rejected(name: str, images: list[list[dict[str, Any]]]) -> tuple[int, int]:
    said = [s for image in images for s in image if s["landmark"] == name]
    return sum(not _found(s) for s in said), len(said)


def _share(cell: tuple[int, int]) -> str:
    rejected, n = cell
    return f"{rejected} of {n}" if n else ""


def _found(said: dict[str, Any]) -> bool:
    return said["position_lps_mm"] is not None


def _pairs(apart: dict[str, dict[str, float]]) -> np.ndarray:
    names = list(apart)
    return np.array([apart[a][b] for n, a in enumerate(names) for b in names[n + 1 :]])


def _mm(value: float | None, otherwise: str = "") -> str:
    return otherwise if value is None else f"{value:.1f}"
