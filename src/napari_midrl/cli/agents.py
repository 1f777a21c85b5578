"""``midrl agents``: which trained agents there are, and what is known of them."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_midrl.cli.arguments import AsJson, Overwrite
from napari_midrl.cli.console import (
    print_json,
    print_line,
    print_table,
    progress_bar,
    warn,
)
from napari_midrl.data.progress import finish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_midrl.evaluation.before_after import Row

app = typer.Typer(
    no_args_is_help=True,
    help="List trained agents, show a model card, compare, export, import.",
)


@app.command("list")
def list_agents(json: AsJson = False) -> None:
    """List the agent packs and the landmarks they find."""
    from napari_midrl.workflows.localize import available_packs

    packs = available_packs()
    if json:
        fields = ("name", "title", "landmarks", "description")
        print_json([{f: getattr(pack, f) for f in fields} for pack in packs])
        return
    print_table(
        ("name", "from", "made", "title", ">landmarks", "which"),
        (
            (
                pack.name,
                (pack.card.get("parent") or {}).get("name"),
                pack.card.get("training", {}).get("finished", "")[:10] or None,
                pack.title,
                len(pack.landmarks),
                ", ".join(pack.landmarks),
            )
            for pack in packs
        ),
    )


@app.command("show")
def show_agents(
    name: Annotated[str, typer.Argument(help="As `midrl agents list` prints it.")],
    json: AsJson = False,
) -> None:
    """Show a pack's model card: training data, measured errors, limits, licence."""
    from napari_midrl.workflows.localize import pack_info

    card = pack_info(name).card
    if json:
        print_json(card)
        return
    for line in card_lines(card):
        print_line(line)


@app.command("compare")
def compare_agents(
    one: Annotated[str, typer.Argument(help="Name or folder of agents.")],
    other: Annotated[str, typer.Argument(help="Those to compare them with.")],
) -> None:
    """Compare the errors that two cards state; on images, use evaluate --against."""
    from napari_midrl.io.model_store import find_pack
    from napari_midrl.workflows.pack_versions import compared, version_in

    comparison = compared(version_in(find_pack(one)), version_in(find_pack(other)))
    warn([comparison.caution] if comparison.caution else [])
    print_table(
        ("cases", "landmark", f">{one}: median mm", f">{other}: median mm"),
        (
            (row.group, row.landmark, _median(row.one), _median(row.other))
            for row in comparison.rows
        ),
    )


@app.command("export")
def export_agents(
    name: Annotated[str, typer.Argument(help="Name or folder of agents.")],
    out: Annotated[Path, typer.Argument(help="File to write, NAME.midrl-pack.")],
    with_images: Annotated[
        bool,
        typer.Option(
            "--with-images",
            help="Let the images of cases go along that the agents carry.",
        ),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write agents as one file, to hand on or to keep."""
    from napari_midrl.workflows.pack_files import export_pack

    with progress_bar() as show:
        task = export_pack(name, out, with_images=with_images, overwrite=overwrite)
        print_line(str(finish(task, show)))


@app.command("import")
def import_agents(
    file: Annotated[Path, typer.Argument(help="A file that export wrote.")],
    name: Annotated[
        str | None, typer.Option(help="To call them; default as the card does.")
    ] = None,
) -> None:
    """Take agents over from a file, if every byte of it is as it should be."""
    from napari_midrl.workflows.pack_files import import_pack

    with progress_bar() as show:
        print_line(str(finish(import_pack(file, name), show)))


def _median(row: Row | None) -> str | None:
    return None if row is None or isnan(row.median_mm) else f"{row.median_mm:.1f}"


def card_lines(card: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Yield a model card as indented lines, ``key: value``."""
    for key, value in card.items():
        words = key.replace("_", " ")
        if isinstance(value, dict):
            yield f"{indent}{words}:"
            yield from card_lines(value, indent + "  ")
        elif isinstance(value, list | tuple) and any(
            isinstance(item, dict) for item in value
        ):
            yield f"{indent}{words}:"
            for item in value:
                yield from _item_lines(item, indent + "  ")
        elif isinstance(value, list | tuple):
            yield f"{indent}{words}: {', '.join(map(str, value))}"
        else:
            yield f"{indent}{words}: {value}"


def _item_lines(item: Any, indent: str) -> Iterator[str]:
    """Yield one member of a list, set off by a dash."""
    lines = card_lines(item, "") if isinstance(item, dict) else iter([str(item)])
    for number, line in enumerate(lines):
        yield f"{indent}{'- ' if number == 0 else '  '}{line}"
