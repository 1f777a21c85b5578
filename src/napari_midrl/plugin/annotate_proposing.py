"""Agents propose, the reader judges."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from napari_midrl.annotation.commands import Accept, Reject
from napari_midrl.data.settings import SearchSettings
from napari_midrl.errors import MidrlError
from napari_midrl.plugin import questions
from napari_midrl.plugin.annotate_edits import together
from napari_midrl.plugin.annotate_reasons import NO_SESSION, acceptable
from napari_midrl.plugin.annotate_slices import is_inside
from napari_midrl.plugin.column import ELLIPSIS
from napari_midrl.plugin.exports import error_text
from napari_midrl.plugin.result_rows import left_out_text

if TYPE_CHECKING:
    from napari_midrl.data.annotations import AnnotationSet
    from napari_midrl.data.trajectory import Localization
    from napari_midrl.data.volume import Volume
    from napari_midrl.plugin.annotate_dock import AnnotateDock
    from napari_midrl.plugin.editor import Editor

REPLACE = "Replace mine"


class Proposing:
    """Runs agents for a dock and judges what they propose.

    Parameters
    ----------
    dock
        The dock.
    device
        Where networks run.
    """

    def __init__(self, dock: AnnotateDock, device: str) -> None:
        self._dock = dock
        self._box = dock.ui.propose
        self._device = device

    def run(self) -> None:
        """Let the chosen agents seek what is not placed yet."""
        dock, pack = self._dock, self._box.chosen_pack()
        editor, volume = dock.editor, dock.volume
        if pack is None or volume is None or editor is None:
            return
        settings = self.search_settings(sought(editor.annotations, pack.landmarks))
        volumes = (volume, *self._box.all_volumes.of(dock.volumes_beside()))
        dock.start_task(
            dock.engine.search_of(volumes, pack.name, settings),
            partial(self._on_found, editor, volume),
        )
        dock.tell(f"Loading the engine{ELLIPSIS}")

    def search_settings(self, landmarks: tuple[str, ...]) -> SearchSettings:
        """Return the settings of a search for these landmarks."""
        return SearchSettings(
            landmarks=landmarks,
            n_starts=self._box.n_starts.value(),
            device=self._device,
        )

    def why_not(self) -> str:
        """Return why agents cannot propose now."""
        pack, annotations = self._box.chosen_pack(), self._dock.annotations
        if annotations is None:
            return NO_SESSION
        if self._dock.is_running:
            return "Something is running; cancel it first."
        if pack is None:
            return "No agent pack is installed."
        if not sought(annotations, pack.landmarks):
            return "These agents know no landmark of this list."
        return ""

    def accept(self) -> None:
        """Make the proposal at hand the landmark; ask before a place is replaced."""
        dock = self._dock
        annotations, name = dock.annotations, dock.current
        if annotations is None or name is None:
            return
        replaces = annotations[name].is_placed
        if replaces:
            text = f"You have placed {name} yourself. Put it where the model says?"
            if not questions.choose(dock, "Replace your landmark?", text, (REPLACE,)):
                return
        if dock.do(Accept(name, replace_placed=replaces)):
            self.go_to_worst()
            self.tell_judged(f"Accepted {name}")

    def reject(self) -> None:
        """Put the proposal at hand away."""
        name = self._dock.current
        if name is not None and self._dock.do(Reject(name)):
            self.go_to_worst()
            self.tell_judged(f"Rejected {name}")

    def accept_all(self) -> None:
        """Make all proposals landmarks that replace nothing; one step to undo."""
        names = acceptable(self._dock.annotations)
        text = f"accept {len(names)} proposals"
        command = together([Accept(name) for name in names], text)
        if command is not None and self._dock.do(command):
            self._dock.tell(f"Accepted {len(names)} proposals.")

    def tell_judged(self, judged: str) -> None:
        """Say what was judged and how many proposals are left."""
        annotations = self._dock.annotations
        n_left = 0 if annotations is None else len(annotations.proposals)
        rest = f"{n_left} left to judge" if n_left else "all proposals are judged"
        self._dock.tell(f"{judged}; {rest}.")

    def go_to_worst(self) -> None:
        """Go to the proposal of which the model is least certain, if there is one."""
        annotations = self._dock.annotations
        if annotations is not None and annotations.proposals:
            self._dock.go_to(annotations.proposals_worst_first()[0])

    def refresh(self) -> None:
        """Say what is left to judge, and which volumes agents could search."""
        names = [volume.name for volume in self._dock.volumes_beside()]
        self._box.all_volumes.show_state(names, running=self._dock.is_running)
        annotations = self._dock.annotations
        if annotations is None or not annotations.proposals:
            self._box.open_label.setText("No proposals to judge")
            return
        worst = annotations.proposals_worst_first()
        confidence = annotations.proposals[worst[0]].confidence
        sure = "" if confidence is None else f" ({confidence:.0%} sure)"
        self._box.open_label.setText(
            f"{len(worst)} to judge; least certain: {worst[0]}{sure}"
        )

    def _on_found(self, editor: Editor, volume: Volume, found: Localization) -> None:
        from napari_midrl.workflows.annotate import proposal_command
        from napari_midrl.workflows.localize import as_landmarks

        dock = self._dock
        if editor is not dock.editor:
            dock.tell("Other landmarks are open by now; proposals were dropped.")
            return
        landmarks = as_landmarks(found, volume)
        # Another volume of the examination may show what this one does not.
        shown = tuple(
            mark
            for mark in landmarks
            if mark.position_lps_mm is None
            or is_inside(volume.grid, mark.position_lps_mm)
        )
        try:
            command = proposal_command(
                replace(landmarks, landmarks=shown), editor.annotations
            )
        except MidrlError as error:
            dock.tell(error_text(error), error=True)
            return
        if editor.do(command):
            self.go_to_worst()
            self._tell_found(len(command.proposals), found)

    def _tell_found(self, n_proposals: int, found: Localization) -> None:
        of = f" of {found.n_images} volumes" if found.n_images > 1 else ""
        self._dock.tell(
            f"{n_proposals} proposals{of} in {found.seconds:.1f} s; judge the least "
            f"certain first.{left_out_text(found)}"
        )


def sought(annotations: AnnotationSet, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return what agents know and the reader has neither placed nor skipped.

    All that both know if nothing is left, so that one can compare.
    """
    landmarks = annotations.landmarks
    asked = {name for m in landmarks for name in (m.name, m.protocol_name)}
    said = {
        name
        for m in landmarks
        if m.is_placed or m.is_skipped
        for name in (m.name, m.protocol_name)
    }
    both = tuple(name for name in known if name in asked)
    return tuple(name for name in both if name not in said) or both
