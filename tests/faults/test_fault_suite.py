"""The heart of the fault suite, on ours: what must hold on every commit. `make faults` runs all of it, also on others."""

import sys

import pytest
from fault_cases import CASES
from fault_suite import Score, score

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="platform: no /proc to look for processes in")

# Forked workers start at once; a worker of the other start methods imports NumPy and Gymnasium first. The contract tests
# of tests/core ask for much of the same, from inside; here it is asked of a whole program, from outside.
FORKSERVER = [
    "raise_unpicklable", "raise_in_env_fn", "worker_killed", "worker_killed_half_answered", "hang_in_step",
    "parent_killed_stubborn_worker", "exit_with_a_hung_worker", "forgotten", "interrupt_then_step",
    "group_interrupt_then_reset", "stubborn_worker_interrupt_close", "env_fn_class_in_a_cell", "spaces_bounds",
]  # fmt: skip
SPAWN = ["worker_killed", "group_interrupt_then_step", "parent_killed_in_step", "env_fn_class_in_a_cell", "interrupt_while_making"]  # fmt: skip
LONG = {
    "hang_with_defaults",
    "hang_in_env_fn",
    "torch_threads",
    "no_main_guard",
}  # seconds of waiting, or of importing
SAME_CODE = ("action", "answer", "making")  # the refusals of the serial vector are those of the parallel one
SERIAL = [name for name, case in CASES.items() if case.group in SAME_CODE and name not in LONG]
FORK = [
    name for name, case in CASES.items() if case.group not in SAME_CODE and name not in {*LONG, *FORKSERVER}
]


def all_passed(result: Score) -> None:
    assert [str(one) for one in result.results if one.verdict not in ("PASS", "SLOW")] == []
    assert result.count("SLOW") <= 2, "too slow a machine: FAULT_LIMIT_SCALE=3 gives it time"


def test_serial():
    all_passed(score("serial", SERIAL, "fork", 2))


def test_forked_workers():
    all_passed(score("ours", FORK, "fork", 3))


def test_workers_of_a_server():
    all_passed(score("ours", FORKSERVER, "forkserver", 3))


def test_spawned_workers():
    all_passed(score("ours", SPAWN, "spawn", 3))
