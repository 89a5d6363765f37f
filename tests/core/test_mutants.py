"""Every planted bug is killed by the oracle that the table names; every oracle has killed a bug."""

import mutants
import pytest
from hypothesis import settings
from oracles import ORACLES


@pytest.fixture(autouse=True)
def first_example_is_enough(the_same_examples_everywhere):
    settings.load_profile("mutants")


@pytest.mark.parametrize("mutant", mutants.NUMBERS, ids=lambda mutant: mutant.name)
def test_mutant(mutant, tmp_path):
    core = mutants.build(mutant, tmp_path)
    try:
        with pytest.raises(AssertionError):
            ORACLES[mutant.killed_by](core)
    finally:
        mutants.forget(core, tmp_path)
