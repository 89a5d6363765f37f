"""Every trainer case, every cut and every kernel case, written to benchmarks/ch07_trainer_faults.csv.

    python tests/faults/trainer_table.py             all of it: about 15 minutes on two quiet cores
    python tests/faults/trainer_table.py --only trainer cuts

The exit code is 1 if a verdict of ours is not PASS.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [path for path in (str(HERE), str(ROOT), str(ROOT / "benchmarks")) if path not in sys.path]

import kernel_cases  # noqa: E402
import trainer_cases  # noqa: E402
from fault_suite import START_METHODS, Result  # noqa: E402
from tables import header, write_table  # noqa: E402

TABLE = ROOT / "benchmarks" / "ch07_trainer_faults.csv"
NAMES = {"ours": "ppo_core", "stable-baselines3": "stable_baselines3"}
COLUMNS = {
    "suite": "trainer: one case; cuts: kills of one kind, each resumed; kernel: in a Jupyter kernel",
    "verdict": "PASS, WEAK (an error without its cause, or other numbers), SILENT, HANG, LEAK, CRASH (also: finished work is lost)",
    "seen": "what was seen, shortened",
}  # fmt: skip


def what_happens(row: Result) -> str:
    if row.group == "kernel":
        return kernel_cases.CASES[row.case][0]
    return {fault.name: fault.what for fault in trainer_cases.CASES}.get(row.case, row.case)


def as_row(row: Result) -> dict[str, object]:
    return {
        "suite": row.group, "case": row.case, "what": what_happens(row), "side": NAMES.get(row.adapter, row.adapter),
        "version": row.version.split()[-1], "start_method": row.start_method, "verdict": row.verdict, "seen": row.seen[:160],
    }  # fmt: skip


def key(row: dict[str, object]) -> tuple:
    return tuple(row[name] for name in ("suite", "case", "side", "start_method"))


def kept(new: list[dict[str, object]]) -> list[dict[str, object]]:
    """The rows of the table that were not tried anew."""
    if not TABLE.exists():
        return []
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    keys = {key(row) for row in new}
    return [row for row in csv.DictReader(lines) if key(row) not in keys]


def results(only: Iterable[str], methods: tuple[str, ...], stride: int = 1) -> Iterator[Result]:
    if "trainer" in only:
        yield from trainer_cases.run_all()
    if "cuts" in only:
        yield from trainer_cases.all_cuts(stride)
    if "kernel" in only:
        yield from kernel_cases.run_all(kernel_cases.ADAPTERS, methods)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    suites = ("trainer", "cuts", "kernel")
    parser.add_argument("--only", nargs="*", choices=suites, default=list(suites))
    parser.add_argument("--start-method", nargs="*", choices=START_METHODS, default=list(START_METHODS))
    parser.add_argument("--stride", type=int, default=1, help="every so many-th cut (default: every one)")
    options = parser.parse_args(arguments)
    rows: list[dict[str, object]] = []
    for result in results(options.only, tuple(options.start_method), options.stride):
        rows.append(as_row(result))
        print(f"{result.verdict:<6} {result.adapter:<18} {result.start_method:<11}{result.case:<44} {result.seconds:5.1f} s  {result.seen}", flush=True)  # fmt: skip
    rows += kept(rows)  # read now: another suite may have been written meanwhile
    head = header("make faults", columns=COLUMNS, seeds="4 and 5 (trainer, cuts), 1 (kernel)")
    write_table(TABLE, head, sorted(rows, key=key))
    for side in sorted({row["side"] for row in rows}):
        counts = Counter(row["verdict"] for row in rows if row["side"] == side)
        print(f"{side}: " + ", ".join(f"{n} {verdict}" for verdict, n in counts.most_common()))
    return int(any(row["side"] == "ppo_core" and row["verdict"] != "PASS" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
