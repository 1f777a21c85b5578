"""Arrays of frozen values: they have the right shapes, and stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt


def frozen(array: npt.NDArray[np.generic]) -> npt.NDArray[Any]:
    """Return a view of an array that cannot be written to."""
    view = array.view()
    view.setflags(write=False)
    return view


def freeze(value: object, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Check the arrays of a frozen dataclass and put views in their place.

    For its `__post_init__`.

    Parameters
    ----------
    value
        The instance.
    shapes
        Of its arrays, by name.

    Raises
    ------
    ValueError
        If an array has another shape.
    """
    for name, shape in shapes.items():
        array = getattr(value, name)
        if array.shape != shape:
            msg = f"{name} must have shape {shape}, got {array.shape}"
            raise ValueError(msg)
        object.__setattr__(value, name, frozen(array))
