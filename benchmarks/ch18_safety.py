"""What the checks cost: every answer of an environment checked, or only its first.

make bench ARGS="--only safety"
"""

from __future__ import annotations

import json

from bench_rounds import Options, Row, Table, ask, command_line, median, number, rate, ratio, tell, turned

COLUMNS = {
    "round": "the two runs of the same round and work are compared with each other",
    "work": "training (CartPole-v1 8x256, analytic), or stepping alone: who steps, environment, how many",
    "check": "always, or first: what of the answers of environments is checked",
    "steps": "environment steps measured",
    "seconds": "CPU seconds; of the parallel environment seconds on the clock on the wall",
    "steps_per_s": "steps / seconds",
    "cost": "share of the time that the checks take: 1 - steps_per_s of always / that of first, same round",
    "error": "why there is no number",
}
STEPPING = (("ours serial", "CartPole-v1", 8), ("ours serial", "images", 8), ("ours parallel", "CartPole-v1", 8), ("ours parallel", "images", 8))  # fmt: skip
CHECKS = ("always", "first")


def compared(rows: list[Row]) -> list[Row]:
    """The two rows of one round and work, with what checking always costs."""
    speed = {row["check"]: rate(row, "seconds") for row in rows}
    cost = 1 - ratio(speed.get("always", 0.0), speed.get("first", 0.0))
    return [row | {"steps_per_s": number(speed[row["check"]], 6), "cost": number(cost)} for row in rows]


def training(options: Options, check: str) -> Row:
    more = ["--envs", 8, "--steps", 256, "--gradient", "analytic", "--settings", json.dumps({"check": check})]
    answer = ask("ours", "ours.py", "--seconds", options.seconds, *more)[-1]
    return {**answer, "seconds": answer.get("cpu_s", "")}


def stepping(options: Options, arm: str, work: str, envs: int, check: str) -> Row:
    name = arm if check == "always" else f"{arm}, check first"
    cell = {"arm": name, "work": work, "envs": envs, "seconds": options.seconds / 4}
    answer = ask("sb3", "vectors.py", stdin=json.dumps(cell) + "\n", timeout=120)[-1]
    clock = "parent_cpu_s" if arm == "ours serial" else "wall_s"
    return {**answer, "seconds": answer.get(clock, "")}


def study(options: Options) -> None:
    table = Table("ch18_safety", options, COLUMNS)
    for number_of_round in range(1, options.rounds + 1):
        order = turned(list(CHECKS), number_of_round - 1)
        rows = [training(options, check) | {"check": check} for check in order]
        table.add(*compared([{"round": number_of_round, **row, "work": "training"} for row in rows]))
        for arm, work, envs in STEPPING:
            rows = [stepping(options, arm, work, envs, check) | {"check": check} for check in order]
            named = f"{arm}, {work}, {envs} environments"
            table.add(*compared([{"round": number_of_round, **row, "work": named} for row in rows]))
        tell(f"round {number_of_round}")
    tell(summary(table.rows))


def summary(rows: list[Row]) -> str:
    lines = [f"{'work':<46} {'check':<7} {'steps/s':>9} {'cost':>6}"]
    for key in dict.fromkeys((row["work"], row["check"]) for row in rows):
        mine = [row for row in rows if (row["work"], row["check"]) == key]
        speed, cost = (median(row[name] for row in mine) for name in ("steps_per_s", "cost"))
        lines.append(f"{key[0]:<46} {key[1]:<7} {speed:>9.0f} {cost:>6.1%} {mine[-1]['error']}")
    return "\n".join(lines)


if __name__ == "__main__":
    study(command_line(__doc__)[0])
