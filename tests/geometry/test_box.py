"""Boxes: corners, edges, and the closed forms of their overlap."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_midrl.geometry.box import BOX_EDGES, box_corners, box_overlap


@pytest.mark.parametrize(
    ("pixels", "dice", "iou"),
    [(0, 1, 1), (1, 0.978, 0.957), (3, 0.933, 0.875), (5, 0.889, 0.800), (45, 0, 0)],
)
def test_the_papers_boxes(pixels, dice, iou):
    """A box of 45 pixels, off along one axis."""
    got = box_overlap([pixels, 0], [45, 45])
    assert got == pytest.approx((dice, iou), abs=5e-4)


def test_three_axes_multiply():
    dice, iou = box_overlap([1, 2, 3], [10, 10, 10])
    assert dice == pytest.approx(0.9 * 0.8 * 0.7)
    assert iou == pytest.approx(0.504 / 1.496)


@settings(deadline=None, max_examples=40)
@given(st.tuples(*[st.integers(-12, 12)] * 3), st.tuples(*[st.integers(1, 10)] * 3))
def test_overlap_counts_voxels(offset, size):
    """The closed form against two boxes drawn into an array."""
    one, other = np.zeros((2, 40, 40, 40), dtype=bool)
    one[tuple(slice(14, 14 + s) for s in size)] = True
    other[
        tuple(slice(14 + o, 14 + o + s) for o, s in zip(offset, size, strict=True))
    ] = 1
    both, either = (one & other).sum(), (one | other).sum()
    dice, iou = box_overlap(offset, size)
    assert dice == pytest.approx(2 * both / (one.sum() + other.sum()))
    assert iou == pytest.approx(both / either)


def test_many_offsets_at_once():
    dice, iou = box_overlap(np.zeros((5, 4, 3)), [45, 45, 11])
    assert dice.shape == iou.shape == (5, 4)


def test_corners_and_edges_make_a_box():
    corners = box_corners([10, 20, 30], [2, 4, 6])
    expected = set(itertools.product((9, 11), (18, 22), (27, 33)))
    assert {tuple(c) for c in corners.tolist()} == expected
    assert len(BOX_EDGES) == 12
    lengths = np.linalg.norm(
        corners[BOX_EDGES[:, 0]] - corners[BOX_EDGES[:, 1]], axis=1
    )
    assert sorted(lengths) == [2] * 4 + [4] * 4 + [6] * 4


def test_boxes_of_many_agents_at_once():
    assert box_corners(np.zeros((6, 24, 3)), np.ones(3)).shape == (6, 24, 8, 3)
