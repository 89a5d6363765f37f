"""The fault suite: what becomes of a vector of environments when something goes wrong.

    python tests/faults/fault_suite.py --adapter ours --start-method spawn
    python tests/faults/fault_suite.py --adapter my_vector.py:make --group worker
    python tests/faults/fault_suite.py --list

or from Python, with the same meaning:

    from fault_suite import score
    result = score("my_vector.py:make", cases=["worker_killed", "row_integrity"], start_method="fork")
    print(result)                         # a line for each case, then the points
    result.points, result.possible        # 1.5, 2
    result.verdicts["worker_killed"]      # "WEAK"

To score a vector of your own, put a factory into a file and name both, `file.py:name` or `module:name`:

    def make(env_fns, start_method):
        return MyVector(env_fns)          # with reset(seed=None), step(actions) and close()

    make.lacks = ("timeout", "start_timeout", "restarts")

`fault_adapters.py` says what these three must return, and shows the adapters of ours, of Gymnasium and of
Stable-Baselines3. `lacks` names options that the factory does not take; cases that are about worker processes, or
about restarts, are left out for an adapter that lacks "processes" or "restarts" and do not count.

Each case is a small function in `fault_cases.py`, run in a fresh process (`fault_trial.py`) under a time limit, and
ends in one verdict; of several faults, the first in this list:

    SILENT  something wrong went by without an error: a row that answers another action, a NaN, an action out of bounds
    HANG    the time limit of the case ran out (10 s for most, counted from the fault)
    LEAK    processes, descriptors, or names in shared memory were left behind 3 s after the end
    CRASH   the program itself died
    SLOW    the machine was too busy to tell; counts for nothing, neither as points nor as possible points
    WEAK    an error in time, but a raw one, without the environment or the cause, late, or nothing can go on after it
    PASS    what the case asks for

A PASS is one point, a WEAK half a point. FAULT_LIMIT_SCALE=3 multiplies all time limits, for a slow machine.
FAULT_TRACEBACK=1 shows where an unexpected error came from. Needs /proc, so Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [path for path in (str(HERE), str(HERE.parents[1])) if path not in sys.path]

import fault_adapters  # noqa: E402
from fault_cases import CASES, GROUPS, Case  # noqa: E402
from fault_trial import SCALE, SLACK, TOKEN, carriers, load  # noqa: E402

VERDICTS = ("PASS", "WEAK", "SLOW", "CRASH", "LEAK", "HANG", "SILENT")
POINTS = {"PASS": 1.0, "WEAK": 0.5}
START_METHODS = ("fork", "forkserver", "spawn")
START_UP = 60.0  # seconds until the fault begins: imports and worker processes
GRACE = 3.0  # seconds after the end in which everything must be gone


@dataclass
class Result:
    """One case, one adapter, one start method."""

    case: str
    group: str
    adapter: str
    version: str
    start_method: str
    verdict: str
    seconds: float
    seen: str

    @property
    def points(self) -> float:
        return POINTS.get(self.verdict, 0.0)


@dataclass
class Score:
    """The results of one adapter under one start method."""

    results: list[Result] = field(default_factory=list)

    @property
    def points(self) -> float:
        return sum(result.points for result in self.results)

    @property
    def possible(self) -> int:
        return sum(result.verdict != "SLOW" for result in self.results)

    @property
    def verdicts(self) -> dict[str, str]:
        return {result.case: result.verdict for result in self.results}

    def count(self, verdict: str) -> int:
        return sum(result.verdict == verdict for result in self.results)

    def __str__(self) -> str:
        lines = [f"{r.verdict:<6} {r.case:<32} {r.seconds:5.1f} s  {r.seen}" for r in self.results]
        counts = ", ".join(f"{self.count(verdict)} {verdict}" for verdict in VERDICTS if self.count(verdict))
        return "\n".join([*lines, f"{self.points:g} of {self.possible} points: {counts}"])


def score(
    adapter: str = "ours",
    cases: Iterable[str] | None = None,
    start_method: str = "forkserver",
    jobs: int = 2,
    tell: Callable[[Result], None] | None = None,
) -> Score:
    """Run cases (default: all that apply) against an adapter: a name in `fault_adapters.ADAPTERS`, or `file.py:factory`.

    Raises: ValueError for a case, or a start method, that does not exist.
    """
    if start_method not in START_METHODS:
        raise ValueError(f"start_method={start_method!r}: choose one of {START_METHODS}")
    names = list(CASES if cases is None else cases)
    unknown = [name for name in names if name not in CASES]
    if unknown:
        raise ValueError(f"no case is called {unknown[0]!r}: fault_suite.py --list names them all")
    spec = spec_of(adapter)
    lacks = getattr(load(spec), "lacks", ())
    chosen = [CASES[name] for name in names if not set(CASES[name].needs) & set(lacks)]

    def one(case: Case) -> Result:
        verdict, seconds, seen = trial(spec, case, start_method)
        version = fault_adapters.version_of(adapter)
        result = Result(
            case.name, case.group, adapter, version, start_method, verdict, round(seconds, 2), seen
        )
        if tell:
            tell(result)
        return result

    with ThreadPoolExecutor(jobs) as pool:
        return Score(list(pool.map(one, chosen)))


def spec_of(adapter: str) -> str:
    if adapter in fault_adapters.ADAPTERS:
        return f"fault_adapters:{fault_adapters.ADAPTERS[adapter][2].__name__}"
    if ":" not in adapter:
        raise ValueError(
            f"adapter={adapter!r}: choose one of {list(fault_adapters.ADAPTERS)}, or file.py:factory"
        )
    return adapter


def trial(spec: str, case: Case, start_method: str) -> tuple[str, float, str]:
    """Run one case in a process of its own. Returns (verdict, seconds since the fault began, what was seen)."""
    token = f"ppf{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory() as folder:
        events, out, err = (Path(folder) / name for name in ("events", "out", "err"))
        events.touch()
        command = [sys.executable, str(HERE / "fault_trial.py"), spec, case.name, start_method, str(events)]
        environment = {**os.environ, TOKEN: token, "PYTHONFAULTHANDLER": "", "OMP_WAIT_POLICY": "PASSIVE"}
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            environment.pop(name, None)  # two threads are the point of one of the cases
        began = time.monotonic()
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=environment,
                start_new_session=True,
            )
        timed_out, ended = watch(process, events, case.limit * SCALE, began)
        busy = timed_out and still_working(token)
        log = read(events)
        if timed_out:
            kill(token)
            process.wait()
            left = []
            for name in names(token, process.pid):  # whoever is killed cannot remove them
                Path("/dev/shm", name).unlink(missing_ok=True)
        else:
            left = leftovers(token, process.pid)
        verdict, seen = judge(
            log, process.returncode, timed_out, busy, left, ended, err.read_text(errors="replace")
        )
        if os.environ.get("FAULT_TRACEBACK"):
            sys.stderr.write(f"---- {case.name}\n{err.read_text(errors='replace')[-6000:]}\n")
        start = next((event["t"] for event in log if event.get("started")), began)
        return verdict, ended - start, seen


def watch(process: subprocess.Popen, events: Path, limit: float, began: float) -> tuple[bool, float]:
    """Wait for the end of the process, at most `limit` after the fault began. Returns (timed out, when it ended)."""
    started = None
    while process.poll() is None:
        now = time.monotonic()
        if started is None and b'"started"' in events.read_bytes():
            started = now
        if now > (began + START_UP * SCALE if started is None else started + limit):
            return True, now
        time.sleep(0.02)
    return False, time.monotonic()


def read(events: Path) -> list[dict]:
    lines = events.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


def cpu_seconds(token: str) -> float:
    total = 0
    for pid in carriers(token):
        try:
            words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(words[11]) + int(words[12])
        except OSError:
            continue
    return total / os.sysconf("SC_CLK_TCK")


def still_working(token: str) -> bool:
    """Whether the processes use the processor: then it is a machine that is too slow, rather than a hang."""
    before = cpu_seconds(token)
    time.sleep(0.5)
    return cpu_seconds(token) - before > 0.05


def leftovers(token: str, pid: int) -> list[str]:
    """What is still there `GRACE` seconds after the end; whatever it is, it is removed."""
    deadline = time.monotonic() + GRACE * SCALE
    while time.monotonic() < deadline:
        if not carriers(token) and not names(token, pid):
            return []
        time.sleep(0.05)
    processes, shared = carriers(token), names(token, pid)
    kill(token)
    for name in shared:
        Path("/dev/shm", name).unlink(missing_ok=True)
    found = [f"{len(processes)} processes are left"] if processes else []
    return found + ([f"{len(shared)} names are left in shared memory"] if shared else [])


def names(token: str, pid: int) -> list[str]:
    """Names in shared memory that belong to a trial."""
    folder = Path("/dev/shm")
    return (
        [name for name in os.listdir(folder) if token in name or f"-{pid}-" in name]
        if folder.is_dir()
        else []
    )


def kill(token: str) -> None:
    """Kill every process of a trial: those that carry its token, and no other."""
    for _ in range(20):
        remaining = carriers(token)
        for pid in remaining:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
        if not remaining:
            return
        time.sleep(0.05)


def judge(
    log: Sequence[dict],
    code: int | None,
    timed_out: bool,
    busy: bool,
    left: Sequence[str],
    ended: float,
    stderr: str,
) -> tuple[str, str]:
    """The verdict, and in a few words why."""

    def of(kind: str) -> list:
        return [event[kind] for event in log if kind in event]

    notes, late, phase = of("note"), of("late"), (of("phase") or ["the start"])[-1]
    exits = next((event for event in log if "exits" in event), None)
    quiet, saw = any(of("quiet")), of("saw")
    leak = [*of("leak"), *left]
    if quiet and (tracebacks := stderr.count("Traceback (most recent call last)")):
        own = 1 if exits and exits["exits"] == 1 else 0
        if tracebacks > own:
            notes.append(f"{tracebacks - own} tracebacks of workers on stderr")
    if exits and not timed_out:
        if code != exits["exits"]:
            notes.append(f"the program ended with {code}, expected {exits['exits']}")
        if "Exception ignored" in stderr:
            notes.append("“Exception ignored” on stderr")
        if ended - exits["t"] > (GRACE + SLACK) * SCALE:
            late.append(f"the exit took {ended - exits['t']:.1f} s")
    if of("silent"):
        return "SILENT", told(of("silent"))
    overloaded = os.getloadavg()[0] > 2 * (os.cpu_count() or 1)
    if timed_out:
        too_slow = busy and (overloaded or not of("started"))
        return ("SLOW" if too_slow else "HANG"), told([f"in {phase}", *saw, *notes])
    if leak:
        return "LEAK", told([*leak, *notes])
    if not exits and not of("finished"):
        how = signal.Signals(-code).name if code and code < 0 else f"exit code {code}"
        return "CRASH", told([f"{how} in {phase}", *notes])
    if notes:
        return "WEAK", told([*notes, *late, *saw])
    if late:
        return ("SLOW" if overloaded else "WEAK"), told([*late, *saw])
    return "PASS", told(saw)


def told(words: Sequence[str]) -> str:
    """At most 240 characters, without a path."""
    text = "; ".join(dict.fromkeys(word for word in words if word))
    text = re.sub(r"\s+", " ", re.sub(r"(/[\w.+-]+){2,}/?", "…", text))
    return text if len(text) <= 240 else text[:237] + "..."


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="What becomes of a vector of environments when something goes wrong."
    )
    parser.add_argument(
        "--adapter", default="ours", help="ours, serial, gymnasium, stable-baselines3, or file.py:factory"
    )
    parser.add_argument("--start-method", default="forkserver", choices=START_METHODS)
    parser.add_argument("--group", choices=list(GROUPS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="the cases, and what a pass is")
    parser.add_argument("case", nargs="*")
    options = parser.parse_args(arguments)
    chosen = [name for name in options.case or CASES if options.group in (None, CASES[name].group)]
    if options.list:
        for name in chosen:
            print(f"{name:<34} {CASES[name].passes}")
        print(f"{len(chosen)} cases")
        return 0

    def show(result: Result) -> None:
        print(f"{result.verdict:<6} {result.case:<34} {result.seconds:5.1f} s  {result.seen}", flush=True)

    result = score(options.adapter, chosen, options.start_method, options.jobs, show)
    print(str(result).splitlines()[-1])
    return 0 if result.points == result.possible else 1


if __name__ == "__main__":
    raise SystemExit(main())
