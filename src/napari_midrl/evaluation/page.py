"""An evaluation as one web page that needs nothing else."""

from __future__ import annotations

import base64
from html import escape
from math import isnan
from typing import TYPE_CHECKING

from napari_midrl.evaluation.boxes import Dimension
from napari_midrl.evaluation.cells import of_dimension
from napari_midrl.evaluation.metrics import SUCCESS_RADII_MM
from napari_midrl.evaluation.outcome import NOTICE
from napari_midrl.evaluation.pictures import PIXELS
from napari_midrl.evaluation.plots import errors_plot, legend, success_plot

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_midrl.evaluation.cells import Cell
    from napari_midrl.evaluation.intervals import Interval
    from napari_midrl.evaluation.outcome import Evaluation
    from napari_midrl.evaluation.pictures import Picture, WorstCase

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:1180px;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2.2rem}
.notice{border-left:4px solid #d55e00;background:#fff4ec;padding:.5rem .9rem;
font-weight:600}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:13px;white-space:nowrap}
th,td{padding:.2rem .55rem;border-bottom:1px solid #ddd;text-align:right;
font-variant-numeric:tabular-nums}
th{border-bottom:2px solid #999;vertical-align:bottom}
th:nth-child(-n+2),td:nth-child(-n+2){text-align:left}
tr.pooled td{background:#f4f4f4;font-weight:600}
svg text{font:11px system-ui,sans-serif;fill:#333}
svg .grid{stroke:#e2e2e2}
.key{margin-left:.8em;margin-right:.25em}
figure{display:inline-block;margin:0 .8rem 1rem 0;vertical-align:top}
figcaption{font-size:13px;max-width:740px}
.case svg{background:#000;margin-right:4px}
.case svg text{fill:#fff;paint-order:stroke;stroke:#000;stroke-width:3px}
dt{font-weight:600}dd{margin:0 0 .4rem 1.2rem}
"""
_COLUMNS = (
    *("landmark", "sequence", "n", "mean &plusmn; sd mm", "95 %", "median mm", "95 %"),
    *("90 % within mm", *(f"&le; {radius:g} mm" for radius in SUCCESS_RADII_MM)),
    *("IoU", "Dice", "confused", "left/right", "not conv."),
    *("baseline mean mm", "baseline median mm"),
)
_DEFINITIONS = (
    ("n", "Images that show the landmark; one beyond the image's edge does not count."),
    (
        "mean, sd, median, 90 %",
        "Distance from true to found position, over the images that got a position.",
    ),
    (
        "&le; r mm",
        "Share of all n images found within r; without a position is not within.",
    ),
    (
        "95 %",
        "Percentile bootstrap interval over cases, 2000 resamples from a fixed seed.",
    ),
    (
        "IoU, Dice",
        "Overlap of equal boxes at the true and the found position, at the image's own "
        "voxel size and not cut off at its border: 45 &times; 45 voxels in the slice "
        "plane, and 11 slices in 3D (Parekh et al. 2020). 0 without a position.",
    ),
    (
        "confused, left/right",
        "Share of images in which the found position is nearer (in 3D) to the true "
        "position of any other landmark than to its own; of which the mirror partner.",
    ),
    ("not conv.", "Share of images in which the agents gave no position."),
    (
        "baseline",
        "The guess without looking: the landmark's mean position in the field of view "
        "over the other cases of this evaluation.",
    ),
    (
        "2D",
        "The same 3D prediction seen in the image's own slice plane: distance and box "
        "in that plane only, so that it can be set beside tables of single slices.",
    ),
)


def page(evaluation: Evaluation) -> str:
    """Return the report as HTML with its style, plots and pictures inside."""
    cells = of_dimension(evaluation.cells, Dimension.VOLUME)
    parts = [
        f"<h1>{escape(evaluation.headline)}</h1>",
        f'<p class="notice">{NOTICE}</p>',
        _about(evaluation),
        "<h2>Errors</h2>",
        "<p>Dots: images. Line: median, in its 95 % interval. Open diamond: median of "
        f"the mean-position baseline.</p><p>{legend(cells)}</p>",
        f'<div class="scroll">{errors_plot(cells)}</div>',
        f"<h2>Share of landmarks within a radius</h2><p>{legend(cells)}</p>",
        success_plot(cells),
        *(_section(evaluation, dimension) for dimension in reversed(Dimension)),
        _worst(evaluation.worst),
        _definitions(),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(evaluation.headline)}</title>"
        f"<style>{_STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _about(evaluation: Evaluation) -> str:
    """Return which agents, data and settings, and the notes, as a list."""
    settings, pack = evaluation.settings, evaluation.pack
    cases = ", ".join(evaluation.cases)
    lines = [
        f"Agents: {pack.name}, weights {_short(pack.model_sha256)}",
        f"Data: {evaluation.data}; {len(evaluation.cases)} cases ({cases}); "
        f"{evaluation.n_images} images",
        f"Search: {settings.n_starts} starts per landmark, seed {settings.seed}",
        *evaluation.notes,
    ]
    if evaluation.against is not None:
        against = evaluation.against
        text = f"Compared with: {against.name}, weights {_short(against.model_sha256)}"
        lines.insert(1, text)
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _short(sha256: str) -> str:
    return f"SHA-256 {sha256[:12]}" if sha256 else "without a hash"


def _section(evaluation: Evaluation, dimension: Dimension) -> str:
    """Return the tables of one dimension."""
    cells = of_dimension(evaluation.cells, dimension)
    pooled = of_dimension(evaluation.pooled, dimension)
    table = _table(_COLUMNS, map(_numbers, cells), map(_numbers, pooled))
    parts = [f"<h2>Measured in {dimension.upper()}</h2>", table]
    if evaluation.against is not None:
        columns = ("landmark", "sequence", "pairs", "median difference mm", "95 %", "p")
        name = escape(evaluation.against.name)
        parts.append(
            f"<h3>Against {name}, {dimension.upper()}</h3><p>Error of "
            f"{escape(evaluation.pack.name)} minus error of {name} on the same images: "
            "negative where the first is nearer. p: Wilcoxon signed-rank test on the "
            "cases, two-sided, not corrected for the number of rows.</p>"
        )
        parts.append(_table(columns, map(_difference, cells), map(_difference, pooled)))
    return "\n".join(parts)


def _table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    pooled: Iterable[Sequence[str]],
) -> str:
    """Return a table; columns are HTML, cells are text."""
    head = "".join(f"<th>{column}</th>" for column in columns)
    body = [f"<tr>{_cells(row)}</tr>" for row in rows]
    body += [f'<tr class="pooled">{_cells(row)}</tr>' for row in pooled]
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _cells(row: Sequence[str]) -> str:
    return "".join(f"<td>{escape(text)}</td>" for text in row)


def _numbers(cell: Cell) -> tuple[str, ...]:
    """Return the row of one cell."""
    summary, baseline = cell.summary, cell.baseline
    return (
        cell.landmark,
        cell.sequence,
        str(summary.n),
        f"{_mm(summary.mean_mm)} ± {_mm(summary.sd_mm)}",
        _interval(cell.mean_interval_mm),
        _mm(summary.median_mm),
        _interval(cell.median_interval_mm),
        _mm(summary.p90_mm),
        *(f"{share:.0%}" for share in summary.success_at_mm.values()),
        f"{cell.iou_mean:.2f}",
        f"{cell.dice_mean:.2f}",
        f"{cell.confused:.0%}",
        f"{cell.confused_left_right:.0%}",
        f"{cell.not_converged:.0%}",
        "-" if baseline is None else _mm(baseline.mean_mm),
        "-" if baseline is None else _mm(baseline.median_mm),
    )


def _difference(cell: Cell) -> tuple[str, ...]:
    """Return the row that compares two packs in one cell."""
    difference = cell.against
    assert difference is not None
    median_mm, p = difference.median_mm, difference.p_value
    return (
        cell.landmark,
        cell.sequence,
        str(difference.n_pairs),
        "-" if isnan(median_mm) else f"{median_mm:+.1f}",
        _interval(difference.interval_mm),
        "-" if isnan(p) else f"{p:.2g}",
    )


def _mm(value: float) -> str:
    return "-" if isnan(value) else f"{value:.1f}"


def _interval(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval[0]:.1f} to {interval[1]:.1f}"


def _worst(worst: Sequence[WorstCase]) -> str:
    """Return the worst cases with their pictures."""
    if not worst:
        return ""
    return (
        "<h2>Worst cases</h2><p>The largest error of each landmark, worst first. "
        "Slices through the true position (green ring); the found position (orange "
        "cross) is projected onto them. The patient's left is on the right.</p>"
        + "\n".join(map(_case, worst))
    )


def _case(case: WorstCase) -> str:
    finding = case.finding
    taken = f"; nearest is {finding.nearer_to}" if finding.nearer_to else ""
    text = (
        f"{finding.landmark} in {finding.case}, {finding.image}: "
        f"{finding.error_mm():.1f} mm off{taken}"
    )
    return (
        f'<figure class="case">{"".join(map(_picture, case.pictures))}'
        f"<figcaption>{escape(text)}</figcaption></figure>"
    )


def _picture(picture: Picture) -> str:
    """Return one slice with both points, directions and a scale bar."""
    data = base64.b64encode(picture.png).decode("ascii")
    middle = PIXELS / 2
    x, y = picture.found_px
    bar = 50 * PIXELS / picture.side_mm
    left, right, top, bottom = tuple(picture.plane.letters)
    low = PIXELS - 6
    ring = f'cx="{middle}" cy="{middle}" r="7"'
    cross = f'd="M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10"'
    scale = f'd="M8 {low}h{bar:.1f}"'
    return (
        f'<svg role="img" aria-label="{picture.plane.name} slice" width="{PIXELS}" '
        f'height="{PIXELS}" viewBox="0 0 {PIXELS} {PIXELS}">'
        f'<image width="{PIXELS}" height="{PIXELS}" '
        f'href="data:image/png;base64,{data}"/>'
        # A dark rim first, or marks would vanish in bright tissue.
        f'<g fill="none" stroke="#000" stroke-width="4" stroke-opacity=".6">'
        f"<circle {ring}/><path {cross}/><path {scale}/></g>"
        f'<g fill="none" stroke-width="2"><circle {ring} stroke="#2ee66b"/>'
        f'<path {cross} stroke="#ff9d2e"/><path {scale} stroke="#fff"/></g>'
        f'<text x="8" y="{low - 5}">50 mm</text>'
        f'<text x="4" y="{middle + 4}">{left}</text>'
        f'<text x="{PIXELS - 4}" y="{middle + 4}" text-anchor="end">{right}</text>'
        f'<text x="{middle}" y="13" text-anchor="middle">{top}</text>'
        f'<text x="{middle}" y="{low}" text-anchor="middle">{bottom}</text></svg>'
    )


def _definitions() -> str:
    entries = "".join(f"<dt>{term}</dt><dd>{text}</dd>" for term, text in _DEFINITIONS)
    return f"<h2>What the numbers mean</h2><dl>{entries}</dl>"
