"""Rows of the table before and after a fine-tuning."""

import json

import numpy as np
import pytest

from napari_midrl.evaluation.before_after import as_plain, rows_of
from napari_midrl.evaluation.findings import Finding
from napari_midrl.geometry.grid import VoxelGrid

GRID = VoxelGrid((9, 9, 9), np.eye(4))


def finding(landmark, error_mm, nearer_to=None):
    found = None if error_mm is None else (error_mm, 0.0, 0.0)
    return Finding(
        "case", "image", "T1w", landmark, GRID, (0.0, 0.0, 0.0), found, nearer_to
    )


FINDINGS = [
    finding("a", 1.0),
    finding("a", 5.0),
    finding("b", 30.0, nearer_to="a"),
    finding("b", None),
]


def test_there_is_a_row_per_landmark_and_one_of_all():
    a, b, everything = rows_of(FINDINGS, "held out", "after")
    assert (a.landmark, a.n, a.mean_mm, a.median_mm) == ("a", 2, 3.0, 3.0)
    assert (a.within_4_mm, a.within_10_mm, a.wrong) == (0.5, 1.0, 0.0)
    assert (b.n, b.n_missed, b.wrong, b.within_10_mm) == (2, 1, 0.5, 0.0)
    assert (everything.landmark, everything.wrong) == ("all", 0.25)
    assert everything.mean_mm == pytest.approx(12.0)


def test_nothing_found_gives_no_rows():
    assert rows_of([], "kept", "before") == ()


def test_rows_are_plain_numbers_for_json():
    (row, _) = rows_of([finding("b", None)], "kept", "before")
    plain = as_plain(row)
    assert plain["mean_mm"] is None
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
