"""Exercises of chapter 21, determinism and resume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ppo_core.teach.exercise import Case, Exercise, Misconception, Wrong

# ---------------------------------------------------------------------------------------------------------------
# steps_to_replay(done) -> steps since the last reset of each environment, [N]


def steps_to_replay(done):
    """The reference: the distance from the last row that ended an episode."""
    done = np.asarray(done, dtype=bool)
    later = done[::-1].argmax(0)
    return np.where(done.any(0), later, len(done))


def counted_one_by_one(done):
    """The oracle: walk through time with one counter for each environment."""
    rows = np.asarray(done, dtype=bool).tolist()
    counters = [0] * len(rows[0])
    for row in rows:
        counters = [0 if ended else counter + 1 for ended, counter in zip(row, counters, strict=True)]
    return counters


def _table(*columns: str) -> Callable[[], tuple]:
    """done [T, N] from one string for each environment; x is an ending."""
    return lambda: (np.array([[mark == "x" for mark in column] for column in columns]).T,)


def _from_first(done):
    done = np.asarray(done, dtype=bool)
    return np.where(done.any(0), len(done) - 1 - done.argmax(0), len(done))


STEPS_TO_REPLAY = Exercise(
    name="steps_to_replay",
    chapter=21,
    axes=("env",),
    prompt="How many steps of each environment must be replayed?",
    hints=(
        "The row in which an episode ended still belongs to that episode. The steps that count come after it.",
        "Go through the rows in order of time, with one counter for each environment: one more for each step, and back to zero at an ending.",
        "counter = np.zeros(done.shape[1], int); for row in done: counter = np.where(row, 0, counter + 1); return counter",
    ),
    cases=(
        Case("no ending", "Without an ending every step since the beginning counts.", read="Replay an episode", arguments=_table("....", "....")),
        Case("an ending in the middle", "Only the steps after the ending belong to the episode under way.", read="Replay an episode", arguments=_table("..x...", "......")),
        Case("an ending in the last row", "An episode that ended in the last row leaves nothing to replay: a new one has just begun.", read="Replay an episode", arguments=_table("...x", "x...")),
        Case("several endings", "It is the last ending that counts.", read="Replay an episode", arguments=_table(".x..x...", "x.......", "......xx")),
    ),
    reference=steps_to_replay,
    oracle=counted_one_by_one,
    misconceptions=(
        Misconception(
            "the row of the ending counted",
            lambda done: np.where(np.any(done, 0), steps_to_replay(done) + 1, len(done)),
            "One step too many: the row with the ending is the last step of the episode before.",
            read="Replay an episode",
        ),
        Misconception(
            "the first ending",
            _from_first,
            "This counts from the first ending. Later episodes have ended since: it is the last ending that counts.",
            read="Replay an episode",
        ),
        Misconception(
            "endings ignored",
            lambda done: np.full(np.shape(done)[1], len(done)),
            "These are the steps since the beginning of training. A reset makes all steps before it superfluous.",
            read="Replay an episode",
        ),
        Misconception(
            "the number of endings",
            lambda done: np.sum(done, 0),
            "This is the number of the episode under way, which a checkpoint holds too. Asked is how many of its steps were made.",
            read="Replay an episode",
        ),
        Misconception(
            "nothing without an ending",
            lambda done: np.where(np.any(done, 0), steps_to_replay(done), 0),
            "An environment that never ended an episode is still in its first one: all its steps must be replayed.",
            read="Replay an episode",
        ),
        Misconception(
            "one ending for all",
            lambda done: np.full(np.shape(done)[1], steps_to_replay(np.any(done, 1, keepdims=True))[0]),
            "Here an ending of one environment cuts all of them. Each environment has its own episodes.",
            read="Replay an episode",
        ),
    ),
    crash_help={"truth value of an array": "Python's own `if` cannot ask a whole row: use np.where(row, a, b)."},
    note="A checkpoint holds these actions and nothing of the environment itself.",
)  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------
# seed_of_episode(seed, index, episode) -> a seed in [0, 2**32)


def seed_of_episode(seed, index, episode):
    """The reference: NumPy's hash of the three numbers."""
    return int(np.random.SeedSequence((seed, index, episode)).generate_state(1)[0])


def _asked(answer: Callable[..., Any], *numbers: int) -> int:
    value = answer(*numbers)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise Wrong(f"A seed is a whole number, but for {numbers} the answer is {value!r}.")
    if not 0 <= value < 2**32:
        raise Wrong(f"For {numbers} the answer is {value}: a seed must lie in [0, 2**32). The modulus, % 2**32, brings it there.")  # fmt: skip
    return int(value)


def _repeats(answer: Callable[..., Any]) -> None:
    first = [_asked(answer, 1, i, k) for i in range(3) for k in range(3)]
    np.random.random()  # noqa: NPY002  (somebody else draws a number)
    if first != [_asked(answer, 1, i, k) for i in range(3) for k in range(3)]:
        raise Wrong(
            "Asked twice for the same episode, the answer differs: it depends on how often somebody drew before. The seed has to "
            "follow from the three numbers alone. Read: chapter 21, 'A seed for each episode'."
        )


def _uses_all(answer: Callable[..., Any]) -> None:
    base = _asked(answer, 3, 4, 5)
    for name, numbers in (("seed", (7, 4, 5)), ("index", (3, 8, 5)), ("episode", (3, 4, 9))):
        if _asked(answer, *numbers) == base:
            raise Wrong(
                f"The answer does not change with `{name}`. Then there are two runs, environments or episodes with the same random numbers, "
                "and the rollout holds copies. Read: chapter 21, 'A seed for each episode'."
            )


def _never_twice(answer: Callable[..., Any]) -> None:
    seen: dict[int, tuple] = {}
    near = [(s, i, k) for s in range(6) for i in range(6) for k in range(6)]
    far = [(s, i, k) for s in (0, 1000, 10**6) for i in (0, 1, 1000) for k in (0, 1, 1000, 10**4, 10**6)]
    for numbers in dict.fromkeys(near + far):
        value = _asked(answer, *numbers)
        if value in seen:
            raise Wrong(
                f"{seen[value]} and {numbers} get the same seed, {value}. Sums and simple products meet again somewhere: run 1, "
                "environment 1 becomes run 2, environment 0. Mix the three numbers with a hash. Read: chapter 21, 'A seed for each episode'."
            )
        seen[value] = numbers


SEED_OF_EPISODE = Exercise(
    name="seed_of_episode",
    chapter=21,
    prompt="Derive the seed of an episode from the run, the environment and the episode.",
    hints=(
        "A rule that adds or multiplies meets itself again. What you need is a hash: a function that scatters its arguments.",
        "np.random.SeedSequence takes a tuple of whole numbers. hashlib.sha256 takes bytes, for example of a text in which the three numbers stand.",
        "return int(np.random.SeedSequence((seed, index, episode)).generate_state(1)[0])",
    ),
    cases=(
        Case("the same again", "", test=_repeats),
        Case("all three count", "", test=_uses_all),
        Case("no two alike", "", test=_never_twice),
    ),
    reference=seed_of_episode,
    note="Any good hash will do; ppo_core takes NumPy's SeedSequence.",
)


EXERCISES = (STEPS_TO_REPLAY, SEED_OF_EPISODE)
