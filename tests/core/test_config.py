"""Settings: what cannot work is refused where it is written."""

import pytest
from oracles import ORACLES, Core
from suites import NUMBERS


@pytest.mark.parametrize("name", NUMBERS["test_config"])
def test_config(name):
    ORACLES[name](Core())
