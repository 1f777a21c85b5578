"""What a user may choose before a search."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SearchSettings:
    """Choices for one search.

    Parameters
    ----------
    landmarks
        Names to seek; None means every landmark the agents know.
    n_starts
        Start points per landmark, at least 1; they agree or they do not, which is
        what the spread and the agreement tell.
    max_steps
        Hard budget of steps per agent over all scales, at least 1.
    seed
        Of the start points beyond the fixed first ones.
    device
        ``"auto"``, ``"cpu"``, or a torch device such as ``"cuda"``.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    landmarks: tuple[str, ...] | None = None
    n_starts: int = 16
    max_steps: int = 400
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.n_starts < 1 or self.max_steps < 1:
            msg = (
                "n_starts and max_steps must be at least 1, "
                f"got {self.n_starts} and {self.max_steps}"
            )
            raise ValueError(msg)
