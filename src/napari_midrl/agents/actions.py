"""The moves an agent can make, in the order its network was trained with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ActionSet:
    """Names and directions of the moves; a Q-value's place is its action's number.

    Parameters
    ----------
    names
        One per action, such as ``"X+"``.
    directions
        Unit steps along the voxel axes i, j, k of the searched volume, one triple
        per action; the game multiplies them by the step size of the scale.

    Raises
    ------
    ValueError
        If names and directions differ in number, or a direction is not one step
        along one axis.
    """

    names: tuple[str, ...]
    directions: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.directions):
            msg = (
                "each action needs a name and a direction, "
                f"got {len(self.names)} and {len(self.directions)}"
            )
            raise ValueError(msg)
        for name, direction in zip(self.names, self.directions, strict=True):
            if sorted(abs(d) for d in direction) != [0, 0, 1]:
                msg = f"action {name!r} must be one step on one axis, got {direction}"
                raise ValueError(msg)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def axes(self) -> tuple[int, ...]:
        """Voxel axes along which an agent can move at all, ascending."""
        return tuple(
            axis for axis in range(3) if any(d[axis] != 0 for d in self.directions)
        )


ACTIONS_2D = ActionSet(
    names=("Y+", "X+", "X-", "Y-"),
    directions=((0, 1, 0), (1, 0, 0), (-1, 0, 0), (0, -1, 0)),
)
"""Within a slice, in the order of the published code; x is i, y is j."""

ACTIONS_3D = ActionSet(
    names=("Z+", "Y+", "X+", "X-", "Y-", "Z-"),
    directions=(
        (0, 0, 1),
        (0, 1, 0),
        (1, 0, 0),
        (-1, 0, 0),
        (0, -1, 0),
        (0, 0, -1),
    ),
)
"""In a volume, in the order of the published code; x is i, y is j, z is k."""
