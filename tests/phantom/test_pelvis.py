"""Hips, floor and prostate of the digital patient are where anatomy has them."""

import numpy as np
import pytest

from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.phantom.acquire import acquire
from napari_midrl.phantom.patient import draw_patient
from napari_midrl.phantom.pelvic_frame import pelvic_frame
from napari_midrl.phantom.pose import to_lps_mm
from napari_midrl.phantom.prostate import draw_nodules
from napari_midrl.phantom.protocols import prostate_protocols, protocol_grid
from napari_midrl.phantom.render import patient_landmarks, tissue_map
from napari_midrl.phantom.tissues import Tissue

BONE = [Tissue.CORTICAL_BONE, Tissue.RED_MARROW, Tissue.YELLOW_MARROW]


@pytest.fixture(scope="module")
def men():
    return [draw_patient(seed, "male") for seed in range(400)]


def block(center_lps_mm, size_mm, spacing_mm):
    """Return a grid about a point."""
    n = np.round(np.array(size_mm) / spacing_mm).astype(int)
    affine = np.diag([spacing_mm] * 3 + [1.0])
    affine[:3, 3] = np.array(center_lps_mm) - (n - 1) / 2 * spacing_mm
    return VoxelGrid((int(n[0]), int(n[1]), int(n[2])), affine)


def milliliters(gland):
    return 4.19e-3 * float(np.prod(gland.half_mm))


def tissue_at(patient, body_mm):
    middle = block(to_lps_mm(patient.pose, body_mm), (7.5,) * 3, 1.5)
    return Tissue(int(tissue_map(patient, middle).label[2, 2, 2]))


@pytest.mark.parametrize("seed", range(4))
def test_the_femoral_head_lies_in_its_socket(seed):
    """Marrow inside, a joint around it, and bone inwards and above, not below."""
    patient = draw_patient(seed)
    for leg in patient.legs:
        if leg.side in patient.anomalies.artificial_hips:
            continue
        x, y, z = leg.hip
        r = leg.head_radius_mm
        assert tissue_at(patient, leg.hip) == Tissue.YELLOW_MARROW
        inward, up = np.array([-leg.side, 0, 0.3]), np.array([-0.2 * leg.side, 0, 1])
        for way in (inward, up):
            beyond = np.array(leg.hip) + (r + 8) * way / np.linalg.norm(way)
            assert tissue_at(patient, tuple(beyond.tolist())) in BONE
        assert tissue_at(patient, (x, y, z - r - 9)) not in BONE


def test_the_symphysis_lies_ahead_of_the_prostate_as_the_specification_says(men):
    """25 to 35 mm, from the back of the bone to the middle of the gland."""
    for patient in men[:8]:
        frame, gland = pelvic_frame(patient), patient.prostate
        center = to_lps_mm(patient.pose, frame.symphysis)
        drawn = tissue_map(patient, block(center, (60, 60, 9), 1.5))
        bone = np.isin(drawn.label, BONE) & (drawn.other_share < 100)
        where = np.argwhere(bone)
        back_p = np.percentile(drawn.grid.to_lps_mm(where)[:, 1], 99)
        gap = patient_landmarks(patient)["prostate"][1] - back_p
        assert 23 < gap < 38
        assert gland.half_mm[1] < gap + 2


def test_the_prostate_lies_at_the_femoral_heads_or_a_little_below(men):
    below = [pelvic_frame(p).level_mm - p.prostate.center[2] for p in men]
    assert 5 < np.mean(below) < 20
    assert np.mean(np.array(below) > 30) < 0.02


def test_hyperplasia_comes_with_age(men):
    """The gland grows, its transition zone most, and nodules come with it."""
    young = [p for p in men if p.age_years < 40]
    old = [p for p in men if p.age_years > 65]
    volumes = [np.array([milliliters(p.prostate) for p in g]) for g in (young, old)]
    assert np.median(volumes[0]) < 30
    assert 38 < np.median(volumes[1]) < 65
    assert volumes[1].max() > 80
    assert volumes[1].std() > 3 * volumes[0].std()
    shares = [np.mean([p.prostate_tz_share for p in g]) for g in (young, old)]
    assert shares[1] > shares[0] + 0.12
    nodules = [
        np.mean([len(draw_nodules(p, p.prostate)) for p in group])
        for group in (young, old)
    ]
    assert nodules[1] > nodules[0] + 2


def test_the_peripheral_zone_is_brighter_than_the_transition_zone_and_stroma(men):
    """In T2w; and muscle is darker than either."""
    for patient in men[:3]:
        t2w, _ = prostate_protocols()
        grid = protocol_grid(patient, t2w)
        tissues = tissue_map(patient, grid)
        image = acquire(patient, t2w, tissues)[0].array.astype(float)
        center = grid.to_ijk(patient_landmarks(patient)["prostate"])
        index = np.indices(grid.shape_ijk).reshape(3, -1).T
        near = np.linalg.norm((index - center) * grid.spacing_mm, axis=1) < 45
        near = near.reshape(grid.shape_ijk)
        mean = {
            tissue: np.median(image[near & (tissues.label == tissue)])
            for tissue in (Tissue.PROSTATE_PZ, Tissue.PROSTATE_TZ, Tissue.MUSCLE)
        }
        assert mean[Tissue.PROSTATE_PZ] > 1.15 * mean[Tissue.PROSTATE_TZ]
        assert mean[Tissue.PROSTATE_TZ] > 1.5 * mean[Tissue.MUSCLE]


def test_muscle_and_fat_share_the_room_beside_the_prostate(men):
    """The gland does not float in a wide compartment of fat."""
    shares = []
    for patient in men[:5]:
        gland = patient.prostate
        x, y, z = gland.center
        center = to_lps_mm(patient.pose, (x, y, z))
        drawn = tissue_map(patient, block(center, (150, 9, 9), 1.5))
        lps = drawn.grid.to_lps_mm(np.indices(drawn.grid.shape_ijk).reshape(3, -1).T)
        off = np.abs(lps[:, 0] - center[0]) - gland.half_mm[0]
        beside = ((off > 2) & (off < 24)).reshape(drawn.label.shape)
        shares.append(np.mean(drawn.label[beside] == Tissue.MUSCLE))
    assert 0.4 < np.mean(shares) < 0.95
