"""The versions of the fine-tuning dock: use, compare, export, import."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog

from napari_midrl.plugin import questions
from napari_midrl.plugin.pack_news import news
from napari_midrl.plugin.preferences import default_pack, use_by_default
from napari_midrl.workflows.pack_files import (
    PACK_SUFFIX,
    export_pack,
    import_pack,
)
from napari_midrl.workflows.pack_versions import (
    PackVersion,
    compared,
    pack_versions,
    parent_among,
)

if TYPE_CHECKING:
    from napari_midrl.plugin.finetune_dock import FineTuneDock

FILTER = f"Agent packs (*{PACK_SUFFIX})"
WITHOUT, WITH = "Without images", "With images"


class Versions:
    """Lists the packs for a dock.

    Parameters
    ----------
    dock
        The dock.
    """

    def __init__(self, dock: FineTuneDock) -> None:
        self._dock = dock
        self._box = dock.ui.versions
        self._all: tuple[PackVersion, ...] = ()
        self.shown: PackVersion | None = None
        """The pack whose tables are shown."""
        box = self._box
        box.selection_changed.connect(self._on_selection)
        box.use_clicked.connect(self._on_use)
        box.compare_clicked.connect(self._on_compare)
        box.export_clicked.connect(self._on_export)
        box.import_clicked.connect(self._on_import)

    def named(self, name: str) -> PackVersion | None:
        """Return the pack of that name."""
        return next((v for v in self._all if v.name == name), None)

    @property
    def current(self) -> str:
        """Name of the pack in use: chosen when the other docks open."""
        names = sorted(version.name for version in self._all)
        preferred = default_pack()
        return preferred if preferred in names else next(iter(names), "")

    def refresh(self) -> None:
        """List the packs anew."""
        self._all = pack_versions()
        self._box.table.set_value(self._all, self.current)
        preferred = self._dock.preferences.default_pack
        self._dock.ui.cases.set_packs(self._all, preferred)
        self.refresh_buttons()

    def refresh_buttons(self) -> None:
        """Let buttons say what they would do, or why they can do nothing."""
        selected = self._box.table.selected()
        one = selected[0] if len(selected) == 1 else None
        is_current = one is not None and one.name == self.current
        busy = self._dock.is_busy
        use = "Let the other docks begin with these agents; nothing else changes."
        for button, ready, tooltip, reason in (
            (
                self._box.use_button,
                one is not None and not is_current,
                use,
                "These are in use." if is_current else "Choose one row.",
            ),
            (
                self._box.compare_button,
                len(selected) == 2,
                "Median errors of both, landmark by landmark.",
                "Choose two rows (Ctrl+click).",
            ),
            (
                self._box.export_button,
                one is not None and not busy,
                "Write one file to hand on or to keep.",
                "Wait until what runs has ended." if busy else "Choose one row.",
            ),
        ):
            button.setEnabled(ready)
            button.setToolTip(tooltip if ready else reason)
        self._box.import_button.setEnabled(not busy)

    def use(self, version: PackVersion) -> None:
        """Let the other docks begin with a pack; the one before stays as it is."""
        before = self.current
        use_by_default(version.name)
        self._box.table.set_value(self._all, self.current)
        self.refresh_buttons()
        news.changed.emit()
        self._dock.tell(
            f"{version.name} is in use now. {before} is still there: choose it and "
            "press Use to go back."
        )

    def export(self, version: PackVersion, path: Path, *, with_images: bool) -> None:
        """Write a pack file beside the window."""
        self._dock.run_task(
            partial(
                export_pack,
                version.name,
                path,
                with_images=with_images,
                overwrite=True,
            ),
            self._on_exported,
        )

    def import_file(self, path: Path) -> None:
        """Take over a pack file beside the window."""
        self._dock.run_task(partial(import_pack, path), self._on_imported)

    def _on_selection(self) -> None:
        selected = self._box.table.selected()
        if len(selected) == 1 and selected[0].rows:
            self._dock.show_result(selected[0])
        self.refresh_buttons()

    def _on_use(self) -> None:
        for version in self._box.table.selected():
            self.use(version)

    def _on_compare(self) -> None:
        one, other = self._box.table.selected()
        if parent_among(one, (other,)) is not None:
            one, other = other, one
        self._box.show_comparison(compared(one, other))

    def _on_export(self) -> None:
        (version,) = self._box.table.selected()
        with_images = False
        if version.carries_images:
            text = (
                f"{version.name} carries images of the cases it learned from.\nWithout "
                "them a later fine-tuning cannot rehearse those cases.\nWith them, "
                "share the file only as the images may be shared."
            )
            chosen = questions.choose(
                self._dock, "Image data of patients", text, (WITHOUT, WITH)
            )
            if not chosen:
                return
            with_images = chosen == WITH
        suggested = f"{version.name}{PACK_SUFFIX}"
        name, _ = QFileDialog.getSaveFileName(
            self._dock, "Export agents", suggested, FILTER
        )
        if name:
            self.export(version, Path(name), with_images=with_images)

    def _on_import(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self._dock, "Import agents", "", FILTER)
        if name:
            self.import_file(Path(name))

    def _on_exported(self, path: Path) -> None:
        self._dock.tell(f"Wrote {path}")

    def _on_imported(self, folder: Path) -> None:
        self.refresh()
        news.changed.emit()
        self._dock.tell(
            f"Took over {folder.name}. It is not in use until you say so; agents of "
            "others may be wrong in ways only their card tells."
        )
