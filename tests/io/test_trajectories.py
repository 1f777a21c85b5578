"""Walks of agents come back from their table to the last bit."""

import csv

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_midrl.data.trajectory import Trajectory
from napari_midrl.errors import LandmarkFileError, OverwriteError
from napari_midrl.io.trajectories import read_trajectories, write_trajectories

ACTIONS = ("L+", "L-", "P+", "P-", "S+", "S-")
ARRAYS = (
    "positions_lps_mm", "box_sizes_mm", "step_sizes_mm", "scales", "actions",
    "q_values", "endpoint_lps_mm",
)  # fmt: skip


def walk(n_steps=3, landmark="AC", start=0, seed=0, actions=ACTIONS):
    rng = np.random.default_rng(seed)
    return Trajectory(
        landmark=landmark,
        start=start,
        positions_lps_mm=rng.normal(0, 100, (n_steps + 1, 3)),
        box_sizes_mm=rng.uniform(10, 90, (n_steps + 1, 3)),
        step_sizes_mm=rng.uniform(0.3, 9, n_steps + 1),
        scales=rng.integers(0, 3, n_steps + 1),
        actions=rng.integers(0, len(actions), n_steps),
        q_values=rng.normal(size=(n_steps, len(actions))).astype(np.float32),
        action_names=actions,
        endpoint_lps_mm=rng.normal(0, 100, 3),
        terminated=bool(rng.integers(0, 2)),
    )


def assert_equal(left, right):
    assert (left.landmark, left.start) == (right.landmark, right.start)
    assert (left.terminated, left.action_names) == (
        right.terminated,
        right.action_names,
    )
    for name in ARRAYS:
        here, there = getattr(left, name), getattr(right, name)
        assert here.dtype == there.dtype
        np.testing.assert_array_equal(here, there)


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    lengths=st.lists(st.integers(0, 6), max_size=4),
    landmark=st.sampled_from(["AC", "left kidney", '=odd, "name"', "+x"]),
    actions=st.sampled_from([ACTIONS, ("+x", "-x")]),
)
def test_walks_come_back_equal(tmp_path, lengths, landmark, actions):
    walks = [
        walk(n, landmark, start, seed=n, actions=actions)
        for start, n in enumerate(lengths)
    ]
    write_trajectories(walks, tmp_path / "w.csv", overwrite=True)
    back = read_trajectories(tmp_path / "w.csv")
    assert len(back) == len(walks)
    for one, other in zip(walks, back, strict=True):
        assert_equal(one, other)


def test_there_is_one_row_per_position(tmp_path):
    one = walk(2)
    path = write_trajectories([one], tmp_path / "w.csv")
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows] == ["0", "1", "2"]
    assert float(rows[1]["p_mm"]) == one.positions_lps_mm[1, 1]
    assert float(rows[1]["box_s_mm"]) == one.box_sizes_mm[1, 2]
    assert rows[0]["action"] == ACTIONS[one.actions[0]]
    assert float(rows[0]["q S-"]) == one.q_values[0, 5]
    assert rows[2]["action"] == rows[2]["q S-"] == ""
    assert float(rows[2]["endpoint_l_mm"]) == one.endpoint_lps_mm[0]


def test_an_existing_table_is_kept(tmp_path):
    write_trajectories([walk()], tmp_path / "w.csv")
    with pytest.raises(OverwriteError, match=r"w\.csv"):
        write_trajectories([], tmp_path / "w.csv")
    assert len(read_trajectories(tmp_path / "w.csv")) == 1


def test_walks_of_different_games_do_not_share_a_table(tmp_path):
    with pytest.raises(ValueError, match="share their actions"):
        write_trajectories([walk(), walk(actions=("a",))], tmp_path / "w.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("step_mm,", "x,", "needs the columns"),
        ("AC,0,1,", "AC,0,7,", "line 3: expected step 1"),
        ("AC,0,0,", "AC,0,9,", "must begin at step 0"),
        (",true,", ",,", "terminated"),
        ("AC,0,1,", "PC,0,1,", "same walk"),
    ],
)
def test_malformed_tables_name_the_line(tmp_path, old, new, reason):
    path = write_trajectories([walk(seed=1)], tmp_path / "w.csv")
    text = path.read_text().replace(",false,", ",true,")
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(LandmarkFileError, match=reason):
        read_trajectories(path)
