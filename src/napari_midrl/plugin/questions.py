"""Questions that only the user can answer; nothing is done before they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QMessageBox, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence


def choose(
    parent: QWidget | None, title: str, text: str, options: Sequence[str]
) -> str:
    """Return the option the user picks; empty if none, which is the default.

    Parameters
    ----------
    parent
        Qt parent of the dialog.
    title
        Of the dialog.
    text
        What happened, and what each option does.
    options
        One button each, besides Cancel.
    """
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(title)
    box.setText(text)
    buttons = {
        option: box.addButton(option, QMessageBox.ButtonRole.AcceptRole)
        for option in options
    }
    cancel = box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(cancel)
    box.exec()
    clicked = box.clickedButton()
    return next((text for text, b in buttons.items() if b is clicked), "")
