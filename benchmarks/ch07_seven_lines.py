"""Score the vectors that chapter 07 builds, one idea a version: `python benchmarks/ch07_seven_lines.py`, half an hour.

The versions are the `%%writefile` cells of the chapter, written into a folder as the chapter does it, so that what is
scored is what the reader sees; `cells` in the table's header is a hash of them. Each goes through every case of the
fault suite that applies (`tests/faults/`). The last row, the package's `ParallelVectorEnv`, is counted from the table
of the same suite that `benchmarks/ch07_faults.py` has written.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tables import header, write_table

ROOT = Path(__file__).resolve().parents[1]
CHAPTER = ROOT / "notebooks" / "07_many_environments.ipynb"
VERSIONS = [f"version {number}" for number in range(8)]
PACKAGE = "ParallelVectorEnv"
VERDICTS = ("PASS", "WEAK", "SLOW", "CRASH", "LEAK", "HANG", "SILENT")
MAGIC = '%%writefile "{workspace}/'
COLUMNS = {
    "points": "a PASS is one, a WEAK half a one",
    "cases": "how many there are; a case that the machine was too slow for (SLOW) does not count",
    "PASS ... SILENT": "how many cases ended so; tests/faults/fault_suite.py says what each word means",
}

# What the fault suite asks of a factory, for the versions of the chapter.
ADAPTER = '''"""The versions of chapter 07, as the fault suite makes them."""

import importlib


class Adapter:
    def __init__(self, env):
        self.env = env

    def reset(self, seed=None):
        return self.env.reset(0 if seed is None else seed)

    def step(self, actions):
        return self.env.step(actions)

    def close(self):
        self.env.close()


def factory(number):
    def make(env_fns, start_method, timeout=None):
        module = importlib.import_module(f"version_{number}")
        env = getattr(module, f"Version{number}")(env_fns, start_method)
        if timeout is not None:  # the limit of a step, so the workers must have started: as the page does it
            env.ask("__eq__", [None] * len(env_fns))
            env.timeout = timeout
        return Adapter(env)

    make.lacks = ("start_timeout", "restarts", *(("timeout",) if number == 0 else ()))
    return make


'''
ADAPTER += "".join(f"version_{number} = factory({number})\n" for number in range(len(VERSIONS)))


def files_of(chapter: Path = CHAPTER) -> dict[str, str]:
    """Name to text of each file that the chapter's cells write."""
    files = {}
    for cell in json.loads(chapter.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        if text.startswith(MAGIC):
            first, _, rest = text.partition("\n")
            files[first.removeprefix(MAGIC).rstrip('"')] = rest
    return files


def scored_files(chapter: Path = CHAPTER) -> dict[str, str]:
    """Those of them that the versions are made of."""
    wanted = ("one_env.py", "checked_env.py", *(f"{name.replace(' ', '_')}.py" for name in VERSIONS))
    files = files_of(chapter)
    return {name: files[name] for name in sorted(wanted)}


def digest(files: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16]


def write_versions(folder: Path) -> Path:
    """The versions and their adapter in `folder`, where worker processes can import them. Returns the adapter's path."""
    for name, text in {**scored_files(), "adapter_07.py": ADAPTER}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "adapter_07.py"


def common_cases() -> list[str]:
    """The cases that apply to the versions too: they cannot replace a dead worker."""
    from fault_suite import CASES

    return [name for name, case in CASES.items() if "restarts" not in case.needs]


def was_busy(result: object) -> bool:
    """Whether a busy machine alone may have spoilt the verdict: something was late, or did not come at all."""
    late = result.verdict in ("SLOW", "HANG") or re.search(r"took [\d.]+ s|WorkerTimeout", result.seen)
    return result.verdict != "PASS" and bool(late)


def row_of(version: str, verdicts: list[str]) -> dict[str, object]:
    counts = Counter(verdicts)
    return {
        "version": version,
        "points": f"{counts['PASS'] + counts['WEAK'] / 2:g}",
        "cases": len(verdicts) - counts["SLOW"],
        **{verdict: counts[verdict] for verdict in VERDICTS},
    }


def package_row(cases: list[str], start_method: str) -> dict[str, object]:
    lines = (ROOT / "benchmarks" / "ch07_faults.csv").read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    found = {
        row["case"]: row["verdict"]
        for row in rows
        if (row["adapter"], row["start_method"]) == ("ours", start_method)
    }
    return row_of(PACKAGE, [found[case] for case in cases])


def study(
    version: str, adapter: Path, cases: list[str], start_method: str, jobs: int
) -> tuple[dict[str, object], str]:
    """One row of the table, and the suite's lines. What may have failed because the machine was busy is tried again."""
    from fault_suite import score

    def run(names: list[str], jobs: int) -> dict[str, object]:
        return {
            result.case: result for result in score(spec, names, start_method=start_method, jobs=jobs).results
        }

    spec = f"{adapter}:{version.replace(' ', '_')}"
    results = run(cases, jobs)
    for _ in range(2):
        if busy := [name for name in cases if was_busy(results[name])]:
            results |= run(busy, 1)
    return row_of(version, [result.verdict for result in results.values()]), "\n".join(
        f"{r.verdict:<6} {r.case:<34} {r.seconds:5.1f} s  {r.seen}" for r in results.values()
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--start-method", default="spawn", help="how workers begin (default spawn)")
    parser.add_argument(
        "--jobs", type=int, default=3, help="cases at a time: most of them only wait (default 3)"
    )
    parser.add_argument("--only", nargs="*", help="versions to score, for a look (default all)")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"), help="file to write")
    parser.add_argument("--log", type=Path, help="a folder for the verdict of every case")
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests" / "faults"))
    from fault_suite import SCALE

    load = [os.getloadavg()[0]]
    cases, rows = common_cases(), []
    with tempfile.TemporaryDirectory() as folder:
        adapter = write_versions(Path(folder))
        for version in VERSIONS:
            if args.only and version not in args.only:
                continue
            row, lines = study(version, adapter, cases, args.start_method, args.jobs)
            rows.append(row)
            print(row, file=sys.stderr, flush=True)
            if args.log:
                (args.log / f"{version.replace(' ', '_')}.txt").write_text(lines + "\n", encoding="utf-8")
    rows.append(package_row(cases, args.start_method))
    load.append(os.getloadavg()[0])
    facts = {
        "cells": digest(scored_files()),
        "suite": f"{len(cases)} cases under {args.start_method}, {args.jobs} at a time",
        "limits": f"multiplied by {SCALE:g}",
        "load": f"{load[0]:.1f} at the start, {load[1]:.1f} at the end, {os.cpu_count()} cores",
    }
    write_table(args.out, header(f"python benchmarks/{Path(__file__).name}", columns=COLUMNS, **facts), rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
