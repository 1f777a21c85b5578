"""The registry of the annotation dock: what has a key, and when it can be done."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_midrl.plugin import annotate_reasons as reasons
from napari_midrl.plugin.actions import Action
from napari_midrl.plugin.orientation import STANDARD_VIEWS

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QPushButton

    from napari_midrl.plugin.annotate_dock import AnnotateDock
    from napari_midrl.plugin.annotate_layout import AnnotateLayout

UNDO, REDO = "Undo", "Redo"
SKIP, LOCK, HIDE = "Skip, or take up again", "Lock or unlock", "Hide or show"
DELETE, UP, DOWN = "Delete the position", "Move up in the list", "Move down in the list"
PROPOSE = "Let agents propose"
ACCEPT, REJECT = "Accept the proposal", "Reject the proposal"
WORST, ACCEPT_ALL = "Go to the least certain proposal", "Accept all proposals"


def annotate_actions(dock: AnnotateDock) -> tuple[Action, ...]:
    """Return everything in a dock that has a key."""

    def here(why: Callable[..., str], **options: object) -> Callable[[], str]:
        return lambda: why(dock.annotations, dock.current, **options)

    def overall(why: Callable[..., str]) -> Callable[[], str]:
        return lambda: why(dock.annotations)

    proposing = dock.proposing
    views = tuple(
        Action(f"{view.name} view", view.key, partial(dock.show_view, view), _never)
        for view in STANDARD_VIEWS
    )
    closed, at_hand = overall(reasons.why_closed), here(reasons.why_none_at_hand)
    return (
        Action(UNDO, "Control-Z", dock.undo, dock.steps.why_no_undo),
        Action(REDO, "Control-Shift-Z", dock.redo, dock.steps.why_no_redo),
        Action("Next landmark", "Down", partial(dock.steps.walk, 1), closed),
        Action("Landmark before", "Up", partial(dock.steps.walk, -1), closed),
        Action(
            "Next landmark to place",
            "Enter",
            dock.steps.go_to_next,
            overall(reasons.why_nothing_left),
        ),
        Action("Look at the landmark", "J", dock.look, here(reasons.why_nowhere)),
        Action(SKIP, "K", dock.steps.toggle_skip, here(reasons.why_no_skip)),
        Action(LOCK, "L", dock.steps.toggle_lock, at_hand),
        Action(HIDE, "H", dock.steps.toggle_shown, at_hand),
        Action("Rename", "F2", dock.steps.rename, here(reasons.why_locked)),
        Action(DELETE, "Delete", dock.steps.delete, here(reasons.why_not_placed)),
        Action(
            UP,
            "Shift-Up",
            partial(dock.steps.reorder, -1),
            here(reasons.why_no_move, by=-1),
        ),
        Action(
            DOWN,
            "Shift-Down",
            partial(dock.steps.reorder, 1),
            here(reasons.why_no_move, by=1),
        ),
        Action("Place by click on or off", "B", dock.steps.toggle_placing, _never),
        Action("Next way to put the point", "M", dock.steps.next_snap, _never),
        Action(PROPOSE, "Shift-P", proposing.run, proposing.why_not),
        Action(ACCEPT, "Y", proposing.accept, here(reasons.why_no_proposal_here)),
        Action(
            REJECT,
            "N",
            proposing.reject,
            here(reasons.why_no_proposal_here, rejecting=True),
        ),
        Action(WORST, "W", proposing.go_to_worst, overall(reasons.why_no_proposal)),
        Action(
            ACCEPT_ALL,
            "Shift-Y",
            proposing.accept_all,
            overall(reasons.why_no_acceptable),
        ),
        *views,
        Action("Shortcuts", "F1", dock.show_shortcuts, _never),
    )


def buttons_of(ui: AnnotateLayout) -> tuple[tuple[QPushButton, str], ...]:
    """Return the buttons of actions, each with the action's title."""
    propose = ui.propose
    return (
        (ui.undo_button, UNDO),
        (ui.redo_button, REDO),
        (ui.skip_button, SKIP),
        (ui.lock_button, LOCK),
        (ui.hide_button, HIDE),
        (ui.delete_button, DELETE),
        (ui.up_button, UP),
        (ui.down_button, DOWN),
        (propose.accept_button, ACCEPT),
        (propose.reject_button, REJECT),
        (propose.next_button, WORST),
        (propose.accept_all_button, ACCEPT_ALL),
        (propose.run_button, PROPOSE),
    )


def _never() -> str:
    """Return that nothing stands against it."""
    return ""
