"""What each command does, and what it refuses."""

import pytest

from napari_midrl.annotation.commands import (
    Accept,
    AddProposals,
    Delete,
    Hide,
    Lock,
    Move,
    NudgeAndAccept,
    Place,
    Reject,
    Rename,
    Reorder,
    Several,
    Show,
    Skip,
    Unlock,
    Unskip,
)
from napari_midrl.annotation.history import History
from napari_midrl.annotation.imports import Conflicts, Import, Strangers
from napari_midrl.data.annotations import (
    AnnotatedLandmark,
    AnnotationCount,
    AnnotationSet,
    Proposal,
    new_annotations,
)
from napari_midrl.data.landmarks import Landmark, LandmarkSource, LandmarkStatus
from napari_midrl.data.protocol import LandmarkProtocol, ProtocolLandmark
from napari_midrl.errors import EditError, LockedError

PROTOCOL = LandmarkProtocol("abc", "ABC", tuple(map(ProtocolLandmark, "abc")))
EMPTY = new_annotations(PROTOCOL)
HERE, THERE = (1.0, -2.0, 3.5), (4.0, 5.0, 6.0)
GUESS = Proposal(THERE, "agents 1.0", 0.25, "ab" * 32)


def after(*commands, start=EMPTY):
    for command in commands:
        start = command.apply(start)
    return start


def states(annotations):
    return [annotations.state_of(name).value for name in annotations.names]


# --- a reader's own landmarks ----------------------------------------------------


def test_a_new_set_waits_for_every_landmark_of_the_protocol():
    assert EMPTY.names == PROTOCOL.names
    assert states(EMPTY) == ["undefined"] * 3
    assert EMPTY.progress.text == "0 of 3"


def test_a_placed_landmark_is_the_readers():
    a = after(Place("a", HERE))["a"]

    assert a.position_lps_mm == HERE
    assert (a.source, a.model, a.confidence) == (LandmarkSource.HUMAN, "", None)


def test_the_whole_way_of_one_landmark():
    way = [Skip("a"), Unskip("a"), Place("a", HERE), Move("a", THERE), Delete("a")]
    seen, now = [], EMPTY
    for command in way:
        now = command.apply(now)
        seen.append(states(now)[0])

    assert seen == ["skipped", "undefined", "placed", "placed", "undefined"]
    assert now == EMPTY


def test_placing_a_skipped_landmark_takes_it_up_again():
    a = after(Skip("a"), Place("a", HERE))["a"]

    assert a.is_placed
    assert not a.is_skipped


@pytest.mark.parametrize(
    ("before", "command", "cause"),
    [
        ([Place("a", HERE)], Place("a", THERE), "placed already"),
        ([], Move("a", HERE), "no position yet"),
        ([], Delete("a"), "no position"),
        ([Skip("a")], Delete("a"), "no position"),
        ([Place("a", HERE)], Skip("a"), "is placed"),
        ([], Rename("a", "b"), "called 'b' already"),
        ([], Reorder("a", 3), "places 1 to 3, not 4"),
        ([], Reorder("a", -1), "places 1 to 3, not 0"),
        ([], Accept("a"), "no proposal for 'a'"),
        ([], Reject("a"), "no proposal for 'a'"),
        ([], NudgeAndAccept("a", HERE), "no proposal for 'a'"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(before, command, cause):
    history = History(after(*before))

    with pytest.raises(EditError, match=cause):
        history.apply(command)
    assert history.done == ()


@pytest.mark.parametrize(
    "command",
    [
        Place("x", HERE), Move("x", HERE), Delete("x"), Rename("x", "y"), Skip("x"),
        Unskip("x"), Lock("x"), Unlock("x"), Hide("x"), Show("x"), Reorder("x", 0),
        AddProposals({"x": GUESS}), Accept("x"), NudgeAndAccept("x", HERE), Reject("x"),
        Import((Landmark("x", HERE),)),
    ],
    ids=lambda command: type(command).__name__,
)  # fmt: skip
def test_an_unknown_landmark_is_named(command):
    with pytest.raises(EditError, match="'x'"):
        command.apply(EMPTY)


LOCKED = after(
    Place("a", HERE), AddProposals({"a": GUESS, "b": GUESS}), Lock("a"), Lock("b")
)


@pytest.mark.parametrize(
    "command",
    [
        Move("a", THERE), Delete("a"), Rename("a", "z"), Skip("a"), Place("b", HERE),
        Skip("b"), Unskip("b"), Accept("a", replace_placed=True), Accept("b"),
        NudgeAndAccept("b", HERE), Import((Landmark("b", HERE),)),
        Import((Landmark("a", THERE),), Conflicts.REPLACE),
    ],
    ids=str,
)  # fmt: skip
def test_nothing_changes_a_locked_landmark(command):
    with pytest.raises(LockedError, match=r"is locked and was not .*; unlock"):
        command.apply(LOCKED)


def test_a_locked_landmark_can_be_hidden_reordered_and_unlocked():
    done = after(
        Hide("a"), Reorder("a", 2), Unlock("a"), Move("a", THERE), start=LOCKED
    )

    assert done.names == ("b", "c", "a")
    assert done["a"].position_lps_mm == THERE


def test_reorder_and_rename_keep_what_the_protocol_calls_it():
    done = after(Rename("c", "the third"), Reorder("the third", 0))

    assert done.names == ("the third", "a", "b")
    assert [m.protocol_name for m in done.landmarks] == ["c", "a", "b"]


@pytest.mark.parametrize("bad", [(1, 2), (1, 2, float("nan")), (1, 2, float("inf"))])
@pytest.mark.parametrize("command", [Place, Move, NudgeAndAccept])
def test_a_position_is_three_finite_numbers(command, bad):
    with pytest.raises(ValueError, match="3 finite mm"):
        command("a", bad)


def test_several_commands_are_one_step_or_none():
    both = Several((Place("a", HERE), Place("b", THERE)), "place two")
    history = History(EMPTY).apply(both)

    assert len(history.done) == 1
    assert history.undo().current is EMPTY
    with pytest.raises(EditError):
        History(EMPTY).apply(Several((Place("a", HERE), Move("b", HERE)), "fails"))


# --- what comes next -------------------------------------------------------------


def test_the_next_landmark_is_the_first_that_still_waits():
    assert EMPTY.next_to_place() == "a"
    assert after(Place("a", HERE)).next_to_place() == "b"
    assert after(Skip("a"), Lock("b")).next_to_place() == "c"
    assert after(Reorder("c", 0)).next_to_place() == "c"


def test_the_next_landmark_after_one_goes_round():
    assert EMPTY.next_to_place(after="a") == "b"
    assert EMPTY.next_to_place(after="c") == "a"
    assert after(Place("b", HERE), Place("c", HERE)).next_to_place(after="a") == "a"
    assert after(*(Skip(n) for n in "abc")).next_to_place() is None
    with pytest.raises(KeyError, match="'x'"):
        EMPTY.next_to_place(after="x")


def test_progress_counts_what_the_reader_said_and_no_proposal():
    now = after(Place("a", HERE), Skip("b"), AddProposals({"c": GUESS}))

    assert now.progress == AnnotationCount(1, 1, 3)
    assert now.progress.text == "1 of 3, 1 skipped"
    assert not now.progress.is_done
    assert after(Skip("c"), start=now).progress.is_done


# --- proposals -------------------------------------------------------------------


def test_a_proposal_is_no_landmark():
    now = after(AddProposals({"a": GUESS}))

    assert now.landmarks == EMPTY.landmarks
    assert states(now) == ["proposed", "undefined", "undefined"]
    assert now.next_to_place() == "a"


def test_what_the_reader_says_goes_before_a_proposal():
    now = after(AddProposals({"a": GUESS, "b": GUESS}), Place("a", HERE), Skip("b"))

    assert states(now)[:2] == ["placed", "skipped"]
    assert set(now.proposals) == {"a", "b"}


def test_an_accepted_proposal_says_whose_it_was():
    now = after(AddProposals({"a": GUESS}), Accept("a"))

    assert now["a"] == AnnotatedLandmark(
        "a",
        "a",
        THERE,
        source=LandmarkSource.MODEL,
        model="agents 1.0",
        confidence=0.25,
    )
    assert not now.proposals


def test_a_corrected_proposal_is_the_readers_but_remembers_the_model():
    now = after(AddProposals({"a": GUESS}), NudgeAndAccept("a", HERE))

    assert now["a"].position_lps_mm == HERE
    assert now["a"].source == LandmarkSource.HUMAN
    assert (now["a"].model, now["a"].confidence) == ("agents 1.0", None)


def test_moving_an_accepted_landmark_makes_it_the_readers():
    accepted = after(AddProposals({"a": GUESS}), Accept("a"))
    moved = after(Move("a", HERE), start=accepted)["a"]

    assert moved == after(AddProposals({"a": GUESS}), NudgeAndAccept("a", HERE))["a"]


def test_a_placed_landmark_is_replaced_only_when_the_reader_says_so():
    now = after(Place("a", HERE), AddProposals({"a": GUESS}))

    with pytest.raises(EditError, match="placed already"):
        Accept("a").apply(now)
    assert Accept("a", replace_placed=True).apply(now)["a"].position_lps_mm == THERE


def test_a_rejected_proposal_is_gone_and_nothing_else():
    now = after(AddProposals({"a": GUESS, "b": GUESS}), Reject("a"))

    assert list(now.proposals) == ["b"]
    assert now.landmarks == EMPTY.landmarks


def test_newer_proposals_replace_older_ones_of_the_same_name():
    newer = Proposal(HERE, "agents 2.0")
    both = {"a": GUESS, "b": GUESS}
    now = after(AddProposals(both), AddProposals({"a": newer}))

    assert dict(now.proposals) == {"a": newer, "b": GUESS}


def test_a_renamed_landmark_keeps_its_proposal():
    now = after(AddProposals({"a": GUESS}), Rename("a", "z"))

    assert dict(now.proposals) == {"z": GUESS}


def test_the_least_confident_proposal_comes_first():
    sure = Proposal(HERE, "m", 0.9)
    silent = Proposal(HERE, "m", None)
    now = after(AddProposals({"a": sure, "b": GUESS, "c": silent}))

    assert now.proposals_worst_first() == ("c", "b", "a")


def test_the_proposals_of_a_set_cannot_be_changed_from_outside():
    given = {"a": GUESS}
    command = AddProposals(given)
    now = after(command)
    given.clear()

    assert dict(now.proposals) == {"a": GUESS} == dict(command.proposals)
    with pytest.raises(TypeError):
        now.proposals["b"] = GUESS


# --- import ----------------------------------------------------------------------

MISSING = Landmark("c", None, LandmarkStatus.SKIPPED)
UNKNOWN = Landmark("c", None, LandmarkStatus.UNDEFINED)


def test_an_import_fills_what_is_not_placed():
    now = after(Import((Landmark("a", HERE), MISSING, Landmark("b", THERE))))

    assert states(now) == ["placed", "placed", "skipped"]


def test_an_undefined_landmark_of_a_file_says_nothing():
    placed = after(Place("c", HERE))
    stranger = Landmark("x", None, LandmarkStatus.UNDEFINED)

    assert after(Import((UNKNOWN, stranger)), start=placed) == placed


def test_an_import_that_contradicts_the_reader_is_refused_whole():
    placed = after(Place("a", HERE))
    command = Import((Landmark("b", HERE), Landmark("a", THERE)))

    assert command.conflicting(placed) == ("a",)
    with pytest.raises(EditError, match="not the same: 'a'"):
        command.apply(placed)


@pytest.mark.parametrize(
    ("conflicts", "expected"), [(Conflicts.KEEP, HERE), (Conflicts.REPLACE, THERE)]
)
def test_the_reader_decides_about_conflicts(conflicts, expected):
    command = Import((Landmark("a", THERE), Landmark("b", THERE)), conflicts)
    now = after(Place("a", HERE), command)

    assert now["a"].position_lps_mm == expected
    assert now["b"].position_lps_mm == THERE


def test_a_landmark_that_agrees_stays_as_it_is():
    accepted = after(AddProposals({"a": GUESS}), Accept("a"))

    assert after(Import((Landmark("a", THERE),)), start=accepted) == accepted


@pytest.mark.parametrize(
    ("strangers", "names"),
    [(Strangers.LEAVE_OUT, ("a", "b", "c")), (Strangers.ADD, ("a", "b", "c", "x"))],
)
def test_the_reader_decides_about_landmarks_of_another_name(strangers, names):
    now = after(Import((Landmark("x", HERE),), strangers=strangers))

    assert now.names == names
    if "x" in names:
        assert now["x"] == AnnotatedLandmark("x", "", HERE)


def test_an_import_keeps_who_placed_what():
    given = (
        Landmark("a", HERE, source=LandmarkSource.MODEL, confidence=0.5, rater="m 1"),
        Landmark("b", HERE, source=LandmarkSource.CONSENSUS, rater="two readers"),
    )
    now = after(Import(given))

    assert (now["a"].source, now["a"].model) == (LandmarkSource.MODEL, "m 1")
    assert now["a"].confidence == 0.5
    assert (now["b"].source, now["b"].model) == (LandmarkSource.CONSENSUS, "")


# --- values ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"position_lps_mm": HERE, "is_skipped": True},
        {"model": "m"},
        {"confidence": 0.5},
        {"source": LandmarkSource.MODEL},
        {"position_lps_mm": HERE, "confidence": 1.5},
        {"position_lps_mm": (1, 2)},
    ],
    ids=str,
)
def test_a_landmark_does_not_contradict_itself(wrong):
    with pytest.raises(ValueError, match=r"'a'|confidence|3 finite"):
        AnnotatedLandmark("a", **wrong)


def test_names_differ_and_proposals_are_for_landmarks():
    a = AnnotatedLandmark("a")
    with pytest.raises(ValueError, match=r"twice: \['a'\]"):
        AnnotationSet((a, a))
    with pytest.raises(ValueError, match=r"twice: \['p'\]"):
        AnnotationSet((AnnotatedLandmark("a", "p"), AnnotatedLandmark("b", "p")))
    with pytest.raises(ValueError, match=r"no landmark: \['b'\]"):
        AnnotationSet((a,), {"b": GUESS})
