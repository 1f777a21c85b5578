"""Tests for napari_midrl.agents.replay."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_midrl.agents.replay import (
    PrioritySampler,
    ReplayMemory,
    Transitions,
    concatenate,
)


def numbered(first, n):
    """Transitions that carry their number in every field."""
    numbers = torch.arange(first, first + n)
    return Transitions(
        volume_ids=numbers,
        frames=numbers[:, None, None].expand(n, 5, 4),
        actions=numbers % 6,
        rewards=numbers / 2,
        terminated=numbers % 3 == 0,
    )


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@given(capacity=st.integers(1, 12), sizes=st.lists(st.integers(0, 20), max_size=8))
@settings(deadline=None, max_examples=60)
def test_the_memory_is_the_newest_transitions_in_order(capacity, sizes):
    """Against a list cut at its capacity; also after a checkpoint."""
    memory, naive, n = ReplayMemory(capacity), [], 0
    for size in sizes:
        memory.add(numbered(n, size))
        naive = (naive + list(range(n, n + size)))[-capacity:]
        n += size
    restored = ReplayMemory(capacity)
    restored.load_state_dict(memory.state_dict())
    for each in (memory, restored):
        assert len(each) == len(naive)
        held = each[torch.arange(len(each))]
        assert held.volume_ids.tolist() == naive
        assert held.frames[:, 4, 3].tolist() == naive
        assert held.actions.tolist() == [m % 6 for m in naive]
        assert held.rewards.tolist() == [m / 2 for m in naive]
        assert held.terminated.tolist() == [m % 3 == 0 for m in naive]
    restored.add(numbered(n, 1))
    last = restored[torch.tensor([len(restored) - 1])]
    assert last.volume_ids.tolist() == [n]


def test_every_transition_held_can_be_drawn_and_no_other():
    memory = ReplayMemory(5)
    memory.add(numbered(0, 3))
    assert set(memory.sample(200, seeded()).volume_ids.tolist()) == {0, 1, 2}
    memory.add(numbered(3, 4))
    assert set(memory.sample(200, seeded()).volume_ids.tolist()) == {2, 3, 4, 5, 6}


def test_same_seed_same_draw():
    memory = ReplayMemory(50)
    memory.add(numbered(0, 50))
    one, other = (memory.sample(20, seeded(4)).volume_ids for _ in range(2))
    assert torch.equal(one, other)


def test_mistakes_are_named():
    memory = ReplayMemory(5)
    with pytest.raises(ValueError, match="empty memory"):
        memory.sample(1, seeded())
    memory.add(numbered(0, 2))
    with pytest.raises(IndexError, match=r"\[0, 2\)"):
        memory[torch.tensor([2])]
    with pytest.raises(ValueError, match="at least 1"):
        ReplayMemory(0)


def test_sets_of_transitions_are_joined_in_order():
    joined = concatenate([numbered(0, 2), numbered(7, 1)])
    assert joined.volume_ids.tolist() == [0, 1, 7]


@given(
    capacity=st.integers(1, 20),
    writes=st.lists(
        st.lists(
            st.tuples(st.integers(0, 19), st.integers(0, 9)), min_size=1, max_size=9
        ),
        min_size=1,
        max_size=6,
    ),
)
@settings(deadline=None, max_examples=60)
def test_the_tree_of_sums_holds_what_an_array_holds(capacity, writes):
    sampler, naive = PrioritySampler(capacity), np.zeros(capacity)
    for write in writes:
        rows = [row % capacity for row, _ in write]
        sampler.set(torch.tensor(rows), torch.tensor([p for _, p in write]))
        for row, (_, priority) in zip(rows, write, strict=True):
            naive[row] = priority
    assert sampler.total == naive.sum()
    if naive.sum() > 0:
        rows, probability = sampler.sample(64, seeded())
        np.testing.assert_allclose(probability, naive[rows] / naive.sum())
        # One draw from each 64th part: no count is off by more than two.
        counts = np.bincount(rows, minlength=capacity)
        assert np.abs(counts - 64 * naive / naive.sum()).max() <= 2


def test_rounding_never_leads_to_a_row_that_cannot_be_drawn(monkeypatch):
    """The largest chance below 1 rounds up to the total, past the last priority."""
    sampler = PrioritySampler(4)
    sampler.set(torch.tensor([0]), torch.tensor([1.0]))
    almost = torch.full((8,), 1 - 2**-53, dtype=torch.float64)
    monkeypatch.setattr(torch, "rand", lambda *_, **__: almost)
    rows, probability = sampler.sample(8, seeded())
    assert rows.tolist() == [0] * 8
    assert probability.tolist() == [1.0] * 8


def test_priorities_that_make_no_sense_are_refused():
    sampler = PrioritySampler(4)
    with pytest.raises(ValueError, match="all priorities are 0"):
        sampler.sample(1, seeded())
    with pytest.raises(ValueError, match="negative"):
        sampler.set(torch.tensor([0]), torch.tensor([-1.0]))
    with pytest.raises(ValueError, match="at least 1"):
        PrioritySampler(0)
