"""The walks of the agents as one CSV table, a row for every position."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.data.trajectory import Trajectory
from napari_midrl.errors import LandmarkFileError
from napari_midrl.io.atomic import write_text
from napari_midrl.io.tables import (
    finite,
    number_text,
    plain_text,
    read_table,
    safe_text,
    table_text,
)
from napari_midrl.io.untrusted import untrusted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

_POSITION = ("l_mm", "p_mm", "s_mm")
_BOX = ("box_l_mm", "box_p_mm", "box_s_mm")
_ENDPOINT = ("endpoint_l_mm", "endpoint_p_mm", "endpoint_s_mm")
COLUMNS = (
    "landmark", "start", "step", "scale", *_POSITION, "step_mm", *_BOX, "action",
    "terminated", *_ENDPOINT,
)  # fmt: skip
_Q = "q "


def write_trajectories(
    trajectories: Iterable[Trajectory], path: str | Path, overwrite: bool = False
) -> Path:
    """Write the walks as CSV, coordinates in LPS mm; return the path.

    The row of step t holds the position the agent was at, the action it took there and
    the Q-value of every action (columns ``q L+`` and so on). The last row of a walk
    has no action; it says whether the end rule was met and where the agent settled.

    Raises
    ------
    OverwriteError
        If the file exists and `overwrite` is false.
    ValueError
        If the walks do not share their actions.
    """
    walks = tuple(trajectories)
    actions = {walk.action_names for walk in walks}
    if len(actions) > 1:
        msg = f"trajectories of one file must share their actions, got {actions}"
        raise ValueError(msg)
    names = actions.pop() if actions else ()
    columns = (*COLUMNS, *(_Q + name for name in names))
    rows = [row for walk in walks for row in _rows(walk)]
    return write_text(path, table_text(columns, rows), overwrite)


def read_trajectories(path: str | Path) -> tuple[Trajectory, ...]:
    """Return the walks that `write_trajectories` wrote, equal to the last bit.

    Raises
    ------
    LandmarkFileError
        If columns are missing, a cell is wrong, or the steps do not count up.
    """
    path = Path(path)
    header, rows = read_table(path)
    missing = set(COLUMNS) - set(header)
    if missing:
        msg = f"a trajectory table needs the columns {sorted(missing)}"
        raise LandmarkFileError(msg, path)
    names = tuple(name[len(_Q) :] for name in header if name.startswith(_Q))
    with untrusted(path, LandmarkFileError):
        return tuple(_walk(part, names, path) for part in _parts(rows, path))


def _rows(walk: Trajectory) -> Iterator[dict[str, str]]:
    """Yield one row per position."""
    for step, position in enumerate(walk.positions_lps_mm):
        row = {
            "landmark": safe_text(walk.landmark),
            "start": str(walk.start),
            "step": str(step),
            "scale": str(int(walk.scales[step])),
            "step_mm": number_text(walk.step_sizes_mm[step]),
            **_named(_POSITION, position),
            **_named(_BOX, walk.box_sizes_mm[step]),
        }
        if step < walk.n_steps:
            row["action"] = safe_text(walk.action_names[walk.actions[step]])
            q_columns = [_Q + name for name in walk.action_names]
            row |= _named(q_columns, walk.q_values[step])
        else:
            row["terminated"] = "true" if walk.terminated else "false"
            row |= _named(_ENDPOINT, walk.endpoint_lps_mm)
        yield row


def _named(columns: Sequence[str], values: npt.NDArray[np.floating]) -> dict[str, str]:
    """Return numbers as cells under their columns."""
    return {
        column: number_text(value)
        for column, value in zip(columns, values, strict=True)
    }


def _parts(rows: list[dict[str, str]], path: Path) -> list[list[dict[str, str]]]:
    """Return the rows of each walk; every walk begins at step 0."""
    starts = [number for number, row in enumerate(rows) if row["step"] == "0"]
    if rows and (not starts or starts[0] != 0):
        msg = f"line {rows[0]['']}: a walk must begin at step 0"
        raise LandmarkFileError(msg, path)
    parts = [rows[low:high] for low, high in pairwise([*starts, len(rows)])]
    for part in parts:
        for step, row in enumerate(part):
            if row["step"] != str(step) or row["landmark"] != part[0]["landmark"]:
                msg = f"line {row['']}: expected step {step} of the same walk"
                raise LandmarkFileError(msg, path)
    return parts


def _walk(rows: list[dict[str, str]], names: tuple[str, ...], path: Path) -> Trajectory:
    """Return one walk."""

    def numbers(
        columns: Sequence[str], some: list[dict[str, str]]
    ) -> list[list[float]]:
        return [[finite(row, column, path) for column in columns] for row in some]

    moves, last = rows[:-1], rows[-1]
    if last["terminated"] not in {"true", "false"}:
        msg = f"line {last['']}: the last row of a walk must say if it terminated"
        raise LandmarkFileError(msg, path)
    actions = [names.index(plain_text(row["action"])) for row in moves]
    q_values = [[float(row[_Q + name]) for name in names] for row in moves]
    return Trajectory(
        landmark=plain_text(rows[0]["landmark"]),
        start=int(rows[0]["start"]),
        positions_lps_mm=np.array(numbers(_POSITION, rows)),
        box_sizes_mm=np.array(numbers(_BOX, rows)),
        step_sizes_mm=np.array(numbers(["step_mm"], rows))[:, 0],
        scales=np.array([int(row["scale"]) for row in rows], dtype=np.int64),
        actions=np.array(actions, dtype=np.int64),
        q_values=np.array(q_values, dtype=np.float32).reshape(-1, len(names)),
        action_names=names,
        endpoint_lps_mm=np.array(numbers(_ENDPOINT, [last]))[0],
        terminated=last["terminated"] == "true",
    )
