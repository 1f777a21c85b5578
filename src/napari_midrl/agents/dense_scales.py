"""Scales of the dense agents, in base units; known without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from napari_midrl.data.policy import PolicyScale


@dataclass(frozen=True)
class Scale:
    """One level of the coarse-to-fine search; lengths in base units.

    Parameters
    ----------
    step
        Length of a move.
    level
        Base units per voxel of the features it reads.
    box
        Edge of the region it mainly looks at: the reach of the convolutions of its
        own level. Deeper levels add faint context from farther away.
    """

    step: float
    level: float
    box: float


@dataclass(frozen=True)
class Closeup:
    """A part of the search inside cubes around what was found before it.

    Parameters
    ----------
    edge
        Of a cube, in base units.
    voxels_per_unit
        Of the image inside, along each axis.
    scales
        Played inside, coarser first.
    """

    edge: int
    voxels_per_unit: int
    scales: tuple[Scale, Scale]

    @property
    def level(self) -> float:
        """Base units per voxel of its features: blocks of 2x2x2 image voxels."""
        return self.scales[0].level


COARSE_SCALES = (Scale(4.0, 4, box=40), Scale(2.0, 2, box=24))
"""Played on the maps of the whole volume."""

FINE = Closeup(16, 2, (Scale(1.0, 1, box=12), Scale(0.5, 1, box=10)))
"""Played by all agents."""

DETAIL = Closeup(8, 4, (Scale(0.5, 0.5, box=6), Scale(0.25, 0.5, box=5)))
"""Played by agents of packs that have it, inside the fine cubes: for landmarks smaller
than a base unit in bodies too large for a smaller one."""


ORGAN = Closeup(20, 2, (Scale(1.0, 1, box=20), Scale(0.5, 1, box=20)))
"""Played instead of `FINE` by agents of organs that are seen as a whole: larger than
what the convolutions of a fine cube reach, so that only their ends tell the middle."""

ORGAN_DETAIL = Closeup(20, 2, (Scale(0.5, 1, box=20), Scale(0.25, 1, box=20)))
"""Played by them instead of `DETAIL`: the same look once more, from a better place."""


def last_scales(finest: Scale) -> tuple[Scale, Scale]:
    """Return scales played on the Q-values of the finest one, with shorter steps.

    Which way is better does not depend on how far the step leads.
    """
    return replace(finest, step=finest.step / 2), replace(finest, step=finest.step / 4)


def closeups_of(*, has_detail: bool, of_organ: bool = False) -> tuple[Closeup, ...]:
    """Return the close-ups of agents, in their order.

    Parameters
    ----------
    has_detail
        Whether they look at details.
    of_organ
        Whether they see an organ as a whole; steps are those of the others.
    """
    looks = (ORGAN, ORGAN_DETAIL) if of_organ else (FINE, DETAIL)
    return looks if has_detail else looks[:1]


def policy_scales(base_mm: float, *, has_detail: bool) -> tuple[PolicyScale, ...]:
    """Return the scales at which agents decide, coarsest first.

    The last scales of a search decide as the finest of these does, and are left out.
    """
    scales = [PolicyScale(scale.step * base_mm) for scale in COARSE_SCALES]
    for closeup, look in enumerate(closeups_of(has_detail=has_detail), 1):
        scales += [PolicyScale(s.step * base_mm, closeup) for s in look.scales]
    return tuple(scales)
