"""Full collections wait while a task runs, and nothing stays as it was set."""

import gc
import threading
import weakref

import pytest

from napari_midrl.plugin.garbage import (
    NEVER,
    full_collections_postponed,
    quick_collection,
)


class Knot:
    """Garbage that only a collection finds: it holds itself."""

    def __init__(self):
        self.me = self


def briefly_postponed():
    with full_collections_postponed():
        pass


def test_full_collections_wait_until_the_last_who_asked_is_done():
    usual = gc.get_threshold()
    with full_collections_postponed():
        other = threading.Thread(target=briefly_postponed)
        other.start()
        other.join()
        assert gc.get_threshold() == (*usual[:2], NEVER)
    assert gc.get_threshold() == usual


def test_an_error_does_not_leave_them_postponed():
    usual = gc.get_threshold()
    with pytest.raises(ZeroDivisionError), full_collections_postponed():
        _ = 1 / 0
    assert gc.get_threshold() == usual


def test_what_was_there_before_is_spared_and_collected_later():
    gc.collect()
    old = weakref.ref(Knot())
    with quick_collection():
        new = weakref.ref(Knot())
        gc.collect()
        assert new() is None
        assert old() is not None
    gc.collect()
    assert old() is None
    assert gc.get_freeze_count() == 0
