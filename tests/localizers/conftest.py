"""Lets tests of localizers say ``from localizer_contract import LocalizerContract``.

With ``--import-mode=importlib`` a test module cannot import its neighbor by name, so
this folder is put on the path; pytest reads this file before it collects the folder.
"""

import sys
from pathlib import Path

import pytest

pytest.register_assert_rewrite("localizer_contract")
sys.path.insert(0, str(Path(__file__).parent))
