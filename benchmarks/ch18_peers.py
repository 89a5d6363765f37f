"""How fast PPO trains: ppo_core beside the libraries that a user would pick instead, on the same work.

    make bench ARGS="--only peers"                      # the environments in .bench, then this script
    make bench ARGS="--only peers --cleanrl CHECKOUT"   # with CleanRL's published script

Every run is a process of its own; each row is one run. benchmarks/peers holds the runners and their versions.
"""

from __future__ import annotations

from collections.abc import Callable

from bench_rounds import Options, Row, Table, ask, command_line, median, number, rate, ratio, tell, turned

COLUMNS = {
    "round": "runs of the same round and work are compared with each other",
    "work": "environment, environments x steps of a rollout",
    "arm": "who trains",
    "steps": "environment steps measured, training included, after two iterations of warm-up",
    "cpu_s": "user and system CPU seconds of these steps, child processes included",
    "steps_per_cpu_s": "steps / cpu_s",
    "wall_s": "seconds of the same steps on the clock on the wall",
    "rss_mb": "largest resident memory of the process, MiB",
    "import_cpu_s": "CPU seconds from the start of Python until everything is imported",
    "last_return": "mean return of the last 20 training episodes, where the library tells",
    "x_sb3": "steps_per_cpu_s / that of Stable-Baselines3 in the same round",
    "x_cleanrl": "steps_per_cpu_s / that of CleanRL's script in the same round",
    "error": "why there is no number",
}
SIZES = ((4, 128), (8, 256), (32, 128))
HEAVY = ("HalfCheetah-v5", 8, 256)
SCRIPTS = {
    "sb3": "sb3.py",
    "skrl": "skrl_.py",
    "torchrl": "torchrl_.py",
    "tianshou": "tianshou_.py",
    "cleanrl": "cleanrl.py",
}
PUBLISHED = {"CartPole-v1": "ppo.py", "HalfCheetah-v5": "ppo_continuous_action.py"}  # CleanRL's
Run = Callable[[], list[Row]]


def work_name(env: str, envs: int, steps: int) -> str:
    return f"{env} {envs}x{steps}"


def arms(options: Options, env: str, envs: int, steps: int) -> dict[str, Run]:
    """Who takes part in one work, and how to run it once."""
    sizes = ["--env", env, "--envs", envs, "--steps", steps, "--seconds", options.seconds]

    def run(peer: str, script: str, *more: object) -> Run:
        return lambda: ask(peer, script, *sizes, *more)

    runs = {
        "ours, autograd": run("ours", "ours.py"),
        "ours, analytic": run("ours", "ours.py", "--gradient", "analytic"),
    }
    if env == "CartPole-v1":
        runs["ours, analytic, batched environment"] = run(
            "ours", "ours.py", "--gradient", "analytic", "--batched"
        )
    others = SCRIPTS if env == "CartPole-v1" else {name: SCRIPTS[name] for name in ("sb3", "cleanrl")}
    for peer, script in others.items():
        if peer != "cleanrl":
            runs[peer] = run(peer, script)
        elif options.cleanrl and (options.cleanrl / "cleanrl" / PUBLISHED[env]).exists():
            runs[peer] = run(peer, script, "--path", options.cleanrl)
    return runs


def compared(rows: list[Row]) -> list[Row]:
    """Rows of one round and work, with the ratios to Stable-Baselines3 and to CleanRL."""
    speed = {row["arm"]: rate(row) for row in rows}
    return [
        row
        | {
            "steps_per_cpu_s": number(speed[row["arm"]], 6),
            "x_sb3": number(ratio(speed[row["arm"]], speed.get("sb3", 0.0))),
            "x_cleanrl": number(ratio(speed[row["arm"]], speed.get("cleanrl", 0.0))),
        }
        for row in rows
    ]


def study(options: Options) -> None:
    facts: dict[str, str] = {
        "settings": "CleanRL's published ones of ppo.py, named in benchmarks/peers/protocol.py"
    }
    table = Table("ch18_peers", options, COLUMNS, **facts)
    works = [("CartPole-v1", *size) for size in SIZES] + [HEAVY]
    for number_of_round in range(1, options.rounds + 1):
        for work in works:
            rows, found = [], {}
            for arm, run in turned(list(arms(options, *work).items()), number_of_round - 1):
                answer = run()[-1]
                rows.append({"round": number_of_round, "work": work_name(*work), "arm": arm, **answer})
                peer = arm.split(",")[0]
                for fact in ("versions", "deviations"):
                    if answer.get(fact):
                        found[f"{fact} of {peer}"] = str(answer[fact])
                tell(
                    f"round {number_of_round}, {work_name(*work)}, {arm}: {answer.get('error') or number(rate(answer), 5)}"
                )
            table.add(*compared(rows), **found)
    tell(summary(table.rows))


def summary(rows: list[Row]) -> str:
    """Medians over the rounds, one line for each work and arm."""
    lines = [
        f"{'work':<24} {'arm':<38} {'steps/CPU s':>11} {'x SB3':>6} {'x CleanRL':>9} {'MiB':>5} {'import s':>8}"
    ]
    for work, arm in dict.fromkeys((row["work"], row["arm"]) for row in rows):
        mine = [row for row in rows if (row["work"], row["arm"]) == (work, arm)]
        columns = ("steps_per_cpu_s", "x_sb3", "x_cleanrl", "rss_mb", "import_cpu_s")
        speed, sb3, cleanrl, rss, imports = (median(row[name] for row in mine) for name in columns)
        lines.append(
            f"{work:<24} {arm:<38} {speed:>11.0f} {sb3:>6.2f} {cleanrl:>9.2f} {rss:>5.0f} {imports:>8.2f}"
            + "".join(f"  {row['error']}" for row in mine[-1:] if row["error"])
        )
    return "\n".join(lines)


if __name__ == "__main__":
    study(command_line(__doc__)[0])
