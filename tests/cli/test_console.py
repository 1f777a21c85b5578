"""What reaches the terminal, and what reaches a file."""

import io
import sys

import pytest

from napari_midrl.cli.console import fail, print_table, progress_bar
from napari_midrl.data.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_errors_are_red_on_a_terminal_only(monkeypatch):
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        monkeypatch.setattr(sys, "stderr", stream)
        fail("no such file")

    assert terminal.getvalue() == "\x1b[31merror: no such file\x1b[0m\n"
    assert file.getvalue() == "error: no such file\n"


def test_progress_is_for_terminals(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_bar() as show:
        assert show is None


@pytest.mark.parametrize("total", [0, 2])
def test_progress_is_drawn_and_markup_in_it_is_text(monkeypatch, total):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar() as show:
        show(Progress(1, total, "reading [red]a[/red]"))

    assert "reading [red]a[/red]" in terminal.getvalue()


def test_a_long_cell_is_not_cut_in_a_file(capsys):
    print_table(("name", ">n"), [("x" * 150, 1), ("short", None)])

    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "x" * 150 + "   1"
    assert lines[3].split() == ["short", "-"]
