"""Names beside points on slices."""

import numpy as np
import pytest

from napari_midrl.data.landmarks import Landmark, LandmarkSet
from napari_midrl.plugin.layers import landmarks_layer
from napari_midrl.plugin.names import (
    MOST_LINES,
    SPACE,
    Lead,
    Names,
    leads_apart,
)
from napari_midrl.plugin.orientation import CORONAL
from napari_midrl.plugin.views import set_slab, show_standard_view

RED, GREEN = "#ff0000", "#00ff00"
COLORS = {"upper": RED, "lower": GREEN, "far": RED, "deep": GREEN}
SLAB_MM = 5.0


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((40, 60, 80)), scale=(3, 2, 2))
    viewer.dims.set_point((0, 1, 2), (60.0, 60.0, 80.0))
    set_slab(viewer, SLAB_MM)
    return viewer


def points(viewer, places_lps_mm):
    """Return a layer of landmarks at these places."""
    marks = tuple(Landmark(name, place) for name, place in places_lps_mm.items())
    data, options, _ = landmarks_layer(LandmarkSet(marks), COLORS, name="landmarks")
    return viewer.add_points(data, **options)


def box_of(picture, channel):
    """Return rows and columns between which one color is on a picture."""
    others = [n for n in range(3) if n != channel]
    is_there = (picture[..., channel] > 150) & (picture[..., others] < 90).all(axis=-1)
    rows, columns = is_there.nonzero()
    return rows.min(), rows.max(), columns.min(), columns.max()


def test_a_name_alone_stands_beside_its_point(qtbot):
    anchors = np.array([[0.0, 0.0], [0.0, 400.0], [700.0, 0.0]])
    found = leads_apart(anchors, ["one", "two", "three"], [1, 2, 1])
    assert found == [Lead(1), Lead(2), Lead(1)]


def test_a_name_does_not_stand_beyond_another_point(qtbot):
    anchors = np.array([[0.0, 0.0], [30.0, -8.0]])
    first, second = leads_apart(anchors, ["AC", "PC"], [2, 2])
    assert second == Lead(2)
    assert first.n_lines > 0


def test_names_of_one_place_stand_over_each_other(qtbot):
    found = leads_apart(np.zeros((4, 2)), ["a", "b", "c", "d"], [1] * 4)
    assert set(found) == {Lead(1), Lead(0, 1), Lead(0, 2), Lead(0, 3)}


def test_where_there_is_no_room_a_name_stays_beside_its_point(qtbot):
    n = 2 * MOST_LINES
    found = leads_apart(np.zeros((n, 2)), ["name"] * n, [1] * n)
    assert found.count(Lead(1)) == n - MOST_LINES


def test_no_name_covers_another_on_the_canvas(viewer, qtbot):
    layer = points(viewer, {"upper": (80.0, 60.0, 60.0), "lower": (80.5, 61.0, 60.0)})
    layer.size = 0.01
    layer.canvas_size_limits = (0, 1)
    pictures = []
    for names in (None, Names(viewer)):
        if names is not None:
            names.write(layer)
        qtbot.wait(200)
        pictures.append(viewer.screenshot(canvas_only=True, flash=False).astype(int))
    before = [box_of(pictures[0], channel) for channel in (0, 1)]
    after = [box_of(pictures[1], channel) for channel in (0, 1)]
    assert before[0][0] < before[1][1]
    # The strokes of the lifted name may pass the other one, its letters do not.
    assert after[1] == pytest.approx(before[1], abs=25)
    letters = pictures[1][: after[1][0]]
    assert box_of(letters, 0)[3] - box_of(letters, 0)[2] > 30
    names.close()


def test_names_follow_slice_zoom_and_edits(viewer):
    layer = points(
        viewer,
        {
            "upper": (80.0, 60.0, 60.0),
            "lower": (80.5, 61.0, 60.0),
            "deep": (80.0, 61.0, 20.0),
        },
    )
    names = Names(viewer)
    names.write(layer)

    def lifted():
        return [text for text in layer.text.string.array if "\n" in text]

    assert len(lifted()) == 1
    # On a slice that shows but one of them there is nothing to part.
    viewer.dims.set_point(0, 20.0)
    assert not lifted()
    viewer.dims.set_point(0, 60.0)
    assert len(lifted()) == 1
    viewer.scene.camera.zoom = 400.0
    assert not lifted()
    viewer.scene.camera.zoom = 1.0
    assert len(lifted()) == 1
    show_standard_view(viewer, CORONAL)
    set_slab(viewer, SLAB_MM)
    viewer.dims.set_point((0, 1, 2), (60.0, 60.0, 80.0))
    # From the front the deep one lies 40 mm below the others.
    assert len(lifted()) == 1
    layer.visible = False
    assert not lifted()
    layer.visible = True
    layer.data = np.array([[60.0, 60, 80], [60, 60, 20], [20, 61, 80]])
    assert not lifted()
    names.close()


def test_names_are_those_of_the_feature(viewer):
    layer = points(viewer, {"upper": (80.0, 60.0, 60.0)})
    names = Names(viewer)
    names.write(layer, "{label} ?")
    assert list(layer.text.string.array) == [f"{SPACE}upper ?"]
    layer.add([60.0, 20.0, 30.0])
    layer.features.loc[1, "label"] = None
    layer.features = layer.features
    assert list(layer.text.string.array) == [f"{SPACE}upper ?", ""]
    names.close()


def test_in_space_no_name_is_written(viewer):
    layer = points(viewer, {"upper": (80.0, 60.0, 60.0)})
    names = Names(viewer)
    viewer.dims.ndisplay = 3
    names.write(layer)
    assert not layer.text.visible
    viewer.dims.ndisplay = 2
    assert layer.text.visible
    names.close()


def test_a_layer_that_is_gone_is_forgotten(viewer):
    gone = points(viewer, {"upper": (80.0, 60.0, 60.0)})
    stays = points(viewer, {"lower": (80.5, 61.0, 60.0)})
    names = Names(viewer)
    names.write(gone)
    names.write(stays)
    # Those of two layers are parted, too.
    texts = [layer.text.string.array[0] for layer in (gone, stays)]
    assert sum("\n" in text for text in texts) == 1
    viewer.layers.remove(gone)
    assert list(stays.text.string.array) == [f"{SPACE}lower"]
    back = points(viewer, {"upper": (80.0, 60.0, 60.0)})
    names.write(back)
    assert [layer.text.string.array[0] for layer in (back, stays)] == texts
    names.forget(back)
    viewer.layers.remove(back)
    same = points(viewer, {"upper": (80.0, 60.0, 60.0)})
    names.write(same)
    assert same.text.string.array[0] == texts[0]
    viewer.layers.remove(same)
    # Without a layer in three dimensions the viewer has but two.
    viewer.layers.remove(viewer.layers[0])
    viewer.layers.remove(stays)
    names.close()
