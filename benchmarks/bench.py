"""All speed studies of chapter 18, one after the other; `make bench` makes the environments in .bench and runs this.

    make bench                                   # everything, into benchmarks/ch18_*.csv
    make bench ARGS="--quick"                    # one short round, into .bench/quick
    make bench ARGS="--only peers solve"         # two of the studies
    make bench ARGS="--cleanrl CHECKOUT"         # with CleanRL's published script, which is no package

A table is complete after every row: what an interrupted study has measured stays in its file. A library that cannot
be installed, or whose run fails, stands in the table with the reason, and the rest goes on.
"""

from __future__ import annotations

import argparse
import importlib
import time

from bench_rounds import command_line, load, tell

STUDIES = ("peers", "solve", "vector_envs", "scaling", "safety")


def only(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", nargs="+", choices=STUDIES, default=list(STUDIES), help="which studies")


def main() -> int:
    options, args = command_line(__doc__, only)
    for name in args.only:
        begun = time.monotonic()
        tell(f"\n== {name} (load {load()})")
        importlib.import_module(f"ch18_{name}").study(options)
        tell(f"{name}: {time.monotonic() - begun:.0f} s, written to {options.file('ch18_' + name)}")
    return 0


if __name__ == "__main__":
    try:
        code = main()
    except KeyboardInterrupt:
        tell("\nstopped; what was measured is in the tables")
        code = 130
    raise SystemExit(code)
