"""What a search looks like as napari layers; pure functions from values to arrays.

Layers of a replay are four-dimensional, (step, z, y, x), so napari's own step slider,
saving and undo work on them. Points and boxes are in mm with scale 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_midrl.data.playback import Playback, box_edges, box_outline
from napari_midrl.plugin.colors import Colors, color_of, rgba
from napari_midrl.plugin.names import ANCHOR, FONT_POINTS, Lead
from napari_midrl.plugin.world import (
    AXIS_LABELS,
    METADATA_KEY,
    STEP_AXIS_LABELS,
    STEP_UNITS,
    UNITS,
    LayerData,
    world_zyx_mm,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from napari.layers import Points

    from napari_midrl.data.landmarks import LandmarkSet

AGENT_SIZE_MM = 6.0
# Discs, not shaded spheres: napari lights those from behind where the depth axis
# points away from the viewer, as it does here, and they look black.
AGENT_SIZE_PIXELS = (12, 24)
LANDMARK_SIZE_MM = 8.0
LANDMARK_SIZE_PIXELS = (14, 24)
N_SPACES = 2
"""Between a landmark and its name."""
# Drawn without the depth test: otherwise the slice planes hide what is behind them.
BLENDING = "translucent_no_depth"


def agent_colors(
    playback: Playback, agents: npt.NDArray[np.int64], colors: Colors
) -> npt.NDArray[np.float64]:
    """Return one RGBA row per agent."""
    table = np.array([rgba(color_of(colors, name)) for name in playback.landmarks])
    chosen: npt.NDArray[np.float64] = table[playback.landmark_of_agent[agents]]
    return chosen


def with_steps(points_lps_mm: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return rows (step, z, y, x) of points with shape (n_agents, n_frames, 3)."""
    zyx = world_zyx_mm(points_lps_mm)
    steps = np.broadcast_to(
        np.arange(zyx.shape[1], dtype=np.float64)[None, :, None], (*zyx.shape[:2], 1)
    )
    rows: npt.NDArray[np.float32] = (
        np.concatenate([steps, zyx], axis=-1).reshape(-1, 4).astype(np.float32)
    )
    return rows


def agents_layer(
    playback: Playback, agents: npt.NDArray[np.int64], colors: Colors
) -> LayerData:
    """Return the agents as spheres, one per agent and frame; rows agent by agent."""
    rows = with_steps(playback.positions_lps_mm[agents])
    per_row = np.repeat(
        agent_colors(playback, agents, colors), playback.n_frames, axis=0
    )
    options = _step_options("agents") | {
        "size": AGENT_SIZE_MM,
        "canvas_size_limits": AGENT_SIZE_PIXELS,
        "face_color": per_row,
        # In 3D napari paints a border even where it has no width.
        "border_color": per_row,
        "border_width": 0,
        "projection_mode": "all",
    }
    return rows, options, "points"


def box_lines(
    center: npt.ArrayLike, size: npt.ArrayLike, normal: int | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return begin and direction of twelve lines per box; see `box_vectors`."""
    if normal is None:
        return box_edges(center, size)
    return box_outline(center, size, normal)


def box_vectors(
    playback: Playback, agents: npt.NDArray[np.int64], *, normal: int | None = None
) -> npt.NDArray[np.float32]:
    """Return twelve lines per agent and frame; shape (n, 2, 4), axes (step, z, y, x).

    Rows run agent by agent, frame by frame, line by line.

    Parameters
    ----------
    playback, agents
        What to draw.
    normal
        None for the edges in space; 0, 1, 2 for the outline where the sagittal,
        coronal or axial slice through the agent cuts its box. On a slice, a box is
        then seen wherever its agent is.
    """
    begin, along = box_lines(
        playback.positions_lps_mm[agents], playback.box_sizes_mm[agents], normal
    )
    n_agents, n_frames = begin.shape[:2]
    vectors = np.zeros((n_agents, n_frames, 12, 2, 4), dtype=np.float32)
    vectors[..., 0, 0] = np.arange(n_frames)[None, :, None]
    vectors[..., 0, 1:] = world_zyx_mm(begin)
    vectors[..., 1, 1:] = world_zyx_mm(along)
    return vectors.reshape(-1, 2, 4)


def boxes_layer(
    playback: Playback,
    agents: npt.NDArray[np.int64],
    colors: Colors,
    *,
    normal: int | None = None,
    line_mm: float = 1.0,
) -> LayerData:
    """Return what the agents see, as wireframe boxes with lines this thick."""
    per_agent = agent_colors(playback, agents, colors)
    options = _step_options("fields of view") | {
        "edge_color": np.repeat(per_agent, playback.n_frames * 12, axis=0),
        "edge_width": line_mm,
        "vector_style": "line",
        "opacity": 0.9,
        "projection_mode": "all",
    }
    return box_vectors(playback, agents, normal=normal), options, "vectors"


def trail_rows(
    playback: Playback, agents: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Return rows (track id, step, z, y, x), up to the frame where an agent settles."""
    rows = with_steps(playback.positions_lps_mm[agents])
    ids = np.repeat(agents, playback.n_frames)
    walking = rows[:, 0] <= np.repeat(playback.n_positions[agents], playback.n_frames)
    tracks: npt.NDArray[np.float32] = np.column_stack([ids, rows])[walking].astype(
        np.float32
    )
    return tracks


def trails_layer(
    playback: Playback,
    agents: npt.NDArray[np.int64],
    colors: Colors,
    *,
    tail_length: int,
) -> LayerData:
    """Return the ways the agents came, fading with age."""
    rows = trail_rows(playback, agents)
    n = max(len(playback.landmarks) - 1, 1)
    # napari looks colors up from 0 to 1 without scaling the property itself.
    shade = playback.landmark_of_agent[rows[:, 0].astype(int)] / n
    options = _step_options("trails") | {
        "properties": {"landmark": shade},
        "color_by": "landmark",
        "colormaps_dict": {"landmark": trail_colormap(playback.landmarks, colors)},
        "tail_length": tail_length,
        "tail_width": 3,
        "head_length": 0,
        "opacity": 0.9,
    }
    return rows, options, "tracks"


def trail_colormap(names: Sequence[str], colors: Colors) -> Any:
    """Return a colormap whose value n / (n_names - 1) is the color of name n."""
    from napari.utils import Colormap

    table = [rgba(color_of(colors, name)) for name in names]
    table = table * 2 if len(table) == 1 else table
    return Colormap(table, name="midrl landmarks")


def landmarks_layer(landmarks: LandmarkSet, colors: Colors, *, name: str) -> LayerData:
    """Return the placed landmarks as stars with names; others stay in the metadata."""
    placed = [m for m in landmarks if m.position_lps_mm is not None]
    data = world_zyx_mm(
        np.array([m.position_lps_mm for m in placed]).reshape(-1, 3)
    ).astype(np.float64)
    faces = [rgba(color_of(colors, m.name)) for m in placed]
    options = {
        "name": name,
        "units": UNITS,
        "axis_labels": AXIS_LABELS,
        "features": {
            "label": [m.name for m in placed],
            "confidence": [
                np.nan if m.confidence is None else m.confidence for m in placed
            ],
        },
        # Leading spaces keep the name clear of star and box at any zoom.
        "text": text_options(Lead(N_SPACES).of("{label}"))
        | {"color": {"array": faces or [rgba("#FFFFFF")], "default": "white"}},
        "face_color": faces or "white",
        # In 3D napari paints the whole of a star in the color of its border.
        "border_color": faces or "white",
        "border_width": 0,
        "symbol": "star",
        "size": LANDMARK_SIZE_MM,
        "canvas_size_limits": LANDMARK_SIZE_PIXELS,
        "blending": BLENDING,
        "projection_mode": "all",
        "metadata": {METADATA_KEY: {"landmarks": landmarks}},
    }
    return data, options, "points"


def text_options(string: str) -> dict[str, Any]:
    """Return how napari writes beside points, so that `names.Names` can part it."""
    return {
        "string": string,
        "size": FONT_POINTS,
        "color": "white",
        "anchor": ANCHOR,
        "blending": BLENDING,
    }


def show_points(layer: Points, shown: Sequence[bool]) -> None:
    """Show these points of a layer and no others."""
    layer.shown = list(shown)
    # In 3D napari 0.9 draws points that are not shown; so they turn transparent too.
    for colors in ("face_color", "border_color"):
        rows = np.array(getattr(layer, colors))
        rows[:, 3] = np.asarray(shown, dtype=float)
        setattr(layer, colors, rows)


def _step_options(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "units": STEP_UNITS,
        "axis_labels": STEP_AXIS_LABELS,
        "blending": BLENDING,
        "metadata": {METADATA_KEY: {"role": name}},
    }
