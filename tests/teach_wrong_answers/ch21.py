"""Answers to the exercises of chapter 21: wrong ones with the words that the reader must see, and right ones of another kind."""

from __future__ import annotations

import hashlib

import numpy as np


# --- steps_to_replay ---------------------------------------------------------------------------------------------
def with_the_ending(done):
    steps = np.zeros(done.shape[1], int)
    for row in done:
        steps = np.where(row, 1, steps + 1)
    return steps


def since_the_first(done):
    steps, ended = np.zeros(done.shape[1], int), np.zeros(done.shape[1], bool)
    for row in done:
        steps = np.where(row & ~ended, 0, steps + 1)
        ended |= row
    return steps


def since_the_beginning(done):
    return np.full(done.shape[1], done.shape[0])


def number_of_endings(done):
    return done.sum(axis=0)


def nothing_yet(done):
    return np.array([list(column[::-1]).index(True) if column.any() else 0 for column in done.T])


def all_cut_at_once(done):
    steps = 0
    for row in done:
        steps = 0 if row.any() else steps + 1
    return np.full(done.shape[1], steps)


def pythons_if(done):
    steps = np.zeros(done.shape[1], int)
    for row in done:
        steps = 0 if row else steps + 1
    return steps


def by_a_loop(done):
    """Right: a counter for each environment."""
    steps = np.zeros(done.shape[1], int)
    for row in done:
        steps = np.where(row, 0, steps + 1)
    return steps


def by_lists(done):
    """Right: a list, one environment after the other, from the end."""
    counts = []
    for column in done.T.tolist():
        count = 0
        while count < len(column) and not column[-1 - count]:
            count += 1
        counts.append(count)
    return counts


# --- seed_of_episode ---------------------------------------------------------------------------------------------
def a_sum(seed, index, episode):
    return seed + index + episode


def places(seed, index, episode):
    """Room for a thousand environments and a thousand episodes, and no more."""
    return (seed * 1_000_000 + index * 1000 + episode) % 2**32


def exclusive_or(seed, index, episode):
    return seed ^ index ^ episode


def drawn(seed, index, episode):
    return int(np.random.randint(2**31))  # noqa: NPY002


def one_for_the_run(seed, index, episode):
    return seed


def one_for_the_environment(seed, index, episode):
    return int(np.random.SeedSequence((seed, index)).generate_state(1)[0])


def not_the_run(seed, index, episode):
    return by_sha(0, index, episode)


def too_large(seed, index, episode):
    return int.from_bytes(hashlib.sha256(f"{seed} {index} {episode}".encode()).digest()[:8], "big")


def a_fraction(seed, index, episode):
    return np.random.default_rng((seed, index, episode)).random()


def by_sha(seed, index, episode):
    """Right: the first four bytes of SHA-256."""
    return int.from_bytes(hashlib.sha256(f"{seed} {index} {episode}".encode()).digest()[:4], "big")


def by_a_generator(seed, index, episode):
    """Right: a generator of its own for the three numbers, drawn from once."""
    return np.random.default_rng((seed, index, episode)).integers(2**32)


WRONG = {
    "steps_to_replay": {
        "the ending counted": (with_the_ending, "One step too many"),
        "the first ending": (since_the_first, "counts from the first ending"),
        "endings ignored": (since_the_beginning, "since the beginning of training"),
        "number of endings": (number_of_endings, "the number of the episode under way"),
        "nothing without an ending": (nothing_yet, "still in its first one"),
        "one ending for all": (all_cut_at_once, "Each environment has its own episodes"),
        "Python's if": (pythons_if, "use np.where(row, a, b)"),
    },
    "seed_of_episode": {
        "a sum": (a_sum, "Mix the three numbers with a hash"),
        "places in a number": (places, "get the same seed"),
        "exclusive or": (exclusive_or, "Mix the three numbers with a hash"),
        "drawn": (drawn, "how often somebody drew before"),
        "one for the run": (one_for_the_run, "does not change with `index`"),
        "one for the environment": (one_for_the_environment, "does not change with `episode`"),
        "not the run": (not_the_run, "does not change with `seed`"),
        "too large": (too_large, "% 2**32"),
        "a fraction": (a_fraction, "A seed is a whole number"),
    },
}

RIGHT = {"steps_to_replay": [by_a_loop, by_lists], "seed_of_episode": [by_sha, by_a_generator]}
