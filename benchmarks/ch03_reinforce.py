"""REINFORCE on CartPole with four kinds of weights, once for each seed; the mean returns as a small CSV.

    python benchmarks/ch03_reinforce.py            # writes benchmarks/ch03_reinforce.csv
    python benchmarks/ch03_reinforce.py --seeds 3 --out /some/where.csv

The functions that train are those of chapter 3: the cells named in CELLS are read from the notebook and executed,
so that what is measured is what the page shows. Chapter 3 draws its curves from this file and runs the first
iterations of one seed again. One row is one iteration of one seed, with a column for each kind of weights.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy
import torch
from tables import header, seeds_up_to
from torch import Tensor, nn

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "03_whole_episodes.ipynb"
CELLS = ("episodes", "play", "weights", "normalised", "reinforce")
KINDS = {
    "total return": "total_return",
    "return-to-go": "return_to_go",
    "minus baseline": "minus_baseline",
    "normalised": "normalised",
}
ITERATIONS = 40


def page_functions() -> dict[str, Any]:
    """What the cells of the page define."""
    cells = {
        cell["id"]: "".join(cell["source"])
        for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    }
    names: dict[str, Any] = {
        "NamedTuple": NamedTuple,
        "Tensor": Tensor,
        "gym": gymnasium,
        "nn": nn,
        "np": numpy,
        "torch": torch,
    }
    for cell in CELLS:
        exec(compile(cells[cell], f"cell {cell}", "exec"), names)
    return names


COLUMNS = "mean undiscounted return of the 16 episodes that the policy of this iteration played"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=30, help="how many seeds, from 1 (default 30)")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"), help="file to write")
    args = parser.parse_args()
    torch.set_num_threads(1)
    page = page_functions()
    facts = {
        "seeds": seeds_up_to(args.seeds),
        "settings": f"{ITERATIONS} iterations of 16 episodes, learning rate 0.02",
    }
    head = header(f"python benchmarks/{Path(__file__).name}", columns=COLUMNS, **facts)
    lines = [*head, ",".join(["seed", "iteration", *KINDS])]
    for seed in range(1, args.seeds + 1):
        curves = [
            [mean for _, mean in page["reinforce"](page[name], seed, ITERATIONS)] for name in KINDS.values()
        ]
        for iteration, means in enumerate(zip(*curves, strict=True), 1):
            lines.append(",".join([str(seed), str(iteration), *(str(mean) for mean in means)]))
        print(f"seed {seed}: last {', '.join(f'{curve[-1]:.0f}' for curve in curves)}", file=sys.stderr)
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
