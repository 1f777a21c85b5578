"""Keys of the canvas: taken, given back, in any order."""

import pytest
from napari.components import ViewerModel

from napari_midrl.plugin.canvas_keys import CanvasKeys


@pytest.fixture
def viewer():
    return ViewerModel()


def press(viewer, name):
    """Do what a key does; say whether it does anything."""
    for key, act in viewer.keymap.items():
        if str(key) == name:
            act(viewer)
            return True
    return False


def test_a_key_does_what_it_did_before_once_it_is_given_back(viewer):
    done = []
    viewer.bind_key("b", lambda viewer: done.append("before"))
    keys = CanvasKeys(viewer, {"b": lambda: done.append("ours"), "c": done.clear})

    press(viewer, "B")
    keys.give_back()
    press(viewer, "B")

    assert done == ["ours", "before"]
    assert not press(viewer, "C")


@pytest.mark.parametrize("first", ["lower", "upper"])
def test_two_who_take_one_key_may_give_it_back_in_any_order(viewer, first):
    done = []
    viewer.bind_key("b", lambda viewer: done.append("before"))
    taken = {
        name: CanvasKeys(viewer, {"b": lambda name=name: done.append(name)})
        for name in ("lower", "upper")
    }

    press(viewer, "B")
    taken.pop(first).give_back()
    press(viewer, "B")
    taken.popitem()[1].give_back()
    press(viewer, "B")

    left = "upper" if first == "lower" else "lower"
    assert done == ["upper", left, "before"]


def test_a_key_that_another_took_since_stays_his(viewer):
    done = []
    keys = CanvasKeys(viewer, {"b": lambda: done.append("ours")})
    viewer.bind_key("b", lambda viewer: done.append("his"), overwrite=True)

    keys.give_back()
    press(viewer, "B")

    assert done == ["his"]
