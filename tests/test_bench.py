"""The speed comparison measures what it says: counts, clocks, ratios, and failures that stay visible."""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import subprocess
import sys
import types
from pathlib import Path

import pytest
from studies import BENCHMARKS, load_script

PEERS = BENCHMARKS / "peers"


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("bench_rounds")  # the one that the studies import


@pytest.fixture
def this_python(rounds, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Every peer lives in the environment of the tests, its scripts in a folder of the test."""
    monkeypatch.setattr(rounds, "python_of", lambda peer: Path(sys.executable))
    monkeypatch.setattr(rounds, "BENCH", tmp_path / "bench")
    return rounds


def run(*command: object, **more: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, timeout=300, **more
    )


# --- the runner of ppo_core


def test_our_runner_counts_the_steps_after_the_warm_up():
    """Five iterations are asked for: five times 3 x 16 steps, whatever ran before the clock."""
    done = run(PEERS / "ours.py", "--envs", 3, "--steps", 16, "--iterations", 5)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    answer = json.loads(line.removeprefix("ANSWER "))
    assert answer["steps"] == 5 * 3 * 16
    assert 0 < answer["cpu_s"] < answer["import_cpu_s"] + 30
    assert answer["rss_mb"] > 100
    assert "torch" in answer["versions"]


@pytest.mark.parametrize(("iterations", "counted"), [(1, 0), (2, 0), (3, 1), (7, 5)])
def test_the_meter_leaves_out_two_iterations(monkeypatch, iterations, counted):
    """By hand: of 7 iterations 5 count, and the clock runs from the end of the second to the end of the last."""
    protocol = load_peer("protocol", monkeypatch)
    clock = iter(range(0, 100, 10))
    monkeypatch.setattr(protocol, "cpu_seconds", lambda: float(next(clock)))
    meter = protocol.Meter(types.SimpleNamespace(envs=2, steps=8, seconds=50.0, iterations=0))
    over = [meter.iteration() for _ in range(iterations)]
    if not counted:
        with pytest.raises(SystemExit, match="none after the warm-up"):
            meter.answer()
        return
    assert meter.stopped[0] - meter.begun[0] == 10.0 * counted
    assert over == [False] * (iterations - 1) + [counted >= 5]


def test_solved_needs_three_evaluations_in_a_row(monkeypatch):
    protocol = load_peer("protocol", monkeypatch)
    solved = protocol.Solved(None)
    marks, seeds = [480, 474, 475, 500, 480, 490], []
    found = [solved.now(2048 * k, lambda seed, k=k: seeds.append(seed) or marks[k]) for k in range(6)]
    assert found == [False, False, False, False, True, False]
    assert seeds == [1000, 1020, 1040, 1060, 1080, 1100]
    assert not solved.now(2049, lambda seed: 500)


def load_peer(name: str, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(f"peer_{name}", PEERS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- what can go wrong with a peer is in the table


def test_a_peer_that_crashes_is_reported(this_python, monkeypatch, tmp_path):
    monkeypatch.setattr(this_python, "PEERS", tmp_path)
    (tmp_path / "bad.py").write_text("print('hello')\nraise ValueError('no such option')\n")
    assert this_python.ask("sb3", "bad.py") == [{"error": "exit code 1: ValueError: no such option"}]


def test_a_peer_that_hangs_or_says_nothing_is_reported(this_python, monkeypatch, tmp_path):
    monkeypatch.setattr(this_python, "PEERS", tmp_path)
    (tmp_path / "slow.py").write_text(
        "import time\nprint('ANSWER {\"steps\": 1}', flush=True)\ntime.sleep(60)\n"
    )
    assert this_python.ask("sb3", "slow.py", timeout=2) == [{"steps": 1}, {"error": "no answer within 2 s"}]
    (tmp_path / "mute.py").write_text("print('an answer, but not marked as one')\n")
    assert this_python.ask("sb3", "mute.py") == [{"error": "ended without an answer"}]


def test_a_peer_that_was_not_installed_is_reported_with_the_reason(rounds, monkeypatch, tmp_path):
    monkeypatch.setattr(rounds, "BENCH", tmp_path)
    assert "make bench" in rounds.ask("sb3", "sb3.py")[0]["error"]
    (tmp_path / "sb3").mkdir()
    (tmp_path / "sb3" / "failed.txt").write_text("pip could not install sb3\n")
    assert rounds.ask("sb3", "sb3.py") == [{"error": "not installed: pip could not install sb3"}]


def test_a_failure_costs_its_row_and_no_other(monkeypatch, tmp_path, rounds):
    """One peer of three fails; the table holds all three, with ratios for those that ran."""
    peers = load_script("ch18_peers", monkeypatch)
    answers = {
        "ours, autograd": {"steps": 6000, "cpu_s": 2.0, "versions": "v"},
        "sb3": {"steps": 3000, "cpu_s": 3.0, "versions": "w"},
        "skrl": {"error": "exit code 1: ValueError"},
    }
    monkeypatch.setattr(peers, "arms", lambda *_: {arm: lambda arm=arm: [answers[arm]] for arm in answers})
    options = peers.Options(out=tmp_path, rounds=2, command="python benchmarks/ch18_peers.py")
    peers.study(options)
    lines = (tmp_path / "ch18_peers.csv").read_text().splitlines()
    rows = [line for line in lines if not line.startswith("#")]
    assert len(rows) == 1 + 2 * 4 * 3
    ours = next(line for line in rows if "ours, autograd" in line)
    assert ",3000," in ours and ",3," in ours  # steps per CPU second, and three times those of sb3
    assert sum("exit code 1: ValueError" in line for line in rows) == 8
    assert "# versions of ours: v" in lines


# --- arithmetic, by hand


def test_ratios_are_taken_within_a_round(monkeypatch):
    """1200 steps in 2 s are 600 a second, 900 in 3 s are 300: twice as fast; without a partner there is no ratio."""
    peers = load_script("ch18_peers", monkeypatch)
    rows = [
        {"arm": "ours, autograd", "steps": 1200, "cpu_s": 2.0},
        {"arm": "sb3", "steps": 900, "cpu_s": 3.0},
    ]
    ours, sb3 = peers.compared(rows)
    assert (ours["steps_per_cpu_s"], ours["x_sb3"], ours["x_cleanrl"]) == ("600", "2", "")
    assert (sb3["steps_per_cpu_s"], sb3["x_sb3"]) == ("300", "1")


def test_median_and_ratio_of_what_is_missing(rounds):
    assert rounds.median(["3", "", 1, None, "2", math.nan]) == 2
    assert math.isnan(rounds.median([]))
    assert math.isnan(rounds.ratio(1.0, math.nan)) and math.isnan(rounds.ratio(1.0, 0.0))
    assert math.isnan(rounds.rate({"error": "it crashed"}))


def test_the_command_in_a_table_names_no_folder_of_this_machine(rounds, monkeypatch):
    monkeypatch.setattr(
        sys, "argv", ["/here/bench.py", "--only", "peers", "--cleanrl", "/opt/me/c", "--out", "/tmp/x"]
    )
    assert rounds.shown_command() == "python benchmarks/bench.py --only peers --cleanrl CHECKOUT"


def test_every_arm_is_first_once(rounds):
    assert [rounds.turned(["a", "b", "c"], k) for k in range(4)] == [
        list(x) for x in ("abc", "bca", "cab", "abc")
    ]


def test_break_even_lies_where_the_gain_crosses_one(monkeypatch):
    """0.5 at 10 us and 2 at 1000 us: a third of the way on the scale of logarithms, 10^(1 + 2/3) = 46.4 us."""
    vectors = load_script("ch18_vector_envs", monkeypatch)

    def row(cost: int, gain: float) -> dict:
        return {"work": f"burn:{cost}", "envs": 8, "arm": "ours parallel", "x_serial": gain}

    assert vectors.break_even([row(10, 0.5), row(1000, 2.0)], "ours parallel") == "46"
    assert vectors.break_even([row(10, 0.5), row(1000, 0.9)], "ours parallel") == "not reached"
    assert vectors.break_even([row(10, 1.5)], "ours parallel") == "below 10"
    assert vectors.break_even([], "ours parallel") == "not measured"


def test_vectors_without_workers_are_compared_by_cpu(monkeypatch):
    """By hand: sync took twice the CPU for as many steps; the parallel one half the time on the wall."""
    vectors = load_script("ch18_vector_envs", monkeypatch)
    arms = {"ours serial": (1.0, 2.0), "gymnasium sync": (2.0, 2.0), "ours parallel": (0.1, 1.0)}
    rows = [
        {"arm": arm, "steps": 100, "parent_cpu_s": cpu, "wall_s": wall} for arm, (cpu, wall) in arms.items()
    ]
    assert [row["x_serial"] for row in vectors.compared(rows)] == ["1", "0.5", "2"]
    failed = vectors.compared([{"arm": "ours serial", "error": "no"}, rows[1]])
    assert [row["x_serial"] for row in failed] == ["", ""]


def test_the_cost_of_checks_is_a_share_of_the_time(monkeypatch):
    """100 a second with all checks, 125 without: checks take a fifth of the time."""
    safety = load_script("ch18_safety", monkeypatch)
    rows = [{"check": "always", "steps": 200, "seconds": 2}, {"check": "first", "steps": 250, "seconds": 2}]
    assert [row["cost"] for row in safety.compared(rows)] == ["0.2", "0.2"]


def test_every_peer_pins_torch_first():
    for file in PEERS.glob("*.txt"):
        first, *others = file.read_text().split()
        assert first == "torch==2.13.0", file.name  # make.py has installed its CPU build by then
        assert all("==" in line for line in others), file.name
