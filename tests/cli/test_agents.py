"""``midrl agents``."""

import json

from napari_midrl.cli.agents import card_lines


def test_the_list_names_packs_and_landmarks(midrl, agents):
    rows = [line.split() for line in midrl("agents", "list").stdout.splitlines()]

    assert [
        "test-agents",
        "-",
        "-",
        *["Agents", "for", "tests", "2", "AC,", "PC"],
    ] in rows


def test_the_list_for_a_program(midrl, agents):
    packs = json.loads(midrl("agents", "list", "--json").stdout)

    assert packs[0]["name"] == "test-agents"
    assert packs[0]["landmarks"] == ["AC", "PC"]


def test_a_card_is_shown_in_words(midrl, agents):
    result = midrl("agents", "show", "test-agents")

    assert result.stdout.splitlines() == [
        "name: test-agents",
        "measured:",
        "  median error mm: 1.5",
    ]


def test_a_card_for_a_program(midrl, agents):
    card = json.loads(midrl("agents", "show", "test-agents", "--json").stdout)

    assert card["measured"] == {"median_error_mm": 1.5}


def test_an_unknown_pack_is_one_line(midrl):
    """Without a stand-in: the store itself says which packs there are."""
    result = midrl("agents", "show", "knee-of-nobody")

    assert result.exit_code == 2
    assert "knee-of-nobody" in result.stderr
    assert result.stderr.count("\n") == 1


def test_lists_in_a_card_are_laid_out():
    card = {"spacings_mm": [3, 1], "runs": [{"seed": 1, "error_mm": 2.5}, "lost"]}

    assert list(card_lines(card)) == [
        "spacings mm: 3, 1",
        "runs:",
        "  - seed: 1",
        "    error mm: 2.5",
        "  - lost",
    ]
