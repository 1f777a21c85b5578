"""Draw what a training logged: loss per scale and learning rate.

    midrl train digital-patient --out runs/digital-patient
    python docs/make_curves.py runs/digital-patient/stage-*/log.jsonl \
        --recipe digital-patient --out docs/images/training-digital-patient.svg

An SVG follows the reader's light or dark theme; a PNG (needs the ``pyqt6`` extra) is
light. Lines are medians over some updates, bands the middle half of them. The learning
rate is drawn where the log has it, or where the checkpoint beside a whole log tells it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import tomllib
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open

from napari_midrl.agents.dense_scales import COARSE_SCALES, DETAIL, FINE
from napari_midrl.training.dense_loop import DenseTrainingSettings, learning_rate_at
from napari_midrl.workflows.train import RECIPES, config_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HALF_WINDOW = 50
N_POINTS = 700
LEFT, TOP, WIDTH, HEIGHT = 64, 74, 680, 330
RATE_HEIGHT, GAP, RIGHT, BOTTOM = 56, 26, 112, 52
SCALES = (*COARSE_SCALES, *FINE.scales, *DETAIL.scales)
# One hue per part of the network, coarse, fine, detail; the second scale is lighter.
LIGHT = ("#0060a0", "#4a9ad4", "#a83c00", "#dd8452", "#00674a", "#3fa883")
DARK = ("#6cb6ff", "#2f81d8", "#ffa670", "#d1672f", "#7fe0ba", "#2fa37c")
PAPER, INK, DIM, GRID = "#ffffff", "#1f2328", "#59636e", "#d8dee4"
DARK_PAPER, DARK_INK, DARK_DIM, DARK_GRID = "#0d1117", "#e6edf3", "#9198a1", "#30363d"


@dataclass(frozen=True)
class Stage:
    """What one stage logged; arrays have one row per update.

    Parameters
    ----------
    name
        For people.
    updates
        Numbers of the updates, from 1.
    losses
        By name in the log; NaN where a view had nothing to lose.
    rates
        Learning rates, None if nothing tells.
    """

    name: str
    updates: np.ndarray
    losses: dict[str, np.ndarray]
    rates: np.ndarray | None


@dataclass(frozen=True)
class Axes:
    """From updates and losses to places in the picture."""

    n_updates: int
    low: float
    high: float

    def x(self, update: float) -> float:
        return LEFT + WIDTH * update / self.n_updates

    def y(self, loss: float) -> float:
        share = math.log(loss / self.low) / math.log(self.high / self.low)
        return TOP + HEIGHT * (1 - share)


def read_stage(log: Path, number: int) -> Stage:
    """Return what a log says; of an update made twice, the second time."""
    entries: dict[int, dict[str, float]] = {}
    for line in log.read_text("utf-8").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue  # an interruption in the middle of a line
        entries[entry["update"]] = entry
    rows = [entries[update] for update in sorted(entries)]
    names = sorted({name for row in rows for name in row if name.startswith("loss_")})
    updates = np.array([row["update"] for row in rows])
    found = re.fullmatch(r"stage-(\d+)", log.parent.name)
    return Stage(
        f"stage {found[1] if found else number}",
        updates,
        {name: column(rows, name) for name in names or ["loss"]},
        rates_of(rows, updates, log.parent / "checkpoint.safetensors"),
    )


def column(rows: list[dict[str, float]], name: str) -> np.ndarray:
    return np.array([row.get(name, math.nan) for row in rows], dtype=float)


def rates_of(
    rows: list[dict[str, float]], updates: np.ndarray, checkpoint: Path
) -> np.ndarray | None:
    if "learning_rate" in rows[-1]:
        return column(rows, "learning_rate")
    try:
        with safe_open(checkpoint, "np") as file:
            settings = json.loads(file.metadata()["settings"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
    if settings["n_updates"] != updates[-1] or len(updates) != updates[-1]:
        return None  # a part, which may have had another schedule
    length, peak = settings["n_updates"], settings["learning_rate"]
    schedule = DenseTrainingSettings(n_updates=length, learning_rate=peak)
    return np.array([learning_rate_at(int(n) - 1, schedule) for n in updates])


def quartiles(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return lower quartile, median, upper quartile around places, shape (3, n)."""
    found = np.full((3, len(places)), np.nan)
    for index, place in enumerate(places):
        near = values[max(0, place - HALF_WINDOW) : place + HALF_WINDOW + 1]
        near = near[np.isfinite(near) & (near > 0)]
        if len(near):
            found[:, index] = np.percentile(near, [25, 50, 75])
    return found


def ticks(top: float, wanted: int) -> list[float]:
    """Return round numbers from 0 to a top."""
    rough = top / wanted
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * n for n in (1, 2, 5, 10) if unit * n >= rough)
    return [step * n for n in range(math.floor(top / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> Iterator[float]:
    for exponent in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        for digit in (1, 2, 5):
            tick = digit * 10.0**exponent
            if low <= tick <= high:
                yield tick


def label_of(name: str, base_mm: float | None) -> str:
    """Return what a loss is of: moves of how many mm."""
    if name == "loss":
        return "all agents"
    number = int(name.removeprefix("loss_"))
    step = SCALES[number].step
    # The coarser scale of the detail moves as far as the finer one before it.
    part = ", detail" if SCALES[number] in DETAIL.scales else ""
    return (
        f"{step:g} units{part}" if base_mm is None else f"{step * base_mm:g} mm{part}"
    )


def picture(stages: list[Stage], title: str, base_mm: float | None) -> str:
    """Return the SVG, light where no style sheet is understood."""
    names = sorted({name for stage in stages for name in stage.losses})
    starts = np.cumsum([0, *(stage.updates[-1] for stage in stages)])
    curves = {name: [] for name in names}
    for stage, start in zip(stages, starts, strict=False):
        n = max(2, round(N_POINTS * stage.updates[-1] / starts[-1]))
        places = np.unique(
            np.linspace(0, len(stage.updates) - 1, n).round().astype(int)
        )
        for name in stage.losses:
            x = start + stage.updates[places]
            curves[name].append((x, quartiles(stage.losses[name], places)))
    drawn = np.concatenate([q for parts in curves.values() for _, q in parts], axis=1)
    axes = Axes(int(starts[-1]), np.nanmin(drawn) / 1.15, np.nanmax(drawn) * 1.15)
    parts = [heading(title), *frame(axes, "steps" if "loss_0" in names else "")]
    parts += stage_marks(stages, starts, axes)
    for name in names:
        parts += curve(name, curves[name], axes)
    parts += labels(names, curves, axes, base_mm)
    has_rates = any(stage.rates is not None for stage in stages)
    bottom = TOP + HEIGHT
    if has_rates:
        parts += rate_panel(stages, starts, axes, bottom + GAP)
        bottom += GAP + RATE_HEIGHT
    parts += update_axis(axes, bottom)
    return svg(title, bottom + BOTTOM, parts)


def heading(title: str) -> str:
    about = f"median of {2 * HALF_WINDOW + 1} updates; band: the middle half of them"
    return text(LEFT, 22, title, "ink", size=15, weight="600") + text(
        LEFT, 40, about, "dim", size=11
    )


def frame(axes: Axes, unit: str) -> list[str]:
    parts = []
    for tick in log_ticks(axes.low, axes.high):
        y = axes.y(tick)
        parts.append(line(LEFT, y, LEFT + WIDTH, y, "grid"))
        parts.append(text(LEFT - 8, y + 4, f"{tick:g}", "dim", anchor="end"))
    about = "Huber loss of the Q-values" + (", in steps gained" if unit else "")
    parts.append(upright(18, TOP + HEIGHT / 2, about))
    return parts


def stage_marks(stages: list[Stage], starts: np.ndarray, axes: Axes) -> list[str]:
    parts = []
    for number, stage in enumerate(stages):
        x, end = axes.x(starts[number]), axes.x(starts[number + 1])
        if number:
            parts.append(line(x, TOP - 4, x, TOP + HEIGHT, "mark"))
        if end - x > 45:
            middle = (x + end) / 2
            parts.append(text(middle, TOP - 6, stage.name, "dim", anchor="middle"))
    return parts


def curve(
    name: str, parts: list[tuple[np.ndarray, np.ndarray]], axes: Axes
) -> Iterator[str]:
    """Yield band and line of one scale, one of each per stage."""
    which = color_class(name)
    for x, values in parts:
        known = np.isfinite(values[1])
        places = [axes.x(v) for v in x[known]]
        low, middle, high = ([axes.y(v) for v in row] for row in values[:, known])
        around = [
            *zip(places, high, strict=True),
            *zip(places[::-1], low[::-1], strict=True),
        ]
        yield (
            f'<path d="{path(around)}Z" class="f{which}" fill="{LIGHT[which]}" '
            'fill-opacity=".1" stroke="none"/>'
        )
        yield (
            f'<path d="{path(zip(places, middle, strict=True))}" class="s{which}" '
            f'fill="none" stroke="{LIGHT[which]}" stroke-width="1.8" '
            'stroke-linejoin="round"/>'
        )


def labels(
    names: list[str],
    curves: dict[str, list[tuple[np.ndarray, np.ndarray]]],
    axes: Axes,
    base_mm: float | None,
) -> list[str]:
    """Return names at the ends of lines, moved apart where these are close."""
    ends = []
    for name in names:
        # The last value there is, though the last stage may lack the scale.
        median = np.concatenate([values[1] for _, values in curves[name]])
        ends.append((axes.y(median[np.isfinite(median)][-1]), name))
    ends.sort()
    places = [y for y, _ in ends]
    for _ in range(200):
        for upper in range(len(places) - 1):
            short = 15 - (places[upper + 1] - places[upper])
            if short > 0:
                places[upper] -= short / 2
                places[upper + 1] += short / 2
    over = min(places) - 18
    x = LEFT + WIDTH + 10
    parts = [text(x, over + 4, "steps of", "dim")] if names != ["loss"] else []
    for y, (_, name) in zip(places, ends, strict=True):
        which = color_class(name)
        parts.append(
            f'<text x="{x}" y="{y + 4:.1f}" class="f{which}" fill="{LIGHT[which]}" '
            f'font-weight="600">{escape(label_of(name, base_mm))}</text>'
        )
    return parts


def rate_panel(
    stages: list[Stage], starts: np.ndarray, axes: Axes, top: float
) -> list[str]:
    known = [stage.rates for stage in stages if stage.rates is not None]
    peak = max(float(np.nanmax(rates)) for rates in known)
    bottom = top + RATE_HEIGHT

    def y(rate: float) -> float:
        return bottom - RATE_HEIGHT * rate / peak

    parts = []
    for tick in ticks(peak, 2):
        parts.append(line(LEFT, y(tick), LEFT + WIDTH, y(tick), "grid"))
        parts.append(text(LEFT - 8, y(tick) + 4, f"{tick:g}", "dim", anchor="end"))
    for number, stage in enumerate(stages):
        if number:
            x = axes.x(starts[number])
            parts.append(line(x, top, x, bottom, "mark"))
        if stage.rates is not None:
            every = max(1, len(stage.updates) // 200)
            pairs = zip(stage.updates[::every], stage.rates[::every], strict=True)
            points = [(axes.x(starts[number] + n), y(rate)) for n, rate in pairs]
            parts.append(
                f'<path d="{path(points)}" class="thin" fill="none" stroke="{DIM}" '
                'stroke-width="1.1"/>'
            )
    parts.append(text(LEFT + WIDTH + 10, top + 12, "learning", "dim"))
    parts.append(text(LEFT + WIDTH + 10, top + 26, "rate", "dim"))
    return parts


def update_axis(axes: Axes, bottom: float) -> list[str]:
    parts = [line(LEFT, bottom, LEFT + WIDTH, bottom, "axis")]
    for tick in ticks(axes.n_updates, 8):
        x = axes.x(tick)
        parts.append(line(x, bottom, x, bottom + 4, "axis"))
        parts.append(text(x, bottom + 18, f"{tick:,.0f}", "dim", anchor="middle"))
    about = "updates: one view, one gradient step each"
    parts.append(text(LEFT + WIDTH / 2, bottom + 38, about, "ink", anchor="middle"))
    return parts


def color_class(name: str) -> int:
    return 0 if name == "loss" else int(name.removeprefix("loss_")) % len(LIGHT)


def path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    stroke = {"grid": GRID, "mark": DIM, "axis": DIM}[kind]
    dashes = ' stroke-dasharray="3 3"' if kind == "mark" else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'class="{kind}" stroke="{stroke}"{dashes}/>'
    )


def text(
    x: float,
    y: float,
    words: str,
    kind: str,
    *,
    anchor: str = "start",
    size: int = 12,
    weight: str = "400",
) -> str:
    fill = {"ink": INK, "dim": DIM}[kind]
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" fill="{fill}" '
        f'text-anchor="{anchor}" font-size="{size}" font-weight="{weight}">'
        f"{escape(words)}</text>"
    )


def upright(x: float, y: float, words: str) -> str:
    return (
        f'<text transform="translate({x:.1f} {y:.1f}) rotate(-90)" class="ink" '
        f'fill="{INK}" text-anchor="middle">{escape(words)}</text>'
    )


def svg(title: str, height: float, parts: list[str]) -> str:
    width = LEFT + WIDTH + RIGHT
    colors = "".join(
        f".s{n}{{stroke:{color}}}.f{n}{{fill:{color}}}" for n, color in enumerate(DARK)
    )
    style = (
        "<style>@media(prefers-color-scheme:dark){"
        f".paper{{fill:{DARK_PAPER}}}.ink{{fill:{DARK_INK}}}.dim{{fill:{DARK_DIM}}}"
        f".grid{{stroke:{DARK_GRID}}}.mark,.axis,.thin{{stroke:{DARK_DIM}}}{colors}"
        "}</style>"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'aria-label="{escape(title)}" viewBox="0 0 {width} {height:g}" '
        f'width="{width}" height="{height:g}" font-size="12" '
        f"font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\">{style}"
        f'<rect width="{width}" height="{height:g}" class="paper" fill="{PAPER}"/>'
        + "\n".join(parts)
        + "</svg>\n"
    )


def write_png(content: str, out: Path) -> None:
    """Write the light picture at twice its size."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from qtpy.QtCore import QByteArray
    from qtpy.QtGui import QColor, QGuiApplication, QImage, QPainter
    from qtpy.QtSvg import QSvgRenderer

    app = QGuiApplication.instance() or QGuiApplication([])
    # Qt would take the colors of the dark theme for those of any.
    plain = re.sub(r"<style>.*?</style>", "", content)
    renderer = QSvgRenderer(QByteArray(plain.encode()))
    image = QImage(renderer.defaultSize() * 2, QImage.Format.Format_RGB32)
    image.fill(QColor(PAPER))
    painter = QPainter(image)
    renderer.render(painter)
    painter.end()
    assert image.save(str(out)), f"cannot write {out}"
    del app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", type=Path, nargs="+", metavar="LOG", help="log.jsonl")
    parser.add_argument("--out", type=Path, required=True, help=".svg or .png")
    parser.add_argument("--recipe", choices=sorted(RECIPES), help="whose steps in mm")
    parser.add_argument("--title", help="instead of the recipe's name")
    chosen = parser.parse_args()
    base_mm = None
    if chosen.recipe:
        config = tomllib.loads(config_text(chosen.recipe))
        base_mm = config.get("network", {}).get("base_mm")
    stages = [read_stage(log, n) for n, log in enumerate(chosen.logs, start=1)]
    title = chosen.title or f"Training of {chosen.recipe or 'agents'}"
    content = picture(stages, title, base_mm)
    if chosen.out.suffix == ".png":
        write_png(content, chosen.out)
    else:
        chosen.out.write_text(content, "utf-8")
    print(f"{chosen.out}: {', '.join(f'{s.name} {s.updates[-1]:,}' for s in stages)}")


if __name__ == "__main__":
    main()
