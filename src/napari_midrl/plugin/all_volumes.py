"""Whether agents search the other volumes of an examination, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_midrl.data.volume import Volume

ALL_VOLUMES = (
    "Search these, too, and give one answer where the surest volumes agree:\n{names}"
)
NO_OTHERS = (
    "No other open volume is surely of this examination: none was opened by this\n"
    "plugin that shares its frame of reference or, where files name none, its folder."
)


class AllVolumes(QCheckBox):
    """A box to check where there are other volumes of the examination."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("All", parent)
        self.show_state(())

    def show_state(self, beside: Sequence[str], *, running: bool = False) -> None:
        """Name the other volumes; without any, or in a search, nothing can change."""
        text = ALL_VOLUMES.format(names="\n".join(beside))
        self.setEnabled(bool(beside) and not running)
        self.setToolTip(text if beside else NO_OTHERS)

    def of(self, beside: tuple[Volume, ...]) -> tuple[Volume, ...]:
        """Return which of the volumes beside the chosen one are to be searched."""
        return beside if self.isChecked() else ()
