"""The trainer: true rows, a second implementation of the update, the same numbers again, and faults that never happened."""

import pytest
from oracles import ORACLES, Core
from suites import NUMBERS


@pytest.mark.parametrize("name", NUMBERS["test_trainer"])
def test_trainer(name):
    ORACLES[name](Core())
