"""Worker processes with the quickest start method of this system: the whole contract."""

import pytest
from contract import QUICK
from oracles import ORACLES, Core
from suites import PROCESSES


@pytest.mark.parametrize("name, method", [(name, method) for name, method in PROCESSES if method == QUICK])
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_workers(name, method):
    ORACLES[name](Core(), method)
