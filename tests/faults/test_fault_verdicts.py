"""The verdict machinery: a vector that is wrong on purpose gets the verdict of its fault, and ours does not."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fault_suite
import pytest
from fault_cases import CASES, GROUPS
from fault_suite import judge, score

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="platform: no /proc to look for processes in")

# wrong adapter, case, verdict, words that must be among what was seen
WRONG = [
    ("HangsInClose", "close_before_reset", "HANG", "close()"),
    ("LeavesAnOrphan", "close_before_reset", "LEAK", "process"),
    ("LeavesASemaphore", "close_before_reset", "LEAK", "shared memory"),
    ("LosesDescriptors", "a_hundred_cycles", "LEAK", "descriptors"),
    ("StaleRows", "row_integrity", "SILENT", "expected"),
    ("MixesEnvironments", "row_integrity", "SILENT", "expected"),
    ("WrongReward", "one_environment", "SILENT", "reward"),
    ("AliasesRows", "kept_observation", "SILENT", "changed in a later step"),
    ("ForgetsTheCause", "raise_in_step", "WEAK", "which environment"),
    ("ForgetsTheCause", "raise_in_step", "WEAK", "traceback"),
    ("RawErrors", "worker_os_exit", "WEAK", "raw EOFError"),
    ("SwallowsErrors", "raise_in_step", "SILENT", "expected"),
    ("SwallowsErrors", "action_negative", "SILENT", "accepted"),
    ("SwallowsErrors", "observation_nan", "SILENT", "accepted"),
    ("SwallowsInterrupts", "interrupt_then_close", "WEAK", "interrupts were sent"),
    ("NoisyWorkers", "interrupt_then_close", "WEAK", "tracebacks of workers"),
    ("Late", "worker_os_exit", "WEAK", "allowed 1 s"),
    ("RaisesInClose", "close_before_reset", "WEAK", "BrokenPipeError"),
    ("Crashes", "close_before_reset", "CRASH", "SIGABRT"),
    ("ChangesTheStartMethod", "nothing_global_changes", "SILENT", "spawn"),
    ("TooSlowToStart", "close_before_reset", "SLOW", "making the environment"),
    ("HangsAtStart", "close_before_reset", "HANG", "making the environment"),
    ("WrongExitCode", "exit_by_sys_exit", "WEAK", "ended with 9, expected 5"),
]


@pytest.fixture(scope="module")
def verdicts():
    """Every wrong adapter against its cases, a few at a time, with short limits."""
    chosen = list(dict.fromkeys((adapter, case) for adapter, case, *_ in WRONG))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fault_suite, "START_UP", 4.0)
        for name, case in CASES.items():
            patch.setitem(
                fault_suite.CASES, name, case._replace(limit=5.0 if case.limit == 10.0 else case.limit)
            )
        patch.setattr(fault_suite.os, "getloadavg", lambda: (0.0, 0.0, 0.0))  # what is late is late, not slow
        with ThreadPoolExecutor(4) as pool:
            results = pool.map(lambda pair: score(f"wrong_adapters:{pair[0]}", [pair[1]], "fork", 1), chosen)
            return dict(zip(chosen, (result.results[0] for result in results), strict=True))


@pytest.mark.parametrize("adapter, case, verdict, words", WRONG)
def test_a_wrong_vector_gets_its_verdict(verdicts, adapter, case, verdict, words):
    result = verdicts[adapter, case]
    assert (result.verdict, words in result.seen) == (verdict, True), result


def test_nothing_of_the_wrong_vectors_is_left(verdicts):
    assert not [path for path in Path("/dev/shm").glob("*ppf*") if "-left" in path.name]


def event(**kwargs):
    return {"t": 0.0, **kwargs}


@pytest.mark.parametrize(
    "log, code, timed_out, busy, left, verdict",
    [
        ([event(finished=True)], 0, False, False, [], "PASS"),
        ([event(note="raw"), event(finished=True)], 0, False, False, [], "WEAK"),
        ([event(note="raw"), event(phase="step()")], None, True, False, [], "HANG"),
        ([event(silent="row 0")], None, True, False, ["1 process"], "SILENT"),
        ([event(finished=True)], 0, False, False, ["1 process"], "LEAK"),
        ([event(phase="step()")], -11, False, False, [], "CRASH"),
        ([event(phase="making")], None, True, True, [], "SLOW"),
        ([event(phase="step()", started=True)], None, True, True, [], "HANG"),
        ([event(exits=0)], 0, False, False, [], "PASS"),
        ([event(exits=-9)], -9, False, False, [], "PASS"),
        ([event(exits=0)], -11, False, False, [], "WEAK"),
    ],
)
def test_of_several_faults_the_worst_is_told(log, code, timed_out, busy, left, verdict, monkeypatch):
    monkeypatch.setattr(fault_suite.os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    assert judge(log, code, timed_out, busy, left, 0.0, "")[0] == verdict


def test_a_busy_machine_is_no_fault(monkeypatch):
    """What still works on an overloaded machine does not hang, and what is late may be on time elsewhere."""
    for load, hang, late in ((0.0, "HANG", "WEAK"), (500.0, "SLOW", "SLOW")):
        monkeypatch.setattr(fault_suite.os, "getloadavg", lambda load=load: (load, load, load))
        started = event(phase="step()", started=True)
        assert judge([started], None, True, True, [], 0.0, "")[0] == hang
        assert judge([started], None, True, False, [], 0.0, "")[0] == "HANG"
        assert judge([event(late="1.9 s"), event(finished=True)], 0, False, False, [], 0.0, "")[0] == late
        assert (
            judge(
                [event(late="1.9 s"), event(note="raw"), event(finished=True)], 0, False, False, [], 0.0, ""
            )[0]
            == "WEAK"
        )


def test_points():
    results = [fault_suite.Result("case", "group", "a", "", "fork", v, 0.0, "") for v in fault_suite.VERDICTS]
    total = fault_suite.Score(results)
    assert total.points == 1.5 and total.possible == len(fault_suite.VERDICTS) - 1
    assert "1.5 of 6 points" in str(total) and "1 HANG" in str(total)


def test_the_table_is_whole():
    assert len(CASES) >= 77 and {case.group for case in CASES.values()} == set(GROUPS)
    for case in CASES.values():
        assert case.passes and "\n" not in case.passes and case.limit > 3, case.name
    assert len({case.passes for case in CASES.values()}) == len(CASES), "two cases ask for the same"


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("ours", ["no such case"]), "no such case"),
        (("nobody", None), "file.py:factory"),
        (("ours", None, "thread"), "start_method"),
    ],
)
def test_wrong_use_is_told(arguments, words):
    with pytest.raises(ValueError, match=words):
        score(*arguments)


OWN = """
from fault_adapters import ours

def make(env_fns, start_method, **options):
    return ours(env_fns, start_method, **options)

make.lacks = ("restarts", "timeout", "start_timeout")
"""


def test_a_vector_of_ones_own_is_scored(tmp_path):
    (tmp_path / "my_own_vector.py").write_text(OWN)
    cases = ["close_before_reset", "restart_after_death"]
    result = score(f"{tmp_path / 'my_own_vector.py'}:make", cases, "fork")
    assert result.verdicts == {"close_before_reset": "PASS"} and result.points == result.possible == 1
