"""Write what `python -m benchmarks` measured into docs/performance.md, and draw it.

    python -m benchmarks --json speed.json
    python docs/make_speed.py speed.json

The picture, docs/images/growth.svg, shows how the cost of a search grows; it follows
the reader's light or dark theme. With ``--out FILE`` only it is drawn, as SVG or PNG.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from make_curves import LEFT, LIGHT, line, path, svg, text, ticks, write_png  # noqa: E402

from benchmarks.speed.table import markdown  # noqa: E402

BLOCK = re.compile(r"(<!-- speed:begin -->\n).*(\n<!-- speed:end -->)", re.DOTALL)
IMAGE = "![Seconds of a search by voxels, liters, starts, landmarks](images/growth.svg)"
PANEL_WIDTH, PANEL_HEIGHT, ACROSS, DOWN, TOP = 300, 170, 90, 90, 78
DOT = 3.5


@dataclass(frozen=True)
class Panel:
    """One curve: seconds against one thing that was changed.

    Parameters
    ----------
    key
        Of the points among what was measured.
    x
        Of the abscissa in each point.
    title
        Under the axis.
    factor
        The abscissa is multiplied by it.
    """

    key: str
    x: str
    title: str
    factor: float = 1.0


PANELS = (
    Panel("voxels", "voxels", "million voxels, same field of view", 1e-6),
    Panel("field of view", "liters", "liters in the field of view"),
    Panel("starts", "starts", "starts of each landmark"),
    Panel("landmarks", "landmarks", "landmarks"),
)


def picture(measured: dict[str, Any]) -> str:
    """Return the SVG of four growth curves."""
    growth = measured["growth"]
    machine = measured["machine"]
    about = (
        f"six landmarks x 16 starts, {measured['volume_shape'][0]} x "
        f"{measured['volume_shape'][1]} x {measured['volume_shape'][2]} voxels, where "
        f"nothing else is said; {machine['cpu']}, {machine['cores']} cores"
    )
    title = "Seconds that a search takes"
    parts = [text(LEFT, 22, title, "ink", size=15, weight="600")]
    parts.append(text(LEFT, 40, about, "dim", size=11))
    for number, panel in enumerate(PANELS):
        column, row = number % 2, number // 2
        left = LEFT + column * (PANEL_WIDTH + ACROSS)
        top = TOP + row * (PANEL_HEIGHT + DOWN)
        parts += curve(panel, growth[panel.key], left, top)
    return svg(title, TOP + 2 * (PANEL_HEIGHT + DOWN) - 20, parts)


def curve(
    panel: Panel, points: list[dict[str, Any]], left: float, top: float
) -> list[str]:
    """Return axes and line of one panel; both axes begin at 0."""
    x_ticks = ticks(1.05 * panel.factor * max(point[panel.x] for point in points), 4)
    y_ticks = ticks(1.1 * max(point["seconds"] for point in points), 4)
    x_end = max(x_ticks[-1], panel.factor * max(point[panel.x] for point in points))
    y_end = max(y_ticks[-1], max(point["seconds"] for point in points))
    bottom = top + PANEL_HEIGHT

    def x(value: float) -> float:
        return left + PANEL_WIDTH * value / x_end

    def y(value: float) -> float:
        return bottom - PANEL_HEIGHT * value / y_end

    parts = []
    for tick in y_ticks:
        parts.append(line(left, y(tick), left + PANEL_WIDTH, y(tick), "grid"))
        parts.append(text(left - 8, y(tick) + 4, f"{tick:g}", "dim", anchor="end"))
    for tick in x_ticks:
        parts.append(line(x(tick), bottom, x(tick), bottom + 4, "axis"))
        parts.append(text(x(tick), bottom + 18, f"{tick:g}", "dim", anchor="middle"))
    middle = left + PANEL_WIDTH / 2
    parts.append(text(middle, bottom + 38, panel.title, "ink", anchor="middle"))
    places = [(x(panel.factor * p[panel.x]), y(p["seconds"])) for p in points]
    parts.append(
        f'<path d="{path(places)}" class="s0" fill="none" stroke="{LIGHT[0]}" '
        'stroke-width="1.8" stroke-linejoin="round"/>'
    )
    parts += [
        f'<circle cx="{px:.1f}" cy="{py:.1f}" r="{DOT}" class="f0" fill="{LIGHT[0]}"/>'
        for px, py in places
    ]
    return parts


def fill(page: Path, table: str) -> None:
    """Replace what stands between the markers of a page."""
    whole, n = BLOCK.subn(
        lambda block: block[1] + table + block[2], page.read_text("utf-8")
    )
    assert n == 1, f"{page.name} has lost its markers"
    page.write_text(whole, "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measured", type=Path, metavar="JSON")
    parser.add_argument("--out", type=Path, metavar="FILE", help=".svg or .png")
    chosen = parser.parse_args()
    measured = json.loads(chosen.measured.read_text("utf-8"))
    out = chosen.out or ROOT / "docs" / "images" / "growth.svg"
    if out.suffix == ".png":
        write_png(picture(measured), out)
    else:
        out.write_text(picture(measured), "utf-8")
    if chosen.out is None:
        fill(ROOT / "docs" / "performance.md", f"{markdown(measured)}\n\n{IMAGE}")


if __name__ == "__main__":
    main()
