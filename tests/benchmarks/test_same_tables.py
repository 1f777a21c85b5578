"""The comparison of two engines sees a table that differs."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.same_tables import compared
from napari_midrl.evaluation.findings import Finding
from napari_midrl.geometry.grid import VoxelGrid

GRID = VoxelGrid((90, 90, 30), np.diag([1.0, 1.0, 5.0, 1.0]))
TRUE, FOUND = (10.0, 10.0, 10.0), (13.0, 10.0, 10.0)
ONE = Finding("case", "T1w", "T1w", "heart", GRID, TRUE, FOUND)
NONE = replace(ONE, case="other", found_lps_mm=None)


def test_equal_findings_make_equal_tables():
    found = compared([ONE, NONE], [ONE, NONE])
    assert (found.n_findings, found.n_cells, found.n_states) == (2, 2, 0)
    assert (found.largest_mm, found.table_mm) == (0.0, 0.0)


def test_a_finding_that_moved_shows_in_the_table():
    moved = replace(ONE, found_lps_mm=(13.5, 10.0, 10.0))
    found = compared([ONE], [moved])
    assert found.largest_mm == pytest.approx(0.5)
    assert found.table_mm == pytest.approx(0.5)
    assert found.n_states == 0


def test_a_finding_in_one_table_alone_is_counted():
    found = compared([ONE, NONE], [ONE, replace(ONE, case="other")])
    assert found.n_states == 1
    assert np.isfinite(found.table_mm)
