"""Plots of an evaluation as SVG that stands in a page by itself."""

from __future__ import annotations

import math
from collections import defaultdict
from html import escape
from typing import TYPE_CHECKING

from napari_midrl.evaluation.metrics import SUCCESS_RADII_MM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_midrl.evaluation.cells import Cell

# Okabe and Ito's colors, which readers with color blindness tell apart.
COLORS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"),
    *("#7f7f7f", "#8c564b", "#000000", "#b2a400"),
)
_TICKS_MM = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)
_LABEL, _WIDTH, _ROW, _TOP = 230, 640, 15, 26
_CURVE_WIDTH, _CURVE_HEIGHT, _CURVE_MM = 460, 240, 30.0


def sequence_colors(cells: Sequence[Cell]) -> dict[str, str]:
    """Return a color per sequence, in the order they come."""
    sequences = dict.fromkeys(cell.sequence for cell in cells)
    return {name: COLORS[n % len(COLORS)] for n, name in enumerate(sequences)}


def legend(cells: Sequence[Cell]) -> str:
    """Return the sequences with their colors as HTML."""
    return " ".join(
        f'<span class="key" style="color:{color}">&#9679;</span>{escape(name)}'
        for name, color in sequence_colors(cells).items()
    )


def errors_plot(cells: Sequence[Cell]) -> str:
    """Return every error on a logarithmic axis, a row per landmark and sequence.

    Dots are images, the bar is the 95 % interval of the median, the line on it the
    median, the open diamond the median of the baseline.
    """
    colors = sequence_colors(cells)
    rows = _in_order(cells)
    gaps = len({cell.landmark for cell in rows})
    height = _TOP + _ROW * len(rows) + 6 * gaps + 8
    parts = [_axis(height)]
    y, before = _TOP + 0.0, ""
    for cell in rows:
        if cell.landmark != before:
            y += 6
            parts.append(
                f'<text x="{_LABEL - 10}" y="{y + 11:.1f}" text-anchor="end">'
                f"{escape(cell.landmark)}</text>"
            )
            before = cell.landmark
        parts.append(_row(cell, y + _ROW / 2, colors[cell.sequence]))
        y += _ROW
    width = _LABEL + _WIDTH + 30
    return _svg(width, height, "Errors in mm", "".join(parts))


def _in_order(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells of one landmark after the other."""
    groups: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[cell.landmark].append(cell)
    return [cell for group in groups.values() for cell in group]


def _axis(height: float) -> str:
    """Return the vertical lines and the millimeters above them."""
    parts = []
    for mm in _TICKS_MM:
        x = _x(mm)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 4}" y2="{height - 4}" '
            f'class="grid"/><text x="{x:.1f}" y="{_TOP - 9}" text-anchor="middle">'
            f"{mm:g}{' mm' if mm == _TICKS_MM[-1] else ''}</text>"
        )
    return "".join(parts)


def _x(mm: float) -> float:
    """Return where a distance lies; what is beyond an end is drawn at the end."""
    low, high = math.log(_TICKS_MM[0]), math.log(_TICKS_MM[-1])
    share = (math.log(max(mm, _TICKS_MM[0])) - low) / (high - low)
    return _LABEL + _WIDTH * min(share, 1.0)


def _row(cell: Cell, y: float, color: str) -> str:
    """Return the dots, bar, line and diamond of one cell."""
    about = f"{cell.landmark}, {cell.sequence}, n = {cell.summary.n}"
    parts = [f'<g fill="{color}" stroke="{color}"><title>{escape(about)}</title>']
    if cell.median_interval_mm is not None:
        low, high = (_x(mm) for mm in cell.median_interval_mm)
        parts.append(
            f'<rect x="{low:.1f}" y="{y - 4:.1f}" width="{max(high - low, 1):.1f}" '
            f'height="8" fill-opacity=".25" stroke="none"/>'
        )
    parts += [
        f'<circle cx="{_x(mm):.1f}" cy="{y:.1f}" r="2" fill-opacity=".45" '
        f'stroke="none"/>'
        for mm in cell.errors_mm
        if not math.isnan(mm)
    ]
    if not math.isnan(cell.summary.median_mm):
        x = _x(cell.summary.median_mm)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 6:.1f}" y2="{y + 6:.1f}" '
            f'stroke-width="2.5"/>'
        )
    if cell.baseline is not None:
        x = _x(cell.baseline.median_mm)
        parts.append(
            f'<path d="M{x - 5:.1f} {y:.1f}l5 -5 5 5 -5 5z" fill="none" '
            f'stroke="#555" stroke-width="1.2"/>'
        )
    return "".join([*parts, "</g>"])


def success_plot(cells: Sequence[Cell]) -> str:
    """Return the share of images within a radius, one line per sequence.

    Over all landmarks; a landmark without a position is never within.
    """
    colors = sequence_colors(cells)
    parts = [_curve_frame()]
    for sequence, color in colors.items():
        errors_mm = [
            mm for cell in cells if cell.sequence == sequence for mm in cell.errors_mm
        ]
        parts.append(
            f'<path d="{_steps(errors_mm)}" fill="none" stroke="{color}" '
            f'stroke-width="2"><title>{escape(sequence)}</title></path>'
        )
    return _svg(
        _CURVE_WIDTH + 90, _CURVE_HEIGHT + 60, "Share within a radius", "".join(parts)
    )


def _curve_frame() -> str:
    """Return the grid of the success curves with its numbers."""
    parts = []
    for percent in range(0, 101, 20):
        y = _curve_y(percent / 100)
        parts.append(
            f'<line x1="55" x2="{55 + _CURVE_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" '
            f'class="grid"/><text x="48" y="{y + 4:.1f}" text-anchor="end">'
            f"{percent} %</text>"
        )
    for mm in (0, *SUCCESS_RADII_MM, 15, 20, 25, 30):
        x = _curve_x(mm)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="15" y2="{15 + _CURVE_HEIGHT}" '
            f'class="grid"/><text x="{x:.1f}" y="{_CURVE_HEIGHT + 32}" '
            f'text-anchor="middle">{mm:g}{" mm" if mm == _CURVE_MM else ""}</text>'
        )
    return "".join(parts)


def _steps(errors_mm: Sequence[float]) -> str:
    """Return the path of a step function that rises by 1 / n at every error."""
    placed = sorted(mm for mm in errors_mm if mm <= _CURVE_MM)
    path = [f"M{_curve_x(0):.1f} {_curve_y(0):.1f}"]
    for number, mm in enumerate(placed, start=1):
        share = number / len(errors_mm)
        path.append(f"H{_curve_x(mm):.1f}V{_curve_y(share):.1f}")
    return "".join([*path, f"H{_curve_x(_CURVE_MM):.1f}"])


def _curve_x(mm: float) -> float:
    return 55 + _CURVE_WIDTH * mm / _CURVE_MM


def _curve_y(share: float) -> float:
    return 15 + _CURVE_HEIGHT * (1 - share)


def _svg(width: float, height: float, title: str, content: str) -> str:
    return (
        f'<svg role="img" aria-label="{title}" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}">{content}</svg>'
    )
