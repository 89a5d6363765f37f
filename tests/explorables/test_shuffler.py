"""The shuffler cuts a rollout as the package does, and counts what the wrong ways lose."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from kit import module, node

from ppo_core import Rollout

SIZES = [
    (4, 8, 4),
    (1, 2, 8),
    (3, 5, 4),
    (8, 16, 7),
    (5, 7, 8),
    (2, 2, 1),
]  # num_envs, num_steps, num_minibatches


def flat(parts: list[list[int]]) -> list[int]:
    return [index for part in parts for index in part]


def plans(
    how: str, num_envs: int, num_steps: int, num_minibatches: int, epochs: int = 3, seed: int = 0
) -> list:
    return node(
        f"""import {{ plan }} from {module("shuffler")}; answer(plan(input));""",
        {
            "size": num_envs * num_steps,
            "num_minibatches": num_minibatches,
            "epochs": epochs,
            "how": how,
            "seed": seed,
        },
    )


def numbered_rollout(num_envs: int, num_steps: int) -> Rollout:
    """A rollout whose advantages say where they stand: 100 · t + env."""
    box = gym.spaces.Box(-1, 1, (1,), np.float32)
    rollout = Rollout(num_steps, num_envs, box, gym.spaces.Discrete(2))
    rollout.advantages[:] = 100 * torch.arange(num_steps)[:, None] + torch.arange(num_envs)
    return rollout


@pytest.mark.parametrize("num_envs, num_steps, num_minibatches", SIZES)
def test_shuffled_parts_are_those_of_the_package(num_envs: int, num_steps: int, num_minibatches: int) -> None:
    """The same lengths in the same order, and each step of the rollout once in every epoch."""
    size = num_envs * num_steps
    count = min(num_minibatches, size)
    parts = list(numbered_rollout(num_envs, num_steps).minibatches(count))
    for epoch in plans("shuffled", num_envs, num_steps, num_minibatches):
        assert [len(part) for part in epoch] == [len(part.advantages) for part in parts]
        assert sorted(flat(epoch)) == list(range(size))


def test_epochs_have_orders_of_their_own_and_a_seed_repeats_them() -> None:
    one, again, other = (plans("shuffled", 4, 8, 4, seed=seed) for seed in (3, 3, 4))
    assert one == again and one != other
    assert one[0] != one[1] != one[2]


@pytest.mark.parametrize("num_envs, num_steps, _", SIZES)
def test_a_row_lies_where_the_package_puts_it(num_envs: int, num_steps: int, _: int) -> None:
    """Row `index` of the flattened rollout is step t of environment env."""
    got = node(
        f"""import {{ place }} from {module("shuffler")};
        answer(Array.from({{ length: input.size }}, (_, i) => place(i, input.num_envs)).map(({{ t, env }}) => 100 * t + env));""",
        {"size": num_envs * num_steps, "num_envs": num_envs},
    )
    assert got == numbered_rollout(num_envs, num_steps).advantages.flatten(0, 1).tolist()


@pytest.mark.parametrize("how", ["shuffled", "with replacement", "rest dropped", "in order"])
def test_uses_are_counted_up_to_a_gradient_step(how: str) -> None:
    epochs = plans(how, 3, 5, 4, epochs=2)
    steps = [part for epoch in epochs for part in epoch]
    got = node(
        f"""import {{ uses }} from {module("shuffler")};
        answer(Array.from({{ length: 9 }}, (_, steps) => uses(input, 15, steps)));""",
        epochs,
    )
    expected = [np.bincount(np.array(flat(steps[:n]), dtype=int), minlength=15) for n in range(9)]
    np.testing.assert_array_equal(got, expected)


def test_the_wrong_ways_lose_what_the_page_says() -> None:
    dropped = plans("rest dropped", 5, 7, 8, epochs=1)[0]
    assert [len(part) for part in dropped] == [4] * 8 and len(set(flat(dropped))) == 32  # of 35

    drawn = [set(flat(epoch)) for epoch in plans("with replacement", 8, 16, 4, epochs=400)]
    unused = 1 - np.mean([len(steps) for steps in drawn]) / 128
    assert abs(unused - (1 - 1 / 128) ** 128) < 0.01

    in_order = plans("in order", 4, 8, 4, epochs=2)
    assert in_order[0] == in_order[1] and flat(in_order[0]) == list(range(32))


def test_permutations_are_fair() -> None:
    """Over many seeds each step comes first about equally often."""
    first = node(
        f"""import {{ plan }} from {module("shuffler")};
        answer(Array.from({{ length: 4000 }}, (_, seed) => plan({{ size: 8, num_minibatches: 8, epochs: 1, how: "shuffled", seed }})[0][0][0]));""",
    )
    counts = np.bincount(first, minlength=8)
    assert abs(counts - 500).max() < 100, counts  # five standard deviations
