"""``midrl evaluate``: choices reach the workflow, and its answer is shown."""

import json

import numpy as np
import pytest

from napari_midrl.data.progress import Progress
from napari_midrl.data.sequence import SequenceKind
from napari_midrl.data.settings import SearchSettings
from napari_midrl.errors import InputError
from napari_midrl.evaluation.findings import Finding
from napari_midrl.evaluation.outcome import Evaluation, PackUsed
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.workflows import evaluate as workflow


@pytest.fixture
def measured(monkeypatch):
    """A stand-in for the measuring; it remembers what it was asked."""
    asked = {}
    grid = VoxelGrid((99, 99, 40), np.diag([1.0, 1.0, 2.0, 1.0]))

    def finding(case, landmark, found):
        names = (case, "T1w", "T1w", landmark)
        return Finding(*names, grid, (50.0, 50.0, 40.0), found)

    def evaluate(pack, data, settings, **choices):
        yield Progress(0, 1, "searching")
        asked.update(pack=pack, data=data, settings=settings, **choices)
        if data == "phantom:x":
            msg = "expected phantom:FIRST-LAST"
            raise InputError(msg)
        findings = [
            finding("a", "heart", (53.0, 54.0, 40.0)),
            finding("b", "heart", (50.0, 50.0, 40.0)),
            finding("a", "prostate", None),
        ]
        others = [finding("a", "heart", (50.0, 51.0, 40.0))]
        rival = choices["against"]
        return Evaluation(
            pack=PackUsed(pack, ""),
            against=None if rival is None else PackUsed(rival, ""),
            data=data,
            cases=("a", "b"),
            n_images=2,
            settings=settings,
            findings=tuple(findings),
            others=() if rival is None else tuple(others),
            worst=(),
            notes=("computed patients",),
        )

    monkeypatch.setattr(workflow, "evaluate", evaluate)
    return asked


def test_the_summary_is_printed(midrl, measured):
    result = midrl("evaluate", "mine", "phantom:0-1")

    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    # 3 and 4 mm in the slice: IoU of boxes with Dice 42/45 * 41/45, and 1.
    numbers = ["2", "2.5", "2.5", "2.5", "4.5", "100%", "0.87", "0.87", "0%", "0%"]
    assert ["heart", "T1w", *numbers, "0.0"] in rows
    missed = ["1", "-", "-", "-", "-", "0%", "0.00", "0.00", "0%", "100%", "-"]
    assert ["prostate", "T1w", *missed] in rows
    # One sequence: no landmark is shown twice.
    keys = [row[:3] for row in rows if row[1:2] in (["T1w"], ["all"])]
    assert keys == [
        ["heart", "T1w", "2"],
        ["prostate", "T1w", "1"],
        ["all", "all", "3"],
    ]
    assert "mine on phantom:0-1: 2 cases, 2 images" in result.stdout
    assert "Research use only; not a medical device" in result.stdout
    assert "warning: computed patients" in result.stderr


def test_choices_reach_the_workflow(midrl, measured):
    choices = ["--starts", 3, "--seed", 5, "--device", "cpu", "--against", "other"]
    several = ["--sequence", "t1W", "--sequence", "Dixon water", "--region", "breast"]
    several += ["--jobs", 2]

    result = midrl("evaluate", "mine", "phantom:7", *choices, *several)

    assert result.exit_code == 0, result.output
    assert measured == {
        "pack": "mine",
        "data": "phantom:7",
        "settings": SearchSettings(n_starts=3, seed=5, device="cpu"),
        "against": "other",
        "kinds": (SequenceKind.T1W, SequenceKind.DIXON_WATER),
        "regions": ("breast",),
        "n_jobs": 2,
    }


def test_a_comparison_is_printed(midrl, measured):
    result = midrl("evaluate", "mine", "x", "--against", "other")

    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["heart", "T1w", "1", "+4.0", "1"] in rows
    assert ["prostate", "T1w", "0", "-", "-"] in rows
    assert "mine against other on x" in result.stdout


def test_files_are_written(midrl, measured, tmp_path):
    files = [tmp_path / name for name in ("o.json", "o.html", "o.csv")]
    outputs = ["--json", files[0], "--html", files[1], "--csv", files[2]]

    result = midrl("evaluate", "mine", "x", *outputs)

    assert result.exit_code == 0, result.output
    assert all(file.exists() for file in files)
    assert str(files[1]) in result.stdout
    assert json.loads(files[0].read_text())["cells"][0]["landmark"] == "heart"
    assert midrl("evaluate", "mine", "x", *outputs).exit_code == 2
    assert midrl("evaluate", "mine", "x", *outputs, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["x", "--json", "no/such/folder.json"], "its folder does not exist"),
        (["phantom:x"], "expected phantom:FIRST-LAST"),
        (["x", "--sequence", "CT"], "'CT' is not one of"),
        (["x", "--starts", "0"], "--starts"),
    ],
)
def test_bad_requests_are_refused(midrl, measured, arguments, cause):
    result = midrl("evaluate", "mine", *arguments)

    assert result.exit_code == 2
    assert cause in result.stderr
    assert result.stdout == ""
    if "--json" in arguments:
        assert measured == {}
