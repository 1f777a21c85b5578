"""How the command line speaks: results on stdout, all else on stderr."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from napari_midrl.data.progress import Progress

DISCLAIMER = "Not a medical device: a person has to check every landmark."
_WIDTH_OF_A_FILE = 200


def printable(text: object) -> str:
    """Return text from a file without control characters, safe for a terminal."""
    return "".join(c if c.isprintable() else "?" for c in str(text))


def say(text: str) -> None:
    """Write one line to stderr."""
    sys.stderr.write(f"{printable(text)}\n")


def warn(texts: Iterable[str]) -> None:
    """Write one line per warning to stderr."""
    for text in texts:
        say(f"warning: {text}")


def fail(text: str) -> None:
    """Write one line, red on a terminal, to stderr."""
    line = f"error: {printable(' '.join(text.split()))}"
    sys.stderr.write(f"\x1b[31m{line}\x1b[0m\n" if sys.stderr.isatty() else f"{line}\n")


def print_line(text: str) -> None:
    """Write one line of a result to stdout."""
    sys.stdout.write(f"{printable(text)}\n")


def print_json(value: Any) -> None:
    """Write a value of dicts, sequences and scalars to stdout as JSON."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table to stdout, never cut off where stdout is not a terminal.

    Parameters
    ----------
    columns
        Headings; one that begins with ``>`` is a column of numbers, set flush right.
    rows
        One cell per column; None is shown as a dash.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in columns:
        numbers = heading.startswith(">")
        table.add_column(
            heading.removeprefix(">"), justify="right" if numbers else "left"
        )
    for row in rows:
        table.add_row(*(Text("-" if c is None else printable(c)) for c in row))
    width = None if sys.stdout.isatty() else _WIDTH_OF_A_FILE
    console = Console(file=sys.stdout, width=width)
    with console.capture() as drawn:
        console.print(table)
    lines = (line.rstrip() for line in drawn.get().splitlines())
    sys.stdout.write("\n".join(line for line in lines if line) + "\n")


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None] | None]:
    """Give a function that shows progress on stderr; None without a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(progress: Progress) -> None:
            bar.update(
                task,
                completed=progress.done,
                total=progress.total or None,
                description=printable(progress.text).replace("[", r"\["),
            )

        yield show
