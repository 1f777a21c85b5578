"""Landmarks are cropped away from shipped agents: "not in this volume" is an answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_midrl.data.progress import finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.trajectory import SearchState
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.phantom.study import phantom_study
from napari_midrl.workflows.localize import locate

UNSEEN = 999_001
"""A digital patient of neither training, calibration nor tables."""

KNEES = ("left knee", "right knee")
SOUGHT = (*KNEES, "heart")
NEAR_MM = 15.0


@pytest.fixture(scope="module")
def patient():
    study, truth = finish(phantom_study(UNSEEN, quick=True))
    return study.volumes, {m.name: m.position_lps_mm for m in truth}


def above(volume, height_mm):
    """Return the part of a volume that lies higher than this, S mm."""
    grid = volume.grid
    axis = int(np.abs(grid.affine_lps[2, :3]).argmax())
    n = grid.shape_ijk[axis]
    ijk = np.zeros((n, 3))
    ijk[:, axis] = np.arange(n)
    kept = np.flatnonzero(grid.to_lps_mm(ijk)[:, 2] > height_mm)
    box = [slice(None)] * 3
    box[axis] = slice(kept[0], kept[-1] + 1)
    affine = grid.affine_lps.copy()
    affine[:3, 3] = grid.to_lps_mm(ijk[kept[0]])
    array = volume.array[tuple(box)]
    return replace(volume, array=array, grid=VoxelGrid(array.shape, affine))


def found_in(volume):
    settings = SearchSettings(landmarks=SOUGHT, device="cpu")
    return {
        r.name: r for r in finish(locate(volume, "digital-patient", settings)).results
    }


@pytest.mark.parametrize("cut_mm", [None, 150.0, 250.0, 350.0])
def test_knees_are_refused_where_they_are_cropped_away(patient, cut_mm):
    """And only there: the heart is found in every crop, and knees in the whole body."""
    volumes, places = patient
    top_knee = max(places[name][2] for name in KNEES)
    for volume in volumes:
        part = volume if cut_mm is None else above(volume, top_knee + cut_mm)
        shows = {name: bool(part.grid.contains(places[name])) for name in SOUGHT}
        assert shows == {"heart": True} | dict.fromkeys(KNEES, cut_mm is None)
        found = found_in(part)
        for name, is_shown in shows.items():
            if is_shown:
                assert found[name].state == SearchState.FOUND, (volume.name, name)
                error = np.subtract(found[name].position_lps_mm, places[name])
                assert np.linalg.norm(error) < NEAR_MM, (volume.name, name)
            else:
                assert found[name].state == SearchState.OUTSIDE, (volume.name, name)
                assert found[name].position_lps_mm is None
