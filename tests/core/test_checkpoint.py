"""Checkpoints: whole or not there, harmless, and a resumed run that nobody can tell from an uninterrupted one."""

import pytest
from oracles import ORACLES, Core
from suites import NUMBERS


@pytest.mark.parametrize("name", NUMBERS["test_checkpoint"])
def test_checkpoint(name):
    ORACLES[name](Core())
