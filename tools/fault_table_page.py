"""Write book/fault_table.md, the page of measured faults, from benchmarks/ch07_faults.csv and the table of cases.

    python tools/fault_table_page.py            # after python benchmarks/ch07_faults.py
    python tools/fault_table_page.py --check    # ends with 1 if the page is not what this would write

No verdict, version or number of the page is typed: `tests/faults/test_fault_table.py` compares.
"""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "faults"), str(ROOT)]

from fault_cases import CASES, GROUPS  # noqa: E402

STUDY = ROOT / "benchmarks" / "ch07_faults.csv"
PAGE = ROOT / "book" / "fault_table.md"
METHODS = ("fork", "forkserver", "spawn")
VERDICTS = ("PASS", "WEAK", "CRASH", "LEAK", "HANG", "SILENT", "SLOW")
POINTS = {"PASS": 1.0, "WEAK": 0.5}
LIBRARIES = {
    "ours": ("`ParallelVectorEnv`", "ppo_core"),
    "gymnasium": ("`AsyncVectorEnv`", "Gymnasium"),
    "stable-baselines3": ("`SubprocVecEnv`", "Stable-Baselines3"),
}

MEANINGS = """
| word | what it means |
|---|---|
| PASS | what the case asks for |
| WEAK | an error in time, but a raw one, or without the environment or the cause, or late, or nothing can go on after it |
| CRASH | the program itself died |
| LEAK | processes, descriptors or names in shared memory were left behind |
| HANG | the time limit of the case ran out |
| SILENT | something wrong went by without an error, such as a row that answers another action |
| SLOW | the machine was too busy to tell; does not count |
""".strip()

Row = dict[str, str]


def read(path: Path = STUDY) -> tuple[dict[str, str], list[Row]]:
    """The header of the study, and its rows."""
    lines = path.read_text(encoding="utf-8").splitlines()
    head = dict(line.removeprefix("# ").split(": ", 1) for line in lines if line.startswith("# "))
    return head, list(csv.DictReader(line for line in lines if not line.startswith("#")))


def of(rows: list[Row], adapter: str, method: str | None = None, case: str | None = None) -> list[Row]:
    return [
        row
        for row in rows
        if row["adapter"] == adapter and method in (None, row["start_method"]) and case in (None, row["case"])
    ]


def points(rows: list[Row]) -> str:
    """Points and possible points, such as 49.5 of 98."""
    total = sum(POINTS.get(row["verdict"], 0.0) for row in rows)
    return f"{total:g} of {sum(row['verdict'] != 'SLOW' for row in rows)}"


def totals(rows: list[Row]) -> str:
    """One line for each library and start method."""
    lines = [f"| | started by | points | {' | '.join(VERDICTS)} |", "|---|---|---|" + "---|" * len(VERDICTS)]
    for adapter, (name, _) in {**LIBRARIES, "serial": ("`SerialVectorEnv`", "")}.items():
        for method in METHODS if adapter in LIBRARIES else ("none",):
            chosen = of(rows, adapter, method)
            if chosen:
                counts = [str(sum(row["verdict"] == verdict for row in chosen)) for verdict in VERDICTS]
                lines.append(
                    f"| {name} | {'–' if method == 'none' else method} | {points(chosen)} | {' | '.join(counts)} |"
                )
    return "\n".join(lines)


def missing(rows: list[Row]) -> str:
    """A line for each library and start method that the study does not hold."""
    lines = [
        f"- {library} under `{method}` was not measured; a dash stands for it.\n"
        for adapter, (_, library) in LIBRARIES.items()
        for method in METHODS
        if not of(rows, adapter, method)
    ]
    return "".join(lines)


def cell(rows: list[Row], adapter: str, case: str) -> str:
    """One word where the start methods agree, otherwise each with its own."""
    found = {row["start_method"]: row["verdict"] for row in of(rows, adapter, case=case)}
    if not found:
        return "–"
    if len(set(found.values())) == 1 and len(found) == len(METHODS):
        return next(iter(found.values()))
    return "<br>".join(f"{method}: {found[method]}" for method in METHODS if method in found)


def table(rows: list[Row], group: str) -> str:
    lines = [
        f"| What a pass is | {' | '.join(name for name, _ in LIBRARIES.values())} |",
        "|---|---|---|---|",
    ]
    for case in CASES.values():
        if case.group == group:
            cells = " | ".join(cell(rows, adapter, case.name) for adapter in LIBRARIES)
            lines.append(f"| {case.passes} | {cells} |")
    return "\n".join(lines)


def seen(rows: list[Row]) -> str:
    """What was seen wherever the verdict is no PASS, and once for start methods that saw the same."""
    parts = []
    for adapter, (_, library) in LIBRARIES.items():
        lines = []
        for case in CASES:
            told: dict[tuple[str, str], list[str]] = {}
            for row in of(rows, adapter, case=case):
                if row["verdict"] != "PASS":
                    told.setdefault((row["verdict"], re.sub(r"\d+\.\d+ s", "", row["seen"])), []).append(
                        row["start_method"]
                    )
            for (verdict, words), methods in told.items():
                lines.append(f"{case} ({', '.join(methods)})\n  {verdict}: {words}")
        body = "\n".join(lines) or "nothing but PASS"
        parts.append(f":::{{dropdown}} {library}\n```text\n{body}\n```\n:::")
    return "\n\n".join(parts)


def listing(rows: list[Row]) -> str:
    """The names of the cases, and every number of the page."""
    counts = [
        f"{adapter}, {method}: {points(of(rows, adapter, method))} points, "
        + ", ".join(f"{sum(r['verdict'] == v for r in of(rows, adapter, method))} {v}" for v in VERDICTS)
        for adapter in dict.fromkeys(row["adapter"] for row in rows)
        for method in dict.fromkeys(row["start_method"] for row in of(rows, adapter))
    ]
    names = [f"{case.name}: {case.passes} (limit {case.limit:g} s)" for case in CASES.values()]
    return "```text\n" + "\n".join([*counts, "", f"{len(CASES)} cases", *names]) + "\n```"


def page(path: Path = STUDY) -> str:
    head, rows = read(path)
    versions = {row["adapter"]: row["version"] for row in rows}
    compared = " and ".join(f"{LIBRARIES[a][1]} {versions[a]}" for a in list(LIBRARIES)[1:] if a in versions)
    sections = "\n\n".join(f"## {title}\n\n{table(rows, group)}" for group, title in GROUPS.items())
    return f"""(fault-table)=
# What goes wrong, and what happens then

<!-- Written by tools/fault_table_page.py from benchmarks/ch07_faults.csv; change those. -->

An environment raises, a worker process dies or hangs, somebody presses “interrupt kernel”, an action is out of bounds.
This page shows what becomes of three vectors of environments in each of {len(CASES)} such cases: the one of this book, and those of {compared}.
[Chapter 07](../notebooks/07_many_environments.ipynb) builds the first of them, step by step, and explains the reasons.

Gymnasium and Stable-Baselines3 made vectors of environments something that everybody has, and this book stands on both.
They promise less than these cases ask, and some of what is WEAK or SILENT here is a choice: a check costs time, and a program that has no notebook around it needs fewer of them.
We wrote the cases while we wrote our own vector, so ours had every chance to learn them, and the others had none.

## In one table

{totals(rows)}

A PASS is one point and a WEAK half a point.
A case that a library cannot take part in, such as replacing a dead worker, does not count for it.
`fork`, `forkserver` and `spawn` are the ways in which Python starts a process; `SerialVectorEnv` starts none.

{MEANINGS}

Of several faults in one case, the gravest is told: SILENT, then HANG, LEAK, CRASH, WEAK.
In the tables below one word stands for all three ways of starting a process, unless they differ.

{sections}

## What was seen

Where the verdict is no PASS, in the words of the program that measured.

{seen(rows)}

## How it was measured

Each case runs in a fresh process with workers of its own, and under a time limit that begins with the fault.
A row-integrity environment writes its number, its episode, its step and its last action into each observation, so that a row of another action is seen.
Gymnasium's vector is used in its mode `SAME_STEP`, which is nearest to ours, and with its own time limit for `step` and `reset` in the cases about it.

What these numbers cannot tell:

- They are one run on one Linux machine that had other work; a few verdicts depend on who is faster.
- macOS and Windows were not measured.
{missing(rows)}- The environments are bare: `gymnasium.make` wraps an environment in checks of its own, which would tell some of these faults.
- The cases are ours, and so is the judgement of what a good message is.

Measured with: {head["versions"]}; {head["platform"]}, {head["host"]}.

```bash
python benchmarks/ch07_faults.py
python tests/faults/fault_suite.py --adapter gymnasium --start-method spawn worker_killed
```

`tests/faults/fault_suite.py` says how to put a vector of your own through the same cases.

:::{{dropdown}} All cases and numbers of this page
{listing(rows)}
:::
"""


def main() -> int:
    text = page()
    if "--check" in sys.argv:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8", newline="\n")
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
