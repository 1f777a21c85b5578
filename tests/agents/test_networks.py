"""Tests for napari_midrl.agents.networks."""

import pytest
import torch

from napari_midrl.agents.networks import (
    Architecture,
    MidrlNet2d,
    MidrlNet3d,
    count_parameters,
    initialize_weights,
)

SMALL = Architecture(channels=(3, 4), kernels=(4, 3), hidden=(8,))


@pytest.mark.parametrize(
    ("network", "n_published"),
    [
        (lambda: MidrlNet2d(), 1_083_076),
        (lambda: MidrlNet3d(1), 1_370_566),
        (lambda: MidrlNet3d(4), 4_324_696),
    ],
)
def test_the_networks_have_the_published_size(network, n_published):
    """Weights and biases; the PReLU slopes come on top, one per convolution."""
    made = network()
    assert count_parameters(made, prelu=False) == n_published
    assert count_parameters(made) == n_published + 4


def test_the_published_roi_passes_and_gives_one_value_per_action():
    network = MidrlNet2d()
    q_values = network(torch.zeros(1, 4, 45, 45, 1), torch.zeros(1).long())
    assert q_values.shape == (1, 4)
    shape = MidrlNet3d(1).trunk(torch.zeros(1, 4, 45, 45, 11)).shape
    assert shape == (1, 64, 5, 5, 1)


def test_each_agent_has_its_own_head_and_the_convolutions_are_shared():
    network = MidrlNet3d(2, (9, 9, 5), 4, 6, SMALL)
    frames = torch.rand(4, 4, 9, 9, 5)
    first = network(frames, torch.zeros(4).long())
    second = network(frames, torch.ones(4).long())
    mixed = network(frames, torch.tensor([0, 1, 1, 0]))
    assert not torch.allclose(first, second)
    torch.testing.assert_close(mixed[[0, 3]], first[[0, 3]])
    torch.testing.assert_close(mixed[[1, 2]], second[[1, 2]])


def test_3d_convolutions_are_followed_by_an_activation():
    """The published code has none there: f(-x) = -f(x) would hold without biases."""
    network = MidrlNet3d(1, (9, 9, 5), 4, 6, SMALL)
    initialize_weights(network, torch.Generator().manual_seed(0))
    conv_and_prelu = network.trunk[:3]
    image = torch.rand(1, 4, 9, 9, 5)
    there, back = conv_and_prelu(image), conv_and_prelu(-image)
    assert not torch.allclose(there, -back, atol=1e-3)


def test_even_kernels_keep_the_size_and_pad_the_far_side_more():
    """A kernel of 4 that looks at its second tap leaves the image in place."""
    network = MidrlNet2d((8, 8, 1), 1, 4, SMALL)
    with torch.no_grad():
        network.trunk[1].weight.zero_()
        network.trunk[1].weight[:, :, 1, 1] = 1
        network.trunk[1].bias.zero_()
    image = torch.rand(1, 1, 8, 8)
    out = network.trunk[:2](image)
    torch.testing.assert_close(out[:, :1], image)


def test_dueling_heads_give_advantages_around_a_value():
    """The mean of the Q-values is the value stream alone."""
    sizes = Architecture((3,), (3,), (8,), dueling=True)
    network = MidrlNet2d((5, 5, 1), 4, 4, sizes)
    frames = torch.rand(2, 4, 5, 5, 1)
    q_values = network(frames, torch.zeros(2).long())
    features = network.trunk(frames.squeeze(-1)).flatten(1)
    value = network.head.value(features).squeeze(1)
    torch.testing.assert_close(q_values.mean(dim=1), value)


def test_same_seed_same_weights():
    nets = [MidrlNet2d((9, 9, 1), architecture=SMALL) for _ in range(2)]
    for network in nets:
        initialize_weights(network, torch.Generator().manual_seed(3))
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_roi_too_small_for_the_pools_is_refused():
    with pytest.raises(ValueError, match="too small for 3 max-pools"):
        MidrlNet3d(1, (45, 45, 7))
    with pytest.raises(ValueError, match="one number per convolution"):
        Architecture(channels=(3,), kernels=(3, 3))
