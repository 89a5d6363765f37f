"""How fast vectors of environments step: ours, Gymnasium's and Stable-Baselines3's, in one process and in several.

    make bench ARGS="--only vector_envs"

No policy: the actions are drawn before. All reset an ended episode within the step, except Gymnasium's vectorised CartPole,
which cannot. Gymnasium's async and Stable-Baselines3's subproc use a process for each environment, ours one for each core.
"""

from __future__ import annotations

import json
import math

from bench_rounds import Options, Row, Table, ask, command_line, median, number, rate, ratio, tell, turned

COLUMNS = {
    "round": "runs of the same round, work and envs are compared with each other",
    "work": "CartPole-v1; burn:C, a step that uses C microseconds of CPU; images, 84 x 84 x 4 bytes",
    "envs": "environments",
    "arm": "who steps them",
    "steps": "environment steps measured",
    "wall_s": "seconds on the clock on the wall",
    "parent_cpu_s": "CPU seconds of the process that asks, without its workers",
    "steps_per_s": "steps / wall_s",
    "x_serial": "speed / that of our serial environment in the same round: by parent_cpu_s without workers, else by wall_s",
    "error": "why there is no number",
}
SERIAL = ("ours serial", "gymnasium sync", "sb3 dummy")
PROCESSES = ("ours parallel", "gymnasium async", "sb3 subproc")
BATCHED = ("ours batched", "gymnasium vectorised")
COUNTS, COSTS, ENVS = (2, 4, 8, 16, 32, 64), (10, 30, 100, 300, 1000), 8


def cells(quick: bool) -> list[tuple[str, int, tuple[str, ...]]]:
    """(work, environments, arms)"""
    counts = (4, 64) if quick else COUNTS
    costs = (10, 300) if quick else COSTS
    return [
        *(("CartPole-v1", n, SERIAL + PROCESSES + BATCHED) for n in counts),
        *((f"burn:{cost}", ENVS, SERIAL + PROCESSES) for cost in costs),
        ("burn:300", 2, SERIAL + PROCESSES),
        ("images", ENVS, SERIAL + PROCESSES),
    ]


def compared(rows: list[Row]) -> list[Row]:
    """Rows of one round, work and number of environments, with the ratio to our serial environment.

    Without workers CPU seconds tell more than the clock on the wall, which other programs slow down too.
    """
    serial = next((row for row in rows if row["arm"] == "ours serial"), {"error": "not measured"})
    found = []
    for row in rows:
        clock = "wall_s" if row["arm"] in PROCESSES else "parent_cpu_s"
        gain = ratio(rate(row, clock), rate(serial, clock))
        found.append(row | {"steps_per_s": number(rate(row, "wall_s"), 6), "x_serial": number(gain)})
    return found


def break_even(rows: list[Row], arm: str) -> str:
    """The cost of a step, in microseconds, from which on `arm` is faster than our serial environment (8 environments)."""
    known = []
    for cost in COSTS:
        gain = median(
            row["x_serial"]
            for row in rows
            if (row["work"], row["envs"], row["arm"]) == (f"burn:{cost}", ENVS, arm)
        )
        if gain == gain:
            known.append((math.log(cost), gain))
    below = [point for point in known if point[1] < 1]
    above = [point for point in known if point[1] >= 1 and (not below or point[0] > below[-1][0])]
    if not known or not above:
        return "not reached" if known else "not measured"
    if not below:
        return f"below {math.exp(above[0][0]):.0f}"
    (a, low), (b, high) = below[-1], above[0]
    return f"{math.exp(a + (b - a) * (1 - low) / (high - low)):.0f}"


def study(options: Options) -> None:
    table = Table("ch18_vector_envs", options, COLUMNS)
    seconds = options.seconds / 8
    for number_of_round in range(1, options.rounds + 1):
        for work, envs, arms in cells(options.quick):
            order = turned(list(arms), number_of_round - 1)
            asked = [{"arm": arm, "work": work, "envs": envs, "seconds": seconds} for arm in order]
            found = ask("sb3", "vectors.py", stdin="\n".join(map(json.dumps, asked)) + "\n", timeout=180)
            rows = [row for row in found if "arm" in row]
            missing = found[-1].get("error", "no answer")
            rows += [cell | {"error": missing} for cell in asked[len(rows) :]]
            table.add(*compared([{"round": number_of_round, **row} for row in rows]))
            tell(f"round {number_of_round}, {work}, {envs} environments")
        evens = "; ".join(f"{arm} {break_even(table.rows, arm)}" for arm in PROCESSES)
        table.add(**{"cost from which processes pay, microseconds, 8 environments": evens})
    tell(summary(table.rows) + f"\nprocesses pay from (microseconds a step): {evens}")


def summary(rows: list[Row]) -> str:
    lines = [f"{'work':<12} {'envs':>4} {'arm':<24} {'steps/s':>9} {'x serial':>8}"]
    for key in dict.fromkeys((row["work"], row["envs"], row["arm"]) for row in rows):
        mine = [row for row in rows if (row["work"], row["envs"], row["arm"]) == key]
        speed, gain = (median(row[name] for row in mine) for name in ("steps_per_s", "x_serial"))
        lines.append(f"{key[0]:<12} {key[1]:>4} {key[2]:<24} {speed:>9.0f} {gain:>8.2f} {mine[-1]['error']}")
    return "\n".join(lines)


if __name__ == "__main__":
    study(command_line(__doc__)[0])
