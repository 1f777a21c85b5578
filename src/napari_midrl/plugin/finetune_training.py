"""The training of the fine-tuning dock: started, followed, paused, resumed, ended."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

from napari_midrl.data.progress import Progress
from napari_midrl.errors import InputError, MidrlError
from napari_midrl.io.run_record import has_record, worker_of
from napari_midrl.plugin import questions
from napari_midrl.plugin.column import ELLIPSIS
from napari_midrl.plugin.exports import error_text
from napari_midrl.plugin.pack_news import news
from napari_midrl.plugin.training_process import Ended, TrainingProcess
from napari_midrl.workflows.finetune_reports import Failed, Message, Paused
from napari_midrl.workflows.finetune_runs import (
    discard,
    free_name,
    interrupted_runs,
    log_entries,
    run_folder,
    runs_at_work,
    target_folder,
)
from napari_midrl.workflows.finetune_settings import FineTuned, Plan, PlanProgress
from napari_midrl.workflows.finetune_source import (
    Role,
    caution_about,
    prepared,
    reason_against,
)

if TYPE_CHECKING:
    from napari_midrl.plugin.finetune_boxes import TrainBox
    from napari_midrl.plugin.finetune_dock import FineTuneDock
    from napari_midrl.workflows.finetune_source import CaseSource
    from napari_midrl.workflows.pack_versions import PackVersion

HELD_OUT_NAME = "held-out.txt"
DISCARD = "Discard"
RUNS_ALREADY = "A training runs; wait until it has ended, or stop it."


class Training:
    """Runs one fine-tuning for a dock, in a process of its own.

    Parameters
    ----------
    dock
        The dock.
    """

    def __init__(self, dock: FineTuneDock) -> None:
        self._dock = dock
        self._box = dock.ui.train
        self._process: TrainingProcess | None = None
        self._folder = Path()
        self._plan: Plan | None = None
        self._only_plan = False
        self._is_ending = ""
        self._suggested = ""
        self._watch = QTimer(dock)
        self._watch.setInterval(500)
        self._watch.timeout.connect(self._on_watch)
        box = self._box
        box.start_clicked.connect(self.start)
        box.plan_clicked.connect(self.ask_plan)
        box.pause_clicked.connect(self.pause)
        box.finish_clicked.connect(self.finish)
        box.resume_clicked.connect(self.resume)
        box.discard_clicked.connect(self.discard)
        box.changed.connect(self.refresh)
        box.minutes.valueChanged.connect(self.forget_plan)

    @property
    def is_running(self) -> bool:
        """Whether a training runs that was started here."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """Number of its process; None without one."""
        return None if self._process is None else self._process.pid

    # ---- before

    def forget_plan(self, value: object = None) -> None:
        """Show no plan any more: it was of other choices."""
        if not self.is_running:
            self._plan = None
        self.refresh()

    def suggest_name(self) -> None:
        """Put a name into the field, unless the user has written one."""
        pack = self._dock.parent_pack
        if pack is not None and self._box.name.text() in ("", self._suggested):
            self._suggested = free_name(pack.name)
            self._box.name.setText(self._suggested)
        self.refresh()

    def refresh_runs(self) -> None:
        """Offer the trainings that were interrupted, and watch for those to come."""
        self._box.set_runs(interrupted_runs())
        if self._others_at_work():
            self._watch.start()

    def _others_at_work(self) -> bool:
        """Return whether a training runs that was left, or is another window's."""
        mine = self._folder if self.is_running else None
        return any(folder != mine for folder in runs_at_work())

    def reason(self) -> str:
        """Return why nothing can be started; empty if it can."""
        ui = self._dock.ui
        if self._dock.is_busy:
            return RUNS_ALREADY
        if self._dock.parent_pack is None:
            return "There are no agents that can be fine-tuned."
        reason = reason_against(ui.cases.roles())
        if reason:
            return reason
        if not ui.cases.chosen_landmarks():
            return "Choose a landmark to learn."
        try:
            folder = run_folder(target_folder(self._box.name.text().strip()))
        except MidrlError as error:
            return error_text(error)
        if worker_of(folder) is not None:
            return "A training of this name runs already, in another window."
        if has_record(folder):
            return "A training of this name was interrupted: resume or discard it."
        return ""

    # ---- starting

    def start(self) -> None:
        """Begin to learn."""
        self._begin(only_plan=False)

    def ask_plan(self) -> None:
        """Measure how much there is time for, and learn nothing."""
        self._begin(only_plan=True)

    def _begin(self, *, only_plan: bool) -> None:
        dock, box = self._dock, self._box
        reason, source = self.reason(), dock.source
        if reason or source is None or dock.parent_pack is None:
            dock.tell(reason, error=True)
            return
        name = box.name.text().strip()
        roles = dock.ui.cases.roles()
        folder = self._folder = run_folder(target_folder(name))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            data = prepared(source, roles, folder)
            held_out = [name for name, role in roles.items() if role is Role.HOLD_OUT]
            names = "".join(f"{name}\n" for name in held_out)
            (folder / HELD_OUT_NAME).write_text(names, encoding="utf-8")
        except (MidrlError, OSError) as error:
            dock.tell(f"Not started: {error_text(error)}", error=True)
            self._forget_leftovers()
            return
        arguments = self._arguments(source, dock.parent_pack, folder, data)
        if only_plan:
            arguments.append("--plan")
        dock.ui.curves.set_value(())
        self._launch(arguments, folder, only_plan=only_plan)

    def _arguments(
        self, source: CaseSource, pack: PackVersion, folder: Path, data: str
    ) -> list[str]:
        """Return the choices as arguments of the command."""
        cases, box = self._dock.ui.cases, self._box
        roles = cases.roles()
        left_out = (
            case.name
            for case in source.cases
            if case.problem or roles.get(case.name) is Role.LEAVE_OUT
        )
        return [
            *("--out", box.name.text().strip(), "--pack", str(pack.folder)),
            *("--cases", data, "--hold-out", str(folder / HELD_OUT_NAME)),
            *("--minutes", str(box.minutes.value())),
            *([] if cases.rehearse.isChecked() else ["--no-replay"]),
            *([] if box.images.isChecked() else ["--no-coreset"]),
            *(f"--landmark={landmark}" for landmark in cases.chosen_landmarks()),
            *(f"--leave-out={name}" for name in left_out),
        ]

    def resume(self) -> None:
        """Go on with the interrupted training that is shown."""
        run = self._box.chosen_run()
        if self._dock.is_busy or run is None:
            self._dock.tell(RUNS_ALREADY if run else "Nothing to resume.", error=True)
            return
        n_updates = 0 if run.record is None else run.record.n_updates
        self._dock.ui.curves.set_value(log_entries(run.folder), n_updates)
        self._launch(["--out", run.name, "--resume"], run.folder, only_plan=False)

    def _launch(self, arguments: list[str], folder: Path, *, only_plan: bool) -> None:
        self._folder, self._only_plan = folder, only_plan
        self._plan, self._is_ending = None, ""
        try:
            self._process = TrainingProcess(
                arguments, on_message=self._on_message, on_end=self._on_end
            )
        except OSError as error:
            self._dock.tell(f"Not started: {error_text(error)}", error=True)
            return
        self._dock.watch_window()
        self._box.plan.setText("")
        self._box.show_progress(0, 0)
        self._dock.ui.tabs.setCurrentWidget(self._dock.ui.curves)
        self._dock.tell(f"Starting{ELLIPSIS} The window stays free meanwhile.")
        self._dock.refresh()

    # ---- following

    def _on_message(self, message: Message) -> None:
        if isinstance(message, PlanProgress) and message.plan is not None:
            self._plan = message.plan
            self._box.plan.setText(plan_text(message.plan))
            entries = log_entries(self._folder)
            self._dock.ui.curves.set_value(entries, message.plan.n_updates)
            self.refresh()
        elif isinstance(message, Progress):
            if message.metrics:
                self._dock.ui.curves.add(message.done, message.metrics)
            self._box.show_progress(message.done, message.total)
            self._dock.tell(self._is_ending or self._text_of(message))

    def _text_of(self, report: Progress) -> str:
        if self._plan is None or not report.metrics:
            return report.text
        n_left = report.total - report.done
        seconds = n_left * self._plan.seconds_per_update
        return f"{report.text}; about {_minutes(seconds)} of learning left"

    def _on_end(self, ended: Ended) -> None:
        self._process = None
        if not self._only_plan:
            self._plan = None
        outcome = ended.outcome
        self._box.show_progress(0, 1)
        self._forget_leftovers()
        self.refresh_runs()
        if isinstance(outcome, FineTuned):
            self._on_done(outcome)
        elif isinstance(outcome, Paused):
            self._dock.tell(self._stopped_text(outcome))
        elif isinstance(outcome, Failed):
            self._dock.tell(f"Failed: {outcome.text}", error=True)
        else:
            self._dock.tell(self._death_text(ended), error=True)
        self._dock.refresh()

    def _on_done(self, done: FineTuned) -> None:
        dock = self._dock
        dock.versions.refresh()
        news.changed.emit()
        version = dock.versions.named(done.folder.name)
        if version is not None:
            dock.show_result(version)
            dock.ui.tabs.setCurrentWidget(dock.ui.result)
        notes = " ".join(done.notes)
        dock.tell(
            f"{done.folder.name} is ready, after {done.n_updates} updates. It is not "
            f"in use until you say so (Versions). {notes}"
        )
        self.suggest_name()

    def _stopped_text(self, paused: Paused) -> str:
        if self._only_plan:
            return "Measured; nothing was learned yet. Start begins."
        if paused.can_resume:
            return "Paused. Resume goes on from here, also after a restart of napari."
        return "Stopped before anything was learned."

    def _death_text(self, ended: Ended) -> str:
        why = f"exit code {ended.code}"
        if ended.code < 0:
            why = signal.strsignal(-ended.code) or f"signal {-ended.code}"
        last = ended.output.splitlines()[-1:] or [""]
        text = f"The training died ({why}). {last[0]}".strip()
        if self._box.chosen_run() is not None:
            text += " Resume goes on from its latest checkpoint."
        return text

    def _forget_leftovers(self) -> None:
        """Remove what was written for a training that never began."""
        if not has_record(self._folder):
            try:
                discard(self._folder)
            except InputError as error:
                self._dock.tell(error_text(error), error=True)

    # ---- stopping

    def pause(self) -> None:
        """Leave a checkpoint and end; it can be resumed."""
        if self._process is not None:
            self._process.pause()
            self._is_ending = f"Pausing after this step{ELLIPSIS}"
            self._dock.tell(self._is_ending)
            self.refresh()

    def finish(self) -> None:
        """Make the pack of the best weights so far."""
        if self._process is not None:
            self._process.finish()
            self._is_ending = (
                f"Finishing with the best weights measured, then the table{ELLIPSIS}"
            )
            self._dock.tell(self._is_ending)
            self.refresh()

    def discard(self) -> None:
        """Remove the interrupted training that is shown, if the user means it."""
        run = self._box.chosen_run()
        if run is None:
            return
        text = (
            f"Discard the training of {run.name} ({run.text})?\nIts checkpoint is "
            "removed. Cases, annotations and all agents stay."
        )
        if questions.choose(self._dock, "Discard a training", text, (DISCARD,)):
            try:
                discard(run.folder)
            except InputError as error:
                self._dock.tell(error_text(error), error=True)
            self.refresh_runs()
            self.suggest_name()

    def let_go(self) -> None:
        """Leave the training to itself: it leaves a checkpoint and ends."""
        if self._process is None:
            return
        self._process.leave()
        self._process = None
        self._watch.start()
        # The user may think better of closing the window.
        self._dock.tell("The training leaves a checkpoint and ends; Resume goes on.")
        self._dock.refresh()

    def close(self) -> None:
        """Let go of everything."""
        self.let_go()
        self._watch.stop()

    def _on_watch(self) -> None:
        """Offer what was left to itself, or ran elsewhere, once it has ended."""
        if not self._others_at_work():
            self._watch.stop()
            self.refresh_runs()
            if not self.is_running:
                self._box.show_progress(0, 1)

    # ---- showing

    def refresh(self) -> None:
        """Let buttons say what they would do, or why they can do nothing."""
        box, reason = self._box, self.reason()
        roles = self._dock.ui.cases.roles()
        for button, tooltip in (
            (box.start_button, "Learn, in a process of its own."),
            (box.plan_button, "Measure here how many updates there is time for."),
        ):
            button.setEnabled(not reason)
            button.setToolTip(reason or tooltip)
        learns = self.is_running and not self._only_plan
        box.pause_button.setEnabled(self.is_running and not self._is_ending)
        box.finish_button.setEnabled(
            learns and self._plan is not None and not self._is_ending
        )
        run = box.chosen_run()
        can_resume = run is not None and not run.problem and not self._dock.is_busy
        box.resume_button.setEnabled(can_resume)
        box.discard_button.setEnabled(run is not None and not self.is_running)
        for widget in (box.name, box.minutes, box.images):
            widget.setEnabled(not self.is_running)
        if not self.is_running and self._plan is None:
            box.plan.setText(reason or caution_about(roles) or _budget(box))


def plan_text(plan: Plan) -> str:
    """Return a plan in two lines."""
    ends = time.strftime("%H:%M", time.localtime(time.time() + plan.seconds))
    new = f" ({len(plan.new_landmarks)} new)" if plan.new_landmarks else ""
    return (
        f"{len(plan.split.train)} cases to learn from, {len(plan.split.held_out)} held "
        f"out; {len(plan.landmarks)} landmarks{new}.\n{plan.n_updates} updates of "
        f"{plan.seconds_per_update:.2f} s, as measured here: about "
        f"{_minutes(plan.seconds)}, until {ends}."
    )


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min"


def _budget(box: TrainBox) -> str:
    return (
        f"{box.minutes.value()} min for everything: reading, the table before, "
        "learning, the table after."
    )
