"""What several tests of fine-tuning begin with."""

import pytest

from tests.tiny_agents import write_cases


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """Four cases; one of them also places a landmark the pack knows."""
    folder = tmp_path_factory.mktemp("cases")
    write_cases(folder)
    return folder
