"""The contract of every vector of environments, as oracles: `f(core, kind)`.

`kind` is "serial", or a start method for worker processes. The rows of tracers are known beforehand without an
environment (`Script`); what is left behind is counted in the operating system, not asked of the object under test.
"""

from __future__ import annotations

import gc
import inspect
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.synchronize import SemLock
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tracer
from oracles import Core, oracle, refuses
from tracer import Faulty, Tracer, tracers

METHODS = [m for m in ("fork", "forkserver", "spawn") if m in multiprocessing.get_all_start_methods()]
QUICK = (
    "fork" if sys.platform == "linux" else METHODS[-1]
)  # a mutant is as wrong with one start method as with another
SECOND = 1.0
SLACK = 0.7  # for a busy machine


def make(core: Core, env_fns: Any, kind: str, workers: int | None = 2, **kwargs: Any) -> Any:
    if kind == "serial":
        return core.envs.SerialVectorEnv(env_fns)
    kwargs.setdefault("step_timeout", 20.0)
    env = core.parallel.ParallelVectorEnv(env_fns, workers, kind, **kwargs)
    shared_memory()  # look while it is there
    return env


class Script:
    """What N tracers answer: their seeds, rows and ends, computed from the definition alone."""

    def __init__(self, num_envs: int):
        self.num_envs, self.seed, self.episode = num_envs, 0, [-1] * num_envs
        self.rows: list[list[float]] = [[]] * num_envs
        self.random: list[np.random.Generator] = [None] * num_envs  # type: ignore[list-item]

    def begin(self, i: int) -> None:
        self.episode[i] += 1
        seed = int(np.random.SeedSequence((self.seed, i, self.episode[i])).generate_state(1)[0])
        self.random[i] = gym.utils.seeding.np_random(seed)[0]
        self.rows[i] = [i, seed % tracer.FINGERPRINT, 0, -1, self.random[i].random()]

    def reset(self, seed: int | None = None) -> np.ndarray:
        if seed is not None:
            self.seed, self.episode = seed, [-1] * self.num_envs
        for i in range(self.num_envs):
            self.begin(i)
        return np.array(self.rows, np.float32)

    def step(self, actions: Any) -> tuple[np.ndarray, ...]:
        rewards, terminated, truncated = [], [], []
        for i, action in enumerate(actions):
            elapsed = self.rows[i][2] + 1
            rewards.append(10.0 * (elapsed - 1) + float(action))
            self.rows[i] = [i, self.rows[i][1], elapsed, float(action), self.random[i].random()]
            length, how = tracer.expected_end(int(self.rows[i][1]))
            terminated.append(elapsed == length and how != "truncated")
            truncated.append(elapsed == length and how != "terminated")
        next_obs = np.array(self.rows, np.float32)
        for i in range(self.num_envs):
            if terminated[i] or truncated[i]:
                self.begin(i)
        return (
            np.array(self.rows, np.float32),
            next_obs,
            np.array(rewards, np.float32),
            np.array(terminated),
            np.array(truncated),
        )


def same(result: Any, expected: Any, what: str = "") -> None:
    """Five arrays, equal to the last bit, of the documented types."""
    names = ("obs", "next_obs", "rewards", "terminated", "truncated")
    for name, mine, theirs in zip(names, result, expected, strict=True):
        assert isinstance(mine, np.ndarray) and mine.dtype == theirs.dtype and mine.shape == theirs.shape, (
            f"{what} {name}: {mine!r}"
        )
        assert np.array_equal(mine, theirs), f"{what} {name} is\n{mine}, expected\n{theirs}"


def draw(step: int, num_envs: int) -> np.ndarray:
    return np.random.default_rng(step).integers(0, 4, num_envs)


def follows(env: Any, script: Script, steps: int, first: int = 0) -> None:
    for t in range(first, first + steps):
        actions = draw(t, env.num_envs)
        same(env.step(actions), script.step(actions), f"step {t}:")


def started(env: Any, script: Script, seed: int) -> None:
    obs, expected = env.reset(seed=seed), script.reset(seed)
    assert obs.dtype == np.float32 and np.array_equal(obs, expected), (
        f"reset({seed}) is\n{obs}, expected\n{expected}"
    )


def children() -> dict[int, Any]:
    """Worker processes of this process that are alive."""
    return {p.pid: p for p in multiprocessing.active_children() if p.is_alive()}


@contextmanager
def nothing_is_left(seconds: float = 3.0) -> Iterator[None]:
    """No worker process, shared memory or named semaphore more than before, within `seconds` of the end of the block."""

    def left() -> list[str]:
        processes = [f"process {pid} {p.name}" for pid, p in children().items() if pid not in before]
        return processes + sorted(shared_memory() - memory)

    before, memory = children(), shared_memory()
    yield
    deadline = time.monotonic() + seconds
    while left() and time.monotonic() < deadline:
        time.sleep(0.02)
    remains = left()
    for pid, process in children().items():
        if pid not in before:
            process.kill()
    assert not remains, f"left behind: {remains}"


OURS: set[str] = set()  # every name in shared memory that this process made or was ever seen to hold
_make_name = SemLock._make_name


def _remembered() -> str:
    name = _make_name()
    OURS.add(f"/dev/shm/sem.{name[1:]}")
    return name


SemLock._make_name = staticmethod(_remembered)


def shared_memory() -> set[str]:
    """Names under /dev/shm that this process made and that are still there; elsewhere nobody can look."""
    if Path("/proc/self/maps").exists():
        held = [
            line.split(maxsplit=5)[-1].strip()
            for line in Path("/proc/self/maps").read_text().splitlines()
            if "/dev/shm/" in line
        ]
        for descriptor in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                held.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        OURS.update(name for name in held if name.startswith("/dev/shm/") and not name.endswith("(deleted)"))
    return {name for name in OURS if os.path.exists(name)}


@contextmanager
def takes(at_most: float, at_least: float = 0.0) -> Iterator[None]:
    began = time.monotonic()
    yield
    seconds = time.monotonic() - began
    assert at_least <= seconds <= at_most + SLACK, f"took {seconds:.2f} s, expected {at_least} to {at_most} s"


def raises(kind: type[BaseException], call: Callable[[], Any], *words: str, exact: bool = False) -> Any:
    """The error of that kind which `call` raises; its message holds every word."""
    try:
        call()
    except kind as error:
        missing = [word for word in words if word not in str(error)]
        assert not missing, f"the message lacks {missing}: {str(error)[:2000]}"
        assert not exact or type(error) is kind, (
            f"expected {kind.__name__}, got {type(error).__name__}: {error}"
        )
        return error
    except Exception as error:
        raise AssertionError(f"expected {kind.__name__}, got {type(error).__name__}: {error}") from error
    raise AssertionError(f"nothing was raised; expected {kind.__name__}")


def needs(there: bool, otherwise: str) -> None:
    """Skip where the operating system cannot do what the oracle looks at."""
    if not there:
        pytest.skip(f"platform: {otherwise}")


@contextmanager
def flag() -> Iterator[str]:
    """A file whose existence lets a Faulty environment fail once."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "fail"
        path.touch()
        yield str(path)


# ---- rows


@oracle
def rows_are_true_transitions(core: Core, kind: str = QUICK) -> None:
    """Every number of every row is known beforehand, over ends of each kind; reset() goes on, reset(seed) begins again."""
    with nothing_is_left(), make(core, tracers(5), kind, 3) as env:
        script = Script(5)
        assert env.num_envs == 5 and env.single_action_space == gym.spaces.Discrete(4)
        assert env.single_observation_space.shape == (5,)
        started(env, script, 3)
        follows(env, script, 30)
        assert np.array_equal(env.reset(), script.reset()), "reset() begins the next episode everywhere"
        follows(env, script, 5, 30)
        started(env, script, 3)
        follows(env, script, 5)
        started(env, script, 2**62)
        follows(env, script, 5)


@oracle
def parallel_equals_serial(core: Core, kind: str = QUICK) -> None:
    """Row by row, bit for bit, for every number of workers: CartPole, Pendulum, and a tracer with continuous actions."""
    cases = [
        (
            [partial(core.envs.make_env, "CartPole-v1")] * 4,
            lambda t: np.random.default_rng(t).integers(0, 2, 4),
        ),
        (
            [partial(core.envs.make_env, "Pendulum-v1", max_episode_steps=9)] * 3,
            lambda t: np.random.default_rng(t).uniform(-2, 2, (3, 1)).astype(np.float32),
        ),
        (
            [partial(tracer.ContinuousTracer, i) for i in range(3)],
            lambda t: np.random.default_rng(t).uniform(-0.3, 0.3, (3, 2)).astype(np.float32),
        ),
    ]
    for env_fns, choose in cases[:1] if kind == "spawn" else cases:  # a spawned worker takes its time
        with make(core, env_fns, "serial") as serial:
            first = serial.reset(seed=5)
            expected = [tuple(x.copy() for x in serial.step(choose(t))) for t in range(60)]
            assert sum(e[3].sum() + e[4].sum() for e in expected) > 3, "no episode ended"
        for workers in (1, 2, 3):
            with make(core, env_fns, kind, workers) as env:
                assert np.array_equal(env.reset(seed=5), first)
                for t, rows in enumerate(expected):
                    same(env.step(choose(t)), rows, f"{workers} workers, step {t}:")


@oracle
def results_belong_to_the_caller(core: Core, kind: str = QUICK) -> None:
    """Nothing that was returned changes later, and changing it changes nothing later."""
    with make(core, tracers(3), kind) as env:
        script = Script(3)
        started(env, script, 0)
        kept = []
        for t in range(8):
            result, expected = env.step(draw(t, 3)), script.step(draw(t, 3))
            kept.append((result, expected))
        for result, expected in kept:
            same(result, expected, "kept from earlier:")
        for t in range(8, 16):
            result = env.step(draw(t, 3))
            same(result, script.step(draw(t, 3)), "after the caller wrote into the last result:")
            for array in result:
                array[:] = 1
        obs = env.reset(seed=0)
        obs[:] = 9
        script.reset(0)
        same(env.step(draw(0, 3)), script.step(draw(0, 3)), "after the caller wrote into reset()'s result:")


@oracle
def seeds_make_the_numbers(core: Core, kind: str = QUICK) -> None:
    """Environments, episodes and seeds differ; without a seed the first reset is random; a wrong seed is refused."""
    with make(core, tracers(3), kind) as env, make(core, tracers(3), kind) as other:
        obs = env.reset(seed=0)
        assert len({tuple(row[1:]) for row in obs}) == 3, "two environments begin alike"
        assert not np.array_equal(obs[:, 1], env.reset()[:, 1]), "two episodes begin alike"
        assert not np.array_equal(obs[:, 1], env.reset(seed=1)[:, 1]), "two seeds begin alike"
        assert np.array_equal(obs, env.reset(seed=0)) and np.array_equal(obs, env.reset(seed=np.int64(0)))
        assert not np.array_equal(other.reset()[:, 1], obs[:, 1]), "without a seed the first reset is random"
        script = Script(3)
        started(env, script, 4)
        for wrong in (-1, 2**63, 1.0, "1", True):
            refuses(lambda w=wrong: env.reset(seed=w), "seed", str(wrong), kind=core.errors.ConfigError)
        follows(env, script, 3)


@oracle
def restore_goes_on_where_it_was(core: Core, kind: str = QUICK) -> None:
    """Episodes under way are put back by their numbers and actions, also into an environment that was elsewhere."""
    for steps in (0, 4, 23):
        script = Script(4)
        script.reset(6)
        played: list[list[int]] = [[] for _ in range(4)]
        for t in range(steps):
            actions = draw(t, 4)
            _, _, _, terminated, truncated = script.step(actions)
            for i in range(4):
                played[i] = [] if terminated[i] or truncated[i] else [*played[i], int(actions[i])]
        with make(core, tracers(4), kind) as env:
            if steps != 4:
                env.reset(seed=99)
                env.step(draw(0, 4))
            obs = env.restore(6, list(script.episode), [np.array(p, np.int64) for p in played])
            assert np.array_equal(obs, np.array(script.rows, np.float32)), (
                f"restored to\n{obs}, expected\n{script.rows}"
            )
            follows(env, script, 12, steps)
            too_long = [np.zeros(50, np.int64)] * 4
            error = core.errors.EnvironmentFault if kind == "serial" else core.errors.WorkerError
            raises(
                error, lambda e=env, a=too_long: e.restore(6, [0] * 4, a), "deterministic", "environment 0"
            )
            raises(core.errors.OutOfStep, lambda e=env: e.step(draw(0, 4)), "reset()")
            started(env, script, 1)
            follows(env, script, 3)


# ---- what is refused


@oracle
def wrong_actions_are_refused(core: Core, kind: str = QUICK) -> None:
    """Before anything is sent: the next step is as if nothing had been asked."""
    kind_of_error = core.errors.ConfigError
    with make(core, tracers(3), kind) as env:
        script = Script(3)
        started(env, script, 0)
        wrong = [
            [0, 0], [0, 0, 0, 0], 0, [[0], [0], [0]], [0.0, 1.0, 2.0], [0, 1, float("nan")], [0, 1, 4], [0, 1, -1], [0, 1, 2**40],
            ["0", "1", "2"], [None, 0, 0], None, [True, False, True], np.zeros(3, np.float32), np.zeros(3, complex), [[0, 1], [0]], {0: 1},
            np.array([0, 1, 2**63], np.uint64),
        ]  # fmt: skip
        for actions in wrong:
            refuses(
                lambda a=actions: env.step(a),
                "actions",
                "expected" if not _in_shape(actions) else "",
                kind=kind_of_error,
            )
        follows(env, script, 3)
        for good in (np.array([0, 3, 1], np.int32), np.array([0, 3, 1], np.uint8), [0, 3, 1]):
            same(env.step(good), script.step([0, 3, 1]), f"{type(good)}:")
    boxes = [partial(tracer.ContinuousTracer, i) for i in range(2)]
    with make(core, boxes, kind) as env:
        env.reset(seed=0)
        good = np.array([[0.1, -0.1], [0.3, -0.3]], np.float32)
        for wrong in (
            good.ravel(), good[:1], good[:, :1], good.T[:, :, None], np.where(good > 0.2, np.nan, good), good + 0.1, good - 0.1, good * np.inf,
            good.astype(complex), good.astype(str), good > 0, None,
        ):  # fmt: skip
            refuses(lambda a=wrong: env.step(a), "actions", kind=kind_of_error)
        result = env.step(good.astype(np.float64))
        assert np.array_equal(result.next_obs[:, 2], [1, 1]) and np.allclose(
            result.next_obs[:, 3], good[:, 0]
        )
    for space, good, wrong in (
        (gym.spaces.Discrete(2, start=5), [5, 6], ([4, 5], [5, 7])),
        (
            gym.spaces.MultiDiscrete([2, 3]),
            [[1, 2], [0, 0]],
            ([[2, 0], [0, 0]], [[0, -1], [0, 0]], [[0.5, 0], [0, 0]]),
        ),
        (gym.spaces.MultiBinary(2), [[1, 0], [0, 1]], ([[2, 0], [0, 0]], [[float("nan"), 0], [0, 0]])),
        (
            gym.spaces.Box(-2, 2, (2,), np.int64),
            [[1, 2], [0, 0]],
            ([[3, 0], [0, 0]], [[0.5, 0], [0, 0]], [[float("nan"), 0], [0, 0]]),
        ),
    ):
        with make(core, [partial(tracer.Echo, space)] * 2, kind) as env:
            env.reset(seed=0)
            for actions in wrong:
                refuses(lambda e=env, a=actions: e.step(np.array(a)), "actions", kind=kind_of_error)
            env.step(np.array(good))


def _in_shape(actions: Any) -> bool:
    try:
        return np.shape(actions) == (3,)
    except ValueError:
        return False


@oracle
def calls_out_of_turn_are_refused(core: Core, kind: str = QUICK) -> None:
    out_of_step = core.errors.OutOfStep
    with nothing_is_left():
        env = make(core, tracers(2), kind)
        raises(out_of_step, lambda: env.step([0, 0]), "reset()")
        with takes(3 * SECOND):
            env.close()
            env.close()
        env = make(core, tracers(2), kind)
        with env as entered:
            assert entered is env
            env.reset(seed=0)
        raises(out_of_step, lambda: env.step([0, 0]), "close()")
        raises(out_of_step, lambda: env.reset(), "close()")
        raises(out_of_step, lambda: env.reset(seed=0), "close()")
        raises(out_of_step, lambda: env.restore(0, [0, 0], [np.zeros(0, int)] * 2), "close()")
        env.close()


@oracle
def env_fns_that_cannot_work_are_refused(core: Core, kind: str = QUICK) -> None:
    config = core.errors.ConfigError
    with nothing_is_left():
        refuses(lambda: make(core, [], kind), "env_fns", kind=config)
        refuses(lambda: make(core, Tracer, kind), "env_fns", "list", kind=config)
        refuses(
            lambda: make(core, [partial(Tracer, 0), Tracer(1)], kind),
            "env_fns[1]",
            "not callable",
            kind=config,
        )
        spaces = [
            [partial(tracer.Spacious, gym.spaces.Box(-1, 1, (n,))) for n in (3, 4)],
            [partial(tracer.Spacious, gym.spaces.Box(-n, n, (3,))) for n in (1, 2)],
            [partial(tracer.Spacious, None, gym.spaces.Discrete(n)) for n in (3, 4)],
        ]
        for env_fns in spaces:
            raises(
                core.errors.EnvironmentFault,
                lambda f=env_fns: make(core, f, kind),
                "environment 1",
                "environment 0",
                "equal spaces",
            )
        for space in (gym.spaces.Dict(a=gym.spaces.Discrete(2)), gym.spaces.Tuple([gym.spaces.Discrete(2)])):
            raises(
                core.errors.UnsupportedSpaceError,
                lambda s=space: make(core, [partial(tracer.Spacious, s)] * 2, kind),
                "observation_space",
            )
            raises(
                core.errors.UnsupportedSpaceError,
                lambda s=space: make(core, [partial(tracer.Spacious, None, s)] * 2, kind),
                "action_space",
            )
        raises(
            core.errors.EnvironmentFault,
            lambda: make(core, [partial(Tracer, 0), partial(str, "no environment")], kind),
            "environment 1",
            "gymnasium.Env",
        )
        if kind == "serial":
            return
        lock = threading.Lock()
        refuses(lambda: make(core, [lambda: lock], kind), "env_fns[0:1]", "inside the function", kind=config)
        for wrong in (
            {"start_method": "teleport"},
            {"on_worker_death": "ignore"},
            {"num_workers": -1},
            {"step_timeout": 0},
            {"start_timeout": -1},
        ):
            refuses(lambda w=wrong: core.parallel.ParallelVectorEnv(tracers(2), **w), *wrong, kind=config)


BAD_ANSWERS = {
    "wrong shape": "(5,)", "extra axis": "(5,)", "scalar": "(5,)", "None": "(5,)", "text": "(5,)", "ragged": "(5,)", "complex": "float32",
    "NaN": "NaN", "NaN at the end": "NaN", "inf": "inf", "inf after the cast": "infinity", "4-tuple": "truncated, info",
    "nothing": "truncated, info", "reward NaN": "finite", "reward inf": "finite", "reward None": "one number", "reward array": "one number",
}  # fmt: skip


@oracle
def wrong_answers_of_environments_are_refused(core: Core, kind: str = QUICK) -> None:
    """In the same call, with the environment's index and what was expected; afterwards reset() puts things right."""
    error = core.errors.EnvironmentFault if kind == "serial" else core.errors.WorkerError
    with flag() as path:
        for how, expected in BAD_ANSWERS.items():
            env_fns = [*tracers(2), partial(Faulty, 2, how, when=3, flag=path)]
            with make(core, env_fns, kind) as env:
                script = Script(3)
                started(env, script, 0)
                follows(env, script, 2)
                raised = raises(error, lambda e=env: e.step([0, 0, 0]), "environment 2", expected, exact=True)
                if kind != "serial":
                    assert isinstance(raised.__cause__, core.errors.EnvironmentFault), (
                        f"{how}: the cause is {raised.__cause__!r}"
                    )
                raises(core.errors.OutOfStep, lambda e=env: e.step([0, 0, 0]), "reset()")
                started(env, script, 1)
                follows(env, script, 3)
            Path(path).touch()
        for how in ("wrong shape", "None", "NaN", "nothing"):
            with make(core, [*tracers(2), partial(Faulty, 2, how, "reset", flag=path)], kind) as env:
                raises(error, lambda e=env: e.reset(seed=0), "environment 2", exact=True)
                raises(core.errors.OutOfStep, lambda e=env: e.step([0, 0, 0]), "reset()")
                script = Script(3)
                started(env, script, 0)
                follows(env, script, 3)
            Path(path).touch()


# ---- environments that raise


@oracle
def errors_of_environments_are_told(core: Core, kind: str = QUICK) -> None:
    """Type, text, environment, worker, call and traceback; whatever the exception is like; reset() then goes on."""
    cases = [
        ("raise", tracer.Boom),
        ("two arguments", None),
        ("unpicklable", None),
        ("becomes a string", None),
        ("speechless", tracer.Speechless),
    ]
    cases += [("long", None), ("keyboard interrupt", KeyboardInterrupt), ("sys.exit", SystemExit)]
    with flag() as path:
        for (how, cause), where in [
            *itertools.product(cases, ("step",)),
            (cases[0], "reset"),
            (cases[0], "autoreset"),
        ]:
            Path(path).touch()
            env_fns = [*tracers(3), partial(Faulty, 3, how, where, when=2, flag=path, longest=2)]
            with make(core, env_fns, kind) as env:

                def play(env=env):
                    env.reset(seed=0)
                    for t in range(4):
                        env.step(draw(t, 4))

                if kind == "serial":
                    try:
                        play()
                    except BaseException as error:
                        assert type(error).__module__ == "tracer" or type(error) is cause, repr(error)
                    else:
                        raise AssertionError(f"{how} in {where} was swallowed")
                else:
                    with takes(SECOND):
                        call = "reset()" if where == "reset" else "step()"
                        words = ["environment 3", "worker 1", call, "Traceback", "tracer.py"]
                        words += (
                            ["the sky fell"]
                            if how in ("raise", "unpicklable", "long", "becomes a string")
                            else []
                        )
                        error = raises(core.errors.WorkerError, play, *words, exact=True)
                    assert (error.index, error.worker) == (3, 1), (error.index, error.worker)
                    assert cause is None or type(error.__cause__) is cause, (
                        f"{how}: the cause is {error.__cause__!r}"
                    )
                raises(core.errors.OutOfStep, lambda e=env: e.step([0] * 4), "reset()")
                env.reset(seed=0)
                assert [env.step(draw(t, 4)).rewards[0] for t in range(3)], "goes on"
        if kind == "serial":
            return
        for how in ("raise", "unpicklable", "sys.exit"):
            Path(path).touch()
            with nothing_is_left(), takes(2 * SECOND if kind == QUICK else 15 * SECOND):
                env_fns = [*tracers(3), partial(Faulty, 3, how, "make", flag=path)]
                error = raises(
                    core.errors.WorkerError,
                    lambda f=env_fns: make(core, f, kind),
                    "environment 3",
                    "env_fn()",
                    "Traceback",
                )
                assert error.index == 3


@oracle
def any_function_can_make_an_environment(core: Core, kind: str = QUICK) -> None:
    """A lambda, a closure, a class defined inside a function, and a class of `__main__` as a notebook has it."""
    offset = 3

    class Local(Tracer):
        def reward(self, action):
            return 100.0 + offset

    def closure(name: int) -> Callable[[], Tracer]:
        return lambda: Tracer(name)

    namespace: dict[str, Any] = {"__name__": "__main__", "Tracer": Tracer}
    exec("class InACell(Tracer):\n    def reward(self, action):\n        return 50.0\n", namespace)
    for env_fns, reward in (
        ([lambda: Local(0), lambda: Local(1)], 103.0),
        ([lambda: namespace["InACell"](0)] * 2, 50.0),
        ([closure(0), closure(1)], 1.0),
    ):
        with make(core, env_fns, kind) as env:
            env.reset(seed=0)
            assert env.step([1, 1]).rewards.tolist() == [reward] * 2


# ---- workers that die, hang, and are interrupted: only where there are processes


@oracle
def a_dead_worker_is_noticed(core: Core, kind: str = QUICK) -> None:
    """Within a second, however it died; then everything is gone."""
    died = core.errors.WorkerDied
    how_they_die = [("kill", "SIGKILL" if os.name == "posix" else "exit code"), ("os._exit", "exit code 7")]
    for (how, word), where in [
        *itertools.product(how_they_die, ("step",)),
        (how_they_die[0], "reset"),
        (how_they_die[1], "make"),
    ]:
        with nothing_is_left():
            env_fns = [*tracers(3), partial(Faulty, 3, how, where)]
            if where == "make":
                with takes(SECOND if kind == QUICK else 15 * SECOND):
                    error = raises(died, lambda f=env_fns: make(core, f, kind), word, "worker 1")
                continue
            env = make(core, env_fns, kind, step_timeout=3.0)
            if where == "step":
                env.reset(seed=0)
                env.step([0] * 4)
                env.step([0] * 4)
            with takes(SECOND + 1.0):  # a second to notice, and what closing may take
                error = raises(
                    died,
                    lambda e=env, w=where: e.reset(seed=0) if w == "reset" else e.step([0] * 4),
                    word,
                    "worker 1",
                    "2 to 3",
                )
            assert (error.index, error.worker) == (2, 1)
            raises(core.errors.OutOfStep, lambda e=env: e.step([0] * 4), "close()")
            with takes(0.2):
                env.close()
    with nothing_is_left():  # from outside, between two steps, while nobody looks
        env = make(core, tracers(4), kind)
        env.reset(seed=0)
        before = children()
        victim = next(p for p in before.values() if "worker 1" in p.name)
        victim.kill()
        time.sleep(0.1)
        with takes(SECOND + 1.0):
            raises(
                died, lambda: env.step([0] * 4), "worker 1", "SIGKILL" if os.name == "posix" else "exit code"
            )


@oracle
def a_hung_worker_is_noticed(core: Core, kind: str = QUICK) -> None:
    """After step_timeout, with the name of the worker; then everything is gone, also one that ignores SIGTERM."""
    late = core.errors.WorkerTimeout
    cases = [("hang", "step", 0.5), ("hang", "reset", 0.5)]
    if os.name == "posix":
        cases.append(("hang and ignore SIGTERM", "step", 1.5))
    for how, where, closing in cases:
        with nothing_is_left():
            env = make(core, [*tracers(3), partial(Faulty, 3, how, where, when=1)], kind, step_timeout=0.4)

            def play(env=env):
                env.reset(seed=0)
                env.step([0] * 4)

            with takes(0.4 + 1.2 + closing, at_least=0.4):
                error = raises(late, play, "worker 1", "0.4 s", "step_timeout")
            assert isinstance(error, TimeoutError) and error.worker == 1
            with takes(0.2):
                env.close()
    with nothing_is_left(), takes(0.6 + 1.5, at_least=0.6):
        raises(
            late,
            lambda: make(core, [partial(Faulty, 0, "hang", "make")], kind, start_timeout=0.6),
            "worker 0",
            "0.6 s",
            "start",
        )


@oracle
def close_ends_everything_from_any_state(core: Core, kind: str = QUICK) -> None:
    """Within 3 s: new, after reset, after an error, with a dead worker, with a hung one, interrupted itself, or forgotten."""

    def fresh(env: Any) -> None: ...

    def reset(env: Any) -> None:
        env.reset(seed=0)

    def killed(env: Any) -> None:
        env.reset(seed=0)
        next(p for pid, p in children().items() if pid not in before).kill()

    def stopped(env: Any) -> None:
        env.reset(seed=0)
        for pid in children():
            if pid not in before:
                os.kill(pid, signal.SIGSTOP)

    before = children()
    for prepare in (fresh, reset, killed, *([stopped] if os.name == "posix" else [])):
        with nothing_is_left(0.5):
            env = make(core, tracers(4), kind)
            prepare(env)
            with takes(3 * SECOND):
                env.close()
    if os.name == "posix":
        for how in ("hang", "hang and ignore SIGTERM"):
            with nothing_is_left(0.5):
                env = make(core, [*tracers(3), partial(Faulty, 3, how, when=1)], kind)
                env.reset(seed=0)
                with ringing(0.3):
                    raises(KeyboardInterrupt, lambda e=env: e.step([0] * 4))
                with ringing(0.4):  # and again, while it is being closed
                    raises(KeyboardInterrupt, env.close)
                with takes(3 * SECOND):
                    env.close()
    with nothing_is_left():
        env = make(core, tracers(4), kind)
        env.reset(seed=0)
        del env
        gc.collect()


@contextmanager
def ringing(seconds: float) -> Iterator[None]:
    """A Ctrl-C that reaches this process alone, after so long. The test's own alarm clock is put back afterwards."""

    def ring(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    needs(hasattr(signal, "SIGALRM"), "no alarm clock that interrupts this process")
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    handler = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, left)


@oracle
def an_interrupt_mixes_no_rows(core: Core, kind: str = QUICK) -> None:
    """Ctrl-C while workers are busy: step() is refused, reset() gives the rows of its seed, not answers to what was asked before."""
    with nothing_is_left(), make(core, [partial(tracer.Slow, i, 0.25) for i in range(2)], kind) as env:
        script = Script(2)
        started(env, script, 0)
        follows(env, script, 1)
        for pause in (0.0, 0.4):  # answers that come after reset() was asked, and before
            with ringing(0.08):
                raises(KeyboardInterrupt, lambda: env.step([3, 3]))
            raises(core.errors.OutOfStep, lambda: env.step([1, 1]), "reset()")
            time.sleep(pause)
            started(env, script, 7)
            follows(env, script, 2)


def sigint_is_blocked() -> bool:
    return hasattr(signal, "pthread_sigmask") and signal.SIGINT in signal.pthread_sigmask(
        signal.SIG_BLOCK, ()
    )


def interrupted_at(count: int, modules: list[Any], call: Callable[[], Any]) -> str | None:
    """Run `call` and raise KeyboardInterrupt where the `count`-th line of `modules` begins; the line, or None if it finished before."""
    files, seen, here = {module.__file__ for module in modules}, 0, os.getpid()
    where: list[str] = []

    def line(frame, event, argument):
        nonlocal seen
        if event == "line" and os.getpid() == here:
            seen += 1
            if seen >= count and not where and not sigint_is_blocked():
                text = inspect.getsource(frame.f_code).splitlines()[
                    frame.f_lineno - frame.f_code.co_firstlineno
                ]
                where.append(f"{frame.f_code.co_name}: {text.strip()}")
                raise KeyboardInterrupt
        return line

    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: line if frame.f_code.co_filename in files else None)
    try:
        call()
    except KeyboardInterrupt:
        if not where:
            raise
        return where[0]
    finally:
        sys.settrace(before)
    return None


@oracle
def an_interrupt_at_any_line_mixes_no_rows(core: Core, kind: str = QUICK) -> None:
    """At every line of step(), reset() and restore(): afterwards a step is refused, or it is exactly the step that was asked for."""
    modules = [core.envs, core.checks] + ([] if kind == "serial" else [core.parallel])
    script = Script(3)
    with nothing_is_left(), make(core, tracers(3), kind, step_timeout=3.0) as env:
        calls = {
            "step": lambda: env.step(draw(9, 3)),
            "reset": lambda: env.reset(seed=8),
            "restore": lambda: env.restore(8, [0] * 3, [np.zeros(0, np.int64)] * 3),
        }
        for name, call in calls.items():
            for count in range(1, 1000):
                started(env, script, 5)
                follows(env, script, 2)
                line = interrupted_at(count, modules, call)
                if line is None:
                    break
                try:
                    result = env.step(draw(2, 3))
                except core.errors.OutOfStep:
                    pass
                else:  # nothing had happened yet, or everything had
                    if "return" not in line:
                        same(
                            result,
                            script.step(draw(2, 3)),
                            f"{name}() interrupted at '{line}', and then a step was accepted:",
                        )
                started(env, script, 6)
                follows(env, script, 2)
            assert 5 < count < 999, f"{name}(): {count} lines"


class _InterruptedWhileBlocking:
    """The module `signal`, with a Ctrl-C that arrives just before it is blocked: Python raises it as that call returns."""

    def __getattr__(self, name: str) -> Any:
        return getattr(signal, name)

    def pthread_sigmask(self, how: int, signals: Any) -> Any:
        before = signal.pthread_sigmask(how, signals)
        if how == signal.SIG_BLOCK and signals:
            raise KeyboardInterrupt
        return before


@oracle
def an_interrupt_at_any_line_leaves_no_process(core: Core, kind: str = QUICK) -> None:
    """At every line of the constructor, and of close(), which then can be called again."""
    if os.name == "posix":
        core.parallel.signal = _InterruptedWhileBlocking()
        try:
            with nothing_is_left():
                raises(KeyboardInterrupt, lambda: make(core, tracers(2), kind))
            blocked = sigint_is_blocked()
        finally:
            core.parallel.signal = signal
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        assert not blocked, "Ctrl-C while Ctrl-C is being blocked, and Ctrl-C is dead from now on"
    modules, before = [core.parallel], children().keys()
    for count in range(1, 1000, 5):
        with nothing_is_left():
            line = interrupted_at(count, modules, lambda: make(core, tracers(2), kind).close())
            if children().keys() - before:
                gc.collect()
        if line is None:
            break
    assert count > 20
    for count in range(1, 1000, 3):
        with nothing_is_left(0.5):
            env = make(core, tracers(2), kind)
            line = interrupted_at(count, modules, env.close)
            env.close()
        if line is None:
            break
    assert count > 8


@oracle
def a_new_worker_takes_over(core: Core, kind: str = QUICK) -> None:
    """on_worker_death="restart": its environments are truncated and begin their next episode; all others see nothing."""
    with flag() as path, nothing_is_left():
        os.remove(path)
        env_fns = [
            partial(Tracer, 0),
            partial(Tracer, 1),
            partial(Tracer, 2),
            partial(Faulty, 3, "kill", when=1, flag=path),
        ]
        with make(core, env_fns, kind, on_worker_death="restart", max_restarts=2) as env:
            script = Script(4)
            started(env, script, 0)
            follows(env, script, 3)
            for restart in range(2):
                # die in a step in which environment 2, which steps before in the same worker, ends an episode
                for t in range(3, 40):
                    elapsed, length = script.rows[2][2], tracer.expected_end(int(script.rows[2][1]))[0]
                    if elapsed + 1 == length or (restart == 1 and t > 5):
                        break
                    follows(env, script, 1, t)
                Path(path).touch()
                last = np.array(script.rows, np.float32)
                numbers = list(script.episode)
                with takes(2 * SECOND if kind == QUICK else 15 * SECOND):
                    result = env.step([1] * 4)
                obs, next_obs, rewards, terminated, truncated = script.step([1] * 4)
                for i in (2, 3):
                    script.episode[i] = numbers[i]
                    script.begin(i)
                    obs[i], next_obs[i], rewards[i], terminated[i], truncated[i] = (
                        script.rows[i],
                        last[i],
                        0.0,
                        False,
                        True,
                    )
                same(result, (obs, next_obs, rewards, terminated, truncated), f"restart {restart}:")
                follows(env, script, 4, 50)
            Path(path).touch()
            raises(core.errors.WorkerDied, lambda: [env.step([1] * 4) for _ in range(2)], "died")
            raises(core.errors.OutOfStep, lambda: env.step([1] * 4), "close()")
        # a death in reset(), and an environment that dies again as soon as it is made anew
        Path(path).touch()
        with make(
            core,
            [partial(Tracer, 0), partial(Faulty, 1, "kill", "reset", flag=path)],
            kind,
            on_worker_death="restart",
        ) as env:
            script = Script(2)
            started(env, script, 3)
            follows(env, script, 4)
            assert np.array_equal(env.reset(), script.reset())
            Path(path).touch()
            assert np.array_equal(env.reset(), script.reset()), (
                "the next episode, also after a death in reset()"
            )
            follows(env, script, 3)
        with make(
            core,
            [partial(Tracer, 0), partial(Faulty, 1, "kill", when=2)],
            kind,
            on_worker_death="restart",
            max_restarts=2,
        ) as env:
            env.reset(seed=0)
            with takes(3 * SECOND if kind == QUICK else 30 * SECOND):
                raises(core.errors.WorkerDied, lambda: [env.step([0, 0]) for _ in range(9)])
        with make(
            core,
            [partial(Tracer, 0), partial(Faulty, 1, "kill", "reset")],
            kind,
            on_worker_death="restart",
            max_restarts=2,
        ) as env:
            with takes(3 * SECOND if kind == QUICK else 30 * SECOND):
                raises(core.errors.WorkerDied, lambda: env.reset(seed=0))
            raises(core.errors.OutOfStep, lambda: env.step([0, 0]), "close()")


@oracle
def nothing_is_left_while_the_object_lives(core: Core, kind: str = QUICK) -> None:
    """After close() or a death, with the variable still there: no name in shared memory, and no descriptor more per environment."""

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0

    kept = []
    with nothing_is_left(0.3):
        env = make(core, tracers(4), kind)
        env.reset(seed=0)
        env.close()
        kept.append(env)
    with nothing_is_left(0.3):
        env = make(core, [partial(Faulty, 0, "kill")], kind, 1)
        env.reset(seed=0)
        raises(core.errors.WorkerDied, lambda e=env: [e.step([0]) for _ in range(9)])
        kept.append(env)
    kept.clear()
    del env
    gc.collect()
    before = descriptors()
    for _ in range(4):
        with make(core, tracers(2), kind) as env:
            env.reset(seed=0)
    del env
    gc.collect()
    assert descriptors() <= before + 1, f"{descriptors() - before} descriptors more after four environments"


# ---- environments with habits


@oracle
def careless_environments_do_no_harm(core: Core, kind: str = QUICK) -> None:
    """One that writes each observation into the same array, and one that writes into the action it was given."""
    with make(core, [partial(tracer.Thrifty, i) for i in range(3)], kind) as env:
        script = Script(3)
        started(env, script, 2)
        follows(env, script, 20)
    with make(core, [partial(tracer.ThriftyContinuous, i) for i in range(2)], kind) as env:
        env.reset(seed=0)
        actions = np.full((2, 2), 0.25, np.float32)
        env.step(actions)
        assert (actions == 0.25).all(), "the caller's actions were changed"


@oracle
def environments_may_have_children(core: Core, kind: str = QUICK) -> None:
    with make(core, [partial(tracer.Parental, 0)], kind, 1) as env:
        env.reset(seed=0)
        env.step([1])


# ---- Gymnasium's vector environments

MODES = [
    gym.vector.AutoresetMode.NEXT_STEP,
    gym.vector.AutoresetMode.SAME_STEP,
    gym.vector.AutoresetMode.DISABLED,
]


@oracle
def gymnasium_rows_are_true_transitions(core: Core) -> None:
    """In each autoreset mode, serial and in processes: no row without an action, no end without its observation."""
    vectors: list[Callable[..., gym.vector.VectorEnv]] = [gym.vector.SyncVectorEnv]
    if QUICK == "fork":
        vectors.append(partial(gym.vector.AsyncVectorEnv, context="fork"))
    for vector, mode in itertools.product(vectors, MODES):
        adapted = core.adapters.GymnasiumVectorEnv(vector(tracers(3), autoreset_mode=mode))
        raises(core.errors.OutOfStep, lambda e=adapted: e.step([0, 0, 0]), "reset()")
        script = Script(3)
        obs = adapted.reset(seed=3)
        assert np.array_equal(obs, script.reset(3)), f"{mode}: the first observations are\n{obs}"
        kept, ends = [], 0
        for t in range(40):
            before, actions = obs, draw(t, 3)
            refuses(lambda e=adapted: e.step([0, 0, 7]), "actions[2]", kind=core.errors.ConfigError)
            result = adapted.step(actions)
            expected = script.step(actions)
            if (
                mode != gym.vector.AutoresetMode.SAME_STEP
            ):  # there Gymnasium, not we, chooses the seeds of later episodes
                same(result, expected, f"{mode} step {t}:")
            obs = result.obs
            done = result.terminated | result.truncated
            ends += int(done.sum())
            for i in range(3):
                name, fingerprint, elapsed, _, _ = before[i]
                length, how = tracer.expected_end(int(fingerprint))
                assert result.next_obs[i, :4].tolist() == [name, fingerprint, elapsed + 1, actions[i]], (
                    f"{mode} step {t}: not a transition"
                )
                assert result.rewards[i] == 10 * elapsed + actions[i]
                assert done[i] == (elapsed + 1 == length) and (
                    not done[i] or result.terminated[i] == (how != "truncated")
                )
                assert obs[i, :4].tolist() == (
                    [i, obs[i, 1], 0, -1] if done[i] else result.next_obs[i, :4].tolist()
                )
            kept.append((result, tuple(x.copy() for x in result)))
        for result, copies in kept:
            same(result, copies, "kept from earlier:")
        assert ends > 10
        if mode != gym.vector.AutoresetMode.SAME_STEP:
            assert np.array_equal(adapted.reset(), script.reset()), (
                f"{mode}: reset() begins the next episodes"
            )
        assert np.array_equal(adapted.reset(seed=3), Script(3).reset(3))
        adapted.close()
        raises(core.errors.OutOfStep, lambda e=adapted: e.step([0, 0, 0]))


@oracle
def gymnasium_vectors_that_hide_rows_are_refused(core: Core) -> None:
    """NEXT_STEP without a way to reset some environments puts a row into each episode that is no transition."""
    cart = gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="vector_entry_point")
    refuses(
        lambda: core.adapters.GymnasiumVectorEnv(cart),
        "NEXT_STEP",
        "SAME_STEP",
        "SerialVectorEnv",
        kind=core.errors.ConfigError,
    )
    cart.close()
    if QUICK == "fork":
        piped = gym.vector.AsyncVectorEnv(tracers(2), shared_memory=False, context="fork")
        refuses(lambda: core.adapters.GymnasiumVectorEnv(piped), "NEXT_STEP", kind=core.errors.ConfigError)
        piped.close()
    for how in ("NaN", "NaN at the end"):
        for mode in MODES:
            adapted = core.adapters.GymnasiumVectorEnv(
                gym.vector.SyncVectorEnv([*tracers(1), partial(Faulty, 1, how, when=1)], autoreset_mode=mode)
            )
            adapted.reset(seed=0)
            raises(core.errors.EnvironmentFault, lambda e=adapted: e.step([0, 0]), "environment 1", "NaN")
            raises(core.errors.OutOfStep, lambda e=adapted: e.step([0, 0]), "reset()")
            adapted.close()


# ---- whole programs: what the operating system sees


def program(core: Core, text: str) -> list[str]:
    """A command that runs `text` with this folder and the package on its path."""
    paths = [str(Path(__file__).parent), str(Path(core.parallel.__file__).parents[1])]
    head = f"import sys; sys.path[:0] = {paths!r}\nimport multiprocessing, os, signal, time, tracer\nfrom functools import partial\nfrom {core.package}.parallel import ParallelVectorEnv\n"
    return [sys.executable, "-c", head + text]


def run(core: Core, text: str, **kwargs: Any) -> subprocess.Popen:
    script = program(core, text)
    return subprocess.Popen(
        script,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONFAULTHANDLER": ""},
        **kwargs,
    )


def alive(pids: list[int]) -> list[int]:
    """Which of these processes still run (a zombie does not)."""
    there = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state != "Z":
            there.append(pid)
    return there


def group(number: int) -> list[int]:
    """The processes of a group that still run, where /proc can say so."""
    members = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, pgrp = path.read_text().rsplit(")", 1)[1].split()[:3]
            if int(pgrp) == number and state != "Z":
                members.append(int(path.parent.name))
    return members


NAMES = (
    "from multiprocessing.synchronize import SemLock\nnames, make_name = [], SemLock._make_name\n"
    "def remembered():\n    names.append(make_name())\n    return names[-1]\n"
    "SemLock._make_name = staticmethod(remembered)\n"
)
MADE = "env = ParallelVectorEnv({env_fns}, 2, {kind!r})\nenv.reset(seed=0)\nprint(*[p.pid for p in multiprocessing.active_children()], flush=True)\n"


@oracle
def the_parents_death_ends_the_workers(core: Core, kind: str = QUICK) -> None:
    """Killed while they wait, while they work and while one hangs: within 3 s nobody is left."""
    needs(Path("/proc/self/stat").exists(), "no /proc to look for processes in")
    for name, busy in (
        ("Tracer", "time.sleep(60)"),
        ("Slow", "env.step([0, 0])"),
        ("Hung", "env.step([0, 0])"),
    ):
        env_fns = {
            "Tracer": "[partial(tracer.Tracer, i) for i in range(2)]",
            "Slow": "[partial(tracer.Slow, i, 30.0) for i in range(2)]",
            "Hung": "[partial(tracer.Faulty, i, 'hang and ignore SIGTERM', when=1) for i in range(2)]",
        }[name]
        process = run(
            core, NAMES + MADE.format(env_fns=env_fns, kind=kind) + "print(*names, flush=True)\n" + busy
        )
        pids = [int(word) for word in process.stdout.readline().split()]
        names = [f"/dev/shm/sem.{name[1:]}" for name in process.stdout.readline().split()]
        assert len(alive(pids)) == 2 and len(names) >= 4, process.stderr.read()
        time.sleep(0.2)
        process.kill()
        process.wait()
        deadline = time.monotonic() + 3 * SECOND
        while (alive(pids) or any(map(os.path.exists, names))) and time.monotonic() < deadline:
            time.sleep(0.05)
        left = alive(pids)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        process.stdout.close()
        process.stderr.close()
        assert not left, f"{name}: {len(left)} workers outlive their parent"
        assert not any(map(os.path.exists, names)), f"{name}: semaphores are left in shared memory"


@oracle
def a_program_ends_without_close(core: Core, kind: str = QUICK) -> None:
    """By its last line, by an exception, by sys.exit, in the middle of a step: its own exit code, quickly, and quietly."""
    needs(Path("/proc/self/stat").exists(), "no /proc to look for processes in")
    env_fns = "[partial(tracer.Tracer, i) for i in range(2)]"
    slow = "[partial(tracer.Slow, i, 0.2) for i in range(2)]"
    late = "import threading\nthreading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\ntry:\n    env.step([0, 0])\nexcept KeyboardInterrupt:\n    pass\n"
    for fns, end, code, words in (
        (env_fns, "", 0, ""),
        (env_fns, "1 / 0", 1, "ZeroDivisionError"),
        (env_fns, "sys.exit(5)", 5, ""),
        (slow, late, 0, ""),
    ):
        process = run(core, MADE.format(env_fns=fns, kind=kind) + end)
        pids = [int(word) for word in process.stdout.readline().split()]
        try:
            _, errors = process.communicate(timeout=3 * SECOND + SLACK)
        except subprocess.TimeoutExpired:
            for pid in (process.pid, *pids):
                os.kill(pid, signal.SIGKILL)
            process.communicate()
            raise AssertionError(f"{end!r}: still there after 3 s") from None
        assert process.returncode == code and not alive(pids), (process.returncode, errors)
        assert (words in errors) if words else errors == "", errors


@oracle
def a_script_without_a_guard_is_told_so(core: Core) -> None:
    """What everybody writes first: the processes are gone, and the error says which line is missing."""
    for method in [m for m in METHODS if m != "fork"]:
        with TemporaryDirectory() as folder:
            script = Path(folder) / "script.py"
            script.write_text(
                program(core, f"env = ParallelVectorEnv([partial(tracer.Tracer, 0)] * 2, 2, {method!r})\n")[
                    -1
                ]
            )
            answer = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
        # what follows the parent's message, if anything, is the resource tracker on a worker that was ended in mid-sentence
        said, _, message = answer.stderr.rpartition("WorkerDied: ")
        assert answer.returncode == 1 and "if __name__ == '__main__':" in message.split("\n")[0], (
            answer.stderr
        )
        assert "During handling" not in said.rsplit("Traceback", 1)[-1] and "EOFError" not in answer.stderr


@oracle
def control_c_in_a_terminal_is_the_parents_business(core: Core, kind: str = QUICK) -> None:
    """A signal to the whole group, between steps and in one: the workers live on, reset() goes on, nobody but the parent says a word."""
    needs(os.name == "posix", "no signals to a group of processes")
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        text = MADE.format(
            env_fns=f"[partial(tracer.Slow, i, 0.4, {str(log)!r}) for i in range(2)]", kind=kind
        ) + (
            "try:\n    time.sleep(9)\nexcept KeyboardInterrupt:\n    print('idle', flush=True)\n"
            "try:\n    env.step([1, 1])\nexcept KeyboardInterrupt:\n    print('interrupted', flush=True)\n"
            f"from {core.package}.errors import OutOfStep\n"
            "try:\n    env.step([1, 1])\nexcept OutOfStep:\n    print('refused', flush=True)\n"
            "env.reset(seed=0)\nprint(env.step([2, 3]).next_obs[:, 3].astype(int).tolist(), flush=True)\nenv.close()\n"
        )
        process = run(
            core,
            text,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        process.stdout.readline()
        time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)  # while the workers wait
        assert process.stdout.readline() == "idle\n"
        deadline = time.monotonic() + 4
        while not log.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)  # while they work
        assert process.stdout.readline() == "interrupted\n"
        output, errors = (
            process.stdout.read(),
            process.stderr.read(),
        )  # not communicate(): it misses what is buffered
        process.wait(20)
        process.stdout.close()
        process.stderr.close()
    assert output.split("\n")[:2] == ["refused", "[2, 3]"] and errors == "" and process.returncode == 0, (
        output,
        errors,
    )


@oracle
def control_c_while_workers_are_born(core: Core, kind: str = "spawn") -> None:
    """A signal to the whole group while new processes import what they need: one KeyboardInterrupt, in the parent, and not a word more."""
    needs(os.name == "posix", "no signals to a group of processes")
    blocked = (
        "from multiprocessing.process import BaseProcess\nstart = BaseProcess.start\n"
        "def watched(self):\n    start(self)\n    print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()), flush=True)\n"
        f"BaseProcess.start = watched\nParallelVectorEnv([partial(tracer.Tracer, i) for i in range(2)], 2, {kind!r}).close()\n"
        "print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))"
    )
    output, errors = run(core, blocked).communicate(timeout=60)
    assert output.split() == ["True", "True", "False"], (
        f"is SIGINT blocked after each start, and at the end? {output} {errors}"
    )
    text = (
        "print(os.getpid(), flush=True)\ntry:\n"
        f"    env = ParallelVectorEnv([partial(tracer.Tracer, i) for i in range(2)], 2, {kind!r})\n    time.sleep(9)\n"
        "except KeyboardInterrupt:\n    print('interrupted', flush=True)\n"
    )
    for delay in (0.03, 0.1, 0.25):
        process = run(
            core,
            text,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        process.stdout.readline()
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.stdout.read(), process.stderr.read()
        process.wait(20)
        process.stdout.close()
        process.stderr.close()
        # a server that forks workers gives them Ctrl-C back until their first line, so it may print their traceback
        assert (
            output == "interrupted\n" and process.returncode == 0 and (errors == "" or kind == "forkserver")
        ), (kind, delay, output, errors)
        deadline = time.monotonic() + 3 * SECOND
        while (left := group(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not left, f"still there: {left}"


@oracle
def workers_do_not_import_torch(core: Core) -> None:
    """Neither the modules that a worker needs, nor a worker of a program that has torch; by default nobody forks."""
    code = f"import {core.package}, {core.package}.parallel, {core.package}.envs, {core.package}.config, {core.package}.probes, sys\n"
    code += "print([m for m in ('torch', 'matplotlib', 'ipywidgets', 'anywidget', 'IPython') if m in sys.modules])"
    process = run(core, code)
    output, errors = process.communicate(timeout=60)
    assert output.strip() == "[]", f"imported: {output} {errors}"
    code = (
        "import torch\nif __name__ == '__main__':\n  for method in (None, 'spawn'):\n"
        "    with ParallelVectorEnv([partial(tracer.Modules, 'gymnasium')] * 2, 2, method) as env:\n"
        "      print(env.reset(seed=0)[:, :2].tolist(), type(multiprocessing.active_children()[0]).__name__, flush=True)\n"
    )
    process = run(core, code)
    output, errors = process.communicate(timeout=60)
    first, second = output.strip().splitlines()
    assert first.startswith("[[0.0, 1.0], [0.0, 1.0]]") and second.startswith("[[0.0, 1.0], [0.0, 1.0]]"), (
        output,
        errors,
    )
    assert "Fork" not in first.replace("ForkServer", "") and errors == "", (
        f"the default start method is fork: {first} {errors}"
    )
