"""Walk through the two docks as a person would: python docs/make_walk.py.

Makes the picture strip docs/images/walk.jpg and, with ``--movie FILE``, a film of about
a minute. Every click and drag is a real event on the real window, every step is checked
before the next one. Computed patients only. Needs a display (or Xvfb) and the extras
``pyqt6`` and ``video``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import napari
import numpy as np
from film import FRAMES_PER_S, frame, schedule, strip
from hand import Hand
from napari.settings import get_settings
from walk_annotating import annotate
from walk_cases import make_cases
from walk_learning import learn
from window import wait

from napari_midrl.data.progress import finish
from napari_midrl.plugin.commands import ANNOTATE_DOCK
from napari_midrl.plugin.movie import write_movie
from napari_midrl.plugin.preferences import PLUGIN, use_by_default

IMAGES = Path(__file__).parent / "images"
STRIP = IMAGES / "walk.jpg"
WINDOW_SIZE = (1360, 900)
MOST_BYTES = 480_000
SEEDS = range(3000, 3006)


def main() -> None:
    """Walk, then write what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--movie", type=Path, help=".mp4, .gif or .webp; replaced")
    parser.add_argument("--minutes", type=int, default=12, help="of training")
    parser.add_argument("--strip", type=Path, default=STRIP)
    chosen = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="midrl-") as folder:
        # Agents and settings of whoever runs this are left alone.
        os.environ["XDG_DATA_HOME"] = folder
        get_settings(Path(folder) / "settings.yaml")
        hand = walk(Path(folder), chosen.minutes)
    write_strip(hand, chosen.strip)
    if chosen.movie is not None:
        write_film(hand, chosen.movie)
    print(f"{time.monotonic() - begun:.0f} s in all")


def walk(folder: Path, minutes: int) -> Hand:
    """Use both docks in a new window; return the hand that did, with what it saw."""
    cases = make_cases(folder / "cases", SEEDS)
    use_by_default("digital-patient")
    viewer = napari.Viewer(title="napari-midrl")
    viewer.window.resize(*WINDOW_SIZE)
    viewer.window.add_plugin_dock_widget(PLUGIN, ANNOTATE_DOCK)
    wait(2.0)
    hand = Hand(viewer)
    annotate(hand, cases)
    learn(hand, minutes)
    viewer.close()
    return hand


def write_strip(hand: Hand, path: Path) -> None:
    """Write the tiles as one picture that is small enough to be kept."""
    sheet = strip(hand.tiles)
    for quality in range(90, 40, -4):
        sheet.save(path, quality=quality, optimize=True, progressive=True)
        if path.stat().st_size <= MOST_BYTES:
            break
    print(f"{path}: {sheet.width} x {sheet.height}, {path.stat().st_size // 1000} kB")


def write_film(hand: Hand, path: Path) -> None:
    """Write what was seen as a film, captions below."""
    frames = schedule(hand.shots)
    finish(
        write_movie(
            path,
            frames,
            lambda n: np.asarray(frame(hand.shots[n])),
            overwrite=True,
            most_across=WINDOW_SIZE[0],
        )
    )
    seconds, size = len(frames) / FRAMES_PER_S, path.stat().st_size
    print(f"{path}: {seconds:.0f} s, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
