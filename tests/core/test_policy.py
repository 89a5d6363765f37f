"""The policy: against scipy, torch.distributions, loops over single numbers, and statistics of what is drawn."""

import pytest
from oracles import ORACLES, Core
from suites import NUMBERS


@pytest.mark.parametrize("name", NUMBERS["test_policy"])
def test_policy(name):
    ORACLES[name](Core())
