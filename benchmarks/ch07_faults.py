"""What becomes of vectors of environments when something goes wrong: every case of tests/faults, measured.

    python benchmarks/ch07_faults.py                                                 everything
    python benchmarks/ch07_faults.py --adapter ours serial --start-method fork      a part; the other rows stay

Writes benchmarks/ch07_faults.csv after each adapter and start method. Most cases wait rather than work, so several run
at a time; everything together takes about 25 minutes of two free cores, most of it importing. Linux only.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "faults")]

from fault_adapters import ADAPTERS  # noqa: E402
from fault_cases import CASES  # noqa: E402
from fault_suite import SCALE, START_METHODS, Result, score  # noqa: E402
from tables import header, write_table  # noqa: E402

OUT = Path(__file__).with_suffix(".csv")
NAMES = {
    "case": "name in tests/faults/fault_cases.py",
    "group": "what kind of fault",
    "adapter": "the vector of environments",
    "version": "of the adapter's package",
    "start_method": "how workers are started; none for the serial environment",
    "verdict": "PASS (a point), WEAK (half a point), SILENT, HANG, LEAK, CRASH (none), SLOW (does not count)",
    "seconds": "from the fault to the end of the program, wall time on a machine with other work",
    "seen": "what was seen, shortened",
}


def kept(skip: set[tuple[str, str]]) -> list[dict[str, object]]:
    """The rows of the file as it is, but for those that are measured anew."""
    if not OUT.exists():
        return []
    lines = OUT.read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return [row for row in rows if (row["adapter"], row["start_method"]) not in skip and row["case"] in CASES]


def order(row: dict) -> tuple:
    return (
        list(ADAPTERS).index(row["adapter"]),
        [*START_METHODS, "none"].index(row["start_method"]),
        list(CASES).index(row["case"]),
    )


def save(results: list[Result]) -> None:
    rows = [asdict(result) for result in results]
    rows = sorted(kept({(row["adapter"], row["start_method"]) for row in rows}) + rows, key=order)
    libraries = ", ".join(f"{name} {version(name)}" for name in ("gymnasium", "stable-baselines3"))
    load = f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at the end of the last part"
    facts = {"libraries": libraries, "host": load, "limits": f"multiplied by {SCALE:g} in the last part"}
    write_table(OUT, header("python benchmarks/ch07_faults.py", columns=NAMES, **facts), rows, list(NAMES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--adapter", nargs="*", default=list(ADAPTERS), choices=list(ADAPTERS))
    parser.add_argument("--start-method", nargs="*", default=list(START_METHODS), choices=START_METHODS)
    parser.add_argument("--jobs", type=int, default=4, help="cases at a time")
    options = parser.parse_args()
    for adapter in options.adapter:
        for method in options.start_method if adapter != "serial" else ["fork"]:
            result = score(adapter, None, method, options.jobs)
            for row in result.results:
                row.start_method = "none" if adapter == "serial" else method
            save(result.results)
            print(f"{adapter}, {method}: {str(result).splitlines()[-1]}", flush=True)


if __name__ == "__main__":
    main()
