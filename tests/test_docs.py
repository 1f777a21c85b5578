"""The documentation keeps up with the code."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from napari_midrl.cli.main import app

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]


def page_name(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
    local = [t for t in targets if not t.startswith(("http://", "https://"))]

    assert [t for t in local if not (page.parent / t).exists()] == []


def test_the_layout_names_every_part_of_the_package():
    layout = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    package = ROOT / "src" / "napari_midrl"
    parts = {path.parent.name for path in package.glob("*/__init__.py")}

    assert parts
    assert {part for part in parts if f"\n  {part}/ " not in layout} == set()


def commands_and_options(command, path=("midrl",)):
    """Yield every command's path with the long names of its options."""
    for name, child in getattr(command, "commands", {}).items():
        yield from commands_and_options(child, (*path, name))
    if not hasattr(command, "commands"):
        options = [o for p in command.params for o in p.opts if o.startswith("--")]
        yield " ".join(path), options


@pytest.mark.parametrize(
    ("command", "options"),
    [pytest.param(*c, id=c[0]) for c in commands_and_options(get_command(app))],
)
def test_the_manual_has_every_command_and_option(command, options):
    manual = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    # A paragraph goes on to the next one that begins with a command.
    paragraphs = re.split(r"\n\n(?=\*\*`midrl)", manual)
    about = [p for p in paragraphs if f"`{command} " in p or f"`{command}`" in p]

    assert about
    assert [o for o in options if o != "--help" and o not in about[0]] == []


def test_the_place_for_measured_numbers_is_there_once():
    readme = (ROOT / "README.md").read_text("utf-8")

    for pack in ("digital-patient", "brain-afids"):
        edges = re.findall(f"<!-- measured:{pack}:(begin|end) -->", readme)
        assert edges == ["begin", "end"]


def test_the_readme_says_what_this_is_not():
    assert "Not a medical device" in (ROOT / "README.md").read_text("utf-8")
