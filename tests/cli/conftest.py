"""Small values, and stand-ins for the workflows that a command calls."""

import sys
from math import nan
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_midrl.cli.main import app
from napari_midrl.data.progress import Progress
from napari_midrl.data.sequence import Sequence, SequenceKind
from napari_midrl.data.study import Study
from napari_midrl.data.trajectory import LandmarkResult, Localization, SearchState
from napari_midrl.data.volume import Provenance, Volume
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.workflows.localize import as_landmarks


@pytest.fixture
def midrl():
    """Run the program in this process; the result has exit_code, stdout, stderr."""

    def run(*arguments):
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return run


@pytest.fixture
def stand_in(monkeypatch):
    """Put functions in the place of a module that a command imports when it runs."""

    def install(module, **functions):
        fake = ModuleType(module)
        vars(fake).update(functions)
        monkeypatch.setitem(sys.modules, module, fake)

    return install


@pytest.fixture
def make_volume():
    """Return a left-handed, anisotropic volume of the sequence asked for."""

    def make(name, kind=SequenceKind.T2W, warnings=(), **sequence):
        grid = VoxelGrid((4, 5, 6), np.diag([-0.625, 0.625, 3.6, 1.0]))
        array = np.arange(120, dtype=np.int16).reshape(4, 5, 6)
        provenance = Provenance(format="DICOM", warnings=tuple(warnings))
        return Volume(array, grid, name, Sequence(kind, **sequence), provenance)

    return make


@pytest.fixture
def study(make_volume):
    """Three volumes, the one to search by default not the first."""
    return Study(
        "case 7",
        (
            make_volume("ADC", SequenceKind.ADC),
            make_volume("DWI b=1400", SequenceKind.DWI, b_value_s_mm2=1400.0),
            make_volume("T2w", warnings=["one slice is missing at the end"]),
        ),
        ("skipped report.pdf: not an image",),
    )


@pytest.fixture
def study_file(tmp_path, stand_in, study):
    """A path that every command reads as the study above."""

    def load_study(paths):
        yield Progress(1, 1, f"read {len(paths)} file")
        return study

    stand_in("napari_midrl.workflows.load", load_study=load_study)
    path = tmp_path / "study.dcm"
    path.write_bytes(b"voxels")
    return path


@pytest.fixture
def agents(stand_in):
    """A stand-in for agents that find AC and not PC; it remembers what it was asked."""
    asked = SimpleNamespace(volume=None, pack=None, settings=None, finds_ac=True)

    def locate(volume, pack_name, settings):
        asked.volume, asked.pack, asked.settings = volume, pack_name, settings
        yield Progress(1, 2, "searching")
        found = SearchState.FOUND if asked.finds_ac else SearchState.NOT_CONVERGED
        where = (-1.25, 2.5, 3.75) if asked.finds_ac else None
        results = (
            LandmarkResult("AC", found, where, 0.5, 0.75, 12, 0.9),
            LandmarkResult("PC", SearchState.NOT_CONVERGED, None, nan, 0.0, 40),
        )
        return Localization(results, (), "test-agents 1", "ab" * 32, 1.5, "cpu")

    pack = SimpleNamespace(
        name="test-agents",
        title="Agents for tests",
        landmarks=("AC", "PC"),
        description="Two points of the brain.",
        card={"name": "test-agents", "measured": {"median_error_mm": 1.5}},
    )
    stand_in(
        "napari_midrl.workflows.localize",
        locate=locate,
        as_landmarks=as_landmarks,
        available_packs=lambda: (pack,),
        pack_info={"test-agents": pack}.__getitem__,
    )
    return asked
