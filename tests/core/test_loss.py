"""Losses: sample by sample in plain Python, at the limits, and by autograd."""

import pytest
from oracles import ORACLES, Core
from suites import NUMBERS


@pytest.mark.parametrize("name", NUMBERS["test_loss"])
def test_loss(name):
    ORACLES[name](Core())
