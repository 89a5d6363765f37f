"""The rollout: rows stay together and where they were written, minibatches hold each step once."""

import pytest
from oracles import ORACLES, Core
from suites import NUMBERS


@pytest.mark.parametrize("name", NUMBERS["test_buffer"])
def test_buffer(name):
    ORACLES[name](Core())
