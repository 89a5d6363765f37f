"""Vector environments in one process: the contract, and Gymnasium's own in each autoreset mode."""

import pytest
from oracles import ORACLES, Core
from suites import ALONE, SERIAL


@pytest.mark.parametrize("name", SERIAL)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_serial(name):
    ORACLES[name](Core(), "serial")


@pytest.mark.parametrize("name", ALONE)
def test_gymnasium_and_imports(name):
    ORACLES[name](Core())
