"""Other readers of the same image: load, compare, keep back, hand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_midrl.errors import MidrlError
from napari_midrl.io.annotation_file import read_annotations
from napari_midrl.plugin import annotate_files
from napari_midrl.plugin.exports import error_text

if TYPE_CHECKING:
    from pathlib import Path

    from napari_midrl.data.annotations import AnnotationDocument
    from napari_midrl.plugin.annotate_dock import AnnotateDock
    from napari_midrl.workflows.compare_readers import Comparison


class OtherReaders:
    """The other readers of a dock's image.

    Parameters
    ----------
    dock
        The dock.
    """

    def __init__(self, dock: AnnotateDock) -> None:
        self._dock = dock
        self._box = dock.ui.readers
        self._documents: tuple[AnnotationDocument, ...] = ()
        self._box.load_clicked.connect(self._on_load)
        self._box.forget_clicked.connect(self._on_forget)
        self._box.consensus_clicked.connect(self._on_consensus)
        self._box.changed.connect(dock.refresh)

    def clear(self) -> None:
        """Forget the other readers; their files stay."""
        self._documents = ()

    def comparison(self) -> Comparison | None:
        """Return how far the readers are apart; None if there is one only."""
        from napari_midrl.workflows.compare_readers import compare_readers

        session = self._dock.session
        if session is None or not self._documents:
            return None
        blind = self._box.blind.isChecked()
        return compare_readers(session.document, self._documents, blind=blind)

    def load(self, path: Path) -> bool:
        """Take another reader's landmarks in; return whether that is done."""
        from napari_midrl.workflows.compare_readers import compare_readers

        session = self._dock.session
        if session is None:
            return False
        try:
            document = read_annotations(path, image=session.image).document
            rest = [d for d in self._documents if d.reader != document.reader]
            compare_readers(session.document, (*rest, document))
        except MidrlError as error:
            self._dock.tell(f"Not loaded: {error_text(error)}", error=True)
            return False
        self._documents = (*rest, document)
        self._dock.refresh()
        self._dock.tell(f"Loaded {document.reader}.")
        return True

    def refresh(self, comparison: Comparison | None) -> None:
        """Say how far apart the readers are."""
        box = self._box
        box.load_button.setEnabled(self._dock.session is not None)
        box.forget_button.setEnabled(bool(self._documents))
        is_open = comparison is not None and not comparison.is_blind
        box.consensus_button.setEnabled(is_open)
        box.summary.setText(comparison_text(comparison))

    def _on_load(self) -> None:
        session = self._dock.session
        if session is None:
            return
        path = annotate_files.ask_file(
            self._dock,
            "Load another reader",
            annotate_files.SESSION_FILTER,
            str(session.path.parent),
        )
        if path is not None:
            self.load(path)

    def _on_forget(self) -> None:
        self.clear()
        self._dock.refresh()

    def _on_consensus(self) -> None:
        from napari_midrl.workflows.compare_readers import consensus_landmarks

        dock, comparison = self._dock, self.comparison()
        session, volume = dock.session, dock.volume
        if session is not None and volume is not None and comparison is not None:
            dock.tell_saved(
                lambda: annotate_files.export_set(
                    dock,
                    consensus_landmarks(session.document, comparison),
                    volume,
                    "consensus",
                )
            )


def comparison_text(comparison: Comparison | None) -> str:
    """Return a comparison in a sentence."""
    if comparison is None:
        return "No other reader"
    others = ", ".join(comparison.readers[1:])
    if comparison.is_blind:
        return f"{others}: hidden until all of yours are placed or skipped"
    apart = [row.distance_mm for row in comparison.rows if row.distance_mm is not None]
    if not apart:
        return f"{others}: no landmark in common yet"
    n_agreed = sum(row.consensus_lps_mm is not None for row in comparison.rows)
    return (
        f"{others}: mean {sum(apart) / len(apart):.1f} mm, largest {max(apart):.1f} mm "
        f"apart; agreed on {n_agreed} of {len(apart)}"
    )
