"""Advantages: against sums, limits, worked cases and two libraries that we did not write."""

import pytest
from oracles import ORACLES, Core
from suites import NUMBERS


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.oracle if "agrees" in n else ()) for n in NUMBERS["test_gae"]]
)
def test_gae(name):
    ORACLES[name](Core())
