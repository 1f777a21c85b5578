"""Captions, pointer, strip and timing of the walk in the documentation."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).resolve().parent.parent / "docs" / "film.py"


@pytest.fixture(scope="module")
def film():
    spec = importlib.util.spec_from_file_location("film", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def gray():
    return Image.new("RGB", (900, 600), "#808080")


def test_a_film_lasts_as_long_as_its_shots(film, gray):
    packed = film.pack(gray)
    shots = [film.Shot(packed, seconds, "") for seconds in (1.0, 0.0, 0.5)]

    assert film.schedule(shots) == [0] * 20 + [1] + [2] * 10


def test_waiting_that_is_cut_is_said_and_other_waiting_is_not(film):
    assert film.sped_up(100.0, 4.0) == "waiting sped up 25 times"
    assert film.sped_up(4.0, 4.0) == ""


def test_a_frame_is_the_window_as_it_was_with_a_band_below(film, gray):
    shot = film.Shot(film.pack(gray), 1.0, "What happens, and why.", "sped up 3x")
    frame = np.asarray(film.frame(shot))

    assert frame.shape == (600 + film.BAND, 900, 3)
    assert (frame[:600] == 128).all()
    left, right = frame[600:, :450], frame[600:, 450:]
    assert (left == 255).any()
    assert (right != right[0, 0]).any()


def test_the_pointer_is_where_the_mouse_is_and_ringed_while_it_is_down(film, gray):
    def drawn(is_down):
        pointer = film.Pointer(300.0, 200.0, is_down)
        shot = film.Shot(film.pack(gray), 1.0, "", pointer=pointer)
        return np.argwhere((np.asarray(film.frame(shot))[:600] != 128).any(axis=2))

    assert drawn(False).min(axis=0).tolist() == [200, 300]
    around = drawn(True)
    np.testing.assert_allclose(
        (around.min(axis=0) + around.max(axis=0)) / 2, [201, 300], atol=3
    )


@pytest.mark.parametrize(
    ("center", "corner"),
    [((450, 300), (130, 85)), ((0, 0), (0, 0)), ((899, 599), (260, 170))],
)
def test_a_tile_is_cut_around_a_place_and_never_beyond_the_window(film, center, corner):
    ramp = np.zeros((600, 900, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(900) % 256, np.arange(600)[:, None] % 256
    tile = film.cut(Image.fromarray(ramp), center)

    assert tile.size == film.TILE
    left, top = corner
    assert tile.getpixel((0, 0)) == (left % 256, top % 256, 0)


def test_the_strip_shows_every_tile_in_reading_order(film):
    colors = [(200, 40 * n, 60) for n in range(5)]
    tiles = [film.Tile(Image.new("RGB", film.TILE, c), "A caption.") for c in colors]
    sheet = film.strip(tiles)

    across = film.TILE[0] + film.GAP
    down = film.TILE[1] + film.TILE_BAND + film.GAP
    assert sheet.size == (2 * across + film.GAP, 3 * down + film.GAP)
    middles = [
        (film.GAP + (n % 2) * across + 50, film.GAP + (n // 2) * down + 50)
        for n in range(5)
    ]
    assert [sheet.getpixel(spot) for spot in middles] == colors


def test_a_caption_that_has_no_room_is_refused(film):
    assert "\n" in film.wrapped("word " * 12, film.TILE[0])
    with pytest.raises(ValueError, match="room for 2 lines, got 3"):
        film.wrapped("word " * 25, film.TILE[0])
    assert film.caption_fits("word", 900)
    assert not film.caption_fits("word " * 40, 900)
