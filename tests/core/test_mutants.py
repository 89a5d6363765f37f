"""Every planted bug of the numbers, the trainer and the command line is killed by the oracle that the table names."""

from collections import Counter

import mutants
import pytest
import suites
from hypothesis import settings
from mutants import rejected
from oracles import ORACLES


@pytest.fixture(autouse=True)
def first_example_is_enough(the_same_examples_everywhere):
    settings.load_profile("mutants")


@pytest.mark.parametrize(
    "mutant", [*mutants.NUMBERS, *mutants.TRAINING, *mutants.COMMANDS], ids=lambda mutant: mutant.name
)
@pytest.mark.filterwarnings("ignore")
def test_mutant(mutant, tmp_path):
    rejected(mutant, tmp_path)


def test_every_oracle_kills():
    """An oracle that no bug was planted for could accept anything."""
    killers = {mutant.killed_by.partition(":")[0] for mutant in mutants.ALL}
    assert killers <= set(ORACLES)
    assert set(ORACLES) - killers == set()


def test_every_oracle_accepts():
    """Each oracle is run on the package as it is, in one of the test files."""
    run = (
        {name for names in suites.NUMBERS.values() for name in names}
        | set(suites.SERIAL)
        | set(suites.ALONE)
        | {name for name, _ in suites.PROCESSES}
    )
    assert set(ORACLES) - run == set()


def test_the_bug_zoo_is_planted():
    """B1 to B24 of the book; a name is used once."""
    planted = {mutant.name.split()[0] for mutant in mutants.ALL}
    assert {f"B{k}" for k in range(1, 25)} - planted == set()
    assert [name for name, count in Counter(mutant.name for mutant in mutants.ALL).items() if count > 1] == []


def test_a_mutant_that_does_not_apply_is_an_error(tmp_path):
    with pytest.raises(LookupError, match="0 times"):
        mutants.build(mutants.M("none", "gae", "no such code", "", "gae_by_hand"), tmp_path)


def test_a_mutant_that_changes_nothing_is_reported(tmp_path):
    harmless = mutants.M(
        "harmless",
        "gae",
        "running = deltas[t] + decay[t] * running",
        "running = decay[t] * running + deltas[t]",
        "gae_by_hand",
    )
    with pytest.raises(pytest.fail.Exception, match="survived"):
        rejected(harmless, tmp_path)


def test_a_broken_oracle_kills_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(ORACLES, "broken", lambda core: {}["a mistake in the oracle"])
    mutant = mutants.NUMBERS[0]._replace(killed_by="broken")
    with pytest.raises(KeyError):
        rejected(mutant, tmp_path)
