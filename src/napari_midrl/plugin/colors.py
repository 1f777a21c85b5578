"""One color per landmark, the same wherever the landmark is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# After Okabe and Ito, https://jfly.uni-koeln.de/color/, the dark blue lightened so
# that it shows on black; then the same hues lighter, then darker. Neighbors in the
# list differ for readers with any common color blindness, and names are drawn too.
PALETTE = (
    "#E69F00",
    "#56B4E9",
    "#00C08B",
    "#F0E442",
    "#FF6A3D",
    "#D98CC0",
    "#5B8CFF",
    "#FFFFFF",
    "#FFD27F",
    "#B5E3FF",
    "#8CF0CE",
    "#C7B700",
    "#FFB199",
    "#F4CBE6",
    "#B3C8FF",
    "#A8A8A8",
)

UNKNOWN_COLOR = "#A8A8A8"

Colors = dict[str, str]


def landmark_colors(names: Sequence[str]) -> Colors:
    """Return a hex color by landmark name.

    Parameters
    ----------
    names
        All landmarks of the agents, not only those sought, so that a landmark keeps
        its color when fewer are sought.
    """
    return {name: PALETTE[n % len(PALETTE)] for n, name in enumerate(names)}


def color_of(colors: Mapping[str, str], name: str) -> str:
    """Return the landmark's color, gray for a landmark without one."""
    return colors.get(name, UNKNOWN_COLOR)


def rgba(color: str, alpha: float = 1.0) -> tuple[float, float, float, float]:
    """Return a ``"#RRGGBB"`` color as four numbers from 0 to 1."""
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue, alpha


def faded(colors: Mapping[str, str], share: float = 0.55) -> Colors:
    """Return the colors mixed with this share of gray, for what is not the point."""
    return {name: _mixed(color, share) for name, color in colors.items()}


def _mixed(color: str, share: float) -> str:
    own = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(c * (1 - share) + 0x60 * share):02X}" for c in own)
