"""Execute each chapter alone, one after the other, and write down its seconds: `python benchmarks/chapter_seconds.py`.

The cost line at the top of a chapter is compared with this table by tests/test_chapter_costs.py. Run it on a machine
that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

from execute_notebooks import chapters, run_child  # noqa: E402
from tables import header, write_table  # noqa: E402

COLUMNS = "seconds of one execution from a fresh kernel, its start included; load is the machine's before it"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"), help="file to write")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for path in chapters():
            load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
            code, seconds, noise = run_child(path, Path(folder, path.name), ROOT)
            if code:
                print(f"{path.name} failed:\n{noise}", file=sys.stderr)
                return 1
            rows.append({"chapter": path.stem, "seconds": round(seconds, 1), "load": round(load, 1)})
            print(rows[-1], file=sys.stderr)
    head = header("python benchmarks/chapter_seconds.py", columns=COLUMNS, cores=str(os.cpu_count()))
    write_table(args.out, head, rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
