"""The worker Gantt counts the time of a queue."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from kit import TOLERANCE, module, node


def queue_of_workers(durations: np.ndarray, num_workers: int, cores: int, overhead: float) -> float:
    """The time of all steps, step by step and second by second: each free core takes the next waiting worker."""
    total = 0.0
    for row in durations:
        jobs = [float(part.sum()) for part in np.array_split(row, num_workers)]
        running: list[float] = []
        clock = 0.0
        while jobs or running:
            while jobs and len(running) < cores:
                running.append(clock + jobs.pop(0))
            clock = min(running)
            running.remove(clock)
        total += overhead + clock
    return total


@pytest.mark.parametrize(
    "num_envs, num_workers, cores", [(8, 4, 4), (7, 3, 2), (5, 5, 1), (1, 1, 8), (32, 16, 3)]
)
def test_worker_times_are_those_of_a_queue(num_envs: int, num_workers: int, cores: int) -> None:
    durations = np.random.default_rng(num_envs).gamma(2.0, 0.5, size=(20, num_envs))
    parallel, serial, shares = node(
        f"""import {{ share, simulateSerial, simulateWorkers }} from {module("workers")};
        const {{ durations, num_workers, cores }} = input;
        answer([simulateWorkers(durations, num_workers, cores, 0.25), simulateSerial(durations),
                share(durations[0].length, num_workers)]);""",
        {"durations": durations.tolist(), "num_workers": num_workers, "cores": cores},
    )
    assert parallel["time"] == pytest.approx(
        queue_of_workers(durations, num_workers, cores, 0.25), abs=TOLERANCE
    )
    assert serial["time"] == pytest.approx(durations.sum(), abs=TOLERANCE)
    assert parallel["busy"] == pytest.approx(durations.sum(), abs=TOLERANCE)
    assert shares == [part.tolist() for part in np.array_split(np.arange(num_envs), num_workers)]
    blocks = [(b["step"], b["env"]) for b in parallel["blocks"]]
    assert sorted(blocks) == list(
        itertools.product(range(20), range(num_envs))
    )  # each environment once a step


def test_step_times_have_the_mean_and_the_spread_that_the_sliders_say() -> None:
    wide, none = node(
        f"""import {{ stepTimes }} from {module("workers")};
        answer([stepTimes(4000, 4, 2.0, 0.5, 3), stepTimes(3, 2, 2.0, 0, 1)]);"""
    )
    times = np.array(wide)
    np.testing.assert_allclose(times.mean(0), [6.0, 2.0, 2.0, 2.0], rtol=0.03)
    np.testing.assert_allclose(times.std(0) / times.mean(0), 0.5, rtol=0.08)
    np.testing.assert_allclose(none, 2.0)


def test_cheap_steps_lose_and_long_steps_win() -> None:
    settings = {"num_envs": 8, "num_workers": 4, "cores": 4, "spread": 0, "slow": 1, "overhead_ms": 0.2}
    cheap, long, crowded = node(
        f"""import {{ compare }} from {module("workers")}; answer(input.map((s) => compare(s)));""",
        [{**settings, "mean_ms": 0.02}, {**settings, "mean_ms": 50}, {**settings, "mean_ms": 50, "cores": 1}],
    )
    assert cheap["speedup"] == pytest.approx(8 * 0.02 / (2 * 0.02 + 0.2))
    assert cheap["serialRate"] == pytest.approx(50_000)
    assert long["speedup"] == pytest.approx(8 * 50 / (2 * 50 + 0.2))
    assert crowded["speedup"] < 1  # four workers on one core only queue
