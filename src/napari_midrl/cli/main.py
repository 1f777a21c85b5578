"""The program ``midrl``.

Exit codes: 0 done; 1 done, but the answer is no (nothing found, a check failed);
2 the request or a file cannot be used; 130 interrupted by the user.

Commands import what they need when they run, so that ``midrl --help`` is instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from napari_midrl import __version__
from napari_midrl.cli import (
    agents,
    calibrate,
    convert,
    demo,
    doctor,
    evaluate,
    finetune,
    inspect,
    locate,
    next_case,
    phantom,
    train,
)
from napari_midrl.cli.console import fail, print_line
from napari_midrl.errors import MidrlError

if TYPE_CHECKING:
    from typing import Any

INTERRUPTED = 130
REFUSED = 2


class CommandGroup(TyperGroup):
    """Commands whose expected failures end in one line instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (MidrlError, OSError) as error:
            fail(str(error))
            raise typer.Exit(REFUSED) from error
        except KeyboardInterrupt as error:
            fail("interrupted")
            raise typer.Exit(INTERRUPTED) from error


app = typer.Typer(
    name="midrl",
    cls=CommandGroup,
    help=(
        "Find anatomical landmarks in multiparametric MRI with reinforcement-learning "
        "agents. Not a medical device."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print_line(f"napari-midrl {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and exit.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Hold the options that come before a command."""


app.command()(inspect.inspect)
app.command()(locate.locate)
app.add_typer(agents.app, name="agents")
app.command()(convert.convert)
app.command()(phantom.phantom)
app.command()(train.train)
app.command()(calibrate.calibrate)
app.command()(finetune.finetune)
app.command()(evaluate.evaluate)
app.command()(next_case.next_case)
app.command()(doctor.doctor)
app.command()(demo.demo)


def main() -> None:
    """Run the program with the arguments of the process."""
    app()
