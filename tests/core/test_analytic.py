"""The gradient by hand: against autograd, against differences of the loss, and what it refuses."""

import pytest
from oracles import ORACLES, Core
from suites import NUMBERS


@pytest.mark.parametrize("name", NUMBERS["test_analytic"])
def test_analytic(name):
    ORACLES[name](Core())
