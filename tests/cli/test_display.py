"""A display out of nothing, and what draws on it."""

import os
import shutil
import sys

import pytest

from napari_midrl.cli.display import has_display, virtual_display
from napari_midrl.cli.graphics import graphics_finding
from napari_midrl.errors import MidrlError
from napari_midrl.workflows.doctor import Verdict

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 only")
needs_xvfb = pytest.mark.skipif(not shutil.which("Xvfb"), reason="needs Xvfb")


@pytest.fixture
def headless(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


@linux
@needs_xvfb
def test_a_virtual_display_lasts_as_long_as_its_context(headless):
    assert not has_display()
    with virtual_display():
        number = os.environ["DISPLAY"].removeprefix(":")
        assert has_display()
    assert not has_display()
    assert not os.path.exists(f"/tmp/.X11-unix/X{number}")  # noqa: PTH110


@linux
def test_a_missing_xvfb_is_named(headless, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MidrlError, match="apt-get install xvfb"), virtual_display():
        pass
    assert not has_display()


@linux
def test_an_xvfb_that_dies_is_reported(headless, monkeypatch, tmp_path):
    broken = tmp_path / "Xvfb"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MidrlError, match="did not start"), virtual_display():
        pass
    assert not has_display()


@linux
@needs_xvfb
@pytest.mark.gui
def test_the_renderer_is_found_without_a_display(headless):
    finding = graphics_finding()

    assert finding.verdict == Verdict.OK
    assert finding.value.endswith("(Xvfb)")


@linux
@needs_xvfb
def test_a_machine_that_cannot_draw_outlives_the_question(headless, monkeypatch):
    """Qt aborts the process that asks; here it asks for a binding that is not there."""
    monkeypatch.setattr(
        "napari_midrl.cli.graphics.sys", type("S", (), {"executable": "false"})
    )

    finding = graphics_finding()

    assert finding.verdict == Verdict.WARNING
    assert "install a Qt binding" in finding.advice
