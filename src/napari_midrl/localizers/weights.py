"""From the weights of a pack to a network, whatever the card claims."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import torch

from napari_midrl.errors import PackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_midrl.io.model_store import Pack

Network = TypeVar("Network", bound=torch.nn.Module)


@contextmanager
def fitting_its_card(pack: Pack) -> Iterator[None]:
    """Turn what a card that does not fit its weights raises into a PackError."""
    try:
        yield
    except (TypeError, ValueError, RuntimeError) as error:
        cause = f"the weights do not fit the model card: {error}"
        raise PackError(cause, pack.folder) from error


def loaded_network(
    pack: Pack, make_network: Callable[[], Network], number: int = 0
) -> Network:
    """Return the network a card describes, with the pack's weights.

    Parameters
    ----------
    pack
        As read.
    make_network
        Called where tensors have no memory: the sizes are a stranger's until the
        weights prove to fit.
    number
        Of the network, where a pack has several.

    Raises
    ------
    RuntimeError
        If the weights do not fit.
    """
    with torch.device("meta"):
        network = make_network()
    tensors = pack.of_network(number)
    weights = {name: torch.from_numpy(t.copy()) for name, t in tensors.items()}
    network.load_state_dict(weights, assign=True)
    return network
