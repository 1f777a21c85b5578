"""Tells docks that there are other agent packs than before."""

from __future__ import annotations

from qtpy.QtCore import QObject, Signal


class PackNews(QObject):
    """One for the whole program."""

    changed = Signal()
    """Packs came or went, or another one is in use."""


news = PackNews()
