"""Sequences that no training has shown are summed up as what they are."""

import numpy as np
import pytest

from benchmarks import new_sequences as module
from napari_midrl.data.sequence import SequenceKind
from napari_midrl.phantom.sequences import signal_tables, spin_echo
from napari_midrl.phantom.tissues import RELAXATION, Tissue
from napari_midrl.training.digital_patient import ALWAYS, OTHERS, REGIONAL


def test_the_new_sequences_are_in_no_training():
    learned = {*ALWAYS, *OTHERS, *REGIONAL}
    kinds = {c.kind for c in module.CONTRASTS.values() if c is not None}
    assert kinds == {SequenceKind.PD, SequenceKind.UNKNOWN}
    assert not kinds & learned


def test_an_inversion_nulls_what_has_half_recovered():
    t1 = 300.0
    null = t1 * np.log(2 / (1 + np.exp(-4000 / t1)))
    assert spin_echo(t1, 60, tr=4000, te=50, ti=null) == pytest.approx(0, abs=1e-9)
    assert spin_echo(1000, 60, tr=4000, te=50, ti=null) < 0
    long = spin_echo(t1, 60, tr=4000, te=50, ti=1e9)
    assert long == pytest.approx(np.exp(-50 / 60), rel=1e-4)


def test_stir_shows_muscle_and_not_fat():
    water, fat = signal_tables(module.CONTRASTS["STIR"], 3.0)
    signal = np.abs(water + fat)
    assert signal[Tissue.FAT] < 0.35 * signal[Tissue.MUSCLE]
    assert RELAXATION[Tissue.FAT].at(3.0)[0] < RELAXATION[Tissue.MUSCLE].at(3.0)[0]


def test_who_is_not_found_is_counted_and_not_measured():
    (row,) = module.summarized({"PD": [1.0, 3.0, np.inf, 2.0]})
    assert (row["n"], row["median_mm"], row["not_found"]) == (4, 2.0, 0.25)
