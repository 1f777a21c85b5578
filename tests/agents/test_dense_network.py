"""The dense Q-network: what its look-ups mean, and where its voxels lie."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from napari_midrl.agents.dense_blocks import QField, interpolate, space_to_depth
from napari_midrl.agents.dense_network import DenseQConfig, DenseQNetwork

TINY = DenseQConfig(
    n_landmarks=3, base_mm=2.0, channels=(8, 8, 8), fine_channels=8, n_hidden=6
)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return DenseQNetwork(TINY).eval()


def voxel_centers(shape, level):
    """Base positions of the voxels of a level, by the rule the module states."""
    axes = [torch.arange(n) * level + (level - 1) / 2 for n in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


@pytest.mark.parametrize("level", [0.5, 1, 2, 4, 8])
def test_a_linear_function_of_position_is_read_back_exactly(level):
    """A half-voxel error at any level would show as a constant offset."""
    slope = torch.tensor([0.3, -0.7, 1.1])
    centers = voxel_centers((5, 6, 7), level)
    maps = (centers @ slope + 2)[None, None]
    low, high = centers[0, 0, 0], centers[-1, -1, -1]
    generator = torch.Generator().manual_seed(int(8 * level))
    positions = low + torch.rand(1, 40, 3, generator=generator) * (high - low)
    seen = interpolate(maps, positions, level)
    assert seen.shape == (1, 40, 1)
    torch.testing.assert_close(seen[..., 0], positions @ slope + 2, rtol=0, atol=1e-4)


def test_beyond_the_outer_voxels_the_border_value_counts():
    maps = torch.arange(4.0)[None, None, :, None, None].expand(1, 1, 4, 2, 2)
    positions = torch.tensor([[[-9.0, 0, 0], [40.0, 0, 0]]])
    assert interpolate(maps, positions, level=2)[0, :, 0].tolist() == [0.0, 3.0]


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), level=st.sampled_from([1, 2, 4]))
def test_interpolation_agrees_with_torch(seed, level):
    """grid_sample, by its own convention: -1 and 1 are the outer faces."""
    g = torch.Generator().manual_seed(seed)
    shape = torch.randint(1, 6, (3,), generator=g)
    maps = torch.randn(2, 5, *shape.tolist(), generator=g)
    positions = torch.rand(2, 8, 3, generator=g) * 20 - 4
    unit = (2 * (positions + 0.5) / level / shape - 1).flip(-1)
    expected = functional.grid_sample(
        maps, unit[:, None, None], padding_mode="border", align_corners=False
    )[:, :, 0, 0]
    seen = interpolate(maps, positions, level)
    torch.testing.assert_close(seen, expected.transpose(1, 2), rtol=0, atol=1e-4)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6))
def test_a_field_is_two_layers_on_what_is_seen(seed):
    g = torch.Generator().manual_seed(seed)
    features = torch.randn(1, 5, 4, 3, 5, generator=g)
    weight, bias = torch.randn(3, 6, 4, generator=g), torch.randn(3, 6, generator=g)
    positions = torch.rand(3, 8, 3, generator=g) * 20 - 2
    hidden = nn.Sequential(nn.Linear(5, 4), nn.ReLU())
    units = hidden(interpolate(features.expand(3, -1, -1, -1, -1), positions, 2))
    expected = torch.einsum("nac,npc->npa", weight, units) + bias[:, None]
    q_values = QField(features, hidden, weight, bias, 2)(positions)
    torch.testing.assert_close(q_values, expected, rtol=1e-4, atol=1e-4)


def test_agents_with_maps_of_their_own_read_their_own():
    seen = torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1, 1).expand(2, 1, 2, 2, 2)
    field = QField(seen, nn.Identity(), torch.ones(2, 6, 1), torch.zeros(2, 6), 1)
    q_values = field(torch.zeros(2, 4, 3))
    assert q_values[0].unique().tolist() == [1.0]
    assert q_values[1].unique().tolist() == [2.0]


def test_a_field_of_some_agents_keeps_their_order():
    bias = torch.arange(18.0).reshape(3, 6)
    field = QField(
        torch.zeros(1, 2, 2, 2, 2), nn.Identity(), torch.zeros(3, 6, 2), bias, 4
    )
    some = field.only(torch.tensor([2, 0]))
    assert torch.equal(some(torch.zeros(2, 1, 3))[:, 0], bias[[2, 0]])


def test_blocks_become_channels_in_the_order_i_j_k():
    volume = torch.arange(4 * 4 * 2, dtype=torch.float32).reshape(1, 1, 4, 4, 2)
    deep = space_to_depth(volume)
    assert deep.shape == (1, 8, 2, 2, 1)
    block = volume[0, 0, 2:4, 0:2, 0:2]
    assert torch.equal(deep[0, :, 1, 0, 0], block.reshape(8))


def test_the_whole_volume_gives_two_maps_per_agent(network):
    with torch.inference_mode():
        maps = network.encode(torch.zeros(16, 24, 32))
        coarse, middle = maps.fields
        q_values = coarse(torch.zeros(3, 5, 3))
    assert coarse.level == 4
    assert coarse.features.shape[2:] == (4, 6, 8)
    assert middle.level == 2
    assert middle.features.shape[2:] == (8, 12, 16)
    assert maps.features.shape[2:] == (8, 12, 16)
    assert q_values.shape == (3, 5, 6)


def test_a_search_computes_what_a_training_does_with_other_kernels(network):
    """Rounding differs, as it does between kernels that torch itself chooses from."""
    volume = torch.randn(16, 24, 32, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        trained = network.encode(volume)
    with torch.inference_mode():
        searched = network.encode(volume)
    pairs = [(trained.features, searched.features)]
    pairs += [
        (one.features, other.features)
        for one, other in zip(trained.fields, searched.fields, strict=True)
    ]
    for expected, seen in pairs:
        torch.testing.assert_close(seen, expected, rtol=1e-4, atol=1e-4)
        assert seen.is_contiguous(memory_format=torch.channels_last_3d)


def test_a_volume_that_cannot_be_halved_is_refused(network):
    with pytest.raises(ValueError, match="multiples of 8"):
        network.encode(torch.zeros(16, 20, 16))


def test_a_cube_sees_the_features_at_its_own_place(network):
    """The context handed to the fine part is the level-2 features at the blocks."""
    seen = {}

    def remember(_module, arguments):
        seen["context"] = arguments[1]

    network.fine_part.register_forward_pre_hook(remember)
    centers = voxel_centers((16, 16, 16), 2)
    features = centers[..., 0][None, None].expand(1, 8, -1, -1, -1)
    corner = torch.tensor([[7.25, 8.0, 9.0], [3.0, 8.0, 9.0]])
    with torch.inference_mode():
        network.refine(torch.zeros(2, 8, 8, 8), features, corner, torch.tensor([0, 1]))
    along_i = seen["context"][:, :, 0, 0, 0]
    expected = corner[:, :1] + torch.arange(4.0)
    torch.testing.assert_close(along_i, expected, rtol=0, atol=1e-4)


def test_a_cube_is_judged_by_the_agent_it_serves(network):
    with torch.no_grad():
        network.fine_part.head_one.bias.copy_(torch.arange(18.0).reshape(3, 6))
        network.fine_part.head_one.weight.zero_()
        one, half = network.refine(
            torch.zeros(2, 8, 8, 8),
            torch.zeros(1, 8, 8, 8, 8),
            torch.zeros(2, 3),
            torch.tensor([2, 0]),
        )
    assert one.level == half.level == 1
    q_values = one(torch.zeros(2, 1, 3))[:, 0]
    assert q_values.tolist() == [[12, 13, 14, 15, 16, 17], [0, 1, 2, 3, 4, 5]]


def test_a_detail_cube_sees_the_fine_features_at_its_own_place():
    """The context handed to the detail part is what the fine part saw there."""
    torch.manual_seed(0)
    network = DenseQNetwork(replace(TINY, has_detail=True)).eval()
    seen = {}

    def remember(_module, arguments):
        seen["context"] = arguments[1]

    network.detail_part.register_forward_pre_hook(remember)
    fine = voxel_centers((16, 16, 16), 1)[..., 1][None, None].expand(2, 8, -1, -1, -1)
    corners = torch.tensor([[4.0, 3.5, 2.0], [4.0, 6.25, 5.0]])
    with torch.inference_mode():
        half, quarter = network.look_at_detail(
            torch.zeros(2, 8, 8, 8), fine, corners, torch.tensor([0, 1])
        )
    along_j = seen["context"][:, 0, :, 0, 0]
    expected = corners[:, 1:2] - 0.25 + 0.5 * torch.arange(4.0)
    torch.testing.assert_close(along_j, expected, rtol=0, atol=1e-4)
    assert half.level == quarter.level == 0.5


def test_a_pack_without_detail_has_no_weights_for_it():
    plain, detailed = (
        DenseQNetwork(replace(TINY, has_detail=has)).state_dict() for has in (0, 1)
    )
    extra = set(detailed) - set(plain)
    assert set(plain) < set(detailed)
    assert all(name.startswith("detail_part.") for name in extra)
    assert [len(replace(TINY, has_detail=bool(has)).scales) for has in (0, 1)] == [6, 8]


WITH_ORGANS = replace(
    TINY, has_detail=True, organs=((2,), (0, 1)), organ_channels=(4, 8, 8)
)


@pytest.fixture
def anatomist():
    """Sees landmark 2 as it is, and 1 as the mirror image of 0."""
    torch.manual_seed(3)
    network = DenseQNetwork(WITH_ORGANS).eval()
    for head in (name for name in dir(network.organ_part) if name.startswith("head")):
        torch.nn.init.normal_(getattr(network.organ_part, head).bias)
    return network


def test_the_right_organ_is_sought_as_the_mirror_image_of_the_left(anatomist):
    generator = torch.Generator().manual_seed(1)
    cubes = torch.rand(2, 40, 40, 40, generator=generator)
    positions = 19 * torch.rand(2, 9, 3, generator=generator)
    mirrored = positions.clone()
    mirrored[..., 0] = 19 - positions[..., 0]
    with torch.no_grad():
        left = anatomist.look_at_organs(cubes, torch.tensor([0, 0]))
        right = anatomist.look_at_organs(cubes.flip(1), torch.tensor([1, 1]))
    assert len(left) == len(right) == 3
    for one, other in zip(left, right, strict=True):
        swapped = other(mirrored)[..., [1, 0, 2, 3, 4, 5]]
        torch.testing.assert_close(one(positions), swapped)
        assert not torch.allclose(one(positions), other(positions), atol=1e-3)


def test_cubes_of_several_organs_are_judged_as_each_alone(anatomist):
    generator = torch.Generator().manual_seed(2)
    cubes = torch.rand(3, 40, 40, 40, generator=generator)
    positions = 19 * torch.rand(3, 5, 3, generator=generator)
    landmarks = torch.tensor([1, 2, 0])
    with torch.no_grad():
        together = anatomist.look_at_organs(cubes, landmarks)
        for n in range(3):
            alone = anatomist.look_at_organs(cubes[[n]], landmarks[[n]])
            for one, all_of_them in zip(alone, together, strict=True):
                expected = all_of_them(positions)[[n]]
                torch.testing.assert_close(one(positions[[n]]), expected)


def test_an_organ_is_seen_by_its_own_grays(anatomist):
    cube = torch.rand(1, 40, 40, 40, generator=torch.Generator().manual_seed(4))
    positions = 19 * torch.rand(1, 5, 3, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        bright, dark = (
            anatomist.look_at_organs(c, torch.tensor([2]))[0](positions)
            for c in (cube, 0.2 * cube + 0.1)
        )
    torch.testing.assert_close(bright, dark, atol=0.02, rtol=0)


def test_the_middle_of_an_organ_sees_both_its_ends(anatomist):
    part = anatomist.organ_part
    for module in part.modules():
        if isinstance(module, nn.GroupNorm):
            # It sees all of a cube, but not where something is.
            module.forward = lambda maps: maps

    def felt():
        """How much the feature in the middle changes with either end of the cube."""
        cube = torch.rand(1, 40, 40, 40, generator=torch.Generator().manual_seed(6))
        cube.requires_grad_()
        part(cube, torch.tensor([False]))[0, :, 10, 10, 10].abs().sum().backward()
        along = cube.grad[0].abs().amax(dim=(1, 2))
        return torch.stack([along[:6].max(), along[-6:].max()])

    whole = felt()
    with torch.no_grad():
        part.mix_2[0].weight.zero_()
    # What is left is how all grays are told from their mean.
    assert (whole > 3 * felt()).all()


def test_steps_of_organs_are_those_of_others_and_what_is_seen_is_larger():
    others, organ = WITH_ORGANS.scales, WITH_ORGANS.scales_of(1)
    assert [s.step for s in organ] == [s.step for s in others]
    assert [s.box for s in organ[:2]] == [s.box for s in others[:2]]
    assert {s.box for s in organ[2:]} == {20}
    assert replace(WITH_ORGANS, organs=()).scales_of(1) == others


@pytest.mark.parametrize(
    "bad",
    [
        {"organs": ((0, 1, 2),)},
        {"organs": ((),)},
        {"organs": ((0, 1), (1,))},
        {"organs": ((0, 3),)},
        {"organs": ((-1,),)},
        {"organs": ((0,),), "has_detail": False},
    ],
)
def test_organs_that_cannot_be_are_refused(bad):
    with pytest.raises(ValueError, match="organs must be landmarks, 0 to 2"):
        replace(WITH_ORGANS, **bad)


def test_a_card_states_organs_as_lists():
    stated = replace(WITH_ORGANS, organs=[[2], [0, 1]])
    assert stated == WITH_ORGANS


def test_values_are_near_zero_before_training(network):
    """The first targets are then the rewards themselves."""
    generator = torch.Generator().manual_seed(1)
    with torch.inference_mode():
        maps = network.encode(torch.randn(16, 16, 16, generator=generator))
        q_values = maps.fields[0](torch.full((3, 1, 3), 8.0))
    assert np.abs(q_values.numpy()).max() < 0.3


@pytest.mark.parametrize("bad", [{"n_landmarks": 0}, {"base_mm": 0.0}])
def test_an_architecture_without_agents_or_size_is_refused(bad):
    with pytest.raises(ValueError, match="need a landmark"):
        DenseQConfig(**{"n_landmarks": 1, "base_mm": 2.0, **bad})


def test_gradients_of_thin_volumes_are_those_of_float32():
    """A kernel took them from memory that nobody had written."""
    network = DenseQNetwork(DenseQConfig(1, 8.0, (8, 16, 32), 8, 8))
    volume = torch.rand(16, 32, 32, generator=torch.Generator().manual_seed(0))

    def gradient(lower):
        # Memory that a kernel should not read holds no number.
        for n_numbers in (500, 5_000, 50_000):
            _spoilt = [torch.full((n_numbers,), torch.nan) for _ in range(100)]
            del _spoilt
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=lower):
            maps = network.encode(volume)
        maps.features.square().mean().backward()
        return network.global_part.down_8[1][0].weight.grad.clone()

    exact = gradient(lower=False)
    assert (gradient(lower=True) - exact).norm() < 0.3 * exact.norm()
