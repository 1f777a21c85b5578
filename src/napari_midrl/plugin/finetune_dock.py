"""The dock "MIDRL: fine-tune": choose cases, train, see what changed, keep versions."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.QtWidgets import QFileDialog

from napari_midrl.plugin import questions
from napari_midrl.plugin.background import BackgroundTask
from napari_midrl.plugin.column import ELLIPSIS
from napari_midrl.plugin.commands import ANNOTATE_DOCK
from napari_midrl.plugin.dock import Dock, failure_text
from napari_midrl.plugin.engine import Engine, default_engine
from napari_midrl.plugin.finetune_layout import FineTuneLayout
from napari_midrl.plugin.finetune_training import Training
from napari_midrl.plugin.finetune_versions import Versions
from napari_midrl.plugin.preferences import Preferences, load_preferences
from napari_midrl.plugin.side_by_side import SideBySide
from napari_midrl.plugin.themes import is_light
from napari_midrl.workflows.finetune_cases import DEFAULT_SHARE, drawn
from napari_midrl.workflows.finetune_source import (
    CaseSource,
    Reading,
    Role,
    cases_of_folder,
    cases_of_reading,
    source_of_rows,
    survey,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import napari.viewer

    from napari_midrl.data.progress import Progress
    from napari_midrl.plugin.annotate_dock import AnnotateDock
    from napari_midrl.workflows.pack_versions import PackVersion


class FineTuneDock(Dock):
    """Teach agents landmarks of annotated cases; the old agents stay as they are.

    Parameters
    ----------
    napari_viewer
        The viewer it is docked in.
    engine
        The workflows behind searching; None means those of this package.
    preferences
        Defaults; None means those of napari's Preferences.
    """

    def __init__(
        self,
        napari_viewer: napari.viewer.Viewer,
        engine: Engine | None = None,
        preferences: Preferences | None = None,
    ) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.engine = engine or default_engine()
        self.preferences = preferences or load_preferences()
        self.source: CaseSource | None = None
        self._task: BackgroundTask | None = None
        self._n_draws = 0
        self._n_tasks = 0
        self.ui = FineTuneLayout()
        self.fill_with(self.ui)
        self.versions = Versions(self)
        self.training = Training(self)
        self.side_by_side = SideBySide(self)
        self._connect()
        self._on_theme()
        self.versions.refresh()
        self.training.refresh_runs()
        self.training.suggest_name()
        self.refresh()

    def _connect(self) -> None:
        cases = self.ui.cases
        cases.folder_clicked.connect(self._on_folder)
        cases.annotated_clicked.connect(self.take_annotated)
        cases.draw_clicked.connect(self.draw_again)
        cases.changed.connect(self._on_cases_changed)
        cases.landmarks_changed.connect(self.training.forget_plan)
        cases.pack.currentIndexChanged.connect(self._on_pack_changed)
        self.ui.result.play_clicked.connect(self._on_play)
        self.viewer.events.theme.connect(self._on_theme)

    # ---- cases

    @property
    def parent_pack(self) -> PackVersion | None:
        """The pack to begin with; None if there is none that can be fine-tuned."""
        return self.versions.named(self.ui.cases.chosen_pack())

    def take_folder(self, folder: Path) -> None:
        """List the cases of a folder: with landmark files, a data set, or annotated."""
        self._look(partial(survey, folder), partial(self._on_survey, folder))

    def _on_survey(self, folder: Path, readings: tuple[Reading, ...]) -> None:
        reading = self._chosen(readings)
        if reading is not None:
            self.run_task(partial(cases_of_reading, folder, reading), self._on_source)
        elif not readings:
            self.run_task(partial(cases_of_folder, folder), self._on_source)

    def _chosen(self, readings: Sequence[Reading]) -> Reading | None:
        """Return whose annotations to take; asks if there are several."""
        if len(readings) < 2:
            return next(iter(readings), None)
        texts = {reading.text: reading for reading in readings}
        text = "This folder holds annotations of several readers or protocols."
        chosen = questions.choose(self, "Whose landmarks?", text, list(texts)[:6])
        return texts.get(chosen)

    def take_annotated(self) -> None:
        """List the case that is open in the annotation dock, and those listed there."""
        annotate = self._annotate_dock()
        if annotate is None:
            self.tell("Open MIDRL: annotate and place landmarks first.", error=True)
            return
        protocol = annotate.ui.form.chosen_protocol()
        rows = annotate.cases.annotated()
        if protocol is None or not rows:
            self.tell("Nothing is annotated in MIDRL: annotate yet.", error=True)
            return
        folder = annotate.cases.folder or rows[0].images.parent

        def listed() -> Generator[Progress, None, CaseSource]:
            yield from ()
            return source_of_rows(folder, rows, protocol)

        self._look(listed, self._on_source)

    def _annotate_dock(self) -> AnnotateDock | None:
        """Return the annotation dock of this viewer, if it is open."""
        from napari_midrl.plugin.annotate_dock import AnnotateDock

        docked = self.viewer.window.dock_widgets
        for name in docked:
            if name.startswith(ANNOTATE_DOCK) and isinstance(
                docked[name], AnnotateDock
            ):
                dock: AnnotateDock = docked[name]
                return dock
        return None

    def _look(self, make: Any, on_return: Any) -> None:
        if self.is_busy:
            self.tell("Wait until what runs has ended, or stop it.", error=True)
            return
        self.run_task(make, on_return)
        self.tell(f"Looking at the cases{ELLIPSIS}")

    def _on_source(self, source: CaseSource) -> None:
        self.source = source
        n = len(source.cases)
        self.ui.cases.set_cases(source.cases, f"{n} in {source.folder}")
        problems = [case for case in source.cases if case.problem]
        text = f"{n - len(problems)} of {n} cases can be used."
        if problems:
            text += f" {problems[0].name}: {problems[0].problem}"
        self.tell(text, error=bool(problems))
        self.show_result()

    def draw_again(self) -> None:
        """Hold out another fifth of the cases that are used, by chance."""
        roles = self.ui.cases.roles()
        used = [name for name, role in roles.items() if role is not Role.LEAVE_OUT]
        if not used:
            return
        self._n_draws += 1
        held_out = drawn(used, DEFAULT_SHARE, self._n_draws)
        self.ui.cases.set_roles(
            {n: Role.HOLD_OUT if n in held_out else Role.LEARN for n in used}
        )

    def _on_cases_changed(self) -> None:
        known = () if self.parent_pack is None else self.parent_pack.landmarks
        if self.source is not None:
            counts = self.source.counts(self.ui.cases.roles())
            self.ui.cases.set_landmarks(counts, known)
        self.training.forget_plan()

    def _on_pack_changed(self, index: int) -> None:
        self.training.suggest_name()

    def _on_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of cases")
        if folder:
            self.take_folder(Path(folder))

    # ---- result

    def show_result(self, version: PackVersion | None = None) -> None:
        """Show what became of a pack; None means the one shown already."""
        if version is not None:
            self.versions.shown = version
        shown = self.versions.shown
        if shown is None:
            return
        here = set() if self.source is None else {c.name for c in self.source.cases}
        cases = [name for name, _ in shown.held_out if name in here]
        self.ui.result.set_value(_title_of(shown), shown.rows, cases)
        button = self.ui.result.play_button
        if shown.held_out and not cases:
            button.setToolTip("List the cases it was measured on first.")

    def _on_play(self) -> None:
        case, version = self.ui.result.case.currentText(), self.versions.shown
        if version is not None and case and self.source is not None:
            self.side_by_side.play(self.source, case, version)

    # ---- tasks beside the window

    @property
    def is_busy(self) -> bool:
        """Whether something runs beside the window, a training included."""
        return self._task is not None or self.training.is_running

    def run_task(self, make: Any, on_return: Any) -> None:
        """Run a generator beside the window; `on_return` gets its result.

        It may begin the next task, which the end of this one leaves alone.
        """
        self._n_tasks += 1
        self._task = BackgroundTask(
            make,
            self,
            on_report=self._on_report,
            on_return=on_return,
            on_error=self._on_error,
            on_end=partial(self._on_task_end, self._n_tasks),
        )
        self.watch_window()
        self.refresh()
        self._task.start()

    def _on_report(self, progress: Progress) -> None:
        self.tell(progress.text)
        self.ui.train.show_progress(progress.done, progress.total)

    def _on_error(self, error: Exception) -> None:
        self.tell(failure_text(error), error=True)

    def _on_task_end(self, number: int) -> None:
        if number != self._n_tasks:
            return
        self._task = None
        self.ui.train.show_progress(0, 1)
        self.refresh()

    # ---- showing

    def tell(self, text: str, error: bool = False) -> None:
        """Show one sentence below the training."""
        self.ui.show_status(text, error=error)

    def refresh(self) -> None:
        """Show what can be done now."""
        self.ui.cases.set_running(self.is_busy)
        self.training.refresh()
        self.versions.refresh_buttons()

    def _on_theme(self, event: object = None) -> None:
        theme = get_theme(self.viewer.theme)
        self.ui.set_theme(
            theme.background.as_hex(),
            theme.text.as_hex(),
            is_light=is_light(self.viewer),
        )

    # ---- closing

    def let_go(self) -> None:
        """Let go of what runs; the window closes."""
        if self._task is not None:
            self._task.stop()
            self._task = None
        self.training.let_go()
        self.side_by_side.pause()

    def close_all(self) -> None:
        """Stop everything; a training leaves a checkpoint and ends by itself."""
        self.let_go()
        self.training.close()
        self.side_by_side.close()
        self.viewer.events.theme.disconnect(self._on_theme)


def _title_of(version: PackVersion) -> str:
    if not version.rows:
        return f"{version.name}: nothing was measured."
    came = f" from {version.parent}" if version.parent else ""
    cases = f"{len(version.train)} cases, {len(version.held_out)} held out"
    return f"{version.name}{came}: {cases}. {version.note}"
