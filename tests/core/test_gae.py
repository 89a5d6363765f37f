"""Advantages: against sums, limits, worked cases and two libraries that we did not write."""

import pytest
from oracles import ORACLES, Core, foreign
from suites import NUMBERS


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.oracle if "agrees" in n else ()) for n in NUMBERS["test_gae"]]
)
def test_gae(name):
    ORACLES[name](Core())


def test_a_missing_library_is_a_skip_here_and_a_failure_in_ci(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="pip install"):
        foreign("no_such_library")
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="must run here"):
        foreign("no_such_library")
