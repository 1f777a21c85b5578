"""``midrl demo`` with a window and without one."""

import os
import sys

import pytest

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 only")


@pytest.fixture
def demo(stand_in):
    """A stand-in for the window; it remembers what it was asked for."""
    asked = []

    def open_demo(*, seed, out):
        asked.append((seed, out, os.environ.get("DISPLAY")))
        if out is not None:
            out.mkdir()
            (out / "landmarks.csv").touch()

    stand_in("napari_midrl.plugin.demo", open_demo=open_demo)
    return asked


@linux
def test_with_a_display_the_window_is_all(midrl, demo, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":77")

    result = midrl("demo", "--seed", 4)

    assert demo == [(4, None, ":77")]
    assert result.stdout == ""
    assert "Not a medical device" in result.stderr


@linux
def test_without_a_display_files_are_left_and_named(midrl, demo, monkeypatch, tmp_path):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.chdir(tmp_path)

    result = midrl("demo")

    assert result.exit_code == 0, result.output
    assert demo[0][2].startswith(":")
    landmarks = tmp_path / "demo-output" / "landmarks.csv"
    assert result.stdout.splitlines() == [str(landmarks.resolve())]


def test_a_missing_window_names_the_extra(midrl, monkeypatch):
    monkeypatch.setitem(sys.modules, "napari_midrl.plugin.demo", None)

    result = midrl("demo")

    assert result.exit_code == 2
    assert "pip install 'napari-midrl[pyqt6,video]'" in result.stderr
