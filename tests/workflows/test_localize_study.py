"""All images of an examination are searched, and one answer is given."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from napari_midrl.agents.dense_lookup import ACTION_NAMES
from napari_midrl.data.landmarks import LandmarkStatus
from napari_midrl.data.progress import Progress, SearchProgress, finish
from napari_midrl.data.sequence import Sequence, SequenceKind
from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.study import Study
from napari_midrl.data.trajectory import (
    LandmarkResult,
    Localization,
    SearchState,
    Trajectory,
)
from napari_midrl.data.volume import Provenance, Volume
from napari_midrl.errors import InputError, SearchError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.workflows import localize_study
from napari_midrl.workflows.localize_study import locate_in_study, of_one_examination

GRID = VoxelGrid((40, 40, 40), np.eye(4))


def volume(name, kind, frame="1.2.3"):
    array = np.zeros((40, 40, 40), np.int16)
    image = Volume(array, GRID, name, Sequence(kind))
    return replace(image, frame_of_reference_uid=frame)


def walk_to(place):
    """One step to the left ends there."""
    end = np.array(place)
    return Trajectory(
        landmark="heart",
        start=0,
        positions_lps_mm=np.stack([end - (1, 0, 0), end]),
        box_sizes_mm=np.full((2, 3), 20.0),
        step_sizes_mm=np.ones(2),
        scales=np.zeros(2, np.int64),
        actions=np.zeros(1, np.int64),
        q_values=np.zeros((1, 6), np.float32),
        action_names=ACTION_NAMES,
        endpoint_lps_mm=end,
        terminated=True,
    )


@dataclass
class Agents:
    """Find a heart as many mm to the left as the image's name has letters."""

    name: str = "agents 1"
    landmarks: tuple[str, ...] = ("heart",)
    fails_at: tuple[str, ...] = ()
    sure: dict[str, float] = field(default_factory=dict)
    finds: bool = True

    def localize(self, volume, settings):
        yield SearchProgress(3, 7, "searching", positions_lps_mm=np.zeros((1, 1, 3)))
        if volume.name in self.fails_at:
            raise SearchError("it is constant")
        place = (float(len(volume.name)), 10.0, 10.0)
        sure = self.sure.get(volume.name, 0.5)
        state = SearchState.FOUND if self.finds else SearchState.OUTSIDE
        result = LandmarkResult(
            "heart", state, place if self.finds else None, 1.0, 1.0, 9, sure
        )
        walks = (walk_to(place),)
        return Localization((result,), walks, self.name, "ab" * 32, 1.0, "cpu")


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
    # What stands for the examination comes first.
    assert [image.name for image, _ in found.searches] == ["T2w ax", "ADC"]
    assert found.left_out == ()
    landmarks = found.as_landmarks("case 7")
    assert landmarks.image_name == "T2w ax"
    assert landmarks.image_sha256 == STUDY["T2w ax"].content_hash
    assert landmarks.frame_of_reference_uid == "1.2.3"
    assert landmarks["heart"].description == "2 of 2 images agree: T2w ax, ADC"
    assert landmarks["heart"].rater == "agents 1"


def test_progress_says_which_image(agents):
    reports = list(locate_in_study(STUDY, "agents", SearchSettings()))
    said = [(r.done, r.total, r.text) for r in reports]
    assert said[1:] == [
        (3, 7, "T2w ax, 1 of 2: searching"),
        (3, 7, "ADC, 2 of 2: searching"),
    ]


def test_agents_are_shown_in_the_first_image_alone(agents):
    reports = list(locate_in_study(STUDY, "agents", SearchSettings()))
    shown = [r.text for r in reports if isinstance(r, SearchProgress)]
    assert shown == ["T2w ax, 1 of 2: searching"]


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
    assert found.as_localization().left_out == found.left_out
    assert found.reference.name == "ADC"
    assert found.results[0].n_showing == 1


def test_no_image_that_can_be_searched_is_an_error_with_all_causes(agents):
    agents.fails_at = ("ADC", "T2w ax")
    with pytest.raises(SearchError, match=r"T2w ax: it is constant; ADC: it is const"):
        finish(locate_in_study(STUDY, "agents", SearchSettings()))


def test_an_unknown_landmark_is_refused_once(agents):
    settings = SearchSettings(landmarks=("liver",))
    with pytest.raises(SearchError, match="do not know"):
        finish(locate_in_study(STUDY, "agents", settings))


def test_an_empty_study_is_refused(agents):
    with pytest.raises(InputError, match="holds no volume"):
        finish(locate_in_study(Study("case 7", ()), "agents", SearchSettings()))


def test_a_study_can_be_shown_as_one_search(agents):
    found = finish(locate_in_study(STUDY, "agents", SearchSettings()))
    one = found.as_localization()
    (heart,) = one.results
    assert heart.position_lps_mm == pytest.approx((4.5, 10.0, 10.0))
    assert (heart.state, heart.agreement) == (SearchState.FOUND, 1.0)
    assert (one.n_images, one.model_sha256) == (2, "ab" * 32)
    assert one.seconds == found.seconds


def test_a_study_shows_the_agents_of_the_surest_image(agents):
    agents.sure = {"ADC": 0.9}
    found = finish(locate_in_study(STUDY, "agents", SearchSettings()))
    walks = found.as_localization().trajectories
    assert [float(walk.endpoint_lps_mm[0]) for walk in walks] == [3.0]
    assert [walk.landmark for walk in walks] == ["heart"]


def test_what_no_image_shows_is_as_the_first_says(agents):
    agents.finds = False
    found = finish(locate_in_study(STUDY, "agents", SearchSettings()))
    (heart,) = found.as_localization().results
    landmark = found.as_landmarks()["heart"]
    assert landmark.status == LandmarkStatus.UNDEFINED
    assert landmark.description == "outside the volume"
    assert (heart.state, heart.agreement) == (SearchState.OUTSIDE, 0.0)
    assert (heart.agreement_text, heart.is_doubtful) == ("", False)


def test_what_fewer_than_half_of_the_images_agree_on_is_contested(agents):
    agents.sure = {"T2w ax": 0.9}
    # Names as long as this one put their hearts 20 and 40 mm away.
    far = [volume("T1w ax".ljust(n, "_"), SequenceKind.T1W) for n in (26, 46)]
    study = Study("case 7", (STUDY["T2w ax"], *far))
    found = finish(locate_in_study(study, "agents", SearchSettings()))
    (heart,) = found.as_localization().results
    assert heart.agreement_text == "1 of 3 images agree: T2w ax"
    assert (heart.is_contested, heart.is_unsure, heart.is_doubtful) == (1, 0, 1)


def test_the_volume_asked_for_stands_for_the_study(agents):
    adc = STUDY["ADC"]
    found = finish(locate_in_study(STUDY, "agents", SearchSettings(), adc))
    assert found.reference is adc
    assert found.searches[0][0] is adc


def read_from(name, source, frame=None):
    image = volume(name, SequenceKind.T2W, frame)
    return replace(image, provenance=Provenance(source=source))


@pytest.mark.parametrize(
    ("mine", "others", "beside"),
    [
        (read_from("a", "x/1.nii", "1.2"), [read_from("b", "y/2.nii", "1.2")], True),
        (read_from("a", "x/1.nii", "1.2"), [read_from("b", "x/2.nii", "3.4")], False),
        (read_from("a", "x/1.nii", "1.2"), [read_from("b", "x/2.nii")], False),
        (read_from("a", "x/1.nii"), [read_from("b", "x/2.nii")], True),
        (read_from("a", "x/1.nii"), [read_from("b", "y/2.nii")], False),
        (read_from("a", "phantom 3"), [read_from("b", "phantom 3")], True),
        (read_from("a", "phantom 3"), [read_from("b", "phantom 4")], False),
        (read_from("a", ""), [read_from("b", "")], False),
    ],
)
def test_images_of_two_patients_are_never_taken_together(mine, others, beside):
    together = of_one_examination([*others, mine], mine)
    assert together[0] is mine
    assert (len(together) == 2) == beside
