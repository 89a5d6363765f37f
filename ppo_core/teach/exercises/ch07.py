"""Exercises of chapter 07, many environments."""

from __future__ import annotations

import multiprocessing
import pickle
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ppo_core.teach.exercise import Case, Exercise, Misconception, Wrong

PAYS = "When does a second process pay?"

# ---------------------------------------------------------------------------------------------------------------
# break_even(num_envs, num_workers, overhead) -> the time of one environment's step from which workers pay


def break_even(num_envs: int, num_workers: int, overhead: float) -> float:
    """The reference: what the overhead must be made good by, one step cost for each environment that runs beside."""
    largest_block = -(-num_envs // num_workers)
    saved = num_envs - largest_block
    return overhead / saved if saved else float("inf")


def break_even_by_search(num_envs: int, num_workers: int, overhead: float) -> float:
    """The oracle: deal the environments out one by one, add up the times, and halve the interval where they cross."""

    def workers_win(step_cost: float) -> bool:
        load = [0.0] * num_workers
        for _ in range(num_envs):
            load[load.index(min(load))] += step_cost
        return overhead + max(load) <= num_envs * step_cost

    low, high = 0.0, 1e9
    if not workers_win(high):
        return float("inf")
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if workers_win(middle) else (middle, high)
    return high


def _arguments(*values: float) -> Callable[[], tuple]:
    return lambda: values


BREAK_EVEN = Exercise(
    name="break_even",
    chapter=7,
    prompt="From which time of a step on are worker processes as fast as one process?",
    hints=(
        "Write down the time of one vector step twice: for one process, and for workers of which the slowest decides. "
        "How many environments does the worker with the most environments have?",
        "One process needs num_envs * c. Workers need overhead + largest_block * c, where largest_block is num_envs / num_workers, "
        "rounded up. Set the two equal and solve for c.",
        "largest_block = -(-num_envs // num_workers) rounds up; c = overhead / (num_envs - largest_block). "
        "If nothing is left to divide by, no step is long enough: float('inf').",
    ),
    cases=(
        Case(
            "8 environments, 2 workers",
            "Set num_envs * c equal to overhead + largest_block * c and solve for c.",
            read=PAYS,
            arguments=_arguments(8, 2, 100.0),
        ),
        Case(
            "8 environments, 4 workers",
            "With four workers the largest block is two environments.",
            read=PAYS,
            arguments=_arguments(8, 4, 60.0),
        ),
        Case(
            "one worker",
            "One worker steps all environments and pays the overhead on top: it is never faster, so the answer is infinite.",
            read=PAYS,
            arguments=_arguments(8, 1, 100.0),
        ),
        Case(
            "5 environments, 2 workers",
            "The blocks are 3 and 2, and a vector step ends with the larger one.",
            read=PAYS,
            arguments=_arguments(5, 2, 100.0),
        ),
        Case(
            "more workers than environments",
            "A worker without an environment has nothing to do: the largest block is one environment.",
            read=PAYS,
            arguments=_arguments(3, 7, 50.0),
        ),
        Case(
            "one environment",
            "A single environment cannot be shared out: workers never pay.",
            read=PAYS,
            arguments=_arguments(1, 4, 50.0),
        ),
    ),
    reference=break_even,
    oracle=break_even_by_search,
    tolerance=1e-6,
    misconceptions=(
        Misconception(
            "blocks of equal size",
            lambda n, p, o: o * p / (n * (p - 1)) if p > 1 else float("inf"),
            "overhead * p / (num_envs * (p - 1)) holds for blocks of equal size. Five environments on two workers are blocks of 3 and 2, and "
            "everyone waits for the block of 3: round num_envs / num_workers up.",
            read=PAYS,
        ),
        Misconception(
            "the smallest block",
            lambda n, p, o: o / (n - n // p) if n - n // p else float("inf"),
            "This waits for the smallest block: // rounds down. A vector step ends with the worker that has the most environments, so "
            "num_envs / num_workers is rounded up: -(-num_envs // num_workers).",
            read=PAYS,
        ),
        Misconception(
            "workers take no time",
            lambda n, p, o: o / n,
            "This is overhead / num_envs: it forgets that the workers have to step their environments too. What is saved is only "
            "num_envs minus the largest block.",
            read=PAYS,
        ),
        Misconception(
            "overhead shared out",
            lambda n, p, o: o / p / (n + n // -p) if n + n // -p else float("inf"),
            "The overhead is not divided by the number of workers: it is what the parent pays for one vector step, whoever does the work.",
            read=PAYS,
        ),
        Misconception(
            "time of the block",
            lambda n, p, o: o / -(n // -p),
            "This compares the overhead with one worker's block. Compare the two ways of making a vector step: "
            "num_envs * c on one side, overhead + largest_block * c on the other.",
            read=PAYS,
        ),
    ),
    crash_help={
        "division by zero": "With one worker, or one environment, nothing is saved and there is nothing to divide by: return float('inf').",
    },
    note="The formula holds for uneven blocks too.",
)

# ---------------------------------------------------------------------------------------------------------------
# distinct_seeds(seed, num_envs, num_episodes) -> integers [num_envs, num_episodes]


def distinct_seeds(seed: int, num_envs: int, num_episodes: int) -> np.ndarray:
    """The reference: the seeds that the package's environments use."""
    from ppo_core.envs import episode_seed

    return np.array([[episode_seed(seed, i, k) for k in range(num_episodes)] for i in range(num_envs)])


def _seeds(answer: Callable[..., Any], seed: int, num_envs: int, num_episodes: int) -> np.ndarray:
    """The answer's seeds as an array of integers. Raises: Wrong if it is something else."""
    result = answer(seed, num_envs, num_episodes)
    if result is None:
        raise Wrong("The function returned nothing. Is the line with `return` missing?")
    try:
        seeds = np.asarray(result)
    except ValueError:
        raise Wrong(
            "The rows have different lengths: return one row for each environment, one column for each episode."
        ) from None
    if seeds.shape != (num_envs, num_episodes):
        raise Wrong(
            f"distinct_seeds({seed}, {num_envs}, {num_episodes}) has shape {seeds.shape}, expected {(num_envs, num_episodes)}: "
            "one row for each environment, one column for each episode."
        )
    if seeds.dtype == object:
        if not all(isinstance(value, int) for value in seeds.flat):
            raise Wrong(
                "Seeds are integers, and these are not: Gymnasium's reset(seed=...) takes a plain non-negative integer."
            )
    elif seeds.dtype.kind not in "iu":
        raise Wrong(
            f"Seeds are integers, and these have dtype {seeds.dtype}: Gymnasium's reset(seed=...) takes a non-negative integer."
        )
    if seeds.size and seeds.min() < 0:
        raise Wrong(f"A seed is negative ({seeds.min()}): Gymnasium's reset(seed=...) refuses that.")
    return seeds


def _where_twice(seeds: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The first two places that hold the same seed."""
    seen: dict[int, tuple[int, ...]] = {}
    for place, value in np.ndenumerate(seeds):
        if int(value) in seen:
            return seen[int(value)], tuple(int(i) for i in place)
        seen[int(value)] = tuple(int(i) for i in place)
    return None


def _form_of_seeds(answer: Callable[..., Any]) -> None:
    _seeds(answer, 0, 2, 3)
    _seeds(answer, 123456789, 5, 1)


def _reproducible(answer: Callable[..., Any]) -> None:
    if not np.array_equal(_seeds(answer, 3, 4, 5), _seeds(answer, 3, 4, 5)):
        raise Wrong(
            "Two calls with the same arguments give different seeds, so that no run can be repeated: derive every seed from `seed`."
        )


def _distinct_in_a_run(answer: Callable[..., Any]) -> None:
    for seed, num_envs, num_episodes in ((0, 4, 5), (1, 8, 150)):
        twice = _where_twice(_seeds(answer, seed, num_envs, num_episodes))
        if twice is None:
            continue
        (env, episode), (other_env, other_episode) = twice
        if env != other_env:
            raise Wrong(
                f"Environment {env} in episode {episode} and environment {other_env} in episode {other_episode} get the same seed "
                f"(seed={seed}, {num_envs} environments, {num_episodes} episodes): they would live through the same episode twice."
            )
        raise Wrong(
            f"Environment {env} gets the same seed in episode {episode} and in episode {other_episode}: it would start the same episode "
            "again and again. The number of the episode has to count."
        )


def _distinct_between_runs(answer: Callable[..., Any]) -> None:
    runs = np.stack([_seeds(answer, seed, 4, 5) for seed in range(8)])
    twice = _where_twice(runs)
    if twice is not None:
        (seed, env, episode), (other, other_env, other_episode) = twice
        raise Wrong(
            f"The run with seed {seed} and the run with seed {other} share an episode (environment {env}, episode {episode}; environment "
            f"{other_env}, episode {other_episode}). Runs with neighbouring seeds count as independent, so adding numbers up is not "
            "enough: mix all three, for example with np.random.SeedSequence. Read: chapter 7, 'A seed for every episode'."
        )


def _by_index_alone(answer: Callable[..., Any]) -> None:
    many = _seeds(answer, 5, 6, 7)
    if not np.array_equal(_seeds(answer, 5, 2, 7), many[:2]):
        raise Wrong(
            "The seeds of environment 0 change with the number of environments: an environment's seed may depend on `seed`, its own index "
            "and its own episode alone. Otherwise one worker and two workers would not give the same numbers."
        )
    if not np.array_equal(_seeds(answer, 5, 6, 3), many[:, :3]):
        raise Wrong(
            "The seeds change with the number of episodes, as they do when one generator is read for all environments in turn. Nobody knows "
            "beforehand how many episodes there will be: derive each seed from `seed`, the index and the episode alone."
        )


DISTINCT_SEEDS = Exercise(
    name="distinct_seeds",
    chapter=7,
    prompt="Give every episode of every environment a seed of its own.",
    hints=(
        "Three numbers go in: the run's seed, the index of the environment and the number of the episode. "
        "Which function of three integers gives different results for different inputs?",
        "A sum cannot do it: 0 + 1 is 1 + 0. NumPy has a mixer for this purpose, np.random.SeedSequence, and it takes a tuple of integers.",
        "np.random.SeedSequence((seed, env, episode)).generate_state(1)[0] is one seed; put it into two nested loops, "
        "environments outside and episodes inside.",
    ),
    cases=(
        Case("integers, one row for each environment", "", test=_form_of_seeds),
        Case("the same arguments give the same seeds", "", test=_reproducible),
        Case("no two episodes of a run are the same", "", test=_distinct_in_a_run),
        Case("two runs share no episode", "", test=_distinct_between_runs),
        Case("an environment's seeds are its own", "", test=_by_index_alone),
    ),
    reference=distinct_seeds,
    crash_help={
        "positional argument": "SeedSequence takes one argument: put the three numbers into a tuple, SeedSequence((seed, env, episode)).",
    },
    note="No two episodes are the same.",
)

# ---------------------------------------------------------------------------------------------------------------
# worker_loop(pipe, envs): answers (number, command, argument) with (number, result) until "close"


class FakePipe:
    """The worker's end of a pipe with nobody behind it: it hands out `orders` and keeps the `answers`.

    When the orders are used up the parent counts as gone: `recv` raises EOFError, like a real pipe. A loop that goes
    on all the same is held for ever (in a daemon thread), and `over` is set.
    """

    PATIENCE = 50

    def __init__(self, orders: Sequence[tuple]):
        self.orders, self.answers, self.calls_after_end = list(orders), [], 0
        self.over, self.endless = threading.Event(), False

    def recv(self) -> tuple:
        if self.orders:
            return self.orders.pop(0)
        self._count()
        raise EOFError("the parent is gone")

    def send(self, message: Any) -> None:
        if not self.orders:
            self._count()
        self.answers.append(pickle.loads(pickle.dumps(message)))  # what is sent is a copy, as in a real pipe

    def poll(self, timeout: float | None = 0.0) -> bool:
        if not self.orders:
            self._count()
        return True

    def close(self) -> None:
        pass

    def _count(self) -> None:
        self.calls_after_end += 1
        if self.calls_after_end > self.PATIENCE:
            self.endless = True
            self.over.set()
            threading.Event().wait()


class DiaryEnv:
    """Observes where it is: [its number, episode, step, last action]. Action 99 breaks it, and 98 in another way."""

    def __init__(self, number: int, terminates: int = -1, truncates: int = -1):
        self.number, self.terminates, self.truncates = number, terminates, truncates
        self.episode, self.time, self.seeds, self.closed = -1, 0, [], 0

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        self.seeds.append(seed)
        self.episode, self.time = self.episode + 1, 0
        return self.observe(-1), {"a": "dictionary"}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        if action == 99:
            raise ValueError("the motor is on fire")
        if action == 98:
            raise ZeroDivisionError("no friction")
        self.time += 1
        reward = 100.0 * self.number + action
        return self.observe(action), reward, self.time == self.terminates, self.time == self.truncates, {}

    def observe(self, action: int) -> np.ndarray:
        return np.array([self.number, self.episode, self.time, action], np.float32)

    def close(self) -> None:
        self.closed += 1


def worker_loop(pipe: Any, envs: Sequence[Any]) -> None:
    """The reference."""

    def advance(env: Any, action: int) -> tuple:
        next_obs, reward, terminated, truncated, _ = env.step(action)
        obs = env.reset()[0] if terminated or truncated else next_obs
        return obs, next_obs, reward, terminated, truncated

    while True:
        number, command, argument = pipe.recv()
        result = None
        try:
            if command == "reset":
                result = [env.reset(seed=seed)[0] for env, seed in zip(envs, argument, strict=True)]
            elif command == "step":
                result = [advance(env, action) for env, action in zip(envs, argument, strict=True)]
            elif command == "close":
                for env in envs:
                    env.close()
            else:
                raise ValueError(f"unknown command {command!r}")
        except Exception as error:
            result = error
        pipe.send((number, result))
        if command == "close":
            return


def _converse(
    answer: Callable[..., Any], orders: Sequence[tuple], envs: Sequence[DiaryEnv]
) -> tuple[FakePipe, BaseException | None]:
    """Run the loop on `orders`. Returns the pipe, and what the loop raised. Raises: Wrong if it does not end."""
    pipe, raised = FakePipe(orders), []

    def life() -> None:
        try:
            answer(pipe, envs)
        except BaseException as error:
            raised.append(error)
        pipe.over.set()

    threading.Thread(target=life, daemon=True).start()
    if not pipe.over.wait(20.0):
        raise Wrong(
            "The loop neither ends nor asks for the next order. Interrupt or restart the kernel if it is still busy."
        )
    return pipe, raised[0] if raised else None


def _answered(
    answer: Callable[..., Any],
    orders: Sequence[tuple],
    envs: Sequence[DiaryEnv],
    ends_with_close: bool = True,
) -> list[Any]:
    """The results for `orders`, each answered once and under its own number. Raises: Wrong, or what the loop raised."""
    pipe, raised = _converse(answer, orders, envs)
    if isinstance(raised, NotImplementedError):
        raise raised
    if isinstance(raised, (ValueError, ZeroDivisionError)) and str(raised) in (
        "the motor is on fire",
        "no friction",
    ):
        if any(isinstance(a, tuple) and len(a) == 2 and isinstance(a[1], Exception) for a in pipe.answers):
            raise Wrong(
                f"Only some exceptions are answered: {type(raised).__name__} ended the loop. An environment may raise anything, so catch Exception."
            )
        raise Wrong(
            "An environment raised, and the exception ended the loop: the parent waits for an answer that never comes. Catch it, and send "
            "(number, error); the next order may go well again."
        )
    if raised is not None and not isinstance(raised, EOFError):
        raise raised
    for place, message in enumerate(pipe.answers):
        if not (isinstance(message, tuple) and len(message) == 2):
            raise Wrong(
                f"Answer {place} is {_short(message)}. Every answer is a tuple of two: pipe.send((number, result))."
            )
    numbers, wanted = [message[0] for message in pipe.answers], [order[0] for order in orders]
    for number, command, _ in orders:
        got = numbers.count(number)
        if got == 1:
            continue
        if got > 1:
            raise Wrong(
                f"The order {command!r} got {got} answers. Every order gets exactly one, which holds a list with one entry for each environment."
            )
        if len(numbers) == len(wanted):
            raise Wrong(
                f"The order {command!r} has number {number}, and its answer carries {numbers[wanted.index(number)]!r}. Send back the number that came "
                "with the order: it tells the parent which action a row answers. Read: chapter 7, 'Why every answer has a number'."
            )
        if command == "close":
            raise Wrong(
                "The order 'close' got no answer. The parent waits for it, to know that the environments are closed: answer, then return."
            )
        if command not in ("reset", "step"):
            raise Wrong(
                f"The unknown command {command!r} got no answer, so the parent waits for ever. Answer it with an exception, such as ValueError."
            )
        before = next((message for message in pipe.answers if isinstance(message[1], Exception)), None)
        if pipe.orders and before is not None:
            raise Wrong(
                "The loop ended after it had answered an error. One bad step is no reason to lose the worker: go on with the next order."
            )
        raise Wrong(
            f"The order {command!r} got no answer. Every order is answered with pipe.send((number, result)), also one that fails."
        )
    if isinstance(raised, EOFError) and ends_with_close:
        raise Wrong("After 'close' the loop asked for another order. Answer, then return.")
    return [message[1] for message in pipe.answers]


def _short(value: Any) -> str:
    text = repr(value).replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "..."


def _list_of(result: Any, count: int, what: str) -> list:
    if isinstance(result, Exception):
        raise Wrong(
            f"A {what} that should work was answered with an exception: {type(result).__name__}: {result}."
        )
    try:
        items = list(result)
    except TypeError:
        raise Wrong(
            f"The result of {what} is {_short(result)}, expected a list with one entry for each environment."
        ) from None
    if len(items) != count:
        raise Wrong(
            f"The result of {what} has {len(items)} entries, expected {count}, one for each environment."
        )
    return items


def _equal(got: Any, *expected: float) -> bool:
    return isinstance(got, (np.ndarray, list)) and np.array_equal(got, expected)


def _observation(got: Any, *expected: float, what: str) -> None:
    if isinstance(got, tuple) and len(got) == 2 and isinstance(got[1], dict):
        raise Wrong(
            f"{what} is the pair (observation, info). Gymnasium's reset() returns both: send the observation alone, reset(...)[0]."
        )
    if not _equal(got, *expected):
        raise Wrong(
            f"{what} is {_short(got)}, expected {list(expected)} (environment, episode, step, last action)."
        )


def _resets(answer: Callable[..., Any]) -> None:
    envs = [DiaryEnv(0), DiaryEnv(1)]
    results = _answered(answer, [(5, "reset", [11, 12]), (6, "close", None)], envs)
    for i, (obs, seed) in enumerate(zip(_list_of(results[0], 2, "reset"), (11, 12), strict=True)):
        if envs[i].seeds[:1] == [None]:
            raise Wrong(
                f"Environment {i} was reset without a seed. The order brings one for each environment: env.reset(seed=seed)."
            )
        if envs[i].seeds != [seed]:
            raise Wrong(
                f"Environment {i} was reset with {envs[i].seeds}, expected once with {seed}: entry i of the argument belongs to envs[i]."
            )
        _observation(obs, i, 0, 0, -1, what=f"After reset, the observation of environment {i}")


def _steps(answer: Callable[..., Any]) -> None:
    envs = [DiaryEnv(0), DiaryEnv(1)]
    orders = [(41, "reset", [0, 1]), (7, "step", [3, 4]), (8, "step", [0, 1]), (99, "close", None)]
    results = _answered(answer, orders, envs)
    for count, (result, actions) in enumerate(zip(results[1:3], ([3, 4], [0, 1]), strict=True), 1):
        for i, row in enumerate(_list_of(result, 2, "step")):
            if not isinstance(row, (tuple, list)) or len(row) != 5:
                raise Wrong(
                    f"A row of step is {_short(row)}, expected the five entries (obs, next_obs, reward, terminated, truncated)."
                )
            if isinstance(row[4], dict):
                raise Wrong(
                    "A row is what Gymnasium's step() returned, (obs, reward, terminated, truncated, info). Send (obs, next_obs, reward, "
                    "terminated, truncated), where obs is what the policy sees next."
                )
            if i == 1 and _equal(row[0], 1, 0, count, actions[0]):
                raise Wrong(
                    "Environment 1 got the action of environment 0: entry i of the argument belongs to envs[i]."
                )
            for name, obs in (("obs", row[0]), ("next_obs", row[1])):
                _observation(obs, i, 0, count, actions[i], what=f"In step {count}, {name} of environment {i}")
            if row[2] != 100.0 * i + actions[i]:
                raise Wrong(
                    f"In step {count} the reward of environment {i} is {_short(row[2])}, expected {100.0 * i + actions[i]}."
                )
            if row[3] or row[4]:
                raise Wrong(
                    f"In step {count} environment {i} is said to have ended (terminated={row[3]}, truncated={row[4]}), and it has not."
                )
            if len(envs[i].seeds) > 1:
                raise Wrong(f"Environment {i} was reset although its episode had not ended.")


def _endings(answer: Callable[..., Any]) -> None:
    envs = [DiaryEnv(0, terminates=2), DiaryEnv(1, truncates=2)]
    orders = [
        (1, "reset", [0, 1]),
        (2, "step", [3, 4]),
        (3, "step", [5, 6]),
        (4, "step", [7, 8]),
        (5, "close", None),
    ]
    results = _answered(answer, orders, envs)
    for i, (action, after, how) in enumerate(((5, 7, "terminated"), (6, 8, "truncated"))):
        obs, next_obs, _, terminated, truncated = _list_of(results[2], 2, "step")[i]
        if len(envs[i].seeds) == 1:
            raise Wrong(
                f"The episode of environment {i} was {how}, and the loop did not reset it: the next action would be given to an episode "
                "that is over. Reset wherever terminated or truncated is true."
            )
        if _equal(next_obs, i, 1, 0, -1):
            raise Wrong(
                "Where an episode ended, next_obs is the first observation of the next episode. It must be what the action led to, the last "
                "observation of the old one: keep it before you reset."
            )
        if _equal(obs, i, 0, 2, action):
            raise Wrong(
                "Where an episode ended, obs is still the last observation. It is what the policy sees next, so it must be what reset() returned."
            )
        _observation(obs, i, 1, 0, -1, what=f"Where the episode of environment {i} ended, obs")
        _observation(next_obs, i, 0, 2, action, what=f"Where the episode of environment {i} ended, next_obs")
        if (bool(terminated), bool(truncated)) != (how == "terminated", how == "truncated"):
            raise Wrong(
                f"Environment {i} was {how}, and the row says terminated={terminated}, truncated={truncated}. Never merge the two."
            )
        _observation(
            _list_of(results[3], 2, "step")[i][0],
            i,
            1,
            1,
            after,
            what=f"One step after the ending, obs of environment {i}",
        )


def _errors(answer: Callable[..., Any]) -> None:
    envs = [DiaryEnv(0), DiaryEnv(1)]
    orders = [
        (1, "reset", [0, 1]),
        (2, "step", [0, 99]),
        (3, "reset", [2, 3]),
        (4, "step", [98, 0]),
        (5, "reset", [4, 5]),
        (6, "step", [2, 2]),
        (7, "close", None),
    ]
    results = _answered(answer, orders, envs)
    for place, kind in ((1, ValueError), (3, ZeroDivisionError)):
        if not isinstance(results[place], Exception):
            raise Wrong(
                f"An environment raised {kind.__name__}, and the answer is {_short(results[place])}. Send the exception itself, "
                "so that the parent can tell it from rows and raise it again: (number, error)."
            )
        if not isinstance(results[place], kind):
            raise Wrong(
                f"An environment raised {kind.__name__}, and the answer is {results[place]!r}: send the exception that was raised."
            )
    _observation(
        _list_of(results[5], 2, "step")[1][0],
        1,
        2,
        1,
        2,
        what="In the first good step after an error, obs of environment 1",
    )


def _unknown(answer: Callable[..., Any]) -> None:
    envs = [DiaryEnv(0)]
    results = _answered(
        answer, [(1, "reset", [0]), (2, "dance", None), (3, "step", [1]), (4, "close", None)], envs
    )
    if not isinstance(results[1], Exception):
        raise Wrong(
            f"The unknown command 'dance' was answered with {_short(results[1])}. Answer it with an exception, such as ValueError."
        )
    _observation(
        _list_of(results[2], 1, "step")[0][0], 0, 0, 1, 1, what="In the step after an unknown command, obs"
    )


def _closes(answer: Callable[..., Any]) -> None:
    envs = [DiaryEnv(0), DiaryEnv(1)]
    pipe, _ = _converse(answer, [(1, "reset", [0, 1]), (2, "close", None), (3, "step", [0, 0])], envs)
    if any(isinstance(message, tuple) and message[0] == 3 for message in pipe.answers) or not pipe.orders:
        raise Wrong("After 'close' the loop went on with the next order. Answer, then return.")
    results = _answered(
        answer, [(1, "reset", [0, 1]), (2, "close", None)], envs := [DiaryEnv(0), DiaryEnv(1)]
    )
    left_open = [i for i, env in enumerate(envs) if not env.closed]
    if left_open:
        raise Wrong(
            f"'close' left environment {left_open[0]} open: call close() of every environment, then answer, then return."
        )
    if isinstance(results[1], Exception):
        raise Wrong(f"'close' was answered with an exception: {type(results[1]).__name__}: {results[1]}.")


def _parent_gone(answer: Callable[..., Any]) -> None:
    pipe, raised = _converse(answer, [(1, "reset", [0]), (2, "step", [1])], [DiaryEnv(0)])
    if pipe.endless:
        raise Wrong(
            "When the parent is gone, recv() raises EOFError, for ever. This loop catches it and asks again, so the worker would never end. "
            "Leave recv() outside the try: EOFError may end the loop."
        )
    if raised is not None and not isinstance(raised, (EOFError, SystemExit)):
        raise raised


WORKER_LOOP = Exercise(
    name="worker_loop",
    chapter=7,
    prompt="Write the life of a worker that holds several environments: every order gets exactly one answer, under its number.",
    hints=(
        "The skeleton is `while True:`, one recv at the top and one send at the bottom. Everything between them makes `result`.",
        "step() returns the true successor. Keep it as next_obs; obs is the same array, unless terminated or truncated: then it is "
        "env.reset()[0]. Put try around the work, but not around recv, and let `except Exception as error` make the error the result.",
        "number, command, argument = pipe.recv(); then try: if command == 'reset': ... elif command == 'step': ... elif command == 'close': close every "
        "environment and set result = None; else: raise ValueError. except Exception as error: result = error. Then "
        "pipe.send((number, result)), and return if the command was 'close'.",
    ),
    cases=(
        Case("reset", "", test=_resets),
        Case("steps in which nothing ends", "", test=_steps),
        Case("episodes end", "", test=_endings),
        Case("an environment raises", "", test=_errors),
        Case("an unknown command", "", test=_unknown),
        Case("close", "", test=_closes),
        Case("the parent is gone", "", test=_parent_gone),
    ),
    reference=worker_loop,
    crash_help={
        "too many values to unpack": "step() returns five things and reset() two; an order has three parts.",
        "not enough values to unpack": "step() returns five things and reset() two; an order has three parts.",
    },
    note="It answers every order, and ends.",
)

# ---------------------------------------------------------------------------------------------------------------
# collect(number, pipes, timeout): the result of order `number` from every pipe, under one time limit for all

NUMBERS = "Why every answer has a number"
LIMIT = "Waiting with a limit"


def collect(number: int, pipes: Sequence[Any], timeout: float) -> list:
    """The reference."""
    deadline = time.monotonic() + timeout
    results: dict[int, Any] = {}
    for i, pipe in enumerate(pipes):
        while i not in results and pipe.poll(max(0.0, deadline - time.monotonic())):
            about, result = pipe.recv()
            if about == number:
                results[i] = result
    silent = [i for i in range(len(pipes)) if i not in results]
    if silent:
        raise TimeoutError(f"no answer from workers {silent} within {timeout:g} s")
    return list(results.values())


class _Workers:
    """Real pipes, and what comes out of each: messages [(seconds until it is sent, (number, result)), ...]."""

    def __init__(self, *messages: Sequence[tuple[float, tuple[int, Any]]]):
        self.ends = [multiprocessing.Pipe() for _ in messages]
        self.pipes = [ours for ours, _ in self.ends]
        self.timers = []
        for (_, theirs), plan in zip(self.ends, messages, strict=True):
            for delay, message in plan:
                if delay:
                    self.timers.append(threading.Timer(delay, theirs.send, (message,)))
                else:
                    theirs.send(message)

    def asked(self, answer: Callable[..., Any], number: int, timeout: float) -> tuple[Any, float]:
        """(what the answer returned or raised, after how many seconds). Raises: Wrong if it goes on waiting."""
        outcome: list = []

        def call() -> None:
            try:
                outcome.append(answer(number, self.pipes, timeout))
            except BaseException as error:
                outcome.append(error)

        thread = threading.Thread(target=call, daemon=True)
        began = time.monotonic()
        for timer in self.timers:
            timer.start()
        thread.start()
        thread.join(timeout + 3.0)
        seconds, waiting = time.monotonic() - began, thread.is_alive()
        for timer in self.timers:
            timer.cancel()
            timer.join()
        for _, theirs in self.ends:
            theirs.close()  # lets a recv() that waits for ever end with EOFError
        if waiting:
            raise Wrong(
                f"With timeout={timeout:g} the function was still waiting {timeout + 3.0:g} s later. recv() waits without a limit: call it only "
                f"after poll(seconds) has said that something is there. Read: chapter 7, '{LIMIT}'."
            )
        if isinstance(outcome[0], (NotImplementedError, SystemExit, KeyboardInterrupt)):
            raise outcome[0]
        return outcome[0], seconds


def _results(outcome: Any, expected: list, what: str) -> None:
    if isinstance(outcome, TimeoutError):
        raise Wrong(f"{what}, and the function raised TimeoutError: {outcome}.")
    if isinstance(outcome, BaseException):
        raise outcome
    if outcome is None:
        raise Wrong("The function returned nothing. Is the line with `return` missing?")
    if not isinstance(outcome, (list, tuple)) or len(outcome) != len(expected):
        raise Wrong(
            f"{what}, and the function returned {_short(outcome)}, expected a list with one result for each pipe."
        )
    outcome = list(outcome)
    if outcome == expected:
        return
    if all(isinstance(item, tuple) and len(item) == 2 for item in outcome):
        raise Wrong("An answer is (number, result). The list holds both: return the results alone.")
    if any(isinstance(item, str) and item.startswith("old") for item in outcome):
        raise Wrong(
            f"The order has a new number, and the list holds {_short(next(x for x in outcome if str(x).startswith('old')))}, the result of an earlier "
            f"order: drop every answer with another number, however many there are. Read: chapter 7, '{NUMBERS}'."
        )
    if sorted(map(str, outcome)) == sorted(map(str, expected)):
        raise Wrong(
            f"The results are {outcome}, expected {expected}: entry i belongs to pipes[i], whichever worker answers first."
        )
    raise Wrong(f"{what}: the results are {outcome}, expected {expected}.")


def _ready(answer: Callable[..., Any]) -> None:
    workers = _Workers([(0, (4, "a"))], [(0, (4, None))], [(0, (4, "c"))])
    outcome, _ = workers.asked(answer, 4, 1.0)
    if isinstance(outcome, TimeoutError):
        raise Wrong(
            "All three answers were there, one of them with the result None, and the function raised TimeoutError. None is a result like any other: "
            "remember which workers have answered, not what they said."
        )
    _results(outcome, ["a", None, "c"], "All three answers were there")


def _stale(answer: Callable[..., Any]) -> None:
    workers = _Workers(
        [(0, (7, "a"))],
        [(0, (6, "old")), (0, (7, "b"))],
        [(0, (4, "older")), (0, (5, "old")), (0, (6, "old")), (0, (7, "c"))],
    )
    outcome, _ = workers.asked(answer, 7, 2.0)
    _results(outcome, ["a", "b", "c"], "Behind older answers the right ones were waiting")


def _late(answer: Callable[..., Any]) -> None:
    workers = _Workers([(0.3, (1, "a"))], [(0.15, (1, "b"))], [(0, (0, "old")), (0.2, (1, "c"))])
    outcome, _ = workers.asked(answer, 1, 10.0)
    if isinstance(outcome, TimeoutError):
        raise Wrong(
            "The answers came after 0.3 s at the latest, the limit was 10 s, and the function raised TimeoutError: give poll() the seconds that are "
            "left until the deadline, and look again after an old answer."
        )
    _results(outcome, ["a", "b", "c"], "The answers came a little later")


def _silent(answer: Callable[..., Any]) -> None:
    for plans, number, quiet in (
        (([(0, (2, "a"))], [], [(0, (2, "c"))], []), 2, (1, 3)),
        (([(0, (1, "old"))], [(0, (2, "b"))], [(0, (2, "c"))]), 2, (0,)),
    ):
        outcome, _ = _Workers(*plans).asked(answer, number, 0.2)
        names = " and ".join(map(str, quiet))
        if not isinstance(outcome, BaseException):
            raise Wrong(
                f"No answer to order {number} came from worker {names} (at most an older one), and the function returned {_short(outcome)}: raise "
                "TimeoutError, since a vector that lacks a row cannot be used."
            )
        if not isinstance(outcome, TimeoutError):
            raise Wrong(
                f"No answer came from worker {names}, and the function raised {type(outcome).__name__}: {outcome}. Raise TimeoutError."
            )
        told = {int(word) for word in re.findall(r"\d+", str(outcome).split("within")[0])}
        if not set(quiet) <= told:
            raise Wrong(
                f"No answer came from worker {names}, and the message says: {_short(str(outcome))}. Name every worker that was silent: whoever reads it "
                "wants to know whether one hangs, or all. So go on with the other pipes, and raise at the end."
            )


def _one_deadline(answer: Callable[..., Any]) -> None:
    outcome, seconds = _Workers([], [], [], [], []).asked(answer, 1, 0.4)
    if seconds > 1.2:
        raise Wrong(
            f"Five workers were silent, timeout was 0.4 s, and the error came after {seconds:.1f} s: every pipe was given the whole time. Fix one deadline "
            "at the beginning, and give each poll() what is left of it."
        )
    if not isinstance(outcome, TimeoutError):
        raise Wrong(f"Five workers were silent, and the outcome is {_short(outcome)}, expected TimeoutError.")
    chatter = [(0.15 * k, (0, "old")) for k in range(1, 10)]
    _, seconds = _Workers(chatter).asked(answer, 1, 0.4)
    if seconds > 1.2:
        raise Wrong(
            f"A worker sent an old answer every 0.15 s, timeout was 0.4 s, and the error came after {seconds:.1f} s: each old answer started the time "
            "anew. Fix one deadline at the beginning, and give each poll() what is left of it."
        )


COLLECT = Exercise(
    name="collect",
    chapter=7,
    prompt="Collect the answers to one order from all workers: drop old ones, and let one time limit hold for all together.",
    hints=(
        "Two loops: over the pipes, and for each pipe until the answer with the right number is there. What ends the inner loop when nothing comes?",
        "Fix the deadline before the loops: time.monotonic() + timeout. poll(seconds) takes what is left of it, but never less than zero.",
        "Ask poll() with what is left of the time. When it says no, note this worker as silent and go on with the next pipe; when something came, keep "
        "it only if its number is right, and otherwise ask again. After both loops raise TimeoutError if anybody was noted.",
    ),
    cases=(
        Case("all answers are there", "", test=_ready),
        Case("older answers are dropped", "", test=_stale),
        Case("answers that take a moment", "", test=_late),
        Case("silent workers are named", "", test=_silent),
        Case("one deadline for all", "", test=_one_deadline),
    ),
    reference=collect,
    note="No old answer gets through, and nobody waits twice.",
)

EXERCISES = (BREAK_EVEN, DISTINCT_SEEDS, COLLECT, WORKER_LOOP)
