"""What the speed studies share: asking a runner in a process of its own, ratios within a round, the host, the table.

Other programs disturb a measurement, and their load changes by the minute. Therefore all arms are measured in turn,
round after round, a ratio is taken only between two runs of the same round, and what is reported is the median over
the rounds. The order of the arms moves on by one with every round.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tables import header, write_table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BENCH = ROOT / ".bench"
PEERS = HERE / "peers"
MARK = "ANSWER "
Row = dict[str, object]


@dataclass
class Options:
    """What the command line asks of every study."""

    out: Path
    quick: bool = False
    rounds: int = 5
    seconds: float = 2.0
    cleanrl: Path | None = None
    command: str = ""

    def file(self, study: str) -> Path:
        self.out.mkdir(parents=True, exist_ok=True)
        return self.out / f"{study}.csv"


def command_line(doc: str | None, more: Callable[[argparse.ArgumentParser], None] | None = None) -> tuple:
    """Parse the options that all studies have. Returns (Options, argparse.Namespace)."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round, written to .bench/quick")
    parser.add_argument("--rounds", type=int, help="rounds (default 5; with --quick 1)")
    parser.add_argument("--seconds", type=float, help="CPU seconds of each run (default 2; with --quick 0.5)")
    parser.add_argument("--cleanrl", type=Path, help="a checkout of CleanRL, whose script is run as it is")
    parser.add_argument("--out", type=Path, help="folder for the tables (default benchmarks)")
    if more:
        more(parser)
    args = parser.parse_args()
    options = Options(
        out=args.out or (BENCH / "quick" if args.quick else HERE),
        quick=args.quick,
        rounds=args.rounds or (1 if args.quick else 5),
        seconds=args.seconds or (0.5 if args.quick else 2.0),
        cleanrl=args.cleanrl.resolve() if args.cleanrl else None,
        command=shown_command(),
    )
    return options, args


def shown_command() -> str:
    """The command as others would type it: without this machine's folders."""
    words, shown = sys.argv[1:], []
    while words:
        word = words.pop(0)
        if word in ("--cleanrl", "--out") and words:
            folder = words.pop(0)
            shown += [word, "CHECKOUT"] if word == "--cleanrl" and folder else []
        else:
            shown.append(word)
    return " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *shown])


# ---- asking


def python_of(peer: str) -> Path:
    return BENCH / peer / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def one_thread() -> dict[str, str]:
    """The environment of a runner: one thread, the packages of its own environment, and ppo_core beside them."""
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    path = os.pathsep.join([str(ROOT), str(PEERS)])
    return {**os.environ, **threads, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore", "PYTHONHASHSEED": "0"}


def ask(peer: str, script: str, *arguments: object, stdin: str = "", timeout: float = 600.0) -> list[Row]:
    """Run benchmarks/peers/SCRIPT in the environment of `peer`. Returns its answers; the last one may be an error."""
    python = python_of(peer)
    failed = BENCH / peer / "failed.txt"
    if failed.exists():
        return [{"error": f"not installed: {one_line(failed.read_text(encoding='utf-8'))}"}]
    if not python.exists():
        return [{"error": "not installed: make bench does it"}]
    BENCH.mkdir(exist_ok=True)
    command = [str(python), "-W", "ignore", str(PEERS / script), *map(str, arguments)]
    try:
        done = subprocess.run(
            command,
            input=stdin,
            env=one_thread(),
            cwd=BENCH,  # some write logs where they stand
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as late:
        said = late.stdout or b""
        said = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        return [*answers(said), {"error": f"no answer within {timeout:.0f} s"}]
    found = answers(done.stdout)
    if done.returncode:
        last = one_line(done.stderr) or "no message"
        return [*found, {"error": f"exit code {done.returncode}: {last}"}]
    return found or [{"error": "ended without an answer"}]


def answers(text: str) -> list[Row]:
    """The answers among the lines that a runner printed; a library may print others."""
    return [json.loads(line[len(MARK) :]) for line in text.splitlines() if line.startswith(MARK)]


def one_line(text: str) -> str:
    """The last line with text, short enough for a table."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


# ---- arithmetic


def turned(arms: list, number: int) -> list:
    """The arms, begun with another one in every round."""
    k = number % len(arms) if arms else 0
    return arms[k:] + arms[:k]


def rate(answer: Row, over: str = "cpu_s") -> float:
    """Environment steps per second; NaN for a run that failed."""
    seconds = float(answer.get(over) or 0.0)
    return float(answer["steps"]) / seconds if seconds else math.nan


def ratio(ours: float, theirs: float) -> float:
    return ours / theirs if theirs and theirs == theirs else math.nan


def median(values: Iterable[object]) -> float:
    """The median of the numbers that there are; NaN of none."""
    known = [float(v) for v in values if v not in ("", None) and float(v) == float(v)]
    return statistics.median(known) if known else math.nan


def number(value: float, digits: int = 4) -> str:
    """A number for the table; nothing for NaN."""
    return "" if value != value else f"{value:.{digits}g}"


# ---- the table


def processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        return next(
            line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def load() -> str:
    return " ".join(f"{x:.1f}" for x in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"


class Table:
    """A CSV that is complete after every row, so that an interrupted study keeps what it has measured."""

    def __init__(self, study: str, options: Options, columns: dict[str, str], **facts: str):
        self.file, self.columns, self.rows = options.file(study), columns, []
        self.facts = facts
        self.head = {
            "command": options.command,
            "host": f"{processor()}, {os.cpu_count()} cores, {platform.system()}, one thread a process",
            "load at the start": load(),
        }

    def add(self, *rows: Row, **facts: str) -> None:
        self.facts |= facts
        self.rows += [{name: row.get(name, "") for name in self.columns} for row in rows]
        facts = {**self.head, "load at the end": load(), **self.facts}
        head = header(
            facts.pop("command"), columns=self.columns, **{k.replace("_", " "): v for k, v in facts.items()}
        )
        write_table(self.file, head, self.rows, self.columns)


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
