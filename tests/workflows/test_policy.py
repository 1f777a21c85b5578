"""Which packs can say what their agents would do."""

import pytest

from napari_midrl.data.progress import finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.errors import NoPolicyError
from napari_midrl.localizers.base import ShowsPolicy
from napari_midrl.localizers.midrl import MidrlLocalizer
from napari_midrl.localizers.published import PublishedLocalizer
from napari_midrl.workflows import policy as workflow
from napari_midrl.workflows.localize import PackInfo, load_localizer, pack_info


def test_published_agents_are_refused_with_the_reason(monkeypatch):
    def load(name):
        yield from ()
        return PublishedLocalizer.__new__(PublishedLocalizer)

    monkeypatch.setattr(workflow, "load_localizer", load)
    with pytest.raises(NoPolicyError, match="the way they came"):
        finish(workflow.policy_of(None, "published", SearchSettings()))


def test_dense_agents_can_be_asked():
    assert issubclass(MidrlLocalizer, ShowsPolicy)
    assert not issubclass(PublishedLocalizer, ShowsPolicy)


@pytest.mark.parametrize("architecture", ["midrl-2d", "midrl-3d"])
def test_published_packs_have_no_scales_to_choose(architecture):
    card = {"architecture": architecture, "config": {}}
    assert PackInfo("p", "P", (), "", card).policy_scales == ()


@pytest.mark.parametrize("name", ["brain-afids", "digital-patient"])
def test_the_scales_of_a_card_are_those_of_its_network(name):
    scales = pack_info(name).policy_scales
    config = finish(load_localizer(name))._network.config
    played = [scale.step * config.base_mm for scale in config.scales[:-2]]
    assert [scale.step_mm for scale in scales] == played
