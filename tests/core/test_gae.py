"""Advantages: against sums, limits, worked cases and two libraries that we did not write."""

import pytest
from oracles import ORACLES, Core

NAMES = [name for name in ORACLES if name.startswith("gae_")]


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.oracle] if "agrees" in name else []) for name in NAMES])
def test_gae(name):
    ORACLES[name](Core())
