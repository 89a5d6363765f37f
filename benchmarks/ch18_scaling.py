"""How the cost of training grows: with the number of environments, the width of the network, and the worker processes.

make bench ARGS="--only scaling"
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from bench_rounds import Options, Row, Table, ask, command_line, median, number, rate, tell

COLUMNS = {
    "round": "measured in turn",
    "axis": "what varies: envs (64 steps each), width (hidden units, 8x256), workers (8x64, by the cost of a step)",
    "value": "its value",
    "arm": "how: autograd, analytic, or analytic with the batched environment; for workers the environment",
    "steps": "environment steps measured, training included, after two iterations of warm-up",
    "cpu_s": "CPU seconds of these steps, workers included only where the axis is not workers",
    "wall_s": "seconds on the clock on the wall",
    "steps_per_cpu_s": "steps / cpu_s",
    "steps_per_s": "steps / wall_s",
    "error": "why there is no number",
}


def runs(quick: bool) -> Iterator[tuple[str, int, str, list[object]]]:
    """(axis, value, arm, options of the runner)"""
    for envs in (1, 8, 64) if quick else (1, 2, 4, 8, 16, 32, 64, 128):
        for arm, more in (
            ("autograd", []),
            ("analytic", ["--gradient", "analytic"]),
            ("analytic, batched environment", ["--gradient", "analytic", "--batched"]),
        ):
            yield "envs", envs, arm, ["--envs", envs, "--steps", 64, *more]
    for width in (32, 512) if quick else (16, 32, 64, 128, 256, 512):
        for arm in ("autograd", "analytic"):
            settings = json.dumps({"hidden_size": width})
            yield (
                "width",
                width,
                arm,
                ["--envs", 8, "--steps", 256, "--gradient", arm, "--settings", settings],
            )
    for work in ("burn:300",) if quick else ("CartPole-v1", "burn:100", "burn:300", "burn:1000"):
        for workers in (0, 1, 2):
            more = ["--env", work, "--envs", 8, "--steps", 64, "--gradient", "analytic", "--workers", workers]
            yield "workers", workers, work, more


def study(options: Options) -> None:
    table = Table("ch18_scaling", options, COLUMNS)
    rounds = min(options.rounds, 3)
    for number_of_round in range(1, rounds + 1):
        for axis, value, arm, more in runs(options.quick):
            seconds = options.seconds / (8 if axis == "workers" and value else 2)
            answer = ask("ours", "ours.py", "--seconds", seconds, *more)[-1]
            speeds = {
                "steps_per_cpu_s": number(rate(answer), 6),
                "steps_per_s": number(rate(answer, "wall_s"), 6),
            }
            table.add(
                {"round": number_of_round, "axis": axis, "value": value, "arm": arm, **answer, **speeds}
            )
            tell(
                f"round {number_of_round}, {axis} {value}, {arm}: {answer.get('error') or speeds['steps_per_cpu_s']}"
            )
    tell(summary(table.rows))


def summary(rows: list[Row]) -> str:
    lines = [f"{'axis':<8} {'value':>5} {'arm':<30} {'steps/CPU s':>11} {'steps/s':>8}"]
    for key in dict.fromkeys((row["axis"], row["value"], row["arm"]) for row in rows):
        mine = [row for row in rows if (row["axis"], row["value"], row["arm"]) == key]
        cpu, wall = (median(row[name] for row in mine) for name in ("steps_per_cpu_s", "steps_per_s"))
        lines.append(f"{key[0]:<8} {key[1]:>5} {key[2]:<30} {cpu:>11.0f} {wall:>8.0f} {mine[-1]['error']}")
    return "\n".join(lines)


if __name__ == "__main__":
    study(command_line(__doc__)[0])
