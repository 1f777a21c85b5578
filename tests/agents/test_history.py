"""Tests for napari_midrl.agents.history."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_midrl.agents.history import (
    EMPTY,
    ScaleSchedule,
    append_frame,
    crop_frames,
    first_frames,
    isotropic_schedule,
    make_bank,
    roi_offsets,
    voxel_schedule,
)

SCHEDULE = voxel_schedule((3, 2, 1), (9, 3, 1))
RNG = np.random.default_rng(0)
IMAGES = [
    RNG.integers(1, 256, shape).astype(np.uint8)
    for shape in ((9, 12, 7), (20, 5, 11), (6, 6, 1))
]
BANK = make_bank(IMAGES, [(1, 1, 1)] * 3, [SCHEDULE] * 3)


@pytest.mark.parametrize(
    ("roi_size", "stride", "first", "end"),
    [
        (45, 1, -23, 22),
        (45, 2, -45, 45),
        (45, 3, -68, 67),
        (11, 1, -6, 5),
        (11, 2, -11, 11),
        (11, 3, -17, 16),
    ],
)
def test_the_roi_spans_the_published_voxels(roi_size, stride, first, end):
    """[first, end) from the published code, for both ROI sizes and all strides."""
    offsets = roi_offsets(roi_size, torch.tensor(stride))
    assert offsets.tolist() == list(range(first, end, stride))


def test_a_slice_shows_itself_at_every_stride():
    assert roi_offsets(1, torch.tensor([1, 2, 3])).tolist() == [[0], [0], [0]]


def naive_crop(image, frame, roi_size):
    """One ROI, one voxel after another."""
    out = np.zeros(roi_size, np.uint8)
    *center, scale = frame
    if scale == EMPTY:
        return out
    stride = (3, 2, 1)[scale]
    for place in np.ndindex(*roi_size):
        at = [
            c if n == 1 else c - (n * stride + 1) // 2 + p * stride
            for c, n, p in zip(center, roi_size, place, strict=True)
        ]
        if all(0 <= a < n for a, n in zip(at, image.shape, strict=True)):
            out[place] = image[tuple(at)]
    return out


@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_one_gather_cuts_what_a_loop_over_voxels_cuts(data):
    """Many volumes, positions, scales and empty frames in one call."""
    roi_size = data.draw(st.tuples(*[st.integers(1, 6)] * 3))
    volume_ids, frames = [], []
    for _ in range(data.draw(st.integers(1, 4))):
        volume = data.draw(st.integers(0, 2))
        volume_ids.append(volume)
        frames.append(
            [
                [data.draw(st.integers(0, n - 1)) for n in IMAGES[volume].shape]
                + [data.draw(st.integers(EMPTY, 2))]
                for _ in range(2)
            ]
        )
    cut = crop_frames(BANK, torch.tensor(volume_ids), torch.tensor(frames), roi_size)
    assert cut.shape == (len(frames), 2, *roi_size)
    for row, volume in enumerate(volume_ids):
        for column in range(2):
            expected = naive_crop(IMAGES[volume], frames[row][column], roi_size)
            np.testing.assert_array_equal(cut[row, column], expected)


def test_outside_the_image_is_zero_and_no_neighbor_volume():
    """At a corner of the middle volume, voxels of the others are next in memory."""
    position = torch.tensor([[[0, 0, 0, 2]], [[19, 4, 10, 2]]])
    cut = crop_frames(BANK, torch.tensor([1, 1]), position, (5, 5, 5))
    np.testing.assert_array_equal(cut[0, 0, :3], 0)
    np.testing.assert_array_equal(cut[0, 0, 3:, 3:, 3:], IMAGES[1][:2, :2, :2])
    np.testing.assert_array_equal(cut[1, 0, 4:], 0)


def test_a_history_grows_from_empty_oldest_first():
    """Missing frames are empty (zeros to the network), not the voxel (0, 0, 0)."""
    history = first_frames(torch.tensor([[4, 5, 6]]), 4)
    assert history[0, :, 3].tolist() == [EMPTY, EMPTY, EMPTY, 0]
    longer = append_frame(history, torch.tensor([[7, 5, 6]]), torch.tensor([1]))
    assert longer[0, -2:].tolist() == [[4, 5, 6, 0], [7, 5, 6, 1]]
    cut = crop_frames(BANK, torch.tensor([0]), history, (3, 3, 3))
    assert cut[0, :3].sum() == 0
    assert cut[0, 3].sum() > 0


def test_mm_schedules_take_about_equal_steps_on_thick_slices():
    """1.5625 x 1.5625 x 5 mm: 9 mm are 6 voxels in the slice and 2 slices."""
    schedule = isotropic_schedule((1.5625, 1.5625, 5), (3, 2, 1), (9, 3, 1))
    assert schedule.step_voxels == ((6, 6, 2), (2, 2, 1), (1, 1, 1))
    assert schedule.strides == ((2, 2, 1), (1, 1, 1), (1, 1, 1))


def test_schedules_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="got 1 and 2"):
        ScaleSchedule(((1, 1, 1),), ((1, 1, 1), (1, 1, 1)))
    with pytest.raises(ValueError, match="got 0"):
        voxel_schedule((1,), (0,))
    with pytest.raises(ValueError, match="0 and 0"):
        make_bank([], [], [])
    with pytest.raises(ValueError, match="same number of scales"):
        make_bank(IMAGES[:2], [(1, 1, 1)] * 2, [SCHEDULE, voxel_schedule((1,), (1,))])
