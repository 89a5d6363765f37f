"""Whether the number of processes changes what is learned: `python benchmarks/ch18_world_size.py`, about two minutes of one core.

Every row is one training run on CartPole-v1, compared with the run of one process with the same settings. The last
rows each break one of the conditions that ppo_core.extras.distributed keeps: they show that the comparison would see it.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RANKS = ROOT / "tests" / "extras"
sys.path.insert(0, str(RANKS))

import numpy as np  # noqa: E402
import ranks as job  # noqa: E402
from tables import default_settings, header, write_table  # noqa: E402

from ppo_core import PPOConfig  # noqa: E402
from ppo_core.checkpoint import load_checkpoint  # noqa: E402

COLUMNS = {
    "run": "what was run; those named `broken` break one condition on purpose",
    "processes": "ranks; where two numbers or more, in turn, each resuming the checkpoint of those before",
    "dtype": "of weights, rollout and gradients",
    "iterations": "rollouts and updates",
    "weights_apart": "largest absolute difference between its weights and those of one process at the end",
    "sums": "sums over ranks in which each rank took part (all-reduce)",
    "megabytes": "10⁶ bytes that each rank put into those sums",
    "ended": "complete, or the error that rank 0 raised",
}


def studies(ranks: job.Ranks, folder: Path) -> Iterator[dict[str, object]]:
    twelve = config(12)
    one = {name: job.alone(config(12, dtype=name)) for name in ("float64", "float32")}
    yield row("one process", 1, twelve, one["float64"], one["float64"])
    for size in (2, 3):
        yield compared("as many processes", size, twelve, ranks(job.train, size, twelve), one["float64"])
    analytic = config(12, gradient="analytic")
    yield compared("analytic gradient", 2, analytic, ranks(job.train, 2, analytic), job.alone(analytic))
    yield torchrun("two launches of torchrun, as on two machines", folder / "nodes", one["float64"], nodes=2)
    yield torchrun(
        "one process killed, torchrun starts all again", folder / "killed", one["float64"], kill_at=7
    )
    paths = folder / "first", folder / "second"
    ranks(job.train, 2, twelve, iterations=5, save=paths[0])
    ranks(job.resume, 1, paths[0], iterations=8, save=paths[1])
    yield compared("resumed by others", "2 1 3", twelve, ranks(job.resume, 3, paths[1]), one["float64"])
    single = config(12, dtype="float32")
    yield compared("float32", 2, single, ranks(job.train, 2, single), one["float32"])
    for name in job.BROKEN:
        settings = job.telling(ranks, name, 2)
        doc = getattr(job, name).__doc__.strip().split("\n")[0]
        outcomes = ranks(job.train, 2, settings, name)
        yield compared(f"broken: {doc}", 2, settings, outcomes, job.alone(settings))
    settings = job.telling(ranks, "EachStopsAlone", 12)
    outcomes = ranks(job.train, 2, settings, "EachStopsAlone", timeout=20.0, patience=120.0)
    yield compared(f"broken: {job.EachStopsAlone.__doc__}", 2, settings, outcomes, job.alone(settings))


def config(iterations: int = 12, **changes: object) -> PPOConfig:
    return job.config(iterations, **{"update_epochs": 4, **changes})


def compared(
    name: str, processes: object, settings: PPOConfig, outcomes: list[job.Outcome], one: job.Trained
) -> dict[str, object]:
    if outcomes[0].error or outcomes[0].code:
        ended = f"{outcomes[0].error[0] if outcomes[0].error else outcomes[0].code}"
        return {**row(name, processes, settings, None, one), "ended": ended}
    return row(name, processes, settings, outcomes[0].value, one)


def row(
    name: str, processes: object, settings: PPOConfig, run: job.Trained | None, one: job.Trained
) -> dict[str, object]:
    facts = {
        "run": name,
        "processes": processes,
        "dtype": settings.dtype,
        "iterations": settings.num_iterations,
    }
    measured = {"weights_apart": "", "sums": "", "megabytes": ""}
    if run is not None:
        measured["weights_apart"] = f"{np.abs(run.weights - one.weights).max():.2e}"
        if run.calls:
            measured |= {"sums": run.calls, "megabytes": f"{run.bytes / 1e6:.2f}"}
    return {**facts, **measured, "ended": "complete"}


def torchrun(
    name: str, path: Path, one: job.Trained, nodes: int = 1, kill_at: int | None = None
) -> dict[str, object]:
    """Two processes of the command line, started by torchrun: one launch of two, or two launches of one each."""
    settings = config(12)
    flags = ["--num-envs", settings.num_envs, "--num-steps", settings.num_steps, "--dtype", settings.dtype]
    flags += ["--total-timesteps", settings.total_timesteps, "--checkpoint", path, "--save-every", 2]
    where = ["--standalone", "--nproc-per-node", 2, "--max-restarts", 3]
    port = free_port()
    launches = [where]
    if nodes == 2:
        where = ["--nnodes", 2, "--nproc-per-node", 1, "--master-addr", "127.0.0.1", "--master-port", port]
        launches = [[*where, "--node-rank", rank] for rank in range(2)]
    started = [
        subprocess.Popen(
            [
                *map(str, [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", *launch]),
                *map(str, [RANKS / "killed_once.py", "train", *flags]),
            ],
            env={**os.environ, "KILL_AT": str(-1 if kill_at is None else kill_at), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for launch in launches
    ]
    told = [process.communicate(timeout=600)[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit(f"{name}: torchrun failed\n{told}")
    restarts = sum(text.count("Started again") for text in told)
    if restarts != int(kill_at is not None):
        raise SystemExit(f"{name}: {restarts} restarts\n{told}")
    weights = load_checkpoint(path)[0]["weights"].numpy()
    return row(name, 2, settings, job.Trained(weights, [], 0, 0), one)


def free_port() -> int:
    with socket.socket() as finder:
        finder.bind(("127.0.0.1", 0))
        return finder.getsockname()[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"), help="file to write")
    args = parser.parse_args()
    ranks = job.Ranks()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for study in studies(ranks, Path(folder)):
            rows.append(study)
            print(study, file=sys.stderr, flush=True)
    ranks.close()
    settings = default_settings(num_envs=8, num_steps=32, total_timesteps=12 * 8 * 32)
    head = header("python benchmarks/ch18_world_size.py", columns=COLUMNS, seeds="1", settings=settings)
    write_table(args.out, head, rows)


if __name__ == "__main__":
    main()
