"""``midrl next-case``: the ranking is printed, worst first."""

import json
from pathlib import Path

import pytest

from napari_midrl.data.progress import Progress
from napari_midrl.evaluation.disagreement import LandmarkDoubt
from napari_midrl.workflows import rank_cases
from napari_midrl.workflows.rank_cases import RankedCase


@pytest.fixture
def ranked(monkeypatch):
    asked = {}

    def ranking(folder, pack_name, settings):
        yield Progress(0, 1, "searching")
        asked.update(folder=folder, pack=pack_name, settings=settings)
        doubt = LandmarkDoubt("heart", 3.25, 12.5, 2, 2)
        return (
            RankedCase("anna", Path("anna"), (doubt,)),
            RankedCase("bert", Path("bert"), (), "bert/x.nii.gz: is damaged"),
        )

    monkeypatch.setattr(rank_cases, "ranked_cases", ranking)
    return asked


def test_the_most_doubtful_case_is_named(midrl, ranked):
    result = midrl("next-case", "mine", "cases", "--landmark", "heart", "--starts", "4")
    assert result.exit_code == 0, result.output
    assert "annotate next: anna" in result.output
    assert "12.5" in result.output
    assert "is damaged" in result.output
    assert ranked["settings"].landmarks == ("heart",)
    assert ranked["settings"].n_starts == 4


def test_json_is_for_a_program(midrl, ranked):
    result = midrl("next-case", "mine", "cases", "--json")
    first, second = json.loads(result.stdout)
    assert first["doubt_mm"] == 12.5
    assert first["doubts"][0]["landmark"] == "heart"
    assert second["problem"]
