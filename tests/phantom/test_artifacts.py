"""Shifts have their size, swaps exchange, ghosts and distortions keep their place."""

from dataclasses import replace

import numpy as np
import pytest

from napari_midrl.data.sequence import SequenceKind
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.phantom import acquire as scanner
from napari_midrl.phantom.acquire import acquire
from napari_midrl.phantom.artifacts import (
    FAT_SHIFT_VOXELS,
    GHOST_SHARE,
    SEAM_SHARE,
    SWAP_SHARE,
    Artifacts,
    add_heart_ghosts,
    distort,
    draw_artifacts,
    shift_stations,
)
from napari_midrl.phantom.contrast import shifted, signal_image
from napari_midrl.phantom.patient import draw_patient
from napari_midrl.phantom.protocols import (
    prostate_protocols,
    protocol_grid,
    whole_body_protocols,
)
from napari_midrl.phantom.render import TissueMap, tissue_map
from napari_midrl.phantom.sequences import default_contrast, signal_tables
from napari_midrl.phantom.tissues import Tissue

N_DRAWN = 2000
NONE = Artifacts(1.0, None, 0, 0.0, 0.3, (0.0,) * 5, 0.0, 0.0)


@pytest.fixture(scope="module")
def coarse():
    """Return a patient, a coarse Dixon protocol, and the patient's tissue."""
    patient = draw_patient(3, "male")
    protocol = replace(whole_body_protocols(quick=True)[2], pixel_mm=6.0, slice_mm=20.0)
    return patient, protocol, tissue_map(patient, protocol_grid(patient, protocol))


def drawn_for(protocol):
    return [draw_artifacts(np.random.default_rng(n), protocol) for n in range(N_DRAWN)]


def test_every_artifact_has_its_share_and_size():
    t1w, _, dixon = whole_body_protocols()
    found = drawn_for(dixon)
    shares = {
        SWAP_SHARE: np.mean([a.swapped is not None for a in found]),
        GHOST_SHARE: np.mean([a.ghost_share > 0 for a in found]),
        SEAM_SHARE: np.mean([any(a.seam_shift_mm) for a in found]),
    }
    for share, mean in shares.items():
        assert abs(mean - share) < 3 * (share * (1 - share) / N_DRAWN) ** 0.5
    sizes = [a.fat_shift_voxels for a in found]
    assert FAT_SHIFT_VOXELS[0] <= min(sizes) < 0.52
    assert 1.95 < max(sizes) <= FAT_SHIFT_VOXELS[1]
    assert np.abs([a.seam_shift_mm for a in found]).max() <= 3
    assert all(a.gas_mm == 0 for a in found)
    assert all(a.swapped is None for a in drawn_for(t1w))


def test_a_displacement_of_fat_can_be_chosen_and_changes_nothing_else():
    t1w = whole_body_protocols()[0]
    chosen = replace(t1w, fat_shift_mm=-2 * t1w.pixel_mm)
    for drawn, fixed in zip(drawn_for(t1w)[:20], drawn_for(chosen)[:20], strict=True):
        assert fixed == replace(drawn, fat_shift_voxels=-2.0)


def test_only_diffusion_is_distorted():
    t2w, dwi = prostate_protocols()
    assert all(a.gas_mm == 0 for a in drawn_for(t2w)[:50])
    assert all(1 <= abs(a.gas_mm) <= 5 for a in drawn_for(dwi))


@pytest.mark.parametrize("voxels", [0.5, 1.0, 1.3, 2.0])
def test_fat_moves_towards_the_feet_by_its_shift(voxels):
    """Center of mass of a fat voxel in water; axis j of a coronal grid runs down."""
    label = np.full((1, 21, 1), Tissue.AIR, np.uint8)
    label[0, 10, 0] = Tissue.FAT
    none = np.zeros_like(label)
    grid = VoxelGrid(label.shape, np.diag([2.0, 2.0, 2.0, 1.0]))
    flat = none.view(np.int8)
    tissues = TissueMap(grid, label, none, none, flat, flat, none)
    water, fat = signal_tables(default_contrast(SequenceKind.T1W, 3.0), 3.0)
    row = signal_image(tissues, water * 0, fat, (1, voxels))[0, :, 0]

    assert (row * np.arange(21)).sum() / row.sum() == pytest.approx(10 + voxels)
    assert row.min() >= 0


def test_a_shift_repeats_the_end_and_does_not_wrap():
    np.testing.assert_allclose(
        shifted(np.array([1.0, 0, 0, 4.0]), 1.5, 0), [1.0, 1.0, 0.5, 0.0]
    )
    np.testing.assert_allclose(shifted(np.array([1.0, 2, 3]), -1, 0), [2, 3, 3])


@pytest.mark.parametrize("region", ["station", "left leg", "right leg"])
def test_a_swap_exchanges_water_and_fat_there_and_nowhere_else(
    coarse, monkeypatch, region
):
    def images(artifacts):
        monkeypatch.setattr(scanner, "draw_artifacts", lambda rng, of: artifacts)
        _, _, water, fat = acquire(*coarse)
        return np.stack([water.array, fat.array])

    plain = images(NONE)
    swapped = images(replace(NONE, swapped=region, swapped_station=2))
    there = (swapped != plain).any(axis=0)

    # Where both are equal a swap changes nothing.
    np.testing.assert_array_equal(swapped[:, there], plain[::-1, there])
    where = coarse[2].grid.to_lps_mm(np.argwhere(there))
    if region == "station":
        rows = np.argwhere(there)[:, 1]
        n = there.shape[1]
        assert rows.min() == 2 * n // 5
        assert rows.max() < 3 * n // 5
    else:
        side = 1 if region == "left leg" else -1
        middle = coarse[0].pose.offset_lps_mm[0]
        assert (side * (where[:, 0] - middle) > -15).all()
    assert 0.02 < there.mean() < 0.6


def test_ghosts_of_the_heart_lie_beside_it_on_the_phase_axis():
    axes = tuple(np.arange(-150, 150, 5, dtype=np.float32) for _ in range(3))
    signal = np.zeros((60, 60, 60), np.float32)
    signal[30, 30, 30] = 1.0
    found = replace(NONE, ghost_share=0.05, ghost_shift=0.25)
    add_heart_ghosts(signal, axes, np.zeros(3), found, 0)

    assert signal[30, 30, 30] == 1
    np.testing.assert_array_equal(
        np.argwhere(signal), [(15, 30, 30), (30, 30, 30), (45, 30, 30)]
    )
    np.testing.assert_allclose(signal[[15, 45], 30, 30], 0.05)


def test_stations_lie_beside_each_other_by_their_step():
    signal = np.zeros((21, 10, 1), np.float32)
    signal[10] = 1
    moved = shift_stations(signal, (3.0, -1.5), left_mm=1.5)
    centers = (moved[..., 0] * np.arange(21)[:, None]).sum(axis=0)

    np.testing.assert_allclose(centers, [12] * 5 + [9] * 5)


def test_distortion_keeps_the_sum_and_fades_away_from_gas():
    axes = tuple(np.arange(-120, 120, 4, dtype=np.float32) for _ in range(3))
    rng = np.random.default_rng(0)
    smooth = rng.random((60, 1, 60)).astype(np.float32)
    y = np.exp(-0.5 * (axes[1] / 40) ** 2).astype(np.float32)
    signal = smooth * y[None, :, None]
    moved = distort(signal, axes, np.zeros(3), replace(NONE, gas_mm=5.0), 1)

    np.testing.assert_allclose(moved.sum(axis=1), signal.sum(axis=1), rtol=0.02)
    assert np.abs(moved - signal)[30, :, 30].max() > 0.05 * signal[30, 30, 30]
    np.testing.assert_allclose(moved[:10], signal[:10], atol=1e-3)


def test_artifacts_do_not_shift_the_noise(coarse, monkeypatch):
    """Two runs with one seed differ by the artifact alone."""
    runs = []
    for region in (None, "left leg"):
        found = replace(NONE, swapped=region)
        monkeypatch.setattr(scanner, "draw_artifacts", lambda rng, of, f=found: f)
        runs.append(acquire(*coarse))
    for first, second in zip(runs[0][:2], runs[1][:2], strict=True):
        np.testing.assert_array_equal(first.array, second.array)
