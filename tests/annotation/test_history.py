"""Random sequences of editing commands against a plain model of the landmarks.

A few hundred sequences run with the other tests. The full 10,000:

    MIDRL_EDIT_SEQUENCES=10000 python -m pytest tests/annotation/test_history.py
"""

import copy
import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

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
from napari_midrl.data.annotations import Proposal, new_annotations
from napari_midrl.data.landmarks import Landmark, LandmarkStatus
from napari_midrl.data.protocol import LandmarkProtocol, ProtocolLandmark
from napari_midrl.errors import EditError

N_SEQUENCES = int(os.environ.get("MIDRL_EDIT_SEQUENCES", "200"))
N_COMMANDS = 40
"""At most, in one sequence."""

NAMES = st.sampled_from(["a", "b", "c", "d", "stranger"])
POSITIONS = st.tuples(*[st.integers(-3, 3).map(float)] * 3)
CONFIDENCES = st.one_of(st.none(), st.floats(0, 1))
PROTOCOL = LandmarkProtocol("p", "P", tuple(map(ProtocolLandmark, "abcd")))


class RefusedError(Exception):
    """The model of the landmarks refuses a command."""


def refuse_if(condition):
    if condition:
        raise RefusedError


class Model:
    """Landmarks as plain dicts in a list, changed in place, written from the words."""

    def __init__(self):
        self.rows = [
            {"name": name, "asked": name, "at": None, "skip": False, "by": "human",
             "model": "", "sure": None, "lock": False, "hide": False, "idea": None}
            for name in "abcd"
        ]  # fmt: skip

    def row(self, name):
        found = [row for row in self.rows if row["name"] == name]
        refuse_if(not found)
        return found[0]

    def free(self, name):
        row = self.row(name)
        refuse_if(row["lock"])
        return row

    @staticmethod
    def put(row, at, by="human", model="", sure=None):
        row.update(at=at, skip=False, by=by, model=model, sure=sure)

    def place(self, name, at):
        row = self.free(name)
        refuse_if(row["at"] is not None)
        self.put(row, at)

    def move(self, name, at):
        row = self.free(name)
        refuse_if(row["at"] is None)
        if row["at"] != at:
            self.put(row, at, model=row["model"])

    def delete(self, name):
        row = self.free(name)
        refuse_if(row["at"] is None)
        self.put(row, None)

    def rename(self, name, new):
        row = self.free(name)
        refuse_if(any(r is not row and r["name"] == new for r in self.rows))
        row["name"] = new

    def skip(self, name):
        row = self.free(name)
        refuse_if(row["at"] is not None)
        row["skip"] = True

    def unskip(self, name):
        self.free(name)["skip"] = False

    def flag(self, name, key, value):
        self.row(name)[key] = value

    def reorder(self, name, index):
        row = self.row(name)
        refuse_if(not 0 <= index < len(self.rows))
        self.rows.remove(row)
        self.rows.insert(index, row)

    def propose(self, ideas):
        for name in ideas:
            self.row(name)
        for name, idea in ideas.items():
            self.row(name)["idea"] = idea

    def accept(self, name, over, nudge=None):
        row = self.row(name)
        idea = row["idea"]
        refuse_if(idea is None or row["lock"] or (row["at"] is not None and not over))
        if nudge is None:
            self.put(row, idea.position_lps_mm, "model", idea.model, idea.confidence)
        else:
            self.put(row, nudge, model=idea.model)
        row["idea"] = None

    def reject(self, name):
        row = self.row(name)
        refuse_if(row["idea"] is None)
        row["idea"] = None

    def take(self, given, conflicts, strangers):
        told = {n: at for n, (at, says) in given.items() if says}
        here = {row["name"]: row for row in self.rows}
        strange = [name for name in told if name not in here]
        refuse_if(strange and strangers == "refuse")
        for name, at in told.items():
            if name in strange:
                if strangers == "add":
                    fresh = copy.deepcopy(Model().rows[0])
                    fresh.update(name=name, asked="", at=at, skip=at is None)
                    self.rows.append(fresh)
                continue
            row = here[name]
            said = row["at"] is not None or row["skip"]
            same = said and row["at"] == at
            if same or (said and conflicts == "keep"):
                continue
            refuse_if((said and conflicts == "refuse") or row["lock"])
            self.put(row, at)
            row["skip"] = at is None

    def seen(self):
        return [tuple(row.values()) for row in self.rows]


def seen(annotations):
    """The same plain view of the real set."""
    return [
        (
            m.name, m.protocol_name, m.position_lps_mm, m.is_skipped, m.source.value,
            m.model, m.confidence, m.is_locked, m.is_hidden,
            annotations.proposals.get(m.name),
        )
        for m in annotations.landmarks
    ]  # fmt: skip


class Editing(RuleBasedStateMachine):
    """Both sides get the same commands; both do them, or both refuse them."""

    @initialize()
    def begin(self):
        self.initial = new_annotations(PROTOCOL)
        self.before = repr(self.initial)
        self.history = History(self.initial)
        self.model = Model()
        self.past, self.future = [], []

    def both(self, command, *calls):
        """Give a command to the history, and its calls to the model."""
        trial = copy.deepcopy(self.model)
        try:
            for method, *arguments in calls:
                getattr(trial, method)(*arguments)
        except RefusedError:
            with pytest.raises(EditError):
                self.history.apply(command)
            return
        self.history = self.history.apply(command)
        if trial.seen() != self.model.seen():
            self.past.append(self.model)
            self.future = []
            self.model = trial

    @rule(name=NAMES, at=POSITIONS)
    def place(self, name, at):
        self.both(Place(name, at), ("place", name, at))

    @rule(name=NAMES, at=POSITIONS)
    def move(self, name, at):
        self.both(Move(name, at), ("move", name, at))

    @rule(name=NAMES)
    def delete(self, name):
        self.both(Delete(name), ("delete", name))

    @rule(name=NAMES, new=NAMES)
    def rename(self, name, new):
        self.both(Rename(name, new), ("rename", name, new))

    @rule(name=NAMES)
    def skip(self, name):
        self.both(Skip(name), ("skip", name))

    @rule(name=NAMES)
    def unskip(self, name):
        self.both(Unskip(name), ("unskip", name))

    @rule(name=NAMES, on=st.booleans())
    def lock(self, name, on):
        self.both(Lock(name) if on else Unlock(name), ("flag", name, "lock", on))

    @rule(name=NAMES, on=st.booleans())
    def hide(self, name, on):
        self.both(Hide(name) if on else Show(name), ("flag", name, "hide", on))

    @rule(name=NAMES, index=st.integers(-1, 5))
    def reorder(self, name, index):
        self.both(Reorder(name, index), ("reorder", name, index))

    @rule(
        ideas=st.dictionaries(
            NAMES, st.builds(Proposal, POSITIONS, st.just("m"), CONFIDENCES), max_size=3
        )
    )
    def propose(self, ideas):
        self.both(AddProposals(ideas), ("propose", ideas))

    @rule(name=NAMES, over=st.booleans())
    def accept(self, name, over):
        self.both(Accept(name, over), ("accept", name, over))

    @rule(name=NAMES, at=POSITIONS, over=st.booleans())
    def nudge_and_accept(self, name, at, over):
        command = NudgeAndAccept(name, at, over)
        self.both(command, ("accept", name, over, at))

    @rule(name=NAMES)
    def reject(self, name):
        self.both(Reject(name), ("reject", name))

    @rule(
        given=st.dictionaries(
            NAMES, st.tuples(st.none() | POSITIONS, st.booleans()), max_size=3
        ),
        conflicts=st.sampled_from(Conflicts),
        strangers=st.sampled_from(Strangers),
    )
    def import_landmarks(self, given, conflicts, strangers):
        """Positioned, skipped (None, True), or undefined, which says nothing."""
        said = {
            name: (at, says or at is not None) for name, (at, says) in given.items()
        }
        landmarks = tuple(
            Landmark(
                name,
                at,
                LandmarkStatus.DEFINED
                if at is not None
                else LandmarkStatus.SKIPPED
                if says
                else LandmarkStatus.UNDEFINED,
            )
            for name, (at, says) in said.items()
        )
        strict = strangers == Strangers.LEAVE_OUT
        self.both(
            Import(landmarks, conflicts, strangers),
            ("take", said, conflicts.value, "pass" if strict else strangers.value),
        )

    @rule(one=NAMES, other=NAMES, at=POSITIONS)
    def several(self, one, other, at):
        command = Several((Unlock(one), Delete(one), Place(other, at)), "replace")
        self.both(
            command,
            ("flag", one, "lock", False), ("delete", one), ("place", other, at),
        )  # fmt: skip

    @rule()
    def undo(self):
        if not self.past:
            with pytest.raises(EditError, match="nothing to undo"):
                self.history.undo()
            return
        self.future.append(self.model)
        self.model = self.past.pop()
        self.history = self.history.undo()

    @rule()
    def redo(self):
        if not self.future:
            with pytest.raises(EditError, match="nothing to do again"):
                self.history.redo()
            return
        self.past.append(self.model)
        self.model = self.future.pop()
        self.history = self.history.redo()

    @precondition(lambda self: self.past)
    @rule()
    def undo_all_and_redo_all(self):
        """The way back ends at the very first value, the way forth at this one."""
        now = self.history.current
        back = self.history
        while back.undo_text is not None:
            back = back.undo()
        assert back.current is self.initial
        forth = back
        for _ in self.history.done:
            forth = forth.redo()
        assert forth == self.history
        assert forth.current is now

    @invariant()
    def they_agree(self):
        assert seen(self.history.current) == self.model.seen()
        assert len(self.history.done) == len(self.past)
        assert len(self.history.undone) == len(self.future)
        assert repr(self.initial) == self.before

    @invariant()
    def what_is_next_really_waits(self):
        name = self.history.current.next_to_place()
        waiting = [
            row["name"]
            for row in self.model.rows
            if row["at"] is None and not row["skip"] and not row["lock"]
        ]
        assert name == (waiting[0] if waiting else None)


@pytest.mark.timeout(0 if N_SEQUENCES > 1000 else 300)
def test_random_sequences_of_commands_agree_with_a_plain_model():
    run_state_machine_as_test(
        Editing,
        settings=settings(
            max_examples=N_SEQUENCES,
            stateful_step_count=N_COMMANDS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_menu_can_say_what_is_undone_and_done_again():
    history = History(new_annotations(PROTOCOL))
    assert (history.undo_text, history.redo_text) == (None, None)

    history = history.apply(Place("a", (1, 2, 3))).apply(Lock("a")).undo()

    assert (history.undo_text, history.redo_text) == ("place a", "lock a")


def test_a_command_that_changes_nothing_is_no_step():
    """Else undo would seem to do nothing, and redo would be lost for nothing."""
    history = History(new_annotations(PROTOCOL)).apply(Lock("a")).undo()

    assert history.apply(Unlock("a")) is history
    assert history.redo_text == "lock a"


def test_states_share_what_did_not_change():
    """A thousand steps cost a thousand changed landmarks, not a thousand sets."""
    history = History(new_annotations(PROTOCOL)).apply(Lock("a"))

    step = history.done[0]
    assert step.before["b"] is step.after["b"]
