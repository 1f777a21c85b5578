"""Signal equations and kinetics against values worked out from the formulas."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_midrl.data.sequence import SequenceKind
from napari_midrl.phantom.kinetics import arterial_blood_mm, enhanced_t1_ms, tissue_mm
from napari_midrl.phantom.sequences import (
    adc_map,
    default_contrast,
    dixon_water_fat,
    fat_factor,
    signal_tables,
    spin_echo,
    spoiled_gradient_echo,
)
from napari_midrl.phantom.tissues import KINETICS, RELAXATION, Kinetics, Tissue


def test_the_arterial_peak_is_parkers():
    t_min = np.arange(0, 3, 0.0005)
    blood = arterial_blood_mm(t_min)

    assert blood.max() == pytest.approx(6.073, abs=0.002)
    assert t_min[blood.argmax()] * 60 == pytest.approx(10.35, abs=0.05)
    assert arterial_blood_mm(1.0) == pytest.approx(0.887, abs=0.001)
    assert arterial_blood_mm(5.0) == pytest.approx(0.452, abs=0.001)


def test_there_is_no_agent_before_it_arrives():
    np.testing.assert_array_equal(arterial_blood_mm([-1.0, -0.01]), 0)
    np.testing.assert_array_equal(tissue_mm([-1.0], Kinetics(0.3, 0.3, 0.1)), 0)


@pytest.mark.parametrize(
    ("field_tesla", "te", "magnitude", "degrees"),
    [
        (3.0, 1.15, 0.795, -176.4),
        (3.0, 1.23, 0.794, 170.1),
        (3.0, 2.30, 0.822, 6.5),
        (3.0, 2.46, 0.791, -17.2),
        (1.5, 2.39, 0.794, 176.0),
        (1.5, 4.40, 0.836, 21.1),
        (1.5, 4.77, 0.807, -6.0),
    ],
)
def test_six_fat_peaks_give_the_known_factor(field_tesla, te, magnitude, degrees):
    factor = fat_factor(te, field_tesla)

    assert abs(factor) == pytest.approx(magnitude, abs=0.001)
    turn = np.angle(factor * np.exp(-1j * np.radians(degrees)), deg=True)
    assert turn == pytest.approx(0, abs=0.15)


def test_half_water_half_fat_never_adds_up_to_one():
    """In phase the minor peaks still cancel some signal."""
    assert abs(0.5 + 0.5 * fat_factor(1.23, 3.0)) == pytest.approx(0.129, abs=0.001)
    assert abs(0.5 + 0.5 * fat_factor(2.46, 3.0)) == pytest.approx(0.886, abs=0.001)


@pytest.mark.parametrize(
    ("t1", "t2_star", "density", "settings", "signal"),
    [
        (290, 55, 0.90, {"tr": 200, "te": 4.4, "flip_deg": 90}, 0.414),
        (1266, 35, 0.80, {"tr": 200, "te": 4.4, "flip_deg": 90}, 0.103),
        (290, 55, 0.90, {"tr": 20, "te": 4, "flip_deg": 30}, 0.1455),
        (1266, 35, 0.80, {"tr": 20, "te": 4, "flip_deg": 30}, 0.0379),
    ],
)
def test_spoiled_gradient_echo_of_breast_tissue(t1, t2_star, density, settings, signal):
    found = density * spoiled_gradient_echo(t1, t2_star, **settings)
    assert found == pytest.approx(signal, abs=0.0006)


@pytest.mark.parametrize(
    ("tissue", "te", "signal"),
    [
        (Tissue.PROSTATE_PZ, 30, 0.635),
        (Tissue.PROSTATE_PZ, 100, 0.397),
        (Tissue.PROSTATE_TZ, 30, 0.600),
        (Tissue.PROSTATE_TZ, 100, 0.343),
        (Tissue.MUSCLE, 30, 0.359),
        (Tissue.MUSCLE, 100, 0.062),
        (Tissue.FAT, 30, 0.746),
        (Tissue.FAT, 100, 0.482),
        (Tissue.URINE, 30, 0.609),
        (Tissue.URINE, 100, 0.558),
    ],
)
def test_t2_weighted_signals_at_1_5_tesla(tissue, te, signal):
    row = RELAXATION[tissue]
    t1, t2, _ = row.at(1.5)
    found = row.proton_density * spin_echo(t1, t2, tr=3000, te=te)
    assert found == pytest.approx(signal, abs=0.001)


@pytest.mark.parametrize(
    ("tissue", "rises"),
    [
        (Tissue.TUMOR, (1.74, 1.82, 1.46)),
        (Tissue.BREAST_GLAND, (0.39, 0.52, 0.71)),
        (Tissue.MUSCLE, (0.42, 0.48, 0.43)),
    ],
)
def test_enhancement_after_one_two_and_five_minutes(tissue, rises):
    """The tumor washes out, the gland keeps rising."""
    t1, _, _ = RELAXATION[tissue].at(1.5)

    def signal(t1_ms):
        return spoiled_gradient_echo(t1_ms, 1e6, tr=20, te=4, flip_deg=30)

    for t_min, rise in zip((1, 2, 5), rises, strict=True):
        after = signal(float(enhanced_t1_ms(t1, t_min, KINETICS[tissue])))
        assert after / signal(t1) - 1 == pytest.approx(rise, abs=0.05)


@given(water=st.floats(0, 1), fat=st.floats(0, 1), adc=st.floats(100, 3500, width=32))
def test_dixon_and_diffusion_undo_what_the_signal_did(water, fat, adc):
    w, f = np.float32([water]), np.float32([fat])
    found_w, found_f = dixon_water_fat(w + f, np.abs(w - f), w - f)
    np.testing.assert_allclose([found_w[0], found_f[0]], [water, fat], atol=1e-6)

    b_values = (0.0, 400.0, 800.0)
    images = tuple(np.float32([np.exp(-b * adc * 1e-6)]) for b in b_values)
    np.testing.assert_allclose(adc_map(b_values, images), [adc], rtol=2e-3)


def test_water_and_fat_turn_against_each_other_in_opposed_phase():
    contrast = default_contrast(SequenceKind.DIXON_OPPOSED, 3.0)
    water, fat = signal_tables(contrast, 3.0)

    assert fat[Tissue.FAT].real < -0.04
    assert water[Tissue.MUSCLE].real > 0.02
    _, in_fat = signal_tables(default_contrast(SequenceKind.DIXON_IN, 3.0), 3.0)
    assert in_fat[Tissue.FAT].real > 0.04


def test_fat_suppression_and_diffusion_weighting_darken_what_they_should():
    plain = replace(default_contrast(SequenceKind.T2W_FS, 1.5), fat_residual=1.0)
    _, before = signal_tables(plain, 1.5)
    _, after = signal_tables(default_contrast(SequenceKind.T2W_FS, 1.5), 1.5)
    assert abs(after[Tissue.FAT]) == pytest.approx(0.1 * abs(before[Tissue.FAT]))

    weak = default_contrast(SequenceKind.DWI, 3.0)
    strong = replace(weak, b_value_s_mm2=800.0)
    ratio = [signal_tables(c, 3.0)[0][Tissue.PROSTATE_PZ].real for c in (strong, weak)]
    assert ratio[0] / ratio[1] == pytest.approx(np.exp(-0.8 * 1.68), rel=1e-4)


def test_every_tissue_has_a_source():
    assert set(RELAXATION) == set(Tissue) == set(KINETICS)
    assert all(row.source for row in RELAXATION.values())


def test_an_unknown_kind_lists_the_known_ones():
    with pytest.raises(ValueError, match="T1w"):
        default_contrast(SequenceKind.UNKNOWN, 3.0)
