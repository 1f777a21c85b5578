"""How fast a replay of 6 agents x 24 starts is drawn: python -m benchmarks.playback.

``update`` is the time of the napari calls for one step, ``frame`` adds the drawing of
the canvas. The numbers depend on the machine; without a GPU the drawing dominates.
"""

from __future__ import annotations

import argparse
import json
import time

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_midrl.data.playback import playback_of
from napari_midrl.data.trajectory import Trajectory
from napari_midrl.data.volume import Volume
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.plugin.colors import landmark_colors
from napari_midrl.plugin.orientation import AXIAL, THREE_D
from napari_midrl.plugin.planes import OrthoPlanes
from napari_midrl.plugin.scene import ReplayOptions, ReplayScene
from napari_midrl.plugin.views import show_standard_view
from napari_midrl.plugin.world import volume_layer

NAMES = tuple(f"landmark {n}" for n in range(6))
N_STARTS = 24


def random_walk(name: str, start: int, n_steps: int, rng) -> Trajectory:
    """Return a walk of unit steps."""
    steps = rng.normal(0, 2, (n_steps + 1, 3))
    positions = rng.uniform(-60, 60, 3) + np.cumsum(steps, axis=0)
    return Trajectory(
        landmark=name,
        start=start,
        positions_lps_mm=positions,
        box_sizes_mm=np.full((n_steps + 1, 3), 30.0),
        step_sizes_mm=np.ones(n_steps + 1),
        scales=np.zeros(n_steps + 1, np.int64),
        actions=rng.integers(0, 6, n_steps),
        q_values=rng.normal(0, 1, (n_steps, 6)).astype(np.float32),
        action_names=("L+", "L-", "P+", "P-", "S+", "S-"),
        endpoint_lps_mm=positions[-1],
        terminated=True,
    )


VIEWS = {view.name: view for view in (THREE_D, AXIAL)}


def measure(n_steps: int, n_frames: int, views=tuple(VIEWS)) -> list[dict[str, object]]:
    """Return median and worst milliseconds for every way of showing the search."""
    rng = np.random.default_rng(0)
    playback = playback_of(
        [random_walk(m, s, n_steps, rng) for m in NAMES for s in range(N_STARTS)]
    )
    colors = landmark_colors(NAMES)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -90
    array = rng.normal(100, 20, (90, 90, 90)).astype(np.float32)
    viewer = napari.Viewer()
    viewer.window.resize(1280, 860)
    data, options, _ = volume_layer(
        Volume(array, VoxelGrid(array.shape, affine), "volume")
    )
    layer = viewer.add_image(data, **options)
    planes = OrthoPlanes(viewer)
    planes.show(layer)
    rows = []
    for view in (VIEWS[name] for name in views):
        for title, start, boxes in (
            ("one start, trails and boxes", 0, True),
            ("all starts, trails, no boxes", None, False),
            ("all starts, trails and boxes", None, True),
        ):
            scene = ReplayScene(
                viewer, playback, colors, ReplayOptions(start=start, boxes=boxes)
            )
            scene.add()
            show_standard_view(viewer, view)
            QApplication.processEvents()
            rows.append(_times(viewer, scene, view.name, title, n_frames))
            scene.close()
    viewer.close()
    return rows


def _times(viewer, scene, view: str, title: str, n_frames: int) -> dict[str, object]:
    updates, frames = [], []
    for frame in range(1, n_frames + 1):
        began = time.perf_counter()
        scene.set_frame(frame)
        updates.append(1000 * (time.perf_counter() - began))
        viewer.screenshot(canvas_only=True, flash=False)
        frames.append(1000 * (time.perf_counter() - began))
    return {
        "view": view,
        "shown": title,
        "update_ms": round(float(np.median(updates)), 1),
        "update_ms_p95": round(float(np.percentile(updates, 95)), 1),
        "frame_ms": round(float(np.median(frames)), 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--view", choices=tuple(VIEWS), action="append")
    chosen = parser.parse_args()
    rows = measure(chosen.steps, chosen.frames, chosen.view or tuple(VIEWS))
    if chosen.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"6 agents x {N_STARTS} starts x {chosen.steps} steps, milliseconds")
    print(f"{'view':8} {'shown':32} {'update':>7} {'p95':>7} {'frame':>7}")
    for row in rows:
        print(
            f"{row['view']:8} {row['shown']:32} {row['update_ms']:7} "
            f"{row['update_ms_p95']:7} {row['frame_ms']:7}"
        )


if __name__ == "__main__":
    main()
