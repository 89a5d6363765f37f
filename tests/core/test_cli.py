"""The command line: what it explains, what it refuses, what it writes, and what Ctrl-C leaves behind."""

import pytest
from oracles import ORACLES, Core
from suites import NUMBERS


@pytest.mark.parametrize("name", NUMBERS["test_cli"])
def test_cli(name):
    ORACLES[name](Core())
