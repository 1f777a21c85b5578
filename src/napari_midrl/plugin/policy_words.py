"""What the dock says of a policy: sentences with links, from values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_midrl.plugin.policy_layers import basin_color

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_midrl.data.policy import Basin, PolicyScale

MOST_NAMED = 4
LEAST_NAMED_SHARE = 0.02
_LINK_COLOR = "#6FA8FF"


def basins_text(basins: Sequence[Basin], color: str) -> str:
    """Return the shares of the largest basins, each a link to where they rest."""
    if not basins:
        return "No start lies in the image."
    named = [
        number
        for number, basin in enumerate(basins[:MOST_NAMED])
        if number == 0 or basin.share >= LEAST_NAMED_SHARE
    ]
    parts = [
        f'<span style="color: {basin_color(number, color)}">\N{BLACK SQUARE}</span> '
        f"{_link(f'basin {number}', _percent(basins[number].share))}"
        for number in named
    ]
    n_others = len(basins) - len(named)
    if n_others:
        rest = sum(basin.share for basin in basins[len(named) :])
        parts.append(f"{_percent(rest)} in {n_others} smaller")
    return "Starts that rest together: " + " \N{MIDDLE DOT} ".join(parts)


def arrows_text(scale: PolicyScale | None, n_points: int, n_regions: int) -> str:
    """Return where arrows are, if none is to be seen; empty otherwise."""
    if n_points or scale is None:
        return ""
    if not scale.closeup or not n_regions:
        return "No arrows: there is nothing of the volume in sight."
    links = [_link(f"region {n}", _ORDINALS[n]) for n in range(n_regions)]
    there = _link("region 0", "there") if n_regions == 1 else ", ".join(links)
    return (
        f"Steps of {scale.step_mm:g} mm are made close to where longer ones end, "
        f"which is not in sight. Go {there}."
    )


def _link(place: str, text: str) -> str:
    # Qt's own color of links cannot be read on a dark theme.
    return f'<a href="{place}" style="color: {_LINK_COLOR}">{text}</a>'


_ORDINALS = ("to the first place", "the second", "the third")


def _percent(share: float) -> str:
    return "under 1%" if 0 < share < 0.005 else f"{share:.0%}"
