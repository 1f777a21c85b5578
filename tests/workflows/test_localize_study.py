"""All images of an examination are searched, and one answer is given."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from napari_midrl.data.progress import Progress, finish
from napari_midrl.data.sequence import Sequence, SequenceKind
from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.study import Study
from napari_midrl.data.trajectory import LandmarkResult, Localization, SearchState
from napari_midrl.data.volume import Volume
from napari_midrl.errors import InputError, SearchError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.workflows import localize_study
from napari_midrl.workflows.localize_study import locate_in_study

GRID = VoxelGrid((40, 40, 40), np.eye(4))


def volume(name, kind, frame="1.2.3"):
    array = np.zeros((40, 40, 40), np.int16)
    image = Volume(array, GRID, name, Sequence(kind))
    return replace(image, frame_of_reference_uid=frame)


@dataclass
class Agents:
    """Find a heart as many mm to the left as the image's name has letters."""

    name: str = "agents 1"
    landmarks: tuple[str, ...] = ("heart",)
    fails_at: tuple[str, ...] = ()

    def localize(self, volume, settings):
        yield Progress(3, 7, "searching")
        if volume.name in self.fails_at:
            raise SearchError("it is constant")
        place = (float(len(volume.name)), 10.0, 10.0)
        result = LandmarkResult("heart", SearchState.FOUND, place, 1.0, 1.0, 9, 0.5)
        return Localization((result,), (), self.name, "ab" * 32, 1.0, "cpu")


@pytest.fixture
def agents(monkeypatch):
    chosen = Agents()

    def load_localizer(pack_name):
        yield Progress(0, 0, "loading the engine")
        return chosen

    monkeypatch.setattr(localize_study, "load_localizer", load_localizer)
    return chosen


STUDY = Study(
    "case 7",
    (volume("ADC", SequenceKind.ADC), volume("T2w ax", SequenceKind.T2W)),
)


def test_one_answer_from_all_images(agents):
    found = finish(locate_in_study(STUDY, "agents", SearchSettings()))
    (heart,) = found.results
    assert heart.position_lps_mm == pytest.approx((4.5, 10.0, 10.0))
    assert set(heart.agreeing) == {"ADC", "T2w ax"}
    assert [image.name for image, _ in found.searches] == ["ADC", "T2w ax"]
    assert found.left_out == ()
    landmarks = found.as_landmarks("case 7")
    assert landmarks.image_name == "T2w ax"
    assert landmarks.image_sha256 == STUDY["T2w ax"].content_hash
    assert landmarks.frame_of_reference_uid == "1.2.3"
    assert landmarks["heart"].description.startswith("2 of 2 images agree: ")


def test_progress_says_which_image(agents):
    reports = list(locate_in_study(STUDY, "agents", SearchSettings()))
    said = [(r.done, r.total, r.text) for r in reports]
    assert said[1:] == [(0, 2, "ADC: searching"), (1, 2, "T2w ax: searching")]


def test_images_of_another_frame_are_left_out(agents):
    other = volume("T1w", SequenceKind.T1W, frame="9.9")
    # T1w is what the study is searched in by default, so the others are elsewhere.
    study = Study("case 7", (*STUDY.volumes, other))
    found = finish(locate_in_study(study, "agents", SearchSettings()))
    assert [image.name for image, _ in found.searches] == ["T1w"]
    assert found.left_out == (
        "ADC: lies in another frame of reference",
        "T2w ax: lies in another frame of reference",
    )


def test_an_image_that_cannot_be_searched_does_not_stop_the_others(agents):
    agents.fails_at = ("T2w ax",)
    found = finish(locate_in_study(STUDY, "agents", SearchSettings()))
    assert found.left_out == ("T2w ax: it is constant",)
    assert found.reference.name == "ADC"
    assert found.results[0].n_showing == 1


def test_no_image_that_can_be_searched_is_an_error_with_all_causes(agents):
    agents.fails_at = ("ADC", "T2w ax")
    with pytest.raises(SearchError, match=r"ADC: it is constant; T2w ax: it is const"):
        finish(locate_in_study(STUDY, "agents", SearchSettings()))


def test_an_unknown_landmark_is_refused_once(agents):
    settings = SearchSettings(landmarks=("liver",))
    with pytest.raises(SearchError, match="do not know"):
        finish(locate_in_study(STUDY, "agents", settings))


def test_an_empty_study_is_refused(agents):
    with pytest.raises(InputError, match="holds no volume"):
        finish(locate_in_study(Study("case 7", ()), "agents", SearchSettings()))
