"""Every planted bug of the vector environments is killed by the part of the contract that the table names."""

import mutants
import pytest
from hypothesis import settings
from mutants import rejected


@pytest.fixture(autouse=True)
def first_example_is_enough(the_same_examples_everywhere):
    settings.load_profile("mutants")


@pytest.mark.parametrize("mutant", mutants.WORKERS, ids=lambda mutant: mutant.name)
@pytest.mark.filterwarnings("ignore")
def test_mutant(mutant, tmp_path):
    rejected(mutant, tmp_path)
