"""``midrl agents``: which trained agents there are, and what is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_midrl.cli.arguments import AsJson
from napari_midrl.cli.console import print_json, print_line, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator

app = typer.Typer(
    no_args_is_help=True, help="List trained agents, or show a model card."
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
        ("name", "title", ">landmarks", "which"),
        (
            (pack.name, pack.title, len(pack.landmarks), ", ".join(pack.landmarks))
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
