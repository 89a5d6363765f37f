"""Environments whose values are known, and a trainer that finds them."""

import pytest
from oracles import ORACLES, Core
from suites import NUMBERS


@pytest.mark.parametrize("name", NUMBERS["test_probes"])
def test_probes(name):
    ORACLES[name](Core())
