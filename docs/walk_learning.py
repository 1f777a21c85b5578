"""The walk through the dock MIDRL: fine-tune."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walk_annotating import check, dock_of
from walk_cases import KNEES, NEW_ONE
from window import canvas_of, wait_until

from napari_midrl.plugin.commands import FINETUNE_DOCK
from napari_midrl.plugin.finetune_boxes import COLUMN_OF
from napari_midrl.plugin.finetune_dock import FineTuneDock
from napari_midrl.plugin.orientation import CORONAL
from napari_midrl.plugin.preferences import PLUGIN, default_pack
from napari_midrl.plugin.views import show_standard_view
from napari_midrl.workflows.finetune_source import Role

if TYPE_CHECKING:
    from hand import Hand

READING_S, SEARCH_S = 120.0, 900.0
LEAST_MEASURED = 4
"""Points of the held-out curve after which the walk finishes the training."""

KIDNEYS_LPS_MM, KIDNEYS_ZOOM = (0.0, 0.0, 190.0), 1.6
"""What the view of the replay shows; pixels per mm."""

N_REPLAY = 30
REPLAY_S = 3.0


def learn(hand: Hand, minutes: int) -> None:
    """Teach agents the new landmark in the annotated cases, and look what changed."""
    hand.viewer.window.add_plugin_dock_widget(PLUGIN, FINETUNE_DOCK, tabify=True)
    dock = dock_of(hand.viewer, FINETUNE_DOCK, FineTuneDock)
    choose_cases(hand, dock)
    train(hand, dock, minutes)
    look_at_result(hand, dock)
    play(hand, dock)
    use_version(hand, dock)


def choose_cases(hand: Hand, dock: FineTuneDock) -> None:
    """Take over what was annotated; say what is learned from and what is learned."""
    box = dock.ui.cases
    hand.say("MIDRL: fine-tune. Take the cases that were annotated in the other dock.")
    hand.click(box.annotated_button)
    wait_until(lambda: not dock.is_busy, READING_S)
    check(not any(case.problem for case in box.cases()), dock.ui.status.text())
    hand.say("A fifth is held out, to measure on; here a second case, too.")
    roles = box.roles()
    n = next(n for n, c in enumerate(box.cases()) if roles[c.name] is Role.LEARN)
    hand.click_cell(box.table, n, COLUMN_OF[Role.HOLD_OUT], check=True)
    held_out = [name for name, r in box.roles().items() if r is Role.HOLD_OUT]
    check(len(held_out) == 2, f"held out: {held_out}")
    hand.say(f"Learn {NEW_ONE}, new to the agents, and know kidneys and heart better.")
    for name in KNEES:
        rows = [box.landmarks.item(n).data(256) for n in range(box.landmarks.count())]
        hand.click_cell(box.landmarks, rows.index(name), check=True)
    chosen = box.chosen_landmarks()
    check(NEW_ONE in chosen and not set(KNEES) & set(chosen), f"chosen: {chosen}")
    hand.look()
    hand.keep("Choose what to learn from, what to hold out, and what to learn.", box)


def train(hand: Hand, dock: FineTuneDock, minutes: int) -> None:
    """Ask how long it takes, begin, watch the curves, and have enough."""
    box, curves = dock.ui.train, dock.ui.curves
    box.minutes.setValue(minutes)
    hand.say("How long? measures on this computer what there is time for.")
    hand.click(box.plan_button)
    hand.watch(lambda: not dock.is_busy, 1.5, patience_s=SEARCH_S, every_s=2.0)
    check("updates of" in box.plan.text(), dock.ui.status.text())
    hand.look(0.8)
    hand.say("It learns in a process of its own, beside the window. Curves are live.")
    hand.click(box.start_button)
    patience_s = 60.0 * (minutes + 10)
    hand.watch(
        lambda: curves.n_measured >= LEAST_MEASURED or not dock.is_busy,
        5.0,
        patience_s=patience_s,
        every_s=1.0,
    )
    check(dock.is_busy, dock.ui.status.text())
    hand.keep(
        "It learns in a process of its own; the curves are live.",
        curves,
        with_mouse=False,
    )
    hand.say("Finish now makes new agents of the best weights so far.")
    hand.click(box.finish_button)
    hand.watch(lambda: not dock.is_busy, 1.5, patience_s=patience_s, every_s=2.0)
    check(dock.versions.shown is not None, dock.ui.status.text())
    check("is ready" in dock.ui.status.text(), dock.ui.status.text())


def look_at_result(hand: Hand, dock: FineTuneDock) -> None:
    """Compare old and new agents in the held-out cases."""
    hand.say("Before and after, in the held-out cases, beside a guess: the mean place.")
    rows = dock.ui.result.table.value()
    agents = {row.agents for row in rows}
    check(agents == {"mean position", "before", "after"}, f"rows of {agents}")
    check(any(r.landmark == NEW_ONE and r.agents == "after" for r in rows), "no row")
    hand.look(2.5)
    caption = "Before and after, in cases that it never learned from."
    hand.keep(caption, dock.ui.result, with_mouse=False)


def play(hand: Hand, dock: FineTuneDock) -> None:
    """Let both search a held-out case."""
    result, player = dock.ui.result, dock.side_by_side.player
    hand.say("Side by side in a held-out case: old agents dim, new ones bright.")
    hand.click(result.play_button)
    hand.watch(lambda: not dock.is_busy, 1.0, patience_s=SEARCH_S)
    player.pause()
    check(player.n_frames > 1, dock.ui.status.text())
    show_standard_view(hand.viewer, CORONAL)
    hand.zoom_to(KIDNEYS_LPS_MM, KIDNEYS_ZOOM)
    for n in range(N_REPLAY):
        player.set_frame(round(n * (player.n_frames - 1) / (N_REPLAY - 1)))
        hand.look(REPLAY_S / N_REPLAY)
        if n == N_REPLAY // 2:
            canvas = canvas_of(hand.viewer)
            caption = (
                "Side by side in a held-out case: old agents dim, new ones bright."
            )
            hand.keep(caption, canvas, with_mouse=False)
    hand.look(1.0)


def use_version(hand: Hand, dock: FineTuneDock) -> None:
    """Let the docks begin with the new agents; the old ones stay."""
    box, versions = dock.ui.versions, dock.versions
    new = versions.shown.name
    hand.say("Nothing is replaced: the new agents are a version. Use it, or go back.")
    hand.click_tab(dock.ui.tabs, box)
    names = [box.table.item(n, 0).text() for n in range(box.table.rowCount())]
    hand.click_cell(box.table, names.index(new))
    hand.click(box.use_button)
    hand.look(1.5)
    check(default_pack() == new, f"in use: {default_pack()}")
    hand.say("Research software, not a medical device: look at every landmark.", 1.5)
