"""From the start of the process to a solved CartPole: how much CPU a user waits for.

    make bench ARGS="--only solve"

Solved: the mean of 20 episodes without sampling reaches 475 in three evaluations in a row, one every 2048 steps.
ppo_core with its own settings and with CleanRL's; Stable-Baselines3 with rl-zoo3's tuned settings and with CleanRL's.
"""

from __future__ import annotations

from bench_rounds import Options, Row, Table, ask, command_line, median, tell, turned

COLUMNS = {
    "seed": "of weights, sampling and environments",
    "arm": "who trains, and with whose settings",
    "solved": "1, or 0 if training ended (200000 steps at most) before",
    "steps": "environment steps until then",
    "process_cpu_s": "CPU seconds from the start of the process until then",
    "train_cpu_s": "those of collecting and updating",
    "evaluation_cpu_s": "those of the evaluations",
    "import_cpu_s": "those from the start of Python until everything is imported",
    "last_evaluation": "mean return of the last evaluation",
    "error": "why there is no number",
}
ARMS = {
    "ours, autograd": ("ours", "solve_ours.py", "--gradient", "autograd"),
    "ours, analytic": ("ours", "solve_ours.py", "--gradient", "analytic"),
    "sb3, rl-zoo3's settings": ("sb3", "solve_sb3.py", "--settings", "zoo"),
    "ours, autograd, CleanRL's settings": (
        "ours",
        "solve_ours.py",
        "--gradient",
        "autograd",
        "--settings",
        "cleanrl",
    ),
    "ours, analytic, CleanRL's settings": (
        "ours",
        "solve_ours.py",
        "--gradient",
        "analytic",
        "--settings",
        "cleanrl",
    ),
    "sb3, CleanRL's settings": ("sb3", "solve_sb3.py", "--settings", "cleanrl"),
}


def study(options: Options) -> None:
    seeds = 1 if options.quick else 2 * options.rounds
    table = Table("ch18_solve", options, COLUMNS)
    most = 20_480 if options.quick else 200_000
    for seed in range(1, seeds + 1):
        for arm in turned(list(ARMS), seed - 1):
            peer, script, *more = ARMS[arm]
            answer = ask(peer, script, "--seed", seed, "--most", most, *more)[-1]
            facts = {f"versions of {peer}": str(answer["versions"])} if "versions" in answer else {}
            table.add({"seed": seed, "arm": arm, **answer}, **facts)
            tell(
                f"seed {seed}, {arm}: {answer.get('error') or answer['process_cpu_s']} CPU s, {answer.get('steps')} steps"
            )
    tell(summary(table.rows))


def summary(rows: list[Row]) -> str:
    lines = [f"{'arm':<36} {'solved':>7} {'steps':>7} {'CPU s':>6} {'training':>8} {'imports':>7}"]
    for arm in dict.fromkeys(row["arm"] for row in rows):
        mine = [row for row in rows if row["arm"] == arm]
        good = [row for row in mine if row["solved"] == 1]
        steps, cpu, train, imports = (
            median(row[name] for row in good)
            for name in ("steps", "process_cpu_s", "train_cpu_s", "import_cpu_s")
        )
        lines.append(
            f"{arm:<36} {len(good):>3}/{len(mine):<3} {steps:>7.0f} {cpu:>6.2f} {train:>8.2f} {imports:>7.2f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    study(command_line(__doc__)[0])
