"""Tests for napari_midrl.localizers.team: several networks, one localizer."""

import json

import numpy as np
import pytest
import torch
from localizer_contract import LocalizerContract
from test_midrl import BASE_MM, GRID, NAMES, OFFSETS, PLACE_LPS_MM, Oracle, blob

from napari_midrl.agents.dense_network import DenseQConfig, DenseQNetwork
from napari_midrl.data.policy import PolicyField
from napari_midrl.data.progress import SearchProgress, finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.errors import PackError, SearchError
from napari_midrl.io.model_store import (
    joined,
    read_card,
    read_pack,
    write_card,
    write_pack,
)
from napari_midrl.localizers.midrl import MidrlLocalizer
from napari_midrl.localizers.packs import localizer_of
from napari_midrl.localizers.team import TeamLocalizer
from tests.tiny_agents import CONFIG, flat_reliability, write_tiny_pack

OTHERS = ("below", "behind")
OTHER_OFFSETS = torch.tensor([[0.0, 1, -4], [-2, 3, 0]])
ALL = ("below", "blob", "beside", "behind")
"""In an order that is not that of the networks."""

QUICK = SearchSettings(n_starts=3, device="cpu")


def team():
    """Return two oracles with two landmarks each."""
    first = MidrlLocalizer("oracle", NAMES, Oracle())
    second = MidrlLocalizer("oracle", OTHERS, Oracle(OTHER_OFFSETS))
    return TeamLocalizer(ALL, (first, second))


class TestTeam(LocalizerContract):
    """A team of two meets the contract of one."""

    tolerance_mm = 0.6

    @pytest.fixture(scope="class")
    @classmethod
    def localizer(cls):
        return team()

    @pytest.fixture(scope="class")
    @classmethod
    def scene(cls):
        return lambda grid: blob(grid, PLACE_LPS_MM)

    @pytest.fixture(scope="class")
    @classmethod
    def truth(cls):
        offsets = dict(zip(NAMES, OFFSETS, strict=True))
        offsets |= dict(zip(OTHERS, OTHER_OFFSETS, strict=True))
        return {n: PLACE_LPS_MM + BASE_MM * o.numpy() for n, o in offsets.items()}

    @pytest.fixture(scope="class")
    @classmethod
    def grid(cls):
        return GRID


@pytest.fixture(scope="module")
def volume():
    return blob(GRID, PLACE_LPS_MM)


def test_reports_say_where_all_agents_are_in_the_order_asked_for(volume):
    names = ("behind", "blob", "below")
    settings = SearchSettings(names, n_starts=3, device="cpu")
    task = team().localize(volume, settings)
    reports = []
    found = finish(task, reports.append)
    walks = [r for r in reports if isinstance(r, SearchProgress)]
    shown = [walk for walk in walks if walk.positions_lps_mm is not None]
    assert {walk.positions_lps_mm.shape for walk in shown} == {(3, 3, 3)}
    ends = {walk.landmark: walk.endpoint_lps_mm for walk in found.trajectories}
    for name, places in zip(names, shown[-1].positions_lps_mm, strict=True):
        # The last steps are shorter than the last report.
        np.testing.assert_allclose(places[-1], ends[name], atol=2 * BASE_MM)


def test_a_network_that_knows_nothing_asked_for_is_not_asked(volume, monkeypatch):
    both = team()
    monkeypatch.setattr(both._members[1], "localize", None)
    settings = SearchSettings(("blob",), n_starts=2, device="cpu")
    assert [r.name for r in finish(both.localize(volume, settings)).results] == ["blob"]


def test_every_network_finds_what_it_finds_alone(volume):
    both = team()
    found = finish(both.localize(volume, QUICK))
    for member in both._members:
        alone = finish(member.localize(volume, QUICK))
        own = [r for r in found.results if r.name in member.landmarks]
        assert sorted(own, key=lambda r: r.name) == sorted(
            alone.results, key=lambda r: r.name
        )


def test_closing_a_search_closes_those_of_all_networks(volume):
    closed = []

    def watched(member):
        task = MidrlLocalizer.localize(member, volume, QUICK)

        def localize(_volume, _settings):
            try:
                yield from task
            finally:
                closed.append(member)

        return localize

    both = team()
    for member in both._members:
        member.localize = watched(member)
    task = both.localize(volume, QUICK)
    for _ in range(4):
        next(task)
    task.close()
    assert closed == [*both._members[::-1]]


def test_members_must_share_the_landmarks():
    with pytest.raises(ValueError, match="together"):
        TeamLocalizer(("blob",), team()._members)


@pytest.fixture
def pack(tmp_path):
    """Return the folder of a pack of two networks that nobody taught."""
    write_tiny_pack(tmp_path / "old")
    old = read_pack(tmp_path / "old")
    torch.manual_seed(1)
    other = DenseQNetwork(CONFIG).state_dict()
    card = old.card.model_dump(exclude={"weights_sha256"})
    card |= {
        "name": "team",
        "landmarks": ["old", "older", "new", "newer"],
        "networks": [["old", "older"], ["newer", "new"]],
    }
    tensors = joined([old.of_network(0), {n: t.numpy() for n, t in other.items()}])
    write_pack(tmp_path / "team", card, tensors)
    return tmp_path / "team"


def test_a_pack_of_two_networks_answers_as_each_of_them(pack, volume):
    both = localizer_of(read_pack(pack))
    old = localizer_of(read_pack(pack.parent / "old"))
    torch.manual_seed(1)
    network = DenseQNetwork(DenseQConfig(**vars(CONFIG)))
    new = MidrlLocalizer("new", ("newer", "new"), network)
    found = finish(both.localize(volume, QUICK))
    assert found.model_sha256 == read_card(pack).weights_sha256
    alone = finish(old.localize(volume, QUICK)).results
    assert found.results[:2] == alone
    newer, just_new = finish(new.localize(volume, QUICK)).results
    assert found.results[2:] == (just_new, newer)


def test_the_policy_is_that_of_the_network_that_knows_the_landmark(pack, volume):
    both = finish(localizer_of(read_pack(pack)).policy(volume, QUICK))
    old = localizer_of(read_pack(pack.parent / "old"))
    alone = finish(old.policy(volume, QUICK))
    assert both.scales == alone.scales
    points = np.array([PLACE_LPS_MM, PLACE_LPS_MM + 9])
    one, two = (finish(p.field("older", 0, points)) for p in (both, alone))
    assert isinstance(one, PolicyField)
    np.testing.assert_array_equal(one.expected_returns, two.expected_returns)
    other = finish(both.field("newer", 0, points))
    assert not np.array_equal(one.expected_returns, other.expected_returns)
    assert (
        finish(both.basins("older", 0)).basins
        == finish(alone.basins("older", 0)).basins
    )
    with pytest.raises(SearchError, match="elbow"):
        finish(both.field("elbow", 0, points))


def test_how_sure_one_network_is_says_nothing_about_another(pack, volume):
    said = flat_reliability(reject_below={"old": 1.0}, landmarks=["old", "older"])
    before = finish(localizer_of(read_pack(pack)).localize(volume, QUICK)).results
    write_card(pack, read_card(pack).model_copy(update={"reliability": said}))
    after = finish(localizer_of(read_pack(pack)).localize(volume, QUICK)).results
    assert after[0].position_lps_mm is None
    assert after[1].confidence in {0.0, 0.5}
    assert after[2:] == before[2:]


def rewritten(pack, **changes):
    """Change what the card says, whatever the checks think of it."""
    path = pack / "model.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**card, **changes}), encoding="utf-8")


@pytest.mark.parametrize(
    ("networks", "said"),
    [
        ([["old", "older"], ["new"]], "networks find"),
        ([["old", "older"], ["new", "newer", "old"]], "networks find"),
        ([["old", "older", "new", "newer"], []], "without landmarks"),
    ],
)
def test_a_card_whose_networks_do_not_share_the_landmarks_is_refused(
    pack, networks, said
):
    rewritten(pack, networks=networks)
    with pytest.raises(PackError, match=said):
        read_card(pack)


def test_published_agents_are_of_one_network(pack):
    rewritten(pack, architecture="midrl-3d")
    with pytest.raises(PackError, match="several networks"):
        read_card(pack)


def test_networks_of_other_sizes_than_the_card_says_are_refused(pack):
    rewritten(pack, networks=[["old", "older", "new"], ["newer"]])
    with pytest.raises(PackError, match="do not fit"):
        localizer_of(read_pack(pack))


def test_weights_of_a_network_that_the_card_does_not_name_are_refused(pack):
    tensors = read_pack(pack).tensors
    card = read_card(pack).model_dump(exclude={"weights_sha256"})
    more = {**tensors, "2.global_part.enter.0.0.bias": np.zeros(4, np.float32)}
    write_pack(pack, card, more)
    with pytest.raises(PackError, match="no network"):
        localizer_of(read_pack(pack))
